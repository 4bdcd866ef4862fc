"""E-mail by SMTP.

Address: `env:NAME` of it, or as it is: `smtps://user@host:465?from=elder@host&to=a@host,b@host&password=env:NAME` for
TLS from the start,
`smtp://...:587` for STARTTLS, which is then required. `tls=none` sends in the clear, to hosts that the operator allowed
and without a login only. The certificate is verified.

- Submission and implicit TLS: RFC 6409, RFC 8314. Replies of 4yz mean later, of 5yz never: RFC 5321 section 4.2.1.
- `Auto-Submitted: auto-generated`, so that nobody's absence note answers: RFC 3834 section 5.
- The Message-ID is derived from the message's key: a mail that was sent twice is one mail to most readers.
"""

from __future__ import annotations

import hashlib
import html
import re
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from elder_assets.audit.errors import ConfigurationError, DeliveryDelayed, DeliveryFailed
from resources.notifiers.notifier import Channel, Item, Line, Message, Sent, and_more, cut
from resources.outbound import Boundary
from resources.secrets import Secret

SUBJECT_LENGTH = 200
"""Chosen by us: readers show some 80 characters."""
MOST_ITEMS = 100
MOST_RECIPIENTS = 50
_PORTS = {"smtp": 587, "smtps": 465}
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class Relay(msgspec.Struct, frozen=True, kw_only=True):
    """A mail server and who writes to whom through it."""

    host: str
    port: int
    encryption: str
    """'smtps', 'starttls' or 'none'."""
    user: str
    password: Secret | None
    sender: str
    recipients: tuple[str, ...]


def opened(channel: Channel) -> EmailNotifier:
    """A notifier for a mail server."""
    return EmailNotifier(channel, _relay(channel))


def _relay(channel: Channel) -> Relay:
    key, allowed = "address of a mail channel", "smtps://user@host:465?from=...&to=...&password=env:NAME"
    address = channel.address.strip()
    if address.startswith(("env:", "file:")):
        address = channel.secrets.of(address).reveal()
    try:
        parts = urlsplit(address)
        port, query = parts.port, parse_qs(parts.query, strict_parsing=True, max_num_fields=10)
    except ValueError:
        raise ConfigurationError(key, "an address that cannot be read", allowed) from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
        raise ConfigurationError(key, "an address of another form", allowed)
    if parts.password or set(query) - {"from", "to", "password", "tls"} or any(len(v) != 1 for v in query.values()):
        raise ConfigurationError(key, f"an address of {parts.hostname} with other fields or a password", allowed)
    given = {name: values[0] for name, values in query.items()}
    relay = Relay(
        host=parts.hostname.lower(),
        port=port or _PORTS[parts.scheme],
        encryption=_encryption(parts.scheme, given.get("tls", "")),
        user=unquote(parts.username or ""),
        password=channel.secrets.of(given["password"]) if "password" in given else None,
        sender=_mailbox(given.get("from", "")),
        recipients=tuple(_mailbox(text) for text in given.get("to", "").split(",")),
    )
    _check(relay, channel.boundary)
    return relay


def _encryption(scheme: str, tls: str) -> str:
    if tls not in {"", "none"} or (tls and scheme == "smtps"):
        raise ConfigurationError("tls", tls, "none, with smtp:// only")
    return tls or {"smtps": "smtps", "smtp": "starttls"}[scheme]


def _mailbox(text: str) -> str:
    text = text.strip()
    if not _MAILBOX.fullmatch(text):
        raise ConfigurationError("mailbox", text, "name@host in ASCII")
    return text


def _check(relay: Relay, boundary: Boundary) -> None:
    if bool(relay.user) != (relay.password is not None):
        raise ConfigurationError(
            "login of a mail channel", "half of it", "both a user and password=env:NAME, or neither"
        )
    if len(relay.recipients) > MOST_RECIPIENTS:
        raise ConfigurationError("to", len(relay.recipients), f"at most {MOST_RECIPIENTS} mailboxes")
    if relay.encryption == "none" and (relay.user or not boundary.allows(relay.host, relay.port)):
        raise ConfigurationError("tls", "none", "none for allowed hosts and without a login only")


