"""Reading webhook payloads, whose every field may be missing, huge or of another type.

What is read is bounded and inert: no control characters, no options in disguise, no credentials. Only
WebhookRejected leaves this module.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from elder_assets.audit.errors import SourceRefused, WebhookRejected
from resources.git.address import key_of_address
from resources.git.providers.provider import Action

MAX_TEXT = 250
MAX_REF = 500
MAX_PATH = 1000
MAX_FILES = 3000
MAX_ADDRESS = 2000
MAX_REFS = 200
"""Refs of one push that are read; a mirror push of thousands is found by the nightly sweep."""

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?")
_PATH_CHARACTERS = "/%~@!$&'()*+,;=:"
_CREDENTIALS = re.compile(r"//[^/@\s]+@")
_ID = re.compile(r"[!-~]{1,200}")
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|[/.]$|\.lock$")

Record = dict[str, object]


def header(headers: Mapping[str, str], name: str) -> str:
    """Return a header by its name in any case; '' when absent, the first when there are several."""
    return next(iter(every_header(headers, name)), "")


def every_header(headers: Mapping[str, str], name: str) -> list[str]:
    """Return all values of a header, in any case of its name."""
    return [value for key, value in headers.items() if key.lower() == name.lower()]


def decoded(headers: Mapping[str, str], body: bytes, *, form_field: str = "") -> Record:
    """Return the JSON object of a delivery; of a form, that of its field, where the provider sends forms.

    Raises:
        WebhookRejected: 415 for another content type, 400 for what is no JSON object.
    """
    kind = header(headers, "Content-Type").partition(";")[0].strip().lower()
    if form_field and kind == "application/x-www-form-urlencoded":
        body = _of_form(body, form_field)
    elif kind not in {"", "application/json"} and not kind.endswith("+json"):
        raise WebhookRejected(415, f"content type {inert(kind)!r} is not read; send application/json")
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookRejected(400, f"the body is no JSON: {inert(str(error))}") from error
    if not isinstance(value, dict):
        raise WebhookRejected(400, f"the body is a JSON {type(value).__name__}, not an object")
    return value


def _of_form(body: bytes, field: str) -> bytes:
    try:
        values = parse_qs(body.decode("ascii"), max_num_fields=10).get(field, [])
    except ValueError as error:
        raise WebhookRejected(400, "the body is no form: not ASCII, or too many fields") from error
    if len(values) != 1:
        raise WebhookRejected(400, f"the form has {len(values)} fields {field!r}; one is expected")
    return values[0].encode("utf-8", "surrogatepass")


def at(value: object, *path: str | int) -> object:
    """Return what is at a path of keys and positions; None where the path breaks."""
    for step in path:
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def text(value: object, *path: str | int, limit: int = MAX_TEXT) -> str:
    """Return the inert text at a path; '' where there is none."""
    found = at(value, *path)
    return inert(found, limit) if isinstance(found, str) else ""


def number(value: object, *path: str | int) -> int | None:
    """Return the positive integer at a path; None where there is none."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 < found < 2**53 else None


def records(value: object, *path: str | int, limit: int = MAX_FILES) -> list[Record]:
    """Return the objects of the list at a path; [] where there is none."""
    found = at(value, *path)
    return [item for item in found[:limit] if isinstance(item, dict)] if isinstance(found, list) else []


