"""What ruff says about Python blobs: syntax errors and constructs that cannot be what was meant.

Ruff runs once over all new blobs, which we write to a scratch folder under neutral names: no path, no
configuration and no plug-in of the audited repository reaches it (decision D28). A finding of ruff that needs a
second look (a repeated key whose values differ, a flag passed as a count) gets it here, where the bytes are.
Which findings a rule believes is the rule's own choice.
"""

from __future__ import annotations

import codecs
import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from elder_assets.audit.facts.extraction import Refused, batch_extractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.secrets import redact
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import AUTHORED_CLASSES
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from tree_sitter import Node

SELECTED = (
    # Not compiled by any Python, or a TypeError whenever the line runs.
    "F502", "F503", "F505", "F506", "F507", "F508", "F509", "F501", "F521", "F524", "F525",
    "F621", "F622", "F633", "F701", "F702", "F704", "F706", "F707", "F901",
    "B016", "PLE0115", "PLE0117", "PLE0118", "PLE0241", "PLE0604", "PLE0605", "PLE0643", "PLE1132", "PLE1142",
    "PLE1307", "PLE1507", "PLE1519", "PLE1520", "PLE1700", "PLW1501", "RUF016",
    # It runs, and does something else than it says.
    "B002", "B015", "B025", "B030", "B034", "B035", "F523", "F601", "F631", "F632", "F634", "PLE1205", "PLE1206",
    "PLR0124", "PLW0129", "PLW0177", "PLW0245", "PLW0711", "PLW2101",
)  # fmt: skip
"""The codes that rules read; part of the fact, so a change needs a new version of `python_lint`."""

TARGET_VERSION = "py313"
"""The last that refuses `except A, b:` (PEP 758), which in nearly every file is Python 2; what ruff refuses only
because it is newer than this is dropped (_is_fault), so facts do not depend on the project's version."""

RUN_SECONDS_MAX = 60.0
"""For one run; ruff reads 8 MB in about a second. Chosen by us."""
REPORT_BYTES_MAX = 64_000_000
MARKS_MAX = 200
"""Per file; hostile or generated files hold thousands."""
FAULTS_MAX = 5


class SyntaxFault(msgspec.Struct, frozen=True, array_like=True):
    """A place where the parser gave up, and why."""

    line: int
    message: str
    tokens: str
    """Normalised text of the line, secrets blanked."""


class LintMark(msgspec.Struct, frozen=True, array_like=True):
    """One finding of ruff."""

    code: str
    line: int
    end_line: int
    tokens: str
    """Normalised source of the span, secrets blanked."""
    context: str = ""
    """What the statement stands in, when a rule asks: 'class', 'try', 'with', 'module', 'function'."""


class PythonLint(msgspec.Struct, frozen=True, array_like=True):
    """What ruff found in one file, in order of position."""

    faults: tuple[SyntaxFault, ...] = ()
    """The first FAULTS_MAX syntax errors; empty when the file parses."""
    marks: tuple[LintMark, ...] = ()
    is_python2: bool = False
    """A syntax error is one that Python 2 (or 3.6, for a name `async`) does not see."""
    speaks_python2: bool = False
    """A first line or an unguarded import that only Python 2 understands."""
    is_template: bool = False
    """The file does not parse, and holds template marks or starts inside a block: something else makes it Python."""
    is_notebook: bool = False
    """Cells of a notebook or a console session, where a bare expression shows its value."""


class RuffFailed(Exception):
    """The run as a whole came to nothing; says why."""


@batch_extractor(version=2, variants=("python",), file_classes=AUTHORED_CLASSES)
def python_lint(blobs: Sequence[Blob]) -> Sequence[PythonLint | Refused]:
    """Run ruff over Python blobs and keep what the rules read."""
    texts = [_decode(blob.data) for blob in blobs]
    readable = {index: text for index, text in enumerate(texts) if isinstance(text, str)}
    reports = _lint(readable, time.monotonic() + 4 * RUN_SECONDS_MAX)
    records: list[PythonLint | Refused] = []
    for index, text in enumerate(texts):
        report = reports.get(index, [])
        if isinstance(text, SyntaxFault):
            records.append(PythonLint(faults=(text,)))
        elif isinstance(report, Refused):
            records.append(report)
        else:
            records.append(_read_report(text, report))
    return records


