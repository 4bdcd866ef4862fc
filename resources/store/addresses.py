"""Addresses of repositories as they may be kept: without credentials."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def without_credentials(address: str) -> str:
    """An address without password, token, query or fragment; a path stays as it is.

    The user of an ssh address stays: it names an account, not a secret.
    """
    if "://" not in address:
        return address
    parts = urlsplit(address)
    account, at, host = parts.netloc.rpartition("@")
    user = account.partition(":")[0] + at if parts.scheme == "ssh" and at else ""
    return urlunsplit((parts.scheme, user + host, parts.path, "", ""))
