"""SAG001."""

from __future__ import annotations

import re
from collections.abc import Iterator

from elder_assets.audit.facts.grammars import language_of
from elder_assets.audit.facts.markdown import README, Prose, prose
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotApplicable, Outcome, Severity, SourceFile, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

README_FOLDERS = ("", ".github", "docs")
"""Where GitHub looks for the README that it shows."""


@repository_rule(
    code="SAG001",
    severity=Severity.MEDIUM,
    tier=Tier.GATE,
    unit="repository",
    reads=(prose,),
    fix="suggested",
)
def check(facts: RepositoryFacts, *, source_files_min: int = 10, prose_chars_min: int = 300) -> Iterator[Outcome]:
    """Flag a repository whose README is missing, nearly empty, or does not say how to use it.

    Why: the README is the only page that every newcomer reads; without it each of them asks a person.
    Remedy: say in a README what this is, how to install or run it, and show one command or example.
    Source: GitHub Docs, About READMEs; Prana et al., Categorizing the Content of GitHub README Files (2019).
    Limits: repositories with fewer than 10 source files are out of scope. Characters are counted without badges,
    images, headings and code; one of Chinese, Japanese or Korean counts as three. A short README that links to
    documentation is let pass. Any code block, command, or
    heading or link about installing, using or documentation counts as saying how to use it.
    """
    sources = sum(
        file.file_class is FileClass.PRODUCTION and language_of(file.variant) is not None for file in facts.files
    )
    if sources < source_files_min:
        yield NotApplicable(f"{sources} source files, fewer than {source_files_min}")
        return
    yield Checked()
    readmes = _readmes(facts)
    if not readmes:
        if not _has_unreadable_readme(facts):
            yield Found(message="there is no README at the root", tokens="no readme")
        return
    weaknesses = [(file, _weakness(document, prose_chars_min)) for file, document in readmes]
    if all(weakness for _, weakness in weaknesses):
        file, weakness = weaknesses[0]
        yield Found(path=file.path, line=1, message=f"{file.name} {weakness}", tokens="weak readme")


def _readmes(facts: RepositoryFacts) -> list[tuple[SourceFile, Prose]]:
    return [
        (file, document)
        for folder in README_FOLDERS
        for file, document in facts.each(prose)
        if file.folder == folder and README.match(file.name)
    ]


def _has_unreadable_readme(facts: RepositoryFacts) -> bool:
    """A README that is a link, a PDF or in a format that no reader of ours knows: it is there, that is all we say."""
    return any(
        folder in README_FOLDERS and name.lower().startswith(("readme", "read.me"))
        for folder, _, name in (path.rpartition("/") for path in facts.paths)
    )


_USE_WORDS = regex(
    r"install|usage|\buse\b|using|how to|run|start|set[- ]?up|build|compil|deploy|quick|tutorial|guide|example|demo"
    r"|document|\bdocs?\b|wiki|manual|develop|requirement|configur|command|download|test|contribut|api\b|manuel"
    r"|instala|uso\b|utilis|verwend|benutz|einrichtung|anleitung|установ|использ|запуск|安装|使用|运行|快速|文档|开始"
    r"|インストール|使い方|설치|사용",
    re.IGNORECASE,
)


_DOCUMENTATION = regex(r"\bdocs?\b|document|wiki|guide|manual|\bhelp\b|handbook|\bbook\b|readthedocs", re.IGNORECASE)


def _weakness(document: Prose, prose_chars_min: int) -> str:
    """What the README lacks, as the end of a sentence about it; '' when nothing."""
    leads_on = any(_DOCUMENTATION.search(f"{link.text} {link.target}") for link in document.links)
    if document.prose_chars < prose_chars_min and not leads_on:
        return f"holds {document.prose_chars} characters of prose, fewer than {prose_chars_min}"
    says_how = (
        document.code_blocks
        or any(_USE_WORDS.search(heading.text) for heading in document.headings)
        or any(" " in span for span in document.code_spans)
        or any(_USE_WORDS.search(f"{link.text} {link.target}") for link in document.links)
    )
    if says_how or not (document.has_anchors or document.headings):
        return ""  # a text without markup may say it in words that we cannot tell from others
    return "shows no way to install, run or use it: no such heading, link, command or code block"
