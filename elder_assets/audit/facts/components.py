"""The components of a repository: nearest manifest folder, else the first folder below the source root (D17)."""

from __future__ import annotations

from collections.abc import Callable

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import FileClass

MANIFESTS = frozenset(
    {"package.json", "pyproject.toml", "setup.py", "go.mod", "Cargo.toml", "pom.xml", "build.gradle",
     "build.gradle.kts", "composer.json", "Gemfile", "mix.exs"}
)  # fmt: skip
SOURCE_ROOTS = frozenset({"src", "lib", "pkg", "internal", "app", "apps", "packages", "cmd", "source", "main"})


def component_of(facts: RepositoryFacts) -> Callable[[str], str]:
    """A function from a path to the name of its component; '' is the repository itself."""
    outside = {FileClass.VENDORED, FileClass.TEST, FileClass.EXAMPLE}
    folders = {
        file.folder
        for file in facts.files
        if file.file_class not in outside and (file.name in MANIFESTS or file.name.endswith((".csproj", ".gemspec")))
    } - {""}

    def component(path: str) -> str:
        parts = path.split("/")[:-1]
        for depth in range(len(parts), 0, -1):
            if "/".join(parts[:depth]) in folders:
                return "/".join(parts[:depth])
        start = 0
        while start < len(parts) - 1 and parts[start] in SOURCE_ROOTS:
            start += 1
        return "/".join(parts[: start + 1])

    return component
