"""Whether a configuration file can be read at all: JSON, TOML, YAML and XML by the letter of their formats.

Only syntax: no schema, no values. What is generous somewhere (comments in JSON, custom tags and many documents in
YAML) is no error; what only becomes the format when rendered (Helm, Jinja, ERB) is exempt and says so.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from xml.parsers import expat

import msgspec
import yaml

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.secrets import redact
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import FileClass
from elder_assets.audit.patterns import regex


class ConfigSyntax(msgspec.Struct, frozen=True, array_like=True):
    """How the reading of one configuration file went."""

    format: str
    """JSON, TOML, YAML or XML."""
    error: str = ""
    """'' when the file can be read."""
    line: int = 0
    tokens: str = ""
    """Normalised text of the line, secrets blanked."""
    is_strict: bool = True
    """For JSON: without comments and trailing commas, which many readers refuse."""
    exemption: str = ""
    """Why an error says nothing about the file."""


_READ_BYTES_MAX = {"json": 4_000_000, "xml": 4_000_000, "toml": 500_000, "yaml": 500_000}
"""Larger ones are data; by the speed of each reader, chosen by us."""


@extractor(version=2, variants=("json", "toml", "yaml", "xml"), file_classes=(FileClass.CONFIG,), max_bytes=8_000_000)
def config_syntax(blob: Blob) -> ConfigSyntax:
    """Try to read a configuration file by the letter of its format."""
    name, read = _READERS[blob.variant]
    if blob.data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ConfigSyntax(name, exemption="UTF-16")
    if len(blob.data) > _READ_BYTES_MAX[blob.variant]:
        return ConfigSyntax(name, exemption="too large for configuration")
    text = redact(blob.data).decode("utf-8-sig", errors="replace")
    if not text.strip():
        return ConfigSyntax(name, exemption="empty")
    fault = read(text)
    if fault is None:
        return ConfigSyntax(name)
    if fault.exemption or _TEMPLATE.search(text):
        return ConfigSyntax(name, exemption=fault.exemption or "template")
    lines = text.split("\n")
    shown = lines[fault.line - 1] if 0 < fault.line <= len(lines) else ""
    return ConfigSyntax(name, fault.error, fault.line, normalise(shown), is_strict=fault.is_strict)


_TEMPLATE = regex(
    r"(?<!\$)\{\{|\{%|\{#|<%|<#|\[%|@@\w+@@|(?<![\w@])@[A-Za-z_]+@|^\s*#(?:if|foreach|set)\b|^\s*%\w", re.MULTILINE
)


class _Fault(msgspec.Struct):
    error: str = ""
    line: int = 0
    is_strict: bool = True
    exemption: str = ""


# --- JSON ------------------------------------------------------------------------------------------------


def _read_json(text: str) -> _Fault | None:
    """A fault that only strict readers see has `is_strict` False."""
    strict = _json_fault(text)
    if strict is None or strict.exemption:
        return strict
    lenient = _json_fault(_without_trailing_commas(_without_comments(text)))
    if lenient is None:
        strict.is_strict = False
        return strict
    return lenient


def _json_fault(text: str) -> _Fault | None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and _is_json(text.split("\n", 1)[0]):
            return _Fault(exemption="one document a line")
        if error.msg == "Expecting value" and error.pos >= len(text.rstrip()) and not text.strip():
            return _Fault(exemption="empty")
        return _Fault(_lowered(error.msg), error.lineno)
    except (RecursionError, ValueError):
        return _Fault(exemption="nested too deeply or a number too long")
    return None


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


_COMMENT = regex(r'("(?:[^"\\\n]|\\.)*")|//[^\n]*|/\*[\s\S]*?(?:\*/|\Z)')
_TRAILING_COMMA = regex(r'("(?:[^"\\\n]|\\.)*")|,(?=\s*[}\]])')


def _without_comments(text: str) -> str:
    return _COMMENT.sub(lambda match: match.group(1) or "\n" * match.group().count("\n"), text)


def _without_trailing_commas(text: str) -> str:
    return _TRAILING_COMMA.sub(lambda match: match.group(1) or "", text)


# --- TOML, YAML, XML -------------------------------------------------------------------------------------

_TOML_PLACE = regex(r"\s*\(at (?:line (\d+), column \d+|end of document)\)")


def _read_toml(text: str) -> _Fault | None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place.group(1)) if place and place.group(1) else text.count("\n") + 1
        return _Fault(_lowered(_TOML_PLACE.sub("", str(error))), line)
    except (RecursionError, ValueError):
        return _Fault(exemption="nested too deeply")
    return None


_YAML_DISPUTED = ("cannot start any token", "control characters", "special characters", "unacceptable character")
"""libyaml refuses tabs and characters that YAML 1.2 and other readers allow."""


_INI_SECTION = regex(r"(?:\s*(?:[#;][^\n]*)?\n)*\[[A-Za-z][\w .:-]*\][ \t]*(?:\n|$)")


def _read_yaml(text: str) -> _Fault | None:
    if _INI_SECTION.match(text):
        return _Fault(exemption="INI under the name of YAML")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for _ in yaml.parse(text, Loader=loader):
            pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        problem = error.problem or error.context or "not YAML"
        if any(words in problem for words in _YAML_DISPUTED) and not _starts_badly(text, line):
            return _Fault(exemption="readers differ")
        return _Fault(problem, line)
    except (yaml.YAMLError, RecursionError, ValueError):
        return _Fault(exemption="readers differ")
    return None


def _starts_badly(text: str, line: int) -> bool:
    """Whether a line holds a value that starts with '@' or '`', which every version of YAML reserves."""
    lines = text.split("\n")
    return 0 < line <= len(lines) and re.match(r"\s*(?:- |[\w.-]+:\s+)[@`]", lines[line - 1]) is not None


class _DeclaresEntities(Exception):
    pass


def _refuse_entities(*_: object) -> None:
    raise _DeclaresEntities


_XML_DISPUTED = frozenset(
    {
        expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY],
        expat.errors.codes[expat.errors.XML_ERROR_UNKNOWN_ENCODING],
        expat.errors.codes[expat.errors.XML_ERROR_INCORRECT_ENCODING],
        expat.errors.codes[expat.errors.XML_ERROR_JUNK_AFTER_DOC_ELEMENT],
    }
)
"""Entities of a DTD that we do not fetch, encodings that expat lacks, fragments that are included elsewhere."""


_XML_COMMENT = regex(r"<!--[\s\S]*?(?:-->|\Z)")


def _read_xml(text: str) -> _Fault | None:
    if not text.lstrip().startswith("<"):
        return _Fault(exemption="not XML")
    # Two hyphens inside a comment are forbidden, common, and read by nearly everything.
    text = _XML_COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)
    parser = expat.ParserCreate("utf-8")
    parser.EntityDeclHandler = _refuse_entities
    try:
        parser.Parse(text.encode(errors="replace"), True)
    except expat.ExpatError as error:
        if error.code in _XML_DISPUTED:
            return _Fault(exemption="readers differ")
        return _Fault(expat.errors.messages.get(error.code, "not well-formed"), error.lineno)
    except _DeclaresEntities:
        return _Fault(exemption="declares entities")
    return None


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]


_READERS: dict[str, tuple[str, Callable[[str], _Fault | None]]] = {
    "json": ("JSON", _read_json),
    "toml": ("TOML", _read_toml),
    "yaml": ("YAML", _read_yaml),
    "xml": ("XML", _read_xml),
}
