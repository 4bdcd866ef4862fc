"""A time that tests set: what a store takes for its clock."""

from __future__ import annotations

import datetime as dt


class Clock:
    """Says the time that it was given last."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now
