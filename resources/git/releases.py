"""Tags of an audited commit and those before it, with their dates: the releases on a trend."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from resources.git.commands import run

RELEASES_MAX = 200
"""Newest tags that are kept. Chosen by us: a year of a release every other day."""
TAG_CHARACTERS_MAX = 200
_FORMAT = "%(creatordate:unix)%09%(objectname)%09%(*objectname)%09%(refname:strip=2)"
_LATEST_SECONDS = 253_402_300_799
"""End of the year 9999: what `datetime` can say."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """A tag, named by whoever may push: hostile where it is shown."""

    tag: str
    commit: str
    released_at: datetime
    """Of an annotated tag its own date, else its commit's."""


def releases_before(git_dir: Path, commit: str) -> tuple[Release, ...]:
    """Tags that a commit or one before it has, newest first; of tags of trees and blobs nothing is said.

    Raises:
        CheckoutFailed: git failed.
    """
    listed = run(
        git_dir,
        "for-each-ref",
        f"--format={_FORMAT}",
        "--sort=-creatordate",
        f"--count={RELEASES_MAX}",
        f"--merged={commit}",
        "refs/tags",
    )
    lines = [line.split("\t", 3) for line in listed.decode("utf-8", errors="replace").splitlines()]
    return tuple(
        Release(
            tag=name[:TAG_CHARACTERS_MAX],
            commit=inner or own,
            released_at=datetime.fromtimestamp(int(seconds), UTC),
        )
        for seconds, own, inner, name in lines
        if seconds.isdigit() and int(seconds) <= _LATEST_SECONDS
    )
