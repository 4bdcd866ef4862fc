"""Reading history: one walk over the metadata of all commits, and the changes of those in the window.

Everything that depends on how git prints history lives here; `reader.py` joins it to the tree and the blobs.
Records are split at NUL alone, with fixed field counts: no message, name or path can hold a NUL, so none can break
the parse. Streams are parsed as they arrive; bodies and changes are kept only inside the window.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from elder_assets.audit.facts.commit_log import (
    DAY_SECONDS,
    HISTORY_WINDOW_DAYS,
    Commit,
    FileChange,
    History,
    HistoryBlob,
)
from resources.git.commands import ENVIRONMENT, command

CLOCK_SKEW_SECONDS = 30 * DAY_SECONDS
"""A parent dated further ahead of its child has a broken clock (GIT010's limit) and does not move `as_of`."""

_FIELDS = ("%H", "%P", "%aN", "%aE", "%at", "%cN", "%cE", "%ct", "%s", "%b")
_CHUNK_BYTES = 1 << 18
_RENAMES_MAX = 1000
"""Renames are looked for among this many files of one commit; git's own default, fixed so that it cannot vary."""


class HistoryUnreadable(Exception):
    """git stopped before the end of the history; the text is its own last line."""


@contextlib.contextmanager
def _git(git_dir: Path, *arguments: str, lines: Iterable[str] = ()) -> Iterator[IO[bytes]]:
    """The output of one git command as a stream; `lines` are its standard input.

    Raises:
        HistoryUnreadable: git failed.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as complaints:
        # A file, not a pipe: git may write much before it has read all, and neither side may wait for the other.
        given.writelines(f"{line}\n".encode() for line in lines)
        given.seek(0)
        with subprocess.Popen(
            command(git_dir, *arguments), stdin=given, stdout=subprocess.PIPE, stderr=complaints, env=ENVIRONMENT
        ) as process:
            if process.stdout is None:  # pragma: no cover - PIPE was asked for
                raise HistoryUnreadable("no output")
            try:
                yield process.stdout
            except BaseException:
                process.kill()
                raise
            process.stdout.read()
            code = process.wait()
        if code:
            complaints.seek(0)
            text = complaints.read(4000).decode(errors="backslashreplace").strip()
            raise HistoryUnreadable(text.rpartition("\n")[2] or f"git ended with {code}")


def _fields(stream: IO[bytes], separator: bytes = b"\0") -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK_BYTES):
        first, *more = chunk.split(separator)
        if not more:
            rest += first
            continue
        yield rest + first
        rest = more.pop()
        yield from more
    if rest:
        yield rest


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", errors="backslashreplace")


def _seconds(raw: bytes) -> int:
    return int(raw) if raw.isdigit() else 0


# --- commits ---------------------------------------------------------------------------------------------


def read_history(git_dir: Path, commit: str, *, window_days: int = HISTORY_WINDOW_DAYS) -> History:
    """The commits that a commit reaches, newest first; those in the window before it carry bodies and changes.

    A shallow or partial clone, or one that git cannot read, gives a history that says so in `unavailable`.
    """
    boundary = _shallow_boundary(git_dir)
    try:
        commits = _read_commits(git_dir, commit, window_days * DAY_SECONDS)
        since = as_of(commits) - window_days * DAY_SECONDS
        if _is_partial(git_dir):
            return History(tuple(commits), since, unavailable="a partial clone: objects are missing")
        changes = _read_changes(git_dir, _changing(commits, since, boundary))
    except HistoryUnreadable as error:
        return History(unavailable=f"git cannot read the history: {error}")
    for index, known in enumerate(commits):
        if known.id in changes:
            commits[index] = _with_changes(known, changes[known.id])
    cut = [known.committed_at for known in commits if known.id in boundary]
    if not cut:
        return History(tuple(commits), since)
    reason = f"a shallow clone: commits before {time.strftime('%Y-%m-%d', time.gmtime(max(cut)))} are missing"
    return History(tuple(commits), since, unavailable=reason, complete_since=max(cut) + 1)


def as_of(commits: Sequence[Commit]) -> int:
    """Committer date of the first commit, made monotone along its first parents (D11), in seconds.

    Dates that run ahead of it by more than CLOCK_SKEW_SECONDS come from a broken clock and are passed over.
    """
    if not commits:
        return 0
    latest = commits[0].committed_at + CLOCK_SKEW_SECONDS
    return max(commit.committed_at for commit in first_parents(commits) if commit.committed_at <= latest)


def first_parents(commits: Sequence[Commit]) -> Iterator[Commit]:
    """The first commit and its first parents; `commits` are in topological order, newest first."""
    wanted = commits[0].id if commits else ""
    for commit in commits:
        if commit.id == wanted:
            yield commit
            if not commit.parents:
                return
            wanted = commit.parents[0]


def _read_commits(git_dir: Path, commit: str, body_seconds: int) -> list[Commit]:
    options = (
        *("-c", f"mailmap.blob={commit}:.mailmap", "-c", "mailmap.file=", "-c", "core.bare=true"),
        *("-c", "i18n.logOutputEncoding=UTF-8", "log", "-z", "--topo-order", "--no-show-signature", "--no-decorate"),
        "--format=tformat:" + "%x00".join(_FIELDS),
    )
    commits: list[Commit] = []
    ids: dict[bytes, str] = {}
    names: dict[bytes, str] = {}
    bodies_since = 0
    with _git(git_dir, *options, commit, "--") as stream:
        fields = _fields(stream)
        for raw in fields:
            parents, author, author_email, authored, committer, committer_email, committed, subject, body = (
                next(fields) for _ in _FIELDS[1:]
            )
            at = _seconds(committed)
            if not commits:
                bodies_since = at - body_seconds
            commits.append(
                Commit(
                    _shared(ids, raw),
                    tuple(_shared(ids, parent) for parent in parents.split()),
                    _shared(names, author),
                    _shared(names, author_email.lower()),
                    _seconds(authored),
                    _shared(names, committer),
                    _shared(names, committer_email.lower()),
                    at,
                    _text(subject),
                    _text(body) if body and at >= bodies_since else "",
                )
            )
    return commits


def _shared(known: dict[bytes, str], raw: bytes) -> str:
    text = known.get(raw)
    if text is None:
        text = known[raw] = _text(raw)
    return text


def _with_changes(commit: Commit, changes: tuple[FileChange, ...]) -> Commit:
    return Commit(
        commit.id,
        commit.parents,
        commit.author_name,
        commit.author_email,
        commit.authored_at,
        commit.committer_name,
        commit.committer_email,
        commit.committed_at,
        commit.subject,
        commit.body,
        changes,
    )


# --- changes ---------------------------------------------------------------------------------------------


def _changing(commits: Iterable[Commit], since: int, boundary: Collection[str]) -> list[str]:
    """Commits whose own changes are read: in the window, no merges, not cut off from their parents."""
    return [c.id for c in commits if c.committed_at >= since and not c.is_merge and c.id not in boundary]


def _read_changes(git_dir: Path, ids: Sequence[str]) -> dict[str, tuple[FileChange, ...]]:
    if not ids:
        return {}
    options = (
        *("diff-tree", "--stdin", "-r", "-z", "--root", "--raw", "--numstat", "-M", f"-l{_RENAMES_MAX}"),
        *("--no-ext-diff", "--no-textconv", "--no-color"),
    )
    found: dict[str, tuple[FileChange, ...]] = {}
    paths: dict[bytes, str] = {}
    with _git(git_dir, *options, lines=ids) as stream:
        fields = _fields(stream)
        current = ""
        statuses: dict[bytes, str] = {}
        rows: list[FileChange] = []
        for field in fields:
            if field.startswith(b":"):
                status = field[field.rindex(b" ") + 1 :][:1].decode()
                path = next(fields)
                if status in "RC":
                    path = next(fields)
                statuses[path] = status
            elif b"\t" in field:
                added, deleted, path = field.split(b"\t", 2)
                old = b""
                if not path:
                    old, path = next(fields), next(fields)
                rows.append(
                    FileChange(
                        sys.intern(statuses.get(path, "M")),
                        _shared(paths, path),
                        _shared(paths, old),
                        _seconds(added),
                        _seconds(deleted),
                        added == b"-",
                    )
                )
            else:
                if rows:
                    found[current] = tuple(rows)
                current, statuses, rows = field.decode(), {}, []
        if rows:
            found[current] = tuple(rows)
    return found


# --- clones that lack objects ----------------------------------------------------------------------------


def _shallow_boundary(git_dir: Path) -> frozenset[str]:
    """Commits whose parents were cut off."""
    try:
        return frozenset((git_dir / "shallow").read_text(encoding="ascii").split())
    except (FileNotFoundError, UnicodeDecodeError):
        return frozenset()


def _is_partial(git_dir: Path) -> bool:
    """Whether the repository says that its server left objects out.

    A `.promisor` file alone says nothing: a repository that was completed later keeps it. Where objects are really
    missing, git's own failure is the reason.
    """
    objects = git_dir / "objects"
    folders = [git_dir]
    with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
        alternates = (objects / "info" / "alternates").read_text(encoding="utf-8").splitlines()
        folders += [Path(line).parent for line in alternates if line and not line.startswith("#")]
    for folder in folders:
        with contextlib.suppress(OSError):
            if _PARTIAL.search((folder / "config").read_text(encoding="utf-8", errors="replace")):
                return True
    return False


_PARTIAL = re.compile(r"^\s*(?:partialclonefilter|promisor|partialclone)\s*=", re.IGNORECASE | re.MULTILINE)


# --- blobs -----------------------------------------------------------------------------------------------


def read_history_blobs(git_dir: Path, commit: str, known: Collection[str]) -> list[HistoryBlob]:
    """Blobs that reachable commits hold, but for the known ones: id, one path under which it stood, size.

    Raises:
        HistoryUnreadable: git failed.
    """
    places = _blob_places(git_dir, commit, known)
    options = ("cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer")
    with _git(git_dir, *options, lines=places) as stream:
        rows = [line.split() for line in stream.read().decode().splitlines()]
    return [HistoryBlob(oid, places[oid], int(size)) for oid, size in rows if size.isdigit()]


def _blob_places(git_dir: Path, commit: str, known: Collection[str]) -> dict[str, str]:
    options = ("rev-list", "--objects", "--missing=allow-any", "--filter=object:type=blob", "--filter-provided-objects")
    found: dict[str, str] = {}
    paths: dict[bytes, str] = {}
    with _git(git_dir, *options, commit, "--") as stream:
        for line in _fields(stream, b"\n"):
            oid, _, path = line.partition(b" ")
            name = oid.decode()
            if name and name not in known:
                found[name] = _shared(paths, path)
    return dict(sorted(found.items()))
