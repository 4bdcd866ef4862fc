"""Scorecards by hand: rows, levels with what is missing, trends, weights, and what could not be audited."""

from __future__ import annotations

import datetime as dt

import msgspec
import pandas as pd
import pytest

from elder_assets.audit.frames import SCORECARDS, WEEKS, empty_frame, problems
from elder_assets.audit.policy import DEFAULT_LEVELS, LevelPolicy
from elder_assets.scorecards import Current, Past, level_of, scorecard, standing_of, week_of

NOW = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)  # a Wednesday
MONDAYS = ["2026-02-02", "2026-02-09", "2026-02-16", "2026-02-23"]
KEY = "example.org/shop/basket"


def current(**changes) -> Current:
    made = Current(
        repository=KEY, status="passed", reason="", score=90.0,
        magics={"tdd": ("passed", "", 80.0, 2), "strict": ("passed", "", 100.0, 0)},
        coverage_pct=100.0, open=2, critical=0, high=0, audited_at=NOW - dt.timedelta(days=1),
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def past(scores: list[float | None] = (), counts=(), gates=()) -> Past:
    rows = [
        {
            "repository": KEY, "week": week, "commit": "a" * 40, "as_of_utc": NOW, "ruler": "b" * 64, "magic": magic,
            "status": "passed", "reason": "", "score": score, "score_exact": None, "weight_share": "1",
            "eligible_files": 4, "analysed_files": 3, "findings": 5, "state": "final",
        }
        for week, score in zip(MONDAYS, scores, strict=False)
        for magic in ("", "tdd")
    ]  # fmt: skip
    return Past(
        weeks=pd.DataFrame(rows, columns=WEEKS.names) if rows else empty_frame(WEEKS),
        counts=pd.DataFrame(counts, columns=["repository", "week", "new", "fixed"]),
        gates=pd.DataFrame(gates, columns=["repository", "week", "status"]),
    )


def made(item: Current | None = None, before: Past | None = None, **options) -> pd.DataFrame:
    return scorecard("payments", NOW, [item or current()], before or past(), DEFAULT_LEVELS, **options)


def whole(content: pd.DataFrame, week: str = "2026-03-02") -> dict:
    (row,) = content[(content["magic"] == "") & (content["week"] == week)].to_dict("records")
    return row


def test_a_week_is_named_by_its_monday():
    assert [week_of(dt.datetime(2026, 3, day, tzinfo=dt.UTC)) for day in (1, 2, 8)] == [
        "2026-02-23", "2026-03-02", "2026-03-02",
    ]  # fmt: skip


def test_a_row_a_week_a_repository_and_a_magic():
    content = made(before=past([70.0, 72.0]))
    assert problems(SCORECARDS, content) == []
    assert [(row["week"], row["magic"]) for row in content.to_dict("records")] == [
        ("2026-02-02", ""), ("2026-02-02", "tdd"), ("2026-02-09", ""), ("2026-02-09", "tdd"),
        ("2026-03-02", ""), ("2026-03-02", "strict"), ("2026-03-02", "tdd"),
    ]  # fmt: skip
    assert (whole(content, "2026-02-02")["coverage_pct"], whole(content, "2026-02-02")["open"]) == (75.0, 5)
    assert whole(content)["score"] == 90.0


def test_the_trend_is_the_slope_over_the_weeks_that_have_a_score():
    assert whole(made(current(score=78.0), past([70, 72, 74, 76])))["trend"] == 2.0
    assert pd.isna(whole(made(current(score=78.0), past([70, 72])))["trend"])


def test_the_teams_profile_weighs_the_magics():
    # (3 * 80 + 1 * 100) / 4; without weights the repository's own 90 stays
    assert whole(made(weights={"tdd": 3, "strict": 1}))["score"] == 85.0
    one = current(magics={"tdd": ("insufficient", "few", 10.0, 0), "strict": ("passed", "", 100.0, 0)})
    assert whole(made(one, weights={"tdd": 3, "strict": 1}))["score"] == 100.0


def test_what_came_went_and_passed_is_counted_in_its_week():
    before = past(
        [70.0],
        counts=[(KEY, "2026-03-02", 2, 1), (KEY, "2026-03-02", 1, 0), (KEY, "2026-02-02", 0, 4)],
        gates=[(KEY, "2026-03-02", "passed"), (KEY, "2026-03-02", "failed"), (KEY, "2026-03-02", "passed")],
    )
    content = made(before=before)
    row, old = whole(content), whole(content, "2026-02-02")
    assert (row["new"], row["fixed"], row["gates_passed"], row["gates_failed"]) == (3, 1, 2, 1)
    assert (old["new"], old["fixed"], old["gates_passed"]) == (0, 4, 0)
    assert content[content["magic"] != ""]["new"].isna().all()


def test_a_repository_that_cannot_be_audited_is_shown_and_has_no_score():
    lost = current(failing_since=NOW - dt.timedelta(days=3), failure="no such host")
    row = whole(made(lost, weights={"tdd": 1}))
    assert (row["status"], row["reason"]) == ("error", "cannot be audited since 2026-03-01: no such host")
    assert pd.isna(row["score"])
    assert (row["level"], row["missing"]) == ("none", "bronze: it cannot be audited: no such host")
    never = whole(made(current(audited_at=None)))
    assert (never["reason"], never["missing"]) == ("never audited", "bronze: it was never audited")


LEVELS = [
    ("gold", {"score": 95.0}, "gold", ""),
    ("tdd too low for gold", {"score": 95.0, "magics": {"tdd": ("passed", "", 79.0, 1)}}, "silver", "gold: tdd 79, needs 80"),
    ("tdd does not apply", {"score": 95.0, "magics": {"tdd": ("not applicable", "", None, 0)}}, "gold", ""),
    ("a high finding", {"score": 95.0, "high": 1}, "bronze", "silver: 1 open high gate findings, at most 0"),
    ("a critical finding", {"score": 95.0, "critical": 2}, "none", "bronze: 2 open critical gate findings, at most 0"),
    ("two things", {"score": 70.0, "coverage_pct": 80.0}, "bronze", "silver: score 70, needs 75; coverage 80 %, needs 90 %"),
    ("no score", {"score": None}, "none", "bronze: score none, needs 60"),
    ("long ago", {"score": 95.0, "audited_at": NOW - dt.timedelta(days=10)}, "silver", "gold: audited 10 days ago, at most 7"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "level", "missing"), LEVELS, ids=[case[0] for case in LEVELS])
def test_a_level_names_what_the_next_one_lacks(name: str, changes: dict, level: str, missing: str):
    item = current(**changes)
    assert level_of(item, item.score, DEFAULT_LEVELS, NOW) == (level, missing)


def test_levels_build_on_each_other():
    easy_gold = {**DEFAULT_LEVELS, "gold": LevelPolicy(score=1)}
    item = current(score=70.0)
    assert level_of(item, item.score, easy_gold, NOW)[0] == "bronze"


def test_a_team_has_a_level_when_enough_of_its_repositories_have_it():
    items = [
        current(repository=f"example.org/shop/{name}", score=score)
        for name, score in (("a", 95.0), ("b", 80.0), ("c", 80.0), ("d", 65.0), ("e", 20.0))
    ]
    content = scorecard("payments", NOW, items, past(), DEFAULT_LEVELS)
    at_80, at_60 = standing_of(content, 80), standing_of(content, 60)
    assert (at_80.level, at_80.next_level, at_80.having, at_80.needed, at_80.repositories) == (
        "bronze",
        "silver",
        3,
        4,
        5,
    )
    assert (at_60.level, at_60.next_level, at_60.having, at_60.needed) == ("silver", "gold", 1, 3)


def test_a_team_without_repositories_has_no_level():
    content = scorecard("payments", NOW, [], past(), DEFAULT_LEVELS)
    assert len(content) == 0
    assert standing_of(content, 80).level == "none"
