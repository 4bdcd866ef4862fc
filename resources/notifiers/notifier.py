"""What every notifier is and takes: the protocol, the message, and how to open one.

A message holds plain text of which some came from a repository: each notifier escapes all of it for its own channel,
cuts it to that channel's limits, and says what it left out. Addresses are references (resources/secrets.py).
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from elder_assets.audit.alerts import Notice, Urgency
from elder_assets.audit.errors import ConfigurationError
from resources.messages.catalogue import Language, translator
from resources.outbound import Boundary
from resources.secrets import Secrets

ChannelKind = Literal["slack", "discord", "email", "webhook"]
KINDS: tuple[ChannelKind, ...] = ("slack", "discord", "email", "webhook")


class Line(msgspec.Struct, frozen=True):
    """A fact with its name: 'Project', 'host/owner/shop'."""

    label: str
    text: str


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One of many: a finding, or one notice of a digest."""

    heading: str
    text: str = ""
    remedy: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A notice in words, still the same for every channel."""

    key: str
    """Equal keys are the same message: e-mail and webhooks derive their ids from it."""
    kind: str
    """The event's kind, or 'digest'."""
    severity: Urgency
    is_recovery: bool
    language: Language
    at: int
    """Seconds since the epoch: when it happened."""
    title: str
    lines: tuple[Line, ...]
    items_label: str = ""
    items: tuple[Item, ...] = ()
    omitted: int = 0
    """How many more there are than `items`."""
    advice: Line | None = None
    link: str = ""
    """Address of the page that says more; '' where the control plane's address is not known."""
    link_label: str = ""
    notices: tuple[Notice, ...] = ()
    """The same for machines."""


class Sent(msgspec.Struct, frozen=True):
    """A message that a receiver took."""

    provider_id: str = ""
    """The receiver's own name for it; '' where it gives none."""


class Notifier(Protocol):
    """Somewhere to send messages."""

    def send(self, message: Message) -> Sent:
        """Deliver a message, cut to the limits of the channel.

        Raises:
            DeliveryDelayed: later it may work (`retry_after_seconds` when the receiver said when).
            DeliveryFailed: it will not work as it is.
        """
        ...


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """What a notifier needs to open: its address, and what surrounds it."""

    address: str
    secrets: Secrets
    boundary: Boundary
    clock: Callable[[], float]


def open_notifier(
    kind: str,
    address: str,
    secrets: Secrets,
    *,
    boundary: Boundary | None = None,
    clock: Callable[[], float] = time.time,
) -> Notifier:
    """Open a channel: `kind` names the module, which says in its docstring what its address looks like.

    Raises:
        ConfigurationError: there is no such kind, or the address is none of its form.
    """
    if kind not in KINDS:
        raise ConfigurationError("kind of channel", kind, KINDS)
    module = importlib.import_module(f"resources.notifiers.{kind}")
    channel = Channel(address=address, secrets=secrets, boundary=boundary or Boundary(), clock=clock)
    notifier: Notifier = module.opened(channel)
    return notifier


def length(text: str) -> int:
    """Length as receivers may count it: UTF-16 units, never fewer than characters."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int) -> str:
    """A text of at most `limit` UTF-16 units; what was cut shows as an ellipsis."""
    if length(text) <= limit:
        return text
    kept, room = [], limit - 1
    for character in text:
        room -= length(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def and_more(language: Language, count: int) -> str:
    """'and 3 more'."""
    return translator(language).ngettext("and %(count)d more", "and %(count)d more", count) % {"count": count}
