"""INT007."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.utils import canonicalize_name

from elder_assets.audit.facts.documents import Node, document, text_lines
from elder_assets.audit.facts.manifests import MANIFEST_CLASSES, matches_member, npm_workspace_patterns
from elder_assets.audit.facts.package_contents import (
    Listed,
    maven_modules,
    project_files,
    sam_code,
    setup_cfg_files,
    source_list,
)
from elder_assets.audit.facts.python_names import module_names, setup_script
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, Found, Outcome, Severity, SourceFile, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="INT007",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="entry point",
    reads=(document, text_lines, module_names, setup_script, maven_modules),
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a declared entry point, package file or workspace member that is not there.

    Why: whoever installs or starts it gets an error instead of the promised program.
    Remedy: point the declaration at the file or function that exists, or remove it.
    Source: PyPA entry points specification; setuptools, Controlling files in the distribution; npm package.json;
        Cargo, Go, npm and Maven multi-module builds; serverless.yml and SAM templates.
    Limits: what a build makes is not looked at: JavaScript outside of sources where a build step exists, ignored
    files, extension modules, links and submodules. Modules of other distributions, `main` of private packages,
    modules of Maven profiles, patterns with braces, values with variables and names that a module makes at run time
    are let pass. A file that packaging leaves out with a warning (MANIFEST.in, package data) is MEDIUM; of a pattern
    only the folder must be there.

    Bad:
        path: pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main" #~
        path: shop/__init__.py
        path: shop/cli.py
        def run(): ...
    Okay:
        path: pyproject.toml
        [project]
        name = "shop"
        [project.scripts]
        shop = "shop.cli:main"
        path: shop/__init__.py
        path: shop/cli.py
        from shop.commands import main
        path: shop/commands.py
        def main(): ...
    """
    tree = _Tree(facts)
    for file, root in tree.roots.values():
        for declared in _declarations(file, root, tree):
            yield Checked()
            if declared.wrong:
                yield _finding(file, declared)
    for file, script in facts.each(setup_script, *MANIFEST_CLASSES):
        layout = _Layout(file.folder, "", has_mapping=script.has_package_dir, has_extensions=script.has_extensions)
        for literal in script.entry_points:
            name, _, target = literal.text.partition("=")
            yield Checked()
            if wrong := tree.python_problem(target.strip(), layout):
                yield _finding(file, _Declared(literal.line, f"entry point {name.strip()}", target.strip(), wrong))
    for file, found in facts.each(maven_modules, *MANIFEST_CLASSES):
        for declared in _maven_members(file, found.modules, tree):
            yield Checked()
            if declared.wrong:
                yield _finding(file, declared)
    for file, lines in facts.each(text_lines, *MANIFEST_CLASSES):
        for declared in _line_declarations(file, lines.lines, tree):
            yield Checked()
            if declared.wrong:
                yield _finding(file, declared)


class _Declared(NamedTuple):
    line: int
    what: str
    target: str
    wrong: str
    """'' when it resolves."""
    severity: Severity | None = None


def _finding(file: SourceFile, declared: _Declared) -> Found:
    return Found(
        path=file.path,
        line=declared.line,
        tokens=f"{declared.what} {declared.target}",
        severity=declared.severity,
        message=f"{declared.what} is declared as {declared.target!r}, but {declared.wrong}",
    )


def _declarations(file: SourceFile, root: Node, tree: _Tree) -> Iterator[_Declared]:
    readers = {
        "pyproject.toml": _python_scripts,
        "setup.cfg": _setup_cfg_scripts,
        "package.json": _npm_entries,
        "pnpm-workspace.yaml": _pnpm_members,
        "Cargo.toml": _cargo_targets,
        "serverless.yml": _serverless_handlers,
        "serverless.yaml": _serverless_handlers,
        "template.yaml": _sam_functions,
        "template.yml": _sam_functions,
    }
    read = readers.get(file.name)
    if read is not None:
        yield from read(file, root, tree)


