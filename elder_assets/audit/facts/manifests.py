"""Declared dependencies: what each manifest of the tree asks for, with the line where it does.

Derived from documents and lines, so nothing is parsed twice. Python (PEP 621, PEP 735, uv, Poetry, PDM), npm,
Cargo, Go and Bundler.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Sequence

import msgspec
from packaging.requirements import InvalidRequirement
from packaging.requirements import Requirement as PythonRequirement
from packaging.utils import canonicalize_name

from elder_assets.audit.facts.documents import Node, document, text_lines
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import FileClass, SourceFile
from elder_assets.audit.patterns import regex


class Requirement(msgspec.Struct, frozen=True):
    """One declared direct dependency."""

    name: str
    """As the ecosystem compares it: PyPI names normalised, npm aliases under their alias, Cargo real names."""
    spec: str
    """The version range as written; '' for any."""
    line: int
    group: str
    """'' for what the project needs to run, else the group, extra or table."""
    is_conditional: bool = False
    """A marker, a platform or an `if` decides about it, or it is optional."""
    is_comparable: bool = True
    """It comes from a registry by a version; not a path, repository, URL, workspace, alias or catalogue."""


class Manifest(msgspec.Struct, frozen=True):
    """A manifest and its direct dependencies."""

    file: SourceFile
    ecosystem: str
    """'python', 'npm', 'cargo', 'go' or 'ruby'."""
    name: str
    """Of the package; '' when it has none."""
    requirements: tuple[Requirement, ...] = ()
    overridden: frozenset[str] = frozenset()
    """Names whose version something else decides: overrides, resolutions, patches, replacements."""
    tools: frozenset[str] = frozenset()
    """Which package managers it is written for, as far as it says: 'poetry', 'pdm', 'uv'."""

    @property
    def folder(self) -> str:
        return self.file.folder


MANIFEST_CLASSES = (FileClass.PRODUCTION, FileClass.CONFIG, FileClass.DOCS)
"""Manifests of examples, tests and generated or vendored code promise nothing about this repository."""


def manifests(facts: RepositoryFacts) -> tuple[Manifest, ...]:
    """Every manifest of the tree that declares dependencies, in order of path; use with `facts.derive`."""
    found: list[Manifest] = []
    for file, content in facts.each(document, *MANIFEST_CLASSES):
        if content.root is None:
            continue
        if file.name == "pyproject.toml":
            found.append(_read_pyproject(file, content.root))
        elif file.name == "package.json":
            found.append(_read_package_json(file, content.root))
    found.extend(_read_cargo_manifests(facts))
    for file, lines in facts.each(text_lines, *MANIFEST_CLASSES):
        if file.name == "go.mod":
            found.append(_read_go_mod(file, lines.lines))
        elif file.name == "Gemfile":
            found.append(_read_gemfile(file, lines.lines))
    return tuple(sorted(found, key=lambda manifest: manifest.file.path))


# --- Python ------------------------------------------------------------------------------------------------


def _read_pyproject(file: SourceFile, root: Node) -> Manifest:
    found = [
        *_pep508(root.get("project", "dependencies"), ""),
        *(item for group, node in _pairs(root, "project", "optional-dependencies") for item in _pep508(node, group)),
        *(item for group, node in _pairs(root, "dependency-groups") for item in _pep508(node, group)),
        *_pep508(root.get("tool", "uv", "dev-dependencies"), "dev"),
        *(item for group, node in _pairs(root, "tool", "pdm", "dev-dependencies") for item in _pep508(node, group)),
        *_poetry(root.get("tool", "poetry", "dependencies"), ""),
        *_poetry(root.get("tool", "poetry", "dev-dependencies"), "dev"),
    ]
    for group, node in _pairs(root, "tool", "poetry", "group"):
        found.extend(_poetry(node.get("dependencies"), group))
    return Manifest(
        file,
        "python",
        canonicalize_name(root.text("project", "name") or root.text("tool", "poetry", "name")),
        tuple(found),
        _python_overrides(root),
        _python_tools(root),
    )


def _pairs(root: Node, *path: str) -> list[tuple[str, Node]]:
    node = root.get(*path)
    return list(node.pairs.items()) if node is not None else []


def _pep508(node: Node | None, group: str) -> Iterator[Requirement]:
    for item in node.items if node is not None else []:
        if not isinstance(item.value, str):
            continue  # {include-group = ...}
        try:
            parsed = PythonRequirement(item.value)
        except InvalidRequirement:
            continue
        yield Requirement(
            canonicalize_name(parsed.name),
            str(parsed.specifier),
            item.line,
            group,
            is_conditional=parsed.marker is not None,
            is_comparable=parsed.url is None,
        )


def _poetry(node: Node | None, group: str) -> Iterator[Requirement]:
    for name, value in (node.pairs if node is not None else {}).items():
        if name.lower() == "python":
            continue
        is_table = isinstance(value.value, dict)
        is_other = is_table and any(value.get(key) for key in ("git", "path", "url", "file"))
        is_plain = isinstance(value.value, str) or (is_table and value.text("version") != "" and not is_other)
        condition_keys = ("python", "markers", "platform", "optional")
        yield Requirement(
            canonicalize_name(name),
            value.text("version") if is_table else value.text(),
            value.line,
            group,
            is_conditional=isinstance(value.value, list) or any(value.get(key) for key in condition_keys),
            is_comparable=is_plain,
        )


def _python_overrides(root: Node) -> frozenset[str]:
    names = [name for name, _ in _pairs(root, "tool", "uv", "sources")]
    names += [name for name, _ in _pairs(root, "tool", "pdm", "resolution", "overrides")]
    for key in ("override-dependencies", "constraint-dependencies", "exclude-dependencies"):
        node = root.get("tool", "uv", key)
        names += [re.split(r"[^\w.-]", item.text(), maxsplit=1)[0] for item in (node.items if node else [])]
    return frozenset(map(canonicalize_name, names))


def _python_tools(root: Node) -> frozenset[str]:
    backend = root.text("build-system", "build-backend")
    return frozenset(
        tool for tool in ("poetry", "pdm", "uv") if root.get("tool", tool) is not None or backend.startswith(tool)
    )


# --- npm ---------------------------------------------------------------------------------------------------

_NPM_GROUPS = ("dependencies", "devDependencies", "optionalDependencies")
_NPM_OTHER = regex(
    r"^(?:workspace|npm|file|link|portal|patch|catalog|git|github|bitbucket|gitlab|gist|exec|jsr|[\w+.-]+:)|[/\\]|^\.|://"
)


def _read_package_json(file: SourceFile, root: Node) -> Manifest:
    found = [
        Requirement(
            name,
            node.text().strip(),
            node.line,
            "" if group == "dependencies" else group,
            is_conditional=group == "optionalDependencies",
            is_comparable=isinstance(node.value, str) and not _NPM_OTHER.search(node.text().strip()),
        )
        for group in _NPM_GROUPS
        for name, node in _pairs(root, group)
    ]
    optional = {requirement.name for requirement in found if requirement.is_conditional}
    found = [item for item in found if item.is_conditional or item.name not in optional]
    return Manifest(file, "npm", root.text("name"), tuple(found), _npm_overrides(root))


def _npm_overrides(root: Node) -> frozenset[str]:
    names: set[str] = set()
    for path in (("overrides",), ("resolutions",), ("pnpm", "overrides")):
        node = root.get(*path)
        for keys, _ in node.walk() if node is not None else ():
            for key in keys:
                names.update(re.findall(r"(?:@[\w.-]+/)?[\w.-]+", re.sub(r"(?<=\w)@[^>/]*", "", key)))
    return frozenset(names)


# --- Cargo -------------------------------------------------------------------------------------------------

_CARGO_GROUPS = ("dependencies", "dev-dependencies", "build-dependencies", "dev_dependencies", "build_dependencies")


def _read_cargo_manifests(facts: RepositoryFacts) -> Iterator[Manifest]:
    roots = {
        file.folder: (file, content.root)
        for file, content in facts.each(document, *MANIFEST_CLASSES)
        if file.name == "Cargo.toml" and content.root is not None
    }
    for folder, (file, root) in roots.items():
        inherited, patched = _cargo_workspace(folder, {key: node for key, (_, node) in roots.items()})
        found = [
            requirement
            for group, node in _cargo_tables(root)
            for name, value in node.pairs.items()
            if (requirement := _cargo_requirement(name, value, group, inherited)) is not None
        ]
        yield Manifest(file, "cargo", root.text("package", "name"), tuple(found), patched)


def _cargo_workspace(folder: str, roots: dict[str, Node]) -> tuple[dict[str, Node], frozenset[str]]:
    """What members inherit from the workspace around a folder, and the names that it patches."""
    patched: set[str] = set()
    inherited: dict[str, Node] = {}
    for around in _folders_upwards(folder):
        root = roots.get(around)
        if root is None:
            continue
        for key in ("patch", "replace"):
            node = root.get(key)
            patched.update(re.split("[:@]", part)[0] for keys, _ in (node.walk() if node else ()) for part in keys)
        if not inherited:
            inherited = dict(_pairs(root, "workspace", "dependencies"))
    return inherited, frozenset(patched)


def _folders_upwards(folder: str) -> Iterator[str]:
    """The folder, the one around it, up to the root ''."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _cargo_tables(root: Node) -> Iterator[tuple[str, Node]]:
    tables = [root, *(node for _, node in _pairs(root, "target"))]
    for index, table in enumerate(tables):
        for group in _CARGO_GROUPS:
            node = table.get(group)
            if node is not None:
                yield (group if not index else f"target {group}"), node


