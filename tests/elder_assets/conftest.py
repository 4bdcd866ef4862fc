"""A tiny git repository and a home of its own for every platform test."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

FILES = {
    "README.md": "# Basket\n\nAdds prices.\n",
    "shop/basket.py": "def total(prices):\n    return sum(prices)\n",
    "shop/cart.py": "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n",
    "tests/test_basket.py": "from shop.basket import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n",
}
Git = Callable[..., str]


@pytest.fixture
def git() -> Git:
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
                (("NAME", "Ann"), ("EMAIL", "ann@example.org"), ("DATE", "2026-01-05T10:00:00Z"))}  # fmt: skip
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_GLOBAL": "/dev/null", **identity}

    def run(folder: Path, *arguments: str) -> str:
        command = ["git", "-C", folder, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    return run


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Path:
    folder = tmp_path / "basket"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "feat: add prices")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELDER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    monkeypatch.delenv("ELDER_DATABASE_URL", raising=False)
    return tmp_path / "home"
