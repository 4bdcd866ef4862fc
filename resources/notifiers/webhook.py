"""A signed webhook to any receiver, by the Standard Webhooks scheme.

Address: the https address or `env:NAME` for it, then one or more references of signing secrets (`env:HOOK_KEY`, more
than one while a secret is being changed). A signing secret is `whsec_` and the base64 of 24 to 64 bytes.

The signature is HMAC-SHA256 over `{id}.{timestamp}.{body}`; the id is derived from the message's key and stays the
same when a delivery is tried again, so a receiver may drop what it has seen:
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

import msgspec

from elder_assets.audit.dates import iso
from elder_assets.audit.errors import ConfigurationError
from resources.notifiers.answers import check
from resources.notifiers.notifier import Channel, Message, Sent
from resources.outbound import check_url, post
from resources.secrets import Secret

PREFIX = "whsec_"
LEAST_KEY_BYTES, MOST_KEY_BYTES = 24, 64
MOST_NOTICES = 50
"""Of a digest; the scheme asks to stay under 20 kB, and a notice is some 400 bytes without findings."""


def opened(channel: Channel) -> WebhookNotifier:
    """A notifier for an address and its signing secrets."""
    address, *references = channel.address.split() or [""]
    url = Secret(address) if "://" in address else channel.secrets.of(address)
    check_url(url.reveal(), channel.boundary)
    if not references:
        raise ConfigurationError(
            "address of a webhook", "no signing secret", "an address and a reference of its secret"
        )
    secrets = [channel.secrets.of(reference) for reference in references]
    for secret in secrets:
        signing_key(secret)
    return WebhookNotifier(channel, url, secrets)


class WebhookNotifier:
    """Posts JSON with `webhook-id`, `webhook-timestamp` and `webhook-signature`."""

    def __init__(self, channel: Channel, url: Secret, secrets: Sequence[Secret]) -> None:
        self._channel, self._url, self._secrets = channel, url, secrets

    def send(self, message: Message) -> Sent:
        """Post the message; its id is the one in `webhook-id`."""
        now = self._channel.clock()
        payload, name = body(message), message_id(message.key)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": " ".join(sign(secret, name, int(now), payload) for secret in self._secrets),
        }
        answer = post(self._url.reveal(), payload, headers, self._channel.boundary)
        check(answer, "the webhook's receiver", now)
        return Sent(name)


def body(message: Message) -> bytes:
    """JSON with `type`, `timestamp` and `data`: the words of the message, and the events behind them."""
    words = {name: getattr(message, name) for name in ("severity", "is_recovery", "language", "title", "lines", "link")}
    words |= {"advice": message.advice, "items": message.items, "items_omitted": message.omitted}
    if len(message.items) > MOST_NOTICES:
        left_out = len(message.items) - MOST_NOTICES
        words |= {"items": message.items[:MOST_NOTICES], "items_omitted": message.omitted + left_out}
    return msgspec.json.encode(
        {
            "type": f"elder.{message.kind}",
            "timestamp": iso(message.at),
            "data": {
                **words,
                "notices": message.notices[:MOST_NOTICES],
                "notices_omitted": max(len(message.notices) - MOST_NOTICES, 0),
            },
        }
    )


def message_id(key: str) -> str:
    """A name without a dot, as the scheme asks, the same for the same key."""
    return f"msg_{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def sign(secret: Secret, name: str, timestamp: int, payload: bytes) -> str:
    """`v1,` and the base64 of the signature."""
    signed = f"{name}.{timestamp}.".encode() + payload
    digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def signing_key(secret: Secret) -> bytes:
    """The bytes of a `whsec_` secret.

    Raises:
        ConfigurationError: it is none, or too short or long.
    """
    try:
        key = base64.b64decode(secret.reveal().removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not LEAST_KEY_BYTES <= len(key) <= MOST_KEY_BYTES:
        raise ConfigurationError("signing secret", "a text of another form", "whsec_ and the base64 of 24 to 64 bytes")
    return key
