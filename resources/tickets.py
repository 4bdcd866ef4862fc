"""Opening a ticket: a finding becomes one issue at its repository's own git host.

Once a finding: the wish is stored before the host is called, with a marker by chance that the issue's text holds.
Whoever asks again gets the same link. After a crash or an answer that never came nobody knows whether the issue is
there; the next attempt looks for the marker at the host and takes what it finds before it opens anything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from elder_assets.audit.errors import ConfigurationError, Conflict, ElderError, ProviderError
from elder_assets.audit.finding_states import ACTIVE
from elder_assets.audit.registry import catalogue
from resources.deliveries.host_reports import host_of
from resources.excerpts import SECRET_RULES
from resources.git.address import is_address, key_of_address
from resources.git.circuit import Circuits
from resources.git.providers.issues import Issue, OpenedIssue, markdown_body
from resources.git.providers.registry import provider_for
from resources.git.web import Place, file_address, form_address, place_of
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import AuditTarget
from resources.store.tickets import Ticket

CLOCK_SKEW = timedelta(minutes=10)
"""How far a host's clock may be behind ours when it is asked for what was opened since."""
Row = dict[str, Any]


def open_ticket(
    store: Store,
    settings: Settings,
    finding_id: int,
    *,
    by: str,
    team_id: int | None = None,
    circuits: Circuits | None = None,
    hosts: Callable[..., Any] = host_of,
) -> tuple[Ticket, bool]:
    """The ticket of a finding, and whether it was opened just now.

    Args:
        store: has the finding.
        settings: where credentials are read, and where Elder is reached.
        finding_id: the finding.
        by: who asks.
        team_id: their team; None for all.
        circuits: who keeps how hosts are doing; a host that rests is not called.
        hosts: finds provider and host of a project; tests hand in another.

    Raises:
        UnknownRecord: there is no such finding, or it is another team's.
        Conflict: it is no longer there, or somebody opens its ticket right now.
        ConfigurationError: the project has no credential, or no host.
        ProviderError: the host refused: `no_issues`, `issues_disabled`, `forbidden`, ...
    """
    row = store.finding_now(finding_id, team_id)
    known = store.tickets_of([finding_id]).get(finding_id)
    if known is not None and known.state == "open":
        return known, False
    if row["standing"] not in ACTIVE:
        msg = f"finding {finding_id} is {row['standing']}: there is nothing to do any more"
        raise Conflict(msg)
    target = store.audit_targets([row["repository_id"]])[row["repository_id"]]
    if not target.credential or not is_address(target.url):
        allowed = "a project on a git host with a credential that may open issues (env:NAME or file:/path)"
        raise ConfigurationError("credential", "", allowed)
    claimed = store.claim_ticket(finding_id, target.id, provider_name(settings, target), by)
    if claimed.state == "open":
        return claimed, False
    try:
        provider, host = hosts(settings, target, circuits)
        with host.client:
            opened = _opened(
                provider, host, key_of_address(target.url), claimed, issue_of(settings, target, row, claimed)
            )
    except ElderError as error:
        store.release_ticket(claimed, str(error))
        raise
    return store.settle_ticket(claimed, opened.number, opened.url, by), True


def _opened(provider: Any, host: Any, key: str, claimed: Ticket, issue: Issue) -> OpenedIssue:
    if claimed.attempts > 1:
        try:
            found: OpenedIssue | None = provider.find_issue(host, key, claimed.marker, claimed.asked_at - CLOCK_SKEW)
        except ProviderError as error:
            if error.reason not in {"gone", "not_found"}:  # issues that are switched off cannot be listed either
                raise
            found = None
        if found is not None:
            return found
    opened: OpenedIssue = provider.open_issue(host, key, issue)
    return opened


def provider_name(settings: Settings, target: AuditTarget) -> str:
    """Who serves a project; '' where nobody is known to."""
    if target.provider or not is_address(target.url):
        return target.provider
    try:
        return provider_for(target.url, dict(settings.git_hosts))
    except ElderError:
        return ""


def issue_of(settings: Settings, target: AuditTarget, row: Row, claimed: Ticket | None = None) -> Issue:
    """What the issue of a finding says; the place of a secret is not in it."""
    is_secret = row["rule"] in SECRET_RULES
    path, line = ("", 0) if is_secret else (row["path"], row["line"])
    documented = next((rule.documentation for rule in catalogue().rules if rule.code == row["rule"]), {})
    place = place_of(provider_name(settings, target), target.url, row["web_url"] or "")
    return Issue(
        rule=row["rule"],
        message=row["message"],
        severity=row["severity"],
        commit=row["last_commit"],
        place=f"{path}:{line}" if path and line else path,
        place_link=file_address(place, row["last_commit"], path, line),
        why=documented.get("Why", ""),
        remedy=row["remedy"] or documented.get("Remedy", ""),
        link=f"{settings.public_url}/findings/{row['id']}" if settings.public_url else "",
        marker=claimed.marker if claimed else "by hand",
        kind=str(target.settings.get("work_item_type", "")),
    )


def form_of(settings: Settings, target: AuditTarget, row: Row) -> str:
    """The host's own form of a new issue, filled in, for who opens it by hand; '' where there is none."""
    place: Place = place_of(provider_name(settings, target), target.url, row["web_url"] or "")
    issue = issue_of(settings, target, row)
    return form_address(place, issue.title, markdown_body(issue))
