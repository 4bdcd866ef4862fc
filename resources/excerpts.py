"""A few lines of code at a commit, for pages: read through what lies on this machine, never fetched, never stored.

Lines that hold what looks like a secret are not shown; neither is the place of a finding about one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from elder_assets.audit.errors import ElderError
from elder_assets.audit.facts.secrets import redact
from elder_assets.audit.report import plain
from resources.git.address import is_address
from resources.git.mirror import mirror_with
from resources.git.reader import GitSource
from resources.git.repository import open_repository
from resources.settings import Settings

AROUND = 4
"""Lines before and after the one that is meant."""
LINE_CHARACTERS_MAX = 240
FILE_BYTES_MAX = 1_000_000
SHA256_DIGITS = 64
SECRET_RULES = frozenset({"STR010", "GIT006"})


class Excerpt(msgspec.Struct, frozen=True, kw_only=True):
    """Lines around a place, or why they are not shown."""

    lines: tuple[tuple[int, str], ...] = ()
    """(number from 1, text)."""
    reason: str = ""
    blob: str = ""
    """Object id of the file's content; '' where it was not read."""


def excerpt(settings: Settings, place: tuple[str, str, str, str, int], rule: str = "") -> Excerpt:
    """The code around a place.

    Args:
        settings: say where mirrors are.
        place: key and address of the repository, commit, path, line from 1.
        rule: that found something there.
    """
    key, url, commit, path, line = place
    if rule in SECRET_RULES:
        return Excerpt(reason="the place of a secret is not shown")
    if not path or line < 1:
        return Excerpt(reason="the finding is about more than a line")
    try:
        content = _content(settings, key, url, commit, path)
    except ElderError as error:
        return Excerpt(reason=str(error))
    if content is None:
        return Excerpt(reason="the file is not there at this commit, or larger than 1 MB")
    lines = _around(redact(content).decode("utf-8", errors="replace").split("\n"), line)
    return Excerpt(lines=tuple(lines), blob=blob_id(content, len(commit)))


def blob_id(content: bytes, digits: int) -> str:
    """The object id that git gives a file's content, in SHA-1 (40 digits) or SHA-256 (64)."""
    header = b"blob %d\0" % len(content)
    made = hashlib.sha256(header) if digits == SHA256_DIGITS else hashlib.sha1(header, usedforsecurity=False)
    made.update(content)
    return made.hexdigest()


def _content(settings: Settings, key: str, url: str, commit: str, path: str) -> bytes | None:
    if is_address(url):
        mirror = mirror_with(commit, key, settings.mirrors)
        if mirror is None:
            raise ElderError("the mirror of this repository is not on this machine")
        with GitSource(mirror, key, commit) as source:
            return source.file_at(path, commit, FILE_BYTES_MAX)
    with open_repository(url, settings, key=key) as opened, GitSource(opened.git_dir, key, commit) as source:
        return source.file_at(path, commit, FILE_BYTES_MAX)


def _around(lines: Sequence[str], line: int) -> list[tuple[int, str]]:
    first = max(0, line - 1 - AROUND)
    shown = lines[first : line + AROUND]
    return [
        (first + index + 1, plain(text.replace("\t", "    ").rstrip("\r"))[:LINE_CHARACTERS_MAX])
        for index, text in enumerate(shown)
    ]
