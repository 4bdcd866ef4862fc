"""Who is told of what: one condition once until it clears, and never a drop without a reason."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elder_assets.audit.alert_events import Event, TopFinding
from elder_assets.audit.alerts import (
    MAGICS,
    TOLD,
    Action,
    AlertRule,
    Decision,
    Past,
    QuietHours,
    decide,
    digest,
    holds,
    matches,
)
from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.registry import catalogue

NOON = int(datetime.fromisoformat("2026-03-02T12:00:00+00:00").timestamp())
HOUR = 3600


def rule(kind: str = "gate_failed", **fields: object) -> AlertRule:
    return AlertRule(**{"name": "r", "kind": kind, "channels": ("chat",)} | fields)


def event(kind: str = "gate_failed", at: int = NOON, **fields: object) -> Event:
    return Event(**{"kind": kind, "project": "host/shop", "team": "pay", "at": at, "commit": "c" * 40} | fields)


def gate(state: str, at: int) -> Event:
    return event(at=at, after=state)


def play(events: list[Event], *rules: AlertRule, delay: int = 1) -> list[Decision]:
    """Decide each event one second after it happened, with everything decided before as history."""
    history: list[Past] = []
    decisions = []
    for happened in events:
        now = decide(happened, rules, history, happened.at + delay)
        history += [decision.past for decision in now]
        decisions += now
    return decisions


def told(decisions: list[Decision]) -> list[str]:
    return [f"{d.action.value}{' (recovered)' if d.notice.is_recovery else ''}" for d in decisions]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ("f", ["send"]),
        ("p", []),
        ("ff", ["send", "drop: duplicate"]),
        ("fp", ["send", "send (recovered)"]),
        ("fpp", ["send", "send (recovered)"]),
        ("fpf", ["send", "send (recovered)", "drop: cool-down"]),
        ("fpfp", ["send", "send (recovered)", "drop: cool-down"]),
        ("fpf.f", ["send", "send (recovered)", "drop: cool-down", "send"]),
        ("fpf.fp", ["send", "send (recovered)", "drop: cool-down", "send", "send (recovered)"]),
    ],
)
def test_a_gate_alerts_once_until_it_clears(states, expected):
    """f: failed, p: passed, a minute apart; a dot: two hours pass, longer than the cool-down of one hour."""
    at, events = NOON, []
    for state in states:
        at += 2 * HOUR if state == "." else 60
        if state != ".":
            events.append(gate({"f": "failed", "p": "passed"}[state], at))
    assert told(play(events, rule())) == expected


def test_the_same_event_decided_twice_is_sent_once():
    assert told(play([gate("failed", NOON), gate("failed", NOON)], rule())) == ["send", "drop: duplicate"]


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["passed", "failed"], ["send"]),
        (["passed", "warning", "failed"], ["send", "drop: cool-down"]),
        (["passed", "warning", 2, "failed"], ["send", "send"]),
        (["passed", "failed", "passed"], ["send", "send (recovered)"]),
        (
            ["passed", "failed", "passed", "failed", 2, "failed"],
            ["send", "send (recovered)", "drop: cool-down", "send"],
        ),
        (["failed", "warning"], ["send (recovered)"]),
        (["passed", "passed"], []),
    ],
)
def test_people_end_up_knowing_the_status_that_is_true(statuses, expected):
    """Numbers are hours that pass; the first status is what it was before."""
    before, *rest = statuses
    at, events = NOON, []
    for status in rest:
        at += status * HOUR if isinstance(status, int) else 60
        if not isinstance(status, int):
            events.append(event("status_changed", at, before=before, after=status))
            before = status
    assert told(play(events, rule("status_changed"))) == expected


def test_new_critical_findings_are_told_while_others_are_open():
    events = [
        event("critical_finding", NOON, what="a", found=1, after=1.0),
        event("critical_finding", NOON + 60, what="b", found=2, after=3.0),
        event("critical_finding", NOON + 120, found=0, after=0.0),
        event("critical_finding", NOON + 180, what="a", found=1, after=1.0),
    ]
    expected = ["send", "send", "send (recovered)", "drop: cool-down"]
    assert told(play(events, rule("critical_finding"))) == expected


def test_that_no_critical_finding_is_left_is_news_only_after_an_alert():
    assert told(play([event("critical_finding", found=0, after=0.0)], rule("critical_finding"))) == []


@pytest.mark.parametrize(
    ("made", "happened", "expected"),
    [
        (rule("score_dropped", threshold=5), event("score_dropped", before=90.1, after=85.1), True),
        (rule("score_dropped", threshold=5), event("score_dropped", before=90.0, after=85.1), False),
        (rule("score_dropped"), event("score_dropped", before=80.0, after=99.0), False),
        (rule("violation_rate", threshold=0.1), event("violation_rate", affected=1, units=10), False),
        (rule("violation_rate", threshold=0.1), event("violation_rate", affected=3, units=30), False),
        (rule("violation_rate", threshold=0.1), event("violation_rate", affected=4, units=30), True),
        (rule("suppression_expiring", threshold=7), event("suppression_expiring", after=7.0), True),
        (rule("suppression_expiring", threshold=7), event("suppression_expiring", after=8.0), False),
        (rule("cannot_audit"), event("cannot_audit", after="error"), True),
        (rule("cannot_audit"), event("cannot_audit", after="audited"), False),
        (rule("prediction_warning"), event("prediction_warning", found=1), True),
    ],
)
def test_a_threshold_is_met_as_the_numbers_are_shown(made, happened, expected):
    assert holds(made, happened) is expected


@pytest.mark.parametrize(
    ("made", "happened", "expected"),
    [
        (rule(), event(), True),
        (rule(), event("cannot_audit"), False),
        (rule(team="pay"), event(), True),
        (rule(team="web"), event(), False),
        (rule("score_dropped", window_days=30), event("score_dropped", what="7d"), False),
        (rule("score_dropped"), event("score_dropped", what="7d"), True),
        (rule("violation_rate"), event("violation_rate", what=""), True),
        (rule("violation_rate"), event("violation_rate", what="tdd"), False),
        (rule("violation_rate", magic="each"), event("violation_rate", what="tdd"), True),
        (rule("violation_rate", magic="each"), event("violation_rate", what=""), False),
        (rule("violation_rate", magic="git"), event("violation_rate", what="tdd"), False),
        (rule("violation_rate", magic="tdd"), event("violation_rate", what="tdd"), True),
    ],
)
def test_a_rule_looks_at_its_own_kind_team_magic_and_window(made, happened, expected):
    assert matches(made, happened) is expected


NIGHT = QuietHours(time_zone="Asia/Tokyo", start="22:00", end="07:00")


@pytest.mark.parametrize(
    ("quiet", "at", "end"),
    [
        (NIGHT, "2026-03-02T21:59:59+09:00", None),
        (NIGHT, "2026-03-02T22:00:00+09:00", "2026-03-03T07:00:00+09:00"),
        (NIGHT, "2026-03-03T03:00:00+09:00", "2026-03-03T07:00:00+09:00"),
        (NIGHT, "2026-03-03T07:00:00+09:00", None),
        (
            QuietHours(time_zone="UTC", start="12:00", end="13:00"),
            "2026-03-02T12:30:00+00:00",
            "2026-03-02T13:00:00+00:00",
        ),
        # Berlin leaves winter time at 02:00 on 29 March 2026: the night is an hour shorter.
        (
            QuietHours(time_zone="Europe/Berlin", start="22:00", end="07:00"),
            "2026-03-28T23:00:00+01:00",
            "2026-03-29T07:00:00+02:00",
        ),
        # and repeats 02:00 to 03:00 on 25 October: 02:30 comes twice, the second time as winter time.
        (
            QuietHours(time_zone="Europe/Berlin", start="22:00", end="02:30"),
            "2026-10-25T02:10:00+01:00",
            "2026-10-25T02:30:00+01:00",
        ),
    ],
)
def test_quiet_hours_follow_the_clock_on_the_wall(quiet, at, end):
    until = quiet.until(int(datetime.fromisoformat(at).timestamp()))
    assert until == (None if end is None else int(datetime.fromisoformat(end).timestamp()))


def test_quiet_hours_hold_a_warning_until_morning_and_let_critical_pass():
    midnight = int(datetime.fromisoformat("2026-03-02T00:00:00+09:00").timestamp())
    warning, critical = play(
        [gate("failed", midnight)], rule(quiet=NIGHT), rule(name="loud", quiet=NIGHT, severity="critical")
    )
    assert (warning.action, warning.at) == (Action.QUIET, midnight + 7 * HOUR)
    assert (critical.action, critical.at) == (Action.SEND, midnight + 1)


@pytest.mark.parametrize(
    ("every", "quiet", "leaves"),
    [
        ("hourly", None, "2026-03-02T13:00:00+00:00"),
        ("daily", None, "2026-03-03T08:00:00+00:00"),
        ("daily", NIGHT, "2026-03-03T08:00:00+09:00"),
        ("hourly", QuietHours(time_zone="UTC", start="12:30", end="15:15"), "2026-03-02T15:15:00+00:00"),
    ],
)
def test_a_digest_leaves_on_the_hour_or_in_the_morning_but_not_in_quiet_hours(every, quiet, leaves):
    (decision,) = play([gate("failed", NOON)], rule(digest=every, quiet=quiet))
    assert (decision.action, decision.at) == (Action.DIGEST, int(datetime.fromisoformat(leaves).timestamp()))


def test_a_muted_rule_says_so_and_tells_what_still_holds_afterwards():
    events = [gate("failed", NOON), gate("failed", NOON + HOUR)]
    decisions = play(events, rule(muted_until=NOON + 60))
    assert told(decisions) == ["drop: muted", "send"]
    assert str(NOON + 60) in decisions[0].reason


def test_a_recovery_that_was_muted_still_ends_the_episode():
    events = [gate("failed", NOON), gate("passed", NOON + 2 * HOUR), gate("failed", NOON + 4 * HOUR)]
    history: list[Past] = []
    actions = []
    for happened, muted_until in zip(events, (None, NOON + 3 * HOUR, None), strict=True):
        (decision,) = decide(happened, [rule(muted_until=muted_until)], history, happened.at)
        history.append(decision.past)
        actions.append(decision.action)
    assert actions == [Action.SEND, Action.MUTED, Action.SEND]


def test_a_suppression_that_ends_is_told_once_and_never_recovers():
    def ending(days: float, at: int) -> Event:
        return event("suppression_expiring", at, what="x", after=days, found=1)

    decisions = play(
        [ending(20, NOON), ending(14, NOON + 60), ending(13, NOON + 9 * HOUR)], rule("suppression_expiring")
    )
    assert told(decisions) == ["send", "drop: duplicate"]


def test_rules_decide_by_themselves_and_their_keys_differ():
    first, second = play([gate("failed", NOON)], rule(), rule(name="other", channels=("mail",)))
    assert (first.channels, second.channels) == (("chat",), ("mail",))
    assert first.notice.key != second.notice.key


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"name": "a|b"}, "name"),
        ({"channels": ()}, "channels"),
        ({"threshold": 1}, "threshold"),
        ({"kind": "score_dropped", "threshold": 0}, "threshold"),
        ({"kind": "violation_rate", "threshold": 1.5}, "threshold"),
        ({"magic": "tdd"}, "magic"),
        ({"kind": "violation_rate", "magic": "tddd"}, "magic"),
        ({"window_days": 0}, "window_days"),
        ({"cooldown_seconds": -1}, "cooldown_seconds"),
        ({"severity": "critical", "digest": "daily"}, "digest"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(fields, key):
    with pytest.raises(ConfigurationError) as refused:
        rule(**fields)
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("Mars/Olympus", "22:00", "07:00"),
        ("UTC", "24:00", "07:00"),
        ("UTC", "7:00", "08:00"),
        ("UTC", "07:00", "07:00"),
        ("../../etc/passwd", "22:00", "07:00"),
        ("", "22:00", "07:00"),
    ],
)
def test_quiet_hours_that_do_not_exist_are_refused(zone, start, end):
    with pytest.raises(ConfigurationError):
        QuietHours(time_zone=zone, start=start, end=end)


def test_the_magics_that_rules_may_name_are_those_of_the_catalogue():
    assert set(MAGICS) == {magic.name for magic in catalogue().magics}


def test_a_digest_puts_the_worst_first_and_names_itself_by_what_is_in_it():
    failed = play([gate("failed", NOON)], rule(severity="info"), rule(name="w"))
    later = play([event("cannot_audit", NOON + 60, after="error", project="host/b")], rule("cannot_audit"))
    notices = [decision.notice for decision in failed + later]
    made = digest(notices)
    assert [(n.severity, n.event.kind) for n in made.notices] == [
        ("warning", "cannot_audit"),
        ("warning", "gate_failed"),
        ("info", "gate_failed"),
    ]
    assert (made.severity, made.from_at, made.until_at) == ("warning", NOON, NOON + 60)
    assert digest(notices[::-1]) == made
    assert digest(notices[:2]).key != made.key


def test_a_digest_of_nothing_is_refused():
    with pytest.raises(ValueError, match="nothing"):
        digest([])


TOP = TopFinding(finding_id="x", rule="STR010", place="a.py:1", message="m")
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 7200),
        st.sampled_from(
            [
                {"kind": "gate_failed", "after": "failed"},
                {"kind": "gate_failed", "after": "passed"},
                {"kind": "status_changed", "before": "passed", "after": "failed"},
                {"kind": "status_changed", "before": "failed", "after": "passed"},
                {"kind": "critical_finding", "what": "a", "found": 1, "findings": (TOP,)},
                {"kind": "critical_finding", "what": "", "found": 0},
                {"kind": "violation_rate", "what": "", "affected": 9, "units": 10},
                {"kind": "violation_rate", "what": "", "affected": 0, "units": 10},
            ]
        ),
    ),
    max_size=25,
)
RULES = st.lists(
    st.builds(
        lambda kind, severity, cooldown, quiet, gathers, muted: AlertRule(
            name=f"{kind}.{severity}.{cooldown}",
            kind=kind,
            channels=("chat",),
            severity=severity,
            cooldown_seconds=cooldown,
            quiet=quiet,
            digest="none" if severity == "critical" else gathers,
            muted_until=muted,
        ),
        st.sampled_from(["gate_failed", "status_changed", "critical_finding", "violation_rate"]),
        st.sampled_from(["info", "warning", "critical"]),
        st.integers(0, 10_000),
        st.sampled_from([None, NIGHT, QuietHours(time_zone="Europe/Berlin", start="12:00", end="16:00")]),
        st.sampled_from(["none", "hourly", "daily"]),
        st.sampled_from([None, NOON + HOUR]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda made: made.name,
)


@settings(max_examples=150, deadline=None)
@given(EVENTS, RULES)
def test_whatever_happens_nobody_is_told_twice_in_a_cooldown_and_nothing_goes_without_a_reason(steps, rules):
    at, events = NOON, []
    for seconds, fields in steps:
        at += seconds
        events.append(event(at=at, **fields))
    decisions = play(events, *rules, delay=0)
    assert decisions == play(events, *rules, delay=0)
    by_name = {made.name: made for made in rules}
    last: dict[str, int] = {}
    keys: set[str] = set()
    for decision in decisions:
        made = by_name[decision.rule]
        assert decision.reason
        assert not (made.severity == "critical" and decision.action is Action.QUIET)
        if decision.action not in TOLD:
            continue
        assert decision.notice.key not in keys
        keys.add(decision.notice.key)
        if not decision.notice.is_recovery:
            assert decision.at >= last.get(decision.condition, -(10**9)) + made.cooldown_seconds
            last[decision.condition] = decision.at
        assert made.severity == "critical" or made.quiet is None or made.quiet.until(decision.at) is None
