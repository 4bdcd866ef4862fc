"""A circuit breaker for each git host: a host that does not answer is left alone for a while, then probed once.

Pure states, and `guarded`, which asks and tells whoever keeps them (the results store; an audit on a laptop has none).

    closed      calls go through; FAILURES_MAX transient failures in a row open it
    open        nobody calls before `retry_at`: what the host asked for, at least a rest that doubles
    half open   one caller probes; its success closes the circuit, its failure opens it again
    paused      a person or an alert said so; until `retry_at`, or until it is resumed

The pattern: Nygard, Release It! (2018), chapter 5. The figures are chosen by us.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from elder_assets.audit.errors import CheckoutFailed, HostResting, ProviderUnavailable, SourceError

FAILURES_MAX = 5
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 30, 3600
PROBE_SECONDS = 120
"""Whoever probes and never comes back holds the others up no longer."""
_AWAY = re.compile(
    r"could not resolve host|couldn't connect|failed to connect|connection (?:refused|reset|timed out|closed)|timed out"
    r"|network is unreachable|no route to host|requested url returned error: (?:429|5\d\d)|early eof|hung up"
    r"|http/2 stream|gnutls_handshake|ssl_connect",
    re.IGNORECASE,
)
"""What git and libcurl say when a host is away, as opposed to: there is no such repository, or no access."""
State = Literal["closed", "open", "half open", "paused"]


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """How one git host is doing."""

    host: str
    state: State = "closed"
    failures: int = 0
    """Transient ones, in a row."""
    reason: str = ""
    retry_at: int | None = None
    """Seconds since the epoch; None for at once, and for a pause without end."""


class Circuits(Protocol):
    """Whoever keeps circuits."""

    def circuit(self, host: str) -> Circuit:
        """The circuit of a host; a closed one where nothing is known."""
        ...

    def change_circuit(self, host: str, change: Callable[[Circuit], Circuit | None]) -> Circuit | None:
        """Put what `change` makes of the circuit in its place, in one step; None, and no change, when it gives None."""
        ...


def resting(circuit: Circuit, now: int) -> str:
    """Why a host is not called now; '' when it may be."""
    is_due = circuit.retry_at is not None and circuit.retry_at <= now
    if circuit.state == "closed" or is_due:
        return ""
    until = f" until {circuit.retry_at}" if circuit.retry_at is not None else ""
    said = f": {circuit.reason}" if circuit.reason else ""
    return f"{circuit.host} is left alone{until} ({circuit.state}{said})"


def admitted(circuit: Circuit, now: int) -> Circuit | None:
    """The circuit once a call goes through; None when none may."""
    if resting(circuit, now):
        return None
    if circuit.state == "paused":  # the pause has ended
        return Circuit(host=circuit.host)
    if circuit.state == "closed":
        return circuit
    return msgspec.structs.replace(circuit, state="half open", retry_at=now + PROBE_SECONDS)


def failed(circuit: Circuit, now: int, reason: str, retry_after: float | None = None) -> Circuit:
    """The circuit after a transient failure."""
    if circuit.state == "paused":
        return circuit
    failures = circuit.failures + 1
    asked = int(retry_after or 0) + (1 if retry_after else 0)
    counted = msgspec.structs.replace(circuit, failures=failures, reason=reason[:300])
    if failures < FAILURES_MAX and circuit.state == "closed" and not asked:
        return counted
    beyond = max(failures - FAILURES_MAX, 0)
    rest = min(FIRST_REST_SECONDS << min(beyond, 16), LONGEST_REST_SECONDS)
    return msgspec.structs.replace(counted, state="open", retry_at=now + max(rest, asked))


def succeeded(circuit: Circuit) -> Circuit:
    """The circuit after an answer, whatever it says: the host is there."""
    return circuit if circuit.state == "paused" else Circuit(host=circuit.host)


def paused(circuit: Circuit, reason: str, until: int | None = None) -> Circuit:
    """The circuit of a host that is not to be called."""
    return msgspec.structs.replace(circuit, state="paused", reason=reason[:300], retry_at=until)


def resumed(circuit: Circuit) -> Circuit:
    """The circuit of a host that may be called again."""
    return Circuit(host=circuit.host)


def host_of(address: str) -> str:
    """The host of an address, in lower case; '' for a path."""
    if "://" in address:
        return (urlsplit(address).hostname or "").lower()
    found = re.fullmatch(r"(?:[^@/\s]+@)?([A-Za-z0-9.-]+):(?!/).+", address)
    return found[1].lower() if found else ""


def is_away(error: Exception) -> bool:
    """Whether an error says that the host did not answer, not that it answered no."""
    if isinstance(error, ProviderUnavailable | CheckoutFailed):
        return True
    return isinstance(error, SourceError) and bool(_AWAY.search(str(error)))


@contextlib.contextmanager
def guarded(circuits: Circuits | None, host: str, clock: Callable[[], float]) -> Iterator[None]:
    """Call a git host unless it rests, and keep how it went.

    Args:
        circuits: who keeps the states; None guards nothing.
        host: that is called; '' for a path, which is never guarded.
        clock: seconds since the epoch.

    Raises:
        HostResting: instead of calling.
    """
    if circuits is None or not host:
        yield
        return
    found = circuits.circuit(host)
    if found.state != "closed" and circuits.change_circuit(host, lambda known: admitted(known, int(clock()))) is None:
        now, known = int(clock()), circuits.circuit(host)
        wait = None if known.retry_at is None else float(max(known.retry_at - now, 1))
        raise HostResting(resting(known, now) or f"{host} is being probed", wait)
    try:
        yield
    except Exception as error:
        _note(circuits, found, error, int(clock()))
        raise
    if found != Circuit(host=host):
        circuits.change_circuit(host, succeeded)


def _note(circuits: Circuits, found: Circuit, error: Exception, now: int) -> None:
    if is_away(error):
        wait = getattr(error, "retry_after_seconds", None)
        circuits.change_circuit(found.host, lambda known: failed(known, now, str(error), wait))
    elif found != Circuit(host=found.host):
        circuits.change_circuit(found.host, succeeded)
