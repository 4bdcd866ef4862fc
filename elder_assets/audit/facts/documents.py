"""Configuration and manifest files as plain trees with lines: YAML, JSON, TOML, INI; and small files as lines.

Only files that some rule asks for by name are parsed (`is_wanted`). Secrets in them are blanked before anything
is kept. Aliases in YAML are followed once, so a bomb of aliases stays small.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.secrets import redact
from elder_assets.audit.model import SourceFile
from elder_assets.audit.patterns import regex

NODES_MAX = 200_000
"""Larger trees are data; chosen by us, decision 0001."""

Scalar = str | int | float | bool | None


class Node(msgspec.Struct, frozen=True, omit_defaults=True):
    """One value of a document and its line."""

    line: int
    """1-based line of the key, or of the value itself in a sequence; 0 where the format's parser does not tell."""
    value: str | int | float | bool | list[Node] | dict[str, Node] | None
    text_line: int = 0
    """For a block of text (`run: |`): the line on which its first line of text stands; 0 for any other value."""
    is_folded: bool = False
    """A text whose lines were joined by the reader (`>`, or plain text over several lines): inner lines are lost."""

    def get(self, *path: str) -> Node | None:
        """The node below mapping keys; None as soon as one is absent or its parent is no mapping."""
        node: Node | None = self
        for key in path:
            if node is None or not isinstance(node.value, dict):
                return None
            node = node.value.get(key)
        return node

    def text(self, *path: str) -> str:
        """The scalar below mapping keys as text; '' when absent or no scalar."""
        node = self.get(*path)
        if node is None or node.value is None or isinstance(node.value, list | dict):
            return ""
        return str(node.value)

    @property
    def items(self) -> list[Node]:
        """The members of a sequence; [] for anything else."""
        return self.value if isinstance(self.value, list) else []

    @property
    def pairs(self) -> dict[str, Node]:
        """The members of a mapping; {} for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def walk(self) -> Iterator[tuple[tuple[str, ...], Node]]:
        """Every node below and including this one with its path of keys (indexes as text), parents first."""
        stack: list[tuple[tuple[str, ...], Node]] = [((), self)]
        while stack:
            path, node = stack.pop()
            yield path, node
            members = node.pairs.items() if isinstance(node.value, dict) else enumerate(node.items)
            stack.extend(reversed([((*path, str(key)), member) for key, member in members]))


class Document(msgspec.Struct, frozen=True):
    """A parsed file: its root, or why it could not be parsed and where."""

    root: Node | None = None
    error: str = ""
    error_line: int = 0
    extra: tuple[Node, ...] = ()
    """Further documents of a YAML stream."""


class TextLines(msgspec.Struct, frozen=True):
    """A small line-oriented file; line n is `lines[n - 1]`."""

    lines: tuple[str, ...]


_WANTED = regex(
    r"(?:^|/)(?:pyproject\.toml|setup\.cfg|tox\.ini|pytest\.ini|\.coveragerc|Cargo\.toml|package\.json|lerna\.json"
    r"|nx\.json|tsconfig[\w.-]*\.json|\.mocharc\.(?:json|ya?ml)|\.nycrc(?:\.json)?|jest\.config\.json|composer\.json|Pipfile"
    r"|pnpm-workspace\.yaml|mkdocs\.ya?ml|_config\.ya?ml|codecov\.ya?ml|\.codecov\.ya?ml|catalog-info\.ya?ml"
    r"|serverless\.ya?ml|template\.ya?ml|(?:docker-)?compose[\w.-]*\.ya?ml|\.pre-commit-config\.yaml|elder\.yaml"
    r"|action\.ya?ml|codecov\.ya?ml|\.rspec|book\.toml|antora\.ya?ml|netlify\.toml|Chart\.yaml)$"
    r"|^\.github/(?:workflows|actions)/.*\.ya?ml$|^\.gitlab-ci[\w./-]*\.ya?ml$|^\.gitlab/.*\.ya?ml$"
    r"|^\.(?:gitea|forgejo)/(?:workflows|actions)/.*\.ya?ml$|^(?:\.?ci|\.?gitlab(?:-ci)?)/[\w./-]*\.ya?ml$"
    r"|^\.circleci/[\w./-]*\.ya?ml$|^circle\.yml$|(?:^|/)[\w.-]*azure-pipelines?[\w./-]*\.ya?ml$|^bitbucket-pipelines\.ya?ml$"
    r"|^(?:eng|build)/pipelines/[\w./-]*\.ya?ml$|^\.(?:azuredevops|azure|ado|pipelines|vsts)/[\w./-]*\.ya?ml$"
    r"|^\.travis\.ya?ml$|^\.?appveyor[\w./-]*\.ya?ml$|^\.buildkite/.*\.ya?ml$|^\.drone\.ya?ml$|^\.woodpecker.*\.ya?ml$"
    r"|^\.cirrus\.ya?ml$|^\.semaphore/.*\.ya?ml$|^[\w./-]*cloudbuild[\w.-]*\.ya?ml$|^[\w./-]*buildspec[\w.-]*\.ya?ml$"
    r"|^\.builds?(?:/.*)?\.ya?ml$|^\.?zuul\.(?:ya?ml|d/[\w./-]*\.ya?ml)$|^\.taskcluster\.ya?ml$"
)
_LINE_VARIANTS = frozenset(
    {"dockerfile", "makefile", "requirements", "go-mod", "owners", "ignore", "attributes", "mailmap", "jenkinsfile"}
)
_LINE_FILES = regex(
    r"(?:^|/)(?:Gemfile|[\w.-]+\.gemspec|Procfile|\.gitmodules|setup\.py|MANIFEST\.in|\.node-version|justfile)$"
)


@extractor(version=2, wants=lambda file: _WANTED.search(file.path) is not None)
def document(blob: Blob) -> Document:
    """Parse a configuration or manifest file into a tree with lines."""
    text = redact(blob.data).decode("utf-8-sig", errors="replace")
    readers = {"yaml": _read_yaml, "toml": _read_toml, "json": _read_json, "ini": _read_ini}
    read = readers.get(blob.variant)
    if read is None:
        return Document(error=f"no reader for {blob.variant}")
    return read(text)


def _wants_lines(file: SourceFile) -> bool:
    return file.variant in _LINE_VARIANTS or _LINE_FILES.search(file.path) is not None


@extractor(version=1, wants=_wants_lines, max_bytes=500_000)
def text_lines(blob: Blob) -> TextLines:
    """The lines of a small file that rules read line by line, secrets blanked."""
    return TextLines(tuple(Blob(redact(blob.data), blob.variant).lines))


# --- YAML ------------------------------------------------------------------------------------------------


def _read_yaml(text: str) -> Document:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        composed = list(yaml.compose_all(text, Loader=loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error).split("\n", 1)[0]
        return Document(error=str(reason), error_line=mark.line + 1 if mark else 0)
    except RecursionError:
        return Document(error="nested too deeply")
    budget = [NODES_MAX]
    try:
        roots = [_yaml_node(node, budget, ()) for node in composed if node is not None]
    except (_TooLarge, RecursionError):
        return Document(error=f"more than {NODES_MAX} values")
    return Document(root=roots[0] if roots else Node(1, None), extra=tuple(roots[1:]))


class _TooLarge(Exception):
    pass


def _yaml_node(node: yaml.Node, budget: list[int], open_nodes: tuple[int, ...]) -> Node:
    budget[0] -= 1
    if budget[0] < 0 or id(node) in open_nodes:
        raise _TooLarge
    line = node.start_mark.line + 1
    inner = (*open_nodes, id(node))
    if isinstance(node, yaml.MappingNode):
        pairs: dict[str, Node] = {}
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for source in merged:
                    for name, member in _yaml_node(source, budget, inner).pairs.items():
                        pairs.setdefault(name, member)
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            member = _yaml_node(value, budget, inner)
            pairs[name] = Node(key.start_mark.line + 1, member.value, member.text_line, member.is_folded)
        return Node(line, pairs)
    if isinstance(node, yaml.SequenceNode):
        return Node(line, [_yaml_node(member, budget, inner) for member in node.value])
    assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - YAML has no fourth kind of node
    return _yaml_text(node, line)


def _yaml_text(node: yaml.ScalarNode, line: int) -> Node:
    value = _yaml_scalar(node)
    if node.style in {"|", ">"}:
        return Node(line, value, line + 1, is_folded=node.style == ">")
    is_folded = node.end_mark.line > node.start_mark.line
    return Node(line, value, line if is_folded else 0, is_folded)


def _yaml_scalar(node: yaml.Node) -> Scalar:
    # GitHub and GitLab read YAML 1.2: `on`, `yes` and `off` are words, only true and false are booleans.
    value = str(node.value)
    if node.tag == "tag:yaml.org,2002:null":
        return None
    if node.tag == "tag:yaml.org,2002:bool" and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if node.tag == "tag:yaml.org,2002:int" and re.fullmatch(r"[-+]?\d{1,18}", value):
        return int(value)
    return value


# --- TOML, JSON, INI: the parsers tell no lines, so keys are found again in the text ------------------------


def _read_toml(text: str) -> Document:
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = re.search(r"at line (\d+)", str(error))
        return Document(error=str(error), error_line=int(match.group(1)) if match else 0)
    except RecursionError:
        return Document(error="nested too deeply")
    return _with_lines(value, _toml_lines(text))


def _read_json(text: str) -> Document:
    try:
        value = json.loads(_without_json_comments(text), parse_float=float)
    except json.JSONDecodeError as error:
        return Document(error=error.msg, error_line=error.lineno)
    except (RecursionError, ValueError):
        return Document(error="nested too deeply or a number too long")
    return _with_lines(value, _json_lines(text))


def _read_ini(text: str) -> Document:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, interpolation=None)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        return Document(error=str(error).split("\n", 1)[0], error_line=getattr(error, "lineno", 0) or 0)
    value = {section: dict(parser.items(section)) for section in parser.sections()}
    return _with_lines(value, _ini_lines(text))


def _with_lines(value: Any, lines: dict[tuple[str, ...], int]) -> Document:
    budget = [NODES_MAX]

    def node(inner: Any, path: tuple[str, ...], line: int) -> Node:
        budget[0] -= 1
        if budget[0] < 0:
            raise _TooLarge
        line = lines.get(path, line)
        if isinstance(inner, dict):
            return Node(line, {str(k): node(v, (*path, str(k)), line) for k, v in inner.items()})
        if isinstance(inner, list):
            return Node(line, [node(v, (*path, str(i)), line) for i, v in enumerate(inner)])
        return Node(line, inner if isinstance(inner, str | int | float | bool | None) else str(inner))

    try:
        return Document(root=node(value, (), 1))
    except (_TooLarge, RecursionError):
        return Document(error=f"more than {NODES_MAX} values or nested too deeply")


_TOML_TABLE = regex(r"^\s*\[(\[?)\s*([^\]]+?)\s*\]")
_TOML_KEY = regex(r"^\s*((?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=")
_TOML_PART = regex(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)")


def _toml_lines(text: str) -> dict[tuple[str, ...], int]:
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    array: _TomlArray | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if array is not None:
            if array.take(line, number, lines):
                array = None
        elif header := _TOML_TABLE.match(line):
            table = _toml_path(header.group(2))
            if header.group(1):
                counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, str(counts[table]))
            lines[table] = number
        elif key := _TOML_KEY.match(line):
            path = (*table, *_toml_path(key.group(1)))
            for depth in range(len(table) + 1, len(path) + 1):
                lines.setdefault(path[:depth], number)
            if line[key.end() :].lstrip().startswith("["):
                array = _TomlArray(path)
                if array.take(line[key.end() :], number, lines):
                    array = None
    return lines


_TOML_ARRAY_TOKEN = regex(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[\[\]{},#]|[^\s\[\]{},#\"']+")


class _TomlArray:
    """Gives the members of an array their lines while its lines go by."""

    def __init__(self, path: tuple[str, ...]) -> None:
        self._path = path
        self._index = 0
        self._depth = 0

    def take(self, line: str, number: int, lines: dict[tuple[str, ...], int]) -> bool:
        """Read one line; True when the array ends in it."""
        for match in _TOML_ARRAY_TOKEN.finditer(line):
            token = match.group()
            if token == "#":
                return False
            if token in {"]", "}"}:
                self._depth -= 1
                if not self._depth:
                    return True
                continue
            if self._depth == 1 and token == ",":
                self._index += 1
            elif self._depth == 1:
                lines.setdefault((*self._path, str(self._index)), number)
            if token in {"[", "{"}:
                self._depth += 1
        return False


def _toml_path(dotted: str) -> tuple[str, ...]:
    return tuple(a or b or c for a, b, c in _TOML_PART.findall(dotted))


_JSON_TOKEN = regex(r'"(?:[^"\\\n]|\\.)*"|[{}\[\]:,]|\n|//[^\n]*|/\*.*?\*/', re.DOTALL)


def _json_lines(text: str) -> dict[tuple[str, ...], int]:
    """Line of every key and array member of a JSON text that is known to parse."""
    lines: dict[tuple[str, ...], int] = {}
    path: list[str] = []
    counters: list[int] = []  # -1 inside an object, else the index in an array
    line = 1
    last = ""
    for match in _JSON_TOKEN.finditer(text):
        token = match.group()
        if token == "\n":
            line += 1
        elif token.startswith(("//", "/*")):
            line += token.count("\n")
        elif token in "{[":
            if counters and counters[-1] >= 0:
                path.append(str(counters[-1]))
                lines.setdefault(tuple(path), line)
            elif counters:
                path.append(last)
            counters.append(-1 if token == "{" else 0)
        elif token in "}]":
            counters.pop()
            if counters:
                path.pop()
        elif token == ",":
            if counters and counters[-1] >= 0:
                counters[-1] += 1
        elif token == ":":
            lines.setdefault((*path, last), line)
        elif counters and counters[-1] >= 0:
            lines.setdefault((*path, str(counters[-1])), line)
        else:
            last = json.loads(token)
    return lines


_JSON_COMMENT = regex(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*.*?\*/|,(?=\s*[}\]])', re.DOTALL)


def _without_json_comments(text: str) -> str:
    """tsconfig and friends allow comments and trailing commas; strict JSON is tried by the syntax rule."""
    return _JSON_COMMENT.sub(lambda match: match.group(1) or "\n" * match.group().count("\n"), text)


def _ini_lines(text: str) -> dict[tuple[str, ...], int]:
    lines: dict[tuple[str, ...], int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if match := re.match(r"\[([^\]]+)\]", line):
            section = match.group(1)
            lines.setdefault((section,), number)
        elif match := re.match(r"([^\s#;=:][^=:]*?)\s*[=:]", line):
            lines.setdefault((section, match.group(1).lower()), number)
    return lines
