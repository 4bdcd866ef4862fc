"""The sweep: every registered repository's head against its last audit. It finds what no webhook told.

Bounded: a few hosts are asked at a time, each answer has a time limit, and a host that fails several times in a row is
left alone for the rest of the sweep, as is one whose circuit is open or paused.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from elder_assets.audit.errors import ElderError
from resources.git.address import check_address, is_address
from resources.git.circuit import host_of
from resources.git.credentials import sign_in
from resources.git.reader import GitSource
from resources.git.remote import remote_head
from resources.git.repository import open_repository
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import LOW, AuditTarget

ASKED_AT_ONCE = 8
FAILURES_A_HOST_MAX = 3
NOT_SWEPT = frozenset({"archived", "refused"})

HeadOf = Callable[[Settings, AuditTarget], str]


class Swept(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep found."""

    asked: int
    missing: tuple[str, ...]
    """Repositories whose head was not audited; each is in the inbox now."""
    failed: tuple[tuple[str, str], ...]
    """(repository, reason)."""
    left_alone: tuple[str, ...]
    """Repositories that were not asked, because their host failed before."""

    def line(self) -> str:
        """In one line."""
        parts = [
            f"{self.asked} repositories asked",
            f"{len(self.missing)} heads were not audited",
            f"{len(self.failed)} failed" if self.failed else "",
            f"{len(self.left_alone)} left alone" if self.left_alone else "",
        ]
        return ", ".join(part for part in parts if part)


def head_of(settings: Settings, target: AuditTarget) -> str:
    """The commit that a repository's default branch is at now; '' where there is none.

    Raises:
        SourceError: it cannot be asked.
    """
    if is_address(target.url):
        check_address(target.url)
        return remote_head(target.url, sign_in(settings, target.key, target.url)).commit
    with (
        open_repository(target.url, settings, key=target.key) as opened,
        GitSource(opened.git_dir, target.key) as source,
    ):
        return source.commit


def sweep(store: Store, settings: Settings, at: dt.datetime, head: HeadOf = head_of) -> Swept:
    """Put every head into the inbox that is not the last audited one; once for each head and day.

    Args:
        store: holds the registry, the last audits and the inbox.
        settings: of this machine.
        at: when it is made.
        head: asks one repository.
    """
    day, now = at.date(), int(at.timestamp())
    targets = [target for target in store.audit_targets().values() if _is_swept(target)]
    broken: Counter[str] = Counter(dict.fromkeys(store.resting_hosts(now), FAILURES_A_HOST_MAX))
    missing, failed, left_alone = [], [], []
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        for batch in _batches(targets):
            usable = [target for target in batch if broken[_host(target)] < FAILURES_A_HOST_MAX]
            left_alone += [target.key for target in batch if target not in usable]
            answers = pool.map(lambda target: _asked(settings, target, head), usable)
            for target, (commit, reason) in zip(usable, answers, strict=True):
                if reason:
                    broken[_host(target)] += 1
                    failed.append((target.key, reason))
                    continue
                broken[_host(target)] = 0
                if commit and commit != target.latest_commit:
                    missing.append(target.key)
                    _ask_for(store, target, commit, day)
    asked = len(targets) - len(left_alone)
    return Swept(asked=asked, missing=tuple(missing), failed=tuple(failed), left_alone=tuple(left_alone))


def _is_swept(target: AuditTarget) -> bool:
    is_ours = target.is_auto_audited and not target.is_audited_elsewhere
    return not target.is_removed and target.status not in NOT_SWEPT and is_ours


def _host(target: AuditTarget) -> str:
    return host_of(target.url) or target.url


def _batches(targets: list[AuditTarget]) -> Iterable[list[AuditTarget]]:
    """So many at a time, so that a failing host is noticed before all of its repositories were asked."""
    return (targets[start : start + ASKED_AT_ONCE] for start in range(0, len(targets), ASKED_AT_ONCE))


def _asked(settings: Settings, target: AuditTarget, head: HeadOf) -> tuple[str, str]:
    try:
        return head(settings, target), ""
    except ElderError as error:
        return "", str(error)


def _ask_for(store: Store, target: AuditTarget, commit: str, day: dt.date) -> None:
    store.put_inbox(
        source="sweep",
        provider="sweep",
        delivery_id=f"{target.key}:{commit}:{day}",
        action="audit",
        document={"audit_type": "incremental", "head": commit, "repository": target.key},
        repository_id=target.id,
        priority=LOW,
    )