def _line_declarations(file: SourceFile, lines: tuple[str, ...], tree: _Tree) -> Iterator[_Declared]:
    if file.name == "go.work":
        yield from _go_members(file, lines, tree)
    elif file.variant == "dockerfile":
        yield from _container_scripts(file, lines, tree)
    elif file.name == "MANIFEST.in" and any(
        posixpath.join(file.folder, name) in tree.facts.paths for name in ("setup.py", "setup.cfg", "pyproject.toml")
    ):
        yield from _package_files(file, source_list(lines), tree)


# --- the tree ------------------------------------------------------------------------------------------------


class _Layout(NamedTuple):
    """Where a Python project's modules may lie."""

    folder: str
    name: str
    has_mapping: bool
    """Packages are mapped to folders of other names, or included by rules that we do not follow."""
    has_extensions: bool


_COMPUTED = regex(r"[${}<>%*?\[\]|]")
_BUILD_SCRIPT = regex(
    r"^(?:pre|post)?(?:build|prepare|publish|publishOnly|pack|compile|dist|bundle|tsc|transpile|rollup|webpack|babel"
    r"|release|package|generate|make|vite|tsup|prepublish|prepublishOnly|prepack)(?:[:._-].*)?$|[:._-]build$",
    re.IGNORECASE,
)
_BUILD_FILE = regex(
    r"^(?:(?:rollup|webpack|vite|tsup|esbuild|babel|gulp|grunt|unbuild|build)[\w.-]*\.(?:[cm]?[jt]s|json)|Gruntfile\.\w+"
    r"|Gulpfile\.\w+|gulpfile\.[\w.]+|Makefile|Cakefile|Jakefile|tsconfig[\w.-]*\.json|BUILD(?:\.bazel)?|\.babelrc"
    r"|binding\.gyp|CMakeLists\.txt|nx\.json|lerna\.json|turbo\.json|project\.json)$"
)


