"""Slack, by an incoming webhook or by `chat.postMessage`.

Address: `env:NAME` where the secret is the webhook's https address, or `env:NAME C0123456` where it is a bot token
(`xoxb-...`) and the second word is the channel's id.

Limits and escaping, as the pages said when this was written:
- 3,000 characters a section, 50 blocks a message: https://api.slack.com/reference/block-kit/blocks
- 150 a header: https://docs.slack.dev/reference/block-kit/blocks/header-block
- 40,000 in `text`: https://api.slack.com/changelog/2018-04-truncating-really-long-messages
- some 13,000 characters in all blocks, not documented: https://github.com/slackapi/bolt-js/issues/2509
- `&`, `<` and `>` escaped, `verbatim` against links and mentions: https://api.slack.com/reference/surfaces/formatting
- answers of webhooks: https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
- 429 with `Retry-After`: https://api.slack.com/docs/rate-limits
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from elder_assets.audit.errors import ConfigurationError, DeliveryDelayed, DeliveryFailed
from resources.notifiers.answers import check, json_field, retry_after
from resources.notifiers.notifier import Channel, Item, Line, Message, Sent, and_more, cut, length
from resources.outbound import check_url, post
from resources.secrets import Secret

API = "https://slack.com/api/chat.postMessage"
MOST_BLOCKS = 50
SECTION_LENGTH = 3_000
HEADER_LENGTH = 150
TEXT_LENGTH = 40_000
ALL_BLOCKS_LENGTH = 12_000
"""A tenth under what Slack was seen to refuse."""
_CHANNEL = re.compile(r"[CGD][A-Z0-9]{5,30}")
_LATER = {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable", "request_timeout"}
_ERROR = re.compile(r"[a-z_]{1,60}")
_JOINER = "\u2060"
_FORMAT_EDGE = re.compile(r"(?<!\w)[*_~`]|[*_~`](?!\w)")
_MENTION = re.compile(r"(?<![\w.])@(?=\w)")


def opened(channel: Channel) -> SlackNotifier:
    """A notifier for a webhook address, or for a token and a channel."""
    reference, _, room = channel.address.strip().partition(" ")
    secret = channel.secrets.of(reference)
    room = room.strip()
    if room and not _CHANNEL.fullmatch(room):
        raise ConfigurationError("channel of Slack", room, "its id, such as C0123456")
    if room and not re.fullmatch(r"[\x21-\x7e]+", secret.reveal()):
        raise ConfigurationError("token of Slack", "a text of another form", "printable ASCII without blanks")
    if not room:
        check_url(secret.reveal(), channel.boundary)
    return SlackNotifier(channel, secret, room)


class SlackNotifier:
    """Posts blocks, with the same as text for notifications."""

    def __init__(self, channel: Channel, secret: Secret, room: str, api: str = API) -> None:
        self._channel, self._secret, self._room, self._api = channel, secret, room, api

    def send(self, message: Message) -> Sent:
        """Post the message; its id is the `ts` that `chat.postMessage` gives, '' from a webhook."""
        payload: dict[str, Any] = {"text": cut(escaped(message.title), TEXT_LENGTH), "blocks": blocks(message)}
        headers = {"Content-Type": "application/json; charset=utf-8"}
        if self._room:
            payload |= {"channel": self._room, "parse": "none", "link_names": False, "unfurl_links": False}
            headers["Authorization"] = f"Bearer {self._secret.reveal()}"
        url = self._api if self._room else self._secret.reveal()
        answer = post(url, msgspec.json.encode(payload), headers, self._channel.boundary)
        check(answer, "Slack", self._channel.clock())
        if not self._room:
            return Sent()
        if json_field(answer, "ok") is not True:
            error = str(json_field(answer, "error"))
            said = f"Slack refused: {error if _ERROR.fullmatch(error) else 'no reason that can be read'}"
            if error in _LATER:
                raise DeliveryDelayed(said, retry_after(answer, self._channel.clock()))
            raise DeliveryFailed(said)
        return Sent(str(json_field(answer, "ts") or ""))


def blocks(message: Message) -> list[dict[str, Any]]:
    """Header, facts, items, advice and link, within every limit; what does not fit is counted."""
    facts = "\n".join(_fact(line) for line in message.lines)
    first = [
        {"type": "header", "text": {"type": "plain_text", "text": _title(message.title), "emoji": False}},
        _section(facts or "-"),
    ]
    last = [_section(_fact(message.advice))] if message.advice else []
    if message.link:
        last.append(_section(f"<{escaped_address(message.link)}|{escaped(message.link_label)}>"))
    room = ALL_BLOCKS_LENGTH - sum(length(block["text"]["text"]) for block in [*first, *last])
    return [*first, *_items(message, room, MOST_BLOCKS - len(first) - len(last)), *last]


def _title(title: str) -> str:
    """Plain text is shown as it is and needs no escape; mentions are broken all the same."""
    return cut(_MENTION.sub(f"@{_JOINER}", title).replace("<!", f"<{_JOINER}!"), HEADER_LENGTH)


def _items(message: Message, room: int, places: int) -> list[dict[str, Any]]:
    texts = [_item(item) for item in message.items]
    shown: list[str] = [f"*{escaped(message.items_label)}*"] if texts else []
    room -= sum(map(length, shown)) + 100  # for 'and N more'
    for text in texts:
        if len(shown) >= places - 1 or length(text) > room:
            break
        shown.append(text)
        room -= length(text)
    left_out = message.omitted + len(texts) - max(len(shown) - 1, 0)
    if left_out > 0:
        shown.append(escaped(and_more(message.language, left_out)))
    return [_section(text) for text in shown]


def _item(item: Item) -> str:
    body = "\n".join(escaped(text) for text in (item.text, item.remedy) if text)
    return f"• *{escaped(item.heading)}*" + (f"\n{body}" if body else "")


def _fact(line: Line) -> str:
    return f"*{escaped(line.label)}*: {escaped(line.text)}"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut_escaped(text), "verbatim": True}}


def _cut_escaped(text: str) -> str:
    """Cut to a section without leaving half an entity such as '&am'."""
    short = cut(text, SECTION_LENGTH)
    return short if short == text else re.sub(r"&[a-z]{0,3}…$", "…", short)


def escaped(text: str) -> str:
    """A text that Slack shows as it is: no link, mention, bold or code.

    A word joiner (invisible, no width) keeps `*`, `_`, `~` and backquotes at the edge of a word from formatting it, and
    `@here` from being one; Slack has no escape for these.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = _FORMAT_EDGE.sub(lambda match: f"{_JOINER}{match[0]}{_JOINER}", text)
    return _MENTION.sub(f"@{_JOINER}", text)


def escaped_address(address: str) -> str:
    """An address of ours inside `<...|...>`."""
    return address.replace("&", "&amp;").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
