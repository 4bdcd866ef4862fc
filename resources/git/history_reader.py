"""Reading history: one walk over the commits and what each introduced, and the changes of those in the window.

Everything that depends on how git prints history lives here; `reader.py` joins it to the tree and the blobs.
Records are split at NUL alone, with fixed field counts: no message, name or path can hold a NUL, so none can break
the parse. Streams are parsed as they arrive.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import msgspec

from elder_assets.audit.facts.commit_log import Commit, FileChange, Introduction
from resources.git.commands import ENVIRONMENT, command

_FIELDS = ("%H", "%P", "%an", "%ae", "%at", "%cn", "%ce", "%ct", "%s")
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


class Walked(msgspec.Struct, frozen=True):
    """What one walk over commits read: themselves, and what each put where."""

    commits: tuple[Commit, ...]
    """Names and addresses as committed: before mailmap."""
    introductions: dict[str, tuple[Introduction, ...]]
    """Commit id to the blobs that it introduced; commits without any are absent."""


def read_commits(git_dir: Path, heads: Iterable[str], known: Iterable[str] = ()) -> Walked:
    """The commits that some commits reach and the known ones do not.

    A merge introduces only what none of its parents holds. Submodules are passed over.

    Raises:
        HistoryUnreadable: git failed.
    """
    options = (
        *(
            "-c",
            "core.bare=true",
            "-c",
            "i18n.logOutputEncoding=UTF-8",
            "log",
            "--stdin",
            "--ignore-missing",
            "-z",
            "-c",
        ),
        *("--raw", "--no-abbrev", "--no-renames", "--no-mailmap", "--no-show-signature", "--no-decorate"),
        "--format=tformat:" + "%x00".join(_FIELDS),
    )
    commits: list[Commit] = []
    introductions: dict[str, tuple[Introduction, ...]] = {}
    ids: dict[bytes, str] = {}
    names: dict[bytes, str] = {}
    rows: list[Introduction] = []
    with _git(git_dir, *options, lines=[*heads, *(f"^{head}" for head in known)]) as stream:
        fields = _fields(stream)
        for raw in fields:
            if not raw:
                continue  # stands between a merge and its rows
            if raw.startswith((b":", b"\n:")):
                rows.extend(_introduced(raw, next(fields), names))
                continue
            if rows:
                introductions[commits[-1].id] = tuple(rows)
                rows = []
            parents, author, author_email, authored, committer, committer_email, committed, subject = (
                next(fields) for _ in _FIELDS[1:]
            )
            commits.append(
                Commit(
                    _shared(ids, raw),
                    tuple(_shared(ids, parent) for parent in parents.split()),
                    _shared(names, author),
                    _shared(names, author_email.lower()),
                    _seconds(authored),
                    _shared(names, committer),
                    _shared(names, committer_email.lower()),
                    _seconds(committed),
                    _text(subject),
                )
            )
        if rows:
            introductions[commits[-1].id] = tuple(rows)
    return Walked(tuple(commits), introductions)


def _introduced(raw: bytes, path: bytes, names: dict[bytes, str]) -> Iterator[Introduction]:
    """The blob of one `--raw` row: `:<modes> <ids> <status>`, with a colon, mode and id for each parent of a merge."""
    row = raw.lstrip(b"\n")
    parents = len(row) - len(row.lstrip(b":"))
    fields = row[parents:].split(b" ")
    mode, oid = fields[parents], fields[2 * parents + 1]
    if mode.startswith((b"100", b"120")):
        yield Introduction(oid.decode(), _shared(names, path))


def _shared(known: dict[bytes, str], raw: bytes) -> str:
    text = known.get(raw)
    if text is None:
        text = known[raw] = _text(raw)
    return text


# --- changes ---------------------------------------------------------------------------------------------


def read_changes(git_dir: Path, ids: Sequence[str]) -> dict[str, tuple[FileChange, ...]]:
    """What each of these commits did to files; those that changed none are absent.

    Raises:
        HistoryUnreadable: git failed.
    """
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


def shallow_boundary(git_dir: Path) -> frozenset[str]:
    """Commits whose parents were cut off."""
    try:
        return frozenset((git_dir / "shallow").read_text(encoding="ascii").split())
    except (FileNotFoundError, UnicodeDecodeError):
        return frozenset()


def is_partial(git_dir: Path) -> bool:
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
