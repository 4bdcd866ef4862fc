"""Requests to addresses that people configured: where they may go, and how long they may take.

A name is looked up once, every address it has is checked, and the connection goes to a checked address (a second
look-up could answer differently: DNS rebinding). TLS still verifies the name. No redirects, no proxies or credentials
of the environment, no cookies; the answer is bounded in bytes and the whole request in time. Errors never hold a path,
since addresses of chat webhooks are secrets; httpx's client is not used because it logs whole addresses.

httpx transports and the `sni_hostname` extension: https://www.python-httpx.org/advanced/extensions/
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from elder_assets.audit.errors import ConfigurationError, DeliveryDelayed, DeliveryFailed

if TYPE_CHECKING:
    import httpx

LARGEST_ANSWER_BYTES = 64 * 1024
DEFAULT_DEADLINE_SECONDS = 15.0
"""The lower end of what https://www.standardwebhooks.com recommends for receivers (15 to 30 s)."""
MOST_ADDRESSES = 4
_PORTS = {"https": 443, "http": 80}

Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) to IP addresses; raises OSError."""


class Boundary(msgspec.Struct, frozen=True, kw_only=True):
    """What may be reached beyond public https, how names are looked up, and how long a request may take."""

    allowed_hosts: frozenset[str] = frozenset()
    """`host` or `host:port` in lower case: these may be plain http, and inside our own network."""
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    resolve: Resolve | None = None
    """None for the system's resolver."""
    tls: ssl.SSLContext | None = None
    """None for the system's certificate authorities."""

    def allows(self, host: str, port: int) -> bool:
        """Whether the operator allowed this host by name."""
        return host in self.allowed_hosts or f"{host}:{port}" in self.allowed_hosts

    def addresses(self, host: str, port: int) -> list[str]:
        """The IP addresses of a host, each of them checked.

        Raises:
            DeliveryDelayed: the name cannot be looked up now.
            DeliveryFailed: one of its addresses is not public, and the operator did not allow the host.
        """
        try:
            found = list(dict.fromkeys((self.resolve or _system_resolve)(host, port)))
        except OSError:
            raise DeliveryDelayed(f"the name {host} cannot be looked up") from None
        if not found:
            raise DeliveryDelayed(f"the name {host} has no address")
        if not self.allows(host, port) and not all(is_public(address) for address in found):
            raise DeliveryFailed(f"{host} is not a public address; the operator may allow it by name")
        return found[:MOST_ADDRESSES]

    def tls_context(self) -> ssl.SSLContext:
        """Certificates and names are verified."""
        return self.tls or _system_tls()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver answered."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


@cache
def _system_tls() -> ssl.SSLContext:
    """Reading the system's authorities costs some 20 ms, which a backlog of messages would pay for each."""
    return ssl.create_default_context()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also when IPv6 wraps an IPv4 one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
        if inner is None and parsed in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


def check_url(url: str, boundary: Boundary) -> tuple[str, int]:
    """Host and port of an address that may be called.

    Raises:
        ConfigurationError: it is no https address, or holds a user or a fragment. The address itself is not repeated.
    """
    key, allowed = "address of a channel", "https://host/path"
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ConfigurationError(key, "an address that cannot be read", allowed) from None
    if (
        parts.scheme not in _PORTS
        or not host
        or not host.isascii()
        or any(c.isspace() or not c.isprintable() for c in url)
    ):
        raise ConfigurationError(key, "an address of another form", allowed)
    if parts.username or parts.password or parts.fragment:
        raise ConfigurationError(key, f"an address of {host} with a user or a fragment", allowed)
    if parts.scheme == "http" and not boundary.allows(host, port):
        raise ConfigurationError(key, f"http to {host}", "https, or a host that the operator allowed")
    return host, port


def post(url: str, body: bytes, headers: Mapping[str, str], boundary: Boundary) -> Answer:
    """Send a request and read its answer. Not for use inside a running event loop: call it from a thread.

    Raises:
        ConfigurationError: the address may not be called.
        DeliveryDelayed: no connection, no answer in time, or one that breaks off or is no HTTP.
        DeliveryFailed: the place is not public, or its certificate is not right.
    """
    host, port = check_url(url, boundary)
    try:
        return asyncio.run(_first_answer(_Call(url, host, port, body, headers, boundary)))
    except TimeoutError:
        raise DeliveryDelayed(f"{host} did not answer within {boundary.deadline_seconds:g} s") from None


class _Call(msgspec.Struct, frozen=True):
    url: str
    host: str
    port: int
    body: bytes
    headers: Mapping[str, str]
    boundary: Boundary


async def _first_answer(call: _Call) -> Answer:
    import httpx

    host, addresses = call.host, call.boundary.addresses(call.host, call.port)
    async with asyncio.timeout(call.boundary.deadline_seconds):
        for number, address in enumerate(addresses, 1):
            try:
                return await _answer(call, address)
            except httpx.ConnectError as error:
                _raise_if_untrusted(error, host)
                if number == len(addresses):  # nothing was sent yet, so the next address may be tried
                    raise DeliveryDelayed(f"no connection to {host}") from None
            except httpx.TimeoutException:
                raise TimeoutError from None
            except httpx.RemoteProtocolError:
                raise DeliveryDelayed(f"{host} broke off, or answered something that is no HTTP") from None
            except httpx.TransportError as error:
                raise DeliveryDelayed(f"the connection to {host} broke ({type(error).__name__})") from None
    raise AssertionError  # `addresses` is never empty


def _raise_if_untrusted(error: Exception, host: str) -> None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise DeliveryFailed(f"the certificate of {host} is not right: {cause.verify_message}") from None
        cause = cause.__cause__ or cause.__context__


async def _answer(call: _Call, address: str) -> Answer:
    import httpx

    wait, target = call.boundary.deadline_seconds, httpx.URL(call.url)
    request = httpx.Request(
        "POST",
        target.copy_with(host=address),
        content=call.body,
        headers={
            **call.headers,
            "Host": target.netloc.decode("ascii"),
            "User-Agent": "Elder",
            "Accept-Encoding": "identity",
            "Connection": "close",
        },
        extensions={
            "sni_hostname": call.host,
            "timeout": {"connect": wait, "read": wait, "write": wait, "pool": wait},
        },
    )
    async with httpx.AsyncHTTPTransport(verify=call.boundary.tls_context(), trust_env=False) as transport:
        response = await transport.handle_async_request(request)
        try:
            return Answer(
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                body=await _bounded(response),
            )
        finally:
            await response.aclose()


async def _bounded(response: httpx.Response) -> bytes:
    """The first bytes of an answer; what follows is left unread."""
    body = bytearray()
    async for chunk in response.stream:  # type: ignore[union-attr]  # of an async transport
        body += chunk
        if len(body) >= LARGEST_ANSWER_BYTES:
            break
    return bytes(body[:LARGEST_ANSWER_BYTES])


def _system_resolve(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
