"""`make security` never shows as passed what nobody looked at."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("security", ROOT / "tools" / "security.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


security = loaded()


def row(name: str, *vulnerable: str, **more: str) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": [{"id": one} for one in vulnerable], **more}


@pytest.mark.parametrize(
    ("rows", "state", "words"),
    [
        ([row("a"), row("b")], "passed", "2 packages, no known vulnerability"),
        ([row("a"), row("b", "PYSEC-2026-1")], "found", "b 1.0: PYSEC-2026-1"),
        ([row("a"), {"name": "b", "skip_reason": "not found"}], "not run", "1 of 2 packages"),
        ([{"name": "a", "skip_reason": "x"}, row("b", "GHSA-1")], "found", "GHSA-1"),
        ([], "not run", "0 of 0"),
    ],
    ids=["clean", "vulnerable", "one-unknown", "unknown-and-vulnerable", "nothing"],
)
def test_a_package_that_no_database_knows_was_not_looked_at(rows: list[Any], state: str, words: str):
    part = security.judge_dependencies({"dependencies": rows})
    assert (part.state, words in part.said) == (state, True), part.said


def audited(status: str, findings: list[dict[str, Any]], reason: str = "") -> dict[str, Any]:
    outcomes = {code: {"status": "pass", "reason": "", "units": 7} for code in security.SECRET_RULES}
    outcomes["GIT006"] |= {"status": status, "reason": reason}
    return {"magics": {"strict": {"outcomes": outcomes}}, "findings": findings}


def test_a_history_that_is_not_there_was_not_looked_at():
    assert security.judge_secrets(audited("pass", [])).said == "files looked at: 7 by STR010 and 7 by GIT006"
    shallow = security.judge_secrets(audited("not available", [], "a shallow clone"))
    assert (shallow.state, shallow.said) == ("not run", "GIT006: a shallow clone")
    leak = {"rule": "STR010", "path": "a.py", "line": 3}
    found = security.judge_secrets(audited("not available", [leak, {"rule": "TDD001", "path": "b", "line": 1}]))
    assert (found.state, found.said) == ("found", "a.py:3 STR010")


@pytest.mark.parametrize(
    ("last", "state"),
    [
        ("12 passed in 3.4s", "passed"),
        ("12 passed, 1 skipped in 3.4s", "not run"),
        ("1 failed, 12 passed in 3.4s", "found"),
        ("12 passed, 2 errors in 3.4s", "found"),
        ("no tests ran in 0.1s", "not run"),
        ("", "not run"),
    ],
)
def test_a_test_that_was_skipped_has_looked_at_nothing(last: str, state: str):
    assert security.judge_tests("api", f"......\nFAILED tests/x.py::test_y - boom\n{last}\n").state == state


@pytest.mark.parametrize(
    ("states", "status"),
    [(["passed"], 0), (["passed", "not run"], 2), (["not run", "found"], 1), (["found"], 1)],
)
def test_the_exit_status_tells_clean_found_and_not_looked_apart(states: list[str], status: int):
    assert security.exit_status([security.Part("x", state, "") for state in states]) == status


def test_the_files_that_the_parts_run_are_there():
    for file in (*security.FUZZ, *security.HOSTILE, *security.CHART):
        assert (ROOT / file).is_file(), file


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]):
    assert security.main(["fire"]) == 2
    assert "no part fire; there are: dependencies, secrets" in capsys.readouterr().err
