"""The version of this Elder; any room may ask."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def elder_version() -> str:
    """The installed version, or 'source'."""
    try:
        return version("elder")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "source"
