"""Tags of an audited branch with their dates, whatever they are called."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resources.git.releases import Release, releases_before

DAY = 86_400


def git(folder: Path, *arguments: str, at: int = 1_700_000_000) -> str:
    date = f"{at} +0900"
    environment = {
        "PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b", "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date,
    }  # fmt: skip
    run = subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return run.stdout.strip()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def commit(folder: Path, at: int) -> str:
    git(folder, "commit", "-q", "--allow-empty", "-m", "x", at=at)
    return git(folder, "rev-parse", "HEAD")


def test_tags_before_a_commit_are_dated_by_their_own_date_or_their_commits(work: Path):
    start = 1_700_000_000
    first = commit(work, start)
    git(work, "tag", "v1")
    second = commit(work, start + DAY)
    git(work, "tag", "-a", "v2/rc-<b>x</b>", "-m", "two", at=start + 3 * DAY)
    third = commit(work, start + 2 * DAY)
    git(work, "tag", "later")
    assert releases_before(work / ".git", second) == (
        Release(tag="v2/rc-<b>x</b>", commit=second, released_at=datetime.fromtimestamp(start + 3 * DAY, UTC)),
        Release(tag="v1", commit=first, released_at=datetime.fromtimestamp(start, UTC)),
    )
    assert [one.tag for one in releases_before(work / ".git", third)] == ["v2/rc-<b>x</b>", "later", "v1"]


def test_tags_of_other_branches_and_of_files_are_no_releases(work: Path):
    base = commit(work, 1_700_000_000)
    git(work, "checkout", "-q", "-b", "side")
    commit(work, 1_700_000_100)
    git(work, "tag", "side-1")
    blob = subprocess.run(
        ["git", "hash-object", "-w", "--stdin"], cwd=work, input="x", capture_output=True, text=True, check=True
    ).stdout.strip()
    git(work, "tag", "file", blob)
    assert releases_before(work / ".git", base) == ()


def test_a_repository_without_tags_has_no_releases(work: Path):
    assert releases_before(work / ".git", commit(work, 1_700_000_000)) == ()