class _Tree:
    """The names of the tree, as resolvers ask for them."""

    def __init__(self, facts: RepositoryFacts) -> None:
        self.facts = facts
        self.roots: dict[str, tuple[SourceFile, Node]] = {
            file.path: (file, content.root)
            for file, content in facts.each(document, *MANIFEST_CLASSES)
            if content.root is not None
        }
        self._opaque = tuple(entry.path + "/" for entry in facts.entries if entry.is_link or entry.is_submodule)
        self._stems = {posixpath.splitext(path)[0] for path in facts.paths}
        self._ignored = self._read_ignored()
        self._names: dict[str, list[str]] = {}
        self._tails: dict[str, list[str]] = {}
        for path in sorted(facts.paths):
            folder, _, name = path.rpartition("/")
            self._names.setdefault(folder, []).append(name)
            if name.endswith(".py"):
                self._tails.setdefault(name, []).append(path)

    def _read_ignored(self) -> frozenset[str]:
        return frozenset(
            line.strip().strip("/").removesuffix("/*").removesuffix("/**").rpartition("/")[2]
            for file, lines in self.facts.each(text_lines)
            if file.name == ".gitignore"
            for line in lines.lines
            if line.strip() and not line.startswith(("#", "!"))
        ) - {"", "*"}

    def exists(self, path: str) -> bool:
        """Whether a file or folder is tracked, or lies behind a link or in a submodule."""
        return path in self.facts.paths or path in self.facts.folders or self.is_opaque(path)

    def is_opaque(self, path: str) -> bool:
        """Whether a path lies behind a link or in a submodule."""
        return (path + "/").startswith(self._opaque)

    def is_polyglot(self, folder: str) -> bool:
        """Whether a Maven module is described in another language: pom.groovy, pom.kts, .polyglot.*."""
        return any(re.match(r"pom\.\w+$|\.polyglot", name) for name in self._names.get(folder, ()))

    def has_stem(self, path: str) -> bool:
        """Whether a file is tracked that is called so but for its ending."""
        return path in self._stems or self.exists(path)

    def has_name(self, name: str) -> bool:
        """Whether some file is called so, in any folder."""
        return any(name in names for names in self._names.values())

    def is_ignored(self, path: str) -> bool:
        """Whether a part of the path, or its ending, is named in some .gitignore: a build makes it."""
        ending = "*" + posixpath.splitext(path)[1]
        return ending in self._ignored or any(part in self._ignored for part in path.split("/"))

    def has_build_step(self, folder: str) -> bool:
        """Whether a package, or a project around it, builds before it publishes."""
        while True:
            known = self.roots.get(posixpath.join(folder, "package.json"))
            scripts = known[1].get("scripts") if known is not None else None
            if scripts is not None and any(_BUILD_SCRIPT.search(name) for name in scripts.pairs):
                return True
            if any(_BUILD_FILE.match(name) for name in self._names.get(folder, ())):
                return True
            if not folder:
                return False
            folder = folder.rpartition("/")[0]

    def folders_with(self, manifest: str) -> list[str]:
        """Folders that hold a manifest of this name, or its sibling in another format (package.json5)."""
        return [folder for folder, names in self._names.items() if any(name.startswith(manifest) for name in names)]

    # --- Python ----------------------------------------------------------------------------------------------

    def package_folders(self, package: str, folder: str) -> list[str]:
        """Folders below a folder that are the package of this dotted name, under any source root; [] for patterns."""
        inner = package.replace(".", "/")
        prefix = folder + "/" if folder else ""
        if not re.fullmatch(r"[\w/-]+", inner):
            return []
        return sorted(f for f in self.facts.folders if f.startswith(prefix) and f"/{f}".endswith("/" + inner))

    def may_be_made(self, path: str, folder: str) -> bool:
        """Whether something may write the file before it is packaged: it is ignored, built, or named by a script."""
        name = posixpath.basename(path)
        if self.is_ignored(path) or _MADE_BY_PACKAGING.search(path) or (folder and self.has_name(name)):
            return True
        return any(
            name in line
            for file, lines in self.facts.each(text_lines)
            if file.name == "setup.py" or file.variant == "makefile"
            for line in lines.lines
        )

    def python_problem(self, target: str, layout: _Layout) -> str:
        """What is wrong with 'module.path:attribute [extra]'; '' when it resolves or cannot be judged."""
        match = re.fullmatch(r"([A-Za-z_][\w.]*)\s*(?::\s*([A-Za-z_][\w.]*))?\s*(?:\[.*\])?", target)
        if match is None:
            return ""
        module, attribute = match.group(1), (match.group(2) or "").partition(".")[0]
        found = self._modules(module, layout.folder)
        if not found:
            return self._missing_module(module, layout)
        if attribute and not any(self._offers(path, attribute) for path in found):
            return f"{found[0]} has no {attribute!r}"
        return ""

    def _modules(self, module: str, folder: str) -> list[str]:
        """Files below the folder that are the module, under any source root."""
        inner = module.replace(".", "/")
        found = []
        for tail in (inner + ".py", inner + "/__init__.py"):
            for path in self._tails.get(tail.rpartition("/")[2], ()):
                if f"/{path}".endswith("/" + tail) and (not folder or path.startswith(folder + "/")):
                    found.append(path)
        return found

    def _missing_module(self, module: str, layout: _Layout) -> str:
        inner = module.replace(".", "/")
        top, *rest = inner.split("/")
        prefix = layout.folder + "/" if layout.folder else ""
        if layout.has_extensions or any(path.startswith(prefix) for path in self._opaque):
            return ""
        if any(f"/{stem}".endswith("/" + inner) for stem in self._stems) or self._is_namespace(inner):
            return ""
        is_own = canonicalize_name(top) == layout.name and not layout.has_mapping
        if rest and self._modules(top, layout.folder) and not layout.has_mapping:
            return f"there is no module {module}"
        return f"there is no module {top}" if is_own else ""

    def _is_namespace(self, inner: str) -> bool:
        return any(f"/{folder}".endswith("/" + inner) for folder in self.facts.folders)

    def _offers(self, path: str, attribute: str) -> bool:
        file = self.facts.by_path.get(path)
        names = self.facts.read(module_names, file) if file is not None else None
        if names is None or names.is_open or attribute in names.names:
            return True
        return path.endswith("/__init__.py") and self.has_stem(path.removesuffix("__init__.py") + attribute)


