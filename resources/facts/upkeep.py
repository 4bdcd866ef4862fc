"""Looking after the facts caches: what they hold, whether it is true, and what nobody will ask for again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from elder_assets.audit.facts.extraction import AnyExtractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.source_tree import text_profile
from elder_assets.audit.judgement import code_prefix
from elder_assets.audit.registry import catalogue
from resources.audits import open_source
from resources.facts.cache import CacheStats, SqliteFactStore
from resources.settings import Settings


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """How a sample of facts compared with what the extractors say now."""

    repository: str
    blobs: int
    facts: int
    damaged: int
    """Rows that do not fit their digests."""
    gone: int
    """Sampled blobs that the repository no longer has: nothing to compare with."""
    wrong: tuple[str, ...]
    """Facts that differ: '<blob> <extractor>'. They were dropped and will be made again."""


def cache_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Repository key and file of each cache, in order of key."""
    root = settings.facts
    for file in sorted(root.rglob("*.db")):
        yield file.relative_to(root).as_posix().removesuffix(".db"), file


def all_stats(settings: Settings) -> list[tuple[str, CacheStats]]:
    """What each cache holds, in order of key."""
    found = []
    for key, file in cache_files(settings):
        store = SqliteFactStore(file)
        found.append((key, store.stats()))
        store.close()
    return found


def prune_all(settings: Settings) -> list[tuple[str, int]]:
    """Drop from each cache what this version of Elder does not ask for; bytes won by key."""
    slots = set(extractors())
    found = []
    for key, file in cache_files(settings):
        store = SqliteFactStore(file)
        found.append((key, store.prune(slots, code_prefix())))
        store.close()
    return found


def verify(settings: Settings, target: str, sample: int, *, key: str = "") -> Verified:
    """Extract the facts of a random sample of blobs again and compare.

    Raises:
        SourceError: the repository cannot be opened.
    """
    known_extractors = extractors()
    with open_source(target, settings, key=key) as opened:
        facts = opened.facts
        damaged = facts.damaged()
        keys = {row.oid.hex(): row for row in facts.sample(sample)}
        known = facts.get(keys.values())
        compared, gone, wrong = 0, 0, []
        for oid, data in opened.source.blobs(list(keys)):
            row = keys[oid]
            if data is None:
                gone += 1
                continue
            for slot, stored in known.get(row, {}).items():
                if slot in known_extractors:
                    compared += 1
                    if not _is_same(known_extractors[slot], data, row.variant, stored):
                        wrong.append(f"{oid[:12]} {known_extractors[slot].name}")
        facts.forget(keys[oid] for oid in keys if any(name.startswith(oid[:12]) for name in wrong))
        return Verified(
            repository=opened.key,
            blobs=len(keys) - gone,
            facts=compared,
            damaged=damaged,
            gone=gone,
            wrong=tuple(sorted(wrong)),
        )


def extractors() -> dict[str, AnyExtractor]:
    """Every extractor of this version, by the slot that its facts are kept under."""
    return {extractor.slot: extractor for extractor in (text_profile, *catalogue().extractors())}


def _is_same(extractor: AnyExtractor, data: bytes, variant: str, stored: bytes) -> bool:
    try:
        return extractor.encode(extractor(Blob(data, variant))) == stored
    except Exception:  # noqa: BLE001 - what fails now cannot have been what was stored
        return False