def inert(raw: str, limit: int = MAX_TEXT) -> str:
    """Return the text on one line without control and direction characters and passwords in addresses, shortened."""
    line = "".join(char if char.isprintable() else " " for char in raw[: 4 * limit]).strip()
    line = _CREDENTIALS.sub("//***@", line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def commit_id(value: object, *path: str | int, is_short_allowed: bool = False) -> str:
    """Return the commit id at a path; '' for none, for null and for all zeros.

    Raises:
        WebhookRejected: 400, there is something else.
    """
    found = at(value, *path)
    if found is None or found == "":
        return ""
    pattern = _SHORT_COMMIT if is_short_allowed else _COMMIT
    if not isinstance(found, str) or not pattern.fullmatch(found.lower()):
        raise WebhookRejected(400, f"{named(path)} is no commit id: {inert(str(found), 80)!r}")
    return found.lower() if found.strip("0") else ""


def required_commit(value: object, *path: str | int, is_short_allowed: bool = False) -> str:
    """Return the commit id at a path.

    Raises:
        WebhookRejected: 400, there is none.
    """
    found = commit_id(value, *path, is_short_allowed=is_short_allowed)
    if not found:
        raise WebhookRejected(400, f"{named(path)} is missing")
    return found


def ref_name(value: object, *path: str | int, prefix: str = "") -> str:
    """Return the full ref at a path, with the prefix where the payload has a short name.

    Raises:
        WebhookRejected: 400, there is none or git would not take it.
    """
    found = at(value, *path)
    if not isinstance(found, str) or not found:
        raise WebhookRejected(400, f"{named(path)} is missing")
    full = found if not prefix or found.startswith("refs/") else prefix + found
    if not full.startswith("refs/") or len(full) > MAX_REF or _BAD_REF.search(full) or not full.isprintable():
        raise WebhookRejected(400, f"{named(path)} is no ref name: {inert(found, 80)!r}")
    return full


def named(path: Iterable[str | int]) -> str:
    """Return how a message names a place of the payload."""
    return ".".join(str(step) for step in path)


def repository_at(address: str) -> tuple[str, str]:
    """Return (clone URL, our key) of an address: https, without credentials.

    Raises:
        WebhookRejected: 400, it is no web address or its name is no key.
    """
    wrong = "the repository's address in the payload is no http(s) address of one"
    try:
        parts = urlsplit(address[:MAX_ADDRESS])
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise WebhookRejected(400, wrong) from error
    host = (parts.hostname or "").lower()
    if parts.scheme not in {"https", "http"} or not _HOST.fullmatch(host):
        raise WebhookRejected(400, wrong)
    clone_url = f"https://{host}{port}{quote(parts.path, safe=_PATH_CHARACTERS)}"
    try:
        return clone_url, key_of_address(clone_url)
    except SourceRefused as error:
        raise WebhookRejected(400, wrong) from error


def web_address(value: object, *path: str | int) -> str:
    """Return the http(s) address at a path, without credentials; '' where there is none."""
    found = at(value, *path)
    if not isinstance(found, str) or len(found) > MAX_ADDRESS or not found.isprintable():
        return ""
    try:
        parts = urlsplit(found)
        is_plain = parts.scheme in {"https", "http"} and "@" not in parts.netloc and bool(parts.hostname)
    except ValueError:
        return ""
    return found if is_plain else ""


def listed_files(commits: Iterable[Record]) -> tuple[str, ...]:
    """Return the paths that commits name as added, modified or removed, each once, in order."""
    found: dict[str, None] = {}
    for commit in commits:
        for kind in ("added", "modified", "removed"):
            paths = at(commit, kind)
            for path in paths if isinstance(paths, list) else ():
                if isinstance(path, str) and 0 < len(path) <= MAX_PATH:
                    found[inert(path, MAX_PATH)] = None
                if len(found) >= MAX_FILES:
                    return tuple(found)
    return tuple(found)


def delivery_id(provider: str, event: str, body: bytes, *offered: object) -> str:
    """Return the first usable id that the provider offers, else a digest that equal deliveries share."""
    for candidate in offered:
        if isinstance(candidate, str) and _ID.fullmatch(candidate):
            return candidate
    return hashlib.sha256(b"\0".join((provider.encode(), event.encode("utf-8", "replace"), body))).hexdigest()


def first_line(value: object, *path: str | int) -> str:
    """Return the first line of the text at a path, inert; '' where there is none."""
    found = at(value, *path)
    return inert(found.strip().partition("\n")[0]) if isinstance(found, str) else ""


def push_action(ref: str, head: str) -> tuple[Action, str]:
    """Return (action, reason) of a push of a full ref; the head is '' when the ref was deleted."""
    if ref.startswith("refs/tags/"):
        return "tag", ""
    if not ref.startswith("refs/heads/"):
        return "other", "neither branch nor tag"
    return ("push", "") if head else ("branch_deleted", "")


def numbered(found_id: str, position: int) -> str:
    """Return the id of one of several refs in a delivery; the first keeps the delivery's own."""
    return f"{found_id}#{position + 1}" if position else found_id


def is_default(ref: str, branch: str) -> bool | None:
    """Return whether a full ref is the default branch, given by any name; None where that is unknown."""
    return ref == "refs/heads/" + branch.removeprefix("refs/heads/") if branch else None
