"""Secrets: provider-specific patterns with structure, never a generic entropy scan. Used by STR010 and GIT006.

A candidate is kept as place, kind and line; its text is stored nowhere.
"""

from __future__ import annotations

import re

import msgspec

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob


class SecretCandidate(msgspec.Struct, frozen=True, array_like=True):
    """A span that has the structure of a provider's secret."""

    line: int
    kind: str
    start: int
    """Byte offset in the blob."""
    end: int


class Secrets(msgspec.Struct, frozen=True, array_like=True):
    """All secret candidates of one blob, in order of position."""

    candidates: tuple[SecretCandidate, ...] = ()


_PATTERNS: tuple[tuple[str, bytes, re.Pattern[bytes]], ...] = (
    ("AWS access key id", b"AKIA", re.compile(rb"(?<![A-Z0-9])AKIA[A-Z2-7]{16}(?![A-Z0-9])")),
)


def find_secrets(data: bytes) -> tuple[SecretCandidate, ...]:
    """Spans of a file that have the structure of a provider's secret, in order of position."""
    found = []
    for kind, literal, pattern in _PATTERNS:
        if literal in data:
            for match in pattern.finditer(data):
                line = data.count(b"\n", 0, match.start()) + 1
                found.append(SecretCandidate(line, kind, match.start(), match.end()))
    return tuple(sorted(found, key=lambda candidate: candidate.start))


_NOT_LINE_END = re.compile(rb"[^\r\n]")


def redact(data: bytes) -> bytes:
    """The same bytes with every byte of a secret candidate but line ends replaced by '*'; for facts that hold text."""
    found = find_secrets(data)
    if not found:
        return data
    redacted = bytearray(data)
    for candidate in found:
        redacted[candidate.start : candidate.end] = _NOT_LINE_END.sub(b"*", data[candidate.start : candidate.end])
    return bytes(redacted)


@extractor(version=1, max_bytes=8_000_000)
def secrets(blob: Blob) -> Secrets:
    """Find secret candidates in any text file."""
    return Secrets(find_secrets(blob.data))
