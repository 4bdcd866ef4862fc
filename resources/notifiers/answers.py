"""What the answer of a receiver means, the same for every channel over HTTP.

429 and its `Retry-After`: RFC 6585 section 4 and RFC 9110 section 10.2.3 (seconds or a date).
"""

from __future__ import annotations

import math
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from elder_assets.audit.errors import DeliveryDelayed, DeliveryFailed
from resources.outbound import Answer

LONGEST_WAIT_SECONDS = 86_400.0
_LATER = {408, 425, 429}


def check(answer: Answer, receiver: str, now: float) -> None:
    """Accept 2xx only; a redirect is a failure, since it could lead anywhere.

    Raises:
        DeliveryDelayed: 408, 425, 429 or 5xx.
        DeliveryFailed: anything else that is not 2xx.
    """
    if 200 <= answer.status < 300:
        return
    said = f"{receiver} answered {answer.status}"
    if answer.status in _LATER or answer.status >= 500:
        raise DeliveryDelayed(said, retry_after(answer, now))
    raise DeliveryFailed(f"{said}: {_hint(answer.status)}")


def retry_after(answer: Answer, now: float) -> float | None:
    """Seconds to wait, from Discord's header, the standard one, or Discord's JSON; None when nothing readable came."""
    header = answer.headers.get("retry-after", "").strip()
    seconds = _number(answer.headers.get("x-ratelimit-reset-after"))
    if seconds is None:
        seconds = _number(header)
    if seconds is None and header:
        seconds = _until(header, now)
    if seconds is None:
        seconds = _number(json_field(answer, "retry_after"))
    return None if seconds is None else min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def json_field(answer: Answer, name: str) -> object:
    """A field of a JSON object in the answer; None where there is none."""
    try:
        decoded = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return decoded.get(name) if isinstance(decoded, dict) else None


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _until(header: str, now: float) -> float | None:
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now


def _hint(status: int) -> str:
    hints = {
        400: "it did not understand the message",
        401: "the credentials are not accepted",
        403: "it forbids this",
        404: "there is no such channel any more",
        410: "the channel is closed for good",
        413: "the message is too large",
    }
    return hints.get(status, "a redirect is not followed" if 300 <= status < 400 else "it refuses the message")