def _pairs(root: Node, *path: str) -> list[tuple[str, Node]]:
    node = root.get(*path)
    return list(node.pairs.items()) if node is not None else []


# --- Python manifests ------------------------------------------------------------------------------------------

_MAPPING_KEYS = frozenset(
    {
        "package-dir",
        "package_dir",
        "sources",
        "force-include",
        "to",
        "py-modules",
        "module-name",
        "module-root",
        "modules",
    }
)


def _python_scripts(file: SourceFile, root: Node, tree: _Tree) -> Iterator[_Declared]:
    name = canonicalize_name(root.text("project", "name") or root.text("tool", "poetry", "name"))
    requires = root.get("build-system", "requires")
    needs = " ".join(item.text() for item in (requires.items if requires is not None else []))
    tool = root.get("tool")
    keys = {key for path, _ in (tool.walk() if tool is not None else ()) for key in path}
    setup = tree.facts.by_path.get(posixpath.join(file.folder, "setup.py"))
    script = tree.facts.read(setup_script, setup) if setup is not None else None
    layout = _Layout(
        file.folder,
        name,
        has_mapping=bool(keys & _MAPPING_KEYS) or (script is not None and script.has_package_dir),
        has_extensions=re.search(r"maturin|rust|cython|scikit-build|meson|pybind|cffi|mypy", needs, re.IGNORECASE)
        is not None
        or (script is not None and script.has_extensions),
    )
    scripts = [
        *_pairs(root, "project", "scripts"),
        *_pairs(root, "project", "gui-scripts"),
        *_pairs(root, "tool", "poetry", "scripts"),
        *(item for _, group in _pairs(root, "project", "entry-points") for item in group.pairs.items()),
        *(item for _, group in _pairs(root, "tool", "poetry", "plugins") for item in group.pairs.items()),
    ]
    for script_name, node in scripts:
        if target := node.text().strip():
            yield _Declared(node.line, f"entry point {script_name}", target, tree.python_problem(target, layout))
    yield from _package_files(file, project_files(root), tree)


def _setup_cfg_scripts(file: SourceFile, root: Node, tree: _Tree) -> Iterator[_Declared]:
    has_mapping = bool(root.text("options", "package_dir"))
    layout = _Layout(file.folder, canonicalize_name(root.text("metadata", "name")), has_mapping, has_extensions=False)
    yield from _package_files(file, setup_cfg_files(root), tree)
    for section in ("options.entry_points", "entry_points"):
        for _, node in _pairs(root, section):
            for offset, line in enumerate(node.text().split("\n")):
                name, equals, target = line.partition("=")
                if equals and not name.strip().startswith("#"):
                    problem = tree.python_problem(target.strip(), layout)
                    yield _Declared(node.line + offset, f"entry point {name.strip()}", target.strip(), problem)


_MADE_BY_PACKAGING = regex(
    r"(?:^|/)(?:PKG-INFO|ChangeLog|AUTHORS|_?version(?:\.\w+)?|.*\.egg-info)$"
    r"|\.(?:so|pyd|dll|dylib|exe|o|a|c|cpp|cc|mo|qm|pyi|js|css|map|html|gz|zip|jar|whl|bin|dat|db|pdf|chm|epub|1)$"
    r"|(?:^|/)(?:build|dist|_build|static|node_modules|bin|lib|locale)(?:/|$)",
    re.IGNORECASE,
)
"""Built, compiled or fetched while packaging, as a rule without a word about it in the tree."""


