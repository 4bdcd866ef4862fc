"""Registering many repositories from a list, in waves: what is registered is skipped, so the same list goes on.

A line is an address and, after a space, the key of the team that owns it; `#` begins a comment. The whole list is
checked before anything is kept. No host is asked here: the first audit of each is put into the inbox behind everything
else.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from elder_assets.audit.errors import ConfigurationError, SourceRefused
from resources.git.address import check_address, is_address, key_of_address
from resources.registry import normalised, provider_of
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import LOW
from resources.store.projects import ProjectTerms

LINES_MAX = 100_000
LINE_CHARACTERS_MAX = 2_000
PROBLEMS_SHOWN = 10
ALLOWED = "an address (https://, ssh://, user@host:path), and after a space the key of a team"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One line."""

    key: str
    url: str
    team: str | None


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did."""

    added: tuple[str, ...]
    known: int
    """Lines of repositories that were registered before."""
    left: int
    """Lines that are for a later wave."""


def read_list(lines: Iterable[str], teams: Iterable[str]) -> list[Listed]:
    """The repositories of a list, each once, in its order.

    Raises:
        ConfigurationError: lines that are not allowed; the first ten are named.
    """
    known_teams, found, problems = set(teams), dict[str, Listed](), []
    for number, line in enumerate(lines, 1):
        if number > LINES_MAX:
            raise ConfigurationError("list", f"more than {LINES_MAX} lines", "several lists")
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            listed = _listed(text, known_teams)
        except (SourceRefused, ValueError) as error:
            problems.append(f"line {number}: {error}")
            continue
        found.setdefault(listed.key, listed)
    if problems:
        more = f", and {len(problems) - PROBLEMS_SHOWN} more" if len(problems) > PROBLEMS_SHOWN else ""
        raise ConfigurationError("list", "; ".join(problems[:PROBLEMS_SHOWN]) + more, ALLOWED)
    return list(found.values())


def _listed(text: str, teams: set[str]) -> Listed:
    address, *rest = text[:LINE_CHARACTERS_MAX].split()
    if not is_address(address) or len(rest) > 1 or len(text) > LINE_CHARACTERS_MAX:
        msg = "this is another form"
        raise ValueError(msg)
    check_address(address)
    team = rest[0] if rest else None
    if team is not None and team not in teams:
        msg = f"there is no team {team[:100]!r}"
        raise ValueError(msg)
    return Listed(key=key_of_address(address), url=normalised(address), team=team)


def import_list(
    store: Store, settings: Settings, listed: list[Listed], *, wave: int | None = None, by: str
) -> Imported:
    """Register what is not registered yet, at most a wave of it, and ask for first audits.

    Raises:
        StoreError: the store cannot be written; what was registered before that stays.
    """
    known = {repository.key for repository in store.repositories()}
    fresh = [one for one in listed if one.key not in known]
    now = fresh if wave is None else fresh[:wave]
    for one in now:
        terms = ProjectTerms(name=one.key.rpartition("/")[2], provider=provider_of(one.url, settings))
        project = store.add_project(one.key, one.url, terms, team=one.team, status="active", by=by)
        store.ask_audit(
            one.key, source="registration", delivery_id=f"project {project.id}", audit_type="full", priority=LOW
        )
    return Imported(added=tuple(one.key for one in now), known=len(listed) - len(fresh), left=len(fresh) - len(now))
