"""Whether a version lies in a declared range, by the rules of each ecosystem.

Every function answers True or False, or None where the two cannot be compared (a tag, a URL, an unknown form):
what cannot be compared is nobody's defect.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion
from packaging.version import Version as PythonVersion

from elder_assets.audit.patterns import regex

# --- semantic versions: npm and Cargo --------------------------------------------------------------------

_Part = tuple[int, int, str]
"""One identifier of a pre-release: (0, number, '') sorts before (1, 0, word)."""


class SemanticVersion(NamedTuple):
    """A version by semver.org 2.0; `order` sorts pre-releases before their release. Build metadata is dropped."""

    triple: tuple[int, int, int]
    pre: tuple[_Part, ...] = ()

    @property
    def order(self) -> tuple[tuple[int, int, int], int, tuple[_Part, ...]]:
        return (self.triple, 0 if self.pre else 1, self.pre)


_NUMBER = r"(?:\d{1,15}|[xX*])"
_PARTIAL = (
    rf"[v=\s]*(?P<major>{_NUMBER})(?:\.(?P<minor>{_NUMBER})(?:\.(?P<patch>{_NUMBER})"
    r"(?:-(?P<pre>[0-9A-Za-z.-]+))?)?)?(?:\+[0-9A-Za-z.-]+)?"
)
_SIMPLE = regex(rf"(?P<operator>\^|~>?|>=?|<=?|=)?\s*{_PARTIAL}(?=\s|,|$)")
_HYPHEN = regex(r"(\S+)\s+-\s+(\S+)$")
_LOWEST: tuple[_Part, ...] = ((0, 0, ""),)
"""The pre-release `-0`: sorts before every other of its version."""

_Comparator = tuple[str, SemanticVersion]


def semantic_version(text: str) -> SemanticVersion | None:
    """A full version; None for anything else."""
    partial = _partial(text)
    if partial is None or None in partial.numbers:
        return None
    major, minor, patch = partial.numbers
    return SemanticVersion((major or 0, minor or 0, patch or 0), partial.pre)


def npm_satisfies(version: str, spec: str) -> bool | None:
    """Whether npm's range `spec` takes the version (node-semver 7, without includePrerelease)."""
    locked = semantic_version(version)
    alternatives = _npm_range(spec.strip())
    if locked is None or alternatives is None:
        return None
    return any(_all_take(comparators, locked) for comparators in alternatives)


def cargo_satisfies(version: str, spec: str) -> bool | None:
    """Whether Cargo's requirement takes the version: parts joined by commas, a bare version means caret."""
    locked = semantic_version(version)
    comparators: list[_Comparator] = []
    for part in spec.split(","):
        match = _SIMPLE.fullmatch(part.strip())
        if match is None:
            return None
        comparators.extend(_comparators(match, bare="^"))
    return None if locked is None else _all_take(comparators, locked)


class _Partial(NamedTuple):
    numbers: tuple[int | None, int | None, int | None]
    pre: tuple[_Part, ...]


def _partial(text: str) -> _Partial | None:
    match = re.fullmatch(_PARTIAL, text.strip())
    return None if match is None else _partial_of(match)


def _partial_of(match: re.Match[str]) -> _Partial:
    numbers: list[int | None] = []
    for name in ("major", "minor", "patch"):
        written = match.group(name)
        is_open = written is None or not written.isdigit() or (bool(numbers) and numbers[-1] is None)
        numbers.append(None if is_open else int(written))
    written = match.group("pre")
    pre = (
        tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in written.split(".")) if written else ()
    )
    return _Partial((numbers[0], numbers[1], numbers[2]), pre)


@functools.lru_cache(maxsize=4096)
def _npm_range(spec: str) -> tuple[tuple[_Comparator, ...], ...] | None:
    alternatives = []
    for alternative in spec.split("||"):
        comparators = _npm_alternative(alternative.strip())
        if comparators is None:
            return None
        alternatives.append(comparators)
    return tuple(alternatives)


def _npm_alternative(text: str) -> tuple[_Comparator, ...] | None:
    if hyphen := _HYPHEN.fullmatch(text):
        low, high = _partial(hyphen.group(1)), _partial(hyphen.group(2))
        return None if low is None or high is None else (*_from(low), *_to(high))
    comparators: list[_Comparator] = []
    position = 0
    while position < len(text):
        match = _SIMPLE.match(text, position)
        if match is None:
            return None
        comparators.extend(_comparators(match, bare="="))
        position = match.end() + len(text[match.end() :]) - len(text[match.end() :].lstrip())
    return tuple(comparators)


def _comparators(match: re.Match[str], *, bare: str) -> Iterator[_Comparator]:
    partial = _partial_of(match)
    operator = match.group("operator") or bare
    low = _floor(partial)
    if partial.numbers[0] is None:
        if operator in {">", "<"}:
            yield "<", SemanticVersion((0, 0, 0), _LOWEST)
        return
    if operator in {"^", "~", "~>"}:
        yield ">=", low
        yield (
            "<",
            _next_caret(partial) if operator == "^" else _next(partial, 2 if partial.numbers[1] is not None else 1),
        )
    elif operator == "=":
        yield from (("=", low),) if None not in partial.numbers else (*_from(partial), *_to(partial))
    elif operator == ">":
        yield (">", low) if None not in partial.numbers else (">=", _next(partial)._replace(pre=()))
    elif operator == "<=":
        yield from _to(partial)
    elif operator == "<":
        yield "<", low if None not in partial.numbers else low._replace(pre=_LOWEST)
    else:
        yield ">=", low


def _floor(partial: _Partial) -> SemanticVersion:
    major, minor, patch = (number or 0 for number in partial.numbers)
    return SemanticVersion((major, minor, patch), partial.pre)


