"""Extractors and probes: how facts are made from a blob, once, and found again.

An extractor is a pure function of (bytes, grammar variant) with a name and a version; those four make a fact's
key (decision D1). All extractors that a blob lacks run over one parse of it. A rule that needs something
special declares a *probe* in its own file with the same decorator (D27).
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from elder_assets.audit.errors import CatalogueError
from elder_assets.audit.facts.grammars import Blob, ParseFailed
from elder_assets.audit.model import FileClass, SourceFile

T = TypeVar("T")

PARSE_BYTES_MAX = 1_000_000
"""Larger files are data, not hand-written code; chosen by us (decision 0001)."""


class BlobKey(NamedTuple):
    """Whose facts they are: content, and the grammar that reads it. The path is no part of it (decision D1)."""

    oid: bytes
    variant: str


Payloads = Mapping[str, bytes]
"""Facts of one blob as stored: an extractor's slot (its name and version) to its encoded record."""


class FactStore(Protocol):
    """Where what was once measured is kept: facts by blob, and records of any other kind by a key.

    A store may forget; whatever it does not give is measured again. It never gives what was not put.
    """

    def get(self, keys: Iterable[BlobKey]) -> dict[BlobKey, Payloads]:
        """What is known about each blob; a blob of which nothing is known is absent."""
        ...

    def put(self, rows: Mapping[BlobKey, Payloads]) -> None:
        """Keep facts, beside those that are known already."""
        ...

    def records(self, kind: str, keys: Iterable[bytes] | None = None) -> dict[bytes, bytes]:
        """Records of a kind by key: those asked for that are known, or all."""
        ...

    def keep(self, kind: str, records: Mapping[bytes, bytes], *, only: bool = False) -> None:
        """Keep records of a kind; `only` forgets all others of the kind."""
        ...


class MemoryFactStore:
    """Facts that live as long as the process: for tests and one-off audits."""

    def __init__(self) -> None:
        self._facts: dict[BlobKey, dict[str, bytes]] = {}
        self._records: dict[str, dict[bytes, bytes]] = {}

    def get(self, keys: Iterable[BlobKey]) -> dict[BlobKey, Payloads]:
        """See FactStore."""
        return {key: dict(self._facts[key]) for key in keys if key in self._facts}

    def put(self, rows: Mapping[BlobKey, Payloads]) -> None:
        """See FactStore."""
        for key, payloads in rows.items():
            self._facts.setdefault(key, {}).update(payloads)

    def records(self, kind: str, keys: Iterable[bytes] | None = None) -> dict[bytes, bytes]:
        """See FactStore."""
        known = self._records.get(kind, {})
        return dict(known) if keys is None else {key: known[key] for key in keys if key in known}

    def keep(self, kind: str, records: Mapping[bytes, bytes], *, only: bool = False) -> None:
        """See FactStore."""
        if only:
            self._records[kind] = {}
        self._records.setdefault(kind, {}).update(records)


class Extractor(Generic[T]):
    """A named, versioned, pure function from a blob to one record of facts.

    `variants` None means every text file. `file_classes` and `wants` only plan which files are read; they are
    no part of the key, so they may use the path.
    """

    def __init__(
        self,
        function: Callable[[Blob], T],
        *,
        name: str,
        version: int,
        variants: frozenset[str] | None,
        file_classes: frozenset[FileClass] | None,
        wants: Callable[[SourceFile], bool] | None,
        max_bytes: int,
    ) -> None:
        self.function = function
        self.name = name
        self.version = version
        self.variants = variants
        self.file_classes = file_classes
        self.wants = wants
        self.max_bytes = max_bytes
        functools.update_wrapper(self, function)

    @functools.cached_property
    def slot(self) -> str:
        """Under which name a blob's facts are stored; another version is another slot."""
        return f"{self.name}.{self.version}"

    def applies_to(self, file: SourceFile) -> bool:
        """Whether this extractor would say something about the file."""
        return (
            (self.variants is None or file.variant in self.variants)
            and (self.file_classes is None or file.file_class in self.file_classes)
            and (self.wants is None or self.wants(file))
        )

    def __call__(self, blob: Blob) -> T:
        return self.function(blob)

    @functools.cached_property
    def record(self) -> type[T]:
        """The record type, read off the function's return annotation."""
        record: type[T] = self._returned()
        return record

    def _returned(self) -> Any:
        return typing.get_type_hints(self.function, include_extras=True)["return"]

    def encode(self, payload: T) -> bytes:
        """A payload as stored."""
        return _ENCODER.encode(payload)

    @functools.cached_property
    def _decoder(self) -> msgspec.msgpack.Decoder[T]:
        return msgspec.msgpack.Decoder(self.record)

    def decode(self, stored: bytes) -> T:
        """A payload from what was stored.

        Raises:
            msgspec.DecodeError, msgspec.ValidationError: the stored bytes are not such a payload.
        """
        return self._decoder.decode(stored)

    def __repr__(self) -> str:
        return f"<extractor {self.name} v{self.version}>"


