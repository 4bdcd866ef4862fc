"""Addresses of repositories: which are allowed, and the key that an address stands for (decision D6)."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from urllib.parse import urlsplit

from elder_assets.audit.errors import SourceRefused

PROTOCOLS = ("https", "ssh")
_SCP = re.compile(r"^(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[^/].*)$")
_KEY = re.compile(r"[^\x00-\x20|\x7f]+")


def is_address(text: str) -> bool:
    """Whether the text is an address rather than a path: it has a scheme, or is `user@host:path`."""
    return "://" in text or "::" in text or (_SCP.match(text) is not None and not Path(text).exists())


def check_address(address: str) -> None:
    """Refuse addresses that are unsafe; a password in one is never repeated.

    Raises:
        SourceRefused: a protocol that is not allowed, an option in disguise, or credentials in the address.
    """
    if address.startswith("-") or "\n" in address or "\0" in address:
        msg = "the address begins like an option or holds control characters"
        raise SourceRefused(msg)
    if "::" in address.partition("/")[0]:
        msg = f"{address.partition('::')[0]}:: addresses run programs; allowed: https:// and ssh://"
        raise SourceRefused(msg)
    if "://" not in address:
        return
    parts = urlsplit(address)
    if parts.scheme not in PROTOCOLS:
        msg = f"{parts.scheme}:// is not allowed; allowed: https:// and ssh://, or a path"
        raise SourceRefused(msg)
    if parts.password or (parts.username and parts.scheme == "https"):
        msg = f"the address of {parts.hostname} holds credentials; use a credential helper reference instead"
        raise SourceRefused(msg)
    if not parts.hostname or parts.hostname.startswith("-"):
        msg = f"{parts.scheme}:// without a host name"
        raise SourceRefused(msg)


def key_of_address(address: str) -> str:
    """`host/owner/name`: host in lower case; credentials, port and `.git` stripped.

    Raises:
        SourceRefused: the name holds blanks, `|`, control characters or `...`.
    """
    if "://" in address:
        parts = urlsplit(address)
        host, path = (parts.hostname or "").lower(), parts.path
    elif match := _SCP.match(address):
        host, path = match["host"].lower(), match["path"]
    else:
        host, path = "local", Path(address).name
    key = f"{host}/{path.strip('/').removesuffix('.git')}".strip("/")
    return checked_key(key)


def checked_key(key: str) -> str:
    """The key itself.

    Raises:
        SourceRefused: it holds blanks, `|`, control characters or `...`.
    """
    if not _KEY.fullmatch(key) or "..." in key or "/" not in key or not key.rpartition("/")[2]:
        msg = f"{key!r} is no repository key: host/owner/name without blanks, '|', control characters and '...'"
        raise SourceRefused(msg)
    return key


def key_of_folder(folder: Path, git_dir: Path) -> str:
    """The key of a local repository: that of its `origin`, else `local/<folder>`; git is not asked."""
    origin = _origin(git_dir)
    if origin and is_address(origin):
        try:
            return key_of_address(origin)
        except (SourceRefused, ValueError):
            pass  # an origin that is no allowed name says nothing; the folder's name does
    name = folder.name.removesuffix(".git") or "repository"
    return checked_key("local/" + re.sub(r"[\s|\x00-\x1f]+|\.{3,}", "-", name))


def _origin(git_dir: Path) -> str:
    config = git_dir / "config"
    if not config.is_file() or config.stat().st_size > 1_000_000:
        return ""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, interpolation=None)
    try:
        parser.read_string(re.sub(r"^[ \t]+", "", config.read_text(errors="replace"), flags=re.MULTILINE))
    except configparser.Error:
        return ""
    return parser.get('remote "origin"', "url", fallback="") or ""
