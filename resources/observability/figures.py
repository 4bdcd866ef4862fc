"""What the installation exports to Prometheus beside its requests: levels, and counters since its start.

Counters begin at nought with the process and grow by the rows that appear in the store, so each replica counts
everything: rules take the maximum over replicas. Labels come from closed sets; teams are the TEAMS_MAX largest, the
others are one.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from resources.runs.limit import run_limit
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import ENDED
from resources.store.operations import UNEVEN_IDS, Event

STALE_AFTER = timedelta(hours=48)
"""The nightly audit reaches every repository once a day; two missed nights are a fault."""
EXPIRING_WITHIN = timedelta(days=7)
TEAMS_MAX = 100
OTHER = "other"
SECONDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)
Labels = tuple[str, ...]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """One metric with its samples."""

    name: str
    help: str
    kind: str
    """gauge or counter; histogram has `buckets`."""
    labels: Labels = ()
    samples: tuple[tuple[Labels, float], ...] = ()
    buckets: tuple[tuple[Labels, tuple[int, ...], float], ...] = ()
    """Of a histogram: labels, counts below each bound of SECONDS and at last of all, and the sum."""


class _Histogram:
    def __init__(self) -> None:
        self.counts: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = defaultdict(float)

    def observe(self, labels: Labels, seconds: float) -> None:
        counts = self.counts.setdefault(labels, [0] * (len(SECONDS) + 1))
        for index, bound in enumerate(SECONDS):
            counts[index] += seconds <= bound
        counts[-1] += 1
        self.sums[labels] += seconds

    def family(self, name: str, help_text: str, labels: Labels) -> Family:
        rows = tuple((key, tuple(counts), self.sums[key]) for key, counts in sorted(self.counts.items()))
        return Family(name=name, help=help_text, kind="histogram", labels=labels, buckets=rows)


class Figures:
    """Remembers how far the store was read; one a process. Call from one thread at a time."""

    def __init__(self, store: Store, settings: Settings | None = None) -> None:
        """Begin to count; settings say which limits hold."""
        self._store, self._settings = store, settings
        self._marks = store.newest_ids()
        self._seen: dict[str, set[int]] = defaultdict(set)
        self._pending = {
            row.id for state in ("waiting", "queued") for row in store.inbox_rows(states=[state], limit=500)[0]
        }
        self._teams: set[str] = set()
        self._counts: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._took, self._measured = _Histogram(), _Histogram()

    def families(self) -> list[Family]:
        """Read the store and give every metric.

        Raises:
            StoreError: the store cannot be read.
        """
        teams = self._store.team_levels(TEAMS_MAX)
        self._teams |= {row["team"] for row in teams[: TEAMS_MAX - len(self._teams)]}
        self._take_events()
        self._take_inbox()
        return [*self._levels(), *_team_families(teams), *self._counters()]

    # --- events -----------------------------------------------------------------------------------------------

    def _take_events(self) -> None:
        for event in self._new("audits", self._store.audits_after):
            self._counts["audits"]["judged", event.tier] += 1
            for magic, seconds in event.values.items():
                self._counts["cpu"][self._team(event), magic] += seconds
        for event in self._new("audit_failures", self._store.failures_after):
            self._counts["audits"]["failed", event.tier] += 1
        for event in self._new("gates", self._store.gates_after):
            self._counts["gates"][event.kind,] += 1
        for event in self._new("costs", self._store.costs_after):
            values = event.values
            self._counts["cpu"][self._team(event), "facts"] += values["cpu_seconds"]
            self._counts["blobs"]["known",] += values["blobs_known"]
            self._counts["blobs"]["measured",] += values["blobs_measured"]
            self._measured.observe((event.tier,), values["seconds"])

    def _new(self, name: str, read: Callable[[int], list[Event]]) -> Iterable[Event]:
        """Events that were not counted before, also those with an id below one that was."""
        start, seen = self._marks[name], self._seen[name]
        found = [event for event in read(start) if event.id not in seen]
        seen |= {event.id for event in found}
        highest = max(seen, default=start)
        if highest - UNEVEN_IDS > start:
            self._marks[name] = highest - UNEVEN_IDS
            self._seen[name] = {number for number in seen if number > highest - UNEVEN_IDS}
        return found

    def _team(self, event: Event) -> str:
        return event.team if event.team in self._teams or event.team == "none" else OTHER

    def _take_inbox(self) -> None:
        rows = self._store.ended_inbox(self._marks["inbox"], self._pending)
        for row in rows:
            if row["id"] > self._marks["inbox"]:
                self._counts["received"][row["source"],] += 1
            if row["state"] not in ENDED:
                self._pending.add(row["id"])
                continue
            self._pending.discard(row["id"])
            self._counts["ended"][row["source"], row["state"]] += 1
            if row["state"] == "done":
                self._took.observe((row["source"],), (row["finished_at"] - row["received_at"]).total_seconds())
        self._marks["inbox"] = max([self._marks["inbox"], *(row["id"] for row in rows)])

    # --- families ---------------------------------------------------------------------------------------------

    def _levels(self) -> list[Family]:
        now = datetime.now(UTC)
        held = self._store.levels(stale_after=STALE_AFTER, expiring_within=EXPIRING_WITHIN)
        repositories = {name: getattr(held, name) for name in ("registered", "audited", "passed", "stale", "failing")}
        findings = {name: getattr(held, name) for name in ("open", "suppressed", "critical", "high")}
        beats = {name: _age(now, at) for name, at in self._store.beats().items()}
        return [
            _gauge("elder_repositories", "Repositories by how they stand", repositories, "state"),
            _gauge(
                "elder_findings",
                "Findings now; critical and high are open ones that may fail a gate",
                findings,
                "state",
            ),
            _gauge("elder_score_mean", "Mean score of audited repositories, 0-100", _one(held.mean_score or 0.0)),
            _gauge(
                "elder_inbox_rows",
                "Deliveries and wishes that have not ended",
                {"waiting": held.waiting, "queued": held.queued},
                "state",
            ),
            _gauge(
                "elder_inbox_lag_seconds",
                "Age of the oldest row that no sensor has decided",
                _one(_age(now, held.oldest_waiting)),
            ),
            _gauge(
                "elder_notices",
                "Notices that are due, and that were given up",
                {"due": held.notices_waiting, "given_up": held.notices_given_up},
                "state",
            ),
            _gauge(
                "elder_alert_lag_seconds",
                "How long the oldest notice has been due",
                _one(_age(now, held.oldest_notice)),
            ),
            _gauge("elder_heartbeat_age_seconds", "Since a process last said that it works", beats, "process"),
            _gauge(
                "elder_suppression_requests_pending", "Requests that nobody has decided", _one(held.requests_pending)
            ),
            _gauge("elder_tokens_expiring", "Tokens that expire within seven days", _one(held.tokens_expiring)),
            _gauge("elder_git_hosts_resting", "Git hosts that are left alone", _one(held.circuits_open)),
            *self._of_backups(now),
            *self._of_runs(now),
        ]

    def _of_backups(self, now: datetime) -> list[Family]:
        """Nothing where no backup was made and none is waited for; without any, an awaited one is infinitely old."""
        last, minutes = self._store.last_backup(), self._settings.backup_minutes_max if self._settings else 0
        ages, limits = {}, _one(minutes * 60.0) if minutes else {}
        if last is not None or minutes:
            ages = _one(math.inf if last is None else _age(now, last))
        return [
            _gauge("elder_backup_age_seconds", "Age of the last good backup; +Inf when there is none", ages),
            _gauge("elder_backup_age_limit_seconds", "Age from which the last good backup is too old", limits),
        ]

    def _of_runs(self, now: datetime) -> list[Family]:
        """The limit of runs at once, where this process knows the settings."""
        if self._settings is None:
            return []
        static, highest = self._settings.max_concurrent_runs, self._settings.forecast_runs_max
        found = run_limit(static, highest, self._store.runs_forecast() if highest else None, now)
        return [_gauge("elder_run_limit", "Runs that may go at once, and by what", {str(found.by): found.runs}, "by")]

    def _counters(self) -> list[Family]:
        counts = self._counts
        return [
            _counter("elder_audits", "Audits by outcome: judged or failed", counts["audits"], ("outcome", "tier")),
            _counter("elder_gates", "Changes that were judged", counts["gates"], ("status",)),
            _counter("elder_deliveries_received", "Rows that came into the inbox", counts["received"], ("source",)),
            _counter("elder_deliveries_ended", "Rows that ended", counts["ended"], ("source", "state")),
            _counter(
                "elder_facts_blobs", "Blobs whose facts were known, or had to be measured", counts["blobs"], ("result",)
            ),
            _counter("elder_cpu_seconds", "CPU seconds; magic `facts` is measuring", counts["cpu"], ("team", "magic")),
            self._took.family("elder_delivery_seconds", "From delivery to verdict", ("source",)),
            self._measured.family("elder_facts_seconds", "To measure one repository", ("tier",)),
        ]


def _team_families(teams: list[dict[str, object]]) -> list[Family]:
    def of(column: str) -> dict[str, float]:
        return {str(row["team"]): float(row[column] or 0) for row in teams}  # type: ignore[arg-type]

    return [
        _gauge("elder_team_score", "Mean score of a team's repositories, 0-100", of("score"), "team"),
        _gauge("elder_team_repositories", "Audited repositories of a team", of("repositories"), "team"),
        _gauge("elder_team_open_findings", "Open findings of a team", of("open"), "team"),
        _gauge(
            "elder_team_failed_repositories", "Repositories of a team whose verdict is failed", of("failed"), "team"
        ),
    ]


def _gauge(
    name: str, help_text: str, values: dict[str, float] | dict[str, int] | dict[Labels, float], *labels: str
) -> Family:
    samples = tuple((key if isinstance(key, tuple) else (key,), float(value)) for key, value in values.items())
    return Family(name=name, help=help_text, kind="gauge", labels=labels, samples=samples)


def _counter(name: str, help_text: str, values: dict[Labels, float], labels: Labels) -> Family:
    return Family(name=name, help=help_text, kind="counter", labels=labels, samples=tuple(sorted(values.items())))


def _one(value: float) -> dict[Labels, float]:
    return {(): value}


def _age(now: datetime, since: datetime | None) -> float:
    return 0.0 if since is None else max((now - since).total_seconds(), 0.0)
