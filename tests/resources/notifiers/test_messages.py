"""Notices in words: project, what, how much against what over which time, findings, what to do, link; in both languages."""

from __future__ import annotations

from typing import get_args

import pytest

from elder_assets.audit.alert_events import Event, Kind, TopFinding
from elder_assets.audit.alerts import THRESHOLDS, Notice, digest
from resources.notifiers.messages import plain, render, render_digest

AT = 1_772_452_800  # 2026-03-02T12:00:00Z
DAY = 86_400
FINDING = TopFinding(finding_id="f", rule="STR010", place="src/a.py:3", message="a password", remedy="remove it")

FIELDS: dict[str, dict[str, object]] = {
    "status_changed": {"before": "passed", "after": "failed", "from_at": AT - DAY},
    "gate_failed": {"after": "failed", "found": 1},
    "score_dropped": {"before": 90.0, "after": 78.4, "from_at": AT - 3 * DAY},
    "violation_rate": {"what": "sages", "before": 0.08, "after": 0.125, "affected": 1250, "units": 10000},
    "critical_finding": {"before": 1.0, "after": 3.0, "found": 2},
    "cannot_audit": {"after": "error", "reason": "clone refused"},
    "prediction_warning": {"before": 0.0, "after": 1.0, "found": 1},
    "suppression_expiring": {"after": 1.0, "found": 1},
    "elder_unwell": {"what": "filling_disk", "after": 0.95, "limit": 0.9, "unit": "share", "found": 1},
    "outside_alert": {"what": "HighLatency", "after": "firing", "reason": "p99 over 2 s", "found": 1},
    "initiative_reached": {"what": "90 everywhere (#3)", "after": "reached", "found": 1},
    "initiative_missed": {"what": "90 everywhere (#3)", "after": "missed", "found": 1},
}


def notice(kind: str, *, is_recovery: bool = False, **fields: object) -> Notice:
    base = {"kind": kind, "project": "host/o/shop", "team": "pay", "at": AT, "findings": (FINDING,), "link": "/p/1"}
    limit = THRESHOLDS[kind][0] if kind in THRESHOLDS else None
    event = Event(**base | FIELDS[kind] | fields)
    return Notice(key=f"k{kind}", event=event, severity="warning", threshold=limit, is_recovery=is_recovery)


@pytest.mark.parametrize(
    ("kind", "language", "title", "measure"),
    [
        ("status_changed", "en", "Status is now failed: host/o/shop", "passed before, failed now"),
        ("status_changed", "ja", "判定が「不合格」になりました: host/o/shop", "以前は「合格」、現在は「不合格」"),
        ("gate_failed", "en", "Gate failed: host/o/shop", "1 finding fails the gate"),
        ("gate_failed", "ja", "ゲート不合格: host/o/shop", "1 件の指摘によりゲート不合格"),
        (
            "score_dropped",
            "en",
            "Score dropped: host/o/shop",
            "78.4 now, 90.0 at best before: 11.6 points lower (threshold: 5.0 points)",
        ),
        (
            "score_dropped",
            "ja",
            "スコアが低下しました: host/o/shop",
            "現在 78.4 点、期間内の最高 90.0 点から 11.6 点低下 (しきい値: 5.0 点)",
        ),
        (
            "violation_rate",
            "en",
            "Too many findings: host/o/shop",
            "12.5% of the units have findings: 1,250 of 10,000 units, 8% before (threshold: more than 10%)",
        ),
        (
            "violation_rate",
            "ja",
            "指摘の割合が上限を超えました: host/o/shop",
            "単位の 12.5% に指摘あり: 10,000 件中 1,250 件、以前は 8% (しきい値: 10% 超)",
        ),
        ("critical_finding", "en", "2 new critical findings: host/o/shop", "3 open now, 1 before"),
        ("critical_finding", "ja", "新しい重大な指摘 2 件: host/o/shop", "現在の未解決 3 件、以前は 1 件"),
        ("prediction_warning", "en", "1 new prediction warning: host/o/shop", "1 open now, 0 before"),
        ("suppression_expiring", "en", "1 suppression ends soon: host/o/shop", "ends in 1 day (threshold in days: 14)"),
        (
            "suppression_expiring",
            "ja",
            "まもなく期限が切れる抑制 1 件: host/o/shop",
            "あと 1 日で期限切れ (しきい値: 14 日)",
        ),
        ("cannot_audit", "ja", "監査できません: host/o/shop", None),
        ("initiative_missed", "en", "Initiative overdue: 90 everywhere (#3)", None),
        ("initiative_reached", "ja", "取り組みを達成しました: 90 everywhere (#3)", None),
        ("elder_unwell", "en", "Elder is not well: the disk fills up", "95% now (threshold: 90%)"),
        ("elder_unwell", "ja", "Elder に異常があります: ディスクの空きが少ない", "現在 95% (しきい値: 90%)"),
        ("outside_alert", "en", "Alert from outside: HighLatency", None),
    ],
)
def test_a_notice_says_what_and_how_much(kind, language, title, measure):
    message = render(notice(kind), language)
    assert message.title == title
    label = {"en": "How much", "ja": "程度"}[language]
    assert {line.label: line.text for line in message.lines}.get(label) == measure


