"""Discord, by a webhook.

Address: `env:NAME`, where the secret is the webhook's https address.

Limits and rules, as the pages said when this was written:
- embeds (title 256, description 4,096, 25 fields of 256 and 1,024, 6,000 in all), content 2,000, `allowed_mentions`:
  https://docs.discord.com/developers/resources/message
- `wait=true` to get the message's id: https://docs.discord.com/developers/resources/webhook
- 429 with seconds to wait: https://discord.com/developers/docs/topics/rate-limits. `X-RateLimit-Reset-After` first: old
  versions of the API, which addresses without a version may get, gave the others in milliseconds
  (https://github.com/discord/discord-api-docs/issues/4722).
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from resources.notifiers.answers import check, json_field
from resources.notifiers.notifier import Channel, Item, Line, Message, Sent, and_more, cut, length
from resources.outbound import check_url, post
from resources.secrets import Secret

CONTENT_LENGTH = 2_000
TITLE_LENGTH = 256
DESCRIPTION_LENGTH = 4_096
MOST_FIELDS = 25
FIELD_NAME_LENGTH = 256
FIELD_LENGTH = 1_024
EMBED_LENGTH = 6_000
COLOURS = {"info": 0x3B82F6, "warning": 0xD97706, "critical": 0xDC2626}
RECOVERED = 0x16A34A
_MARKDOWN = re.compile(r"([\\*_~`|<>#\[\]()\-+:@])")


def opened(channel: Channel) -> DiscordNotifier:
    """A notifier for a webhook address."""
    secret = channel.secrets.of(channel.address.strip())
    check_url(secret.reveal(), channel.boundary)
    return DiscordNotifier(channel, secret)


class DiscordNotifier:
    """Posts one embed; nobody is mentioned, whatever the text says."""

    def __init__(self, channel: Channel, secret: Secret) -> None:
        self._channel, self._secret = channel, secret

    def send(self, message: Message) -> Sent:
        """Post the message and wait until Discord stored it."""
        parts = urlsplit(self._secret.reveal())
        query = "&".join(part for part in (parts.query, "wait=true") if part)
        payload = {
            "content": cut(escaped(message.title), CONTENT_LENGTH),
            "embeds": [embed(message)],
            "allowed_mentions": {"parse": []},
        }
        answer = post(
            urlunsplit(parts._replace(query=query)),
            msgspec.json.encode(payload),
            {"Content-Type": "application/json"},
            self._channel.boundary,
        )
        check(answer, "Discord", self._channel.clock())
        return Sent(str(json_field(answer, "id") or ""))


def embed(message: Message) -> dict[str, Any]:
    """The message as one embed within every limit; what does not fit is counted."""
    title = _cut_escaped(escaped(message.title), TITLE_LENGTH)
    facts = "\n".join(_fact(line) for line in (*message.lines, *([message.advice] if message.advice else [])))
    made: dict[str, Any] = {
        "title": title,
        "description": _cut_escaped(facts, DESCRIPTION_LENGTH),
        "color": RECOVERED if message.is_recovery else COLOURS[message.severity],
    }
    if message.link:
        made["url"] = message.link
    room = EMBED_LENGTH - length(title) - length(made["description"])
    made["fields"] = _fields(message, room)
    return made


def _fields(message: Message, room: int) -> list[dict[str, Any]]:
    fields: list[dict[str, Any]] = []
    room -= 100  # for 'and N more'
    for item in message.items:
        field = _field(item)
        room -= length(field["name"]) + length(field["value"])
        if room < 0 or len(fields) == MOST_FIELDS - 1:
            break
        fields.append(field)
    left_out = message.omitted + len(message.items) - len(fields)
    if left_out > 0:
        fields.append(
            {"name": cut(escaped(message.items_label) or "-", 80), "value": and_more(message.language, left_out)}
        )
    return fields


def _field(item: Item) -> dict[str, Any]:
    value = "\n".join(escaped(text) for text in (item.text, item.remedy) if text)
    return {
        "name": _cut_escaped(escaped(item.heading) or "-", FIELD_NAME_LENGTH),
        "value": _cut_escaped(value or "-", FIELD_LENGTH),
        "inline": False,
    }


def _fact(line: Line) -> str:
    return f"**{escaped(line.label)}**: {escaped(line.text)}"


def _cut_escaped(text: str, limit: int) -> str:
    """Cut without leaving a lone backslash, which would escape the ellipsis."""
    short = cut(text, limit)
    return short if short == text else re.sub(r"\\…$", "…", short)


def escaped(text: str) -> str:
    """A text that Discord shows as it is: https://support.discord.com/hc/articles/210298617."""
    return _MARKDOWN.sub(r"\\\1", text)
