"""What tests of sensors share: a repository that lies on a host, and pushing to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

KEY = "github.com/acme/shop"
Git = Callable[..., str]


def commit(git: Git, folder: Path, message: str, files: dict[str, str], *, onto: str = "main") -> str:
    """Commit files and push them; the commit."""
    for name, text in files.items():
        path = folder / "work" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git("add", "-A")
    git("commit", "-q", "--allow-empty", "-m", message)
    git("push", "-q", "--force", "origin", f"HEAD:{onto if onto.startswith('refs/') else f'refs/heads/{onto}'}")
    return git("rev-parse", "HEAD")
