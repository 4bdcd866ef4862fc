"""What makes a finding the same finding: its fingerprint (decision D5).

`v1:` + sha256 of (birth code of the rule, enclosing symbol, normalised tokens, ordinal among equals). No path
and no line, so that a finding survives moved lines, renamed files and reformatting.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

from elder_assets.audit.model import Found
from elder_assets.audit.patterns import regex

_TOKEN = regex(r"[A-Za-z_]\w*|\d[\w.]*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[^\s\w]")
_TRAILING_COMMA = regex(r", (?=[)\]}])")
_LAYOUT = regex(r"[\"'`(),;\\]")
_TEXT_PREFIX = regex(r"\b[uU] (?=\")")
NORMALISED_CHARS_MAX = 400
"""Longer texts are cut and end in a digest of the whole."""


def normalise(source: str) -> str:
    """Source text without what formatters change: layout, quote style, trailing commas and semicolons."""
    tokens = [
        '"' + token[1:-1] + '"' if token[0] == "'" and '"' not in token else token
        for token in _TOKEN.findall(source)
        if token != ";"
    ]
    text = _TRAILING_COMMA.sub("", " ".join(tokens))
    if len(text) <= NORMALISED_CHARS_MAX:
        return text
    return text[:NORMALISED_CHARS_MAX] + " " + hashlib.sha256(text.encode()).hexdigest()[:16]


def fingerprints(birth_code: str, found: Sequence[Found]) -> list[str]:
    """Fingerprint of each finding of one rule on one snapshot, in the order given.

    Findings with equal symbol and tokens are told apart by their ordinal, counted per path in order of line and
    then over paths, so the order of `found` does not matter.
    """
    order = sorted(range(len(found)), key=lambda index: (found[index].path, found[index].line, found[index].message))
    seen: Counter[tuple[str, str]] = Counter()
    result = [""] * len(found)
    for index in order:
        finding = found[index]
        key = (finding.symbol, finding.tokens)
        result[index] = fingerprint(birth_code, finding.symbol, finding.tokens, seen[key])
        seen[key] += 1
    return result


def fingerprint(birth_code: str, symbol: str, tokens: str, ordinal: int) -> str:
    """One fingerprint from its four parts."""
    return "v1:" + _digest((birth_code, symbol, tokens, str(ordinal)))


def kin(birth_code: str, symbol: str, tokens: str) -> str:
    """What findings that are alike share: the symbol, and the tokens without any sign that a formatter adds or drops.

    Coarser than the fingerprint on purpose: a formatter also takes redundant parentheses away, unquotes keys and drops
    the `u` of a text, and what is kept in the store must not change because of it.
    """
    words = _LAYOUT.sub("", _TEXT_PREFIX.sub("", tokens))
    return "k1:" + _digest((birth_code, symbol, " ".join(words.split())))


def _digest(parts: Iterable[str]) -> str:
    hashed = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", errors="backslashreplace")
        hashed.update(len(encoded).to_bytes(8, "big"))  # length first: ('ab', 'c') is not ('a', 'bc')
        hashed.update(encoded)
    return hashed.hexdigest()
