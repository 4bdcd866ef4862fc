"""Which backups of a folder are let go: all of the last hours stay, and of the days before them the last of each.

Ages are counted from the backup that was just made, not from the clock: a clock that was wrong once deletes nothing
more than it would have. Files that are dated later, and files that are no backups, are nobody's business here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from elder_assets.audit.errors import StoreError
from resources.recovery.backups import SUFFIX

NEWEST_KEPT = 3
"""Backups that stay whatever their age, so that a wrong clock or a long pause leaves more than one."""
LEFTOVER_AFTER = timedelta(days=1)
"""Age from which the file of a killed backup, or of one that failed its check, goes; none is written for so long."""
FAILED = ".failed"
_NAME = re.compile(rf"elder-(\d{{8}}T\d{{6}}Z){re.escape(SUFFIX)}")
_LEFTOVER = re.compile(rf"\.elder-.*\.part|elder-\d{{8}}T\d{{6}}Z{re.escape(SUFFIX + FAILED)}")


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """How long backups stay."""

    hours: int
    """Every backup that is at most so old."""
    days: int
    """The last backup of each day (UTC) that is at most so old."""


def let_go(newest: Path, keeping: Keeping) -> list[str]:
    """Delete the backups beside the one that was just made that are no longer kept; their names, the oldest first.

    Raises:
        StoreError: one cannot be deleted.
    """
    folder = newest.parent
    made_at = _dated(newest.name)
    if made_at is None:
        msg = f"{newest.name} is not named as a backup is"
        raise StoreError(msg)
    names = [file.name for file in folder.iterdir()]
    gone = surplus(names, made_at, keeping)
    limit = newest.stat().st_mtime - LEFTOVER_AFTER.total_seconds()
    leftovers = [name for name in names if _LEFTOVER.fullmatch(name) and (folder / name).stat().st_mtime < limit]
    try:
        for name in (*gone, *leftovers):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        msg = f"the backup is good, but an old one cannot be deleted from {folder}: {error.strerror}"
        raise StoreError(msg) from error
    return gone


def surplus(names: Iterable[str], made_at: datetime, keeping: Keeping) -> list[str]:
    """Names of backups that are not kept, the oldest first.

    Args:
        names: files of the folder, of any kind.
        made_at: when the newest backup was made.
        keeping: how long backups stay.
    """
    dated = sorted((at, name) for name in names if (at := _dated(name)) is not None and at <= made_at)
    last_of_day = {at.date(): name for at, name in dated}
    gone = []
    for at, name in dated[:-NEWEST_KEPT]:
        is_recent = made_at - at <= timedelta(hours=keeping.hours)
        is_daily = last_of_day[at.date()] == name and made_at - at <= timedelta(days=keeping.days)
        if not (is_recent or is_daily):
            gone.append(name)
    return gone


def _dated(name: str) -> datetime | None:
    match = _NAME.fullmatch(name)
    try:
        return datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) if match else None
    except ValueError:
        return None  # no date, so no backup of ours
