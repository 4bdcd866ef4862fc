"""Suppressions: findings that a team lives with, each with a reason and an end.

They come from comments (`elder: ignore RULE reason="..." until=YYYY-MM-DD`), from `elder.yaml` and from approved
requests. Nothing here changes what a rule said: findings stay findings, and what is shown, scored and gated is decided
on top, on a day that the caller names (decision D11). A suppressed unit leaves both sides of its rule's rate, up to 5 %
of the rule's units; beyond that it counts as affected again (D14), so that no blanket buys a score.
"""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import operator
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.former_codes import current_code
from elder_assets.audit.judgement import Directed
from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Verdict
from elder_assets.audit.patterns import regex
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.scoring import score_magic, score_overall

REASON_CHARS_MAX = 500
REASON_CHARS_MIN = 8
"""A reason is at least a few words; chosen by us."""
DAYS_MAX = 366
"""How far away an end may be: nobody lives with a finding for more than a year without looking again."""
SHARE_MAX = 20
"""One unit in so many may be suppressed out of a rule's rate: 5 %."""
Origin = Literal["comment", "elder.yaml", "request"]


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """One wish that findings be left alone until a day."""

    rules: tuple[str, ...]
    reason: str
    until: dt.date
    """The last day on which it holds."""
    origin: Origin
    path: str = "**"
    """The files: a path, or a pattern with `*` (within a folder) and `**` (any folders)."""
    first: int = 0
    """First line of a comment's lines; 0 = the whole file."""
    last: int = 0
    place: str = ""
    """Where it is written, for people: 'shop/basket.py:12', 'elder.yaml, entry 2', 'request 7, approved by ann'."""
    fingerprint: str = ""
    """When it is about one finding."""

    def covers(self, finding: Finding) -> bool:
        """Whether it speaks about the finding, whatever the day."""
        if finding.rule not in self.rules or (self.fingerprint and finding.fingerprint != self.fingerprint):
            return False
        if self.first and finding.line and not self.first <= finding.line <= self.last:
            return False
        return finding.path == self.path or _matcher(self.path).fullmatch(finding.path) is not None


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A suppression that does not do what its author meant, and why."""

    kind: Literal["expired", "malformed", "unused", "beyond 5 %"]
    place: str
    reason: str


class Suppressed(msgspec.Struct, frozen=True):
    """A finding that is left alone, and by what."""

    finding: Finding
    by: Suppression


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict as it is shown on a day: findings = open + suppressed."""

    verdict: Verdict
    """Open findings only; scored without the suppressed units that may be left out."""
    suppressed: tuple[Suppressed, ...] = ()
    problems: tuple[Problem, ...] = ()
    evaluated_on: dt.date


