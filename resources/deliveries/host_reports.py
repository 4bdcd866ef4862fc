"""Telling a git host what came out: the status of a commit, and one comment on a change request.

A host that is away is asked again with a growing wait; one that refuses is not. Either way the caller gets words for
the inbox row: what was told, or that the verdict was not delivered and why. Findings are kept before anything is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from elder_assets.audit.errors import ConfigurationError, ElderError, ProviderError, ProviderUnavailable, SourceError
from resources.git.address import is_address, key_of_address
from resources.git.circuit import Circuits
from resources.git.providers.calls import open_host
from resources.git.providers.provider import GitProvider, State
from resources.git.providers.registry import open_provider, provider_for
from resources.observability.tracing import span
from resources.settings import Settings
from resources.store.inbox import AuditTarget

if TYPE_CHECKING:
    from resources.git.providers.calls import Host

TRIES = 4
FIRST_WAIT_SECONDS = 1.0
WAIT_SECONDS_MAX = 30.0
"""A run does not sleep longer for a host that asks for more; the verdict is in the store, and a replay tells it."""
STATES: dict[str, State] = {"passed": "success", "warning": "success", "failed": "failure"}
"""Status of a verdict or gate -> state of a commit; any other is an error."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be told about one commit."""

    commit: str
    state: State
    summary: str
    link: str = ""
    change_number: int | None = None
    comment: str = ""
    """Markdown; '' for none."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a report."""

    is_delivered: bool
    said: str
    """For the inbox row; '' where there is nobody to tell."""


def tells(target: AuditTarget) -> bool:
    """Whether a project's host can be told anything: it needs a credential, and an address on a host."""
    return bool(target.credential) and is_address(target.url)


def link_to(settings: Settings, target: AuditTarget) -> str:
    """Where the control plane shows the repository; '' while nobody said where it is reached."""
    return f"{settings.public_url}/repositories/{target.key}" if settings.public_url else ""


def tell(
    settings: Settings,
    target: AuditTarget,
    report: Report,
    sleep: Callable[[float], None] = time.sleep,
    circuits: Circuits | None = None,
) -> Told:
    """Tell the host of a project; never raises what the host or the settings are to blame for.

    Args:
        settings: of this machine.
        target: the project.
        report: what to tell.
        sleep: waits; tests hand in another.
        circuits: who keeps how hosts are doing; a host that rests is not called.
    """
    if not tells(target):
        return Told(is_delivered=False, said="")
    with span(settings, "report to host", state=report.state, provider=target.provider) as traced:
        told = _told(settings, target, report, sleep, circuits)
        traced.set(is_delivered=told.is_delivered)
        return told


def _told(
    settings: Settings, target: AuditTarget, report: Report, sleep: Callable[[float], None], circuits: Circuits | None
) -> Told:
    try:
        provider, host = host_of(settings, target, circuits)
    except (ConfigurationError, SourceError) as error:
        return Told(is_delivered=False, said=f"verdict not delivered: {error}")
    key = key_of_address(target.url)
    try:
        _retried(lambda: _set_status(provider, host, key, report), sleep)
        if report.comment and report.change_number is not None:
            number = report.change_number
            _retried(lambda: provider.comment(host, key, number, report.comment), sleep)
    except ElderError as error:
        return Told(is_delivered=False, said=f"verdict not delivered: {error}")
    finally:
        host.client.close()
    also = " and a comment" if report.comment else ""
    return Told(is_delivered=True, said=f"{provider.name}: status {report.state}{also} on {report.commit[:12]}")


def host_of(settings: Settings, target: AuditTarget, circuits: Circuits | None = None) -> tuple[GitProvider, Host]:
    """The provider of a project and its host, ready for calls; close the client after use.

    Raises:
        ConfigurationError: no provider serves the address, the credential cannot be read, or the API is not allowed.
    """
    name = target.provider or provider_for(target.url, dict(settings.git_hosts))
    provider = open_provider(name)
    api = str(target.settings.get("api_url", "")) or provider.api_base(key_of_address(target.url).partition("/")[0])
    token = settings.secrets.of(target.credential)
    return provider, open_host(api, token, allowed_hosts=settings.allowed_hosts, circuits=circuits)


def _set_status(provider: GitProvider, host: Host, key: str, report: Report) -> None:
    provider.set_status(
        host,
        key,
        report.commit,
        report.state,
        summary=report.summary,
        target_url=report.link,
        change_number=report.change_number,
    )


def _retried(call: Callable[[], None], sleep: Callable[[float], None]) -> None:
    """Make a call; again where the host may answer later.

    Raises:
        ProviderError: it refused, or was away every time.
    """
    wait = FIRST_WAIT_SECONDS
    for left in range(TRIES - 1, -1, -1):
        try:
            call()
        except ProviderUnavailable as error:
            if not left:
                msg = f"{error}, {TRIES} times"
                raise ProviderError(msg, error.reason) from error
            sleep(min(error.retry_after_seconds or wait, WAIT_SECONDS_MAX))
            wait *= 4
        else:
            return
