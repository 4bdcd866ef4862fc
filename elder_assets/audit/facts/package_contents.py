"""What manifests say that a package is made of: files of Python packages, modules of Maven, code of SAM functions.

Only reading: whether a listed thing is there is for a rule to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.parsers import expat

import msgspec

from elder_assets.audit.facts.documents import Node
from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.patterns import regex


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """One path or pattern that a manifest lists, and what it is for."""

    line: int
    what: str
    path: str
    """Relative to the folder of the manifest, or to the package."""
    package: str = ""
    """Dotted name of the Python package that the path is relative to; '' for the manifest's folder."""
    is_needed: bool = False
    """The build ends in an error without it; else it is left out with a warning."""


# --- Python: MANIFEST.in ------------------------------------------------------------------------------------


def source_list(lines: Sequence[str]) -> Iterator[Listed]:
    """What a MANIFEST.in adds to the source distribution."""
    command, first = "", 0
    for number, line in enumerate(lines, start=1):
        code = re.sub(r"(?:^|\s)#.*$", "", line).strip()
        first = first or number
        command += " " + code.removesuffix("\\")
        if code.endswith("\\"):
            continue
        name, *words = command.split() or [""]
        if name == "include":
            yield from (Listed(first, "file to package", word) for word in words)
        elif name == "recursive-include" and len(words) > 1:
            yield Listed(first, "folder to package", words[0].rstrip("/") + "/*")
        elif name == "graft":
            yield from (Listed(first, "folder to package", word.rstrip("/") + "/*") for word in words)
        command, first = "", 0


# --- Python: pyproject.toml and setup.cfg -------------------------------------------------------------------


def project_files(root: Node) -> Iterator[Listed]:
    """Files that a pyproject.toml makes part of the package: readme, package data, packages of poetry and hatch."""
    for node in (root.get("project", "readme"), root.get("tool", "poetry", "readme")):
        yield from (Listed(item.line, "readme", item.text(), is_needed=True) for item in _file_nodes(node))
    for package, node in _pairs(root, "tool", "setuptools", "package-data"):
        yield from (Listed(item.line, "package data", item.text(), package) for item in node.items)
    for name in ("wheel", "sdist"):
        table = root.get("tool", "hatch", "build", "targets", name)
        packages = table.get("packages") if table is not None and name == "wheel" else None
        for item in packages.items if packages is not None else []:
            yield Listed(item.line, "package", item.text(), is_needed=True)
        for path, item in _pairs(table, "force-include") if table is not None else ():
            yield Listed(item.line, "file to package", path, is_needed=True)
    packages = root.get("tool", "poetry", "packages")
    for item in packages.items if packages is not None else []:
        if item.text("include") and not item.text("format"):
            path = "/".join(filter(None, (item.text("from").rstrip("/"), item.text("include"))))
            yield Listed(item.line, "package", path, is_needed=True)


def _file_nodes(node: Node | None) -> list[Node]:
    """A file by name, in a table, or a list of them; the table's own line is kept."""
    if node is None:
        return []
    if isinstance(node.value, list):
        return [item for item in node.items if isinstance(item.value, str)]
    if isinstance(node.value, dict):
        file = node.get("file")
        return [file] if file is not None and isinstance(file.value, str) else []
    return [node] if isinstance(node.value, str) else []


def setup_cfg_files(root: Node) -> Iterator[Listed]:
    """Files that a setup.cfg makes part of the package."""
    description = root.get("metadata", "long_description") or root.get("metadata", "long-description")
    if description is not None and description.text().startswith("file:"):
        for path in re.split(r"[,\n]", description.text().removeprefix("file:")):
            yield Listed(description.line, "long description", path.strip())
    for package, node in _pairs(root, "options.package_data"):
        for offset, line in enumerate(node.text().split("\n")):
            if not line.lstrip().startswith("#"):
                for path in line.split(","):
                    yield Listed(node.line + offset, "package data", path.strip(), package)


def _pairs(root: Node, *path: str) -> list[tuple[str, Node]]:
    node = root.get(*path)
    return list(node.pairs.items()) if node is not None else []


# --- Maven --------------------------------------------------------------------------------------------------


class MavenModules(msgspec.Struct, frozen=True, array_like=True):
    """The modules that a pom.xml builds in any case; those of profiles are left out."""

    modules: tuple[Listed, ...] = ()


_XML_COMMENT = regex(r"<!--[\s\S]*?(?:-->|\Z)")
_MODULE = ["project", "modules", "module"]


class _Refused(Exception):
    """The file declares entities; whoever expands them may run out of memory."""


@extractor(version=1, wants=lambda file: file.name == "pom.xml", max_bytes=1_000_000)
def maven_modules(blob: Blob) -> MavenModules:
    """List the modules of a pom.xml."""
    if b"<module>" not in blob.data:
        return MavenModules()
    reader = _PomReader()
    text = blob.data.decode("utf-8-sig", errors="replace")
    try:
        reader.read(_XML_COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text))
    except (expat.ExpatError, _Refused):
        return MavenModules()
    return MavenModules(tuple(reader.modules))


class _PomReader:
    def __init__(self) -> None:
        self.modules: list[Listed] = []
        self._open: list[str] = []
        self._text = ""
        self._line = 0

    def read(self, text: str) -> None:
        self._parser = expat.ParserCreate("utf-8")
        self._parser.EntityDeclHandler = self._refuse
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._take
        self._parser.Parse(text.encode(errors="replace"), True)

    def _refuse(self, *_: object) -> None:
        raise _Refused

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._open.append(name)
        self._text, self._line = "", self._parser.CurrentLineNumber

    def _take(self, text: str) -> None:
        if self._open == _MODULE:
            self._text += text

    def _end(self, _name: str) -> None:
        if self._open == _MODULE and self._text.strip():
            self.modules.append(Listed(self._line, "module", self._text.strip(), is_needed=True))
        self._open.pop()


# --- AWS SAM ------------------------------------------------------------------------------------------------

_SAM_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def sam_code(root: Node) -> Iterator[Listed]:
    """Where the functions and layers of a SAM template have their code."""
    if "AWS::Serverless" not in "".join([root.text("Transform"), *(n.text() for n in _items(root.get("Transform")))]):
        return
    for name, resource in _pairs(root, "Resources"):
        key = _SAM_CODE.get(resource.text("Type"), "")
        node = resource.get("Properties", key)
        if node is not None and isinstance(node.value, str):
            yield Listed(node.line, f"{key} of {name}", node.text(), is_needed=True)


def _items(node: Node | None) -> list[Node]:
    return node.items if node is not None else []
