"""E-mail: headers that cannot be injected into, a text and an HTML part, encryption and login."""

from __future__ import annotations

import base64
import socket
import ssl
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import msgspec
import pytest
from certificates import NAME, contexts
from receivers import Receiver, Talk, smtp
from test_notifier_conformance import NOW, PASSWORD, message

from elder_assets.audit.errors import ConfigurationError, DeliveryDelayed, DeliveryFailed
from resources.notifiers.notifier import Item, Notifier, open_notifier
from resources.outbound import Boundary
from resources.secrets import Secrets

QUERY = "from=elder@example.org&to=a@example.org,b@example.org"
AUTH = ("STARTTLS", "AUTH PLAIN")


def opened(receiver: Receiver, scheme: str = "smtp", extra: str = "&tls=none", *, user: str = "", **fields) -> Notifier:
    host = NAME if "tls" in fields else "127.0.0.1"
    boundary = Boundary(
        **{"allowed_hosts": frozenset({host}), "resolve": lambda *_: ["127.0.0.1"], "deadline_seconds": 5.0} | fields
    )
    address = f"{scheme}://{user}{host}:{receiver.port}?{QUERY}{extra}"
    return open_notifier("email", address, Secrets({"PASSWORD": PASSWORD}), boundary=boundary, clock=lambda: NOW)


def received(receiver: Receiver) -> EmailMessage:
    return message_from_bytes(receiver.mails[0], policy=default)


@pytest.fixture
def server(request: pytest.FixtureRequest):
    receiver = Receiver(getattr(request, "param", smtp()))
    yield receiver
    receiver.close()


def test_a_mail_says_who_when_and_that_a_machine_wrote_it(server: Receiver):
    sent = opened(server).send(message())
    mail = received(server)
    assert mail["From"] == "Elder <elder@example.org>"
    assert mail["To"] == "a@example.org, b@example.org"
    assert mail["Subject"] == "Gate failed: host/owner/shop"
    assert mail["Date"].datetime.timestamp() == NOW
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == sent.provider_id
    assert mail["Message-ID"].endswith("@example.org>")
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert [c for c in server.commands if c.startswith("rcpt")] == [
        "rcpt TO:<a@example.org>",
        "rcpt TO:<b@example.org>",
    ]


def test_the_same_message_is_the_same_mail_and_another_is_not(server: Receiver):
    notifier = opened(server)
    first, again = notifier.send(message()), notifier.send(message())
    other = notifier.send(msgspec.structs.replace(message(), key="other"))
    assert first == again
    assert first != other


def test_a_subject_in_japanese_arrives_as_it_was(server: Receiver):
    title = "ゲート不合格: host/owner/shop " + "魔法" * 60
    opened(server).send(msgspec.structs.replace(message(), title=title))
    assert received(server)["Subject"] == title
    assert max(map(len, server.mails[0].split(b"\r\n"))) <= 998
    server.mails[0].decode("ascii")


@pytest.mark.parametrize(
    "title", ["x\r\nBcc: victim@example.org", "x\nBcc: victim@example.org", "x\r\n\r\nbody", "x\u2028Bcc: y"]
)
def test_a_title_cannot_become_a_header(server: Receiver, title: str):
    opened(server).send(msgspec.structs.replace(message(), title=title))
    mail = received(server)
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("x ")


def test_html_shows_markup_as_text(server: Receiver):
    item = Item(heading="<b>R", text="<script>alert(1)</script>", remedy='"><img src=x>')
    opened(server).send(msgspec.structs.replace(message(), items=(item,), title="<i>t"))
    html = received(server).get_body(("html",)).get_content()
    assert "<h2>&lt;i&gt;t</h2>" in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "<img" not in html


@pytest.mark.parametrize(
    ("server", "error", "text"),
    [
        (smtp({"RCPT": "550 no"}), DeliveryFailed, "refused every recipient"),
        (smtp({"GREETING": "554 go away"}), DeliveryFailed, "554"),
        (smtp({"DATA": "550 no"}), DeliveryFailed, "550"),
        (smtp({"DATA": "421 shutting down"}), DeliveryDelayed, "421"),
    ],
    indirect=["server"],
)
def test_a_refusal_says_the_code_and_not_the_servers_words(server: Receiver, error: type, text: str):
    with pytest.raises(error, match=text) as failed:
        opened(server).send(message())
    assert type(failed.value) is error
    assert "go away" not in str(failed.value)


