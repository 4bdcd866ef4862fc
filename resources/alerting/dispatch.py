"""From what happened to what people are told: reads audits, failures and gates in order, decides, and delivers.

`tell` decides, `deliver` sends; both are calls that any process may make at any time. What is decided about one event
is one transaction with the mark how far events were read (store/alert_turns.py), so nothing is skipped, lost or decided
twice. Delivery is at least once: a message that is tried again keeps its key, and its row is there once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from elder_assets.audit.alert_events import ELDER, Event, derive_events, expiring_events
from elder_assets.audit.alerts import Action, AlertRule, Decision, Notice, decide, digest
from elder_assets.audit.dates import utc
from elder_assets.audit.errors import ConfigurationError, DeliveryDelayed, DeliveryFailed
from resources.notifiers.messages import render, render_digest
from resources.notifiers.notifier import Message, Sent, open_notifier
from resources.outbound import Boundary
from resources.secrets import Secrets
from resources.settings import Settings
from resources.store import Store
from resources.store.alert_turns import AlertTurn, GateNews, History, Marks, News
from resources.store.alerts import AlertChannel, Waiting

LOG = logging.getLogger("elder.alerts")

NEWS_MAX = 2_000
"""Of one call; what is left is read by the next."""
NOTICES_MAX = 500
TELL_SECONDS, SEND_SECONDS = 20.0, 20.0
"""After so long nothing new is begun: Dagster ends a tick after 60 s, and one delivery may take 15."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 5, 900
ATTEMPTS_MAX = 12
"""Waits of 5, 10, 20 ... 900 s: given up after an hour and a quarter, or when a notice is a day old."""
OLDEST_SECONDS = 86_400
CLAIM_SECONDS = 60
"""A claim lapses after four times the longest delivery: then another process may try."""
CHANNELS_AT_ONCE = 4
"""One slow channel must not hold up the others."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `tell` did."""

    read: int = 0
    """Audits, failures and gates."""
    decisions: int = 0
    notices: int = 0
    is_behind: bool = False
    """There is more to read."""


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `deliver` did, in messages."""

    sent: int = 0
    delayed: int = 0
    given_up: int = 0

    def __add__(self, other: Delivered) -> Delivered:
        return Delivered(
            sent=self.sent + other.sent, delayed=self.delayed + other.delayed, given_up=self.given_up + other.given_up
        )


# --- deciding --------------------------------------------------------------------------------------------


def tell(store: Store, settings: Settings, now: int, *, most: int = NEWS_MAX) -> Told:  # noqa: ARG001 - as `deliver`
    """Decide about everything that happened since the last time, in the order in which it happened.

    Args:
        store: where events, rules and decisions are.
        settings: of this process.
        now: seconds since the epoch.
        most: how many events are read at most.
    """
    started, settled = time.monotonic(), store.settled_marks()
    told, known = Told(), dict[int, History]()
    for _ in range(most):
        with store.alert_turn() as turn:
            news = turn.next_news(settled)
            if news is None:
                turn.read(_passed(turn.marks, settled))
                break
            if turn.rules:
                known[news.repository_id] = turn.history(news.repository_id, known.get(news.repository_id))
            decisions = _decisions(turn, news, known.get(news.repository_id, History()), now)
            notices = turn.keep(news.repository_id, decisions)
            turn.read(msgspec.structs.replace(turn.marks, **{news.source: news.id}))
        told = _plus(told, Told(read=1, decisions=len(decisions), notices=notices))
        if time.monotonic() - started > TELL_SECONDS:
            return msgspec.structs.replace(told, is_behind=True)
    else:
        return msgspec.structs.replace(told, is_behind=True)
    return _plus(told, _tell_expiring(store, now))


def tell_own(store: Store, events: Sequence[Event], now: int) -> Told:
    """Decide about events of Elder itself and of systems outside; what goes on unchanged is kept once."""
    told = Told()
    with store.alert_turn() as turn:
        history = turn.history(None).pasts
        last = {past.condition: past.action for past in history}
        for event in events:
            decisions = [
                decision
                for decision in decide(event, turn.rules, history, now)
                if decision.action in {Action.SEND, Action.DIGEST, Action.QUIET}
                or last.get(decision.condition) != decision.action
            ]
            history += [decision.past for decision in decisions]
            notices = turn.keep(None, decisions)
            told = _plus(told, Told(read=1, decisions=len(decisions), notices=notices))
    return told


def _plus(told: Told, more: Told) -> Told:
    return Told(
        read=told.read + more.read, decisions=told.decisions + more.decisions, notices=told.notices + more.notices
    )


def _passed(marks: Marks, settled: Marks) -> Marks:
    """Marks behind which nothing is left to read; rows of other kinds are passed over once."""
    return msgspec.structs.replace(
        marks,
        audits=max(marks.audits, settled.audits),
        failures=max(marks.failures, settled.failures),
        gates=max(marks.gates, settled.gates),
    )


def _decisions(turn: AlertTurn, news: News, known: History, now: int) -> list[Decision]:
    """What the rules make of one thing that happened."""
    found: list[Decision] = []
    for event in _events(turn, news) if turn.rules else ():
        found += decide(event, turn.rules, [*known.pasts, *(decision.past for decision in found)], now)
    return found


def _events(turn: AlertTurn, news: News) -> list[Event]:
    if news.source == "gates":
        return _gate_events(turn.gate(news))
    before, judged = turn.before(news)
    windows = windows_of(turn.rules)
    points = turn.points(news, max(windows)) if news.source == "audits" and windows else []
    return derive_events(before, turn.summary(news), judged=judged, points=points, windows_days=windows)


def windows_of(rules: Sequence[AlertRule]) -> list[int]:
    """Over how many days rules measure a drop of the score, shortest first."""
    return sorted({rule.window_days for rule in rules if rule.kind == "score_dropped"})


def _gate_events(gate: GateNews) -> list[Event]:
    """How a change stands at its gate; one that could not be judged is neither worse nor better."""
    if gate.status not in {"passed", "failed"}:
        return []
    return [
        Event(
            kind="gate_failed",
            project=gate.repository,
            team=gate.team,
            at=gate.at,
            commit=gate.head,
            what=gate.what,
            before=gate.before,
            after=gate.status,
            found=gate.failed,
            findings=gate.failing,
            reason=gate.reason,
            link=f"/repositories/{gate.repository}",
        )
    ]


def _tell_expiring(store: Store, now: int) -> Told:
    """Once a day: which suppressions end soon."""
    today = utc(now).date().isoformat()
    marks = store.alert_marks()
    if marks is None or marks.suppressions_on == today:
        return Told()
    told = Told()
    with store.alert_turn() as turn:
        if turn.marks.suppressions_on == today:
            return told
        days = int(max((rule.limit or 0 for rule in turn.rules if rule.kind == "suppression_expiring"), default=0))
        for number, project, team, held in turn.expiring(days, today) if days else ():
            history, decisions = turn.history(number).pasts, []
            for event in expiring_events(project, team, held, now, link=f"/repositories/{project}"):
                decisions += decide(event, turn.rules, history, now)
            told = _plus(told, Told(decisions=len(decisions), notices=turn.keep(number, decisions)))
        turn.read(msgspec.structs.replace(turn.marks, suppressions_on=today))
    return told


# --- delivering ------------------------------------------------------------------------------------------


def deliver(
    store: Store, settings: Settings, now: int, *, secrets: Secrets | None = None, boundary: Boundary | None = None
) -> Delivered:
    """Send what is due; each channel gets its messages in the order in which they were decided.

    Args:
        store: holds the outbox.
        settings: say which hosts inside the network may be reached, and where links lead.
        now: seconds since the epoch.
        secrets: what the channels' references stand for; default: those of the settings.
        boundary: what may be reached; default: public https and the hosts of the settings.
    """
    post = _Post(
        store, settings, now, secrets or settings.secrets, boundary or Boundary(allowed_hosts=settings.alert_hosts)
    )
    parcels = list(_parcels(store.due_notices(now, NOTICES_MAX)))
    by_channel = [
        [parcel for parcel in parcels if parcel[0].channel.id == number]
        for number in dict.fromkeys(parcel[0].channel.id for parcel in parcels)
    ]
    if not by_channel:
        return Delivered()
    with ThreadPoolExecutor(max_workers=min(CHANNELS_AT_ONCE, len(by_channel))) as pool:
        return sum(pool.map(post.channel, by_channel), start=Delivered())


def _parcels(due: Sequence[Waiting]) -> Iterator[list[Waiting]]:
    """What leaves as one message: notices of a channel that were held for the same moment, else each by itself."""
    together: dict[tuple[int, int], list[Waiting]] = {}
    for notice in due:
        if notice.is_held:
            together.setdefault((notice.channel.id, notice.leaves_at), []).append(notice)
    begun = set()
    for notice in due:
        key = (notice.channel.id, notice.leaves_at)
        if not notice.is_held:
            yield [notice]
        elif key not in begun:
            begun.add(key)
            yield together[key]


class _Post:
    """Delivers parcels."""

    def __init__(self, store: Store, settings: Settings, now: int, secrets: Secrets, boundary: Boundary) -> None:
        self._store, self._settings, self._now = store, settings, now
        self._secrets, self._boundary = secrets, boundary
        self._started = time.monotonic()

    @property
    def _clock(self) -> int:
        """Now, and the time that was spent since."""
        return self._now + int(time.monotonic() - self._started)

    def channel(self, parcels: Sequence[list[Waiting]]) -> Delivered:
        """Send one channel's messages in order, until it asks to wait or the time is up."""
        done = Delivered()
        for parcel in parcels:
            if time.monotonic() - self._started > SEND_SECONDS:
                break
            if not self._store.claim_notices(parcel, self._now, self._clock + CLAIM_SECONDS):
                continue  # another process has it
            result = self._parcel(parcel)
            done += result
            if result.delayed:
                break
        return done

    def _parcel(self, parcel: list[Waiting]) -> Delivered:
        channel, first = parcel[0].channel, parcel[0]
        if first.attempts >= ATTEMPTS_MAX:  # claimed again and again, and whoever had it never came back
            return self._give_up(parcel, f"no delivery ended in {first.attempts} attempts")
        if channel.is_removed:
            return self._give_up(parcel, "the channel was removed")
        try:
            send(channel, _message(parcel, self._settings), self._secrets, self._boundary)
        except DeliveryDelayed as error:
            return self._delay(parcel, str(error), error.retry_after_seconds)
        except ConfigurationError as error:  # a secret that is missing may be put in place
            return self._delay(parcel, str(error), None)
        except DeliveryFailed as error:
            return self._give_up(parcel, str(error))
        self._store.settle_sent(parcel)
        return Delivered(sent=1)

    def _delay(self, parcel: list[Waiting], error: str, retry_after: float | None) -> Delivered:
        first, attempts = parcel[0], parcel[0].attempts + 1
        if attempts >= ATTEMPTS_MAX or self._clock - first.leaves_at > OLDEST_SECONDS:
            return self._give_up(parcel, f"given up after {attempts} attempts: {error}")
        wait = max(back_off(attempts), int(retry_after or 0) + (1 if retry_after else 0))
        self._store.settle_delayed(parcel, self._clock + wait, error)
        LOG.warning("channel %s: %s; attempt %d, next in %d s", first.channel.name, error, attempts, wait)
        return Delivered(delayed=1)

    def _give_up(self, parcel: list[Waiting], error: str) -> Delivered:
        channel = parcel[0].channel
        told = self._store.settle_given_up(parcel, error, lost_notice(channel, error, self._clock), self._clock)
        where = f"told on {told}" if told else "no other channel can tell of it"
        LOG.error("channel %s: %d notices given up: %s; %s", channel.name, len(parcel), error, where)
        return Delivered(given_up=1)