@functools.lru_cache(maxsize=1_000)
def _matcher(pattern: str) -> re.Pattern[str]:
    """`**` stands for any folders, `*` for anything within one, `?` for one character; all else for itself."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    wild = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(wild.get(part, re.escape(part)) for part in parts))


# --- reading ---------------------------------------------------------------------------------------------

_KEYWORD = regex(r"(?P<key>[A-Za-z_]+)\s*=\s*(?:\"(?P<quoted>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>\S+))")
_RULES = regex(r"ignore[\s:]+(?P<rules>[A-Za-z]{3}\d{3}(?:\s*,\s*[A-Za-z]{3}\d{3})*|EXT:\S+)")
FORM = 'elder: ignore RULE reason="..." until=YYYY-MM-DD'


def read_comment(comment: Directed, known: Iterable[str]) -> Suppression | Problem:
    """The suppression of an `elder: ignore` comment, or what is wrong with it.

    `known` are the codes of all rules.
    """
    place = f"{comment.path}:{comment.line}"
    named = _RULES.match(comment.text)
    if named is None:
        return Problem(kind="malformed", place=place, reason=f"it names no rule; write {FORM}")
    given = {match["key"].lower(): _value(match) for match in _KEYWORD.finditer(comment.text[named.end() :])}
    if unknown := sorted(given.keys() - {"reason", "until"}):
        return Problem(kind="malformed", place=place, reason=f"unknown word {unknown[0]!r}; write {FORM}")
    try:
        return suppression(
            [code.strip() for code in named["rules"].split(",")],
            given.get("reason", ""),
            given.get("until", ""),
            known,
            origin="comment",
            place=place,
            path=comment.path,
            lines=(comment.first, comment.last),
        )
    except ConfigurationError as error:
        return Problem(kind="malformed", place=place, reason=str(error))


def _value(match: re.Match[str]) -> str:
    return next(match[name] for name in ("quoted", "single", "bare") if match[name] is not None)


def suppression(
    rules: Sequence[str],
    reason: str,
    until: str | dt.date,
    known: Iterable[str],
    *,
    origin: Origin,
    place: str,
    path: str = "**",
    lines: tuple[int, int] = (0, 0),
    fingerprint: str = "",
) -> Suppression:
    """A checked suppression.

    Raises:
        ConfigurationError: a rule does not exist, the reason says nothing, or the end is no day.
    """
    codes = tuple(code if code.startswith("EXT:") else current_code(code.upper()) for code in rules)
    every = set(known)
    for code in codes:
        if code not in every and not code.startswith("EXT:"):
            kindred = sorted(other for other in every if other[:3] == code[:3]) or sorted(every)
            near = difflib.get_close_matches(code, kindred, 3) or kindred[:3]
            raise ConfigurationError("rule", code, f"a rule's code; near: {', '.join(near)}")
    if not codes:
        raise ConfigurationError("rules", "", "at least one rule's code")
    if len(reason.strip()) < REASON_CHARS_MIN:
        raise ConfigurationError(
            "reason", reason, f"why the finding may stay, in at least {REASON_CHARS_MIN} characters"
        )
    return Suppression(
        rules=codes,
        reason=" ".join(reason.split())[:REASON_CHARS_MAX],
        until=_day(until),
        origin=origin,
        path=path,
        first=lines[0],
        last=lines[1],
        place=place,
        fingerprint=fingerprint,
    )


def _day(until: str | dt.date) -> dt.date:
    if isinstance(until, dt.date):
        return until
    try:
        return dt.date.fromisoformat(until)
    except ValueError:
        raise ConfigurationError("until", until, "the last day, as YYYY-MM-DD") from None


# --- applying --------------------------------------------------------------------------------------------


def apply(
    verdict: Verdict,
    wanted: Iterable[Suppression | Problem],
    ruler: Ruler,
    evaluated_on: dt.date,
    *,
    has_code: bool = True,
) -> Applied:
    """What a verdict says on a day, under suppressions.

    Args:
        verdict: as the rules and the ruler made it.
        wanted: every suppression, whatever its end, and what was malformed.
        ruler: that of the verdict.
        evaluated_on: the day.
        has_code: whether the repository holds code at all; without any there is no score.
    """
    problems: list[Problem] = []
    held: list[Suppression] = []
    for item in wanted:
        if isinstance(item, Problem):
            problems.append(item)
        elif problem := _problem_on(item, evaluated_on):
            problems.append(problem)
        else:
            held.append(item)
    found = _covered(verdict.findings, held)
    used = {id(item.by) for item in found}
    problems += [
        Problem(kind="unused", place=item.place, reason=f"no open finding of {', '.join(item.rules)} there")
        for item in held
        if id(item) not in used
    ]
    gone = {id(item.finding) for item in found}
    left = tuple(finding for finding in verdict.findings if id(finding) not in gone)
    shown, beyond = _rescored(verdict, left, found, ruler, has_code=has_code)
    problems += beyond
    return Applied(
        verdict=shown,
        suppressed=tuple(found),
        problems=tuple(sorted(problems, key=lambda problem: (problem.kind, problem.place))),
        evaluated_on=evaluated_on,
    )


def _problem_on(item: Suppression, day: dt.date) -> Problem | None:
    if item.until < day:
        reason = f"it ended on {item.until}; what it held back shows again"
        return Problem(kind="expired", place=item.place, reason=reason)
    if (item.until - day).days > DAYS_MAX:
        reason = f"until={item.until} is more than {DAYS_MAX} days away"
        return Problem(kind="malformed", place=item.place, reason=reason)
    return None


def _covered(findings: Iterable[Finding], held: Sequence[Suppression]) -> list[Suppressed]:
    by_place: dict[tuple[str, str], list[tuple[int, Suppression]]] = defaultdict(list)
    for number, item in enumerate(held):
        for code in item.rules:
            by_place[code, item.path if _is_literal(item.path) else _ANY_FILE].append((number, item))
    found = []
    for finding in findings:
        near, far = by_place.get((finding.rule, finding.path), ()), by_place.get((finding.rule, _ANY_FILE), ())
        covering = (next((pair for pair in some if pair[1].covers(finding)), None) for some in (near, far))
        by = min((pair for pair in covering if pair is not None), key=operator.itemgetter(0), default=None)
        if by is not None:
            found.append(Suppressed(finding, by[1]))
    return found


_ANY_FILE = "*"
"""Under which suppressions stand that do not name one file: no file of theirs has this name."""


def _is_literal(path: str) -> bool:
    return "*" not in path and "?" not in path


def _rescored(
    verdict: Verdict, left: tuple[Finding, ...], found: Sequence[Suppressed], ruler: Ruler, *, has_code: bool
) -> tuple[Verdict, list[Problem]]:
    if not found:
        return verdict, []
    open_units = {(finding.rule, finding.unit) for finding in left if finding.severity is not Severity.INFO}
    gone: dict[str, set[str]] = defaultdict(set)
    for item in found:
        finding = item.finding
        if finding.severity is not Severity.INFO and (finding.rule, finding.unit) not in open_units:
            gone[finding.rule].add(finding.unit)
    problems: list[Problem] = []
    magics = []
    for magic in verdict.magics:
        outcomes = [_outcome(outcome, len(gone[outcome.rule]), problems) for outcome in magic.outcomes]
        own = {outcome.rule for outcome in outcomes}
        findings = [finding for finding in left if finding.rule in own]
        magics.append(score_magic(magic.magic, outcomes, findings, ruler, duration_ms=magic.duration_ms))
    shown = msgspec.structs.replace(verdict, findings=left, magics=tuple(magics))
    if has_code:
        status, reason, score = score_overall(magics, left, ruler.weights)
        shown = msgspec.structs.replace(shown, status=status, reason=reason, score=score)
    return shown, problems


def _outcome(outcome: RuleOutcome, suppressed: int, problems: list[Problem]) -> RuleOutcome:
    """The outcome without its suppressed units, up to 5 % of all."""
    if not suppressed:
        return outcome
    excused = min(suppressed, outcome.units // SHARE_MAX)
    if excused < suppressed:
        reason = (
            f"{suppressed} of {outcome.units} units are suppressed; {suppressed - excused} of them count as affected: "
            f"only 5 % may be left out"
        )
        problems.append(Problem(kind="beyond 5 %", place=outcome.rule, reason=reason))
    units, affected = outcome.units - excused, outcome.affected - excused
    is_clean = not affected and outcome.status is Status.FINDING
    return msgspec.structs.replace(
        outcome, units=units, affected=affected, status=Status.PASS if is_clean else outcome.status
    )
