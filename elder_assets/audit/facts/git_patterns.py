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
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """A gitignore pattern (without '!' and without trailing blanks) as a regular expression over whole paths.

    The pattern also matches everything below a folder that it names. None when it can match nothing.
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
    below = "/.*" if only_folder else "(?:/.*)?"
    try:
        return re.compile("".join(out) + below, re.DOTALL)
    except re.error:
        return None


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
            end = part.find("]", index + 2)
            if end < 0:
                out.append(r"\[")
            else:
                inner = part[index + 1 : end].replace("\\", r"\\")
                out.append("[" + ("^" + inner[1:] if inner[:1] in "!^" else inner) + "]")
                index = end
        elif char == "\\" and index + 1 < len(part):
            index += 1
            out.append(re.escape(part[index]))
        else:
            out.append(re.escape(char))
        index += 1
    return "".join(out)


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
    compiled = compile_pattern(rule.pattern.rstrip("/"))
    if compiled is None:
        return False
    match = compiled.fullmatch(path[len(rule.folder) :])
    # `compile_pattern` also matches what lies below; here only the named thing itself counts, since each
    # parent folder is asked in turn.
    return match is not None and _own_match(rule.pattern.rstrip("/"), path[len(rule.folder) :])


@functools.lru_cache(maxsize=65536)
def _own_match(pattern: str, path: str) -> bool:
    compiled = compile_pattern(pattern)
    if compiled is None:
        return False
    own = re.compile(compiled.pattern.removesuffix("(?:/.*)?"), re.DOTALL)
    return own.fullmatch(path) is not None


class AttributeRules:
    """The attributes that `.gitattributes` files give to paths: linguist-*, filter, diff, text."""

    def __init__(self, files: Mapping[str, Iterable[str]]) -> None:
        """Args: `files` maps the folder of each `.gitattributes` (final '/', '' at the root) to its lines."""
        self._rules: list[tuple[str, re.Pattern[str], dict[str, str]]] = []
        for folder in sorted(files, key=lambda name: (name.count("/"), name)):
            for line in files[folder]:
                fields = line.split()
                if len(fields) < 2 or fields[0].startswith(("#", "[", "!")):
                    continue
                pattern = compile_pattern(fields[0])
                if pattern is not None:
                    self._rules.append((folder, pattern, _attributes(fields[1:])))

    def of(self, path: str) -> dict[str, str]:
        """Attribute name to 'true', 'false' or its value; later rules win."""
        found: dict[str, str] = {}
        for folder, pattern, attributes in self._rules:
            if path.startswith(folder) and pattern.fullmatch(path[len(folder) :]):
                found.update(attributes)
        return found


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
