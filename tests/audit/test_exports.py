"""JUnit and CSV: what they say, and that text of a repository stays inert in them."""

from __future__ import annotations

import csv
import io
from xml.etree import ElementTree as ET

import msgspec
import pytest

from elder_assets.audit.engine import audit
from elder_assets.audit.exports import to_csv, to_junit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.model import Verdict
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.testing import MemorySource

TORN = "def total(prices:\n    return prices\n"


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    files = {
        "shop/torn.py": TORN,
        "shop/basket.py": "def total(prices):\n    return sum(prices)\n",
        "README.md": "# Shop\n\nRun it. See [the guide](guide.md).\n",
    }
    return audit(MemorySource(files), MemoryFactStore(), default_ruler())


def cases(verdict: Verdict) -> dict[str, ET.Element]:
    root = ET.fromstring(to_junit(verdict))
    return {case.get("name", "").split()[0]: case for case in root.iter("testcase")}


def test_a_rule_that_fails_a_check_is_a_failure_with_its_places(verdict: Verdict):
    failure = cases(verdict)["STR001"].find("failure")
    assert failure is not None
    assert failure.get("message") == "1 finding"
    assert (failure.text or "").startswith("shop/torn.py:1 ")


def test_advice_is_output_and_what_does_not_apply_is_skipped_with_its_reason(verdict: Verdict):
    found = cases(verdict)
    assert "guide.md" in (found["SAG002"].findtext("system-out") or "")
    skipped = found["GIT006"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "no history: files in memory"


def test_every_rule_is_a_case_and_the_counts_add_up(verdict: Verdict):
    root = ET.fromstring(to_junit(verdict))
    assert len(cases(verdict)) == len(verdict.outcomes)
    for suite in root.iter("testsuite"):
        kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
        assert int(suite.get("tests", "")) == len(list(suite.iter("testcase")))
        for name, tag in kinds.items():
            assert int(suite.get(name, "")) == len(list(suite.iter(tag)))


def rows(verdict: Verdict) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(verdict), newline="")))


def test_csv_has_one_row_a_finding(verdict: Verdict):
    found = {row["rule"]: row for row in rows(verdict)}
    assert len(rows(verdict)) == len(verdict.findings)
    assert (found["STR001"]["path"], found["STR001"]["line"], found["STR001"]["magic"]) == (
        "shop/torn.py",
        "1",
        "strict",
    )


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\tx", "a\nb", "\x00\x1b[31m<b>&]]>"]
)
def test_hostile_text_is_inert(verdict: Verdict, text: str):
    hostile = msgspec.structs.replace(verdict.findings[0], message=text, path=text)
    changed = msgspec.structs.replace(verdict, findings=(hostile,))
    (row,) = rows(changed)
    assert row["message"][0] not in "=+-@\t\r"
    assert "\n" not in row["path"]
    ET.fromstring(to_junit(changed))
