"""What an audit reads, counted: the figures of docs/performance.md that no noise can move."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from test_same_result import Shop, basket

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.audit import distinct_new_blobs, probe_apart

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
    assert counts["git_processes"] <= GIT_PROCESSES_MAX


def test_a_warm_audit_reads_no_blob(audited: tuple[Path, dict], shop: Shop):
    counts = probe_apart("audit", shop.folder, audited[0])
    assert (counts["blobs_parsed"], counts["blobs_searched"]) == (0, 0)
    assert counts["git_processes"] <= GIT_PROCESSES_MAX


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
    assert counts["git_processes"] <= GIT_PROCESSES_MAX


def test_a_year_reads_each_new_blob_once(audited: tuple[Path, dict], shop: Shop):
    counts = probe_apart("history", shop.folder, audited[0])
    assert len(counts["weekly_commits"]) == 8
    assert counts["blobs_parsed"] == distinct_new_blobs(shop.folder / ".git", counts["weekly_commits"]) == 6
    assert probe_apart("history", shop.folder, audited[0])["blobs_parsed"] == 0
