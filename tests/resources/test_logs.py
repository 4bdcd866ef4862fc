"""Lines of JSON: one a record, with the ids of its work, and without secrets."""

from __future__ import annotations

import io
import json
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from elder_assets.audit.errors import ConfigurationError
from resources.observability.logs import OURS, JsonLines, about, set_up
from resources.secrets import Secret
from resources.settings import Settings, load_settings

LOG = logging.getLogger("elder.test")
HOME = Path("/nowhere")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = {name: (logging.getLogger(name).level, logging.getLogger(name).propagate) for name in OURS}
    settings = Settings(home=HOME, log="json", token=Secret("tok-of-the-site"), secret_key=Secret("k" * 40))
    assert set_up(settings, stream)
    assert set_up(settings, stream)  # again: no line comes twice
    yield stream
    for name, (level, propagate) in before.items():
        logger = logging.getLogger(name)
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers = [one for one in logger.handlers if not isinstance(one.formatter, JsonLines)]


def lines(written: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_carries_the_ids_of_its_work_and_only_those(written: io.StringIO):
    with about(delivery=7, repository="github.com/acme/shop"):
        with about(run="r1", delivery=None):
            LOG.info("audit %s", "started")
        LOG.warning("one\nline")
    LOG.info("nothing known")
    first, second, third = lines(written)
    assert first["at"].endswith("+00:00")
    assert first == {
        "at": first["at"], "level": "info", "logger": "elder.test", "message": "audit started", "delivery": 7,
        "repository": "github.com/acme/shop", "run": "r1",
    }  # fmt: skip
    assert (second["message"], second["level"], "run" in second) == ("one\nline", "warning", False)
    assert set(third) == {"at", "level", "logger", "message"}


def checked_token() -> str:
    digits, value, body = "", zlib.crc32(b"R4nd0mR4nd0mR4nd0mR4nd0mR4nd0m"), "R4nd0mR4nd0mR4nd0mR4nd0mR4nd0m"
    for _ in range(6):
        digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[value % 62] + digits
        value //= 62
    return f"gh{'p_'}{body}{digits}"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("git: https://ann:hunter2@git.example.org/a", "hunter2"),
        ("postgresql://elder:pa55@db/elder failed", "pa55"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("authorization=basic YTpi", "YTpi"),
        (f"elder_{'a' * 49} was used", "a" * 49),
        ("smtps://x?password=geheim&to=a", "geheim"),
        ("the site has tok-of-the-site", "tok-of-the-site"),
        (f"key {'k' * 40}", "k" * 40),
        (f"told by {checked_token()}", checked_token()),
    ],
    ids=["url", "database", "bearer", "basic", "own-token", "parameter", "setting", "server-key", "provider-token"],
)
def test_no_secret_stands_in_a_message_an_id_or_a_traceback(written: io.StringIO, text: str, secret: str):
    with about(repository=text):
        try:
            load_settings({"ELDER_LOG": text})
        except ConfigurationError:
            LOG.exception("failed: %s", text)
    assert secret not in written.getvalue()
    (line,) = lines(written)
    assert line["error"] == "ConfigurationError"
    assert "ConfigurationError" in str(line["traceback"])


def formatted(message: str) -> str:
    """A message in a line; not logged, because pytest hands what is logged to its workers, which take no half pair."""
    record = logging.LogRecord("elder.test", logging.INFO, __file__, 1, message, None, None)
    return str(json.loads(JsonLines([]).format(record))["message"])


def test_a_line_is_bounded_and_takes_any_text():
    assert len(formatted("x" * 100_000)) == 4_001
    assert formatted("half a pair \ud800, NUL \0") == "half a pair \\ud800, NUL \0"


def test_without_the_setting_nothing_changes():
    assert set_up(Settings(home=HOME)) is False
    assert not any(isinstance(one.formatter, JsonLines) for one in logging.getLogger("elder").handlers)
    assert load_settings({"ELDER_LOG": ""}).log == "text"
    with pytest.raises(ConfigurationError, match="text or json"):
        load_settings({"ELDER_LOG": "xml"})
