"""Slack: blocks within every limit, text that shows as it is, answers of both ways to post."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from receivers import Receiver, http

from elder_assets.audit.errors import ConfigurationError, DeliveryDelayed, DeliveryFailed
from resources.notifiers.notifier import Channel, Item, Line, Message, length, open_notifier
from resources.notifiers.slack import SlackNotifier, blocks, escaped
from resources.outbound import Boundary
from resources.secrets import Secret, Secrets

J = "\u2060"


def message(**fields: object) -> Message:
    base = Message(
        key="k",
        kind="gate_failed",
        severity="warning",
        is_recovery=False,
        language="en",
        at=0,
        title="Gate failed: host/shop",
        lines=(Line("Project", "host/shop"),),
        items_label="Top findings",
        link="https://elder.example.org/p?a=1&b=2|x",
        link_label="Open in Elder",
        advice=Line("What to do", "fix it"),
    )
    return msgspec.structs.replace(base, **fields)


def sizes(made: list[dict]) -> list[int]:
    return [length(block["text"]["text"]) for block in made]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel> & <@U1>", f"&lt;!channel&gt; &amp; &lt;@{J}U1&gt;"),
        ("@here me@example.org", f"@{J}here me@example.org"),
        ("*bold* a*b _x_ test_total", f"{J}*{J}bold{J}*{J} a*b {J}_{J}x{J}_{J} test_total"),
        ("`code` ~no~", f"{J}`{J}code{J}`{J} {J}~{J}no{J}~{J}"),
        ("&lt;", "&amp;lt;"),
    ],
)
def test_text_shows_as_it_is(text, shown):
    assert escaped(text) == shown


def test_a_message_is_header_facts_items_advice_and_link():
    made = blocks(message(items=(Item(heading="STR010 a.py:1", text="a password", remedy="remove it"),), omitted=2))
    assert [block["type"] for block in made] == [
        "header",
        "section",
        "section",
        "section",
        "section",
        "section",
        "section",
    ]
    assert [block["text"]["text"] for block in made] == [
        "Gate failed: host/shop",
        "*Project*: host/shop",
        "*Top findings*",
        "• *STR010 a.py:1*\na password\nremove it",
        "and 2 more",
        "*What to do*: fix it",
        "<https://elder.example.org/p?a=1&amp;b=2%7Cx|Open in Elder>",
    ]
    assert all(block["text"].get("verbatim", True) for block in made)


@pytest.mark.parametrize("count", [0, 1, 44, 45, 46, 500])
@pytest.mark.parametrize("text", ["x", "<" * 300, "😀" * 300])
def test_no_limit_is_passed_and_nothing_is_lost_without_being_counted(count, text):
    made = blocks(
        message(
            title=text * 2,
            lines=tuple(Line("L", text * 9) for _ in range(3)),
            items=tuple(Item(heading=f"R{n}", text=text) for n in range(count)),
            omitted=1,
        )
    )
    assert len(made) <= 50
    assert sizes(made)[0] <= 150
    assert max(sizes(made)) <= 3000
    assert sum(sizes(made)) <= 12_000
    shown = sum(block["text"]["text"].startswith("• *R") for block in made)
    assert f"and {count + 1 - shown} more" in [block["text"]["text"] for block in made]


def test_a_cut_leaves_no_half_entity():
    for padding in range(6):
        text = blocks(message(lines=(Line("L", "a" * padding + "&" * 900),)))[1]["text"]["text"]
        assert text.rstrip("…").replace("&amp;", "").strip("*: La") == ""


@pytest.fixture
def api() -> Iterator:
    running = []

    def start(status: int, body: bytes, headers: dict | None = None) -> tuple[SlackNotifier, Receiver]:
        receiver = Receiver(http(status, headers, body))
        running.append(receiver)
        boundary = Boundary(allowed_hosts=frozenset({"127.0.0.1"}))
        channel = Channel(address="", secrets=Secrets({}), boundary=boundary, clock=lambda: 0.0)
        return SlackNotifier(channel, Secret("xoxb-1"), "C012345", f"http://127.0.0.1:{receiver.port}/api"), receiver

    yield start
    for receiver in running:
        receiver.close()


def test_a_token_posts_to_its_channel_and_gets_the_id(api):
    notifier, receiver = api(200, b'{"ok":true,"ts":"1503435956.000247"}')
    assert notifier.send(message()).provider_id == "1503435956.000247"
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert b"Authorization: Bearer xoxb-1" in head
    payload = msgspec.json.decode(body)
    assert (payload["channel"], payload["parse"], payload["link_names"]) == ("C012345", "none", False)


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (200, b'{"ok":false,"error":"channel_not_found"}', None, "channel_not_found"),
        (200, b'{"ok":false,"error":"<b>xoxb-1</b>"}', None, "no reason that can be read"),
        (200, b"not json", None, "no reason that can be read"),
        (200, b'{"ok":false,"error":"ratelimited"}', {"Retry-After": "3"}, 3.0),
        (429, b'{"ok":false}', {"Retry-After": "9"}, 9.0),
    ],
)
def test_an_answer_of_the_api_says_later_or_never(api, status, body, headers, expected):
    notifier, _ = api(status, body, headers)
    with pytest.raises(DeliveryFailed) as failed:
        notifier.send(message())
    if isinstance(expected, float):
        assert isinstance(failed.value, DeliveryDelayed)
        assert failed.value.retry_after_seconds == expected
    else:
        assert not isinstance(failed.value, DeliveryDelayed)
        assert expected in str(failed.value)
        assert "xoxb" not in str(failed.value)


@pytest.mark.parametrize(("room", "token"), [("general", "xoxb-1"), ("C012345", "xoxb 1"), ("C012345", "xoxb\n1")])
def test_a_channel_is_named_by_its_id_and_a_token_has_no_blanks(room, token):
    with pytest.raises(ConfigurationError):
        open_notifier("slack", f"env:T {room}", Secrets({"T": token}))
