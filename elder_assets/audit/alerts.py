"""Alert rules, and the decision what to tell whom: pure, the same input gives the same output.

What belongs here: rules and their limits, the decision, the digest. What does not: how events come about
(alert_events.py), wording and channels (resources/notifiers), rows (resources/store).

A *condition* is (rule, kind, project, what). It is open from the moment that people were told, or are going to be,
until a recovery; while it is open nothing more is said about it. Each opening is an *episode*, and a key names it.
Statuses are compared with the status that people were told last, so the last word is always true.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from elder_assets.audit.alert_events import DAY_SECONDS, Event, Kind
from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.model import Status

Urgency = Literal["info", "warning", "critical"]
MAGICS = ("integrity", "tdd", "flow", "sages", "git", "servant", "strict", "predictive")
DIGEST_HOUR = 8
"""When a daily digest leaves, in the time zone of the rule's quiet hours, else UTC; chosen by us."""
HOUR_SECONDS = 3600
LONGEST_COOLDOWN_SECONDS = 30 * DAY_SECONDS

THRESHOLDS: dict[Kind, tuple[float, float, float, str]] = {
    "score_dropped": (5, 0.1, 100, "points"),
    "violation_rate": (0.1, 0, 0.999, "share of units"),
    "suppression_expiring": (14, 1, 365, "days"),
}
"""Kinds with a threshold: default, least, greatest, unit. The defaults are chosen by us."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_RANKS = {status.value: rank for rank, status in enumerate((Status.PASSED, Status.WARNING, Status.FAILED))}
_GROUPS = ("critical_finding", "prediction_warning")
"""Kinds that tell of new findings together, and recover when none is left."""


class QuietHours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours of the day in which only critical alerts leave, `start` to `end` as 'HH:MM' on the clock of a time zone."""

    time_zone: str
    start: str
    end: str

    def __post_init__(self) -> None:
        """Refuse times and zones that do not exist."""
        for key in ("start", "end"):
            if not _CLOCK.fullmatch(getattr(self, key)):
                raise ConfigurationError(f"quiet.{key}", getattr(self, key), "a time of day as HH:MM")
        if self.start == self.end:
            raise ConfigurationError("quiet.end", self.end, "another time than quiet.start")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigurationError("quiet.time_zone", self.time_zone, "a name such as Asia/Tokyo") from None

    def until(self, now: int) -> int | None:
        """When the quiet hours that hold `now` end, as seconds since the epoch; None outside of them."""
        local = datetime.fromtimestamp(now, ZoneInfo(self.time_zone))
        clock = local.strftime("%H:%M")
        after_start, before_end = clock >= self.start, clock < self.end
        inside = (after_start and before_end) if self.start < self.end else (after_start or before_end)
        return _next_time(local, self.end) if inside else None


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is told of what, from which threshold on, and how often."""

    name: str
    kind: Kind
    channels: tuple[str, ...]
    """Names of configured channels; their addresses stand elsewhere."""
    severity: Urgency = "warning"
    threshold: float | None = None
    """Points, share of units (0-1) or days, as THRESHOLDS says; None for the default or for kinds that have none."""
    window_days: int = 7
    """Over how many days a drop of the score is measured."""
    magic: str = "all"
    """For violation_rate: 'all' units together, 'each' magic by itself, or one magic's name."""
    team: str = ""
    """'' for all teams."""
    muted_until: int | None = None
    """Seconds since the epoch."""
    cooldown_seconds: int = HOUR_SECONDS
    """After people were told of a condition, it is not told again for so long, even when it cleared and came back."""
    quiet: QuietHours | None = None
    digest: Literal["none", "hourly", "daily"] = "none"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError("name", self.name, "1 to 64 letters, digits, '.', '_' and '-'")
        if not self.channels:
            raise ConfigurationError("channels", self.channels, "at least one channel")
        if not 1 <= self.window_days <= 365:
            raise ConfigurationError("window_days", self.window_days, "1 to 365")
        if not 0 <= self.cooldown_seconds <= LONGEST_COOLDOWN_SECONDS:
            raise ConfigurationError("cooldown_seconds", self.cooldown_seconds, f"0 to {LONGEST_COOLDOWN_SECONDS}")
        if self.severity == "critical" and self.digest != "none":
            raise ConfigurationError("digest", self.digest, "none, because the rule is critical")
        self._check_threshold()
        if self.magic != "all" and self.kind != "violation_rate":
            raise ConfigurationError("magic", self.magic, f"all, because the kind is {self.kind}")
        if self.magic not in {"all", "each", *MAGICS}:
            raise ConfigurationError("magic", self.magic, ("all", "each", *MAGICS))

    def _check_threshold(self) -> None:
        if self.threshold is None:
            return
        if self.kind not in THRESHOLDS:
            raise ConfigurationError("threshold", self.threshold, f"none, because {self.kind} has no threshold")
        _, least, greatest, unit = THRESHOLDS[self.kind]
        if not least <= self.threshold <= greatest:
            raise ConfigurationError("threshold", self.threshold, f"{least} to {greatest} {unit}")

    @property
    def limit(self) -> float | None:
        """The threshold that counts; None for kinds without one."""
        default = THRESHOLDS.get(self.kind)
        return self.threshold if self.threshold is not None or default is None else default[0]