class EmailNotifier:
    """Sends one mail with a text and an HTML part to all recipients."""

    def __init__(self, channel: Channel, relay: Relay) -> None:
        self._channel, self._relay = channel, relay

    def send(self, message: Message) -> Sent:
        """Hand the mail to the server; its id is the Message-ID."""
        mail = composed(message, self._relay, self._channel.clock())
        with _errors(self._relay.host), self._connected() as server:
            refused = server.send_message(mail, self._relay.sender, list(self._relay.recipients))
        if refused:
            codes = sorted({code for code, _ in refused.values()})
            later = all(400 <= code < 500 for code in codes)  # who has it already gets it again, under the same id
            said = f"{len(refused)} of {len(self._relay.recipients)} recipients were refused ({codes})"
            raise (DeliveryDelayed if later else DeliveryFailed)(said)
        return Sent(str(mail["Message-ID"]))

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        relay, boundary = self._relay, self._channel.boundary
        addresses = boundary.addresses(relay.host, relay.port)
        server = _Server(relay, boundary, addresses)
        # smtplib bounds each read only; a server that drips would hold us for ever.
        watch = threading.Timer(boundary.deadline_seconds, server.shut)
        watch.daemon = True
        watch.start()
        try:
            code, greeting = server.connect(relay.host, relay.port)
            if code != 220:
                raise smtplib.SMTPConnectError(code, greeting)
            if relay.encryption == "starttls":
                server.starttls(context=boundary.tls_context())
            if relay.password is not None:
                server.login(relay.user, relay.password.reveal())
            yield server
            server.quit_quietly()
        except (smtplib.SMTPException, OSError):
            if server.is_late:  # whatever a line that was cut short seemed to say
                said = f"{relay.host} did not answer within {boundary.deadline_seconds:g} s"
                raise DeliveryDelayed(said) from None
            raise
        finally:
            watch.cancel()
            server.release()


class _Server(smtplib.SMTP):
    """An SMTP connection to checked addresses only, that another thread can end."""

    def __init__(self, relay: Relay, boundary: Boundary, addresses: list[str]) -> None:
        super().__init__(local_hostname=_own_name(), timeout=boundary.deadline_seconds / len(addresses))
        self._relay, self._boundary, self._addresses = relay, boundary, addresses
        self._host = relay.host  # what starttls verifies the certificate against
        self._lever: socket.socket | None = None
        self.is_late = False
        """Whether `shut` ended it."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Called by `connect`; the host's name is not looked up again."""
        plain = self._connected(port, timeout)
        plain.settimeout(self._boundary.deadline_seconds)
        self._lever = plain.dup()
        if self._relay.encryption != "smtps":
            return plain
        return self._boundary.tls_context().wrap_socket(plain, server_hostname=host)

    def _connected(self, port: int, timeout: float) -> socket.socket:
        for address in self._addresses[:-1]:
            try:
                return socket.create_connection((address, port), timeout)
            except OSError:
                continue
        return socket.create_connection((self._addresses[-1], port), timeout)

    def shut(self) -> None:
        """End the connection from another thread: a read that waits returns at once, also inside TLS."""
        self.is_late = True
        if self._lever is not None:
            with suppress(OSError):  # it ended by itself in the meantime
                self._lever.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Close the connection and the second handle on it."""
        self.close()
        if self._lever is not None:
            self._lever.close()

    def quit_quietly(self) -> None:
        """Say goodbye; the mail was taken, so an answer that fails here changes nothing."""
        with suppress(smtplib.SMTPException, OSError):
            self.quit()


def _own_name() -> str:
    """What to call ourselves; smtplib would ask the resolver, which has no deadline (RFC 5321 section 4.1.3)."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


