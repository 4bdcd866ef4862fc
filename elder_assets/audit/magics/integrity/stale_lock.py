"""INT009."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from packaging.utils import canonicalize_name

from elder_assets.audit.facts.documents import document, text_lines
from elder_assets.audit.facts.locks import Lock, Locked, lock, versions_of
from elder_assets.audit.facts.manifests import (
    Manifest,
    Requirement,
    manifests,
    matches_member,
    npm_workspace_patterns,
)
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.version_ranges import (
    cargo_satisfies,
    gem_satisfies,
    npm_satisfies,
    poetry_satisfies,
    python_satisfies,
)
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="INT009",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="locked dependency",
    reads=(document, text_lines, lock),
    fix="suggested",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a direct dependency that the lock file beside its manifest lacks or holds outside the declared range.

    Why: an installation from the lock fails, or installs something else than the manifest promises.
    Remedy: run the package manager's lock command and commit the lock together with the manifest.
    Source: the lock file documentation of uv, Poetry, PDM, npm, Yarn, pnpm, Cargo, Go modules and Bundler.
    Limits: only direct dependencies are compared. Paths, repositories, URLs, aliases, catalogues, tags, workspace
    members, overridden versions and, for what may be missing, dependencies with a marker, platform or condition
    are left out; so are locks over 8 MB, bun, Pipenv and locks that hooks rewrite (.pnpmfile.cjs).

    Bad:
        path: package.json
        {
          "dependencies": {
            "left-pad": "^1.3.0" #~
          }
        }
        path: package-lock.json
        {"lockfileVersion": 3, "packages": {"": {}, "node_modules/left-pad": {"version": "1.2.0"}}}
    Okay:
        path: package.json
        {
          "dependencies": {
            "left-pad": "^1.3.0"
          }
        }
        path: package-lock.json
        {"lockfileVersion": 3, "packages": {"": {}, "node_modules/left-pad": {"version": "1.3.1"}}}
    """
    locks = _Locks(facts)
    for manifest in facts.derive(manifests):
        for path, compare in locks.governing(manifest):
            for requirement in manifest.requirements:
                answer = compare(requirement)
                if answer is None:
                    continue
                yield Checked()
                if answer:
                    yield _finding(manifest, requirement, path, answer)


def _finding(manifest: Manifest, requirement: Requirement, lock_path: str, answer: str) -> Found:
    declared = requirement.spec or "any version"
    return Found(
        path=manifest.file.path,
        line=requirement.line,
        tokens=f"{posixpath.basename(lock_path)} {requirement.group} {requirement.name}",
        message=f"{requirement.name} ({declared}) is declared, but {lock_path} {answer}",
    )


_MISSING = "does not hold it"
_Compare = Callable[[Requirement], str | None]
"""'' when manifest and lock agree, what the lock does instead, None when they cannot be compared."""

_Satisfies = Callable[[str, str], bool | None]


class _LockFile(NamedTuple):
    path: str
    name: str
    folder: str
    content: Lock