def send(channel: AlertChannel, message: Message, secrets: Secrets, boundary: Boundary) -> Sent:
    """Send one message on a channel.

    Raises:
        ConfigurationError: the channel's address or a secret is not usable.
        DeliveryDelayed: later it may work.
        DeliveryFailed: it will not work.
    """
    return open_notifier(channel.kind, channel.address, secrets, boundary=boundary).send(message)


def back_off(attempts: int) -> int:
    """Seconds until the next attempt, after so many."""
    return min(FIRST_WAIT_SECONDS << min(attempts - 1, 20), LONGEST_WAIT_SECONDS)


def lost_notice(channel: AlertChannel, error: str, now: int) -> Notice:
    """What another channel is told of one that takes no messages; the same all day."""
    event = Event(
        kind="elder_unwell",
        project=ELDER,
        team=channel.team,
        at=now,
        what=f"delivery {channel.name}",
        after="failed",
        found=1,
        reason=error,
    )
    return Notice(key=f"delivery|{channel.name}|{utc(now):%Y-%m-%d}", event=event, severity="critical")


def _message(parcel: Sequence[Waiting], settings: Settings) -> Message:
    channel, notices = parcel[0].channel, [waiting.notice for waiting in parcel]
    place = {"base_url": settings.public_url, "time_zone": channel.time_zone}
    if len(notices) == 1:
        return render(notices[0], channel.language, **place)
    return render_digest(digest(notices), channel.language, **place)
