"""Checking who sent a webhook: over the raw bytes, in constant time, before anything is parsed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence

from elder_assets.audit.errors import WebhookRejected
from resources.git.providers.payloads import every_header

_HEX_DIGEST = re.compile(r"sha256=([0-9a-fA-F]{64})")


def configured(secrets: Sequence[bytes]) -> list[bytes]:
    """Return the secrets that are not empty.

    Raises:
        WebhookRejected: 401, there is none: an unsigned delivery is never accepted.
    """
    usable = [secret for secret in secrets if secret]
    if not usable:
        raise WebhookRejected(401, "no secret is configured for this webhook; unsigned deliveries are not accepted")
    return usable


def only_header(headers: Mapping[str, str], name: str) -> str:
    """Return the one value of a header that proves something.

    Raises:
        WebhookRejected: 401, it is missing or there are several.
    """
    values = every_header(headers, name)
    if not values or not values[0].strip():
        raise WebhookRejected(401, f"{name} is missing")
    if len(values) > 1:
        raise WebhookRejected(401, f"{name} is there {len(values)} times")
    return values[0]


def verify_hex_digest(headers: Mapping[str, str], name: str, body: bytes, secrets: Sequence[bytes]) -> None:
    """Accept a header `sha256=<hex HMAC-SHA256 of the body>` under one of the secrets.

    Raises:
        WebhookRejected: 401.
    """
    usable = configured(secrets)
    match = _HEX_DIGEST.fullmatch(only_header(headers, name))
    if match is None:
        raise WebhookRejected(401, f"{name} is not of the form sha256= and 64 hexadecimal digits")
    given = bytes.fromhex(match[1])
    if not is_any_equal(given, (hmac.digest(secret, body, hashlib.sha256) for secret in usable)):
        raise WebhookRejected(401, f"{name} does not fit the body under the configured secret")


def is_any_equal(given: bytes, expected: Iterable[bytes]) -> bool:
    """Whether one of the expected values is given; looks at all of them, each in constant time."""
    results = [hmac.compare_digest(given, value) for value in expected]
    return any(results)


def basic_credentials(value: str) -> tuple[bytes, bytes]:
    """Return (user, password) of an Authorization header.

    Raises:
        WebhookRejected: 401, it is not of the basic scheme.
    """
    scheme, _, encoded = value.partition(" ")
    try:
        user, colon, password = base64.b64decode(encoded.strip().encode("ascii"), validate=True).partition(b":")
    except (binascii.Error, UnicodeEncodeError) as error:
        raise WebhookRejected(401, "Authorization is no base64") from error
    if scheme.lower() != "basic" or not colon:
        raise WebhookRejected(401, "Authorization is not of the form Basic base64(user:password)")
    return user, password