def _from(partial: _Partial) -> tuple[_Comparator, ...]:
    return () if partial.numbers[0] is None else ((">=", _floor(partial)),)


def _to(partial: _Partial) -> tuple[_Comparator, ...]:
    if partial.numbers[0] is None:
        return ()
    return (("<=", _floor(partial)),) if None not in partial.numbers else (("<", _next(partial)),)


def _next(partial: _Partial, given: int | None = None) -> SemanticVersion:
    """The first version behind those that share the given number of leading numbers."""
    numbers = [number for number in partial.numbers if number is not None][: given or 3]
    numbers[-1] += 1
    major, minor, patch = (*numbers, 0, 0)[:3]
    return SemanticVersion((major, minor, patch), _LOWEST)


def _next_caret(partial: _Partial) -> SemanticVersion:
    """The first version that changes the leftmost number that is not zero."""
    numbers = [number for number in partial.numbers if number is not None]
    leading = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    return _next(partial, leading + 1)


def _all_take(comparators: Sequence[_Comparator], version: SemanticVersion) -> bool:
    """Whether all comparators take it; a pre-release only where one of them names a pre-release of its triple."""
    if not all(_takes(operator, bound, version) for operator, bound in comparators):
        return False
    return not version.pre or any(bound.pre and bound.triple == version.triple for _, bound in comparators)


def _takes(operator: str, bound: SemanticVersion, version: SemanticVersion) -> bool:
    if operator == "=":
        return version.order == bound.order
    if operator == "<":
        return version.order < bound.order
    if operator == "<=":
        return version.order <= bound.order
    return version.order > bound.order or (operator == ">=" and version.order == bound.order)


# --- Python: PEP 440 and Poetry --------------------------------------------------------------------------


def python_satisfies(version: str, spec: str) -> bool | None:
    """Whether a PEP 440 specifier set takes the version, pre-releases included."""
    try:
        return SpecifierSet(spec).contains(PythonVersion(version), prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return None


def poetry_satisfies(version: str, constraint: str) -> bool | None:
    """Whether a Poetry constraint takes the version: caret, tilde, wildcards, `||`, or PEP 440."""
    answers = [_poetry_alternative(version, part) for part in re.split(r"\|\|?", constraint)]
    return None if None in answers else any(answers)


def _poetry_alternative(version: str, text: str) -> bool | None:
    specifiers = []
    for part in re.split(r"\s*,\s*|(?<=[\w*])\s+(?=[<>=!~^\d])", text.strip()):
        translated = _poetry_part(part.strip())
        if translated is None:
            return None
        specifiers.append(translated)
    return python_satisfies(version, ",".join(filter(None, specifiers)))


_POETRY_BOUND = regex(r"([\^~])\s*(\d+(?:\.\d+)*)((?:\.?(?:a|b|rc|dev|post|alpha|beta)\.?\d*)*)$")


def _poetry_part(part: str) -> str | None:
    """A PEP 440 specifier for one Poetry constraint; '' for any version."""
    if part in {"*", ""}:
        return ""
    if bound := _POETRY_BOUND.match(part):
        numbers = [int(number) for number in bound.group(2).split(".")]
        if bound.group(1) == "^":
            kept = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1) + 1
        else:
            kept = min(2, len(numbers))
        upper = numbers[:kept]
        upper[-1] += 1
        return f">={bound.group(2)}{bound.group(3)},<{'.'.join(map(str, upper))}"
    if re.match(r"\d", part):
        return f"=={part}"
    if re.match(r"=\s*\d", part):
        return f"={part}"
    return part if re.match(r"(?:===|==|!=|<=|>=|~=|<|>)", part) else None


# --- Ruby ------------------------------------------------------------------------------------------------

_GEM_REQUIREMENT = regex(r"(~>|>=|<=|!=|=|>|<)?\s*([0-9][0-9A-Za-z.]*)$")


def gem_satisfies(version: str, requirements: Sequence[str]) -> bool | None:
    """Whether RubyGems' requirements all take the version (Gem::Requirement)."""
    if not re.match(r"[0-9][0-9A-Za-z.]*$", version):
        return None
    locked = _gem_segments(version)
    for requirement in requirements:
        match = _GEM_REQUIREMENT.fullmatch(requirement.strip())
        if match is None:
            return None
        if not _gem_takes(match.group(1) or "=", match.group(2), locked):
            return False
    return True


_GEM_WIDTH = 12
_Segment = tuple[int, int, str]


def _gem_segments(version: str) -> tuple[_Segment, ...]:
    """Segments that compare as RubyGems does: a word (a pre-release) sorts before any number."""
    parts = re.findall(r"\d+|[A-Za-z]+", version)[:_GEM_WIDTH]
    segments: list[_Segment] = [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]
    return tuple(segments + [(1, 0, "")] * (_GEM_WIDTH - len(segments)))


def _gem_takes(operator: str, bound: str, locked: tuple[_Segment, ...]) -> bool:
    limit = _gem_segments(bound)
    if operator == "~>":
        numbers = [int(part) for part in re.match(r"\d+(?:\.\d+)*", bound).group().split(".")]  # type: ignore[union-attr]
        kept = numbers[:-1] or numbers
        kept[-1] += 1
        release = tuple(segment for segment in locked if segment[0])
        upper = _gem_segments(".".join(map(str, kept)))
        return limit <= locked and release < upper
    return {
        "=": locked == limit,
        "!=": locked != limit,
        ">": locked > limit,
        "<": locked < limit,
        ">=": locked >= limit,
        "<=": locked <= limit,
    }[operator]