class BatchExtractor(Extractor[T]):
    """An extractor that is dear to start, such as a tool in a process of its own: it takes many blobs at once.

    Its function gives one record for each blob, in the order given; a `Refused` in place of a record says why
    that blob has none. It raises when the whole batch failed.
    """

    batch: Callable[[Sequence[Blob]], Sequence[T | Refused]]

    def __call__(self, blob: Blob) -> T:
        """The record of one blob.

        Raises:
            ParseFailed: the blob was refused.
        """
        record = self.batch([blob])[0]
        if isinstance(record, Refused):
            raise ParseFailed(record.reason)
        return record

    def _returned(self) -> Any:
        """`Sequence[Record | Refused]` to `Record`."""
        (members,) = typing.get_args(super()._returned())
        return next(member for member in typing.get_args(members) if member is not Refused)


class Refused(msgspec.Struct, frozen=True):
    """A blob of a batch for which there is no record, and why."""

    reason: str


_ENCODER = msgspec.msgpack.Encoder()


def extractor(
    *,
    version: int,
    name: str | None = None,
    variants: Iterable[str] | None = None,
    file_classes: Iterable[FileClass] | None = None,
    wants: Callable[[SourceFile], bool] | None = None,
    max_bytes: int = PARSE_BYTES_MAX,
) -> Callable[[Callable[[Blob], T]], Extractor[T]]:
    """Declare an extractor (or a probe): its name (default: the function's), version, and what it reads."""

    def decorate(function: Callable[[Blob], T]) -> Extractor[T]:
        if "return" not in inspect.get_annotations(function):
            msg = f"extractor {function.__name__} has no return annotation: its record type is unknown"
            raise CatalogueError(msg)
        return Extractor(
            function,
            name=name or function.__name__,
            version=version,
            variants=None if variants is None else frozenset(variants),
            file_classes=None if file_classes is None else frozenset(file_classes),
            wants=wants,
            max_bytes=max_bytes,
        )

    return decorate


def batch_extractor(
    *,
    version: int,
    name: str | None = None,
    variants: Iterable[str] | None = None,
    file_classes: Iterable[FileClass] | None = None,
    wants: Callable[[SourceFile], bool] | None = None,
    max_bytes: int = PARSE_BYTES_MAX,
) -> Callable[[Callable[[Sequence[Blob]], Sequence[T | Refused]]], BatchExtractor[T]]:
    """Declare an extractor that takes many blobs at once; see `extractor` and `BatchExtractor`."""

    def decorate(function: Callable[[Sequence[Blob]], Sequence[T | Refused]]) -> BatchExtractor[T]:
        declared: BatchExtractor[T] = BatchExtractor(
            typing.cast("Callable[[Blob], T]", function),
            name=name or function.__name__,
            version=version,
            variants=None if variants is None else frozenset(variants),
            file_classes=None if file_classes is None else frozenset(file_classes),
            wants=wants,
            max_bytes=max_bytes,
        )
        declared.batch = function
        return declared

    return decorate


AnyExtractor = Extractor[Any]
