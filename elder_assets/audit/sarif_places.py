"""Where a SARIF result is: an address of a tool's machine as a path of the repository.

Tools write addresses in many ways: relative ones, relative ones with a named base, absolute ones of the machine that
they ran on, with the slashes of two systems. What cannot be told to lie inside of the repository is refused, never
guessed.
Nothing here looks at a disk.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from urllib.parse import unquote

import msgspec

from elder_assets.audit.patterns import regex

PATH_CHARS_MAX = 4096
"""Longest path that Linux opens (PATH_MAX)."""
BASES_MAX = 10
"""Bases that a base may rest on; more is a circle or a trick."""
NAMED_MAX = 100
"""Named bases of a run that are looked at; chosen by us, tools have one to five."""
ROOTS_SHOWN = 3
ROOT_CHARS_SHOWN = 200
ROOT_NAMES = frozenset({"srcroot", "projectroot", "reporoot", "repo_root", "rootpath", "root", "basepath", "checkout"})
"""What tools call the root of the source code, without percent signs; SRCROOT is the name in the standard."""
_SCHEME = regex(r"([A-Za-z][A-Za-z0-9+.-]+):")
_DRIVE = regex(r"/*([A-Za-z])[:|](?=/|$)")
_CONTROL = regex(r"[\x00-\x1f\x7f]")


class Refused(ValueError):
    """An address that is no path inside of the repository, and why."""


class Address(msgspec.Struct, frozen=True):
    """An address as SARIF writes it: `artifactLocation`."""

    uri: str | None = None
    uri_base_id: str | None = msgspec.field(name="uriBaseId", default=None)
    index: int | None = None


class Bases(msgspec.Struct, frozen=True):
    """The named bases of a run, and the folders that absolute addresses may lie below."""

    named: Mapping[str, Address]
    roots: tuple[str, ...]
    """Absolute folders with a final slash, the longest first."""

    def path(self, address: Address) -> str:
        """The address as a path relative to the root of the repository; '' for the root itself.

        Raises:
            Refused: it leads elsewhere.
        """
        text = self._joined(address, BASES_MAX)
        if len(text) > PATH_CHARS_MAX:
            raise Refused(f"a path of {len(text)} characters; allowed: {PATH_CHARS_MAX}")
        if _CONTROL.search(text):
            raise Refused("a control character in the path")
        if text.startswith("/"):
            text = self._below(text)
        parts = [part for part in text.split("/") if part not in {"", "."}]
        if ".." in parts:
            raise Refused("the path leads upwards ('..')")
        return "/".join(parts)

    def _joined(self, address: Address, depth: int) -> str:
        """The address with its bases before it; absolute when one of them is."""
        text = decoded(address.uri or "")
        if text.startswith("/") or not address.uri_base_id:
            return text
        base = self.named.get(address.uri_base_id)
        if base is None:
            return text
        if not depth:
            raise Refused(f"more than {BASES_MAX} bases rest on each other")
        before = self._joined(base, depth - 1)
        if before.strip("/") == "":
            return text  # the root of a disk says nothing: the tool means the folder that it looked at
        return before.rstrip("/") + "/" + text

    def _below(self, path: str) -> str:
        for root in self.roots:
            if path.startswith(root) or path + "/" == root:
                return path[len(root) :]
        known = ", ".join(root[:ROOT_CHARS_SHOWN] for root in self.roots[:ROOTS_SHOWN]) or "none is known"
        raise Refused(f"an absolute path outside of the repository; allowed: below {known}")


def bases_of(named: Mapping[str, Address], mapped: Iterable[str], folders: Iterable[str]) -> Bases:
    """The bases of a run.

    Args:
        named: `originalUriBaseIds`.
        mapped: ids of bases that the run says are the repository (`versionControlProvenance`).
        folders: absolute folders or addresses known otherwise, such as the working directory of the tool.
    """
    named = dict(itertools.islice(named.items(), NAMED_MAX))
    ids = [name for name in mapped if name in named]
    ids = ids or [name for name in named if name.strip("%").lower() in ROOT_NAMES] or list(named)
    unresolved = Bases(named, ("/",))
    roots = {_folder(unresolved, named[name]) for name in ids} | {
        _folder(unresolved, Address(item)) for item in folders
    }
    return Bases(named, tuple(sorted((root for root in roots if root.strip("/")), key=lambda root: (-len(root), root))))


def _folder(bases: Bases, address: Address) -> str:
    try:
        text = bases._joined(address, BASES_MAX)  # noqa: SLF001 - the module's own record
    except Refused:
        return ""
    return text.rstrip("/") + "/" if text.startswith("/") else ""


def decoded(uri: str) -> str:
    """An address without its scheme, percent signs and the slashes of Windows; absolute when it begins with '/'.

    Raises:
        Refused: it is no address of a file.
    """
    if len(uri) > 3 * PATH_CHARS_MAX:  # every byte may be written as a percent sign and two digits
        raise Refused(f"an address of {len(uri):,} characters; allowed: {3 * PATH_CHARS_MAX:,}")
    text = uri.replace("\\", "/")  # a bare backslash is no part of an address, so it can only separate
    scheme = _SCHEME.match(text)
    if scheme and scheme[1].lower() != "file":
        raise Refused(f"an address of the scheme {scheme[1][:20]!r}; allowed: file, or a relative path")
    if scheme:
        text = _without_host(text[scheme.end() :])
    text = unquote(text, errors="surrogateescape") if "%" in text else text
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise Refused("a path that is not UTF-8")
    drive = _DRIVE.match(text)
    return f"/{drive[1].lower()}:{text[drive.end() :]}" if drive else text


def _without_host(text: str) -> str:
    if not text.startswith("//"):
        return text
    host, _, path = text[2:].partition("/")
    if _DRIVE.match(host):  # file://C:/code, which is wrong and common
        return f"/{host}/{path}"
    if host not in {"", "localhost"}:
        raise Refused(f"a file on the host {host[:40]!r}")
    return "/" + path
