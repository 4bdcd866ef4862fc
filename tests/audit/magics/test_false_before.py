"""What reviewers of the corpus called false, each as a small case of our own: it must stay unreported."""

from __future__ import annotations

import string
import zlib

import pytest

from elder_assets.audit.model import Severity, Snapshot
from elder_assets.audit.testing import MemorySource, run_rule

CASES = {
    "a constant assertion that says how far the test came": (
        "TDD002",
        {
            "src/test/java/AckTest.java": 'class AckTest {\n @Test void closes() {\n  close();\n  assertTrue(true, "should'
            ' get here without exception");\n }\n}\n'
        },
    ),
    "a test that something is cached": (
        "TDD002",
        {"tests/test_tags.py": "def test_tags_are_cached(env):\n    assert env.tags is env.tags\n"},
    ),
    "a comparison that asks for a number": (
        "STR003",
        {"src/scale.js": "export function scale(x) {\n  return x >= x ? x * 2 : undefined;\n}\n"},
    ),
    "sources that a compile-fail test reads": (
        "TDD003",
        {
            "tests/fail/bad_input.rs": "#[test]\nfn bad() {}\n",
            "tests/all.rs": "#[test]\nfn total() { assert_eq!(3, add(1, 2)); }\n",
        },
    ),
    "a test whose name says that it does nothing": (
        "TDD003",
        {
            "src/test/java/SpeedTest.java": "class SpeedTest {\n @Test public void testDummy() {\n  // keeps JUnit quiet\n }\n}\n"
        },
    ),
    "an item that rustdoc links": (
        "SAG002",
        {
            "form/README.md": "# Form\n\nSee [Field](Field) and [form](struct@form::Form).\n",
            "form/Cargo.toml": "[package]\n",
        },
    ),
    "the page that a site makes of a source beside it": (
        "SAG002",
        {"docs/README.md": "# Docs\n\nSee [the guide](Guide.html).\n", "docs/Guide.md": "# Guide\n"},
    ),
    "a package that tests read": (
        "STR001",
        {
            "tests/unit/testpkg-compat/api.py": "try:\n    pass\nexcept A, b:\n    pass\n",
            "shop/basket.py": "def total(prices):\n    return sum(prices)\n",
        },
    ),
    "a suite that nose collects": (
        "TDD006",
        {
            "tests/basket_tests.py": "from nose.tools import eq_\n\ndef test_total():\n    eq_(total([1]), 1)\n",
            "tests/test_other.py": "from nose.tools import eq_\n\ndef test_sum():\n    eq_(total([2]), 2)\n",
        },
    ),
}


@pytest.mark.parametrize(("rule", "files"), CASES.values(), ids=list(CASES))
def test_it_is_not_reported(rule: str, files: dict[str, str]):
    assert run_rule(rule, MemorySource(files))[1] == []


def token() -> str:
    """A made-up GitHub token with a right checksum."""
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    body, value, check = "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", 0, ""
    value = zlib.crc32(body.encode())
    for _ in range(6):
        check, value = digits[value % 62] + check, value // 62
    return f"ghp_{body}{check}"


class Named(MemorySource):
    """A source of a repository with a name."""

    name = ""

    def snapshot(self) -> Snapshot:
        return Snapshot(repository=self.name, commit=None, tree="0" * 40, as_of=0)


@pytest.mark.parametrize(
    ("name", "severity"),
    [("github.com/shop/quickstart", Severity.INFO), ("github.com/shop/basket", Severity.CRITICAL)],
)
def test_a_secret_of_a_demonstration_is_only_told(name: str, severity: Severity):
    source = Named({"deploy/settings.py": f"TOKEN = '{token()}'\n"})
    source.name = name
    assert [finding.severity for finding in run_rule("STR010", source)[1]] == [severity]