def _package_files(file: SourceFile, listed: Iterator[Listed], tree: _Tree) -> Iterator[_Declared]:
    """Files and folders that Python packaging is told to take, as far as they can be known."""
    for item in listed:
        plain = item.path.removeprefix("./")
        path = re.split(r"[*?\[{]", plain, maxsplit=1)[0]
        if path != plain:
            path = path.rpartition("/")[0]
        path = path.rstrip("/")
        if not path or path.startswith(("/", "..", "~")) or "/../" in path or _COMPUTED.search(path) or "\\" in path:
            continue
        folders = tree.package_folders(item.package, file.folder) if item.package else [file.folder]
        if not folders:
            continue
        candidates = [posixpath.normpath(posixpath.join(folder, path)) for folder in folders]
        is_there = any(tree.exists(path) for path in candidates) or tree.may_be_made(candidates[0], file.folder)
        severity = None if item.is_needed else Severity.MEDIUM
        wrong = "" if is_there else f"there is no {candidates[0]}"
        yield _Declared(item.line, item.what, item.path, wrong, severity)


# --- npm ---------------------------------------------------------------------------------------------------------

_NPM_ENDINGS = ("", ".js", ".json", ".node", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", ".d.ts", ".coffee")
_SOURCE_FILE = regex(r"(?<!\.d)\.(?:tsx?|jsx|vue|svelte)$")


def _npm_entries(file: SourceFile, root: Node, tree: _Tree) -> Iterator[_Declared]:
    for what, node in _npm_targets(root):
        target = node.text()
        if _COMPUTED.search(target) or not target or target.startswith("/") or "node_modules" in target:
            continue
        yield _Declared(node.line, what, target, _npm_problem(target, file.folder, root, tree))
    for pattern, line in npm_workspace_patterns(root):
        yield from _member(pattern, line, file.folder, "package.json", tree)


def _npm_targets(root: Node) -> Iterator[tuple[str, Node]]:
    is_private = root.text("private") == "True"
    for key in ("main", "module", "types", "typings", "browser") if not is_private else ():
        node = root.get(key)
        if node is not None and isinstance(node.value, str):
            yield key, node
    binaries = root.get("bin")
    if binaries is not None:
        yield from (
            [("bin", binaries)]
            if isinstance(binaries.value, str)
            else [(f"bin {name}", node) for name, node in binaries.pairs.items()]
        )
    exports = root.get("exports")
    for path, node in exports.walk() if exports is not None and not is_private else ():
        if isinstance(node.value, str) and node.value.startswith("./"):
            yield f"exports {' '.join(path)}".strip(), node


def _npm_problem(target: str, folder: str, root: Node, tree: _Tree) -> str:
    path = posixpath.normpath(posixpath.join(folder, target))
    if path.startswith("..") or _is_of_a_dependency(target, root):
        return ""
    candidates = [path + ending for ending in _NPM_ENDINGS] + [f"{path}/index{ending}" for ending in _NPM_ENDINGS[1:]]
    if any(tree.exists(candidate) for candidate in candidates) or tree.is_ignored(path):
        return ""
    is_source = _SOURCE_FILE.search(path) is not None
    if (not is_source or not tree.exists(posixpath.dirname(path))) and tree.has_build_step(folder):
        return ""
    return f"there is no {path}"


def _is_of_a_dependency(target: str, root: Node) -> bool:
    """`"main": "expo-router/entry"` is a module of a dependency."""
    head = "/".join(target.split("/")[: 2 if target.startswith("@") else 1])
    return any(root.get(group, head) is not None for group in ("dependencies", "devDependencies", "peerDependencies"))


def _pnpm_members(file: SourceFile, root: Node, tree: _Tree) -> Iterator[_Declared]:
    packages = root.get("packages")
    for item in packages.items if packages is not None else []:
        yield from _member(item.text(), item.line, file.folder, "package.json", tree)


def _member(pattern: str, line: int, folder: str, manifest: str, tree: _Tree) -> Iterator[_Declared]:
    """A workspace pattern must name a folder with a manifest."""
    plain = posixpath.normpath(pattern.removeprefix("./").rstrip("/") or ".")
    if not pattern or pattern.startswith("!") or plain.startswith("..") or re.search(r"[{}()$+@!]", plain):
        return
    base = folder + "/" if folder else ""
    fixed = re.split(r"[*?\[]", plain, maxsplit=1)[0].rstrip("/")
    if fixed and tree.exists(posixpath.join(folder, fixed)) and posixpath.join(folder, fixed) not in tree.facts.folders:
        return  # behind a link or in a submodule
    manifests = [
        path for path in tree.facts.paths if path.startswith(base) and posixpath.basename(path).startswith(manifest)
    ]
    members = [posixpath.dirname(path)[len(base) :] or "." for path in manifests]
    is_there = any(matches_member(plain, member) for member in members)
    wrong = "" if is_there else f"no folder of that name holds a {manifest}"
    yield _Declared(line, "workspace member", pattern, wrong)


# --- Cargo, Go, serverless -----------------------------------------------------------------------------------------


def _cargo_targets(file: SourceFile, root: Node, tree: _Tree) -> Iterator[_Declared]:
    tables = [("lib", root.get("lib"))]
    for kind in ("bin", "example", "test", "bench"):
        node = root.get(kind)
        tables += [(f"{kind} {item.text('name')}".strip(), item) for item in (node.items if node is not None else [])]
    for what, table in tables:
        node = table.get("path") if table is not None else None
        if node is not None and not _COMPUTED.search(node.text()):
            path = posixpath.normpath(posixpath.join(file.folder, node.text()))
            is_there = path.startswith("..") or tree.exists(path) or tree.is_ignored(path)
            yield _Declared(node.line, what, node.text(), "" if is_there else f"there is no {path}")
    members = root.get("workspace", "members")
    for item in members.items if members is not None else []:
        yield from _member(item.text(), item.line, file.folder, "Cargo.toml", tree)


def _maven_members(file: SourceFile, modules: tuple[Listed, ...], tree: _Tree) -> Iterator[_Declared]:
    for item in modules:
        path = posixpath.normpath(posixpath.join(file.folder, item.path))
        if path.startswith("..") or _COMPUTED.search(item.path) or "\\" in item.path:
            continue
        pom = path if path.endswith(".xml") else f"{path}/pom.xml"
        is_there = tree.exists(path if tree.is_opaque(path) else pom) or tree.is_polyglot(path)
        yield _Declared(item.line, item.what, item.path, "" if is_there else f"there is no {pom}")


def _sam_functions(file: SourceFile, root: Node, tree: _Tree) -> Iterator[_Declared]:
    for item in sam_code(root):
        path = posixpath.normpath(posixpath.join(file.folder, item.path))
        is_built = re.search(
            r"\.(?:zip|jar|war)$|(?:^|/)(?:build|dist|target|out|bin|publish|\.[\w-]+)(?:/|$)", item.path
        )
        if ":" in item.path or path.startswith(("..", "/")) or _COMPUTED.search(item.path) or is_built:
            continue
        is_there = path == "." or tree.exists(path) or tree.is_ignored(path) or tree.has_build_step(file.folder)
        yield _Declared(item.line, item.what, item.path, "" if is_there else f"there is no {path}")


_GO_USE = regex(r"^(?:use\s+)?(\.[\w./-]*)\s*(?://.*)?$")


def _go_members(file: SourceFile, lines: tuple[str, ...], tree: _Tree) -> Iterator[_Declared]:
    is_inside = False
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if stripped.startswith("use ("):
            is_inside = True
        elif stripped == ")":
            is_inside = False
        elif (is_inside or stripped.startswith("use ")) and (match := _GO_USE.match(stripped)):
            yield from _member(match.group(1), number, file.folder, "go.mod", tree)


_HANDLER = regex(r"((?:[\w.-]+/)*[\w.-]+)\.\w+$")
_PACKED_HANDLERS = ("wsgi_handler", "node_modules", "serverless_sdk", "datadog", "newrelic", "sentry")


def _serverless_handlers(file: SourceFile, root: Node, tree: _Tree) -> Iterator[_Declared]:
    runtime = root.text("provider", "runtime")
    for name, function in _pairs(root, "functions"):
        node = function.get("handler")
        used = function.text("runtime") or runtime
        if node is None or not used.startswith(("python", "nodejs")) or _COMPUTED.search(node.text()):
            continue
        match = _HANDLER.fullmatch(node.text())
        if match is None or any(word in node.text() for word in _PACKED_HANDLERS) or function.get("module"):
            continue
        inner = match.group(1).replace(".", "/") if used.startswith("python") else match.group(1)
        path = posixpath.normpath(posixpath.join(file.folder, inner))
        is_there = path.startswith("..") or tree.has_stem(path) or tree.is_ignored(path)
        is_made = used.startswith("nodejs") and not is_there and tree.has_build_step(file.folder)
        wrong = "" if is_there or is_made else f"there is no {path} of any language"
        yield _Declared(node.line, f"handler of {name}", node.text(), wrong)


# --- container images ------------------------------------------------------------------------------------------------

_INSTRUCTION = regex(r"\s*([A-Za-z]+)\s+(.*)", re.DOTALL)
_SCRIPT = regex(r"[\w./-]+\.(?:sh|bash|py|rb|pl)$")
_INTERPRETERS = frozenset({"sh", "bash", "/bin/sh", "/bin/bash", "python", "python3", "ruby", "perl", "exec", "-u"})


def _container_scripts(_file: SourceFile, lines: tuple[str, ...], tree: _Tree) -> Iterator[_Declared]:
    """ENTRYPOINT and CMD of the last stage that start a script of the copied tree; only what is certain."""
    stage = _last_stage(lines)
    workdir, copied = "", ""
    commands: dict[str, tuple[int, str]] = {}
    for line, name, rest in stage:
        words = [word for word in rest.split() if not word.startswith("--")]
        if name == "WORKDIR":
            workdir = posixpath.join(workdir, rest.strip())
        elif name in {"COPY", "ADD"} and "--from" not in rest and words[:1] in (["."], ["./"]) and len(words) == 2:
            copied = posixpath.normpath(posixpath.join(workdir, words[1]))
        elif name in {"ENTRYPOINT", "CMD"}:
            commands[name] = (line, rest)
    for name, (line, rest) in commands.items():
        script = _script_of(rest)
        if not script or not copied or _COMPUTED.search(script):
            continue
        place = posixpath.normpath(posixpath.join(workdir, script))
        base = posixpath.basename(script)
        is_mentioned = sum(base in other for _, _, other in stage) > sum(base in r for _, r in commands.values())
        if (copied != "." and not place.startswith(copied.rstrip("/") + "/")) or is_mentioned or place.startswith(".."):
            continue
        is_there = tree.has_name(base) or tree.is_ignored(base)
        yield _Declared(line, name, script, "" if is_there else f"no file of the repository is called {base}")


def _last_stage(lines: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Line, name and arguments of the instructions behind the last FROM."""
    stage: list[tuple[int, str, str]] = []
    pending, first = "", 0
    for number, line in enumerate(lines, start=1):
        if line.lstrip().startswith("#"):
            continue
        first = first or number
        pending += line.rstrip().removesuffix("\\") + " "
        if line.rstrip().endswith("\\"):
            continue
        if match := _INSTRUCTION.match(pending):
            name = match.group(1).upper()
            stage = [] if name == "FROM" else [*stage, (first, name, match.group(2).strip())]
        pending, first = "", 0
    return stage


def _script_of(command: str) -> str:
    """The script that a command starts; '' for anything but a plain script or interpreter and script."""
    words = re.findall(r'"([^"]*)"', command) if command.startswith("[") else command.split()
    while words and words[0] in _INTERPRETERS:
        words = words[1:]
    return words[0] if words and _SCRIPT.fullmatch(words[0]) else ""