def test_a_message_has_its_parts_in_order():
    message = render(
        notice("violation_rate", from_at=AT - DAY, found=4),
        "ja",
        base_url="https://elder.example.org/",
        time_zone="Asia/Tokyo",
    )
    assert [(line.label, line.text) for line in message.lines if line.label != "程度"] == [
        ("プロジェクト", "host/o/shop"),
        ("重要度", "警告"),
        ("魔法", "4賢者監督魔法"),
        ("日時", "2026-03-01T21:00:00+09:00 から 2026-03-02T21:00:00+09:00 まで"),
    ]
    assert (message.items[0].heading, message.items[0].remedy, message.omitted) == ("STR010 src/a.py:3", "remove it", 3)
    assert message.advice.label == "対応"
    assert message.link == "https://elder.example.org/p/1"


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("is_recovery", [False, True])
@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_words_and_no_placeholder_is_left(kind, is_recovery, language):
    message = render(notice(kind, is_recovery=is_recovery), language)
    words = [message.title, *(line.text for line in message.lines), *([message.advice.text] if message.advice else [])]
    assert all(text and "%(" not in text for text in words)
    assert (message.advice is None) is is_recovery


@pytest.mark.parametrize(("days", "said"), [(0, "ends in 0 days"), (1, "ends in 1 day "), (2, "ends in 2 days")])
def test_plurals_are_right(days, said):
    message = render(notice("suppression_expiring", after=float(days)), "en")
    assert any(line.text.startswith(said) for line in message.lines)


def test_a_first_audit_has_no_before():
    message = render(notice("violation_rate", before=None), "en")
    assert any("1,250 of 10,000 units, - before" in line.text for line in message.lines)


def test_a_recovery_tells_no_findings_and_no_advice():
    message = render(notice("gate_failed", is_recovery=True, after="passed"), "en")
    assert (message.title, message.items, message.omitted) == ("Gate passes again: host/o/shop", (), 0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nBcc: b\t c", "a Bcc: b c"),
        ("ab\u202ecd\u200b\u0000e\ufeff", "abcd e"),
        ("https://evil.example HTTP://x", "https\u2060://evil.example HTTP\u2060://x"),
        ("www.evil.example mailto:x@y", "www\u2060.evil.example mailto\u2060:x@y"),
        ("x" * 301, "x" * 299 + "…"),
        ("日本語 é 😀", "日本語 é 😀"),
        ("\ud800", ""),
    ],
)
def test_text_of_a_repository_becomes_one_inert_line(text, shown):
    assert plain(text) == shown


def test_a_link_holds_nothing_but_a_path_of_ours():
    message = render(notice("gate_failed", link='/p/a"><script> b'), "en", base_url="https://elder.example.org")
    assert message.link == "https://elder.example.org/p/a%22%3E%3Cscript%3E%20b"
    assert render(notice("gate_failed"), "en").link == ""


def test_a_digest_is_one_line_a_notice():
    notices = [notice("gate_failed"), notice("score_dropped", project="host/o/web", at=AT - DAY)]
    message = render_digest(digest(notices), "en")
    assert message.title == "2 alerts from Elder"
    assert [(line.label, line.text) for line in message.lines] == [
        ("Projects", "2 projects"),
        ("When", "2026-03-01T12:00:00+00:00 to 2026-03-02T12:00:00+00:00"),
    ]
    assert [item.heading for item in message.items] == [
        "[warning] Gate failed: host/o/shop",
        "[warning] Score dropped: host/o/web",
    ]
    assert message.items[0].text == "1 finding fails the gate 2026-03-02T12:00:00+00:00"