# --- decoding --------------------------------------------------------------------------------------------

_CODING = regex(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)", re.ASCII)
_NO_CODE = regex(rb"^[ \t\f]*(?:#|\r?$)")
_ENCODINGS = regex(
    r"(?:utf-?8|latin|l?iso-?8859|(?:us-)?ascii|cp\d|windows-?\d|koi8|euc|shift|s?jis|gbk?\d*|big5|mac)", re.IGNORECASE
)
"""Encodings that people write source in. Any other declared name (a codec of the project's own) is not our verdict."""


def _decode(data: bytes) -> str | SyntaxFault:
    """The text as Python decodes it (PEP 263), or the fault that Python reports."""
    encoding = _declared_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return SyntaxFault(line, f"bytes that are not {encoding}, the encoding of the file", "undecodable")
    except (LookupError, ValueError):
        return data.decode("utf-8", errors="replace")


def _declared_encoding(data: bytes) -> str:
    lines = data.split(b"\n", 2)[:2]
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8"
    if len(lines) == 2 and not _NO_CODE.match(lines[0]):
        del lines[1]
    declared = next((match.group(1).decode() for line in lines if (match := _CODING.match(line))), "utf-8")
    return declared if _ENCODINGS.match(declared) else "unknown"


# --- the run ---------------------------------------------------------------------------------------------


class _Place(msgspec.Struct):
    row: int
    column: int


class _Diagnostic(msgspec.Struct):
    """The part of ruff's JSON line that we read."""

    filename: str
    code: str | None
    message: str
    location: _Place | None = None
    end_location: _Place | None = None


_Reports = dict[int, "list[_Diagnostic] | Refused"]


def _lint(texts: dict[int, str], deadline: float) -> _Reports:
    """Diagnostics by index; when a run fails, its halves run apart, so one hostile file takes none along."""
    if not texts:
        return {}
    try:
        return _run_ruff(texts)
    except RuffFailed as error:
        if len(texts) == 1 or time.monotonic() > deadline:
            return dict.fromkeys(texts, Refused(str(error)))
    indexes = sorted(texts)
    middle = len(indexes) // 2
    found: _Reports = {}
    for half in (indexes[:middle], indexes[middle:]):
        found.update(_lint({index: texts[index] for index in half}, deadline))
    return found


def _run_ruff(texts: dict[int, str]) -> _Reports:
    with tempfile.TemporaryDirectory(prefix="elder-lint-") as folder:
        root = Path(folder)
        (root / "blobs").mkdir()
        for index, text in texts.items():
            path = root / "blobs" / f"b{index}.py"
            path.write_text(text, encoding="utf-8", errors="replace", newline="")
        errors = _execute(root)
        return _parse_reports(root / "report", errors)


def _execute(root: Path) -> bytes:
    """Run ruff over `blobs/` into `report`; gives what it wrote to standard error."""
    from ruff import find_ruff_bin  # the wheel that we pin, never one from PATH

    command = [
        find_ruff_bin(), "check", "--isolated", "--no-cache", "--no-respect-gitignore", "--no-fix", "--exit-zero",
        "--output-format", "json-lines", "--target-version", TARGET_VERSION, "--select", ",".join(SELECTED), "blobs",
    ]  # fmt: skip
    try:
        with (root / "report").open("wb") as report:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=report,
                stderr=subprocess.PIPE,
                cwd=root,
                env={},
                timeout=RUN_SECONDS_MAX,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        msg = f"ruff took longer than {RUN_SECONDS_MAX:g} s"
        raise RuffFailed(msg) from error
    except OSError as error:
        msg = f"ruff does not start: {error.strerror}"
        raise RuffFailed(msg) from error
    if done.returncode != 0:
        msg = f"ruff ended with code {done.returncode}"
        raise RuffFailed(msg)
    if (root / "report").stat().st_size > REPORT_BYTES_MAX:
        msg = f"ruff reported more than {REPORT_BYTES_MAX // 1_000_000} MB"
        raise RuffFailed(msg)
    return done.stderr


