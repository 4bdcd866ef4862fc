"""Weekly points of the past: the same engine and ruler at the last commit of each week (decision D11).

A week is an ISO week, Monday 00:00 UTC to the next; its commit is the last of the first-parent line that landed before
its end. The newest week is the one of the audited commit. Points are judged from the oldest to the newest, so that
what two weeks share is read once: blobs through the facts store, trees and facts in memory, history as one graph.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Protocol

import msgspec

from elder_assets.audit.comparison import OVERALL
from elder_assets.audit.dates import utc
from elder_assets.audit.engine import Said, judge, reads_history_blobs
from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.facts.commit_log import CLOCK_SKEW_SECONDS, DAY_SECONDS, Commit, History
from elder_assets.audit.facts.extraction import FactStore
from elder_assets.audit.facts.history_secrets import HistorySecrets, SecretsLedger
from elder_assets.audit.facts.repository_facts import RepositoryFacts, TreeCollector
from elder_assets.audit.judgement import Judged, Point, judged_key, limits_of, open_findings, point_of, score_point
from elder_assets.audit.model import Status
from elder_assets.audit.registry import Catalogue, catalogue
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.source import BlobSource

POINT = "point"
"""Kind of record that holds points, by `judged_key`."""
_WEEK_SECONDS = 7 * DAY_SECONDS
_FIRST_MONDAY = 4 * DAY_SECONDS
"""1970-01-05 00:00 UTC, in seconds since the epoch."""


class Week(msgspec.Struct, frozen=True, order=True):
    """One week and the commit that it ended with."""

    start: int
    """Monday 00:00 UTC, in seconds since the epoch."""
    commit: str

    @property
    def name(self) -> str:
        """ISO name: '2026-W07'."""
        year, week, _ = dt.datetime.fromtimestamp(self.start, dt.UTC).isocalendar()
        return f"{year}-W{week:02}"


class WeekPoint(msgspec.Struct, frozen=True):
    """A week and what the rules said at its commit, in numbers."""

    week: Week
    point: Point


def week_named(name: str) -> int:
    """Monday 00:00 UTC of an ISO week such as '2026-W07', in seconds since the epoch.

    Raises:
        ConfigurationError: the text names no week.
    """
    try:
        monday = dt.datetime.strptime(f"{name}-1", "%G-W%V-%u").replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise ConfigurationError("week", name, "an ISO week such as 2026-W07") from error
    return int(monday.timestamp())


class WeekScore(msgspec.Struct, frozen=True, kw_only=True):
    """One magic, or the whole, in one week."""

    week: str
    """Monday: '2026-02-09'."""
    commit: str
    as_of: int
    ruler: str
    magic: str
    """'' is the whole."""
    status: Status
    reason: str
    score: Fraction | None
    weight_share: Fraction
    """Share of the rule weight that applied, 0-1; of the whole: the mean over magics."""
    eligible: int
    analysed: int
    findings: int
    """Open ones that the ruler shows, notices left out."""
    is_provisional: bool
    """The week was still running when it was scored."""


def week_scores(points: Sequence[WeekPoint], ruler: Ruler, now: int) -> list[WeekScore]:
    """Rows of weeks: the whole and each magic, oldest week first.

    Args:
        points: what the rules said.
        ruler: what weighs it.
        now: the present time, in seconds since the epoch; its week is provisional.
    """
    digest = ruler.digest
    found: list[WeekScore] = []
    for point in points:
        scored = score_point(point.point, ruler)
        shares = [magic.weight_share for magic in scored.magics]
        share = sum(shares, start=Fraction(0)) / len(shares) if shares else Fraction(0)
        whole = (OVERALL, scored.status, scored.reason, scored.score, share)
        rows = [whole, *((m.magic, m.status, m.reason, m.score, m.weight_share) for m in scored.magics)]
        for magic, status, reason, score, weight_share in rows:
            tallies = point.point.of(magic) if magic else point.point.tallies
            found.append(
                WeekScore(
                    week=utc(point.week.start).strftime("%Y-%m-%d"),
                    commit=point.point.commit,
                    as_of=point.point.as_of,
                    ruler=digest,
                    magic=magic,
                    status=status,
                    reason=reason,
                    score=score,
                    weight_share=weight_share,
                    eligible=point.point.eligible,
                    analysed=point.point.analysed,
                    findings=sum(open_findings(tally, ruler) for tally in tallies),
                    is_provisional=point.week.start == week_start(now),
                )
            )
    return found


class PastSource(Protocol):
    """A BlobSource that can also be viewed at its first parents."""

    def first_parents(self) -> Sequence[Commit]:
        """The audited commit and its first parents, newest first."""
        ...

    def at(self, commit: str) -> BlobSource:
        """The same repository at a first parent."""
        ...


def weeks_of(line: Sequence[Commit], weeks: int, until: int | None = None) -> list[Week]:
    """The last weeks of a first-parent line (newest first), oldest week first; a young repository has fewer.

    Dates are made monotone along the line; those far ahead of the newest commit come from a broken clock.

    Args:
        line: the first parents, newest first.
        weeks: how many.
        until: a time in the newest week, in seconds since the epoch; default: the newest commit's. A fleet asks for
            one week of all repositories, those that rest too.
    """
    if not line or weeks < 1:
        return []
    latest = line[0].committed_at + CLOCK_SKEW_SECONDS
    landed: list[tuple[int, str]] = []
    date = 0
    for commit in reversed(line):
        if commit.committed_at <= latest:
            date = max(date, commit.committed_at)
        landed.append((date, commit.id))
    newest = week_start(landed[-1][0] if until is None else until)
    found: list[Week] = []
    start, last = newest, len(landed) - 1
    while last >= 0 and len(found) < weeks:
        while last >= 0 and landed[last][0] >= start + _WEEK_SECONDS:
            last -= 1
        if last >= 0:
            found.append(Week(start, landed[last][1]))
        start -= _WEEK_SECONDS
    return found[::-1]


def week_start(seconds: int) -> int:
    """Monday 00:00 UTC of the week that holds a time."""
    return seconds - (seconds - _FIRST_MONDAY) % _WEEK_SECONDS


Progress = Callable[[str, int, int], None]


def walk_weeks(
    source: PastSource,
    store: FactStore,
    ruler: Ruler,
    weeks: Sequence[Week],
    *,
    rules: Catalogue | None = None,
    progress: Progress = lambda _stage, _done, _total: None,
) -> Iterator[WeekPoint]:
    """The points of some weeks of one line, oldest first: those that were judged before from the store.

    Each new point is kept as soon as it is judged, so a walk that was stopped goes on where it ended.

    Raises:
        SourceError: the repository cannot be read.
    """
    ordered = sorted(weeks)
    known = known_points(store, ruler, [week.commit for week in ordered])
    missing = [commit for commit in dict.fromkeys(week.commit for week in ordered) if commit not in known]
    judged = _Walker(source, store, ruler, rules or catalogue(), missing)
    for week in ordered:
        if week.commit not in known:
            progress("weeks", missing.index(week.commit), len(missing))
            known[week.commit] = judged.point(week.commit)
        yield WeekPoint(week, known[week.commit])


def known_points(store: FactStore, ruler: Ruler, commits: Sequence[str]) -> dict[str, Point]:
    """Commit id to its point, where this code judged it by these limits before."""
    keys = {judged_key(commit, None, limits_of(ruler)): commit for commit in commits}
    stored = store.records(POINT, keys)
    return {keys[key]: msgspec.msgpack.decode(payload, type=Point) for key, payload in stored.items()}


class _Walker:
    """Judges commits of one line, each the past of the next."""

    def __init__(
        self, source: PastSource, store: FactStore, ruler: Ruler, rules: Catalogue, commits: Sequence[str]
    ) -> None:
        self._source = source
        self._store = store
        self._limits = limits_of(ruler)
        self._rules = rules
        self._commits = commits
        self._collector: TreeCollector | None = None
        self._said = Said()
        self._ledger: SecretsLedger | None = None

    def point(self, commit: str) -> Point:
        """Judge one commit and keep its point."""
        judged, is_certain = self.judge(commit)
        point = point_of(judged)
        if is_certain and not any(tally.status is Status.ERROR for tally in point.tallies):
            self._store.keep(POINT, {judged_key(commit, None, self._limits): msgspec.msgpack.encode(point)})
        return point

    def judge(self, commit: str) -> tuple[Judged, bool]:
        """What the rules say about one commit, and whether another try would say the same."""
        source = self._source.at(commit)
        if self._collector is None:
            self._collector = TreeCollector(source, self._store, self._rules.extractors())
            self._collector.prepare(self._commits)
            self._ledger = SecretsLedger(source, self._store)
        tree = self._collector.collect(commit)
        self._collector.forget(tree)
        history = source.history()
        facts = RepositoryFacts(
            source.snapshot(),
            tree,
            history,
            history_secrets=self._held(history),
            is_certain=self._collector.is_certain and not history.unavailable,
        )
        return judge(facts, self._limits, rules=self._rules, said=self._said), facts.is_certain

    def _held(self, history: History) -> HistorySecrets:
        if self._ledger is None or history.unavailable or not reads_history_blobs(self._rules):
            return HistorySecrets()
        return self._ledger.at(history)
