"""TDD012: gates of two audits are compared; without an earlier audit nothing is said."""

from __future__ import annotations

import pytest

from elder_assets.audit.model import Status
from elder_assets.audit.testing import MemorySource, run_rule

BASELINE = "b" * 40


def compare(before: dict[str, str], now: dict[str, str]) -> list[tuple[str, int, str]]:
    outcome, findings = run_rule("TDD012", MemorySource(now, baseline_files=before), baseline=BASELINE)
    assert outcome.status is not Status.ERROR, outcome.reason
    return [(f.path, f.line, f.message) for f in findings]


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        pytest.param("pyproject.toml", "[tool.coverage.report]\nfail_under = {}\n", 2, id="coverage.py"),
        pytest.param(".coveragerc", "[report]\nfail_under = {}\n", 2, id="coveragerc"),
        pytest.param("setup.cfg", "[coverage:report]\nfail_under = {}\n", 2, id="setup.cfg"),
        pytest.param("tox.ini", "[testenv]\ncommands = pytest --cov --cov-fail-under={}\n", 2, id="tox"),
        pytest.param("pytest.ini", "[pytest]\naddopts = --cov-fail-under={}\n", 2, id="pytest"),
        pytest.param("Makefile", "test:\n\tcoverage report --fail-under={}\n", 2, id="make"),
        pytest.param(
            "codecov.yml", "coverage:\n  status:\n    project:\n      default:\n        target: {}%\n", 5, id="codecov"
        ),
        pytest.param(
            "package.json", '{{"jest": {{"coverageThreshold": {{"global":\n{{"lines": {}}}}}}}}}\n', 2, id="jest"
        ),
        pytest.param(".nycrc", '{{\n"branches": {}}}\n', 2, id="nyc"),
        pytest.param(
            ".github/workflows/test.yml",
            "on: push\njobs:\n  test:\n    steps:\n      - run: coverage report --fail-under {}\n",
            5,
            id="workflow",
        ),
    ],
)
def test_a_gate_that_was_lowered_is_found_and_one_that_was_raised_is_not(path: str, text: str, line: int):
    high, low = {path: text.format(90)}, {path: text.format(80)}
    ((where, number, message),) = compare(high, low)
    assert (where, number) == (path, line)
    assert "from 90 to 80" in message
    assert compare(low, high) == []
    assert compare(high, high) == []


def test_a_gate_that_moved_to_another_file_is_no_finding():
    before = {".coveragerc": "[report]\nfail_under = 90\n"}
    now = {"pyproject.toml": "[tool.coverage.report]\nfail_under = 90\n"}
    assert compare(before, now) == []


def test_a_target_of_auto_is_no_number():
    text = "coverage:\n  status:\n    project:\n      default:\n        target: {}\n"
    assert compare({"codecov.yml": text.format("90%")}, {"codecov.yml": text.format("auto")}) == []


SHOP = {"shop/basket.py": "a = 1\n", "shop/till.py": "b = 1\n", "shop/_version.py": "c = 1\n", "setup.py": ""}


def omitting(patterns: str) -> dict[str, str]:
    return {**SHOP, ".coveragerc": f"[run]\nbranch = true\nomit =\n    tests/*\n{patterns}"}


def test_a_package_newly_left_out_is_found():
    ((where, number, message),) = compare(omitting(""), omitting("    shop/*\n"))
    assert (where, number) == (".coveragerc", 3)
    assert "shop/*" in message
    assert "3 files" in message


@pytest.mark.parametrize("pattern", ["    shop/_version.py\n", "    legacy/*\n", "    tests/unit/*\n"])
def test_a_file_or_a_folder_that_was_never_measured_may_be_left_out(pattern: str):
    assert compare(omitting(""), omitting(pattern)) == []


def test_without_an_earlier_audit_it_is_not_available():
    outcome, _ = run_rule("TDD012", MemorySource({"a.py": ""}))
    assert (outcome.status, outcome.reason) == (Status.NOT_AVAILABLE, "no earlier audit")


def test_a_lost_baseline_is_not_available():
    outcome, _ = run_rule("TDD012", MemorySource({"a.py": ""}), baseline=BASELINE)
    assert outcome.status is Status.NOT_AVAILABLE
    assert "no longer here" in outcome.reason
