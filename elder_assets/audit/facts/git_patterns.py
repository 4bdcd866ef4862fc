"""gitignore, gitattributes and CODEOWNERS patterns, matched by ourselves.

git can tell only for a work tree, and Elder has none; `check-attr --source` needs git 2.40 (decision D24).
Semantics: gitignore(5), gitattributes(5); GitHub's and GitLab's CODEOWNERS use gitignore patterns.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping

import msgspec


@functools.lru_cache(maxsize=16384)
def compile_pattern(pattern: str, *, is_deep: bool = True) -> re.Pattern[str] | None:
    """A gitignore pattern (without '!' and without trailing blanks) as a regular expression over whole paths.

    The pattern also matches everything below a folder that it names, unless `is_deep` is False. None when it can
    match nothing.
    """
    anchored = "/" in pattern.rstrip("/")
    only_folder = pattern.endswith("/")
    body = pattern.strip("/")
    if not body:
        return None
    out: list[str] = [] if anchored else [r"(?:.*/)?"]
    parts = body.split("/")
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            out.append(r".*" if last else r"(?:.*/)?")
            continue
        out.append(_glob(part))
        if not last:
            out.append("/")
    below = "" if not is_deep else "/.*" if only_folder else "(?:/.*)?"
    try:
        return re.compile("".join(out) + below, re.DOTALL)
    except re.error:
        return None  # such as the range [z-a]


def _glob(part: str) -> str:
    out: list[str] = []
    index = 0
    while index < len(part):
        char = part[index]
        if char == "*":
            while index + 1 < len(part) and part[index + 1] == "*":
                index += 1
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            characters = _SET.match(part, index)
            if characters is None:
                return _NEVER
            out.append(_set(characters))
            index = characters.end() - 1
        elif char == "\\" and index + 1 < len(part):
            index += 1
            out.append(re.escape(part[index]))
        else:
            out.append(re.escape(char))
        index += 1
    return "".join(out)


_NEVER = "(?!)"
_SET = re.compile(r"\[(?P<negated>[!^]?)(?P<members>\]?(?:\[:[a-z]+:\]|\\.|[^\]\\])*)\]")
_MEMBER = re.compile(r"\[:(?P<name>[a-z]+):\]|\\(?P<escaped>.)|(?P<plain>.)", re.DOTALL)
_POSIX = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": r" \t", "digit": "0-9", "lower": "a-z", "space": r"\s",
    "upper": "A-Z", "xdigit": "0-9a-fA-F", "punct": r"!-/:-@\[-`{-~", "word": r"\w",
}  # fmt: skip


def _set(characters: re.Match[str]) -> str:
    """A set of characters such as `[!a-z]`; none matches the slash."""
    members = []
    for member in _MEMBER.finditer(characters["members"]):
        if member["name"]:
            members.append(_POSIX.get(member["name"], ""))
        elif member["plain"] == "-":
            members.append("-")
        else:
            members.append(re.escape(member["escaped"] or member["plain"]))
    inner = "".join(members)
    return f"(?!/)[{'^' if characters['negated'] else ''}{inner}]" if inner else _NEVER


class IgnoreRule(msgspec.Struct, frozen=True):
    """One line of an ignore file: where it stands, what it matches, whether it takes an exclusion back."""

    folder: str
    """Folder of the ignore file with its final '/', '' at the root."""
    pattern: str
    negated: bool
    line: int


def parse_ignore_file(lines: Iterable[str], folder: str = "") -> list[IgnoreRule]:
    """The rules of one ignore file; blank lines and comments say nothing."""
    rules = []
    for number, raw in enumerate(lines, start=1):
        line = raw.rstrip("\r\n")
        while line.endswith(" ") and not line.endswith("\\ "):
            line = line[:-1]
        if not line or line.startswith("#"):
            continue
        negated = line.startswith("!")
        body = line[1:] if negated else line.removeprefix("\\") if line.startswith(("\\#", "\\!")) else line
        rules.append(IgnoreRule(folder, body, negated, number))
    return rules


def ignored_by(path: str, rules: Iterable[IgnoreRule]) -> IgnoreRule | None:
    """The rule that ignores a file, None when it is not ignored; the last matching rule wins.

    As in git, a file below an ignored folder cannot be taken back.
    """
    ordered = list(rules)
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        prefix = "/".join(parts[:depth])
        is_folder = depth < len(parts)
        verdict = None
        for rule in ordered:
            if _matches_exactly(prefix, rule, is_folder=is_folder):
                verdict = None if rule.negated else rule
        if verdict is not None:
            return verdict
    return None


def _matches_exactly(path: str, rule: IgnoreRule, *, is_folder: bool) -> bool:
    if not path.startswith(rule.folder) or (rule.pattern.endswith("/") and not is_folder):
        return False
    # Each parent folder is asked in turn, so only the named thing itself counts here, not what lies below.
    compiled = compile_pattern(rule.pattern.rstrip("/"), is_deep=False)
    return compiled is not None and compiled.fullmatch(path[len(rule.folder) :]) is not None


class AttributeRules:
    """The attributes that `.gitattributes` files give to paths: linguist-*, filter, diff, text."""

    def __init__(self, files: Mapping[str, Iterable[str]]) -> None:
        """Args: `files` maps the folder of each `.gitattributes` (final '/', '' at the root) to its lines."""
        self._rules: list[tuple[str, re.Pattern[str], dict[str, str]]] = []
        for folder in sorted(files, key=lambda name: (name.count("/"), name)):
            for line in files[folder]:
                written, fields = _pattern_and_fields(line)
                if not fields or written.endswith("/"):  # a folder has no attributes, and gives none to its files
                    continue
                pattern = compile_pattern(written, is_deep=False)
                if pattern is not None:
                    self._rules.append((folder, pattern, _attributes(fields)))

    def of(self, path: str) -> dict[str, str]:
        """Attribute name to 'true', 'false' or its value; later rules win."""
        found: dict[str, str] = {}
        for folder, pattern, attributes in self._rules:
            if path.startswith(folder) and pattern.fullmatch(path[len(folder) :]):
                found.update(attributes)
        return found


_QUOTED = re.compile(r"\s*\"((?:[^\"\\]|\\.)*)\"\s(.*)", re.DOTALL)


def _pattern_and_fields(line: str) -> tuple[str, list[str]]:
    """The pattern of a line of `.gitattributes` and the attributes behind it; no attributes when it says nothing."""
    if quoted := _QUOTED.fullmatch(line):
        return re.sub(r"\\(.)", r"\1", quoted[1]), quoted[2].split()
    pattern, *fields = line.split() or [""]
    return (pattern, []) if pattern.startswith(("#", "[attr]", "!")) else (pattern, fields)


def _attributes(fields: Iterable[str]) -> dict[str, str]:
    found = {}
    for field in fields:
        if field.startswith("-"):
            found[field[1:]] = "false"
        elif field.startswith("!"):
            found[field[1:]] = "unspecified"
        elif "=" in field:
            name, _, value = field.partition("=")
            found[name] = value
        else:
            found[field] = "true"
    return found
