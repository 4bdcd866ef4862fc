"""One gettext catalogue for pages and notifiers. English is the text in the code; `<language>.po` holds the others.

`ja.po` is read as it is at the first use: no compiled file can be older than its source. A test compares it with the
texts in the code. Add a language by adding its file here.
"""

from __future__ import annotations

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from elder_assets.audit.errors import ConfigurationError

if TYPE_CHECKING:
    from babel.support import NullTranslations

Language = Literal["en", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "ja")
FOLDER = Path(__file__).parent


@cache
def translator(language: str) -> NullTranslations:
    """What translates into a language: `gettext`, `ngettext`, `pgettext`, `npgettext`.

    Raises:
        ConfigurationError: Elder does not speak that language.
    """
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
    from babel.support import NullTranslations, Translations

    if language not in LANGUAGES:
        raise ConfigurationError("language", language, LANGUAGES)
    if language == "en":
        return NullTranslations()
    compiled = BytesIO()
    with (FOLDER / f"{language}.po").open("rb") as source:
        write_mo(compiled, read_po(source, locale=language, abort_invalid=True))
    compiled.seek(0)
    return Translations(compiled)


def magic_name(language: str, magic: str) -> str:
    """A magic's name for people; the name itself where it is none of the eight."""
    t = translator(language)
    names = {
        "integrity": t.pgettext("magic", "Integrity"),
        "tdd": t.pgettext("magic", "TDD"),
        "flow": t.pgettext("magic", "Flow"),
        "sages": t.pgettext("magic", "Sages"),
        "git": t.pgettext("magic", "Git"),
        "servant": t.pgettext("magic", "Servant"),
        "strict": t.pgettext("magic", "Strict"),
        "predictive": t.pgettext("magic", "Predictive"),
    }
    return str(names.get(magic, magic))


def status_name(language: str, status: str) -> str:
    """A status of a repository or a gate for people; the word itself where it is another."""
    t = translator(language)
    names = {
        "passed": t.pgettext("status", "passed"),
        "warning": t.pgettext("status", "warning"),
        "failed": t.pgettext("status", "failed"),
        "error": t.pgettext("status", "error"),
        "insufficient": t.pgettext("status", "insufficient"),
        "not applicable": t.pgettext("status", "not applicable"),
    }
    return str(names.get(status, status))


def severity_name(language: str, severity: str) -> str:
    """The urgency of an alert for people."""
    t = translator(language)
    names = {
        "info": t.pgettext("severity", "information"),
        "warning": t.pgettext("severity", "warning"),
        "critical": t.pgettext("severity", "critical"),
    }
    return str(names.get(severity, severity))


def severity_of_finding(language: str, severity: str) -> str:
    """How much a finding costs, for people."""
    t = translator(language)
    names = {
        "critical": t.pgettext("finding", "critical"),
        "high": t.pgettext("finding", "high"),
        "medium": t.pgettext("finding", "medium"),
        "low": t.pgettext("finding", "low"),
        "info": t.pgettext("finding", "info"),
    }
    return str(names.get(severity, severity))


def standing_name(language: str, standing: str) -> str:
    """How a finding stands or came, for people; the word itself where it is another."""
    t = translator(language)
    names = {
        "open": t.pgettext("finding", "open"),
        "suppressed": t.pgettext("finding", "suppressed"),
        "fixed": t.pgettext("finding", "fixed"),
        "removed": t.pgettext("finding", "out of scope"),
        "all": t.pgettext("finding", "all"),
        "new": t.pgettext("finding", "new"),
        "unveiled": t.pgettext("finding", "unveiled"),
        "reopened": t.pgettext("finding", "reopened"),
        "existing": t.pgettext("finding", "existing"),
        "moved": t.pgettext("finding", "moved"),
    }
    return str(names.get(standing, standing))


def tier_name(language: str, tier: str) -> str:
    """What a rule may do, for people."""
    t = translator(language)
    names = {
        "gate": t.pgettext("tier", "may fail a check"),
        "advise": t.pgettext("tier", "advises"),
        "shadow": t.pgettext("tier", "is tried out"),
    }
    return str(names.get(tier, tier))


def level_name(language: str, level: str) -> str:
    """A level of a scorecard, for people."""
    t = translator(language)
    names = {
        "": t.pgettext("level", "none"),
        "none": t.pgettext("level", "none"),
        "bronze": t.pgettext("level", "Bronze"),
        "silver": t.pgettext("level", "Silver"),
        "gold": t.pgettext("level", "Gold"),
    }
    return str(names.get(level, level))
