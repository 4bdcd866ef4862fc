"""From two audits to a message on every channel, with nothing in between left out."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from receivers import Receiver, http, smtp
from test_notifier_conformance import opened

from elder_assets.audit.alert_events import AuditSummary, ScorePoint, TopFinding, derive_events
from elder_assets.audit.alerts import Action, AlertRule, Past, decide
from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.model import Status
from resources.notifiers.messages import render
from resources.notifiers.notifier import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "alerts.md"
NOW = 1_772_452_800
SECRET = TopFinding(finding_id="f", rule="STR010", place="src/a.py:3", message="a password", remedy="remove it")
RULES = [
    AlertRule(name="gate", kind="gate_failed", channels=("chat",)),
    AlertRule(name="score", kind="score_dropped", channels=("chat",), threshold=10),
    AlertRule(name="critical", kind="critical_finding", channels=("pager",), severity="critical"),
    AlertRule(name="broken", kind="cannot_audit", channels=("chat",)),
]


def audited(at: int, status: Status, score: float | None, *criticals: TopFinding, **fields: object) -> AuditSummary:
    return AuditSummary(
        repository="host/o/shop",
        team="pay",
        commit=f"{at:040d}",
        as_of=at,
        audited_at=at,
        status=status,
        score=score,
        criticals=criticals,
        **fields,
    )


def test_a_repository_that_breaks_and_heals_is_told_once_each_way():
    audits = [
        audited(NOW, Status.PASSED, 91.0, gate="passed"),
        audited(NOW + 60, Status.FAILED, 49.0, SECRET, gate="failed", gate_findings=(SECRET,)),
        audited(NOW + 120, Status.FAILED, 49.0, SECRET, gate="failed", gate_findings=(SECRET,)),
        audited(NOW + 180, Status.ERROR, None, reason="clone refused"),
        audited(NOW + 240, Status.PASSED, 90.5, gate="passed"),
    ]
    history: list[Past] = []
    sent: list[tuple[int, str, bool]] = []
    points: list[ScorePoint] = []
    before = judged = None
    for after in audits:
        for event in derive_events(before, after, judged=judged, points=points):
            decisions = decide(event, RULES, history, after.audited_at)
            history += [decision.past for decision in decisions]
            sent += [
                (after.audited_at - NOW, decision.rule, decision.notice.is_recovery)
                for decision in decisions
                if decision.action is Action.SEND
            ]
        before = after
        if after.score is not None:
            judged = after
            points.append(ScorePoint(after.audited_at, after.score))
    assert sent == [
        (60, "gate", False),
        (60, "score", False),
        (60, "critical", False),
        (180, "broken", False),
        (240, "broken", True),
        (240, "gate", True),
        (240, "score", True),
        (240, "critical", True),
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_what_was_decided_arrives_on_every_channel(kind, language):
    receiver = Receiver(smtp() if kind == "email" else http(200))
    after = audited(NOW + 60, Status.FAILED, 49.0, SECRET, gate="failed", gate_findings=(SECRET,))
    notifier = opened(kind, receiver.port)
    for event in derive_events(audited(NOW, Status.PASSED, 91.0, gate="passed"), after):
        for decision in decide(event, RULES, [], after.audited_at):
            notifier.send(render(decision.notice, language))
    assert len(receiver.mails or receiver.requests) == 3
    receiver.close()


def test_the_rule_that_the_page_shows_is_one():
    (shown,) = re.findall(r"as the API and files hold it.*?```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    rule = msgspec.json.decode(shown, type=AlertRule)
    assert (rule.name, rule.limit, rule.quiet.until(NOW)) == ("score-falls", 5, None)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"name":"x","kind":"gate_failed","channels":["c"],"treshold":5}', msgspec.ValidationError),
        ('{"name":"x","kind":"gate_fails","channels":["c"]}', msgspec.ValidationError),
        ('{"name":"x","kind":"gate_failed","channels":[]}', ConfigurationError),
    ],
)
def test_a_rule_with_unknown_words_is_refused(text, error):
    with pytest.raises(error):
        msgspec.json.decode(text, type=AlertRule)