def _cargo_requirement(name: str, value: Node, group: str, inherited: dict[str, Node]) -> Requirement | None:
    source = value
    if value.text("workspace") == "True":
        if name not in inherited:
            return None
        source = inherited[name]
    is_table = isinstance(source.value, dict)
    spec = source.text("version") if is_table else source.text()
    is_other = is_table and any(source.get(key) for key in ("git", "path", "registry", "registry-index"))
    return Requirement(
        source.text("package") or name,
        spec,
        value.line,
        "" if group == "dependencies" else group,
        is_comparable=bool(spec) and not is_other,
    )


# --- Go ------------------------------------------------------------------------------------------------------

_GO_REQUIRE = regex(r"^(?:require\s+)?([\w.~-]+\.[\w.~/-]+)\s+(v\d\S*)(\s*//\s*indirect)?")
_GO_REPLACE = regex(r"^(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>")


def _read_go_mod(file: SourceFile, lines: Sequence[str]) -> Manifest:
    found: list[Requirement] = []
    replaced: set[str] = set()
    block = ""
    module = ""
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        directive = block or stripped.split(" ", 1)[0]
        if stripped.endswith("(") and not block:
            block = stripped.removesuffix("(").strip()
        elif stripped == ")":
            block = ""
        elif directive == "module":
            module = stripped.removeprefix("module").strip().strip('"')
        elif directive == "require" and (required := _GO_REQUIRE.match(stripped)) and not required.group(3):
            found.append(Requirement(required.group(1), required.group(2), number, ""))
        elif directive in {"replace", "exclude"} and (other := _GO_REPLACE.match(stripped)):
            replaced.add(other.group(1))
    return Manifest(file, "go", module, tuple(found), frozenset(replaced))


