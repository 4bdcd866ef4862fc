"""`elder history`, `elder compare` and `elder rescore` on a repository of several weeks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from test_same_result import Shop, basket

from elder_assets.audit.model import Tier
from elder_assets.audit.ruler import default_ruler
from elder_assets.cli import elder


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("ELDER_HOME", str(tmp_path / "home"))
    made = Shop(tmp_path / "shop")
    made.commit("feat: open", {"shop/basket.py": basket(1)})
    made.commit("test: it", {"tests/test_basket.py": "def test_total():\n    assert True\n"})
    made.commit("test: better", {"tests/test_basket.py": "def test_total():\n    assert 1 + 1 == two()\n"}, days=14)
    return made


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(elder, [str(argument) for argument in arguments], catch_exceptions=False)


def test_history_gives_one_point_a_week(shop: Shop):
    document = msgspec.json.decode(run("history", shop.folder, "--format", "json").stdout)
    weeks = document["weeks"]
    assert [week["week"] for week in weeks] == ["2026-W03", "2026-W04", "2026-W05", "2026-W06"]
    assert weeks[1]["commit"] == weeks[2]["commit"] != weeks[3]["commit"]
    tdd = [week["magics"]["tdd"]["score"] for week in weeks]
    assert tdd[1] == tdd[2] < tdd[3]
    assert weeks[3]["as_of"] == "2026-02-02T08:00:00Z"
    newest = msgspec.json.decode(run("audit", shop.folder, "--format", "json").stdout)
    assert (weeks[3]["score"], weeks[3]["status"]) == (newest["score"], newest["status"])


def test_the_table_shows_weeks_in_which_a_score_moved_and_the_rules_that_moved_it(shop: Shop):
    text = run("history", shop.folder, "--weeks", "3").output
    assert [word in text for word in ("2026-W03", "2026-W04", "2026-W05", "2026-W06")] == [False, True, False, True]
    assert "3 weeks, 2 commits" in text
    assert "TDD002 -1" in text


def test_compare_says_that_the_code_changed(shop: Shop):
    document = msgspec.json.decode(run("compare", "HEAD~1", "HEAD", "--repo", shop.folder, "--format", "json").stdout)
    tdd = document["magics"]["tdd"]
    assert tdd["parts"]["code"] > 0
    assert (tdd["parts"]["scope"], tdd["parts"]["ruler"]) == (0, 0)
    assert round(tdd["after"] - tdd["before"], 1) == tdd["parts"]["code"]


def other_ruler(folder: Path) -> Path:
    """The built-in ruler without what TDD003 weighs."""
    ruler = default_ruler()
    rules = {**ruler.rules, "TDD003": msgspec.structs.replace(ruler.rules["TDD003"], tier=Tier.SHADOW)}
    file = folder / "ruler.json"
    file.write_bytes(msgspec.structs.replace(ruler, rules=rules).document())
    return file


def test_compare_says_that_the_ruler_changed(tmp_path: Path, shop: Shop):
    built_in = tmp_path / "own.json"
    built_in.write_bytes(default_ruler().document())
    arguments = (built_in, other_ruler(tmp_path), "--repo", shop.folder, "--ref", "HEAD~1", "--format", "json")
    tdd = msgspec.json.decode(run("compare", *arguments).stdout)["magics"]["tdd"]
    assert tdd["parts"]["ruler"] == round(tdd["after"] - tdd["before"], 1) != 0
    assert (tdd["parts"]["code"], tdd["parts"]["scope"]) == (0, 0)


def test_a_commit_and_a_ruler_cannot_be_compared(tmp_path: Path, shop: Shop):
    result = CliRunner().invoke(elder, ["compare", "HEAD", str(other_ruler(tmp_path)), "--repo", str(shop.folder)])
    assert result.exit_code == 2
    assert "two commits, or two files" in result.output


def test_rescore_needs_no_judging_for_other_tiers(tmp_path: Path, shop: Shop):
    run("repo", "add", shop.folder)
    first = msgspec.json.decode(run("rescore", "--format", "json").stdout)["repositories"]
    second = msgspec.json.decode(run("rescore", "--format", "json", "--ruler", other_ruler(tmp_path)).stdout)[
        "repositories"
    ]
    assert [(row["repository"], row["judged"]) for row in first] == [("local/shop", 3)]
    assert [(row["repository"], row["judged"]) for row in second] == [("local/shop", 0)]
    assert first[0]["weeks"] == second[0]["weeks"] > 4  # up to the running week, for all repositories alike
    assert first[0]["ruler"] != second[0]["ruler"]


def test_rescore_goes_on_when_a_repository_is_gone(tmp_path: Path, shop: Shop):
    run("repo", "add", shop.folder)
    Shop(tmp_path / "gone").commit("feat: x", {"a.py": "x = 1\n"})
    run("repo", "add", tmp_path / "gone")
    (tmp_path / "gone").rename(tmp_path / "moved")
    result = run("rescore", "--jobs", "1")
    assert "local/gone  failed:" in result.output
    assert "local/shop  " in result.output
    unknown = CliRunner().invoke(elder, ["rescore", "nobody"])
    assert unknown.exit_code != 0
