"""Debt markers and suppressions: what each tool itself would obey, and what a sentence only mentions."""

from __future__ import annotations

import pytest

from elder_assets.audit.facts.comments import Comments, comments
from elder_assets.audit.facts.grammars import Blob

SUPPRESSIONS = [
    ("python", "import a  # noqa", [("flake8 and ruff", False)]),
    ("python", "import a  # NOQA:F401", [("flake8 and ruff", True)]),
    ("python", "import a  # noqa F401", [("flake8 and ruff", False)]),
    ("python", "# flake8: noqa\n", [("flake8 and ruff", False)]),
    ("python", "# ruff: noqa: E501\n", [("flake8 and ruff", True)]),
    ("python", "import a  # type: ignore # noqa: F401", [("flake8 and ruff", True), ("mypy", False)]),
    ("python", "a = 1  # type: ignore[assignment]", [("mypy", True)]),
    ("python", "# pylint: disable=all\n", [("pylint", False)]),
    ("python", "a = 1  # pylint: disable=invalid-name", [("pylint", True)]),
    ("python", "a()  # nosec B602", [("bandit", True)]),
    ("python", "a()  # nosec - checked", [("bandit", False)]),
    ("python", 'a = "# noqa"', []),
    ("python", "# noqa\n", []),
    ("python", '# a line that ends in "# noqa" is skipped\n', []),
    ("javascript", "/* eslint-disable */", [("eslint", False)]),
    ("javascript", "/* eslint-disable no-console */", [("eslint", True)]),
    ("javascript", "/*\n eslint-disable\n no-console\n*/", [("eslint", True)]),
    ("javascript", "// eslint-disable", []),
    ("javascript", "// eslint-disable-next-line -- reason\na()", [("eslint", False)]),
    ("typescript", "a() // eslint-disable-line @a/b-c", [("eslint", True)]),
    ("typescript", "// @ts-ignore\na()", [("typescript", False)]),
    ("typescript", "// @ts-ignore, the types are wrong\na()", [("typescript", True)]),
    ("typescript", "// never use @ts-ignore\na()", []),
    ("typescript", "// @ts-expect-error\na()", []),
    ("go", "package a\nvar b = c() //nolint\n", [("golangci-lint", False)]),
    ("go", "package a\nvar b = c() //nolint:errcheck // why\n", [("golangci-lint", True)]),
    ("go", "package a\nvar b = c() // #nosec G304\n", [("gosec", True)]),
    ("java", '@SuppressWarnings("unchecked") class A { }', [("the compiler", True)]),
    ("java", '@SuppressWarnings({"x", "all"}) class A { }', [("the compiler", False)]),
    ("java", "class A { int b; } // NOSONAR", [("SonarQube", False)]),
    ("csharp", "#pragma warning disable\nclass A { }", [("the compiler", False)]),
    ("csharp", "#pragma warning disable CS0618\nclass A { }", [("the compiler", True)]),
    ("csharp", "#pragma warning restore\nclass A { }", []),
    ("csharp", "// ReSharper disable once UnusedMember.Global\nclass A { }", [("ReSharper", True)]),
    ("ruby", "a = b # rubocop:disable all", [("RuboCop", False)]),
    ("ruby", "a = b # rubocop:disable Style/A, Style/B", [("RuboCop", True)]),
    ("rust", "#![allow(warnings)]", [("the compiler", False)]),
    ("rust", "#[allow(dead_code)]\nfn a() { }", [("the compiler", True)]),
    ("rust", "#[derive(Debug)]\nstruct A;", []),
]


def read(variant: str, source: str) -> Comments:
    return comments(Blob(source.encode(), variant))


@pytest.mark.parametrize(("variant", "source", "expected"), SUPPRESSIONS)
def test_a_suppression_is_what_the_tool_would_obey(variant: str, source: str, expected: list[tuple[str, bool]]):
    assert [(found.tool, found.has_code) for found in read(variant, source).suppressions] == expected


DEBT = [
    ("# TODO: round", [("TODO", False)]),
    ("# TODO round", [("TODO", False)]),
    ("a = 1  # rounds down, FIXME: always", [("FIXME", False)]),
    ("# TODO(ann): round", [("TODO", True)]),
    ("# TODO: round, see #12", [("TODO", True)]),
    ("# TODO: round, SHOP-12", [("TODO", True)]),
    ("# TODO: read UTF-8", [("TODO", False)]),
    ("# HACK: round\n# see https://tracker.example.org/12", [("HACK", True)]),
    ("# TODO: round\n\n# see #12", [("TODO", False)]),
    ("# TODO: round\n# TODO: sum, see #12", [("TODO", False), ("TODO", True)]),
    ("# the user's TODO list", []),
    ("# a number like XXX-XXX", []),
    ("a = 'TODO: round'", []),
    ('"""TODO: a docstring is no comment"""', []),
]


@pytest.mark.parametrize(("source", "expected"), DEBT)
def test_a_debt_marker_opens_a_remark_or_has_a_colon(source: str, expected: list[tuple[str, bool]]):
    assert [(found.word, found.has_reference) for found in read("python", source + "\n").debt] == expected


LINES = [
    ("python", "# a\nb = 1  # c\n", 2),
    ("javascript", "/* a\n b */ c(); // d\n", 2),
    ("rust", "/// a\n/// b\nfn c() { }\n", 2),
]


@pytest.mark.parametrize(("variant", "source", "lines"), LINES)
def test_comment_lines_are_counted_once(variant: str, source: str, lines: int):
    assert read(variant, source).comment_lines == lines
