"""The messages that docs/alerts.md shows are what comes out."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from elder_assets.audit.alert_events import Event, TopFinding
from elder_assets.audit.alerts import Notice
from resources.notifiers.discord import embed
from resources.notifiers.email import text_part
from resources.notifiers.messages import render
from resources.notifiers.notifier import Message
from resources.notifiers.slack import blocks
from resources.notifiers.webhook import body

PAGE = Path(__file__).parents[3] / "docs" / "alerts.md"
NOTICE = Notice(
    key="drops|score_dropped|github.com/acme/shop|7d|4f2a90c1b7de@1772452800",
    severity="warning",
    threshold=5,
    event=Event(
        kind="score_dropped",
        project="github.com/acme/shop",
        team="payments",
        at=1_772_452_800,
        commit="4f2a90c1b7de",
        what="7d",
        before=90.0,
        after=78.4,
        unit="points",
        from_at=1_772_193_600,
        found=4,
        findings=(
            TopFinding(
                finding_id="f-1",
                rule="STR010",
                place="src/mail.py:12",
                message="a password stands in the code",
                remedy="move it to the environment and change it",
            ),
        ),
        link="/projects/7/audits/4f2a90c1b7de",
    ),
)


def message(language: str) -> Message:
    zone = {"en": "UTC", "ja": "Asia/Tokyo"}[language]
    return render(NOTICE, language, base_url="https://elder.example.org", time_zone=zone)


def pretty(made: object) -> str:
    return msgspec.json.format(msgspec.json.encode(made), indent=2).decode()


SHOWN = {
    "e-mail in English": lambda: text_part(message("en")).rstrip(),
    "e-mail in Japanese": lambda: text_part(message("ja")).rstrip(),
    "Slack in English": lambda: pretty(blocks(message("en"))),
    "Slack in Japanese": lambda: pretty(blocks(message("ja"))),
    "Discord in English": lambda: pretty(embed(message("en"))),
    "Discord in Japanese": lambda: pretty(embed(message("ja"))),
    "webhook in English": lambda: pretty(msgspec.Raw(body(message("en")))),
    "webhook in Japanese": lambda: pretty(msgspec.Raw(body(message("ja")))),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_page_shows_what_comes_out(name):
    assert f"\n{SHOWN[name]()}\n```" in PAGE.read_text()
