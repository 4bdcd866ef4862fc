"""Calls to a git host's API: bounded in time and size, with a token that goes to that host alone.

A host is not trusted: it may hang, answer garbage, or point elsewhere. Every failure becomes a ProviderError whose
text holds no token and no query.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit

import msgspec

from elder_assets.audit.errors import (
    ConfigurationError,
    HostResting,
    ProviderError,
    ProviderUnavailable,
    WebhookRejected,
)
from resources.git.circuit import Circuits, guarded, host_of
from resources.git.providers.issues import OpenedIssue
from resources.git.providers.payloads import Record, inert, repository_at
from resources.git.providers.provider import Visibility
from resources.secrets import Secret

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
WHOLE_SECONDS = 30.0
MAX_ANSWER_BYTES = 5_000_000
MAX_REDIRECTS = 3
MAX_PAGES = 100
PAGE_SIZE = 100
MAX_RETRY_SECONDS = 3600.0

_MEANING = {
    400: ("invalid", "the host does not take these values"),
    401: ("unauthorised", "the token is missing, wrong or expired"),
    403: ("forbidden", "the token may not do this"),
    404: ("not_found", "there is no such thing, or the token does not see it"),
    409: ("conflict", "it is in a state that does not allow this"),
    410: ("gone", "it was taken away, or is switched off"),
    422: ("invalid", "the host does not take these values"),
}


@dataclass(frozen=True)
class Host:
    """A git host that calls go to: API address without trailing slash, token, HTTP client."""

    api: str
    token: Secret
    client: httpx.Client
    clock: Callable[[], float] = time.time
    whole_seconds: float = WHOLE_SECONDS
    circuits: Circuits | None = None
    """Who keeps how the host is doing; a host that rests is not called."""


@dataclass(frozen=True)
class Answer:
    """A status, its headers and the decoded JSON (None for an empty body)."""

    status: int
    headers: Mapping[str, str]
    value: object


def open_host(
    api: str,
    token: Secret,
    *,
    allowed_hosts: Collection[str] = (),
    transport: httpx.BaseTransport | None = None,
    read_seconds: float = READ_SECONDS,
    whole_seconds: float = WHOLE_SECONDS,
    circuits: Circuits | None = None,
) -> Host:
    """Return a host to call, after the guard against calls into the inner network.

    Args:
        api: the API's address; https, and no address of a private network, unless the operator allows its host.
        token: sent to this host only.
        allowed_hosts: host names that the operator allows without https or inside the network.
        transport: replaces the network in tests.
        read_seconds: longest silence of the host.
        whole_seconds: longest time for one answer.
        circuits: who keeps how hosts are doing; None guards nothing.

    Raises:
        ConfigurationError: the address is not allowed.
    """
    import httpx

    checked_api(api, allowed_hosts)
    timeout = httpx.Timeout(read_seconds, connect=min(CONNECT_SECONDS, read_seconds))
    client = httpx.Client(timeout=timeout, follow_redirects=False, transport=transport)
    return Host(api=api.rstrip("/"), token=token, client=client, whole_seconds=whole_seconds, circuits=circuits)


def checked_api(api: str, allowed_hosts: Collection[str]) -> None:
    """Refuse an API address that Elder must not call.

    Raises:
        ConfigurationError: credentials, query, http, or an address inside the network that is not allowed.
    """
    try:
        parts = urlsplit(api)
        name = (parts.hostname or "").lower()
        _ = parts.port
    except ValueError as error:
        raise ConfigurationError("api", inert(api.rpartition("@")[2]), "an https:// address") from error
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    if "@" in parts.netloc or parts.query or parts.fragment or not api.isprintable():
        raise ConfigurationError("api", shown, "an address without credentials, query and fragment")
    is_allowed = name in {host.lower() for host in allowed_hosts}
    if not name or parts.scheme not in {"https", "http"} or (parts.scheme == "http" and not is_allowed):
        raise ConfigurationError("api", shown, "https://, or http:// to a host that the operator allows")
    if not is_allowed and _is_inside(name):
        raise ConfigurationError("api", shown, "a public host, or one that the operator allows")


def _is_inside(name: str) -> bool:
    if name == "localhost" or name.endswith((".localhost", ".internal")) or name.isdigit():
        return True
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return False


def ask(
    host: Host,
    headers: Mapping[str, str],
    method: str,
    path: str,
    *,
    query: Mapping[str, str | int] | None = None,
    payload: object = None,
) -> Answer:
    """Call the host and return its answer of the 2xx class.

    A redirect is followed on the same scheme, host and port only (a renamed repository).

    Raises:
        ProviderError: the host refused, answered garbage or too much, or points elsewhere.
        ProviderUnavailable: a timeout, no connection, 429 or 5xx.
    """
    call = _Call(
        host=host,
        method=method,
        # identity: a compressed answer could grow past every bound between two reads
        headers={"Accept": "application/json", "User-Agent": "elder", **headers, "Accept-Encoding": "identity"},
        content=None if payload is None else msgspec.json.encode(payload),
        asked=f"{method} {inert(path)} at {urlsplit(host.api).hostname}",
    )
    try:
        with guarded(host.circuits, host_of(host.api), host.clock):
            return _asked(call, host.api + path, query)
    except HostResting as error:
        raise ProviderUnavailable(f"{call.asked}: {error}", "resting", error.retry_after_seconds) from error


def _asked(call: _Call, url: str, query: Mapping[str, str | int] | None) -> Answer:
    for _ in range(1 + MAX_REDIRECTS):
        status, got, body = _exchange(call, url, query)
        if not 300 <= status < 400:
            return _answer(call.host, call.asked, status, got, body)
        url, query = _redirected(call, url, status, got.get("location", "")), None
    raise ProviderError(f"{call.asked}: more than {MAX_REDIRECTS} redirects", "redirected")


@dataclass(frozen=True)
class _Call:
    host: Host
    method: str
    headers: Mapping[str, str]
    content: bytes | None
    asked: str


def _exchange(call: _Call, url: str, query: Mapping[str, str | int] | None) -> tuple[int, Mapping[str, str], bytes]:
    import httpx

    headers = {**({"Content-Type": "application/json"} if call.content is not None else {}), **call.headers}
    deadline = time.monotonic() + call.host.whole_seconds
    client = call.host.client
    try:
        with client.stream(call.method, url, params=query, headers=headers, content=call.content) as response:
            return response.status_code, response.headers, _bounded(response, deadline, call.asked)
    except httpx.TimeoutException as error:
        raise ProviderUnavailable(f"{call.asked}: no answer in time", "timeout") from error
    except httpx.InvalidURL as error:
        raise ProviderError(f"{call.asked}: no address that can be called", "invalid") from error
    except httpx.HTTPError as error:
        raise ProviderUnavailable(f"{call.asked}: {type(error).__name__}") from error


def _bounded(response: httpx.Response, deadline: float, asked: str) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ProviderError(f"{asked}: the answer is compressed, which was not asked for", "garbage")
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise ProviderError(f"{asked}: the answer has more than {MAX_ANSWER_BYTES} bytes", "too_large")
        if time.monotonic() > deadline:
            raise ProviderUnavailable(f"{asked}: the answer did not end in time", "timeout")
    return bytes(body)


def _redirected(call: _Call, url: str, status: int, location: str) -> str:
    try:
        target = urljoin(url, location)
        is_same = urlsplit(target)[:2] == urlsplit(call.host.api)[:2]
    except ValueError:
        is_same = False
    if not location or not is_same or (call.method != "GET" and status not in {307, 308}):
        msg = f"{call.asked}: answered {status}, a redirect that is not followed with a token"
        raise ProviderError(msg, "redirected")
    return target


def _answer(host: Host, asked: str, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    try:
        value = msgspec.json.decode(body) if body.strip() else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if status == 203:  # Azure DevOps: a page to sign in at
            raise ProviderError(f"{asked}: answered a page; {_MEANING[401][1]}", "unauthorised") from error
        if 200 <= status < 300:
            raise ProviderError(f"{asked}: answered {status} with what is no JSON", "garbage") from error
        value = None
    if 200 <= status < 300:
        return Answer(status, headers, value)
    raise _refusal(host, asked, status, headers, value)


def _refusal(host: Host, asked: str, status: int, headers: Mapping[str, str], value: object) -> ProviderError:
    reason, meaning = _MEANING.get(status, ("unusable", "not expected"))
    said = _said(host, value)
    text = f"{asked}: answered {status}" + (f" ({said})" if said else "")
    is_limited = status == 429 or (
        status == 403 and (headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers)
    )
    if is_limited:
        return ProviderUnavailable(f"{text}; too many calls", "rate_limited", retry_seconds(headers, host.clock()))
    if status >= 500 or status == 408:
        return ProviderUnavailable(text, "unavailable", retry_seconds(headers, host.clock()))
    return ProviderError(f"{text}; {meaning}", reason)


def _said(host: Host, value: object) -> str:
    """What the host gives as its reason: bounded, inert and without our token should it echo that."""
    found: object = value
    for key in ("message", "error", "errors", 0, "message"):
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key == 0 and found:
            found = found[0]
    token = host.token.reveal()
    shown = found if isinstance(found, str) else ""
    return inert(shown.replace(token, "[token]") if token else shown, 160)


def retry_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Return how long the host asks to wait, 0 to an hour; None where it does not say."""
    after = headers.get("retry-after", "").strip()
    reset = headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", "")).strip()
    if after.isascii() and after.isdigit():
        seconds = float(after[:12])
    elif after:
        try:
            seconds = parsedate_to_datetime(after).timestamp() - now
        except (ValueError, OverflowError):
            return None
    elif reset.isascii() and reset.isdigit():
        seconds = float(reset[:12]) - now
    else:
        return None
    return min(max(seconds, 0.0), MAX_RETRY_SECONDS)


