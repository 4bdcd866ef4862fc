"""Secrets that some reachable commit held: every blob of the history is searched once, when it first appears.

The ledger grows commit by commit, so an audit after a push adds what the push brought, and a weekly point is the
ledger as it stood at that commit. What it says depends on the set of commits alone: of several commits that put the
same blob somewhere, the first by (date, id, path) is named.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import msgspec

from elder_assets.audit.facts.commit_log import Commit, History
from elder_assets.audit.facts.extraction import BlobKey, FactStore
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.secrets import Secrets, is_on_purpose, secrets
from elder_assets.audit.facts.source_tree import READ_BYTES_MAX, class_of_path, variant_of
from elder_assets.audit.model import FileClass
from elder_assets.audit.source import BlobSource

LEDGER = "secrets-ledger"
"""Kind of the one record that holds the ledger of the last audit."""
_CLASSES = frozenset({FileClass.PRODUCTION, FileClass.CONFIG})
_ROWS_A_PUT = 2_000


class HeldSecret(msgspec.Struct, frozen=True, array_like=True, order=True):
    """A blob with secrets, and the first commit that put it at an open path."""

    committed_at: int
    commit: str
    path: str
    oid: str
    secrets: Secrets


class HistorySecrets(msgspec.Struct, frozen=True, array_like=True):
    """What the reachable history held."""

    paths: int = 0
    """Open paths that ever were: of production code and configuration, not there on purpose."""
    held: tuple[HeldSecret, ...] = ()
    """Oldest first."""


class _Ledger(msgspec.Struct, array_like=True):
    slot: str
    """Name and version of the extractor that searched."""
    head: str
    paths: set[str]
    held: dict[str, HeldSecret]
    """By blob id."""


@functools.lru_cache(maxsize=1 << 17)
def is_open_path(path: str) -> bool:
    """Whether a secret at this path is likely to be a real one."""
    return path != "" and class_of_path(path) in _CLASSES and not is_on_purpose(path)


class SecretsLedger:
    """Grows along the landings of one history, oldest first."""

    def __init__(self, source: BlobSource, store: FactStore) -> None:
        self._source = source
        self._store = store
        self._ledger = _Ledger(secrets.slot, "", set(), {})
        self.blobs_read = 0

    def at(self, history: History) -> HistorySecrets:
        """What this history held. Histories must be asked in order, each the past of the next."""
        self._extend(list(_new_commits(history, self._ledger.head)))
        if history.commits:
            self._ledger.head = history.commits[0].id
        return HistorySecrets(len(self._ledger.paths), tuple(sorted(self._ledger.held.values())))

    def load(self, history: History) -> None:
        """Take over the ledger of an earlier audit if its head is among the first parents of this history."""
        for stored in self._store.records(LEDGER, [b""]).values():
            ledger = msgspec.msgpack.decode(stored, type=_Ledger)
            is_past = any(landing.commit.id == ledger.head for landing in history.landings)
            if ledger.slot == secrets.slot and is_past:
                self._ledger = ledger

    def save(self) -> None:
        """Keep the ledger for the next audit."""
        self._store.keep(LEDGER, {b"": msgspec.msgpack.encode(self._ledger)}, only=True)

    def _extend(self, commits: Sequence[Commit]) -> None:
        by_id = {commit.id: commit for commit in commits}
        introduced = self._source.introductions(by_id)
        places: dict[str, tuple[int, str, str]] = {}
        """Blob id to the first (time, commit, open path) that introduced it."""
        for identifier, rows in introduced.items():
            at = by_id[identifier].committed_at
            for row in rows:
                if is_open_path(row.path):
                    self._ledger.paths.add(row.path)
                    place = (at, identifier, row.path)
                    if row.oid not in places or place < places[row.oid]:
                        places[row.oid] = place
        for oid, found in self._found(places).items():
            held = HeldSecret(*places[oid], oid, found)
            before = self._ledger.held.get(oid)
            if before is None or held < before:
                self._ledger.held[oid] = held

    def _found(self, places: dict[str, tuple[int, str, str]]) -> dict[str, Secrets]:
        """Blobs that hold secrets, by id; those that were never searched are read."""
        keys = {BlobKey(bytes.fromhex(oid), variant_of(path)): oid for oid, (_, _, path) in places.items()}
        found: dict[str, Secrets] = {}
        searched = set()
        for key, payloads in self._store.get(keys).items():
            stored = payloads.get(secrets.slot)
            if stored is not None:
                searched.add(keys[key])
                if len(stored) > len(_NOTHING):
                    found[keys[key]] = secrets.decode(stored)
        # In order of path: git reads versions of one file faster when they follow each other.
        left = sorted((path, at, oid) for oid, (at, _, path) in places.items() if oid not in searched)
        rows: dict[BlobKey, dict[str, bytes]] = {}
        for oid, path, result in self._search([(oid, path) for path, _, oid in left]):
            rows[BlobKey(bytes.fromhex(oid), variant_of(path))] = {secrets.slot: secrets.encode(result)}
            if result.candidates:
                found[oid] = result
            if len(rows) >= _ROWS_A_PUT:
                self._store.put(rows)
                rows = {}
        self._store.put(rows)
        return found

    def _search(self, wanted: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str, Secrets]]:
        contents = self._source.blobs([oid for oid, _ in wanted], READ_BYTES_MAX)
        for (oid, path), (_, data) in zip(wanted, contents, strict=True):
            if data is not None:  # missing, corrupt or too large: asked again by the next audit
                self.blobs_read += 1
                yield oid, path, secrets(Blob(data, variant_of(path)))


_NOTHING = msgspec.msgpack.encode(Secrets())


def _new_commits(history: History, head: str) -> Iterator[Commit]:
    """Commits of the landings after a head; all, when it is not among them."""
    for landing in history.landings:
        if landing.commit.id == head:
            return
        yield from landing.members


def collect_history_secrets(source: BlobSource, store: FactStore, history: History) -> tuple[HistorySecrets, int]:
    """What a history held, continued from the last audit where that is its past; and how many blobs were read."""
    if history.unavailable or not history.commits:
        return HistorySecrets(), 0
    ledger = SecretsLedger(source, store)
    ledger.load(history)
    found = ledger.at(history)
    ledger.save()
    return found, ledger.blobs_read
