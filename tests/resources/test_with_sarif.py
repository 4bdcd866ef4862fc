"""Findings of other tools beside ours: shown in text, JSON and SARIF, and never judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sarif_samples import at, log, result, run
from test_bad_input import commit, elder, folder
from test_reports import SCHEMA, check

__all__ = ["folder"]
TORN = "def total(prices:\n    return prices\n"


@pytest.fixture
def scan(tmp_path: Path, folder: Path) -> Path:
    """A file of ruff with one finding that ours say too, one that they do not, one outside and one suppressed."""
    (folder / "shop" / "torn.py").write_text(TORN)
    commit(folder, "feat: torn")
    path = tmp_path / "ruff.sarif"
    path.write_bytes(
        log(
            run(
                "ruff",
                result("invalid-syntax", locations=at((folder / "shop" / "torn.py").as_uri(), 1)),
                result("F401", "shop/basket.py", 1, "`os` imported <b>but\u202e unused", level="error"),
                result("F401", "/etc/passwd"),
                result("F401", suppressions=[{"kind": "inSource"}]),
            )
        )
    )
    return path


def audited(tmp_path: Path, folder: Path, form: str, *options: Any) -> Any:
    done = elder(tmp_path, "audit", folder, "--format", form, *options)
    assert done.returncode == 1, done.stderr
    return done.stdout if form == "text" else json.loads(done.stdout)


def test_json_has_a_key_for_them_that_keeps_the_schema(tmp_path: Path, folder: Path, scan: Path):
    document = audited(tmp_path, folder, "json", "--with-sarif", scan)
    check(document, SCHEMA)
    (file,) = document["imported"]
    assert [(f["rule"], f["path"], f["line"], f["severity"]) for f in file["findings"]] == [
        ("EXT:ruff:F401", "shop/basket.py", 1, "high")
    ]
    assert [(pair["rule"], pair["own"]) for pair in file["merged"]] == [("EXT:ruff:invalid-syntax", "STR001")]
    assert (file["name"], file["results"], file["left_out"], len(file["skipped"])) == (
        "ruff.sarif",
        4,
        {"suppressed": 1},
        1,
    )


def test_they_change_neither_score_nor_status_nor_our_findings(tmp_path: Path, folder: Path, scan: Path):
    without = audited(tmp_path, folder, "json")
    beside = audited(tmp_path, folder, "json", "--with-sarif", scan, "--with-sarif", scan)
    assert "imported" not in without
    assert len(beside["imported"]) == 2
    for key in ("score", "status", "reason", "findings", "coverage"):
        assert beside[key] == without[key]


def test_text_has_a_section_for_them(tmp_path: Path, folder: Path, scan: Path):
    text = audited(tmp_path, folder, "text", "--with-sarif", scan)
    _, _, section = text.partition("Other tools (their findings change no score and no exit status):\n")
    assert section.splitlines() == [
        "ruff.sarif: ruff; 4 results",
        "  1 finding (1 high); 1 that our rules report too; 1 suppressed; 1 skipped",
        "      1  high      EXT:ruff:F401  `os` imported <b>but unused",
        f"      1  skipped: EXT:ruff:F401: an absolute path outside of the repository; allowed: below {folder.as_posix()}/",
    ]


def test_sarif_has_a_run_for_each_tool(tmp_path: Path, folder: Path, scan: Path):
    document = audited(tmp_path, folder, "sarif", "--with-sarif", scan)
    own, other = document["runs"]
    assert (own["tool"]["driver"]["name"], other["tool"]["driver"]["name"]) == ("Elder", "ruff")
    assert other["automationDetails"]["id"] == own["automationDetails"]["id"] + "ruff/"
    (found,) = other["results"]
    assert (found["ruleId"], found["level"]) == ("F401", "error")
    assert other["tool"]["driver"]["rules"] == [{"id": "F401"}]


def test_other_formats_refuse_them(tmp_path: Path, folder: Path, scan: Path):
    done = elder(tmp_path, "audit", folder, "--format", "csv", "--with-sarif", scan)
    assert (done.returncode, done.stderr) == (2, "elder: --with-sarif goes with --format html, json, sarif, text\n")


def test_a_wrong_file_is_one_line_and_no_audit(tmp_path: Path, folder: Path):
    wrong = tmp_path / "wrong.sarif"
    wrong.write_text('{"version": "2.0.0", "runs": []}')
    done = elder(tmp_path, "audit", folder, "--with-sarif", wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "elder: version of wrong.sarif: got '2.0.0'; allowed: 2.1.0\n"


def test_the_sarif_command_says_what_an_import_gives(tmp_path: Path, folder: Path, scan: Path):
    done = elder(tmp_path, "sarif", scan, "--root", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:4] == [
        "ruff.sarif: ruff; 4 results",
        "  2 findings (1 high, 1 medium); 1 suppressed; 1 skipped",
        "      1  high      EXT:ruff:F401  `os` imported <b>but unused",
        "      1  medium    EXT:ruff:invalid-syntax  wrong",
    ]
    (file,) = json.loads(elder(tmp_path, "sarif", scan, "--root", folder, "--format", "json").stdout)["imported"]
    check(file, {"$ref": "#/$defs/imported_file", "$defs": SCHEMA["$defs"]})
    assert {finding["path"] for finding in file["findings"]} == {"shop/basket.py", "shop/torn.py"}


def test_twelve_rules_are_ten_and_a_count(tmp_path: Path):
    path = tmp_path / "many.sarif"
    path.write_bytes(log(run("scan", *(result(f"R{number:02}") for number in range(12)))))
    lines = elder(tmp_path, "sarif", path).stdout.splitlines()
    assert len(lines) == 13
    assert lines[-1].strip() == "2 more rules: --all shows them"
    assert len(elder(tmp_path, "sarif", path, "--all").stdout.splitlines()) == 14