def numbered_pages(
    host: Host, headers: Mapping[str, str], path: str, query: Mapping[str, str | int] | None = None
) -> Iterator[Record]:
    """Yield the objects of a list that is paged by `page` and `per_page`.

    Raises:
        ProviderError: no list, or more than MAX_PAGES pages (a shortened list would look complete).
    """
    for page in range(1, MAX_PAGES + 1):
        answer = ask(host, headers, "GET", path, query={**(query or {}), "per_page": PAGE_SIZE, "page": page})
        items = objects(answer.value, path)
        yield from items
        if len(items) < PAGE_SIZE:
            return
    raise ProviderError(f"{inert(path)}: more than {MAX_PAGES} pages", "too_large")


def written(
    host: Host, headers: Mapping[str, str], path: str, known_id: str, payload: object, *, method: str = "PUT"
) -> Answer:
    """Update what has the id under a path, or create it there when the id is ''."""
    if known_id:
        return ask(host, headers, method, f"{path}/{segments(known_id)}", payload=payload)
    return ask(host, headers, "POST", path, payload=payload)


def objects(value: object, asked: str) -> list[Record]:
    """Return a list of JSON objects.

    Raises:
        ProviderError: it is something else.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ProviderError(f"{inert(asked)}: answered no list of objects", "garbage")
    return value


def one_object(value: object, asked: str) -> Record:
    """Return a JSON object.

    Raises:
        ProviderError: it is something else.
    """
    if not isinstance(value, dict):
        raise ProviderError(f"{inert(asked)}: answered no object", "garbage")
    return value


def identifier(value: object, key: str, asked: str) -> str:
    """Return the id that an object has, as text.

    Raises:
        ProviderError: it has none.
    """
    found = one_object(value, asked).get(key)
    if isinstance(found, bool) or not isinstance(found, (int, str)) or found == "":
        raise ProviderError(f"{inert(asked)}: answered without {key!r}", "garbage")
    return inert(str(found))


def segments(path: str) -> str:
    """Return path segments quoted for a URL, each once even where the key has them quoted.

    Raises:
        ConfigurationError: one is empty, `.` or `..`, or hides a slash.
    """
    parts = [unquote(part) for part in path.split("/")]
    if any(part in {"", ".", ".."} or "/" in part for part in parts):
        raise ConfigurationError("repository", inert(path), "names without empty parts, '.' and '..'")
    return "/".join(quote(part, safe="~") for part in parts)


def path_of_key(repository: str) -> str:
    """Return what a repository key has after its host."""
    return repository.partition("/")[2]


def marked(marker: str, body: str, limit: int) -> str:
    """Return a comment's text behind its marker, shortened to what the provider takes."""
    room = limit - len(marker) - 2
    shortened = body if len(body) <= room else body[: room - 20] + "\n\n(shortened)"
    return f"{marker}\n\n{shortened}"


