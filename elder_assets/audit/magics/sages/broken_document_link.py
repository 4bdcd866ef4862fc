"""SAG002."""

from __future__ import annotations

import functools
import posixpath
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote

from elder_assets.audit.facts.documents import document
from elder_assets.audit.facts.markdown import Link, Prose, anchor_key, prose
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.source_tree import class_of_path
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, SourceFile, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="SAG002", severity=Severity.LOW, tier=Tier.GATE, unit="link", reads=(prose, document), fix="suggested"
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a relative link, image or anchor of a front document that leads nowhere.

    Why: the reader who follows it meets an error page instead of the answer.
    Remedy: point the link at where the thing is now, or remove it.
    Source: CommonMark 0.31, Links; GitHub Docs, Relative links and anchors in README files.
    Limits: Markdown, reStructuredText and AsciiDoc (of the last two no anchors, and nothing in conditions): READMEs,
    contribution guides and the documents at the root. Links are followed as the
    code host follows them; documents inside the source folder of a site generator, change logs, issue templates,
    GitHub's own pages (`../../issues`), line anchors, build output and web addresses are not looked at. Anchors are
    compared without punctuation, because renderers differ there.

    Bad:
        path: README.md
        # Basket

        See the [guide](docs/guide.md). #~
    Bad:
        path: README.md
        # Basket

        [Prices](#prices), [Taxes](#taxes) #~

        ## Prices
    Okay:
        path: docs/guide.md
        # Guide
        path: README.md
        # Basket & prices

        [Guide](docs/guide.md#L3), [top](#basket--prices), [issues](../../issues), `[code](nowhere.md)`
    """
    sites = _site_folders(facts)
    names = _Names(facts)
    for file, content in facts.each(prose, FileClass.DOCS, FileClass.CONFIG):
        if _is_out_of_scope(file, sites):
            continue
        seen: set[str] = set()
        for link in content.links:
            target = _Target.of(link, file, is_site_at_root="" in sites)
            if target is None or link.target in seen or _is_made_by_a_tool(link.target, file, facts):
                continue
            seen.add(link.target)
            yield Checked()
            if wrong := names.what_is_wrong(target, file, content):
                yield Found(
                    path=file.path,
                    line=link.line,
                    tokens=link.target,
                    message=f"{'image' if link.is_image else 'link'} to {unquote(link.target)!r}: {wrong}",
                )


_RUST_ITEM = regex(r"(?:\w+@)?[A-Za-z_]\w*(?:::\w+)+|\w+@\w+|[A-Z][a-z]\w*")
"""What rustdoc resolves by itself: `form::Field`, `struct@Field`, `Field`."""


def _is_made_by_a_tool(target: str, file: SourceFile, facts: RepositoryFacts) -> bool:
    """Whether a generator makes the target: an item of a crate's documentation, the page of a source beside it."""
    if _RUST_ITEM.fullmatch(target) and posixpath.join(file.folder, "Cargo.toml") in facts.paths:
        return True
    page = posixpath.normpath(posixpath.join(file.folder, unquote(target.partition("#")[0])))
    stem, ending = posixpath.splitext(page)
    return ending == ".html" and any(stem + source in facts.paths for source in (".md", ".markdown", ".rst", ".adoc"))


_HISTORY_OR_TEMPLATE = regex(
    r"(?:^|/)(?:CHANGE|CHANGES|HISTORY|NEWS|RELEASE|LICEN[CS]E)[\w.-]*$|CHANGELOG|TEMPLATE", re.IGNORECASE
)


def _is_out_of_scope(file: SourceFile, sites: frozenset[str]) -> bool:
    is_in_site = any(file.path.startswith(site + "/") for site in sites if site)
    is_of_a_tool = file.path.startswith(".github/") and file.folder != ".github"
    return is_in_site or is_of_a_tool or _HISTORY_OR_TEMPLATE.search(file.path) is not None


# --- site generators: their documents are written for the site, not for the code host ------------------------

_SITE_MARKS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (regex(r"(?:^|/)" + pattern), folders)
    for pattern, folders in (
        (r"mkdocs\.ya?ml$", ("docs",)),
        (r"conf\.py$", (".",)),
        (r"docusaurus\.config\.\w+$", (".", "../docs")),
        (r"\.(?:vitepress|vuepress|docsify|gitbook\.yaml)(?:/.*)?$", (".",)),
        (r"_config\.ya?ml$", (".",)),
        (r"book\.toml$", ("src", ".")),
        (r"(?:hugo\.(?:toml|ya?ml|json))$", ("content",)),
        (r"(?:astro|gatsby-config|nuxt|next)\.?(?:config)?\.[cm]?[jt]s$", ("src/content", "content", "docs")),
        (r"(?:_sidebar|SUMMARY)\.md$", (".",)),
        (r"antora\.ya?ml$", (".",)),
        (r"mint\.json$|docs\.json$", (".",)),
    )
)


def _site_folders(facts: RepositoryFacts) -> frozenset[str]:
    """Folders whose documents a site generator renders; '' is the root."""
    found = {folder for path in facts.paths for folder in _marked_folders(path)}
    for file, content in facts.each(document):
        if file.name in {"mkdocs.yml", "mkdocs.yaml"} and content.root is not None:
            found.add(_join(file.folder, content.root.text("docs_dir") or "docs"))
    return frozenset(found)


@functools.lru_cache(maxsize=1 << 16)
def _marked_folders(path: str) -> tuple[str, ...]:
    """Folders that a file marks as a site's, by its name."""
    return tuple(
        _join(path[: match.start()], folder)
        for pattern, folders in _SITE_MARKS
        if (match := pattern.search(path))
        for folder in folders
    )


def _join(folder: str, relative: str) -> str:
    joined = posixpath.normpath(posixpath.join(folder, relative))
    return "" if joined == "." else joined


# --- targets -----------------------------------------------------------------------------------------------

_SCHEME = regex(r"[A-Za-z][\w+.-]*:|//")
_TEMPLATE_CHARS = regex(r"[{}<>|$*\"\\]|^\s*$|\.\.\.")
_HOST_PAGES = regex(
    r"(?:^|/)(?:issues|pulls?|wiki|actions|releases|tags|commits?|discussions|projects|security|graphs|network"
    r"|stargazers|labels|milestones?|compare|blob|tree|raw|new|contributors|workflows|packages|forks|subscription"
    r"|fork|archive|badges?|-)(?:/|$)"
)
_BUILT = regex(
    r"(?:^|/)(?:dist|build|out|target|coverage|_build|_site|generated|api-?docs|javadoc)(?:/|$)", re.IGNORECASE
)


class _Target(NamedTuple):
    """Where a link leads inside the repository."""

    path: str
    """Normalised path from the root; that of the document itself for a bare anchor."""
    other_path: str
    """Where the code host might look as well, '' for nowhere."""
    fragment: str

    @classmethod
    def of(cls, link: Link, file: SourceFile, *, is_site_at_root: bool) -> _Target | None:
        """The target of a link that can be judged; None for any other."""
        if _SCHEME.match(link.target) or _TEMPLATE_CHARS.search(unquote(link.target)):
            return None
        reference, _, fragment = link.target.partition("#")
        written = unquote(reference.partition("?")[0])
        if not written:
            is_place = fragment and not reference and not _CONTRIBUTION.match(fragment)
            return cls(file.path, "", fragment) if is_place else None
        is_built_page = written.endswith((".html", ".htm", "/")) or not posixpath.splitext(written)[1]
        if is_site_at_root and (is_built_page or written.startswith("/")):
            return None
        if written.startswith("/") and not posixpath.splitext(written)[1]:
            return None  # a page of the host or of a site
        if file.variant in {"rst", "asciidoc"} and written.endswith((".html", ".htm")):
            return None  # rendered from another document
        path = _resolve(file.folder, written)
        if path.startswith("..") or _HOST_PAGES.search(path.removeprefix(file.folder).strip("/")):
            return None
        return cls(path, _resolve("", written) if file.folder == ".github" else "", fragment)


def _resolve(folder: str, written: str) -> str:
    base = "" if written.startswith("/") else folder
    return _join(base, written.lstrip("/"))


_ADDRESS = regex(r"(?:^|/)(?:([\w.+-]+@[\w-]+\.[\w.]+)$|www\.|github\.com/|https?/)")
_CONTRIBUTION = regex(
    r"(?:a11y|audio|blog|business|content|data|design|doc|eventOrganizing|example|financial|fundingFinding|ideas|infra"
    r"|maintenance|mentoring|platform|plugin|projectManagement|promotion|question|research|security|talk|tool"
    r"|translation|tutorial|userTesting|video)-[\w-]+$"
)
"""Anchors that the all-contributors tables write; they lead nowhere and are not meant to."""

_LINE_ANCHOR = regex(r"L\d+|:~:|/|!|\?")


class _Names:
    """The names in the tree, and what is wrong with a target."""

    def __init__(self, facts: RepositoryFacts) -> None:
        self._facts = facts
        self._opaque = tuple(entry.path + "/" for entry in facts.entries if entry.is_link or entry.is_submodule)
        self._lowered = {path.lower(): path for path in sorted(facts.paths | facts.folders, reverse=True)}
        self._composed: frozenset[str] | None = None

    def what_is_wrong(self, target: _Target, file: SourceFile, content: Prose) -> str:
        if target.path != file.path and not self._exists(target):
            return "" if self._is_made_by_a_build(target.path) else self._missing(target.path)
        if not target.fragment or _LINE_ANCHOR.match(target.fragment):
            return ""
        there = content if target.path == file.path else self._document(target.path)
        return self._missing_anchor(target.fragment, there)

    def _exists(self, target: _Target) -> bool:
        known = (self._facts.paths, self._facts.folders)
        for path in (target.path, target.other_path):
            if any(path in names for names in known) or (path + "/").startswith(self._opaque):
                return bool(path) or target.path == ""
        if target.path.isascii():
            return False
        if self._composed is None:
            self._composed = frozenset(unicodedata.normalize("NFC", path) for path in self._facts.paths)
        return unicodedata.normalize("NFC", target.path) in self._composed

    @staticmethod
    def _is_made_by_a_build(path: str) -> bool:
        return _BUILT.search(path) is not None or class_of_path(path) in {FileClass.GENERATED, FileClass.VENDORED}

    def _missing(self, path: str) -> str:
        if other := self._lowered.get(path.lower()):
            return f"the name is {other!r}, in another case"
        if address := _ADDRESS.search(path):
            return f"it is taken for a path, because {'mailto:' if address.group(1) else 'https://'} is missing"
        return f"there is no {path!r} in the repository"

    def _document(self, path: str) -> Prose | None:
        file = self._facts.by_path.get(path)
        return self._facts.read(prose, file) if file is not None else None

    @staticmethod
    def _missing_anchor(fragment: str, there: Prose | None) -> str:
        key = anchor_key(fragment)
        if there is None or not there.has_anchors or not key or key in there.anchors or key in {"readme", "top"}:
            return ""
        return f"no heading or anchor '#{unquote(fragment)}' there"
