"""All facts of one snapshot, joined, as rules read them; and how they are collected through the facts store."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from elder_assets.audit.facts.commit_log import History, HistoryBlob
from elder_assets.audit.facts.extraction import (
    AnyExtractor,
    BatchExtractor,
    Extractor,
    FactKey,
    FactStore,
    Refused,
)
from elder_assets.audit.facts.git_patterns import AttributeRules
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.source_tree import (
    READ_BYTES_MAX,
    classify,
    find_backup_trees,
    find_virtualenvs,
    text_profile,
)
from elder_assets.audit.model import (
    AUTHORED_CLASSES,
    Coverage,
    FileClass,
    Skipped,
    Snapshot,
    SourceFile,
    TreeEntry,
)
from elder_assets.audit.source import BlobSource

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) while facts are collected."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """Report nothing."""


class FileFacts:
    """One file and its facts, as a file rule reads them."""

    __slots__ = ("_facts", "file")

    def __init__(self, file: SourceFile, facts: TreeFacts) -> None:
        self.file = file
        self._facts = facts

    def read(self, extractor: Extractor[T]) -> T | None:
        """The facts of one kind about this file; None where the extractor says nothing about such a file."""
        return self._facts.read(extractor, self.file)

    @property
    def path(self) -> str:
        return self.file.path

    @property
    def file_class(self) -> FileClass:
        return self.file.file_class

    @property
    def variant(self) -> str:
        return self.file.variant


class TreeFacts:
    """The files of one tree and the facts about their contents."""

    def __init__(
        self,
        files: Sequence[SourceFile],
        entries: Sequence[TreeEntry],
        payloads: Mapping[str, Mapping[tuple[str, str], Any]],
        coverage: Coverage,
        backup_trees: Mapping[str, str] | None = None,
    ) -> None:
        self.files = tuple(files)
        """Tracked regular files outside of backup trees, in order of path."""
        self.entries = tuple(entries)
        """Every entry of the tree, links, submodules and backup trees included, in order of path."""
        self.coverage = coverage
        self.backup_trees = dict(backup_trees or {})
        """Backup folder (with final '/') to the reason why it is one."""
        self._payloads = payloads

    def read(self, extractor: Extractor[T], file: SourceFile) -> T | None:
        """The facts of one kind about a file; None where there are none (see FileFacts.read).

        Raises:
            KeyError: no rule declared that it reads this extractor.
        """
        payload: T | None = self._payloads[extractor.name].get((file.oid, file.variant))
        return payload

    def each(self, extractor: Extractor[T], *classes: FileClass) -> Iterator[tuple[SourceFile, T]]:
        """Files (of these classes; all, if none is named) that have facts of one kind, in order of path."""
        payloads = self._payloads[extractor.name]
        for file in self.files:
            if classes and file.file_class not in classes:
                continue
            payload = payloads.get((file.oid, file.variant))
            if payload is not None:
                yield file, payload

    @functools.cached_property
    def paths(self) -> frozenset[str]:
        """Every tracked path, links and submodules included."""
        return frozenset(entry.path for entry in self.entries)

    @functools.cached_property
    def folders(self) -> frozenset[str]:
        """Every folder that holds a tracked path, without final '/'; '' is the root."""
        found = {""}
        for path in self.paths:
            folder = path.rpartition("/")[0]
            while folder not in found:
                found.add(folder)
                folder = folder.rpartition("/")[0]
        return frozenset(found)

    @functools.cached_property
    def by_path(self) -> Mapping[str, SourceFile]:
        """Path to file."""
        return {file.path: file for file in self.files}

    def named(self, *names: str) -> list[SourceFile]:
        """Files with one of these names in any folder, outside of vendored and generated ones."""
        outside = {FileClass.VENDORED, FileClass.GENERATED}
        return [file for file in self.files if file.name in names and file.file_class not in outside]


class RepositoryFacts(TreeFacts):
    """All facts of one snapshot."""

    def __init__(
        self,
        snapshot: Snapshot,
        tree: TreeFacts,
        history: History,
        *,
        history_facts: Mapping[str, Sequence[tuple[HistoryBlob, Any]]] | None = None,
        baseline: BaselineFacts | None = None,
    ) -> None:
        super().__init__(tree.files, tree.entries, tree._payloads, tree.coverage, tree.backup_trees)  # noqa: SLF001
        self.snapshot = snapshot
        self.history = history
        self.baseline = baseline
        self._history_facts = history_facts or {}
        self._derived: dict[Callable[..., Any], Any] = {}

    def derive(self, derivation: Callable[[RepositoryFacts], T]) -> T:
        """A value that several rules need, computed once: hotspots, ownership, components."""
        if derivation not in self._derived:
            self._derived[derivation] = derivation(self)
        value: T = self._derived[derivation]
        return value

    def each_in_history(self, extractor: Extractor[T]) -> Sequence[tuple[HistoryBlob, T]]:
        """Facts about blobs that are only in history; for extractors that a rule reads with `history=`."""
        return self._history_facts[extractor.name]


class BaselineFacts(msgspec.Struct, frozen=True):
    """The earlier audit that a rule may compare with (D2)."""

    commit: str
    is_ancestor: bool
    tree: TreeFacts | None
    """None when the commit is no longer in the repository."""


def collect_tree(
    source: BlobSource,
    store: FactStore,
    extractors: Sequence[AnyExtractor],
    *,
    commit: str | None = None,
    progress: Progress = no_progress,
) -> TreeFacts:
    """Facts of the audited tree (or another commit's): known ones from the store, the others from the blobs.

    A blob is read at most once and parsed at most once, however many extractors want it.
    """
    return _TreeCollector(source, store, extractors, progress).collect(commit)


def collect_history_blobs(
    source: BlobSource,
    store: FactStore,
    extractors: Sequence[AnyExtractor],
    *,
    progress: Progress = no_progress,
) -> dict[str, list[tuple[HistoryBlob, Any]]]:
    """Facts about blobs that reachable commits hold and the audited tree does not: extractor name to rows."""
    if not extractors:
        return {}
    blobs = [blob for blob in source.history_blobs() if 0 < blob.size <= READ_BYTES_MAX]
    known = store.get([_key(extractor, blob.oid, "history") for extractor in extractors for blob in blobs])
    found: dict[str, dict[str, Any]] = {extractor.name: {} for extractor in extractors}
    missing: dict[str, list[AnyExtractor]] = defaultdict(list)
    for extractor in extractors:
        for blob in blobs:
            stored = known.get(_key(extractor, blob.oid, "history"))
            if stored is None:
                missing[blob.oid].append(extractor)
            else:
                found[extractor.name][blob.oid] = extractor.decode(stored)
    rows: list[tuple[FactKey, bytes]] = []
    similar: Blob | None = None
    alike = sorted(blobs, key=lambda row: (row.path, row.size, row.oid))  # versions of one file follow each other
    for done, (oid, data) in enumerate(source.blobs([row.oid for row in alike if row.oid in missing])):
        progress("history", done, len(missing))
        if data is None:
            continue
        content = Blob(data, "history", similar)
        for extractor in missing[oid]:
            payload = extractor(content)
            found[extractor.name][oid] = payload
            rows.append((_key(extractor, oid, "history"), extractor.encode(payload)))
        content.similar = None  # one predecessor is kept, not a chain
        similar = content
    store.put(rows)
    return {
        name: [(blob, payloads[blob.oid]) for blob in blobs if blob.oid in payloads] for name, payloads in found.items()
    }


def _key(extractor: AnyExtractor, oid: str, variant: str) -> FactKey:
    return FactKey(bytes.fromhex(oid), variant, extractor.name, extractor.version)


BATCH_BYTES_MAX = 8_000_000
"""Bytes of blobs that wait for one run of a batch extractor; chosen by us: one run for most repositories."""


class _Batch:
    """Blobs that wait for one run of a batch extractor, by (oid, variant)."""

    __slots__ = ("blobs", "extractor", "size")

    def __init__(self, extractor: BatchExtractor[Any]) -> None:
        self.extractor = extractor
        self.blobs: dict[tuple[str, str], Blob] = {}
        self.size = 0


class _TreeCollector:
    def __init__(
        self, source: BlobSource, store: FactStore, extractors: Sequence[AnyExtractor], progress: Progress
    ) -> None:
        self._source = source
        self._store = store
        self._extractors = [text_profile, *(e for e in extractors if e is not text_profile)]
        self._progress = progress
        self._payloads: dict[str, dict[tuple[str, str], Any]] = {e.name: {} for e in self._extractors}
        self._skipped: dict[str, str] = {}
        """Blob id to the reason why it could not be analysed."""
        self._new_rows: list[tuple[FactKey, bytes]] = []
        self._waiting: dict[str, _Batch] = {}
        """Name of a batch extractor to the blobs that wait for its next run."""

    def collect(self, commit: str | None) -> TreeFacts:
        entries = self._source.tree(commit)
        backups = find_backup_trees(entries)
        self._attributes = self._read_attributes(entries)
        self._virtualenvs = find_virtualenvs(entries)
        regular = [
            entry
            for entry in entries
            if not entry.is_link
            and not entry.is_submodule
            and not any(entry.path.startswith(folder) for folder in backups)
        ]
        self._load_known(regular)
        self._extract_missing(regular)
        self._store.put(self._new_rows)
        files = [self._file(entry) for entry in regular]
        return TreeFacts(files, entries, self._payloads, self._coverage(files), backups)

    def _read_attributes(self, entries: Sequence[TreeEntry]) -> AttributeRules:
        sources = [entry for entry in entries if entry.path.rpartition("/")[2] == ".gitattributes"]
        wanted = [entry for entry in sources if not entry.is_link and 0 < entry.size < 1_000_000]
        contents = dict(self._source.blobs([entry.oid for entry in wanted]))
        texts = {
            entry.path.removesuffix(".gitattributes"): (contents.get(entry.oid) or b"").decode(errors="replace")
            for entry in wanted
        }
        return AttributeRules({folder: text.splitlines() for folder, text in texts.items()})

    def _file(self, entry: TreeEntry) -> SourceFile:
        variant = classify(entry, self._attributes, None, virtualenvs=self._virtualenvs).variant
        profile = self._payloads[text_profile.name].get((entry.oid, variant))
        return classify(entry, self._attributes, profile, virtualenvs=self._virtualenvs)

    def _load_known(self, entries: Sequence[TreeEntry]) -> None:
        self._load([(text_profile, self._file(entry)) for entry in entries])
        self._load([pair for entry in entries for pair in self._plan(self._file(entry))])

    def _plan(self, file: SourceFile) -> Iterator[tuple[AnyExtractor, SourceFile]]:
        for extractor in self._extractors:
            if extractor is not text_profile and file.size <= extractor.max_bytes and extractor.applies_to(file):
                yield extractor, file

    def _load(self, wanted: Iterable[tuple[AnyExtractor, SourceFile]]) -> None:
        keys = {}
        for extractor, file in wanted:
            if (file.oid, file.variant) not in self._payloads[extractor.name]:
                keys[_key(extractor, file.oid, file.variant)] = (extractor, file)
        for key, stored in self._store.get(list(keys)).items():
            extractor, file = keys[key]
            self._payloads[extractor.name][file.oid, file.variant] = extractor.decode(stored)

    def _extract_missing(self, entries: Sequence[TreeEntry]) -> None:
        wanted: dict[str, list[TreeEntry]] = defaultdict(list)
        for entry in entries:
            file = self._file(entry)
            if file.file_class is FileClass.BINARY and (entry.oid, file.variant) not in self._profiles:
                continue  # binary by its name: nothing reads it
            if not 0 <= entry.size <= READ_BYTES_MAX:
                self._skip_unread(entry)
            elif self._lacks(file):
                wanted[entry.oid].append(entry)
        for done, (oid, data) in enumerate(self._source.blobs(list(wanted))):
            self._progress("files", done, len(wanted))
            if data is None:
                self._skipped[oid] = "the object is missing or corrupt"
                continue
            for entry in wanted[oid]:
                self._extract(entry, data)
        for name in sorted(self._waiting):
            self._run_batch(self._waiting[name])

    @property
    def _profiles(self) -> dict[tuple[str, str], Any]:
        return self._payloads[text_profile.name]

    def _lacks(self, file: SourceFile) -> bool:
        key = (file.oid, file.variant)
        return key not in self._profiles or any(
            key not in self._payloads[extractor.name] for extractor, _ in self._plan(file)
        )

    def _skip_unread(self, entry: TreeEntry) -> None:
        if entry.size < 0:
            self._skipped[entry.oid] = "the object is missing or corrupt"
        else:
            size, limit = entry.size / 1e6, READ_BYTES_MAX / 1e6
            self._skipped[entry.oid] = f"{size:.1f} MB, over the limit of {limit:.0f} MB"

    def _extract(self, entry: TreeEntry, data: bytes) -> None:
        file = self._file(entry)
        blob = Blob(data, file.variant)
        if (file.oid, file.variant) not in self._profiles:
            self._run(text_profile, file, blob)
            file = self._file(entry)
        for extractor, _ in self._plan(file):
            if (file.oid, file.variant) in self._payloads[extractor.name]:
                continue
            if isinstance(extractor, BatchExtractor):
                self._wait(extractor, file, data)
            else:
                self._run(extractor, file, blob)

    def _run(self, extractor: AnyExtractor, file: SourceFile, blob: Blob) -> None:
        try:
            payload = extractor(blob)
        except Exception as error:  # noqa: BLE001 - error boundary: one blob must not end an audit; it is reported
            self._skipped[file.oid] = f"{extractor.name}: {error or type(error).__name__}"
            return
        self._payloads[extractor.name][file.oid, file.variant] = payload
        self._new_rows.append((_key(extractor, file.oid, file.variant), extractor.encode(payload)))

    def _wait(self, extractor: BatchExtractor[Any], file: SourceFile, data: bytes) -> None:
        """Put a blob into the next run of a batch extractor; a full batch runs at once, so memory stays small."""
        batch = self._waiting.setdefault(extractor.name, _Batch(extractor))
        if (file.oid, file.variant) not in batch.blobs:
            batch.blobs[file.oid, file.variant] = Blob(data, file.variant)
            batch.size += len(data)
        if batch.size >= BATCH_BYTES_MAX:
            self._run_batch(self._waiting.pop(extractor.name))

    def _run_batch(self, batch: _Batch) -> None:
        extractor = batch.extractor
        try:
            records = extractor.batch(list(batch.blobs.values()))
        except Exception as error:  # noqa: BLE001 - error boundary: a tool that fails must not end an audit; it is reported
            records = [Refused(str(error) or type(error).__name__)] * len(batch.blobs)
        for (oid, variant), record in zip(batch.blobs, records, strict=True):
            if isinstance(record, Refused):
                self._skipped[oid] = f"{extractor.name}: {record.reason}"
                continue
            self._payloads[extractor.name][oid, variant] = record
            self._new_rows.append((_key(extractor, oid, variant), extractor.encode(record)))

    def _coverage(self, files: Sequence[SourceFile]) -> Coverage:
        eligible = [file for file in files if file.file_class in AUTHORED_CLASSES]
        skipped = []
        for file in eligible:
            reason = self._skipped.get(file.oid, "")
            if not reason and file.variant != "text" and (limit := self._passed_over(file)):
                reason = f"{file.size / 1e6:.1f} MB, over the limit of {limit / 1e6:.1f} MB for analysis"
            if reason:
                skipped.append(Skipped(file.path, reason))
        return Coverage(len(eligible), len(eligible) - len(skipped), tuple(skipped))

    def _passed_over(self, file: SourceFile) -> int:
        """The limit over which some extractor passed this file over; 0 when none did."""
        limits = [
            extractor.max_bytes
            for extractor in self._extractors
            if extractor.applies_to(file) and file.size > extractor.max_bytes
        ]
        return min(limits, default=0)