# --- Bundler -----------------------------------------------------------------------------------------------

_GEM = regex(r"\s*gem[\s(]\s*([\"'])([\w.-]+)\1(.*)$")
_GEM_SPEC_PART = regex(r"\s*,\s*([\"'])([^\"']+)\1")
_GEM_OTHER = regex(
    r"\b(?:git|github|gitlab|bitbucket|gist|path|source|branch|ref|tag)\b\s*(?::|=>)|:(?:git|path|github)\s*=>"
)
_OPENS = regex(
    r"^(?:if|unless|case|while|begin|def|class|module|for|until)\b|\bdo\s*(?:\|[^|]*\|)?$|=\s*(?:if|case|begin)\b"
)
_PLAIN_BLOCK = regex(r"^(?:group|platforms?|source)\b.*\bdo\s*(?:\|[^|]*\|)?$")


def _read_gemfile(file: SourceFile, lines: Sequence[str]) -> Manifest:
    found: list[Requirement] = []
    blocks: list[bool] = []  # of each open block: whether what stands in it is always declared
    for number, line in enumerate(lines, start=1):
        code = re.sub(r"(?:^|\s)#.*$", "", line).strip()
        if code == "end" or code.startswith(("end ", "end.")):
            blocks = blocks[:-1]
        elif gem := _GEM.match(code):
            found.append(_gem_requirement(gem, number, is_certain=all(blocks)))
        elif _OPENS.search(code) and not code.endswith(" end"):
            blocks.append(_PLAIN_BLOCK.match(code) is not None)
    return Manifest(file, "ruby", "", tuple(found))


def _gem_requirement(gem: re.Match[str], line: int, *, is_certain: bool) -> Requirement:
    rest, parts = gem.group(3), []
    while part := _GEM_SPEC_PART.match(rest):
        parts.append(part.group(2))
        rest = rest[part.end() :]
    has_computed_part = re.match(r"\s*,\s*(?![\w\"']+:|:\w+\s*=>|\*\*)\S", rest) is not None
    return Requirement(
        gem.group(2),
        ", ".join(parts),
        line,
        "",
        is_conditional=not is_certain or re.search(r"\b(?:if|unless|install_if)\b", rest) is not None,
        is_comparable=not _GEM_OTHER.search(rest) and not has_computed_part,
    )


# --- workspaces ----------------------------------------------------------------------------------------------


def npm_workspace_patterns(root: Node) -> list[tuple[str, int]]:
    """Patterns of workspace members in a package.json and the line of each."""
    node = root.get("workspaces")
    if node is not None and isinstance(node.value, dict):
        node = node.get("packages")
    return [(item.text(), item.line) for item in (node.items if node is not None else []) if item.text()]


def matches_member(pattern: str, folder: str) -> bool:
    """Whether a workspace pattern, relative to the workspace's root, names a folder: `packages/*`, `apps/**`."""
    pattern = posixpath.normpath(pattern.rstrip("/"))
    if "**" in pattern:
        return fnmatch.fnmatchcase(folder, pattern.replace("**/", "*").replace("**", "*"))
    parts, names = pattern.split("/"), folder.split("/")
    return len(parts) == len(names) and all(fnmatch.fnmatchcase(n, p) for n, p in zip(names, parts, strict=True))
