"""Comments, pragmas and annotations that silence another tool, by language: what each tool itself would obey."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from elder_assets.audit.patterns import regex


class Suppression(msgspec.Struct, frozen=True, array_like=True):
    """A place that silences another tool."""

    line: int
    tool: str
    has_code: bool
    """It names what it silences; where a tool has no names (TypeScript, PMD), it says why."""
    tokens: str
    """Normalised text of the line (and of the next, where that is the one silenced), for identity."""
    directive: str
    """What was written, without what it names: '# noqa', 'eslint-disable-next-line'."""


class Silencer(msgspec.Struct, frozen=True):
    """How one tool is silenced."""

    tool: str
    pattern: re.Pattern[str]
    """Group `directive` is what was written, group `code` what it names, None when it names nothing."""
    place: str = "any"
    """'trailing': only behind code does the tool obey; 'block': only in a block comment."""


def _silencer(tool: str, pattern: str, place: str = "any", flags: int = 0) -> Silencer:
    return Silencer(tool, regex(pattern, flags), place)


_JAVASCRIPT = (
    _silencer(
        "eslint",
        r"\A/[/*]\s*(?P<directive>eslint-disable-(?:next-line|line))(?![\w:-])(?P<code>\s+(?!--)[@\w][\w@/-]+)?",
    ),
    _silencer("eslint", r"\A/\*\s*(?P<directive>eslint-disable)(?![\w:-])(?P<code>\s+(?!--)[@\w][\w@/-]+)?", "block"),
    _silencer(
        "tslint", r"\A/[/*]\s*(?P<directive>tslint:disable(?:-next-line|-line)?)(?![\w-])(?P<code>:?\s*[\w-]{3,})?"
    ),
    _silencer("typescript", r"\A/(?://?|\*+)\s*(?P<directive>@ts-(?:ignore|nocheck))\b(?P<code>\W{0,10}\w{2,})?"),
)

_BY_LANGUAGE: Mapping[str, Sequence[Silencer]] = {
    "python": (
        _silencer(
            "flake8 and ruff",
            r"(?:\A|\s)(?P<directive>#\s*noqa)\b(?P<code>\s*:[\s,]*[A-Z]+[0-9]+)?",
            "trailing",
            re.IGNORECASE,
        ),
        _silencer(
            "flake8 and ruff",
            r"\A(?P<directive>#\s*(?:flake8|ruff)\s*[:=]\s*noqa)\b(?P<code>\s*:\s*[A-Z]+[0-9]+)?(?=\s*(?:\Z|[:#,]))",
            flags=re.IGNORECASE,
        ),
        _silencer("mypy", r"(?:\A|\s)(?P<directive>#\s*type:\s*ignore)\b(?P<code>\s*\[[^\]]+\])?", "trailing"),
        _silencer("mypy", r"\A(?P<directive>#\s*mypy:\s*ignore-errors)\b(?P<code>(?!))?"),
        _silencer("pyright", r"(?:\A|\s)(?P<directive>#\s*pyright:\s*ignore)\b(?P<code>\s*\[[^\]]+\])?", "trailing"),
        _silencer(
            "pylint", r"(?:\A|\s)(?P<directive>#\s*pylint:\s*disable(?:-next)?\s*=)\s*(?P<code>(?!all\b)[\w-]+)?"
        ),
        _silencer("pylint", r"\A(?P<directive>#\s*pylint:\s*skip-file)\b(?P<code>(?!))?"),
        _silencer(
            "bandit", r"(?:\A|\s)(?P<directive>#\s*nosec)\b(?P<code>[\s:]*(?:B\d{3}|[a-z]+_[a-z_]+))?", "trailing"
        ),
    ),
    "javascript": _JAVASCRIPT,
    "typescript": _JAVASCRIPT,
    "go": (
        _silencer("golangci-lint", r"\A//\s*(?P<directive>nolint)(?=[\s:]|\Z)(?P<code>\s*:\s*(?!all\b)[\w-]+)?"),
        _silencer("revive", r"\A//\s*(?P<directive>revive:disable(?:-next-line|-line)?)(?![\w-])(?P<code>:[\w-]+)?"),
        _silencer("gosec", r"\A(?://|/\*)\s*(?P<directive>#nosec)\b(?P<code>[\s:]+G\d{3})?"),
    ),
    "java": (
        _silencer("the compiler", r"\A(?P<directive>@SuppressWarnings)\s*\((?P<code>(?!.{0,200}\"all\"))?"),
        _silencer("SonarQube", r"\A//\s*(?P<directive>NOSONAR)\b(?P<code>[\s:(-]*\w{2,})?"),
        _silencer("PMD", r"\A//\s*(?P<directive>NOPMD)\b(?P<code>[\s:-]*\w{2,})?"),
    ),
    "csharp": (
        _silencer("the compiler", r"\A(?P<directive>#\s*pragma\s+warning\s+disable)(?P<code>[ \t]+\w+)?"),
        _silencer("ReSharper", r"\A//\s*(?P<directive>ReSharper\s+disable)\s+(?:once\s+)?(?P<code>(?!All\b)\w+)?"),
        _silencer("SonarQube", r"\A//\s*(?P<directive>NOSONAR)\b(?P<code>[\s:(-]*\w{2,})?"),
    ),
    "ruby": (
        _silencer(
            "RuboCop",
            r"(?:\A|\s)(?P<directive>#\s*rubocop\s*:\s*(?:disable|todo))\s+(?P<code>(?!all\b)[A-Z][\w/]+)?",
        ),
    ),
    "rust": (
        _silencer("the compiler", r"\A(?P<directive>#!?\[allow)\((?P<code>(?!\s*(?:warnings|clippy::all)\s*[,)]))?"),
    ),
}

_WORDS: Mapping[str, tuple[bytes, ...]] = {
    "python": (b"noqa", b"ignore", b"pylint:", b"nosec"),
    "javascript": (b"eslint-disable", b"tslint:", b"@ts-"),
    "typescript": (b"eslint-disable", b"tslint:", b"@ts-"),
    "go": (b"nolint", b"revive:", b"#nosec"),
    "java": (b"@suppresswarnings", b"nosonar", b"nopmd"),
    "csharp": (b"pragma", b"resharper", b"nosonar"),
    "ruby": (b"rubocop",),
    "rust": (b"[allow",),
}
"""Lower-case words without which nothing in a text silences a tool."""


def may_suppress(language: str, text: bytes) -> bool:
    """Whether a comment, pragma or file of this language could silence a tool; cheap."""
    lowered = text.lower()
    return any(word in lowered for word in _WORDS.get(language, ()))


def silenced_tools(language: str, text: str, *, is_trailing: bool) -> Iterator[tuple[str, str, bool]]:
    """(tool, directive, has code) for each tool that a comment, pragma or annotation silences.

    `is_trailing` tells whether code stands before it on its line.
    """
    seen: set[str] = set()
    for silencer in _BY_LANGUAGE.get(language, ()):
        if silencer.tool in seen or (silencer.place == "trailing" and not is_trailing):
            continue
        if match := silencer.pattern.search(text):
            seen.add(silencer.tool)
            yield silencer.tool, " ".join(match["directive"].split()), match["code"] is not None