class Action(StrEnum):
    """What to do with an event under a rule."""

    SEND = "send"
    DIGEST = "hold for digest"
    QUIET = "hold for quiet hours"
    DUPLICATE = "drop: duplicate"
    COOLDOWN = "drop: cool-down"
    MUTED = "drop: muted"


TOLD = (Action.SEND, Action.DIGEST, Action.QUIET)
"""Actions after which people know, or are going to."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What people are told: an event as one rule sees it."""

    key: str
    """Names the episode; equal keys are the same notice, so a receiver may drop the second."""
    event: Event
    severity: Urgency
    threshold: float | None = None
    is_recovery: bool = False


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What happens with one event under one rule, and why."""

    action: Action
    reason: str
    rule: str
    condition: str
    channels: tuple[str, ...]
    at: int
    """Seconds since the epoch: when people are told; for what is held, when it may leave; for what is dropped, now."""
    notice: Notice

    @property
    def past(self) -> Past:
        """What later decisions need to know of this one."""
        return Past(
            key=self.notice.key,
            condition=self.condition,
            at=self.at,
            action=self.action,
            is_recovery=self.notice.is_recovery,
            value=self.notice.event.after,
        )


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A decision taken earlier."""

    key: str
    condition: str
    at: int
    action: Action
    is_recovery: bool = False
    value: str | float | None = None


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """Many notices as one: the worst first, then the newest."""

    key: str
    notices: tuple[Notice, ...]
    severity: Urgency
    from_at: int
    until_at: int


def decide(event: Event, rules: Sequence[AlertRule], history: Sequence[Past], now: int) -> list[Decision]:
    """What each rule makes of an event; a rule that has nothing to say yields nothing.

    Args:
        event: how something stands.
        rules: all rules; those of other kinds, teams, magics and windows are passed over.
        history: all earlier decisions on this project, oldest first, dropped ones too.
        now: seconds since the epoch.
    """
    decisions = (_decided(rule, event, history, now) for rule in rules if matches(rule, event))
    return [decision for decision in decisions if decision is not None]


def matches(rule: AlertRule, event: Event) -> bool:
    """Whether a rule is about such events at all."""
    if rule.kind != event.kind or rule.team not in {"", event.team}:
        return False
    if event.kind == "violation_rate":
        return event.what == {"all": "", "each": event.what or None}.get(rule.magic, rule.magic)
    return event.kind != "score_dropped" or event.what == f"{rule.window_days}d"


def holds(rule: AlertRule, event: Event) -> bool:
    """Whether the condition that a rule watches is there; numbers are compared exactly, as they are shown."""
    limit = Fraction(str(rule.limit or 0))
    match event.kind:
        case "gate_failed":
            return event.after == "failed"
        case "cannot_audit":
            return event.after == "error"
        case "score_dropped":
            return Fraction(str(event.before)) - Fraction(str(event.after)) >= limit
        case "violation_rate":
            return event.affected > limit * event.units
        case "suppression_expiring":
            return Fraction(str(event.after)) <= limit
        case _:
            return event.found > 0


def digest(notices: Sequence[Notice]) -> Digest:
    """Many notices as one; the same notices in any order give the same digest.

    Raises:
        ValueError: there are none.
    """
    if not notices:
        raise ValueError("a digest of nothing is not sent")
    urgency = ("critical", "warning", "info")
    ordered = sorted(notices, key=lambda n: (n.is_recovery, urgency.index(n.severity), -n.event.at, n.key))
    times = [notice.event.at for notice in notices]
    names = hashlib.sha256("\n".join(sorted({notice.key for notice in notices})).encode())
    return Digest(
        key=f"digest|{names.hexdigest()}",
        notices=tuple(ordered),
        severity=min((notice.severity for notice in notices), key=urgency.index),
        from_at=min(times),
        until_at=max(times),
    )


