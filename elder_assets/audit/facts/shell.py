"""Shell scripts as commands: how rules read CI steps, Makefile recipes and Dockerfile RUN lines.

A reader, not a shell: quoting, continuation lines, here-documents, comments, operators and subshells are
followed; expansion is not. Bounded and linear, since the input is hostile.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import msgspec

from elder_assets.audit.patterns import regex

SCRIPT_CHARS_MAX = 100_000
"""Longer scripts are cut; chosen by us."""


class Command(msgspec.Struct, frozen=True):
    """One simple command of a script."""

    line: int
    """0-based line within the script, of its first word."""
    words: tuple[str, ...]
    """Words without their quotes; `$NAME`, `$(...)` and globs stand as written."""
    before: str
    """Operator in front: '' (first), '\\n', ';', '&&', '||', '|', '&', '('."""
    after: str
    """Operator behind: '' (last), '\\n', ';', '&&', '||', '|', '&', ')'."""
    depth: int = 0
    """How many subshells or groups it stands in."""
    is_condition: bool = False
    """Its exit status is asked (`if`, `while`, `until`, `!`)."""
    is_branch: bool = False
    """It may not run: inside of if, case, for or while."""
    redirects: tuple[str, ...] = ()
    """Files that it writes."""
    literals: tuple[bool, ...] = ()
    """For each word: nothing in it is expanded by the shell."""
    ends_line: int = 0
    """0-based line of its last word."""


_TOKEN = regex(
    r"""
    (?P<join>\\\r?\n)
  | (?P<blank>[ \t\r]+)
  | (?P<heredoc><<-?[ \t]*(?P<quote>['"]?)(?P<mark>\w+)(?P=quote))
  | (?P<redirect>\d*(?:&>>?|>>|>\||>&|<<<|<&|<>|>|<))
  | (?P<op>&&|\|\||;;&?|\|&|[;&|()\n])
  | (?P<expression>\$\{\{[^\n}]{0,300}(?:\}(?!\})[^\n}]{0,300}){0,3}\}\})
  | (?P<single>'[^']*'?)
  | (?P<double>"(?:[^"\\$`]|\\.|\$\((?:[^()]|\([^()]*\))*\)|\$|`[^`]*`|`)*"?)
  | (?P<substitution>\$\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)|`[^`]*`|\$\{[^}\n]{0,200}\})
  | (?P<escape>\\.)
  | (?P<comment>\#[^\n]*)
  | (?P<plain>[^\s;&|()<>"'`\\$\#]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_OPENERS = frozenset({"if", "while", "until", "for", "case", "select"})
_CLOSERS = frozenset({"fi", "done", "esac"})
_ASKING = frozenset({"if", "while", "until", "elif", "!"})
_SILENT = frozenset({"then", "else", "do", "{", "}", "time", *_OPENERS, *_CLOSERS, *_ASKING})


class _Word:
    __slots__ = ("is_literal", "line", "text")

    def __init__(self, text: str, line: int, *, is_literal: bool) -> None:
        self.text, self.line, self.is_literal = text, line, is_literal


def _unquoted(kind: str, text: str) -> tuple[str, bool]:
    if kind == "single":
        return text[1:-1] if len(text) > 1 and text.endswith("'") else text[1:], "\\" not in text
    if kind == "double":
        inner = text[1:-1] if len(text) > 1 and text.endswith('"') else text[1:]
        return inner, "$" not in inner and "`" not in inner
    if kind == "escape":
        return text[1:], False  # a Windows path that a POSIX shell would not read so
    return text, kind == "plain" and not re.search(r"[$*?\[\]{}~]", text)


def _tokens(script: str) -> Iterator[tuple[str, str, int, bool]]:
    """(kind, text, line, is literal): kind 'word', 'op' or 'redirect'."""
    position, line, word = 0, 0, None
    heredocs: list[str] = []
    while match := _TOKEN.match(script, position):
        kind, text = str(match.lastgroup if match.lastgroup not in {"quote", "mark"} else "heredoc"), match.group()
        position = match.end()
        is_comment = kind == "comment" and word is None
        if kind in {"expression", "single", "double", "substitution", "escape", "plain"} or (
            kind == "comment" and not is_comment
        ):
            if kind == "comment":
                position, text, kind = match.start() + 1, "#", "plain"
            piece, literal = _unquoted(kind, text)
            word = word or _Word("", line, is_literal=True)
            word.text += piece
            word.is_literal = word.is_literal and literal
            line += text.count("\n")
            continue
        if word is not None and kind != "join":
            yield "word", word.text, word.line, word.is_literal
            word = None
        if kind == "heredoc":
            heredocs.append(match.group("mark"))
        elif kind in {"redirect", "op"}:
            yield kind, text, line, True
        line += text.count("\n")
        if text == "\n" and heredocs:
            position, skipped = _after_heredocs(script, position, heredocs)
            line += skipped
            heredocs = []
        if position >= len(script):
            break
    if word is not None:
        yield "word", word.text, word.line, word.is_literal


def _after_heredocs(script: str, position: int, marks: list[str]) -> tuple[int, int]:
    start = position
    for mark in marks:
        end = regex(rf"^[ \t]*{re.escape(mark)}[ \t\r]*$", re.MULTILINE).search(script, position)
        if end is None:
            return len(script), 0
        position = min(end.end() + 1, len(script))
    return position, script.count("\n", start, position)


class _Reader:
    """Collects commands from tokens."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self._words: list[_Word] = []
        self._redirects: list[str] = []
        self._before = ""
        self._depth = 0
        self._branches = 0
        self._asking = False
        self._awaits_redirect = ""

    def word(self, text: str, line: int, *, is_literal: bool) -> None:
        if self._awaits_redirect:
            if ">" in self._awaits_redirect and "&" not in self._awaits_redirect.strip("&"):
                self._redirects.append(text)
            self._awaits_redirect = ""
            return
        if not self._words and text in _SILENT:
            self._branches += (text in _OPENERS) - (text in _CLOSERS)
            self._asking = self._asking and text not in {"then", "do", "else"}
            self._asking = self._asking or text in _ASKING
            if text in {"for", "case", "select"}:
                self._words.append(_Word(text, line, is_literal=True))
            elif text in {"{", "}"}:
                self._depth = max(0, self._depth + (1 if text == "{" else -1))
            return
        self._words.append(_Word(text, line, is_literal=is_literal))

    def redirect(self, text: str) -> None:
        self._awaits_redirect = text

    def operator(self, text: str) -> None:
        self._awaits_redirect = ""
        self._flush(text)
        if text == "(":
            self._depth += 1
        elif text == ")":
            self._depth = max(0, self._depth - 1)
        if text in {";", "\n"} and self.commands:
            self._asking = False

    def _flush(self, after: str) -> None:
        if self._words:
            words = self._words
            self.commands.append(
                Command(
                    line=words[0].line,
                    words=tuple(word.text for word in words),
                    before=self._before,
                    after=after,
                    depth=self._depth,
                    is_condition=self._asking,
                    is_branch=self._branches > 0,
                    redirects=tuple(self._redirects),
                    literals=tuple(word.is_literal for word in words),
                    ends_line=words[-1].line,
                )
            )
            self._before = after
        elif after not in {"\n", ";", "("} or self._before not in {"&&", "||", "|"}:
            self._before = after
        self._words, self._redirects = [], []

    def finish(self) -> tuple[Command, ...]:
        self._flush("")
        return tuple(self.commands)


@functools.lru_cache(maxsize=4096)
def commands_of(script: str) -> tuple[Command, ...]:
    """The simple commands of a shell script, in order."""
    reader = _Reader()
    for kind, text, line, is_literal in _tokens(script[:SCRIPT_CHARS_MAX]):
        if kind == "word":
            reader.word(text, line, is_literal=is_literal)
        elif kind == "redirect":
            reader.redirect(text)
        else:
            reader.operator(text)
    return reader.finish()


_ASSIGNMENT = regex(r"[A-Za-z_]\w*\+?=")
_LAUNCHERS: dict[str, int] = {"sudo": 0, "env": 0, "exec": 0, "command": 0, "nohup": 0, "time": 0, "xvfb-run": 0}
_RUNNERS: tuple[tuple[str, ...], ...] = (
    ("poetry", "run"), ("pipenv", "run"), ("uv", "run"), ("pdm", "run"), ("hatch", "run"), ("rye", "run"),
    ("bundle", "exec"), ("pnpm", "exec"), ("pnpm", "dlx"), ("yarn", "exec"), ("yarn", "dlx"), ("npm", "exec"),
    ("npx",), ("uvx",), ("pipx", "run"), ("coverage", "run"), ("dotnet", "tool", "run"), ("bunx",),
)  # fmt: skip
_PYTHON = regex(r"(?:.*/)?(?:python(?:\d(?:\.\d+)?)?|py|pypy3?)(?:\.exe)?$")


def program_words(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words from the program that does the work on: no assignments, launchers, runners, `python -m`."""
    rest = list(words)
    for _ in range(12):
        if not rest:
            break
        if _ASSIGNMENT.match(rest[0]) or rest[0] in _LAUNCHERS or rest[0] in {"@", "-", "+"}:
            is_launcher = rest.pop(0) in _LAUNCHERS
            while is_launcher and rest and rest[0].startswith("-"):
                rest.pop(0)
        elif rest[0] == "timeout":
            rest = _after_options(rest[1:])[1:]
        elif runner := next((r for r in _RUNNERS if tuple(rest[: len(r)]) == r), None):
            rest = _after_options(rest[len(runner) :])
        elif _PYTHON.match(rest[0]) and "-m" in rest[1:4]:
            rest = rest[rest.index("-m") + 1 :]
        else:
            break
    return tuple(rest)


def _after_options(words: list[str]) -> list[str]:
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] != "-m":
        rest.pop(0)
    return rest[1:] if rest[:1] == ["-m"] else rest
