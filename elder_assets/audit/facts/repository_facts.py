"""All facts of one snapshot, joined, as rules read them; and how they are collected through the facts store."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from elder_assets.audit.facts.commit_log import History
from elder_assets.audit.facts.extraction import (
    AnyExtractor,
    BatchExtractor,
    BlobKey,
    Extractor,
    FactStore,
    Refused,
)
from elder_assets.audit.facts.git_patterns import AttributeRules
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.history_secrets import HistorySecrets
from elder_assets.audit.facts.source_tree import (
    READ_BYTES_MAX,
    TextProfile,
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
        payloads: Mapping[str, dict[tuple[str, str], Any]],
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
        payloads = self._payloads[extractor.name]
        payload: T | None = payloads.get((file.oid, file.variant))
        return _decoded(extractor, payloads, (file.oid, file.variant)) if type(payload) is bytes else payload

    def each(self, extractor: Extractor[T], *classes: FileClass) -> Iterator[tuple[SourceFile, T]]:
        """Files (of these classes; all, if none is named) that have facts of one kind, in order of path."""
        payloads = self._payloads[extractor.name]
        for file in self.files:
            if classes and file.file_class not in classes:
                continue
            key = (file.oid, file.variant)
            payload = payloads.get(key)
            if payload is not None:
                yield file, _decoded(extractor, payloads, key) if type(payload) is bytes else payload

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
        history_secrets: HistorySecrets | None = None,
        baseline: BaselineFacts | None = None,
        is_certain: bool = True,
    ) -> None:
        super().__init__(tree.files, tree.entries, tree._payloads, tree.coverage, tree.backup_trees)  # noqa: SLF001
        self.snapshot = snapshot
        self.history = history
        self.baseline = baseline
        self.is_certain = is_certain
        """False when another try may see more: an object was missing, a tool failed, history was cut off."""
        self.history_secrets = history_secrets or HistorySecrets()
        self._derived: dict[Callable[..., Any], Any] = {}

    def derive(self, derivation: Callable[[RepositoryFacts], T]) -> T:
        """A value that several rules need, computed once: hotspots, ownership, components."""
        if derivation not in self._derived:
            self._derived[derivation] = derivation(self)
        value: T = self._derived[derivation]
        return value


class BaselineFacts(msgspec.Struct, frozen=True):
    """The earlier audit that a rule may compare with (D2)."""

    commit: str
    is_ancestor: bool
    tree: TreeFacts | None
    """None when the commit is no longer in the repository."""


def _decoded(extractor: Extractor[T], payloads: dict[tuple[str, str], Any], key: tuple[str, str]) -> T:
    """A payload that was still as stored; it stays decoded."""
    payload = payloads[key] = extractor.decode(payloads[key])
    return payload


BATCH_BYTES_MAX = 8_000_000
"""Bytes of blobs that wait for one run of a batch extractor; chosen by us: one run for most repositories."""
ENTRIES_A_PORTION = 4_000
"""Files of several trees whose facts are in memory at a time."""
BLOBS_A_PUT = 500
"""New facts are kept after so many blobs: a killed audit loses no more work than that."""
ATTRIBUTES_BYTES_MAX = 1_000_000


class _Batch:
    """Blobs that wait for one run of a batch extractor, by (oid, variant)."""

    __slots__ = ("blobs", "extractor", "size")

    def __init__(self, extractor: BatchExtractor[Any]) -> None:
        self.extractor = extractor
        self.blobs: dict[tuple[str, str], Blob] = {}
        self.size = 0


class _Planned(msgspec.Struct, frozen=True):
    """A file and the extractors that read it."""

    file: SourceFile
    variant: str
    """What reads it by its path alone: part of the key of its facts, whatever its content turns out to be."""
    extractors: tuple[AnyExtractor, ...]


class TreeCollector:
    """Collects the facts of trees of one repository: known ones from the store, the others from the blobs.

    A blob is read at most once and parsed at most once, however many extractors want it and however many trees hold
    it. What one tree taught serves the next; `forget` bounds the memory.
    """

    def __init__(
        self,
        source: BlobSource,
        store: FactStore,
        extractors: Sequence[AnyExtractor],
        progress: Progress = no_progress,
    ) -> None:
        self._source = source
        self._store = store
        self._extractors = tuple(e for e in extractors if e is not text_profile)
        self._smallest_limit = min((e.max_bytes for e in self._extractors), default=0)
        self._by_slot = {e.slot: e for e in (text_profile, *self._extractors)}
        self._progress = progress
        self._payloads: dict[str, dict[tuple[str, str], Any]] = {e.name: {} for e in self._by_slot.values()}
        self._loaded: set[tuple[str, str]] = set()
        """Blobs that the store was asked for."""
        self._planned: dict[TreeEntry, _Planned] = {}
        self._marks: tuple[Any, ...] = ()
        """What the classes of files depend on beside the file itself."""
        self._skipped: dict[str, str] = {}
        """Blob id to the reason why it could not be analysed."""
        self._new_rows: dict[BlobKey, dict[str, bytes]] = {}
        self._waiting: dict[str, _Batch] = {}
        """Name of a batch extractor to the blobs that wait for its next run."""
        self.blobs_read = 0
        self.is_certain = True
        """False when something failed that may succeed another time: such a result is not kept."""

    def collect(self, commit: str | None = None) -> TreeFacts:
        """Facts of the audited tree (or another commit's)."""
        entries = self._source.tree(commit)
        backups = tuple(find_backup_trees(entries).items())
        self._classify_by(entries)
        folders = tuple(folder for folder, _ in backups)
        regular = [
            entry
            for entry in entries
            if not entry.is_link and not entry.is_submodule and not entry.path.startswith(folders)
        ]
        self._load(regular)
        self._extract_missing(regular)
        self._keep_new()
        files = [self._plan(entry).file for entry in regular]
        return TreeFacts(files, entries, self._payloads, self._coverage(files), dict(backups))

    def prepare(self, commits: Sequence[str]) -> None:
        """Extract and keep what the trees of some commits lack, in one reading for all of them.

        Batch extractors start once for all trees instead of once a tree. A file whose class differs between the trees
        may still lack facts afterwards; `collect` extracts them.
        """
        seen: dict[tuple[str, str], TreeEntry] = {}
        for commit in commits:
            entries = self._source.tree(commit)
            folders = tuple(find_backup_trees(entries))
            for entry in entries:
                if not entry.is_link and not entry.is_submodule and not entry.path.startswith(folders):
                    seen.setdefault((entry.path, entry.oid), entry)
        if not commits:
            return
        self._classify_by(self._source.tree(commits[-1]))
        entries = list(seen.values())
        for start in range(0, len(entries), ENTRIES_A_PORTION):
            portion = entries[start : start + ENTRIES_A_PORTION]
            self._load(portion)
            self._extract_missing(portion, is_last=start + ENTRIES_A_PORTION >= len(entries))
            self._keep_new()
            self._forget_all_but(set())

    def _forget_all_but(self, kept: set[tuple[str, str]]) -> None:
        for payloads in self._payloads.values():
            for key in payloads.keys() - kept:
                del payloads[key]
        self._loaded &= kept

    def forget(self, but: TreeFacts) -> None:
        """Drop from memory the facts of all blobs that this tree does not hold; the store still has them."""
        self._forget_all_but({(file.oid, file.variant) for file in but.files})
        entries = set(but.entries)
        self._planned = {entry: planned for entry, planned in self._planned.items() if entry in entries}

    # --- classes -----------------------------------------------------------------------------------------

    def _classify_by(self, entries: Sequence[TreeEntry]) -> None:
        sources = [entry for entry in entries if entry.path.rpartition("/")[2] == ".gitattributes"]
        wanted = [entry for entry in sources if not entry.is_link and 0 < entry.size < ATTRIBUTES_BYTES_MAX]
        virtualenvs = find_virtualenvs(entries)
        marks = (tuple(wanted), virtualenvs)
        if marks == self._marks:
            return
        contents = dict(self._source.blobs([entry.oid for entry in wanted]))
        texts = {
            entry.path.removesuffix(".gitattributes"): (contents.get(entry.oid) or b"").decode(errors="replace")
            for entry in wanted
        }
        self._attributes = AttributeRules({folder: text.splitlines() for folder, text in texts.items()})
        self._virtualenvs = virtualenvs
        self._marks = marks
        self._planned.clear()

    def _classify(self, entry: TreeEntry, profile: TextProfile | None) -> SourceFile:
        return classify(entry, self._attributes, profile, virtualenvs=self._virtualenvs)

    def _plan(self, entry: TreeEntry) -> _Planned:
        planned = self._planned.get(entry)
        if planned is None:
            file = self._classify(entry, None)
            variant = file.variant
            profile = self._profile(file)
            if profile is not None:
                file = self._classify(entry, profile)
            wanting = () if file.file_class is FileClass.BINARY else self._extractors
            planned = _Planned(
                file, variant, tuple(e for e in wanting if file.size <= e.max_bytes and e.applies_to(file))
            )
            if profile is not None or not self._waits_for_profile(entry):
                self._planned[entry] = planned
        return planned

    def _profile(self, file: SourceFile) -> TextProfile | None:
        payloads = self._payloads[text_profile.name]
        key = (file.oid, file.variant)
        payload: TextProfile | bytes | None = payloads.get(key)
        return _decoded(text_profile, payloads, key) if isinstance(payload, bytes) else payload

    def _waits_for_profile(self, entry: TreeEntry) -> bool:
        """Whether the file's class may still change, once its beginning is read."""
        return 0 <= entry.size <= READ_BYTES_MAX and entry.oid not in self._skipped

    # --- known facts -------------------------------------------------------------------------------------

    def _load(self, entries: Sequence[TreeEntry]) -> None:
        keys: dict[BlobKey, tuple[str, str]] = {}
        for entry in entries:
            planned = self._planned.get(entry)
            variant = self._classify(entry, None).variant if planned is None else planned.variant
            if (entry.oid, variant) in self._loaded:
                continue
            self._loaded.add((entry.oid, variant))
            keys[BlobKey(bytes.fromhex(entry.oid), variant)] = (entry.oid, variant)
        for key, stored in self._store.get(keys).items():
            for slot, payload in stored.items():
                if slot in self._by_slot:
                    self._payloads[self._by_slot[slot].name][keys[key]] = payload

    # --- new facts ---------------------------------------------------------------------------------------

    def _extract_missing(self, entries: Sequence[TreeEntry], *, is_last: bool = True) -> None:
        wanted: dict[str, list[TreeEntry]] = defaultdict(list)
        for entry in entries:
            planned = self._plan(entry)
            file = planned.file
            if file.file_class is FileClass.BINARY and self._profile(file) is None:
                continue  # binary by its name: nothing reads it
            if not 0 <= entry.size <= READ_BYTES_MAX:
                self._skip_unread(entry)
            elif self._lacks(planned):
                wanted[entry.oid].append(entry)
        for done, (oid, data) in enumerate(self._source.blobs(list(wanted))):
            self._progress("files", done, len(wanted))
            if data is None:
                self._skip(oid, "the object is missing or corrupt", is_certain=False)
                continue
            self.blobs_read += 1
            for entry in wanted[oid]:
                self._extract(entry, data)
            if len(self._new_rows) >= BLOBS_A_PUT:
                self._keep_new()
        if is_last:
            for name in sorted(self._waiting):
                self._run_batch(self._waiting[name])
            self._waiting.clear()

    def _lacks(self, planned: _Planned) -> bool:
        file = planned.file
        key = (file.oid, file.variant)
        if file.oid in self._skipped:
            return False
        return self._profile(file) is None or any(key not in self._payloads[e.name] for e in planned.extractors)

    def _skip_unread(self, entry: TreeEntry) -> None:
        if entry.size < 0:
            self._skip(entry.oid, "the object is missing or corrupt", is_certain=False)
        else:
            size, limit = entry.size / 1e6, READ_BYTES_MAX / 1e6
            self._skip(entry.oid, f"{size:.1f} MB, over the limit of {limit:.0f} MB", is_certain=True)

    def _skip(self, oid: str, reason: str, *, is_certain: bool) -> None:
        self._skipped[oid] = reason
        self.is_certain = self.is_certain and is_certain

    def _extract(self, entry: TreeEntry, data: bytes) -> None:
        file = self._classify(entry, None)
        blob = Blob(data, file.variant)
        if self._profile(file) is None:
            self._run(text_profile, file, blob)
        planned = self._plan(entry)
        for extractor in planned.extractors:
            if (planned.file.oid, planned.file.variant) in self._payloads[extractor.name]:
                continue
            if isinstance(extractor, BatchExtractor):
                self._wait(extractor, planned.file, data)
            else:
                self._run(extractor, planned.file, blob)

    def _run(self, extractor: AnyExtractor, file: SourceFile, blob: Blob) -> None:
        try:
            payload = extractor(blob)
        except Exception as error:  # noqa: BLE001 - error boundary: one blob must not end an audit; it is reported
            self._skip(file.oid, f"{extractor.name}: {error or type(error).__name__}", is_certain=False)
            return
        self._learn(extractor, (file.oid, file.variant), payload)

    def _learn(self, extractor: AnyExtractor, key: tuple[str, str], payload: Any) -> None:
        self._payloads[extractor.name][key] = payload
        row = self._new_rows.setdefault(BlobKey(bytes.fromhex(key[0]), key[1]), {})
        row[extractor.slot] = extractor.encode(payload)

    def _keep_new(self) -> None:
        self._store.put(self._new_rows)
        self._new_rows = {}

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
        for key, record in zip(batch.blobs, records, strict=True):
            if isinstance(record, Refused):
                self._skip(key[0], f"{extractor.name}: {record.reason}", is_certain=False)
            else:
                self._learn(extractor, key, record)

    # --- coverage ----------------------------------------------------------------------------------------

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
        if file.size <= self._smallest_limit:
            return 0
        limits = [e.max_bytes for e in self._extractors if e.applies_to(file) and file.size > e.max_bytes]
        return min(limits, default=0)
