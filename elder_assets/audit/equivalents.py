"""Which findings of other tools say what a rule of ours says: a defect is counted once.

A pair is the same defect when it lies at one place and is the same weakness: our rule's number in the Common Weakness
Enumeration, or a row of the table below. A row says that both rules ask the same question of the same construct;
similar subjects with other answers (cyclomatic and cognitive complexity, say) are no row.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from elder_assets.audit.model import Finding
from elder_assets.audit.sarif_import import Imported

LINES_APART_MAX = 1
"""Tools name the statement or the line of its key; chosen by us."""


class Equivalent(msgspec.Struct, frozen=True):
    """Rules of a tool that ask what rules of ours ask."""

    tool: str
    """Pattern of the tool's name, in lower case."""
    rule: str
    """Pattern of the tool's rule, in lower case."""
    own: tuple[str, ...]
    reason: str
    """What both report, and where the tool says so."""


_SECRET = ("STR010", "GIT006")
EQUIVALENTS = (
    Equivalent("gitleaks", "*", _SECRET, "every rule of gitleaks names a kind of credential (its README)"),
    Equivalent("trufflehog*", "*", _SECRET, "every detector names a kind of credential (its README)"),
    Equivalent("detect-secrets", "*", _SECRET, "every plug-in names a kind of credential (its README)"),
    Equivalent("semgrep*", "generic.secrets.*", _SECRET, "the registry's folder of rules for credentials in text"),
    Equivalent("bandit", "b10[567]", _SECRET, "hardcoded_password_string, _funcarg, _default (bandit, B105 to B107)"),
    Equivalent("ruff", "s10[567]", _SECRET, "the same three rules of flake8-bandit (ruff, S105 to S107)"),
    Equivalent("ruff", "f50[12356789]", ("STR003",), "percent format that always fails (ruff, pyflakes)"),
    Equivalent("ruff", "f52[1345]", ("STR003",), "str.format that always fails (ruff, pyflakes)"),
    Equivalent(
        "ruff", "f70[1267]", ("STR003",), "break, continue, return, except where the compiler refuses them (ruff)"
    ),
    Equivalent("ruff", "f601", ("STR003",), "a key twice in one dictionary (ruff, pyflakes)"),
    Equivalent("ruff", "f62[12]", ("STR003",), "stars that cannot be compiled (ruff, pyflakes)"),
    Equivalent("ruff", "f63[124]", ("STR003",), "tests that are always true, identity of a literal (ruff, pyflakes)"),
    Equivalent("ruff", "f901", ("STR003",), "raise NotImplemented (ruff, pyflakes)"),
    Equivalent("ruff", "plw0133", ("INT002",), "useless-exception-statement (ruff, pylint)"),
    Equivalent("pylint", "w0133", ("INT002",), "pointless-exception-statement (pylint)"),
    Equivalent("eslint", "no-dupe-keys", ("STR003",), "a key twice in one object (eslint)"),
    Equivalent("eslint", "no-duplicate-case", ("STR003",), "a case twice in one switch (eslint)"),
    Equivalent("eslint", "no-self-compare", ("STR003",), "a value compared with itself (eslint)"),
    Equivalent("eslint", "use-isnan", ("STR003",), "a comparison with NaN (eslint)"),
    Equivalent("eslint", "no-unsafe-negation", ("STR003",), "a negation that binds closer than it reads (eslint)"),
    Equivalent("eslint", "valid-typeof", ("STR003",), "typeof compared with what it never is (eslint)"),
    Equivalent("ruff", "e999", ("STR001", "INT001"), "the file does not parse (ruff, E999 syntax-error)"),
    Equivalent("ruff", "invalid-syntax*", ("STR001", "INT001"), "the file does not parse (ruff from 0.5 on)"),
    Equivalent("pylint", "e0001", ("STR001", "INT001"), "syntax-error (pylint)"),
    Equivalent("ruff", "pgh00[34]", ("STR015",), "blanket-type-ignore, blanket-noqa (ruff, pygrep-hooks)"),
    Equivalent("eslint", "*eslint-comments/no-unlimited-disable", ("STR015",), "a disable comment without rules"),
    Equivalent("eslint", "sonarjs/cognitive-complexity", ("STR013",), "cognitive complexity as Sonar defines it"),
    Equivalent("eslint", "max-lines-per-function", ("STR014",), "a function over a number of lines (eslint)"),
    Equivalent("eslint", "jest/no-focused-tests", ("TDD004",), "a test marked to run alone (eslint-plugin-jest)"),
    Equivalent("eslint", "vitest/no-focused-tests", ("TDD004",), "a test marked to run alone (eslint-plugin-vitest)"),
    Equivalent("eslint", "no-only-tests/no-only-tests", ("TDD004",), "a test marked to run alone (its README)"),
    Equivalent("eslint", "jest/expect-expect", ("TDD001",), "a test without an assertion (eslint-plugin-jest)"),
    Equivalent("eslint", "vitest/expect-expect", ("TDD001",), "a test without an assertion (eslint-plugin-vitest)"),
    Equivalent("zizmor", "*unpinned-uses", ("FLW010",), "an action that is not pinned to a commit (zizmor, audits)"),
    Equivalent("zizmor", "*unpinned-images", ("FLW010",), "an image that is not pinned to a digest (zizmor, audits)"),
    Equivalent(
        "zizmor", "*dangerous-triggers", ("FLW011",), "pull_request_target over untrusted code (zizmor, audits)"
    ),
    Equivalent("zizmor", "*template-injection", ("FLW011",), "an expression put into a script (zizmor, audits)"),
    Equivalent("zizmor", "*excessive-permissions", ("FLW012",), "a token that may do too much (zizmor, audits)"),
    Equivalent("actionlint", "expression", ("FLW011",), "untrusted input in a script (actionlint, kind expression)"),
    Equivalent("codeql", "actions/unpinned-tag", ("FLW010",), "an action that is not pinned to a commit (CodeQL)"),
    Equivalent("codeql", "actions/code-injection/*", ("FLW011",), "an expression put into a script (CodeQL)"),
    Equivalent("codeql", "actions/untrusted-checkout*", ("FLW011",), "untrusted code with privileges (CodeQL)"),
    Equivalent("codeql", "actions/missing-workflow-permissions", ("FLW012",), "a token that may do too much (CodeQL)"),
    Equivalent("scorecard", "pinneddependenciesid", ("FLW010",), "check Pinned-Dependencies (OpenSSF Scorecard)"),
    Equivalent("scorecard", "dangerousworkflowid", ("FLW011",), "check Dangerous-Workflow (OpenSSF Scorecard)"),
    Equivalent("scorecard", "tokenpermissionsid", ("FLW012",), "check Token-Permissions (OpenSSF Scorecard)"),
)

