"""What pages show, worked out by hand."""

from __future__ import annotations

from dash_app import figures, views


def outcome(affected: int, status: str = "finding") -> dict[str, object]:
    return {"status": status, "affected": affected}


def mover(before: float, after: float, *rulers: str) -> dict[str, object]:
    first, last = rulers or ("r", "r")
    return {"repository": "h/o/n", "before": before, "after": after, "ruler_before": first, "ruler_after": last}


def test_under_the_same_ruler_the_code_moved_the_whole_score():
    move = views.move_of(mover(80.0, 75.0), {"TDD001": outcome(2)}, {"TDD001": outcome(5)}, None)
    assert (move.change, move.code, move.ruler, move.reason) == (-5.0, -5.0, 0.0, "code")
    assert move.rules == (("TDD001", 3),)


def test_what_another_ruler_moved_is_told_apart_from_the_code():
    move = views.move_of(mover(80.0, 90.0, "r", "s"), {}, {}, same_ruler_before=89.0)
    assert (move.code, move.ruler, move.reason) == (1.0, 9.0, "ruler")


def test_without_an_earlier_score_under_the_new_ruler_the_ruler_takes_it_all():
    move = views.move_of(mover(80.0, 90.0, "r", "s"), {}, {}, None)
    assert (move.code, move.ruler) == (0.0, 10.0)


def test_a_rule_that_ceased_to_apply_is_a_changed_scope():
    move = views.move_of(mover(80.0, 90.0), {"TDD001": outcome(2)}, {"TDD001": outcome(0, "not applicable")}, None)
    assert move.reason == "scope"
    assert move.rules == ()


def test_the_rules_with_most_change_are_named_first_and_three_at_most():
    before = {f"TDD00{n}": outcome(10) for n in range(1, 6)}
    after = {"TDD001": 11, "TDD002": 5, "TDD003": 10, "TDD004": 14, "TDD005": 8}
    move = views.move_of(mover(80.0, 81.0), before, {rule: outcome(n) for rule, n in after.items()}, None)
    assert move.rules == (("TDD002", -5), ("TDD004", 4), ("TDD005", -2))


def test_since_a_week_the_magics_are_named_by_points_of_the_whole():
    magics = {"flow": (50.0, 90.0), "git": (100.0, 92.0), "tdd": (80.0, 80.0), "strict": (70.0, 71.0)}
    move = views.move_since_week(mover(75.0, 83.25), magics)
    assert (move.code, move.ruler, move.reason) == (8.25, 0.0, "code")
    assert move.magics == (("flow", 10.0), ("git", -2.0), ("strict", 0.25))


def test_since_a_week_another_ruler_takes_it_all_and_a_magic_that_began_is_scope():
    assert views.move_since_week(mover(80.0, 90.0, "r", "s"), {}).reason == "ruler"
    move = views.move_since_week(mover(80.0, 60.0), {"flow": (80.0, 80.0), "git": (None, 40.0)})
    assert (move.reason, move.magics) == ("scope", ())


def test_statuses_come_in_the_order_of_the_eye_with_their_shares():
    assert views.status_shares({"failed": 1, "passed": 2, "odd": 1}) == [
        ("passed", 2, 0.5),
        ("failed", 1, 0.25),
        ("odd", 1, 0.25),
    ]


def test_weeks_of_the_fleet_have_mean_and_quartiles():
    rows = [("2026-02-09", [60.0, 90.0, 80.0, 70.0, 100.0]), ("2026-02-16", [50.0])]
    assert figures.weeks_of_fleet(rows) == [
        {"week": "2026-02-09", "mean": 80.0, "low": 70.0, "high": 90.0, "repositories": 5},
        {"week": "2026-02-16", "mean": 50.0, "low": 50.0, "high": 50.0, "repositories": 1},
    ]


def test_a_folder_that_holds_one_folder_alone_is_part_of_its_label():
    paths = [
        "gson/src/main/java/A.java",
        "gson/src/main/java/in/B.java",
        "gson/src/test/java/C.java",
        "docs/x/y.md",
        "z",
    ]
    assert figures.folder_boxes(paths) == {
        "docs/x": ("", "docs/x"),
        "gson/src": ("", "gson/src"),
        "gson/src/main/java": ("gson/src", "main/java"),
        "gson/src/main/java/in": ("gson/src/main/java", "in"),
        "gson/src/test/java": ("gson/src", "test/java"),
    }
    assert figures.folder_boxes(["a.py"]) == {}


def test_markup_and_direction_marks_of_a_repository_are_text_in_a_figure():
    assert figures.escaped("<b>&\u202e") == "&lt;b&gt;&amp;\ufffd"
    assert figures.escaped("a" * 100, limit=5) == "aaaa…"


def magic(status: str, score: float | None) -> dict[str, object]:
    return {"status": status, "score": score}


def test_the_score_is_explained_by_what_each_magic_costs():
    said = views.explained(
        {"tdd": magic("passed", 80.0), "git": magic("failed", 40.0), "predictive": magic("insufficient", 100.0)}
    )
    assert said.counted == 2
    assert said.losses == (("git", 30.0), ("tdd", 10.0))
    assert said.left_out == (("predictive", "insufficient"),)


def test_risk_is_the_worse_of_findings_and_of_change_times_complexity():
    plain = {"open": 0, "size_bytes": 1}
    files = [
        {"path": "a", "weight": 16, "changes": 0, "cognitive": 0, **plain},
        {"path": "b", "weight": 4, "changes": 10, "cognitive": 5, **plain},
        {"path": "c", "weight": 4, "changes": 0, "cognitive": 0, **plain},
    ]
    assert [(file["path"], file["risk"]) for file in views.with_risk(files)] == [("a", 1.0), ("b", 1.0), ("c", 0.5)]


def test_only_another_ruler_than_before_is_an_event():
    audits = [{"kind": "default", "as_of": day, "ruler": ruler} for day, ruler in ((4, "s"), (3, "s"), (2, "r"))]
    assert views.events_of_audits(audits) == [(3, "s")]


def test_what_fails_a_check_comes_first_then_what_costs_most_points_each_rule_once():
    def rule(code: str, name: str, severity: str, tier: str = "advise", count: int = 1) -> dict[str, object]:
        return {"rule": code, "magic": name, "severity": severity, "tier": tier, "open": count}

    rows = [
        rule("STR014", "strict", "low", count=53),
        rule("STR013", "strict", "medium", count=18),
        rule("STR013", "strict", "low", count=2),
        rule("FLW010", "flow", "medium", tier="gate", count=24),
        rule("INT001", "integrity", "critical", tier="gate"),
        rule("SRV001", "servant", "medium", tier="gate"),
        rule("TDD003", "tdd", "high", tier="gate", count=0),
    ]
    magics = {
        name: magic("passed", score)
        for name, score in {"strict": 79.0, "flow": 92.0, "servant": 50.0, "integrity": 99.0, "tdd": 100.0}.items()
    }
    first = views.first_rules(rows, views.explained(magics), count=4)
    assert [(row["rule"], row["severity"]) for row in first] == [
        ("INT001", "critical"),
        ("SRV001", "medium"),
        ("STR013", "medium"),
        ("STR014", "low"),
    ]
