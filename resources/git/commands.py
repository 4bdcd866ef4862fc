"""The one way to start git: an argument list, an environment that nobody else can bend, bounds on time.

Repositories and addresses are hostile. No system or user configuration, no prompts, hooks, filters, helpers or lazy
fetches; protocols are allow-listed. Nothing here runs inside an audited folder: every call names a bare `--git-dir`
of our own (decision D9).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from elder_assets.audit.errors import CheckoutFailed

READ_SECONDS_MAX = 600
"""Longest time for one command that reads; chosen by us: a scan of 500 MB of history takes under ten seconds."""

ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin",
    "LC_ALL": "C",
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
}
"""The whole environment of a git that reads; a fetch adds the protocols that it may use."""

GUARDS = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.attributesFile=/dev/null",
    "-c", "core.excludesFile=/dev/null",
    "-c", "credential.helper=",
    "-c", "protocol.ext.allow=never",
    "-c", "safe.directory=*",
    "-c", "core.quotePath=false",
    "-c", "transfer.fsckObjects=false",
)  # fmt: skip

_CREDENTIALS = re.compile(r"(\w+://)[^/@\s]+@")


_started = [0]


def processes_started() -> int:
    """How many git processes this process has started so far, fetches apart."""
    return _started[0]


def command(git_dir: Path, *arguments: str) -> list[str]:
    """The argument list of a guarded git on a bare repository of ours; the caller starts it once."""
    _started[0] += 1
    return ["git", *GUARDS, "--no-pager", "--git-dir", str(git_dir), *arguments]


def run(
    git_dir: Path,
    *arguments: str,
    stdin: bytes = b"",
    allowed: Sequence[int] = (0,),
    environment: dict[str, str] | None = None,
) -> bytes:
    """Standard output of a git command that reads.

    Raises:
        CheckoutFailed: it failed (another exit status than those allowed) or took longer than READ_SECONDS_MAX.
    """
    try:
        result = subprocess.run(
            command(git_dir, *arguments),
            input=stdin,
            capture_output=True,
            check=False,
            env={**ENVIRONMENT, **(environment or {})},
            timeout=READ_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"git {arguments[0]} took longer than {READ_SECONDS_MAX} s"
        raise CheckoutFailed(msg) from error
    except FileNotFoundError as error:
        msg = "git is not installed"
        raise CheckoutFailed(msg) from error
    if result.returncode not in allowed:
        msg = f"git {arguments[0]}: {scrub(result.stderr)}"
        raise CheckoutFailed(msg)
    return result.stdout


def scrub(raw: bytes | str) -> str:
    """What git said, on one line, without credentials in addresses and at most 300 characters long."""
    text = raw.decode("utf-8", errors="replace") if isinstance(raw, bytes) else raw
    line = " ".join(_CREDENTIALS.sub(r"\1", text).split())
    return "".join(char for char in line if char.isprintable())[:300] or "no reason given"
