"""Counts refused credentials, by where they came from, and says how it stands: in bounded memory, in bounded rows.

Who is let in is decided in guard.py; whether somebody is told, in resources/alerting/self_watch.py.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Literal

from dash_app.limits import CLIENTS_MAX
from resources.alerting.self_watch import SIGN_IN_WINDOW_SECONDS, SIGN_INS_MAX, SIGN_INS_OF_ONE_MAX, SignInFailures

Kind = Literal["token", "session", "form", "webhook", "limited"]
"""What was refused: a token, the cookie of a session, the sign-in form, a signature; or a try before its time."""
MINUTE = 60
MINUTES = SIGN_IN_WINDOW_SECONDS // MINUTE
REPORT_SECONDS = 30
WORST_REPORTED = 5
"""Addresses that a report names; so many rows it writes at most."""


class FailedSignIns:
    """Failures of the last five minutes, counted in whole minutes."""

    def __init__(
        self,
        count: Callable[[Kind], None],
        report: Callable[[SignInFailures], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._count, self._report, self._clock = count, report, clock
        self._by_address: OrderedDict[str, Counter[int]] = OrderedDict()
        self._all: Counter[int] = Counter()
        self._reported_at = float("-inf")
        self._lock = threading.Lock()

    def record(self, address: str, kind: Kind) -> None:
        """Count one failure; now and then, tell how it stands. Not for an event loop: it may write."""
        self._count(kind)
        now = self._clock()
        with self._lock:
            minute, place = int(now // MINUTE), network_of(address)
            own = self._by_address.setdefault(place, Counter())
            self._by_address.move_to_end(place)
            for counter in (own, self._all):
                counter[minute] += 1
                for old in [one for one in counter if one <= minute - MINUTES]:
                    del counter[old]
            while len(self._by_address) > CLIENTS_MAX:
                self._by_address.popitem(last=False)
            is_over = _recent(own, minute) == SIGN_INS_OF_ONE_MAX + 1 or _recent(self._all, minute) == SIGN_INS_MAX + 1
            if now - self._reported_at < REPORT_SECONDS and not is_over:
                return
            self._reported_at = now
            standing = self._standing(minute, int(now))
        self._report(standing)

    def _standing(self, minute: int, now: int) -> SignInFailures:
        counts = {place: _recent(own, minute) for place, own in self._by_address.items()}
        worst = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:WORST_REPORTED]
        return SignInFailures(
            at=now, total=_recent(self._all, minute), worst=tuple(pair for pair in worst if pair[1] > 0)
        )


def _recent(counter: Counter[int], minute: int) -> int:
    return sum(number for one, number in counter.items() if one > minute - MINUTES)


def network_of(address: str) -> str:
    """Where an address belongs: an IPv4 address by itself, an IPv6 one to its /64, which one customer has whole."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
