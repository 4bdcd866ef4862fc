"""What an audit reads, counted: the figures of docs/performance.md that no noise can move."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from test_same_result import Shop, basket

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.audit import Broken, cpu_seconds, distinct_new_blobs, evenly, probe_apart, ratios, rounds

GIT_PROCESSES_MAX = 5


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = Shop(tmp_path_factory.mktemp("shops") / "shop")
    made.commit("feat: open", {f"shop/part{number}.py": basket(number) for number in range(8)})
    for week in range(6):
        made.commit(f"feat: week {week}", {"shop/part0.py": basket(100 + week), f"docs/{week}.md": f"# Week {week}\n"})
    made.commit("feat: back", {"shop/part0.py": basket(100)})
    return made


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, shop: Shop) -> tuple[Path, dict]:
    home = tmp_path_factory.mktemp("home")
    return home, probe_apart("audit", shop.folder, home)


def test_a_cold_audit_reads_every_blob_once_with_few_processes(audited: tuple[Path, dict]):
    _, counts = audited
    assert counts["blobs_parsed"] == 8 + 6
    assert counts["git_processes"] == counts["git_processes_seen"] <= GIT_PROCESSES_MAX


def test_a_warm_audit_reads_no_blob(audited: tuple[Path, dict], shop: Shop):
    counts = probe_apart("audit", shop.folder, audited[0])
    assert (counts["blobs_parsed"], counts["blobs_searched"]) == (0, 0)
    assert counts["git_processes"] == counts["git_processes_seen"] <= GIT_PROCESSES_MAX


def test_a_push_costs_its_own_blobs(tmp_path: Path, shop: Shop):
    head = shop.git("rev-parse", "HEAD")
    shop.git("checkout", "-q", "HEAD~1")
    try:
        probe_apart("audit", shop.folder, tmp_path)
    finally:
        shop.git("checkout", "-q", "main")
    assert shop.git("rev-parse", "HEAD") == head
    counts = probe_apart("audit", shop.folder, tmp_path)
    assert counts["blobs_parsed"] == 1  # it was searched for secrets when it was new, but never parsed
    assert counts["blobs_searched"] == 0
    assert counts["git_processes"] == counts["git_processes_seen"] <= GIT_PROCESSES_MAX


def test_a_year_reads_each_new_blob_once(audited: tuple[Path, dict], shop: Shop):
    counts = probe_apart("history", shop.folder, audited[0])
    assert len(counts["weekly_commits"]) == 8
    assert counts["blobs_parsed"] == distinct_new_blobs(shop.folder / ".git", counts["weekly_commits"]) == 6
    assert probe_apart("history", shop.folder, audited[0])["blobs_parsed"] == 0


def test_a_process_that_failed_is_no_figure():
    with pytest.raises(Broken, match="ended with 3: out of order"):
        cpu_seconds([sys.executable, "-c", "import sys; sys.stderr.write('out of order'); sys.exit(3)"])
    assert cpu_seconds([sys.executable, "-c", "raise SystemExit(1)"], allowed=(0, 1)) > 0


def test_each_round_measures_every_scenario_once():
    order: list[str] = []
    samples = iter([1.0, 10.0, 4.0, 20.0, 2.0, 30.0])

    def scenario(name: str) -> float:
        order.append(name)
        return next(samples)

    medians, apart = rounds({"cold": lambda: scenario("cold"), "warm": lambda: scenario("warm")}, 3)
    assert order == ["cold", "warm"] * 3
    assert medians == {"cold": 2.0, "warm": 20.0}
    assert apart == {"cold": 1.5, "warm": 1.0}


def test_naive_commits_reach_from_the_first_week_to_the_last():
    assert evenly([str(number) for number in range(9)], 3) == ["0", "4", "8"]
    assert evenly(["0", "1"], 12) == ["0", "1"]
    assert evenly(["0", "1"], 1) == ["1"]


def test_goals_are_read_as_the_issue_says():
    figures = {
        "floor_s": 1.0,
        "cold_s": 2.5,
        "cold_without_history_secrets_s": 2.0,
        "warm_s": 0.15,
        "incremental_s": 0.25,
        "history_s": 4.0,
        "naive_s": 30.0,
        "history_read_s": 0.5,
        "history_secrets_s": 0.5,
        "weekly_commits": 20,
        "peers": {"pydriller": "not installed"},
    }
    reached = {name: row["reached"] for name, row in ratios(figures).items()}
    assert reached == {
        "cold without history scan / floor": True,
        "history scan / reading its blobs": True,
        "warm / cold": True,  # 0.06 of cold, but 0.15 s
        "incremental / cold": True,
        "52 weeks / cold": False,
        "naive weeks / ours": None,  # 20 of 52 weeks changed: the goal is for most
        "naive weeks / (cold + ours)": None,
    }
