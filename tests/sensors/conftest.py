"""A repository under a host's name, an inbox, and a Dagster instance of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")

from shop_host import Git, commit  # noqa: E402

from elder_assets.assets import session  # noqa: E402
from resources.settings import load_settings  # noqa: E402
from resources.store import Store, open_store  # noqa: E402


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELDER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.delenv("ELDER_DATABASE_URL", raising=False)
    session.facts_of.cache_clear()
    session.terms_of.cache_clear()
    return tmp_path / "home"


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """git in the work tree of the repository."""
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
                (("NAME", "Ann"), ("EMAIL", "ann@example.org"))}  # fmt: skip
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_GLOBAL": "/dev/null", **identity}

    def run(*arguments: str) -> str:
        command = ["git", "-C", tmp_path / "work", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    return run


@pytest.fixture
def shop(tmp_path: Path, git: Git) -> Path:
    """A bare repository as a host has it; `work` beside it is somebody's clone."""
    (tmp_path / "work").mkdir()
    bare = tmp_path / "shop.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", bare], check=True)
    git("init", "-q", "-b", "main")
    git("remote", "add", "origin", str(bare))
    commit(
        git,
        tmp_path,
        "one",
        {"README.md": "# Shop\n", "shop/basket.py": "def total(prices):\n    return sum(prices)\n"},
    )
    return bare


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with open_store(load_settings().store_url) as opened:
        yield opened


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made