_FAILED_FILE = regex(r"(?:Failed to lint|[Pp]anick?ed while linting|Failed to read) [^\n]*?\bb(\d+)\.py\b")


def _parse_reports(path: Path, errors: bytes) -> _Reports:
    found: _Reports = {}
    decoder = msgspec.json.Decoder(_Diagnostic)
    known = {*SELECTED, "invalid-syntax"}
    with path.open("rb") as report:
        for line in report:
            diagnostic = decoder.decode(line)
            index = int(Path(diagnostic.filename).stem[1:])
            if diagnostic.code not in known:
                found[index] = Refused(f"ruff: {diagnostic.code}")  # 'panic', 'io-error'
            elif isinstance(rows := found.setdefault(index, []), list):
                rows.append(diagnostic)
    for name in _FAILED_FILE.findall(errors.decode(errors="replace")):
        found[int(name)] = Refused("ruff failed on this file")
    return found


# --- from diagnostics to facts ---------------------------------------------------------------------------

_LINE_END = regex(r"\r\n|\n|\r")


class _Text:
    """A file's text with the positions that ruff counts in: rows end at LF, CRLF and CR, columns are characters."""

    def __init__(self, text: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self._starts = [0, *(match.end() for match in _LINE_END.finditer(self.text))]
        self.blanked = redact(text.encode(errors="replace")).decode(errors="replace").removeprefix("\ufeff")
        if len(self.blanked) != len(self.text):
            self.blanked = ""  # a secret next to non-ASCII bytes: better no tokens than a secret

    def offset(self, place: _Place) -> int:
        start = self._starts[min(place.row, len(self._starts)) - 1]
        return min(start + place.column - 1, len(self.text))

    def line(self, place: _Place) -> int:
        """Line as git counts it: rows that end at LF."""
        return self.text.count("\n", 0, self.offset(place)) + 1

    def row(self, place: _Place) -> str:
        end = _LINE_END.search(self.text, start := self._starts[min(place.row, len(self._starts)) - 1])
        return self.text[start : end.start() if end else len(self.text)]

    def tokens(self, start: int, end: int) -> str:
        return normalise(self.blanked[start:end])

    def anchor(self, place: _Place) -> _Place:
        """The place, or the last row with text before it: an unexpected end is reported behind all text."""
        row = min(place.row, len(self._starts))
        while row > 1 and not self.row(_Place(row, 1)).strip():
            row -= 1
        return place if row == place.row else _Place(row, 1)

    def row_tokens(self, place: _Place) -> str:
        start = self._starts[min(place.row, len(self._starts)) - 1]
        return self.tokens(start, start + len(self.row(place)))


def _read_report(source: str, report: Sequence[_Diagnostic]) -> PythonLint:
    speaks_python2 = _PYTHON2_ONLY.search(source) is not None
    if not report:
        return PythonLint(speaks_python2=speaks_python2)
    text = _Text(source)
    placed = [(d, d.location, d.end_location or d.location) for d in report if d.location is not None]
    faults = [(d, start) for d, start, _ in placed if d.code == "invalid-syntax" and _is_fault(text, d.message, start)]
    faults.sort(key=lambda pair: text.offset(pair[1]))
    marks = [] if faults else list(_marks(text, [(d.code or "", start, end) for d, start, end in placed if end]))
    return PythonLint(
        faults=tuple(_fault(text, d.message, start) for d, start in faults[:FAULTS_MAX]),
        marks=tuple(sorted(marks, key=lambda mark: (mark.line, mark.code))[:MARKS_MAX]),
        is_python2=any(_is_python2(text, d.message, start) for d, start in faults[:50]),
        speaks_python2=speaks_python2,
        is_template=bool(faults) and (_TEMPLATE.search(text.text) or _FRAGMENT.match(text.text)) is not None,
        is_notebook=_NOTEBOOK.search(text.text) is not None,
    )


_NEWER = regex(r"\(syntax was added in Python")
_CAUGHT_INTO_NAME = regex(r"\bexcept\b[^#\n]+,\s*[a-z_]\w*\s*:")


def _is_fault(text: _Text, message: str, start: _Place) -> bool:
    return _NEWER.search(message) is None or _CAUGHT_INTO_NAME.search(text.row(start)) is not None


def _fault(text: _Text, message: str, start: _Place) -> SyntaxFault:
    start = text.anchor(start)
    shown = redact(message.encode()).decode(errors="replace")
    return SyntaxFault(text.line(start), shown[:200], text.row_tokens(start))


_PYTHON2 = regex(
    r"^\s*(?:[^#'\"]*[:;]\s*)?print\b\s*(?:>>|[\"'\w`%\[{(\-\\].*|$)"
    r"|^\s*except\s+[\w.()\s,]+,\s*\w+\s*:"
    r"|\braise\s+[\w.()\[\]]+\s*,\s*\S"
    r"|^\s*exec\s+[\w\"']"
    r"|<>|`[^`]+`|\b0[0-7]+\b|\b\d+[lL]\b|\b0[xX][0-9a-fA-F]+[lL]\b|\b[uU][rR][\"']"
    r"|\bdef\s+\w+\s*\(.*\(\s*\w+\s*,|\blambda\s*\(|\blambda\b[^:]*\("
    r"|\basync\b(?!\s+(?:def|for|with)\b)|\bawait\s*[=,):]"
)
_PYTHON2_ONLY = regex(
    r"\A#![^\n]*python2|^(?:import|from)[ \t]+(?:urllib2|urlparse|ConfigParser|cPickle|c?StringIO|Queue|Tkinter|httplib"
    r"|cookielib|(?:Simple|Base)HTTPServer|SocketServer|HTMLParser|commands|exceptions|__builtin__|thread)\b",
    re.MULTILINE,
)
_TAB_INDENT = regex(r"^[ \t]*\t", re.MULTILINE)
_BLANK_INDENT = regex(r"^\t* ", re.MULTILINE)


def _is_python2(text: _Text, message: str, start: _Place) -> bool:
    """Python 2 took a tab for eight blanks, and a backslash before a letter in plain text for what it is."""
    if "indent" in message:
        return all(indent.search(text.text) is not None for indent in (_TAB_INDENT, _BLANK_INDENT))
    return "nicode" in message or _PYTHON2.search(text.row(start)) is not None


_TEMPLATE = regex(r"\{\{-?\s*[\w.]+[^{}\n]{0,200}\}\}|\{%-?\s*\w|<%[\s=!]|\$\{\w+\}|^\s*#(?:if|end)\b", re.MULTILINE)
_FRAGMENT = regex(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]+[^\s#]")
_NOTEBOOK = regex(
    r"^# ?(?:%%|In ?\[|COMMAND ---|<codecell>|Databricks notebook)|^\s*(?:%|get_ipython\(\))\w*", re.MULTILINE
)


def _marks(text: _Text, placed: Iterable[tuple[str, _Place, _Place]]) -> Iterator[LintMark]:
    parsed: Blob | None = None
    for code, start, end in placed:
        context = ""
        if code in _SECOND_LOOKS or code in _IN_CONTEXT:
            if parsed is None:
                parsed = Blob(text.text.encode(errors="replace"), "python")
            node = _node_at(parsed, text, start, end)
            if code in _SECOND_LOOKS and not _SECOND_LOOKS[code](parsed, node):
                continue
            context = _context(node)
        tokens = text.tokens(text.offset(start), text.offset(end))
        yield LintMark(code, text.line(start), text.line(end), tokens, context)


def _node_at(parsed: Blob, text: _Text, start: _Place, end: _Place) -> Node:
    """The smallest syntax node that holds the span."""
    first, last = text.offset(start), text.offset(end)
    from_byte = len(text.text[:first].encode(errors="replace"))
    to_byte = from_byte + len(text.text[first:last].encode(errors="replace"))
    node = parsed.tree.root_node.descendant_for_byte_range(from_byte, to_byte)
    return node if node is not None else parsed.tree.root_node


_IN_CONTEXT = frozenset({"B015", "PLE1142", "F704", "F706"})
_CONTEXTS = {
    "function_definition": "function",
    "lambda": "function",
    "class_definition": "class",
    "try_statement": "try",
    "with_statement": "with",
    "module": "module",
}


def _context(node: Node) -> str:
    current: Node | None = node
    while current is not None:
        if current.type in _CONTEXTS:
            return _CONTEXTS[current.type]
        current = current.parent
    return "module"


def _ancestor(node: Node, kind: str) -> Node | None:
    current: Node | None = node
    while current is not None and current.type != kind:
        current = current.parent
    return current


def _repeats_key_with_other_value(blob: Blob, node: Node) -> bool:
    """F601 at a key: an earlier or later equal key of the same dictionary has another value."""
    pair = _ancestor(node, "pair")
    if pair is None or pair.parent is None:
        return False
    key = normalise(blob.source(pair.named_children[0]))
    values = {
        normalise(blob.source(other.named_children[-1]))
        for other in pair.parent.named_children
        if other.type == "pair" and normalise(blob.source(other.named_children[0])) == key
    }
    return len(values) > 1


_FLAG = regex(r"(?:\bre\.)?\b(?:I|IGNORECASE|M|MULTILINE|S|DOTALL|X|VERBOSE|U|UNICODE|A|ASCII|L|LOCALE)\b")
_COUNT_INDEX = {"sub": 3, "subn": 3, "split": 2}


def _passes_flag_as_count(blob: Blob, node: Node) -> bool:
    """B034 at a call of `re`: its `count` or `maxsplit` is a flag."""
    call = _ancestor(node, "call")
    if call is None:
        return False
    function, arguments = call.child_by_field_name("function"), call.child_by_field_name("arguments")
    if function is None or arguments is None:
        return False
    index = _COUNT_INDEX.get(blob.source(function).rpartition(".")[2], 99)
    positional = [child for child in arguments.named_children if child.type not in {"keyword_argument", "comment"}]
    return len(positional) > index and _FLAG.match(blob.source(positional[index])) is not None


def _drops_argument(blob: Blob, node: Node) -> bool:
    """F523 at a `.format` call: its text numbers no placeholder by hand, so the argument was meant to show."""
    call = _ancestor(node, "call")
    function = call.child_by_field_name("function") if call is not None else None
    text = function.child_by_field_name("object") if function is not None else None
    return text is not None and re.search(r"\{\d", blob.source(text)) is None


_PERCENT_LOGGER = regex(r"^\s*(?:import logging|from logging import)\b", re.MULTILINE)
_OTHER_LOGGER = regex(r"^\s*(?:from|import)\s+(?:loguru|structlog|logbook|eliot|twiggy|absl)\b", re.MULTILINE)


def _is_standard_logging(blob: Blob, node: Node) -> bool:
    """PLE1205/PLE1206 at a call: the standard library's logging, with a text in its own style."""
    call = _ancestor(node, "call")
    return (
        call is not None
        and "{" not in blob.source(call)
        and _PERCENT_LOGGER.search(blob.text) is not None
        and _OTHER_LOGGER.search(blob.text) is None
    )


def _is_never_nan_test(blob: Blob, node: Node) -> bool:
    """PLR0124 at an operand: not `x != x` or `x == x`, by which people tell NaN."""
    comparison = _ancestor(node, "comparison_operator")
    return comparison is not None and re.search("[!=]=", blob.source(comparison)) is None


_SECOND_LOOKS = {
    "PLR0124": _is_never_nan_test,
    "F601": _repeats_key_with_other_value,
    "B034": _passes_flag_as_count,
    "F523": _drops_argument,
    "PLE1205": _is_standard_logging,
    "PLE1206": _is_standard_logging,
}
