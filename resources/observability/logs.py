"""Structured logs: with ELDER_LOG=json each line of Elder's own loggers is one JSON object with the ids of its work.

`about` says what the lines in a block are about: run, repository, delivery. Without ELDER_LOG nothing changes: warnings
go to standard error as they are. Lines of Dagster's servers follow its `--log-format`, those of runs `run_lines.py`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import TextIO

import msgspec

from resources.settings import Settings

OURS = ("elder", "resources", "dash_app", "sensors", "elder_assets", "uvicorn")
"""Loggers whose lines are written so; Dagster has its own."""
MESSAGE_CHARACTERS_MAX, TRACEBACK_CHARACTERS_MAX = 4_000, 16_000
REDACTED = "***"
_ABOUT: ContextVar[Mapping[str, str | int] | None] = ContextVar("about", default=None)
_CREDENTIALS = (
    re.compile(r"(?<=://)[^\s/@]{1,500}(?=@)"),
    re.compile(r"(?i)(?<=\bbearer )\S{1,2000}|(?<=\bbasic )\S{1,2000}"),
    re.compile(r"\belder_[0-9A-Za-z]{20,}"),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[a-z]-|whsec_)[\w-]{16,500}"),
    re.compile(r"(?i)(?<=\bpassword=)[^\s&;,]{1,500}|(?<=\btoken=)[^\s&;,]{1,500}|(?<=\bsecret=)[^\s&;,]{1,500}"),
)
"""In addresses, headers, our own tokens, those of hosts that we talk to, parameters; STR010's patterns know more."""


@contextlib.contextmanager
def about(**ids: str | int | None) -> Iterator[None]:
    """Give every line in a block these ids: run, repository, delivery; what is None or '' is left out."""
    known = {name: value for name, value in ids.items() if value is not None and value != ""}
    token = _ABOUT.set({**(_ABOUT.get() or {}), **known})
    try:
        yield
    finally:
        _ABOUT.reset(token)


def set_up(settings: Settings, stream: TextIO | None = None) -> bool:
    """Let Elder's loggers write JSON where the settings say so; whether they do. Again, it changes nothing.

    Args:
        settings: of this process.
        stream: where to; default: standard error as it is at each line.
    """
    if settings.log != "json":
        return False
    hidden = hidden_texts(settings)
    for name in OURS:
        logger = logging.getLogger(name)
        for handler in [one for one in logger.handlers if isinstance(one.formatter, JsonLines)]:
            logger.removeHandler(handler)
        made = _Stream(stream)
        made.setFormatter(JsonLines(hidden))
        logger.addHandler(made)
        logger.setLevel(logging.WARNING if name == "uvicorn" else logging.INFO)
        logger.propagate = False  # or a handler of Dagster's on the root logger writes each line again
    return True


def hidden_texts(settings: Settings) -> list[str]:
    """Secrets of this process that no line may hold."""
    return [secret.reveal() for secret in (settings.token, settings.secret_key) if secret is not None]


class _Stream(logging.StreamHandler[TextIO]):
    """Standard error as it is when a line is written; tests and supervisors exchange it."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream or sys.stderr)
        self._is_given = stream is not None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        if not self._is_given:
            self.stream = sys.stderr
        super().emit(record)


class JsonLines(logging.Formatter):
    """A record as one line of JSON: at, level, logger, message, the ids, and what was raised."""

    def __init__(self, hidden: list[str]) -> None:
        super().__init__()
        self._hidden = [text for text in hidden if text]

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, str | int] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._safe(record.getMessage(), MESSAGE_CHARACTERS_MAX),
        }
        for name, value in (_ABOUT.get() or {}).items():
            line[name] = self._safe(value, 500) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[1] is not None:
            raised = "".join(traceback.format_exception(record.exc_info[1]))
            line["error"] = type(record.exc_info[1]).__name__
            line["traceback"] = self._safe(raised, TRACEBACK_CHARACTERS_MAX)
        return msgspec.json.encode(line).decode()

    def _safe(self, text: str, most: int) -> str:
        """A text without secrets, in bounds, that UTF-8 can hold."""
        text = text[: most * 2].encode("utf-8", errors="backslashreplace").decode()
        for hidden in self._hidden:
            text = text.replace(hidden, REDACTED)
        for pattern in _CREDENTIALS:
            text = pattern.sub(REDACTED, text)
        from elder_assets.audit.facts.secrets import redact  # brings parsers along, which these processes have anyway

        text = redact(text.encode()).decode(errors="replace")
        return text if len(text) <= most else f"{text[:most]}…"