_BROADER = {259: 798, 321: 798}
"""Weaknesses that are kinds of another (CWE, ChildOf): a hard-coded password or key is a hard-coded credential."""


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """An imported finding that is not counted, the finding of ours that counts, and why they are one."""

    imported: Finding
    own: Finding
    reason: str


def counted_once(imported: Imported, own: Sequence[Finding]) -> tuple[tuple[Finding, ...], tuple[Merged, ...]]:
    """Tell imported findings that count from those that one of our findings already says.

    Args:
        imported: what a file says.
        own: findings of our rules on the same commit, shadow rules left out.

    Returns:
        Findings that count and pairs that are merged, each in the order of the import.
    """
    by_line: defaultdict[tuple[str, int], list[Finding]] = defaultdict(list)
    for finding in own:
        by_line[finding.path, finding.line].append(finding)
    weaknesses = _own_weaknesses()
    kept: list[Finding] = []
    merged: list[Merged] = []
    for finding in imported.findings:
        numbers = {_BROADER.get(number, number) for number in imported.weaknesses.get(finding.rule, ())}
        pair = _same_defect(finding, numbers, _near(finding, by_line), weaknesses)
        if pair is None:
            kept.append(finding)
        else:
            merged.append(pair)
    return tuple(kept), tuple(merged)


def _own_weaknesses() -> dict[str, int]:
    from elder_assets.audit.registry import catalogue  # loads every rule, which nothing else here needs

    return {rule.code: rule.cwe for rule in catalogue().rules if rule.cwe}


def _near(finding: Finding, by_line: Mapping[tuple[str, int], list[Finding]]) -> list[Finding]:
    """Findings of ours in the same file, at most a line away, the nearest first; then those of the whole file."""
    apart = range(-LINES_APART_MAX, LINES_APART_MAX + 1)
    lines = sorted(
        {finding.line + step for step in apart if finding.line + step > 0}, key=lambda n: abs(n - finding.line)
    )
    return [own for line in (*lines, 0) for own in by_line.get((finding.path, line), ())]


def _same_defect(
    finding: Finding, numbers: set[int], near: Iterable[Finding], weaknesses: Mapping[str, int]
) -> Merged | None:
    for own in near:
        number = weaknesses.get(own.rule)
        if number in numbers:
            return Merged(imported=finding, own=own, reason=f"both are CWE-{number}")
        if reason := equivalent(finding.rule, own.rule):
            return Merged(imported=finding, own=own, reason=reason)
    return None


@functools.lru_cache(maxsize=10_000)
def equivalent(imported_rule: str, own_rule: str) -> str:
    """Why a rule `EXT:<tool>:<rule>` and one of ours are the same; '' when they are not."""
    _, tool, rule = imported_rule.lower().split(":", 2)
    if tool == "elder" and rule == own_rule.lower():
        return "the same rule of ours, read back"
    for row in EQUIVALENTS:
        if own_rule in row.own and fnmatchcase(tool, row.tool) and fnmatchcase(rule, row.rule):
            return row.reason
    return ""
