"""Discord: one embed within every limit, Markdown and mentions without effect."""

from __future__ import annotations

import msgspec
import pytest
from receivers import Receiver, http
from test_slack import message

from elder_assets.audit.errors import DeliveryDelayed
from resources.notifiers.discord import embed, escaped
from resources.notifiers.notifier import Item, Line, Notifier, length, open_notifier
from resources.outbound import Boundary
from resources.secrets import Secrets


def opened(receiver: Receiver, query: str = "") -> Notifier:
    boundary = Boundary(allowed_hosts=frozenset({"127.0.0.1"}))
    secrets = Secrets({"PLACE": f"http://127.0.0.1:{receiver.port}/api/webhooks/1/x{query}"})
    return open_notifier("discord", "env:PLACE", secrets, boundary=boundary, clock=lambda: 0.0)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@everyone <@1> <#2>", r"\@everyone \<\@1\> \<\#2\>"),
        ("[x](https://e)", r"\[x\]\(https\://e\)"),
        ("**b** __u__ ~~s~~ ||p|| `c`", r"\*\*b\*\* \_\_u\_\_ \~\~s\~\~ \|\|p\|\| \`c\`"),
        ("\\", "\\\\"),
    ],
)
def test_text_shows_as_it_is(text, shown):
    assert escaped(text) == shown


@pytest.mark.parametrize("count", [0, 1, 24, 25, 26, 300])
@pytest.mark.parametrize("text", ["x", "*" * 300, "😀" * 300])
def test_no_limit_is_passed_and_nothing_is_lost_without_being_counted(count, text):
    made = embed(
        message(
            title=text,
            lines=tuple(Line("L", text * 5) for _ in range(4)),
            items=tuple(Item(heading=f"R{n} {text}", text=text, remedy=text) for n in range(count)),
            omitted=1,
        )
    )
    fields = made["fields"]
    assert length(made["title"]) <= 256
    assert length(made["description"]) <= 4096
    assert len(fields) <= 25
    assert all(length(field["name"]) <= 256 and 1 <= length(field["value"]) <= 1024 for field in fields)
    total = (
        length(made["title"])
        + length(made["description"])
        + sum(length(f["name"]) + length(f["value"]) for f in fields)
    )
    assert total <= 6000
    assert fields[-1]["value"] == f"and {count + 1 - (len(fields) - 1)} more"


def test_a_cut_leaves_no_lone_backslash():
    for padding in range(4):
        title = embed(message(title="a" * padding + "*" * 300))["title"]
        assert title.rstrip("…").lstrip("a").replace("\\*", "") == ""


def test_the_id_of_the_stored_message_comes_back_and_nobody_is_mentioned():
    receiver = Receiver(http(200, body=b'{"id":"123"}'))
    assert opened(receiver, "?thread_id=5").send(message()).provider_id == "123"
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/webhooks/1/x?thread_id=5&wait=true ")
    assert msgspec.json.decode(body)["allowed_mentions"] == {"parse": []}
    receiver.close()


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({}, b'{"message":"slow down","retry_after":0.57,"global":false}', 0.57),
        ({"X-RateLimit-Reset-After": "1.5", "Retry-After": "1500"}, b'{"retry_after":1500}', 1.5),
        ({"Retry-After": "2"}, b'{"retry_after":2000}', 2.0),
        ({"Retry-After": "-5"}, b"", 0.0),
        ({"Retry-After": "1e400"}, b'{"retry_after":"NaN"}', None),
        ({"Retry-After": "999999999"}, b"", 86_400.0),
        ({}, b"[" * 60_000, None),
    ],
)
def test_a_rate_limit_says_how_long_to_wait(headers, body, seconds):
    receiver = Receiver(http(429, headers, body))
    with pytest.raises(DeliveryDelayed) as failed:
        opened(receiver).send(message())
    assert failed.value.retry_after_seconds == (None if seconds is None else pytest.approx(seconds))
    receiver.close()
