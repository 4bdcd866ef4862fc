"""What every notifier does: delivers, tells later from never, keeps its address to itself, lets no text act."""

from __future__ import annotations

import logging
import pickle
import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from typing import Any

import msgspec
import pytest
import receivers
from receivers import Receiver, Talk, http, smtp

from elder_assets.audit.alert_events import Event, TopFinding
from elder_assets.audit.alerts import Notice
from elder_assets.audit.errors import ConfigurationError, DeliveryDelayed, DeliveryFailed, Transient
from resources.notifiers.messages import render
from resources.notifiers.notifier import KINDS, Item, Message, Notifier, Sent, open_notifier
from resources.outbound import Boundary
from resources.secrets import Secret, Secrets

PLACE = "T0000-very-secret-place"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PASSWORD = "correct horse battery"
NOW = 1_772_452_800.0
HOSTILE = (
    "<!channel> <@U123> @here @everyone </p><script>alert(1)</script> [click](https://evil.example) *b* `c` ||s||\r\n"
    "Bcc: victim@example.org\r\n\r\n.\r\nMAIL FROM:<x@y>\u202e \u0000"
)

ANSWERS: dict[str, dict[str, Talk]] = {
    "http": {
        "well": http(200, body=b"ok"),
        "busy": http(429, {"Retry-After": "7"}),
        "busy, in words": http(429, {"Retry-After": "soon"}),
        "busy until a date": http(429, {"Retry-After": "Mon, 02 Mar 2026 12:01:00 GMT"}),
        "broken": http(503),
        "hangs": receivers.http_hangs,
        "drips": receivers.http_drips,
        "resets": receivers.http_resets,
        "babbles": receivers.http_garbage,
        "gone": http(404, body=b"no_service"),
        "refuses": http(400, body=b"invalid_payload"),
        "redirects": http(302, {"Location": "http://127.0.0.1:1/"}),
    },
    "smtp": {
        "well": smtp(),
        "busy": smtp({"MAIL": "451 later"}),
        "busy, in words": smtp({"GREETING": "421 too many"}),
        "busy until a date": smtp({".": "452 full"}),
        "broken": smtp({"RCPT": "450 greylisted"}),
        "hangs": smtp({"MAIL": "hang"}),
        "drips": smtp({"MAIL": "drip"}),
        "resets": smtp({"MAIL": "reset"}),
        "babbles": smtp({"GREETING": "\x00\x01 no protocol"}),
        "gone": smtp({"RCPT": "550 no such user"}),
        "refuses": smtp({".": "554 spam"}),
        "redirects": smtp({"RCPT": "551 user not local; try elsewhere"}),
    },
}


@dataclass
class Line:
    """A notifier, and the receiver at its other end."""

    kind: str
    notifier: Notifier
    receiver: Receiver

    def text_of_body(self) -> str:
        """Everything that arrived, as a reader of the channel would take it apart."""
        if self.kind == "email":
            mail = message_from_bytes(self.receiver.mails[-1], policy=default)
            return str(mail["Subject"]) + "".join(part.get_content() for part in mail.iter_parts())
        return self.receiver.requests[-1].partition(b"\r\n\r\n")[2].decode()


Connect = Callable[..., Line]


def opened(kind: str, port: int, **fields: Any) -> Notifier:
    """A notifier of a kind whose receiver listens on a port of loopback."""
    place = f"http://127.0.0.1:{port}/{PLACE}"
    environment = {"PLACE": place, "KEY": KEY, "PASSWORD": PASSWORD}
    address = {
        "slack": "env:PLACE",
        "discord": "env:PLACE",
        "webhook": "env:PLACE env:KEY",
        "email": f"smtp://127.0.0.1:{port}?from=elder@example.org&to=team@example.org&tls=none",
    }[kind]
    boundary = Boundary(**{"allowed_hosts": frozenset({"127.0.0.1"}), "deadline_seconds": 5.0} | fields)
    return open_notifier(kind, address, Secrets(environment), boundary=boundary, clock=lambda: NOW)


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    running: list[Receiver] = []
    kind = request.param

    def start(answer: str, **fields: Any) -> Line:
        receiver = Receiver(ANSWERS["smtp" if kind == "email" else "http"][answer])
        running.append(receiver)
        return Line(kind, opened(kind, receiver.port, **fields), receiver)

    yield start
    for receiver in running:
        receiver.close()


def notice(**fields: Any) -> Notice:
    event = Event(
        kind="gate_failed",
        project="host/owner/shop",
        team="pay",
        at=int(NOW),
        commit="c" * 40,
        after="failed",
        found=5,
        findings=(
            TopFinding(finding_id="f", rule="STR010", place="src/a.py:3", message="a password", remedy="remove it"),
        ),
        link="/projects/shop",
    )
    return Notice(
        key="r|gate_failed|host/owner/shop||c@1", event=msgspec.structs.replace(event, **fields), severity="warning"
    )


def message(**fields: Any) -> Message:
    return render(notice(**fields), "en", base_url="https://elder.example.org")


def test_a_message_arrives_with_all_it_says(connect: Connect):
    line = connect("well")
    assert isinstance(line.notifier.send(message()), Sent)
    text = line.text_of_body().replace("\\", "")
    for said in (
        "Gate failed",
        "host/owner/shop",
        "5 findings fail the gate",
        "STR010 src/a.py:3",
        "a password",
        "remove it",
    ):
        assert said in text
    assert "and 4 more" in text or '"items_omitted":4' in text
    assert "https://elder.example.org/projects/shop" in text


