"""Receivers on loopback that answer well, late, wrongly or not at all. Threads end with the fixture; nobody sleeps."""

from __future__ import annotations

import base64
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

Talk = Callable[[socket.socket, "Receiver"], None]


@dataclass
class Receiver:
    """Accepts connections and talks on each as told; keeps what came."""

    talk: Talk
    requests: list[bytes] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self.talk(connection, self)
        except OSError:
            pass
        finally:
            connection.close()

    def close(self) -> None:
        if self.stopped.is_set():
            return
        self.stopped.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()
        self._thread.join(5)


def reset(connection: socket.socket) -> None:
    """End the connection with a reset instead of an orderly close."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def http(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Talk:
    """Answer every request the same."""

    def talk(connection: socket.socket, receiver: Receiver) -> None:
        receiver.requests.append(read_request(connection))
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        connection.sendall(f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    return talk


def http_hangs(connection: socket.socket, receiver: Receiver) -> None:
    receiver.requests.append(read_request(connection))
    receiver.stopped.wait(30)


def http_drips(connection: socket.socket, receiver: Receiver) -> None:
    """Half an answer, then a byte whenever the other side might lose patience."""
    receiver.requests.append(read_request(connection))
    connection.sendall(b"HTTP/1.1 200 X\r\n")
    while not receiver.stopped.wait(0.05):
        connection.sendall(b"a")


def http_resets(connection: socket.socket, receiver: Receiver) -> None:
    receiver.requests.append(read_request(connection))
    reset(connection)


def http_garbage(connection: socket.socket, receiver: Receiver) -> None:
    receiver.requests.append(read_request(connection))
    connection.sendall(b"\x00\xff no protocol at all\r\n\r\n")


def http_endless(connection: socket.socket, receiver: Receiver) -> None:
    receiver.requests.append(read_request(connection))
    connection.sendall(b"HTTP/1.1 200 X\r\n\r\n")
    while not receiver.stopped.is_set():
        connection.sendall(b"x" * 65536)


def smtp(replies: dict[str, str] | None = None, extensions: tuple[str, ...] = ()) -> Talk:
    """A mail server, line by line; `replies` replaces what it says to a verb ('RCPT', 'DATA', '.', 'GREETING').

    A reply of 'hang' says nothing more, 'reset' breaks the connection, 'drip' sends a byte now and then.
    """
    given = replies or {}
    usual = {"GREETING": "220 fake", "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go", ".": "250 taken"}

    def talk(connection: socket.socket, receiver: Receiver) -> None:
        lines = connection.makefile("rb")

        def say(verb: str) -> bool:
            reply = given.get(verb, usual.get(verb, "250 ok"))
            if reply == "hang":
                receiver.stopped.wait(30)
            elif reply == "reset":
                reset(connection)
            elif reply == "drip":
                while not receiver.stopped.wait(0.05):
                    connection.sendall(b"2")
            else:
                connection.sendall(f"{reply}\r\n".encode())
                return True
            return False

        if not say("GREETING"):
            return
        for raw in lines:
            line = raw.decode().rstrip("\r\n")
            receiver.commands.append(line)
            verb = line.split(" ", maxsplit=1)[0].upper()
            if verb == "EHLO":
                offered = ["fake", *extensions]
                shown = "".join(f"250{' ' if text is offered[-1] else '-'}{text}\r\n" for text in offered)
                connection.sendall(shown.encode())
            elif verb == "QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            elif not say(verb):
                return
            elif verb == "DATA" and given.get("DATA", "354").startswith("354"):
                mail = b""
                for part in lines:
                    if part == b".\r\n":
                        break
                    mail += part[1:] if part.startswith(b".") else part
                receiver.mails.append(mail)
                if not say("."):
                    return

    return talk


def secret_of_login(line: str) -> str:
    """What an AUTH PLAIN line holds."""
    return base64.b64decode(line.split()[2]).decode().split("\0")[2]
