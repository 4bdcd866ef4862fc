"""Elder's stored reasons in the reader's language: why a magic has no score, what a level asks for, why a gate failed.

A reason is kept in English, as the audit said it, with its numbers. Here is every form that it can have; what has none
(the words of git, of a host, of an exception, of a person) stays as it is. A test takes the forms from the code that
says them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from elder_assets.audit.registry import MAGIC_ORDER
from resources.messages.catalogue import level_name, magic_name, severity_of_finding, status_name, translator

if TYPE_CHECKING:
    from babel.support import NullTranslations

PIECES_MAX = 20
"""Parts of one reason that are looked up."""
NUMBER = r"-?\d[\d.,]*"
RULE = r"[A-Z]{3}\d{3}"
_MAGIC = "|".join(MAGIC_ORDER)
_VALUES = {
    "count": NUMBER,
    "least": NUMBER,
    "most": NUMBER,
    "days": NUMBER,
    "score": f"{NUMBER}|none",
    "share": r"\d+%",
    "commit": "[0-9a-f]{4,64}",
    "day": r"\d{4}-\d\d-\d\d",
    "rule": RULE,
    "rules": rf"{RULE}(?:, {RULE})*",
    "magic": _MAGIC,
    "level": "bronze|silver|gold",
    "severity": "critical|high|medium|low",
    "severities": r"[a-z]+(?:, [a-z]+)*(?: or [a-z]+)?",
    "unit": "[a-z ]{1,40}",
    "status": "[a-z ]{1,20}",
}
"""What may stand for a placeholder; anything short for the others."""


def reason_text(language: str, reason: str) -> str:
    """A stored reason for people; English, and parts of another origin, as they are."""
    if language == "en" or not reason:
        return reason
    pieces = reason.split("; ")
    first, colon, rest = pieces[0].partition(": ")
    if colon and first in {"bronze", "silver", "gold"}:
        asked = "; ".join([rest, *pieces[1:]])
        return f"{level_name(language, first)}: {reason_text(language, asked)}"
    return "; ".join([_piece(language, piece) for piece in pieces[:PIECES_MAX]] + pieces[PIECES_MAX:])


def _piece(language: str, piece: str) -> str:
    for pattern, translated in _forms(language):
        if found := pattern.fullmatch(piece):
            return translated % {name: _value(language, name, value) for name, value in found.groupdict().items()}
    return piece


def _value(language: str, name: str, value: str) -> str:
    """A value in a reason; the few that are words of ours are translated too."""
    if name == "rest":
        return _piece(language, value)
    if name == "magic":
        return magic_name(language, value)
    if name in {"severity", "severities"}:
        words = re.split(", | or ", value)
        return "・".join(severity_of_finding(language, word) for word in words)
    if name == "unit":
        return unit_name(language, value)
    if name == "status":
        return status_name(language, value)
    return level_name(language, "none") if value == "none" else value


@cache
def _forms(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """(pattern of the English, text in the language) of every form."""
    english, other = _texts(translator("en")), _texts(translator(language))
    return tuple((_pattern(one), two) for one, two in zip(english, other, strict=True))


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"%\((\w+)\)s", template.replace("%%", "%"))
    names, texts = pieces[1::2], pieces[::2]
    written = re.escape(texts[0])
    for name, text in zip(names, texts[1:], strict=True):
        written += f"(?P<{name}>{_VALUES.get(name, '.{1,300}')}){re.escape(text)}"
    return re.compile(written, re.DOTALL)


def _texts(t: NullTranslations) -> tuple[str, ...]:
    """Every form, the more particular before the more general."""
    return (
        # why a rule, a magic or the whole has nothing to say (elder_assets/audit: engine, scoring, judgement, magics)
        t.gettext("only %(share)s of its rule weight is applicable"),
        t.gettext("no rule applies"),
        t.gettext("no magic has enough to say"),
        t.gettext("no code"),
        t.gettext("no source code"),
        t.gettext("no %(unit)s to look at"),
        t.gettext("no earlier audit"),
        t.gettext("no CODEOWNERS file"),
        t.gettext("no CI configuration in the tree"),
        t.gettext("no tests were found"),
        t.gettext("no tests in a language whose runners can focus"),
        t.gettext("%(count)s changes in twelve months, fewer than %(least)s"),
        t.gettext("%(count)s changes in %(days)s days, fewer than %(least)s"),
        t.gettext("%(count)s authors in %(days)s days, fewer than %(least)s"),
        t.gettext("%(count)s source files, fewer than %(least)s"),
        t.gettext("a mirror: its changes land elsewhere"),
        t.gettext("what starts the pipelines is configured outside of the tree"),
        t.gettext("%(name)s belongs to a CI system that is configured outside of the tree"),
        t.gettext("%(name)s cannot be read"),
        t.gettext(
            "the project, %(name)s, is itself about testing: its tests do on purpose what this rule flags"
        ),
        t.gettext("a staged tree has no history of its own"),
        t.gettext("a partial clone: objects are missing"),
        t.gettext("a shallow clone: commits before %(day)s are missing"),
        t.gettext("the clone is shallow"),
        t.gettext("whether the history was rewritten cannot be told: %(rest)s"),
        t.gettext("the commit of the earlier audit, %(commit)s, is no longer here"),
        t.gettext("%(rule)s is critical and open"),
        # what a level still asks for (elder_assets/audit/levels.py)
        t.gettext("score %(score)s, needs %(least)s"),
        t.gettext("coverage %(score)s %%, needs %(least)s %%"),
        t.gettext("%(count)s open %(severity)s gate findings, at most %(most)s"),
        t.gettext("%(magic)s %(score)s, needs %(least)s"),
        t.gettext("audited %(count)s days ago, at most %(most)s"),
        t.gettext("it was never audited"),
        t.gettext("it cannot be audited: %(rest)s"),
        # what a gate says (elder_assets/audit/gate.py)
        t.gettext("nothing new that fails a check"),
        t.gettext("%(count)s new gate finding of severity %(severities)s: %(rules)s"),
        t.gettext("%(count)s new gate findings of severity %(severities)s: %(rules)s"),
        t.gettext("the audit is incomplete: %(rest)s"),
        # why an alert was told or not (elder_assets/audit/alerts.py)
        t.gettext("new"),
        t.gettext("new again"),
        t.gettext("the rule is muted until %(time)s"),
        t.gettext("told at %(time)s, less than %(count)s s ago"),
        t.gettext("the rule gathers a digest (hourly)"),
        t.gettext("the rule gathers a digest (daily)"),
        t.gettext("quiet hours of %(zone)s until %(time)s"),
        t.gettext("this event was decided before"),
        t.gettext("people were told of it, and it has not cleared since"),
        t.gettext("people were told last that it is %(status)s"),
        # why no code is shown (resources/excerpts.py)
        t.gettext("the place of a secret is not shown"),
        t.gettext("the finding is about more than a line"),
        t.gettext("the file is not there at this commit, or larger than 1 MB"),
        # why a suppression is not in force, its kind and its reason (elder_assets/audit/suppression.py, gate.py)
        t.gettext("expired"),
        t.gettext("malformed"),
        t.gettext("unused"),
        t.gettext("beyond 5 %%"),
        t.gettext("it ended on %(day)s"),
        t.gettext("what it held back shows again"),
        t.gettext("until=%(day)s is more than %(days)s days away"),
        t.gettext("no open finding of %(rules)s there"),
        t.gettext("the policy lets no change bring its own suppression"),
        t.gettext("ask for one"),
        t.gettext("it names no rule"),
        t.gettext("%(count)s of %(most)s units are suppressed"),
        t.gettext("%(count)s of them count as affected: only 5 %% may be left out"),
        t.gettext("unknown word %(word)s"),
        t.gettext("write %(form)s"),
        t.gettext("it is not used: %(rest)s"),
        # where the chain of the audit log is broken (resources/store/audit_log.py)
        t.gettext("it was changed"),
        t.gettext("a row before it is missing"),
        # whatever broke in a rule or a magic, with the words of what broke
        t.gettext("%(magic)s: %(rest)s"),
        t.gettext("%(rule)s: %(rest)s"),
    )  # fmt: skip


def unit_name(language: str, unit: str) -> str:
    """What a rule looks at, one by one; the word itself where it is another."""
    t = translator(language)
    names = {
        "action or image of a file": t.pgettext("unit", "action or image of a file"),
        "audit": t.pgettext("unit", "audit"),
        "component": t.pgettext("unit", "component"),
        "coverage gate": t.pgettext("unit", "coverage gate"),
        "debt marker": t.pgettext("unit", "debt marker"),
        "entry point": t.pgettext("unit", "entry point"),
        "file": t.pgettext("unit", "file"),
        "function": t.pgettext("unit", "function"),
        "landed change": t.pgettext("unit", "landed change"),
        "link": t.pgettext("unit", "link"),
        "locked dependency": t.pgettext("unit", "locked dependency"),
        "owner rule": t.pgettext("unit", "owner rule"),
        "path": t.pgettext("unit", "path"),
        "repository": t.pgettext("unit", "repository"),
        "step": t.pgettext("unit", "step"),
        "suppression": t.pgettext("unit", "suppression"),
        "test": t.pgettext("unit", "test"),
        "workflow": t.pgettext("unit", "workflow"),
    }
    return str(names.get(unit, unit))


def magic_question(language: str, magic: str) -> str:
    """What a magic asks; '' of none that is known."""
    t = translator(language)
    questions = {
        "integrity": t.pgettext("magic", "Is what is claimed really there?"),
        "tdd": t.pgettext("magic", "Do the tests prove anything, and do they come with the change?"),
        "flow": t.pgettext("magic", "Did the change go through the delivery process?"),
        "sages": t.pgettext("magic", "Are knowledge, tasks, incidents and search looked after?"),
        "git": t.pgettext("magic", "Is the history trustworthy and usable?"),
        "servant": t.pgettext("magic", "Does every part have a competent, active owner?"),
        "strict": t.pgettext("magic", "Is the output itself correct, safe, simple?"),
        "predictive": t.pgettext("magic", "Where will it break next, and how sure are we?"),
    }
    return str(questions.get(magic, ""))