@pytest.mark.parametrize(
    "answer", ["busy", "busy, in words", "busy until a date", "broken", "hangs", "drips", "resets", "babbles"]
)
def test_what_may_work_later_is_delayed(connect: Connect, answer: str):
    waits = answer in {"hangs", "drips"}
    line = connect(answer, **({"deadline_seconds": 0.4} if waits else {}))
    with pytest.raises(DeliveryDelayed) as failed:
        line.notifier.send(message())
    assert isinstance(failed.value, Transient)
    if line.kind != "email":
        expected = {"busy": 7.0, "busy until a date": 60.0}.get(answer)
        assert failed.value.retry_after_seconds == expected


@pytest.mark.parametrize("answer", ["gone", "refuses", "redirects"])
def test_what_will_not_work_is_final(connect: Connect, answer: str):
    line = connect(answer)
    with pytest.raises(DeliveryFailed) as failed:
        line.notifier.send(message())
    assert not isinstance(failed.value, Transient)


def test_nobody_listening_is_a_delay(connect: Connect):
    line = connect("well")
    line.receiver.close()
    with pytest.raises(DeliveryDelayed, match="no connection"):
        line.notifier.send(message())


@pytest.mark.parametrize("answer", list(ANSWERS["http"]))
def test_no_secret_shows_in_any_log_error_or_repr(connect: Connect, answer: str, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    line = connect(answer, deadline_seconds=0.4)
    shown = repr(line.notifier)
    try:
        shown += repr(line.notifier.send(message()))
    except DeliveryFailed as error:
        shown += "".join(traceback.format_exception(error))
    shown += caplog.text + repr([record.__dict__ for record in caplog.records])
    for secret in (PLACE, KEY, KEY.removeprefix("whsec_"), PASSWORD):
        assert secret not in shown


def test_hostile_text_is_inert(connect: Connect):
    """What each channel would act on; test_<channel>.py says what it shows instead."""
    line = connect("well")
    finding = TopFinding(finding_id="f", rule="STR010", place=HOSTILE, message=HOSTILE, remedy=HOSTILE)
    line.notifier.send(message(project=HOSTILE, reason=HOSTILE, findings=(finding,)))
    text = line.text_of_body()
    if line.kind == "email":
        assert [c for c in line.receiver.commands if c.startswith("rcpt")] == ["rcpt TO:<team@example.org>"]
        assert [c for c in line.receiver.commands if c.startswith("mail")] == ["mail FROM:<elder@example.org>"]
        assert "<script" not in text.partition("<!DOCTYPE")[2]
    acts = {
        "slack": r"https://evil|@here|@everyone",
        "discord": r"https://evil|[^\\\\]@here|[^\\\\]<@U123>|[^\\\\]\]\(",
        "webhook": r"\r|\n",
        "email": r"https://evil|\nBcc:|\u202e|\0",
    }
    assert not re.search(acts[line.kind], text)


def test_a_message_of_any_size_is_cut_to_what_the_channel_takes(connect: Connect):
    line = connect("well")
    large = msgspec.structs.replace(
        message(),
        items=tuple(Item(heading=f"R{n} " + "<" * 290, text="&" * 290, remedy="😀" * 290) for n in range(300)),
    )
    line.notifier.send(large)
    assert re.search(r"and [\d,]+ more|\"items_omitted\":254", line.text_of_body())


def test_a_place_inside_our_network_is_refused_unless_the_operator_allowed_it(connect: Connect):
    line = connect("well")
    kind, port = line.kind, line.receiver.port
    if kind == "email":
        address = f"smtp://internal.test:{port}?from=elder@example.org&to=team@example.org"
    else:
        address = "env:PLACE env:KEY" if kind == "webhook" else "env:PLACE"
    secrets = Secrets({"PLACE": f"https://internal.test:{port}/x", "KEY": KEY})
    notifier = open_notifier(kind, address, secrets, boundary=Boundary(resolve=lambda *_: ["127.0.0.1"]))
    with pytest.raises(DeliveryFailed, match="not a public address") as failed:
        notifier.send(message())
    assert not isinstance(failed.value, Transient)
    assert line.receiver.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nonsense",
        "env:MISSING",
        "env:GARBAGE",
        "env:GARBAGE env:KEY",
        "file:/nowhere/at/all",
        "ftp://host/x",
        "smtp://",
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_an_address_of_another_form_is_refused_without_repeating_it(kind: str, address: str):
    with pytest.raises(ConfigurationError) as refused:
        open_notifier(kind, address, Secrets({"GARBAGE": f"ftp://{PLACE}", "KEY": KEY}))
    assert PLACE not in str(refused.value)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigurationError, match="slack, discord, email, webhook"):
        open_notifier("pager", "env:X", Secrets({}))


def test_a_secret_shows_itself_to_nobody_who_does_not_ask():
    secret = Secret(PLACE)
    assert PLACE not in f"{secret} {secret!r} {[secret]} {vars(Secret)}"
    assert secret.reveal() == PLACE
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


def test_a_pasted_secret_is_not_repeated():
    with pytest.raises(ConfigurationError) as refused:
        Secrets({}).of(f"https://hooks.slack.com/{PLACE}")
    assert PLACE not in str(refused.value)


def test_a_secret_in_a_mounted_file_is_read(tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    assert Secrets({}).of(f"file:{tmp_path / 'key'}").reveal() == KEY