class _Locks:
    """The locks of the tree, and which of them govern a manifest."""

    def __init__(self, facts: RepositoryFacts) -> None:
        self._facts = facts
        self._by_folder: dict[str, list[_LockFile]] = {}
        for file, content in facts.each(lock):
            if file.file_class is not FileClass.VENDORED and not content.error:
                found = _LockFile(file.path, file.name, file.folder, content)
                self._by_folder.setdefault(file.folder, []).append(found)
        everything = facts.derive(manifests)
        self._npm_names = {manifest.name for manifest in everything if manifest.ecosystem == "npm"}
        self._overridden_around = {m.folder: m.overridden for m in everything if m.ecosystem == "npm"}

    def governing(self, manifest: Manifest) -> Iterator[tuple[str, _Compare]]:
        """Each lock that an installation of the manifest would use, with its way to compare."""
        read = {
            "python": self._python,
            "npm": self._npm,
            "cargo": self._cargo,
            "go": self._go,
            "ruby": self._ruby,
        }[manifest.ecosystem]
        folder = manifest.folder
        while True:
            for candidate in self._by_folder.get(folder, ()):
                compare = read(manifest, candidate)
                if compare is not None:
                    yield candidate.path, compare
            if not folder:
                return
            folder = folder.rpartition("/")[0]

    # --- one method an ecosystem: None when this lock does not govern this manifest ---------------------------

    def _python(self, manifest: Manifest, found: _LockFile) -> _Compare | None:
        packages = _by_python_name(found.content)
        satisfies: _Satisfies = python_satisfies
        if found.name == "uv.lock":
            member = f"path:{_relative(manifest.folder, found.folder)}"
            if not any(package.source == member for package in found.content.packages):
                return None
        elif manifest.folder != found.folder or found.name.removesuffix(".lock") not in manifest.tools:
            return None
        if found.name == "poetry.lock":
            satisfies = poetry_satisfies

        def compare(requirement: Requirement) -> str | None:
            if found.name == "pdm.lock" and (requirement.group or "default") not in found.content.groups:
                return None
            if found.name == "poetry.lock" and requirement.group and "poetry" not in manifest.tools:
                return None
            if requirement.name == manifest.name:
                return None  # an extra of the project itself
            return _compare(requirement, packages.get(requirement.name, ()), manifest.overridden, satisfies)

        return compare if found.name in {"uv.lock", "poetry.lock", "pdm.lock"} else None

    def _npm(self, manifest: Manifest, found: _LockFile) -> _Compare | None:
        relative = _relative(manifest.folder, found.folder)
        overridden = manifest.overridden | self._overridden_around.get(found.folder, frozenset()) | self._npm_names
        if found.name in {"package-lock.json", "npm-shrinkwrap.json"}:
            if not any(importer.folder == relative for importer in found.content.importers):
                return None
            return self._npm_tree(relative, versions_of(found.content), overridden)
        if found.name == "pnpm-lock.yaml":
            return self._pnpm(relative, found, overridden)
        if found.name == "yarn.lock" and self._is_yarn_project(manifest.folder, found.folder):
            return self._yarn(found, overridden)
        return None

    @staticmethod
    def _npm_tree(relative: str, packages: dict[str, list[Locked]], overridden: frozenset[str]) -> _Compare:
        def compare(requirement: Requirement) -> str | None:
            base = "" if relative == "." else relative + "/"
            while True:
                held = packages.get(f"{base}node_modules/{requirement.name}")
                if held or not base:
                    return _compare(requirement, held or (), overridden, npm_satisfies)
                base = re.sub(r"[^/]+/$", "", base)

        return compare

    def _pnpm(self, relative: str, found: _LockFile, overridden: frozenset[str]) -> _Compare | None:
        importer = next((each for each in found.content.importers if each.folder == relative), None)
        has_hooks = any(posixpath.join(found.folder, f".pnpmfile.{end}") in self._facts.paths for end in ("cjs", "mjs"))
        if importer is None or has_hooks:
            return None
        held = {dependency.name: dependency for dependency in importer.dependencies}

        def compare(requirement: Requirement) -> str | None:
            dependency = held.get(requirement.name)
            if dependency is None:
                return _compare(requirement, (), overridden, npm_satisfies)
            if dependency.specifier == requirement.spec:
                return ""
            locked = Locked(requirement.name, dependency.version, "" if dependency.version else "other")
            return _compare(requirement, (locked,), overridden, npm_satisfies)

        return compare

    def _is_yarn_project(self, folder: str, lock_folder: str) -> bool:
        """Whether the lock's folder holds the manifest itself or names its folder as a workspace member."""
        if folder == lock_folder:
            return True
        root = self._facts.by_path.get(posixpath.join(lock_folder, "package.json"))
        content = self._facts.read(document, root) if root is not None else None
        if content is None or content.root is None:
            return False
        relative = _relative(folder, lock_folder)
        return any(matches_member(pattern, relative) for pattern, _ in npm_workspace_patterns(content.root))

    @staticmethod
    def _yarn(found: _LockFile, overridden: frozenset[str]) -> _Compare:
        packages = versions_of(found.content)

        def compare(requirement: Requirement) -> str | None:
            held = packages.get(requirement.name, [])
            if any(package.source == requirement.spec for package in held):
                return ""
            # A locked range that is no range hides which version answers (patch:, workspace:, a repository).
            locked = [Locked(p.name, p.version, "" if _looks_like_range(p.source) else "other") for p in held]
            return _compare(requirement, locked, overridden, npm_satisfies)

        return compare

    def _cargo(self, manifest: Manifest, found: _LockFile) -> _Compare | None:
        if found.name != "Cargo.lock":
            return None
        packages = versions_of(found.content)
        own = packages.get(manifest.name, ())
        if not any(package.source == "" for package in own) or self._is_excluded_crate(manifest.folder, found.folder):
            return None

        def compare(requirement: Requirement) -> str | None:
            held = packages.get(requirement.name, ())
            if any(not package.source for package in held):
                return ""  # a crate of the workspace
            plain = [Locked(p.name, p.version, "" if p.source.startswith("registry") else p.source) for p in held]
            return _compare(requirement, plain, manifest.overridden, cargo_satisfies)

        return compare

    def _is_excluded_crate(self, folder: str, lock_folder: str) -> bool:
        """Whether the crate has a lock or a workspace of its own, or the workspace excludes it."""
        if folder == lock_folder:
            return False
        inner = folder
        while inner != lock_folder:
            if any(found.name == "Cargo.lock" for found in self._by_folder.get(inner, ())):
                return True
            inner = inner.rpartition("/")[0]
        root = self._facts.by_path.get(posixpath.join(lock_folder, "Cargo.toml"))
        content = self._facts.read(document, root) if root is not None else None
        workspace = content.root.get("workspace") if content is not None and content.root is not None else None
        if workspace is None:
            return True
        relative = _relative(folder, lock_folder)
        excluded = workspace.get("exclude")
        prefixes = [item.text().strip("/") + "/" for item in (excluded.items if excluded else [])]
        return any(f"{relative}/".startswith(prefix) for prefix in prefixes)

    def _go(self, manifest: Manifest, found: _LockFile) -> _Compare | None:
        if found.name != "go.sum" or manifest.folder != found.folder:
            return None
        held = {(package.name, package.version) for package in found.content.packages}
        if any(path.rpartition("/")[2] == "go.work" for path in self._facts.paths):
            return None  # sums may stand in go.work.sum
        names = {name for name, _ in held}

        def compare(requirement: Requirement) -> str | None:
            if requirement.name in manifest.overridden:
                return None
            if (requirement.name, requirement.spec) in held:
                return ""
            return "has no sum for this version" if requirement.name in names else _MISSING

        return compare

    @staticmethod
    def _ruby(manifest: Manifest, found: _LockFile) -> _Compare | None:
        if found.name != "Gemfile.lock" or manifest.folder != found.folder:
            return None
        direct = {item.name for importer in found.content.importers for item in importer.dependencies}
        packages = versions_of(found.content)

        def compare(requirement: Requirement) -> str | None:
            if requirement.name == "bundler":
                return None
            held = packages.get(requirement.name, ()) if requirement.name in direct else ()
            if requirement.name in direct and not held:
                return None  # locked for platforms that the lock does not list
            return _compare(requirement, held, frozenset(), _gem_list_satisfies)

        return compare