def remote_address(found: object) -> tuple[str, str]:
    """Return (clone URL, our key) of the address that a host gives.

    Raises:
        ProviderError: it gives none.
    """
    try:
        return repository_at(found if isinstance(found, str) else "")
    except WebhookRejected as error:
        raise ProviderError("the host names no http(s) address to clone from", "garbage") from error


def visibility_of(told: str, *, is_public: bool) -> Visibility:
    """Return what the host tells; where it has no word of ours, public only when it says so."""
    known: dict[str, Visibility] = {"public": "public", "internal": "internal", "private": "private"}
    return known.get(told, "public" if is_public else "private")


def opened_issue(number: str, url: str, asked: str) -> OpenedIssue:
    """Return an issue that the host says is there.

    Raises:
        ProviderError: it names no http(s) address of it.
    """
    if not url:
        raise ProviderError(f"{inert(asked)}: answered without the address of the issue", "garbage")
    return OpenedIssue(number=number, url=url)


def issues_disabled(repository: str) -> ProviderError:
    """Return the error of a repository whose issues are switched off."""
    return ProviderError(f"{inert(repository)} has its issues switched off at the host", "issues_disabled")


def languages_of(sizes: Record) -> tuple[tuple[str, float], ...]:
    """Return (language, share 0-1), largest first, of sizes in any unit."""
    usable = {inert(name): float(size) for name, size in sizes.items() if isinstance(size, (int, float)) and size > 0}
    whole = sum(usable.values())
    return tuple(sorted(((name, round(size / whole, 4)) for name, size in usable.items()), key=lambda item: -item[1]))
