"""GIT013."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from elder_assets.audit.facts.documents import text_lines
from elder_assets.audit.facts.git_patterns import IgnoreRule, ignored_by, parse_ignore_file
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

_LITTER = regex(r"(?:^|/)(?:\.DS_Store|Thumbs\.db|[^/]+\.py[co]|[^/]+\.sw[op]|__pycache__/.*|\.idea/workspace\.xml)$")
_INSTALLED = regex(r"(?:^|/)(node_modules|bower_components)/")
_ON_PURPOSE = regex(r"(?:^|/)(?:\.gitkeep|\.keep|\.gitignore|\.vscode/.*|\.idea/.*|\.env\.example|vendor/.*)$")


@repository_rule(
    code="GIT013",
    severity=Severity.LOW,
    tier=Tier.GATE,
    unit="file",
    reads=(text_lines,),
    fix="safe",
    example_path=".gitignore",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag tracked files that the repository's own ignore rules exclude, and litter that nobody meant to track.

    Why: the ignore rule says that the file is made by a tool; the tracked copy goes stale and makes noise.
    Remedy: `git rm --cached` the files, or take the ignore rule back for them with `!`.
    Source: gitignore(5); GitHub's gitignore templates.
    Limits: one finding per folder and ignore rule. Of ignored files only binary and generated ones count: whoever
        tracks source below an ignored name did so on purpose. Bundled packages with an ignore file of their own are
        left out.

    Bad:
        path: .gitignore
        *.db
        path: shop/prices.db
        rows
        path: shop/basket.py
        x = 1

    Okay:
        path: .gitignore
        *.db
        generated_*.py
        !keep.db
        path: shop/keep.db
        rows
        path: shop/generated_by_hand.py
        x = 1
    """
    rules: list[IgnoreRule] = []
    for file, content in facts.each(text_lines):
        if file.name == ".gitignore" and file.file_class is not FileClass.VENDORED:
            rules += parse_ignore_file(content.lines, file.folder + "/" if file.folder else "")
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for entry in facts.entries:
        yield Checked(1)
        installed = _INSTALLED.search(entry.path)
        if installed and "test" not in entry.path and "fixture" not in entry.path:
            if f"{entry.path[: installed.end(1)]}/.gitignore" in facts.paths:
                continue  # bundled on purpose: the folder says itself what is tracked
            groups[entry.path[: installed.end(1)], "installed packages are tracked", ""].append(entry.path)
        elif _LITTER.search(entry.path):
            groups[entry.path.rpartition("/")[0], "litter of a tool is tracked", ""].append(entry.path)
    for file in facts.files:
        if file.file_class not in {FileClass.BINARY, FileClass.GENERATED} or _ON_PURPOSE.search(file.path):
            continue  # what people write by hand below an ignored name was added on purpose
        if not _LITTER.search(file.path) and (rule := ignored_by(file.path, rules)):
            why = f"tracked, yet {rule.folder}.gitignore:{rule.line} ignores {rule.pattern}"
            groups[file.folder, why, rule.pattern].append(file.path)
    for folder, reason in facts.backup_trees.items():
        yield Found(path=folder.rstrip("/"), message=f"a backup tree: {reason}", symbol=folder, unit=folder)
    if facts.backup_trees:
        yield Checked(len(facts.backup_trees))
    for (_, reason, pattern), paths in sorted(groups.items()):
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        name = paths[0].rpartition("/")[2]
        yield Found(path=paths[0], message=f"{name}{more}: {reason}", tokens=f"{pattern} {name}", unit=paths[0])