def _compare(
    requirement: Requirement, held: Sequence[Locked], overridden: Iterable[str], satisfies: _Satisfies
) -> str | None:
    """Whether any of the locked versions answers the requirement; see _Compare."""
    if requirement.name in overridden:
        return None
    if not held:
        return None if requirement.is_conditional or not requirement.is_comparable else _MISSING
    if not requirement.is_comparable or any(package.source not in {"", "registry"} for package in held):
        return None
    if not requirement.spec:
        return ""
    answers = [satisfies(package.version, requirement.spec) for package in held]
    if None in answers:
        return None
    versions = ", ".join(sorted({package.version for package in held}))
    return "" if any(answers) else f"holds {versions}"


def _by_python_name(content: Lock) -> dict[str, list[Locked]]:
    by_name: dict[str, list[Locked]] = {}
    for package in content.packages:
        by_name.setdefault(canonicalize_name(package.name), []).append(package)
    return by_name


def _relative(folder: str, base: str) -> str:
    return posixpath.relpath("/" + folder, "/" + base)


def _gem_list_satisfies(version: str, spec: str) -> bool | None:
    return gem_satisfies(version, spec.split(", "))


_RANGE = regex(r"[\^~<>=v\dxX*|\s]|$")


def _looks_like_range(text: str) -> bool:
    return _RANGE.match(text) is not None and "://" not in text
