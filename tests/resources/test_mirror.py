"""Mirrors of addresses; the operator's allow-list is widened to `file` so that no network is needed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from elder_assets.audit.errors import RepositoryNotFound
from resources.git.mirror import fetch_commits, has_commit, mirror_with, update_mirror
from resources.git.reader import GitSource


def git(folder: Path, *arguments: str) -> str:
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "Ann",
                   "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "a@b.c"}  # fmt: skip
    command = ["git", "-C", folder, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "trunk")
    (folder / "basket.py").write_text("x = 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "feat: basket")
    git(folder, "tag", "v1")
    git(folder, "update-ref", "refs/pull/7/head", "HEAD")
    return folder


def mirror(origin: Path, tmp_path: Path) -> Path:
    return update_mirror(f"file://{origin}", "example.org/shop/basket", tmp_path / "mirrors", protocols=("file",))


def test_only_heads_and_tags_are_fetched_and_the_default_branch_is_known(origin: Path, tmp_path: Path):
    folder = mirror(origin, tmp_path)
    assert git(folder, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/trunk", "refs/tags/v1"]
    snapshot = GitSource(folder, "example.org/shop/basket").snapshot()
    assert snapshot.commit == git(origin, "rev-parse", "HEAD")


def test_a_force_push_and_a_deleted_branch_are_followed(origin: Path, tmp_path: Path):
    git(origin, "branch", "old")
    mirror(origin, tmp_path)
    git(origin, "branch", "-D", "old")
    git(origin, "commit", "-q", "--amend", "-m", "feat: other")
    folder = mirror(origin, tmp_path)
    assert git(folder, "rev-parse", "HEAD") == git(origin, "rev-parse", "HEAD")
    assert "old" not in git(folder, "for-each-ref")


def test_an_address_without_a_repository_leaves_nothing_behind(tmp_path: Path):
    with pytest.raises(RepositoryNotFound):
        mirror(tmp_path / "nowhere", tmp_path)
    assert not (tmp_path / "mirrors" / "example.org" / "shop" / "basket.git").exists()


def test_a_protocol_that_is_not_allowed_is_refused_by_git_too(origin: Path, tmp_path: Path):
    with pytest.raises(RepositoryNotFound, match="not allowed"):
        update_mirror(f"file://{origin}", "example.org/shop/basket", tmp_path / "mirrors")


def test_a_mirror_that_holds_the_commit_needs_no_fetch(origin: Path, tmp_path: Path):
    mirrors, key = tmp_path / "mirrors", "example.org/shop/basket"
    first = git(origin, "rev-parse", "HEAD")
    assert mirror_with(first, key, mirrors) is None
    folder = mirror(origin, tmp_path)
    git(origin, "commit", "-q", "--allow-empty", "-m", "feat: more")
    assert mirror_with(first, key, mirrors) == folder
    assert mirror_with(git(origin, "rev-parse", "HEAD"), key, mirrors) is None


def test_commits_of_a_change_request_are_fetched_without_a_ref(origin: Path, tmp_path: Path):
    folder = mirror(origin, tmp_path)
    git(origin, "commit", "-q", "--allow-empty", "-m", "fix: more")
    change = git(origin, "rev-parse", "HEAD")
    git(origin, "update-ref", "refs/pull/8/head", change)
    git(origin, "reset", "-q", "--hard", "v1")
    assert not has_commit(folder, change)
    refs = ["refs/pull/8/head", "refs/pull/8/merge", "refs/pull/*", "--upload-pack=x", "refs/pull/8/head"]
    fetched = fetch_commits(
        f"file://{origin}", "example.org/shop/basket", tmp_path / "mirrors", refs, protocols=("file",)
    )
    assert fetched == {"refs/pull/8/head": change}
    assert has_commit(folder, change)
    assert git(folder, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/trunk", "refs/tags/v1"]