def tls_talk(context: ssl.SSLContext, *, implicit: bool) -> Talk:
    """A mail server with encryption, from the start or by STARTTLS."""
    inner = smtp({"AUTH": "235 welcome"}, ("AUTH PLAIN",))

    def talk(connection: socket.socket, receiver: Receiver) -> None:
        if not implicit:
            lines = connection.makefile("rb")
            connection.sendall(b"220 fake\r\n")
            receiver.commands.append(lines.readline().decode().strip())
            connection.sendall(b"250-fake\r\n250 STARTTLS\r\n")
            receiver.commands.append(lines.readline().decode().strip())
            connection.sendall(b"220 go\r\n")
        with context.wrap_socket(connection, server_side=True) as secured:
            inner(_Silent(secured) if not implicit else secured, receiver)

    return talk


class _Silent:
    """After STARTTLS a server does not greet again."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        self._connection, self._greeted = connection, False

    def sendall(self, data: bytes) -> None:
        if self._greeted:
            self._connection.sendall(data)
        self._greeted = True

    def __getattr__(self, name: str):
        return getattr(self._connection, name)


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
def test_a_login_happens_inside_encryption(scheme: str, tmp_path: Path):
    secured, trusting = contexts(tmp_path)
    receiver = Receiver(tls_talk(secured, implicit=scheme == "smtps"))
    opened(receiver, scheme, "&password=env:PASSWORD", user="elder%40x@", tls=trusting).send(message())
    (login,) = [command for command in receiver.commands if command.startswith("AUTH")]
    assert base64.b64decode(login.split()[2]).decode() == f"\0elder@x\0{PASSWORD}"
    assert len(receiver.mails) == 1
    assert ("STARTTLS" in receiver.commands) is (scheme == "smtp")
    receiver.close()


@pytest.mark.parametrize("scheme", ["smtps", "smtp"])
def test_a_certificate_that_nobody_vouches_for_is_refused(scheme: str, tmp_path: Path):
    secured, _ = contexts(tmp_path)
    receiver = Receiver(tls_talk(secured, implicit=scheme == "smtps"))
    with pytest.raises(DeliveryFailed, match=r"certificate of mail\.test is not right"):
        opened(receiver, scheme, "", tls=ssl.create_default_context()).send(message())
    assert receiver.mails == []
    receiver.close()


def test_a_server_without_starttls_gets_neither_login_nor_mail(server: Receiver):
    with pytest.raises(DeliveryFailed, match="STARTTLS"):
        opened(server, "smtp", "&password=env:PASSWORD", user="elder@").send(message())
    assert not any(command.startswith(("AUTH", "mail")) for command in server.commands)


@pytest.mark.parametrize(
    "address",
    [
        f"smtp://127.0.0.1?{QUERY}&tls=none",
        f"smtps://127.0.0.1?{QUERY}&tls=none",
        f"smtp://user@mail.test?{QUERY}",
        f"smtp://mail.test?{QUERY}&password=env:PASSWORD",
        f"smtps://user:hunter2@mail.test?{QUERY}",
        "smtps://mail.test?from=elder@example.org",
        "smtps://mail.test?from=elder@example.org&to=a@example.org%0d%0aRCPT%20TO:x",
        "smtps://mail.test?from=a%20b@example.org&to=a@example.org",
        "smtps://mail.test?to=a@example.org",
        f"smtps://mail.test?{QUERY}&from=x@y",
        f"smtps://mail.test?{QUERY}&debug=1",
        f"smtps://mail.test:99999?{QUERY}",
        "smtps://mail.test?from=e@x.org&to=" + ",".join(f"a{n}@x.org" for n in range(51)),
    ],
)
def test_an_address_that_is_unsafe_or_half_is_refused(address: str):
    with pytest.raises(ConfigurationError) as refused:
        open_notifier("email", address, Secrets({"PASSWORD": PASSWORD}))
    assert "hunter2" not in str(refused.value)
    assert PASSWORD not in str(refused.value)