@contextmanager
def _errors(host: str) -> Iterator[None]:
    """Errors of smtplib as ours; replies of servers are left out, since they may repeat what we sent."""
    try:
        yield
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        later = all(400 <= code < 500 for code in codes)
        raise (DeliveryDelayed if later else DeliveryFailed)(f"{host} refused every recipient ({codes})") from None
    except smtplib.SMTPResponseException as error:
        kind = DeliveryFailed if 500 <= error.smtp_code < 600 else DeliveryDelayed
        raise kind(f"{host} answered {error.smtp_code} ({type(error).__name__})") from None
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryFailed(f"{host} does not offer what is needed ({error})") from None
    except smtplib.SMTPException as error:
        raise DeliveryDelayed(f"{host} broke off ({type(error).__name__})") from None
    except OSError as error:
        raise _of_connection(error, host) from None


def _of_connection(error: OSError, host: str) -> DeliveryFailed:
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return DeliveryFailed(f"the certificate of {host} is not right: {error.verify_message}")
    return DeliveryDelayed(f"no connection to {host} ({type(error).__name__})")


def composed(message: Message, relay: Relay, now: float) -> EmailMessage:
    """The mail: headers, a text part, an HTML part.

    Raises:
        DeliveryFailed: the texts make no valid mail.
    """
    mail = EmailMessage(policy=SMTP_POLICY)
    domain = relay.sender.rpartition("@")[2]
    try:
        mail["From"] = Address("Elder", addr_spec=relay.sender)
        mail["To"] = ", ".join(relay.recipients)
        mail["Subject"] = cut(re.sub(r"\s+", " ", message.title), SUBJECT_LENGTH)
        mail["Date"] = datetime.fromtimestamp(now, UTC)
        mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:40]}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail["Content-Language"] = message.language
        mail.set_content(text_part(message), cte="quoted-printable")
        mail.add_alternative(html_part(message), subtype="html", cte="quoted-printable")
    except (MessageError, ValueError) as error:
        raise DeliveryFailed(f"no mail can be made of the message ({type(error).__name__})") from None
    return mail


def text_part(message: Message) -> str:
    """The message as plain text."""
    lines = [message.title, "", *(f"{line.label}: {line.text}" for line in message.lines)]
    if message.items:
        lines += ["", f"{message.items_label}:"]
    for item in message.items[:MOST_ITEMS]:
        lines += [f"- {item.heading}", *(f"  {text}" for text in (item.text, item.remedy) if text)]
    lines += _more(message, lambda text: f"- {text}")
    if message.advice:
        lines += ["", f"{message.advice.label}: {message.advice.text}"]
    if message.link:
        lines += ["", f"{message.link_label}: {message.link}"]
    return "\n".join(lines) + "\n"


def html_part(message: Message) -> str:
    """The same as HTML; every text escaped, no image, script or style from elsewhere."""
    facts = "".join(_html_fact(line) for line in message.lines)
    items = "".join(_html_item(item) for item in message.items[:MOST_ITEMS])
    more = "".join(_more(message, lambda text: f"<li>{html.escape(text)}</li>"))
    parts = [f"<h2>{html.escape(message.title)}</h2>", f"<p>{facts}</p>"]
    if items or more:
        parts.append(f"<p><b>{html.escape(message.items_label)}</b></p><ul>{items}{more}</ul>")
    if message.advice:
        parts.append(f"<p>{_html_fact(message.advice)}</p>")
    if message.link:
        parts.append(f'<p><a href="{html.escape(message.link)}">{html.escape(message.link_label)}</a></p>')
    body = "\n".join(parts)
    return f'<!DOCTYPE html>\n<html lang="{message.language}"><body>\n{body}\n</body></html>\n'


def _more(message: Message, show: Callable[[str], str]) -> list[str]:
    left_out = message.omitted + max(len(message.items) - MOST_ITEMS, 0)
    return [show(and_more(message.language, left_out))] if left_out else []


def _html_fact(line: Line) -> str:
    return f"<b>{html.escape(line.label)}</b>: {html.escape(line.text)}<br>\n"


def _html_item(item: Item) -> str:
    body = "".join(f"<br>{html.escape(text)}" for text in (item.text, item.remedy) if text)
    return f"<li><b>{html.escape(item.heading)}</b>{body}</li>\n"
