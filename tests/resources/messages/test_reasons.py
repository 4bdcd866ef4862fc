"""Reasons that Elder stores in English are read in Japanese, whole; words of others stay as they are."""

from __future__ import annotations

import ast
import datetime as dt
import re
from pathlib import Path
from types import MappingProxyType

import pytest

import elder_assets.audit
from elder_assets.audit.alerts import AlertRule, QuietHours
from elder_assets.audit.levels import lacks
from elder_assets.audit.policy import LevelPolicy
from elder_assets.audit.registry import catalogue
from resources.messages.catalogue import translator
from resources.messages.reasons import magic_question, reason_text, unit_name

ROOT = Path(elder_assets.audit.__path__[0])
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def said_by_rules() -> list[str]:
    """Every reason that a rule writes out where it says that it does not apply, or could not be answered."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = {"NotApplicable", "NotAvailable"}
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names and node.args:
                given = node.args[0]
                if isinstance(given, ast.Constant):
                    found.add(given.value)
                elif isinstance(given, ast.JoinedStr):
                    found.add("".join(v.value if isinstance(v, ast.Constant) else "77777" for v in given.values))
    return sorted(found)


def test_the_reasons_of_rules_are_found():
    assert "no CODEOWNERS file" in said_by_rules()
    assert "77777 changes in twelve months, fewer than 77777" in said_by_rules()


@pytest.mark.parametrize("reason", said_by_rules())
def test_what_a_rule_says_of_itself_has_its_japanese(reason: str):
    assert JAPANESE.search(reason_text("ja", reason))
    assert reason_text("en", reason) == reason


@pytest.mark.parametrize("unit", sorted({rule.unit for rule in catalogue().rules}))
def test_what_a_rule_looks_at_has_its_japanese(unit: str):
    assert JAPANESE.search(unit_name("ja", unit))
    assert unit_name("en", unit) == unit
    assert unit_name("ja", unit) in reason_text("ja", f"no {unit} to look at")


def test_the_questions_of_the_magics_are_those_of_the_registry():
    for magic in catalogue().magics:
        assert magic_question("en", magic.name) == magic.question
        assert JAPANESE.search(magic_question("ja", magic.name))


@pytest.mark.parametrize(
    ("reason", "read"),
    [
        ("only 20% of its rule weight is applicable", "ルールの重みのうち適用できるのは 20% だけです"),
        (
            "6 changes in twelve months, fewer than 50; no component to look at",
            "12 か月の変更が 6 件で、50 件に足りません; 調べる対象（コンポーネント）がありません",
        ),
        (
            "gold: score 91.6, needs 92; tdd 80, needs 85",
            "ゴールド: スコア 91.6（92 が必要）; TDD守護魔法 80（85 が必要）",
        ),
        ("silver: 1 open high gate findings, at most 0", "シルバー: チェックを落とす「高」の指摘が 1 件（上限 0 件）"),
        (
            "2 new gate findings of severity critical or high: STR001, TDD002",
            "重大度「重大・高」の新しいゲート指摘が 2 件: STR001, TDD002",
        ),
        ("the audit is incomplete: flow: FLW001: no code", "監査が完了していません: Flow遵守魔法: FLW001: コードがありません"),
        ("score none, needs 92", "スコア なし（92 が必要）"),
        (
            "it ended on 2026-01-01; what it held back shows again",
            "2026-01-01 に終わりました; 抑えていた指摘が再び表示されます",
        ),
        ("beyond 5 %", "5 % を超過"),
        (
            "9 of 20 units are suppressed; 8 of them count as affected: only 5 % may be left out",
            "20 個の対象のうち 9 個が抑制されています; そのうち 8 個は該当として数えます（除外できるのは 5 % まで）",
        ),
        ("no open finding of STR013, TDD002 there", "そこに STR013, TDD002 の未解決の指摘はありません"),
        ("the finding is about more than a line", "この指摘は 1 行だけのものではありません"),
        ("people were told last that it is passed", "最後に「合格」と通知済みです"),
    ],
)  # fmt: skip
def test_a_reason_is_read_in_japanese(reason: str, read: str):
    assert reason_text("ja", reason) == read


def test_whatever_a_level_lacks_is_read_in_japanese():
    class Now:  # what `Current` says, as far as a level asks
        failing_since = None
        failure = ""
        audited_at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        coverage_pct = 12.5
        critical = 2
        high = 3
        magics = MappingProxyType({"strict": ("passed", "", 70.0, 1)})

    asked = LevelPolicy(score=90, coverage=80, critical=0, high=1, magics={"strict": 80}, audited_days=30)
    said = lacks(Now(), None, asked, dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    assert len(said) == 6
    for reason in said:
        read = reason_text("ja", reason)
        assert JAPANESE.search(read)
        assert not re.search(r"[a-z]{2,} [a-z]{2,}", read)


def test_why_an_alert_was_held_back_is_read_in_japanese():
    from elder_assets.audit.alerts import _route

    now = 1_772_452_800
    plain = {"name": "r", "kind": "gate_failed", "channels": ("c",)}
    quiet = QuietHours(start="00:00", end="23:59", time_zone="Asia/Tokyo")
    for rule, last in (
        (AlertRule(**plain, muted_until=now + 1), None),
        (AlertRule(**plain, cooldown_seconds=60), now - 5),
        (AlertRule(**plain, digest="daily"), None),
        (AlertRule(**plain, digest="hourly"), None),
        (AlertRule(**plain, quiet=quiet), None),
        (AlertRule(**plain), None),
    ):
        assert JAPANESE.search(reason_text("ja", _route(rule, now, last)[1]))


@pytest.mark.parametrize(
    "words",
    [
        "",
        "the host said 404",
        "fatal: not a git repository",
        "%(count)s %s %d",
        "tdd: " * 2_000,
        "a; " * 500,
        "<b>x</b> cannot be read or written",
    ],
    ids=["none", "host", "git", "format", "nested", "many", "other"],
)
def test_words_of_others_stay_as_they_are(words: str):
    assert reason_text("ja", words) == words


def test_a_value_in_a_reason_is_no_format():
    assert reason_text("ja", "%(x)s cannot be read") == translator("ja").gettext("%(name)s cannot be read") % {
        "name": "%(x)s"
    }
