"""Contents of lock files: which packages at which versions, and what the lock knows of its projects.

Read by line scanners or the fastest parser of the format, because locks are large. Only names, versions and
kinds of source are kept: addresses in locks may carry passwords.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import yaml

from elder_assets.audit.facts.extraction import extractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.source_tree import READ_BYTES_MAX
from elder_assets.audit.patterns import regex


class Locked(msgspec.Struct, frozen=True, array_like=True):
    """One package of a lock."""

    name: str
    """As the lock writes it: a name, for npm 7 and later the folder ('node_modules/a/node_modules/b')."""
    version: str
    """'' where the lock gives none."""
    source: str = ""
    """'' a registry, 'link', 'git', 'url', 'file'; for yarn the range that it answers; for Python and Cargo
    'path:<folder>' for a project of the tree."""


class ImporterDependency(msgspec.Struct, frozen=True, array_like=True):
    """What a lock says of one declared dependency of a project."""

    name: str
    specifier: str
    version: str


class Importer(msgspec.Struct, frozen=True, array_like=True):
    """A project that the lock covers: its folder ('.' for the lock's own) and its declared dependencies."""

    folder: str
    dependencies: tuple[ImporterDependency, ...] = ()


class Lock(msgspec.Struct, frozen=True, array_like=True):
    """What one lock file holds, or why it could not be read."""

    packages: tuple[Locked, ...] = ()
    importers: tuple[Importer, ...] = ()
    groups: tuple[str, ...] = ()
    """pdm: the groups that were locked."""
    error: str = ""


LOCK_VARIANTS = ("npm-lock", "yarn-lock", "pnpm-lock", "toml-lock", "go-sum", "gemfile-lock")


@extractor(version=1, variants=LOCK_VARIANTS, max_bytes=READ_BYTES_MAX)
def lock(blob: Blob) -> Lock:
    """Read the packages of a lock file."""
    if b"\n<<<<<<< " in blob.data:
        return Lock(error="it holds a merge conflict")
    return _READERS[blob.variant](blob.text.replace("\r\n", "\n"))


# --- npm ---------------------------------------------------------------------------------------------------


def _read_npm(text: str) -> Lock:
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return Lock(error="it is no JSON")
    if not isinstance(root, dict):
        return Lock(error="it is no JSON object")
    if isinstance(root.get("packages"), dict):
        return _read_npm_packages(root["packages"])
    packages = [
        Locked("node_modules/" + name, *_version_and_source(entry))
        for name, entry in _mapping(root.get("dependencies")).items()
        if isinstance(entry, dict)
    ]
    return Lock(tuple(packages), (Importer("."),))


def _read_npm_packages(entries: Mapping[str, Any]) -> Lock:
    packages, importers = [], []
    for place, entry in entries.items():
        if not isinstance(entry, dict):
            continue
        if "node_modules/" in f"{place}/":
            packages.append(Locked(place, *_version_and_source(entry)))
        else:
            importers.append(Importer(place or "."))
    return Lock(tuple(packages), tuple(importers))


def _version_and_source(entry: Mapping[str, Any]) -> tuple[str, str]:
    version, resolved = str(entry.get("version") or ""), str(entry.get("resolved") or "")
    if entry.get("link") is True:
        return "", "link"
    if "name" in entry or version.startswith("npm:"):
        return version, "alias"
    for written in (version, resolved):
        if written.startswith(("git", "github:", "bitbucket:", "gitlab:")):
            return "", "git"
        if written.startswith("file:"):
            return "", "file"
    if "://" in version:
        return "", "url"
    return version, ""


def _mapping(value: object) -> dict[str, Any]:
    return {str(key): member for key, member in value.items()} if isinstance(value, dict) else {}


# --- yarn, classic and berry ---------------------------------------------------------------------------------

_YARN_KEY = regex(r"^(?![#\s])(.+):$")
_YARN_VERSION = regex(r'^  version:? "?([^"\s]+)"?$')


def _read_yarn(text: str) -> Lock:
    packages: list[Locked] = []
    patterns: list[tuple[str, str]] = []
    for line in text.split("\n"):
        if key := _YARN_KEY.match(line):
            patterns = [_yarn_pattern(part.strip('" ')) for part in key.group(1).split(", ")]
        elif patterns and (version := _YARN_VERSION.match(line)):
            packages.extend(Locked(name, version.group(1), wanted) for name, wanted in patterns if name != "__metadata")
            patterns = []
    return Lock(tuple(packages))


def _yarn_pattern(pattern: str) -> tuple[str, str]:
    """'@scope/name@npm:^1.0' to ('@scope/name', '^1.0'); a URL behind the name is kept as its kind."""
    name, _, wanted = pattern[1:].partition("@")
    if "://" in wanted or wanted.startswith("git@"):
        wanted = "url"
    return pattern[:1] + name, wanted.removeprefix("npm:")


# --- pnpm ------------------------------------------------------------------------------------------------------

_PNPM_GROUPS = ("dependencies", "devDependencies", "optionalDependencies")


def _read_pnpm(text: str) -> Lock:
    """Only what stands before the packages is parsed: the projects, or in old locks of one project its own part."""
    text = text.rsplit("\n---\n", maxsplit=1)[-1] if text.startswith("---\n") else text
    head = re.split(r"^(?:packages|snapshots):", text, maxsplit=1, flags=re.MULTILINE)[0]
    try:
        root = yaml.load(head, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError, ValueError):
        return Lock(error="it is no YAML")
    root = _mapping(root)
    projects = _mapping(root.get("importers")) or {".": root}
    return Lock(importers=tuple(_pnpm_importer(folder, _mapping(entry)) for folder, entry in projects.items()))


def _pnpm_importer(folder: str, entry: Mapping[str, Any]) -> Importer:
    specifiers = _mapping(entry.get("specifiers"))
    found = []
    for group in _PNPM_GROUPS:
        for name, value in _mapping(entry.get(group)).items():
            if isinstance(value, dict):
                specifier, version = str(value.get("specifier", "")), str(value.get("version", ""))
            else:
                specifier, version = str(specifiers.get(name, "")), str(value)
            specifier = "url" if "://" in specifier else specifier[:200]
            found.append(ImporterDependency(name, specifier, _pnpm_version(name, version)))
    return Importer(folder, tuple(found))


def _pnpm_version(name: str, written: str) -> str:
    """The plain version in '1.2.3(react@18.0.0)', '1.2.3_react@18.0.0' or '/name/1.2.3'; '' for anything else."""
    plain = re.split(r"[(_]", written, maxsplit=1)[0] if not written.startswith("/") else written
    for prefix in (f"/{name}@", f"/{name}/"):
        if plain.startswith(prefix):
            plain = re.split(r"[(_]", plain[len(prefix) :], maxsplit=1)[0]
    return plain if re.match(r"\d+\.\d+\.\d+", plain) else ""


# --- [[package]] tables: uv, poetry, pdm, Cargo ------------------------------------------------------------------

_PACKAGE_FIELD = regex(r"^(name|version|source)\s*=\s*(.+)$")
_LOCAL_SOURCE = regex(r'\b(?:editable|virtual|directory|path)\s*=\s*"([^"]*)"')
_GROUPS = regex(r"^groups\s*=\s*\[([^\]]*)\]", re.MULTILINE)


def _read_toml_packages(text: str) -> Lock:
    packages = []
    for block in re.split(r"^\[\[package\]\]\s*\n", text, flags=re.MULTILINE)[1:]:
        fields: dict[str, str] = {}
        for line in block.split("\n"):
            if line.startswith("["):
                break
            if field := _PACKAGE_FIELD.match(line):
                fields.setdefault(field.group(1), field.group(2).strip())
        if "name" in fields:
            name, version = fields["name"].strip("\"'"), fields.get("version", "").strip("\"'")
            packages.append(Locked(name, version, _toml_source(block, fields.get("source"))))
    groups = _GROUPS.search(text)
    return Lock(tuple(packages), groups=tuple(re.findall(r'"([^"]+)"', groups.group(1))) if groups else ())


def _toml_source(block: str, source: str | None) -> str:
    if source is None:
        if re.search(r"^\[package\.source\]", block, re.MULTILINE):  # poetry: only what is not from PyPI has one
            return "" if re.search(r'^type = "legacy"', block, re.MULTILINE) else "other"
        return ""
    if local := _LOCAL_SOURCE.search(source):
        return f"path:{local.group(1)}"
    return "git" if "git" in source[:12] else "url" if source.startswith("{ url") else "registry"


# --- Go and Ruby -------------------------------------------------------------------------------------------------


def _read_go_sum(text: str) -> Lock:
    pairs = dict.fromkeys(
        (fields[0], fields[1].removesuffix("/go.mod"))
        for line in text.split("\n")
        if len(fields := line.split(" ")) == 3
    )
    return Lock(tuple(Locked(module, version) for module, version in pairs))


_GEM_SPEC = regex(r"^    ([\w.-]+) \(([^)]+)\)$")
_GEM_DEPENDENCY = regex(r"^  ([\w.-]+)(!)?(?: \(([^)]*)\))?!?$")


def _read_gemfile_lock(text: str) -> Lock:
    section = ""
    packages, direct = [], []
    for line in text.split("\n"):
        if line and not line[0].isspace():
            section = line.strip()
        elif section in {"GEM", "GIT", "PATH", "PLUGIN SOURCE"} and (spec := _GEM_SPEC.match(line)):
            source = "" if section == "GEM" else section.lower()
            packages.append(Locked(spec.group(1), spec.group(2).partition("-")[0], source))
        elif section == "DEPENDENCIES" and (dependency := _GEM_DEPENDENCY.match(line)):
            direct.append(ImporterDependency(dependency.group(1), dependency.group(3) or "", ""))
    return Lock(tuple(packages), (Importer(".", tuple(direct)),))


_READERS: Mapping[str, Callable[[str], Lock]] = {
    "npm-lock": _read_npm,
    "yarn-lock": _read_yarn,
    "pnpm-lock": _read_pnpm,
    "toml-lock": _read_toml_packages,
    "go-sum": _read_go_sum,
    "gemfile-lock": _read_gemfile_lock,
}


def versions_of(found: Lock) -> dict[str, list[Locked]]:
    """The packages of a lock by name, in the order of the lock."""
    by_name: dict[str, list[Locked]] = {}
    for package in found.packages:
        by_name.setdefault(package.name, []).append(package)
    return by_name
