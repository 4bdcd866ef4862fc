"""Secrets and the references that stand for them: `env:NAME` and `file:/run/secrets/name`.

Rows, settings and logs hold references; a secret exists only between `Secrets.of` and the call that needs it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from pathlib import Path

from elder_assets.audit.errors import ConfigurationError

LARGEST_SECRET_BYTES = 64 * 1024


class Secret:
    """A text that shows itself only to `reveal`: not by repr, str, format, pickle or comparison order."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text; for the call that needs it, never for a message, log or row."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere")


class Secrets:
    """Looks up references in an environment and in mounted files."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def of(self, reference: str) -> Secret:
        """The secret that a reference stands for.

        Raises:
            ConfigurationError: it is no reference, or what it names is missing, empty or too large. The text that came
                is repeated only when it has the form of a reference, since somebody may have pasted the secret itself.
        """
        scheme, colon, name = reference.partition(":")
        if not colon or scheme not in {"env", "file"} or not name:
            raise ConfigurationError("reference of a secret", "a text of another form", "env:NAME or file:/path")
        text = self._environment.get(name, "") if scheme == "env" else _read(Path(name), reference)
        if not text.strip():
            raise ConfigurationError("reference of a secret", reference, "one that is set and not empty")
        return Secret(text.strip())


def _read(path: Path, reference: str) -> str:
    try:
        if not path.is_absolute() or path.stat().st_size > LARGEST_SECRET_BYTES:
            raise ConfigurationError("reference of a secret", reference, "an absolute path of at most 64 KiB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("reference of a secret", reference, "a readable UTF-8 file") from None
