"""When the next nightly audit begins."""

from __future__ import annotations

import datetime as dt

import pytest

from elder_assets.audit.dates import next_nightly

TOKYO = dt.timezone(dt.timedelta(hours=9))


@pytest.mark.parametrize(
    ("now", "day"),
    [
        (dt.datetime(2026, 3, 4, 1, 59, tzinfo=dt.UTC), 4),
        (dt.datetime(2026, 3, 4, 2, tzinfo=dt.UTC), 5),
        (dt.datetime(2026, 3, 4, 23, tzinfo=dt.UTC), 5),
        (dt.datetime(2026, 3, 5, 8, tzinfo=TOKYO), 5),
    ],
)
def test_it_begins_at_two_in_the_morning_utc(now: dt.datetime, day: int):
    assert next_nightly(now) == dt.datetime(2026, 3, day, 2, tzinfo=dt.UTC)
