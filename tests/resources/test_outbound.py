"""Requests go only where they may, to the address that was checked, and end in time."""

from __future__ import annotations

import socket
import ssl

import pytest
from certificates import NAME, contexts
from receivers import Receiver, http, http_endless

from elder_assets.audit.errors import ConfigurationError, DeliveryDelayed, DeliveryFailed
from resources.outbound import LARGEST_ANSWER_BYTES, Boundary, check_url, is_public, post


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("0.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
        ("not an address", False),
    ],
)
def test_only_the_public_internet_is_public(address: str, expected: bool):
    assert is_public(address) is expected


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "ftp://example.org/x",
        "https:///x",
        "https://user:pw@example.org/x",
        "https://user@example.org/x",
        "https://example.org/x#part",
        "https://example.org:99999/x",
        "https://exa mple.org/x",
        "https://example.org/x\r\nHost: y",
        "https://пример.рф/x",
        "https://[::1/x",
        "example.org/x",
        "",
    ],
)
def test_an_address_that_is_no_plain_https_is_refused(url: str):
    with pytest.raises(ConfigurationError) as refused:
        check_url(url, Boundary())
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("allowed", ["hook.test", "hook.test:8080"])
def test_the_operator_may_allow_a_host_or_one_port_of_it(allowed: str):
    assert check_url("http://HOOK.test.:8080/x", Boundary(allowed_hosts=frozenset({allowed}))) == ("hook.test", 8080)


def test_another_port_is_not_allowed_with_it():
    with pytest.raises(ConfigurationError):
        check_url("http://hook.test:81/x", Boundary(allowed_hosts=frozenset({"hook.test:8080"})))


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    boundary = Boundary(resolve=lambda *_: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(DeliveryFailed, match=r"hook\.test is not a public address"):
        post("https://hook.test/secret", b"", {}, boundary)


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest",
        "https://127.1/x",
        "https://2130706433/x",
        "https://[::1]/x",
        "https://localhost/x",
    ],
)
def test_loopback_and_metadata_are_refused_in_every_spelling(url: str):
    with pytest.raises((DeliveryFailed, ConfigurationError)) as refused:
        post(url, b"", {}, Boundary())
    assert not isinstance(refused.value, DeliveryDelayed)


def failing(*_: object) -> list[str]:
    raise socket.gaierror


@pytest.mark.parametrize("resolve", [failing, lambda *_: []], ids=["no answer", "no address"])
def test_a_name_that_cannot_be_looked_up_is_a_delay(resolve):
    with pytest.raises(DeliveryDelayed, match=r"hook\.test"):
        post("https://hook.test/x", b"", {}, Boundary(resolve=resolve))


def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_checked(monkeypatch: pytest.MonkeyPatch):
    receiver = Receiver(http(200, body=b"ok"))
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    def forbidden(*args: object, **kwargs: object) -> object:
        if args[0] not in {"127.0.0.1", b"127.0.0.1"}:
            raise AssertionError(f"{args[0]!r} was looked up again")
        return real(*args, **kwargs)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    boundary = Boundary(allowed_hosts=frozenset({"hook.test"}), resolve=resolve)
    answer = post(f"http://hook.test:{receiver.port}/x?y=1", b"body", {"X-A": "b"}, boundary)
    assert (answer.status, answer.body, asked) == (200, b"ok", ["hook.test"])
    head = receiver.requests[0].decode()
    assert head.startswith("POST /x?y=1 HTTP/1.1\r\n")
    assert f"\r\nHost: hook.test:{receiver.port}\r\n" in head
    assert head.endswith("\r\n\r\nbody")
    receiver.close()


def test_a_redirect_is_not_followed():
    target = Receiver(http(200))
    receiver = Receiver(http(307, {"Location": f"http://127.0.0.1:{target.port}/"}))
    boundary = Boundary(allowed_hosts=frozenset({"127.0.0.1"}))
    assert post(f"http://127.0.0.1:{receiver.port}/", b"", {}, boundary).status == 307
    assert target.requests == []
    receiver.close()
    target.close()


def test_the_next_address_is_tried_when_the_first_does_not_listen():
    receiver = Receiver(http(200))
    boundary = Boundary(allowed_hosts=frozenset({"hook.test"}), resolve=lambda *_: ["::1", "127.0.0.1"])
    assert post(f"http://hook.test:{receiver.port}/", b"", {}, boundary).status == 200
    receiver.close()


def test_of_an_endless_answer_only_the_beginning_is_read():
    receiver = Receiver(http_endless)
    boundary = Boundary(allowed_hosts=frozenset({"127.0.0.1"}))
    answer = post(f"http://127.0.0.1:{receiver.port}/", b"", {}, boundary)
    assert answer.body == b"x" * LARGEST_ANSWER_BYTES
    receiver.close()


def secured(context: ssl.SSLContext) -> Receiver:
    inner = http(200, body=b"secret kept")

    def talk(connection: socket.socket, receiver: Receiver) -> None:
        with context.wrap_socket(connection, server_side=True) as inside:
            inner(inside, receiver)

    return Receiver(talk)


@pytest.mark.parametrize(("host", "is_right"), [(NAME, True), ("other.test", False)])
def test_a_certificate_is_checked_against_the_name_though_the_connection_goes_to_an_address(host, is_right, tmp_path):
    server, trusting = contexts(tmp_path)
    receiver = secured(server)
    boundary = Boundary(allowed_hosts=frozenset({host}), resolve=lambda *_: ["127.0.0.1"], tls=trusting)
    url = f"https://{host}:{receiver.port}/"
    if is_right:
        assert post(url, b"", {}, boundary).body == b"secret kept"
    else:
        with pytest.raises(DeliveryFailed, match=r"certificate of other\.test is not right"):
            post(url, b"", {}, boundary)
        assert receiver.requests == []
    receiver.close()


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    receiver = Receiver(http(200))
    boundary = Boundary(allowed_hosts=frozenset({"127.0.0.1"}))
    assert post(f"http://127.0.0.1:{receiver.port}/", b"", {}, boundary).status == 200
    receiver.close()
