"""The tests of a repository as a whole: which files its runners collect, and whose assertions count for whom.

Derived from the inventories of all files; the judgements about tests read nothing else.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from elder_assets.audit.facts.documents import Document, Node, document, text_lines
from elder_assets.audit.facts.grammars import language_of
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.test_inventory import Helper, TestCase, TestInventory, test_inventory
from elder_assets.audit.model import FileClass, SourceFile
from elder_assets.audit.patterns import regex

READS = (test_inventory, document, text_lines)
"""What a rule reads that asks for the suite."""

PYTEST_FILES = ("test_*.py", "*_test.py")
"""pytest's default `python_files`."""

_NOT_COLLECTED = regex(
    r"(?:^|/)(?:fixtures?|__fixtures__|__mocks__|mocks|stubs|testdata|test[_-]?(?:data|files|files|cases_data)|data|resources"
    r"|snippets|templates?|corpus|inputs?|outputs?|expected|node_modules|ui|compile[_-]fail|test-?projects?"
    r"|sample[_-]?projects?|test-?apps?|playground)/"
    r"|(?:^|/)tests?/(?:fail|pass)/.*\.rs$",  # sources that a test compiles
    re.IGNORECASE,
)
_FRAMEWORKS = regex(
    r"pytest|unittest|\bnose|testtools|hypothesis|\btox\b|jest|vitest|mocha|jasmine|\bchai|\bkarma|playwright|cypress|\bava\b"
    r"|\btap\b|\btape\b|node-tap|qunit|wallaby|stryker|testcafe|puppeteer|rspec|minitest|shoulda|test-unit|cucumber|junit"
    r"|testng|surefire|assertj|mockito|spock|hamcrest|xunit|nunit|mstest|fluentassertions|shouldly|verify|testify|ginkgo"
    r"|gomega|gocheck|goconvey|nextest|trybuild|rstest|proptest|quickcheck|testing-library|eslint-plugin|test-?runner"
    r"|testcontainers|allure|istanbul|\bnyc\b|\bc8\b",
    re.IGNORECASE,
)
"""Names of projects that make, extend or check test frameworks: their own tests do on purpose what the rules flag."""


class Suite(msgspec.Struct, frozen=True):
    """The collected test files of a repository."""

    files: tuple[tuple[SourceFile, TestInventory], ...]
    """Files with tests that a runner collects, in order of path."""
    passed_over: tuple[tuple[SourceFile, TestInventory, str], ...]
    """Python files with tests that pytest's patterns pass over, with a sibling that they match."""
    framework: str = ""
    """Name under which the project says that it is itself a test framework; '' when it is none."""

    @property
    def tests(self) -> Iterator[tuple[SourceFile, TestCase]]:
        """Every collected test and its file."""
        for file, inventory in self.files:
            for test in inventory.tests:
                yield file, test


def suite(facts: RepositoryFacts) -> Suite:
    """The test suite of a snapshot; for `RepositoryFacts.derive`."""
    patterns = python_files(facts)
    files: list[tuple[SourceFile, TestInventory]] = []
    others: list[tuple[SourceFile, TestInventory]] = []
    for file, inventory in facts.each(test_inventory):
        if not (inventory.tests or inventory.uncollected) or _NOT_COLLECTED.search(file.path):
            continue
        if file.variant == "python" and not _is_collected(file, patterns):
            others.append((file, inventory))
        else:
            files.append((file, inventory))
    return Suite(tuple(files), tuple(_passed_over(facts, files, others)), framework_name(facts))


def why_not_judged(tests: Suite) -> str:
    """Why the question about tests does not arise in this repository; '' when it does."""
    if tests.framework:
        return f"the project, {tests.framework}, is itself about testing: its tests do on purpose what this rule flags"
    return "" if tests.files else "no tests were found"


def has_oracle(file: SourceFile, test: TestCase, names: Mapping[str, frozenset[str]]) -> bool:
    """Whether a test asserts itself or calls a helper that does (`asserting_names`)."""
    language = language_of(file.variant)
    return test.is_asserting or not names.get(language.name if language else "", frozenset()).isdisjoint(test.calls)


def asserting_names(facts: RepositoryFacts) -> Mapping[str, frozenset[str]]:
    """Last names of test helpers that assert, directly or through another helper, by language."""
    helpers: dict[str, list[Helper]] = defaultdict(list)
    for file, inventory in facts.each(test_inventory):
        if file.file_class is FileClass.TEST:
            language = language_of(file.variant)
            helpers[language.name if language else ""] += inventory.helpers
    return {language: frozenset(_close(members)) for language, members in helpers.items()}


