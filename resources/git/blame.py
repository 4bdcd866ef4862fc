"""Who brought a line: the commit that wrote it, and the change that brought it to the branch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from elder_assets.audit.errors import SourceError
from elder_assets.audit.finding_states import Introduced
from resources.git.commands import run


def introduced(git_dir: Path, head: str, places: Iterable[tuple[int, str, int]]) -> dict[int, Introduced]:
    """The commits behind some places of a commit's tree; places that git cannot blame are left out.

    Args:
        git_dir: a bare repository of ours.
        head: full commit id.
        places: (any number of yours, path, line from 1).
    """
    changes: dict[str, str] = {}
    found: dict[int, Introduced] = {}
    for number, path, line in places:
        try:
            said = run(git_dir, "blame", "--porcelain", "-L", f"{line},{line}", head, "--", path)
        except SourceError:
            continue
        fields = dict(row.split(" ", 1) for row in said.decode("utf-8", errors="replace").split("\n") if " " in row)
        commit, time = said[:64].split(b" ", 1)[0].decode(), fields.get("committer-time", "")
        if time.isdigit():
            if commit not in changes:
                changes[commit] = _change(git_dir, head, commit)
            found[number] = Introduced(commit=commit, change=changes[commit], at=int(time))
    return found


def _change(git_dir: Path, head: str, commit: str) -> str:
    """The first-parent commit of `head` that brought a commit to it; itself when it lies on that line."""
    after = f"{commit}..{head}"
    descended = set(run(git_dir, "rev-list", "--ancestry-path", after).decode().split())
    line = [other for other in run(git_dir, "rev-list", "--first-parent", after).decode().split() if other in descended]
    if not line:
        return commit
    parents = run(git_dir, "rev-list", "--parents", "-n", "1", line[-1]).decode().split()[1:]
    return commit if parents[:1] == [commit] else line[-1]
