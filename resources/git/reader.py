"""GitSource: one repository at one commit, read through git's own streams without a checkout."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from elder_assets.audit.errors import UnknownRevision
from elder_assets.audit.facts.commit_log import (
    DAY_SECONDS,
    HISTORY_WINDOW_DAYS,
    Commit,
    FileChange,
    History,
    HistoryBlob,
)
from elder_assets.audit.model import Snapshot, TreeEntry


class GitSource:
    """A BlobSource over a bare repository."""

    def __init__(self, git_dir: Path, repository: str, ref: str = "HEAD") -> None:
        self._git_dir = git_dir
        self._repository = repository
        self._commit = self._text("rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}").strip()

    def _run(self, *arguments: str, stdin: bytes = b"") -> bytes:
        return subprocess.run(
            ["git", "--git-dir", str(self._git_dir), *arguments], input=stdin, capture_output=True, check=True
        ).stdout

    def _text(self, *arguments: str) -> str:
        return self._run(*arguments).decode("utf-8", errors="backslashreplace")

    def snapshot(self) -> Snapshot:
        """See BlobSource."""
        as_of, tree = self._text("log", "-1", "--format=%ct %T", self._commit).split()
        return Snapshot(repository=self._repository, commit=self._commit, tree=tree, as_of=int(as_of))

    def tree(self, commit: str | None = None) -> Sequence[TreeEntry]:
        """See BlobSource."""
        try:
            listing = self._run("ls-tree", "-r", "-l", "-z", "--full-tree", commit or self._commit)
        except subprocess.CalledProcessError as error:
            raise UnknownRevision(str(commit)) from error
        entries = []
        for row in listing.split(b"\0")[:-1]:
            fields, _, path = row.partition(b"\t")
            mode, _, oid, size = fields.split()
            entries.append(
                TreeEntry(
                    path.decode("utf-8", errors="backslashreplace"),
                    int(mode, 8),
                    oid.decode(),
                    int(size) if size.isdigit() else 0 if mode == b"160000" else -1,
                )
            )
        return sorted(entries, key=lambda entry: entry.path)

    def blobs(self, oids: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """See BlobSource."""
        wanted = list(oids)
        if not wanted:
            return
        output = self._run("cat-file", "--batch", "--buffer", stdin="".join(f"{oid}\n" for oid in wanted).encode())
        start = 0
        for oid in wanted:
            end = output.index(b"\n", start)
            header = output[start:end].split()
            if header[-1] == b"missing":
                yield oid, None
                start = end + 1
                continue
            size = int(header[2])
            yield oid, output[end + 1 : end + 1 + size]
            start = end + 2 + size

    def history(self) -> History:
        """See BlobSource."""
        since = self.snapshot().as_of - HISTORY_WINDOW_DAYS * DAY_SECONDS
        form = "%x01%H%x00%P%x00%aN%x00%aE%x00%at%x00%cN%x00%cE%x00%ct%x00%s%x00%b%x00%x02"
        metadata = self._run("log", "--topo-order", f"--format={form}", self._commit)
        changes = self._changes(since)
        commits = []
        for record in metadata.split(b"\x02")[:-1]:
            f = [part.decode("utf-8", errors="replace") for part in record.split(b"\x01", 1)[1].split(b"\0")]
            commits.append(
                Commit(
                    f[0],
                    tuple(f[1].split()),
                    f[2],
                    f[3].lower(),
                    int(f[4]),
                    f[5],
                    f[6].lower(),
                    int(f[7]),
                    f[8],
                    f[9],
                    tuple(changes.get(f[0], ())),
                )
            )
        return History(tuple(commits), since)

    def _changes(self, since: int) -> dict[str, list[FileChange]]:
        output = self._run(
            "log",
            "-z",
            "--raw",
            "--numstat",
            "-M",
            "--no-merges",
            f"--since-as-filter=@{since}",
            "--format=%x01%H",
            "--no-renames",
            self._commit,
        )
        found: dict[str, list[FileChange]] = {}
        for record in output.split(b"\x01")[1:]:
            fields = record.split(b"\0")
            status: dict[bytes, str] = {}
            rows = found.setdefault(fields[0].strip().decode(), [])
            index = 1
            while index < len(fields):
                field = fields[index].lstrip(b"\n")
                if field.startswith(b":"):
                    status[fields[index + 1]] = field.split()[-1].decode()[:1]
                    index += 2
                elif b"\t" in field:
                    added, deleted, path = field.split(b"\t", 2)
                    rows.append(
                        FileChange(
                            status.get(path, "M"),
                            path.decode("utf-8", errors="backslashreplace"),
                            "",
                            int(added) if added != b"-" else 0,
                            int(deleted) if deleted != b"-" else 0,
                            added == b"-",
                        )
                    )
                    index += 1
                else:
                    index += 1
        return found

    def history_blobs(self) -> Sequence[HistoryBlob]:
        """See BlobSource."""
        listing = self._run("rev-list", "--objects", "--no-object-names", self._commit)
        known = {entry.oid for entry in self.tree()}
        oids = sorted({line.decode() for line in listing.split()} - known)
        sizes = self._run(
            "cat-file",
            "--batch-check=%(objectname) %(objecttype) %(objectsize)",
            "--buffer",
            stdin="".join(f"{oid}\n" for oid in oids).encode(),
        )
        rows = [line.split() for line in sizes.decode().splitlines()]
        return [HistoryBlob(row[0], "", int(row[2])) for row in rows if row[1] == "blob"]

    def is_ancestor(self, commit: str) -> bool:
        """See BlobSource."""
        result = subprocess.run(
            ["git", "--git-dir", str(self._git_dir), "merge-base", "--is-ancestor", commit, self._commit],
            capture_output=True,
            check=False,
        )
        return result.returncode == 0