def _close(helpers: Iterable[Helper]) -> set[str]:
    callers: dict[str, list[str]] = defaultdict(list)
    pending = []
    for helper in helpers:
        name = helper.symbol.rpartition(".")[2]
        if helper.is_asserting:
            pending.append(name)
        for called in helper.calls:
            callers[called].append(name)
    found: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(callers[name])
    return found


def framework_name(facts: RepositoryFacts) -> str:
    """The project's own name where it names a test framework, from its manifests; '' otherwise."""
    for name in _project_names(facts):
        if _FRAMEWORKS.search(name):
            return name
    return ""


def _project_names(facts: RepositoryFacts) -> Iterator[str]:
    for path in ("package.json", "pyproject.toml", "setup.cfg", "Cargo.toml"):
        file = facts.by_path.get(path)
        parsed = facts.read(document, file) if file else None
        if parsed is None or parsed.root is None:
            continue
        for keys in (
            ("name",),
            ("project", "name"),
            ("tool", "poetry", "name"),
            ("metadata", "name"),
            ("package", "name"),
        ):
            yield parsed.root.text(*keys)
        if parsed.root.get("project", "entry-points", "pytest11") is not None:
            yield "a pytest plugin"
    for path, pattern in (("setup.py", r"\bname\s*=\s*[\"']([\w.-]+)|(pytest11)"), ("go.mod", r"^module\s+(\S+)")):
        file = facts.by_path.get(path)
        lines = facts.read(text_lines, file) if file else None
        for line in lines.lines if lines else ():
            if match := re.search(pattern, line):
                yield next(group for group in match.groups() if group)
    for entry_path in sorted(facts.paths):
        if "/" not in entry_path and entry_path.endswith((".gemspec", ".sln", ".slnx")):
            yield entry_path.rpartition(".")[0]


# --- what pytest collects ----------------------------------------------------------------------------------


def python_files(facts: RepositoryFacts) -> tuple[str, ...]:
    """pytest's file patterns as configured at the root of the repository, else its defaults."""
    for path, keys in (
        ("pytest.ini", ("pytest",)),
        ("pyproject.toml", ("tool", "pytest", "ini_options")),
        ("tox.ini", ("pytest",)),
        ("setup.cfg", ("tool:pytest",)),
    ):
        root = _root_of(facts, path)
        section = root.get(*keys) if root is not None else None
        node = section.get("python_files") if section is not None else None
        if node is not None:
            listed = [str(item.value) for item in node.items] or str(node.value).split()
            return tuple(listed)
    return PYTEST_FILES


def _root_of(facts: RepositoryFacts, path: str) -> Node | None:
    file = facts.by_path.get(path)
    parsed: Document | None = facts.read(document, file) if file else None
    return parsed.root if parsed else None


def _is_collected(file: SourceFile, patterns: Sequence[str]) -> bool:
    name = file.name
    return any(
        fnmatch.fnmatch(name, pattern) or fnmatch.fnmatch(file.path, f"*{pattern}") for pattern in patterns
    ) or fnmatch.fnmatch(name, "test*.py")


def _passed_over(
    facts: RepositoryFacts,
    files: Sequence[tuple[SourceFile, TestInventory]],
    others: Sequence[tuple[SourceFile, TestInventory]],
) -> Iterator[tuple[SourceFile, TestInventory, str]]:
    siblings = {file.folder: file.path for file, _ in reversed(files) if file.variant == "python"}
    candidates = [(file, inventory) for file, inventory in others if file.folder in siblings and "test" in file.name]
    if not candidates or _uses_nose(facts):
        return
    mentioned = _mentioned_words(facts)
    for file, inventory in candidates:
        stem = posixpath.splitext(file.name)[0]
        if stem not in mentioned and not re.search(r"util|helper|base|common|conftest|__|support|fixture|mixin", stem):
            yield file, inventory, siblings[file.folder]


def _uses_nose(facts: RepositoryFacts) -> bool:
    """Whether tests import nose, a runner that collects by other names than pytest."""
    return any("nose" in inventory.imported for _, inventory in facts.each(test_inventory))


def _mentioned_words(facts: RepositoryFacts) -> frozenset[str]:
    """Words of import lines in Python test code and of all configuration: what may name a test file."""
    words: set[str] = set()
    for _, inventory in facts.each(test_inventory):
        words.update(inventory.imported)
    for _, parsed in facts.each(document):
        if parsed.root is not None:
            for _, node in parsed.root.walk():
                if isinstance(node.value, str):
                    words.update(re.findall(r"\w+", node.value))
    for _, lines in facts.each(text_lines):
        for line in lines.lines:
            words.update(re.findall(r"\w+", line))
    return frozenset(words)