def _decided(rule: AlertRule, event: Event, history: Sequence[Past], now: int) -> Decision | None:
    found = _status_news(rule, event, history) if event.kind == "status_changed" else _news(rule, event, history)
    if found is None:
        return None
    is_recovery, known = found
    condition = _condition(rule, event)
    key = f"{condition}|{event.commit[:12]}@{event.at}{'|recovered' if is_recovery else ''}"
    if any(past.key == key for past in history):
        known = "this event was decided before"
    last = max(
        (p.at for p in history if p.condition == condition and p.action in TOLD and not p.is_recovery), default=None
    )
    action, reason, at = (Action.DUPLICATE, known, now) if known else _route(rule, now, None if is_recovery else last)
    notice = Notice(key=key, event=event, severity=rule.severity, threshold=rule.limit, is_recovery=is_recovery)
    return Decision(
        action=action,
        reason=reason,
        rule=rule.name,
        condition=condition,
        channels=rule.channels,
        at=at,
        notice=notice,
    )


def _condition(rule: AlertRule, event: Event) -> str:
    return f"{rule.name}|{event.kind}|{event.project}|{event.what}"


def _news(rule: AlertRule, event: Event, history: Sequence[Past]) -> tuple[bool, str] | None:
    """(is it a recovery, why people know already or ''); None when there is nothing to say."""
    condition = _condition(rule, event)
    family = condition.rpartition("|")[0] + "|"
    is_group = event.kind in _GROUPS
    open_conditions: set[str] = set()
    for past in history:
        if not past.condition.startswith(family):
            continue
        if past.is_recovery:
            open_conditions -= set(open_conditions) if is_group else {past.condition}
        elif past.action in TOLD:
            open_conditions.add(past.condition)
    if holds(rule, event):
        return False, "people were told of it, and it has not cleared since" if condition in open_conditions else ""
    if event.kind == "suppression_expiring":
        return None
    return (True, "") if (open_conditions if is_group else condition in open_conditions) else None


def _status_news(rule: AlertRule, event: Event, history: Sequence[Past]) -> tuple[bool, str] | None:
    condition = _condition(rule, event)
    told = next((p.value for p in reversed(history) if p.condition == condition and p.action in TOLD), event.before)
    if told is None or (event.after == told and event.before in {told, None}):
        return None
    known = f"people were told last that it is {told}" if event.after == told else ""
    return _RANKS[str(event.after)] < _RANKS[str(told)], known


def _route(rule: AlertRule, now: int, last: int | None) -> tuple[Action, str, int]:
    """(action, reason, when): what the rule's own limits on telling make of news."""
    if rule.muted_until is not None and now < rule.muted_until:
        return Action.MUTED, f"the rule is muted until {rule.muted_until}", now
    if last is not None and now < last + rule.cooldown_seconds:
        return Action.COOLDOWN, f"told at {last}, less than {rule.cooldown_seconds} s ago", now
    if rule.digest != "none":
        return Action.DIGEST, f"the rule gathers a digest ({rule.digest})", _next_digest(rule, now)
    end = None if rule.severity == "critical" or rule.quiet is None else rule.quiet.until(now)
    if end is not None and rule.quiet is not None:
        return Action.QUIET, f"quiet hours of {rule.quiet.time_zone} until {rule.quiet.end}", end
    return Action.SEND, "new" if last is None else "new again", now


def _next_digest(rule: AlertRule, now: int) -> int:
    if rule.digest == "hourly":
        leaves = (now // HOUR_SECONDS + 1) * HOUR_SECONDS
    else:
        zone = ZoneInfo(rule.quiet.time_zone if rule.quiet else "UTC")
        leaves = _next_time(datetime.fromtimestamp(now, zone), f"{DIGEST_HOUR:02}:00")
    end = rule.quiet.until(leaves) if rule.quiet else None
    return leaves if end is None else end


def _next_time(local: datetime, clock: str) -> int:
    """The next moment at which a clock on the wall of that zone shows a time, as seconds since the epoch."""
    hour, minute = (int(part) for part in clock.split(":"))
    today = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    # The hour that a zone repeats in autumn is both fold 0 and fold 1.
    moments = ((today + timedelta(days=days)).replace(fold=fold).timestamp() for days in (0, 1) for fold in (0, 1))
    return int(next(moment for moment in moments if moment > local.timestamp()))
