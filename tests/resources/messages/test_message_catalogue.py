"""Every text that the code names is in the catalogue, whole and with the same placeholders."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from elder_assets.audit.alerts import MAGICS
from elder_assets.audit.errors import ConfigurationError
from resources.messages.catalogue import FOLDER, LANGUAGES, magic_name, translator

ROOT = Path(__file__).parents[3]
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%(?!\()")


def in_code() -> set[tuple[str | None, str]]:
    found = set()
    for room in ("resources", "dash_app"):
        for _, _, message, _, context in extract_from_dir(ROOT / room, method_map=[("**.py", "python")]):
            found.add((context, message[0] if isinstance(message, tuple) else message))
    return found


def entries(language: str):
    with (FOLDER / f"{language}.po").open("rb") as source:
        return [message for message in read_po(source, locale=language, abort_invalid=True) if message.id]


def first(text: str | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else text[0]


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_the_catalogue_holds_what_the_code_says_and_nothing_else(language):
    assert {(message.context, first(message.id)) for message in entries(language)} == in_code()


@pytest.mark.parametrize("language", [language for language in LANGUAGES if language != "en"])
def test_every_text_is_translated_with_the_placeholders_of_its_source(language):
    for message in entries(language):
        ids = [message.id] if isinstance(message.id, str) else list(message.id)
        strings = [message.string] if isinstance(message.string, str) else list(message.string)
        assert not message.fuzzy, message.id
        for string in strings:
            assert string.strip(), message.id
            assert sorted(PLACEHOLDER.findall(string)) == sorted(PLACEHOLDER.findall(ids[-1])), message.id


def test_english_has_plurals_and_japanese_has_none():
    def more(language: str, count: int) -> str:
        return translator(language).ngettext("%(count)s project", "%(count)s projects", count) % {"count": count}

    assert [more("en", count) for count in (0, 1, 2)] == ["0 projects", "1 project", "2 projects"]
    assert [more("ja", count) for count in (1, 2)] == ["1 件", "2 件"]


def test_the_magics_have_their_japanese_names():
    assert [magic_name("ja", magic) for magic in MAGICS] == [
        "誠実性監査魔法",
        "TDD守護魔法",
        "Flow遵守魔法",
        "4賢者監督魔法",
        "Git年代記魔法",
        "サーバント査察魔法",
        "厳格検証魔法",
        "予測魔法",
    ]
    assert magic_name("en", "tdd") == "TDD"
    assert magic_name("ja", "unknown") == "unknown"


@pytest.mark.parametrize("language", ["fr", "", "../../etc/passwd"])
def test_a_language_that_elder_does_not_speak_is_refused(language):
    with pytest.raises(ConfigurationError):
        translator(language)
