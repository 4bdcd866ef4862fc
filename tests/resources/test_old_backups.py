"""Old backups go by their age; whatever happens, good ones stay."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest

from elder_assets.audit.errors import StoreError
from resources.recovery.old_backups import Keeping, let_go, surplus

NOW = dt.datetime(2026, 6, 15, 12, 0, tzinfo=dt.UTC)


def named(at: dt.datetime) -> str:
    return f"elder-{at:%Y%m%dT%H%M%SZ}.elder-backup"


def ago(**age: int) -> str:
    return named(NOW - dt.timedelta(**age))


def test_of_the_last_hours_all_stay_and_of_each_day_before_the_last():
    recent = [ago(hours=hours) for hours in range(25)]  # 12:00 of the 14th is exactly 24 hours old
    before = [named(dt.datetime(2026, 6, day, hour, tzinfo=dt.UTC)) for day in range(1, 14) for hour in (6, 18)]
    early = named(dt.datetime(2026, 6, 14, 6, tzinfo=dt.UTC))
    gone = surplus([*recent, *before, early], NOW, Keeping(hours=24, days=7))
    daily = [named(dt.datetime(2026, 6, day, 18, tzinfo=dt.UTC)) for day in range(8, 14)]  # 8th, 18:00: under 7 days
    assert set(before) - set(gone) == set(daily)
    assert not set(recent) & set(gone)
    assert early in gone
    assert gone == sorted(gone)


@pytest.mark.parametrize("keeping", [Keeping(hours=0, days=0), Keeping(hours=1, days=0)], ids=["none", "an-hour"])
def test_the_three_newest_stay_after_a_pause_of_a_year(keeping: Keeping):
    names = [ago(days=day) for day in (0, 365, 366, 367, 368)]
    assert surplus(names, NOW, keeping) == [ago(days=368), ago(days=367)]


def test_what_is_dated_later_or_is_no_backup_is_left_alone():
    later = [named(NOW + dt.timedelta(days=days)) for days in (1, 2, 3, 4)]
    others = [
        "notes.txt",
        "elder-2020.elder-backup",
        "elder-20209999T999999Z.elder-backup",
        "elder.db",
        later[0] + ".x",
    ]
    old = [ago(days=day) for day in (0, 30, 60, 90)]
    assert surplus([*later, *others, *old], NOW, Keeping(hours=1, days=1)) == [ago(days=90)]


def test_a_clock_that_jumped_back_deletes_nothing_newer():
    names = [ago(days=day) for day in range(5)]
    jumped = NOW - dt.timedelta(days=4)
    assert surplus([*names, named(jumped)], jumped, Keeping(hours=0, days=0)) == []


def test_files_of_killed_and_failed_backups_go_after_a_day(tmp_path: Path):
    new = tmp_path / ago(hours=0)
    kept, old = tmp_path / f".{new.name}-abc.part", tmp_path / f".{ago(days=2)}-xyz.part"
    failed, foreign = tmp_path / f"{ago(days=2)}.failed", tmp_path / ".other.part"
    for file in (new, kept, old, failed, foreign):
        file.write_text("x")
    for file in (old, failed, foreign):
        os.utime(file, (new.stat().st_mtime - 2 * 86_400,) * 2)
    assert let_go(new, Keeping(hours=1, days=1)) == []
    assert sorted(tmp_path.iterdir()) == sorted([new, kept, foreign])


def test_a_folder_that_may_not_be_changed_is_an_error_that_says_the_backup_is_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for day in range(5):
        (tmp_path / ago(days=day)).write_text("x")

    def refused(_self: Path, *, missing_ok: bool) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(StoreError, match="the backup is good, but an old one cannot be deleted"):
        let_go(tmp_path / ago(days=0), Keeping(hours=0, days=0))
