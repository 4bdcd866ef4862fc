"""Asking a remote repository whether it can be read, without fetching it; the credential that a git call carries."""

from __future__ import annotations

import base64
import subprocess
from urllib.parse import urlsplit

import msgspec

from elder_assets.audit.errors import CheckoutFailed, RepositoryNotFound
from resources.git.address import PROTOCOLS
from resources.git.commands import ENVIRONMENT, GUARDS, scrub
from resources.secrets import Secret

ASK_SECONDS_MAX = 15
ANSWER_BYTES_MAX = 10_000_000
ACCOUNTS = {
    "github": "x-access-token",
    "gitlab": "oauth2",
    "bitbucket_cloud": "x-token-auth",
    "bitbucket_server": "x-token-auth",
    "azure_devops": "elder",
}
"""The account that goes with a token over https, as each provider documents it; Azure DevOps takes any."""


class RemoteHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where a remote repository is now."""

    default_branch: str
    """'' where it is empty or its HEAD names no branch."""
    commit: str
    """'' for an empty repository."""


def credential_environment(address: str, provider: str, secret: Secret | None) -> dict[str, str]:
    """What lets git sign in at the host of an address, and at no other; {} without a secret.

    It goes through the environment: arguments can be read by everybody on the machine.
    https://git-scm.com/docs/git-config#ENVIRONMENT (GIT_CONFIG_COUNT), `http.<url>.extraHeader`.
    """
    parts = urlsplit(address)
    if secret is None or parts.scheme != "https":
        return {}
    account = ACCOUNTS.get(provider, "elder")
    encoded = base64.b64encode(f"{account}:{secret.reveal()}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.https://{parts.netloc}/.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {encoded}",
    }


def remote_head(
    address: str, credential: dict[str, str] | None = None, *, protocols: tuple[str, ...] = PROTOCOLS
) -> RemoteHead:
    """Ask a checked address for its HEAD.

    Raises:
        RepositoryNotFound: it refuses, or there is no repository; says what git said.
        CheckoutFailed: no answer within ASK_SECONDS_MAX.
    """
    command = ["git", *GUARDS, "ls-remote", "--symref", "--end-of-options", address, "HEAD"]
    environment = {**ENVIRONMENT, **(credential or {}), "GIT_ALLOW_PROTOCOL": ":".join(protocols)}
    try:
        result = subprocess.run(command, capture_output=True, check=False, env=environment, timeout=ASK_SECONDS_MAX)
    except subprocess.TimeoutExpired as error:
        raise CheckoutFailed(f"the host did not answer within {ASK_SECONDS_MAX} s") from error
    if result.returncode != 0:
        raise RepositoryNotFound(_reason(scrub(result.stderr)))
    branch = commit = ""
    for line in result.stdout[:ANSWER_BYTES_MAX].decode("utf-8", errors="replace").splitlines():
        left, _, name = line.partition("\t")
        if left.startswith("ref: refs/heads/") and name == "HEAD":
            branch = left.removeprefix("ref: refs/heads/")
        elif name == "HEAD":
            commit = left
    return RemoteHead(default_branch=branch[:255], commit=commit[:64])


def _reason(said: str) -> str:
    """What a person can do about it, before what git said."""
    lowered = said.lower()
    unsigned = ("could not read username", "authentication failed", "401", "permission denied")
    if any(words in lowered for words in unsigned):
        return f"the host asks for a credential, or refuses the one that is set: {said}"
    if any(words in lowered for words in ("could not resolve", "couldn't resolve", "name or service")):
        return f"the host name is not known: {said}"
    if any(words in lowered for words in ("not found", "does not exist", "404", "does not appear to be")):
        return f"there is no such repository, or the credential does not see it: {said}"
    return f"the repository cannot be read: {said}"
