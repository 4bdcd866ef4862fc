"""Which commits a change request is judged by: the host's merge where it is current, else the head of its source."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from elder_assets.audit.errors import UnknownRevision
from resources.deliveries.change_requests import Sides, _chosen, sides_of
from resources.settings import Settings
from resources.store.inbox import AuditTarget


@pytest.fixture
def commits(tmp_path: Path) -> dict[str, str]:
    """Commits of a repository at `tmp_path`: base, first, source (its child), and a merge of each with the base."""

    def git(*arguments: str) -> str:
        who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", **who}
        command = ["git", "-C", tmp_path, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q", "-b", "main")
    found = {}
    for name in ("base", "first", "source"):
        git("commit", "-q", "--allow-empty", "-m", name)
        found[name] = git("rev-parse", "HEAD")
    tree = git("rev-parse", "HEAD^{tree}")
    for name, parent in (("old merge", "first"), ("merge", "source")):
        found[name] = git("commit-tree", tree, "-p", found["base"], "-p", found[parent], "-m", name)
    git("update-ref", "refs/heads/main", found["base"])
    return found


def document(commits: dict[str, str], head: str = "source", **changes) -> dict:
    given = {
        "head": commits[head], "status_commit": commits["source"], "base": commits["base"], "base_ref": "refs/heads/main",
        "ref": "refs/pull/7/head", "merge_ref": "refs/pull/7/merge",
    }  # fmt: skip
    return {**given, **changes}


def test_a_current_merge_of_the_host_is_judged(tmp_path: Path, commits: dict[str, str]):
    sides = _chosen(tmp_path / ".git", document(commits), {"refs/pull/7/merge": commits["merge"]})
    assert sides == Sides(base="refs/heads/main", head=commits["merge"], is_merge=True)


def test_an_old_merge_is_not(tmp_path: Path, commits: dict[str, str]):
    sides = _chosen(tmp_path / ".git", document(commits), {"refs/pull/7/merge": commits["old merge"]})
    assert sides == Sides(base="refs/heads/main", head=commits["source"], is_merge=False)


def test_a_merge_that_the_payload_names_is_judged(tmp_path: Path, commits: dict[str, str]):
    assert _chosen(tmp_path / ".git", document(commits, "merge"), {}).head == commits["merge"]
    assert _chosen(tmp_path / ".git", document(commits, "old merge"), {}).head == commits["source"]


def test_a_shortened_commit_is_found_through_its_ref(tmp_path: Path, commits: dict[str, str]):
    short = commits["source"][:12]
    given = document(commits, head="source", status_commit=short) | {"head": short, "merge_ref": ""}
    sides = _chosen(tmp_path / ".git", given, {"refs/pull/7/head": commits["source"]})
    assert (sides.head, sides.is_merge) == (commits["source"], False)


def test_where_the_base_branch_is_gone_its_commit_is_the_base(tmp_path: Path, commits: dict[str, str]):
    assert _chosen(tmp_path / ".git", document(commits, base_ref="refs/heads/gone"), {}).base == commits["base"]
    with pytest.raises(UnknownRevision, match="neither refs/heads/gone nor the commit"):
        _chosen(tmp_path / ".git", document(commits, base_ref="refs/heads/gone", base="f" * 40), {})


def test_a_commit_that_is_not_there_is_named(tmp_path: Path, commits: dict[str, str]):
    with pytest.raises(UnknownRevision, match="the commit eeeeeeeeeeee is not there"):
        _chosen(tmp_path / ".git", document(commits, status_commit="e" * 40) | {"head": "e" * 40}, {})


def test_a_local_repository_needs_no_fetch(tmp_path: Path, commits: dict[str, str]):
    target = AuditTarget(id=1, key="github.com/acme/shop", url=str(tmp_path), is_removed=False, team="")
    settings = Settings(home=tmp_path / "home")
    assert sides_of(settings, target, document(commits, "merge")).head == commits["merge"]
