"""SARIF out: valid, relative, ranked, under the limits of code hosts, and stable over moves."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from test_bad_input import commit, folder
from test_reports import CONFLICT, _replaced, check, memory_verdict, reported, shown

from elder_assets.audit import report
from elder_assets.audit import sarif as sarif_out
from elder_assets.audit.model import Finding, Severity, Skipped, Status, Tier, Verdict
from elder_assets.audit.registry import catalogue
from elder_assets.audit.suppression import Applied

__all__ = ["folder"]
PROFILE = json.loads((Path(__file__).parent.parent / "schemas" / "sarif-profile.schema.json").read_text())
GATED = "on: pull_request_target\njobs:\n  build:\n    runs-on: linux\n    steps:\n      - uses: actions/checkout@v4\n"


def test_the_profile_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(PROFILE)


def sarif(verdict: Verdict) -> dict[str, Any]:
    return json.loads(report.json_bytes(sarif_out.to_sarif(verdict, version="1.0")))


def with_one_finding(path: str, line: int = 0) -> dict[str, Any]:
    """SARIF of a verdict whose only finding is at this path."""
    verdict = memory_verdict({"shop/basket.py": CONFLICT})
    (first, *_) = [finding for finding in verdict.findings if finding.rule == "INT001"]
    moved: Finding = msgspec.structs.replace(first, path=path, line=line)
    return sarif(msgspec.structs.replace(verdict, findings=(moved,)))


def test_sarif_of_a_real_repository_keeps_the_profile(tmp_path: Path, folder: Path):
    (folder / ".github" / "workflows").mkdir(parents=True)
    (folder / ".github" / "workflows" / "build.yml").write_text(GATED)
    (folder / "shop" / "basket.py").write_text(CONFLICT)
    commit(folder, "fix: merge")
    document = reported(tmp_path, folder, "sarif")
    check(document, PROFILE)
    (run,) = document["runs"]
    codes = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert {"INT001", "FLW010"} <= set(codes)
    assert all(codes[result["ruleIndex"]] == result["ruleId"] for result in run["results"])


def test_sarif_without_a_finding_keeps_the_profile():
    check(sarif(msgspec.structs.replace(memory_verdict({"shop/basket.py": "x = 1\n"}), findings=())), PROFILE)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("shop/basket.py", "shop/basket.py"),
        ("my shop/#1 50%.py", "my%20shop/%231%2050%25.py"),
        ("a:b/c?.py", "a%3Ab/c%3F.py"),
        ("caf\u00e9.py", "caf%C3%A9.py"),
        ("x\\y.py", "x%5Cy.py"),
        ("", "."),
    ],
    ids=["plain", "space-hash-percent", "colon", "utf-8", "backslash", "repository"],
)
def test_places_are_relative_addresses(path: str, uri: str):
    document = with_one_finding(path)
    check(document, PROFILE)
    (result,) = document["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}}


def test_a_line_is_a_region():
    (result,) = with_one_finding("shop/basket.py", 2)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 2}


def test_fingerprints_survive_a_move_and_new_lines_above():
    def marks(path: str, text: str) -> set[str]:
        results = sarif(memory_verdict({path: text}))["runs"][0]["results"]
        return {r["partialFingerprints"]["elder/v1"] for r in results if r["ruleId"] == "INT001"}

    before = marks("shop/basket.py", CONFLICT)
    assert before
    assert before == marks("store/cart.py", "# a line\n\n" + CONFLICT)


def test_only_rules_about_weaknesses_have_a_security_severity():
    described = {
        rule.code: sarif_out.rule_descriptor(catalogue(), rule.code)["properties"] for rule in catalogue().rules
    }
    security = {code: row["security-severity"] for code, row in described.items() if "security-severity" in row}
    assert security == {"FLW010": "5.5", "FLW011": "9.5", "FLW012": "5.5", "GIT006": "9.5", "STR010": "9.5"}
    assert described["STR010"]["tags"] == ["strict", "security", "external/cwe/cwe-798"]
    assert described["FLW011"]["tags"] == ["flow", "security", "external/cwe/cwe-094"]


def test_every_rule_has_help_and_keeps_the_profile():
    rules = PROFILE["$defs"]["rule"] | {"$defs": PROFILE["$defs"]}
    for rule in catalogue().rules:
        described = sarif_out.rule_descriptor(catalogue(), rule.code)
        check(described, rules)
        assert described["help"]["text"].startswith(f"What to do: {rule.remedy}\nWhy: ")
        assert "helpUri" not in described


def test_the_profile_refuses_what_it_does_not_know():
    document = with_one_finding("shop/basket.py", 2)
    (result,) = document["runs"][0]["results"]
    for changed in ({**result, "extra": 1}, {**result, "locations": []}, {**result, "level": "fatal"}):
        with pytest.raises(jsonschema.ValidationError):
            check(_replaced(document, ("runs", 0, "results", 0), changed), PROFILE)


# --- runs: where they come from, their order and their size -----------------------------------------------


def many(count: int, **changes: Any) -> Verdict:
    """A verdict with many findings in reverse order of what matters."""
    verdict = memory_verdict({"shop/basket.py": CONFLICT})
    first = next(finding for finding in verdict.findings if finding.rule == "INT001")
    kinds = [(Severity.LOW, Tier.ADVISE), (Severity.HIGH, Tier.ADVISE), (Severity.MEDIUM, Tier.GATE)]
    findings = [
        msgspec.structs.replace(
            first, severity=kinds[i % 3][0], tier=kinds[i % 3][1], path=f"shop/{i:05}.py", fingerprint=f"v1:{i:064x}"
        )
        for i in range(count)
    ]
    return msgspec.structs.replace(verdict, findings=tuple(findings), **changes)


def fingerprints_of(logs: list[dict[str, Any]]) -> list[str]:
    results = [result for log in logs for run in log["runs"] for result in run["results"]]
    return [result["partialFingerprints"]["elder/v1"] for result in results]


def test_more_than_github_keeps_becomes_several_files_and_nothing_is_lost():
    verdict = many(12_001)
    files = sarif_out.split(sarif(verdict))
    assert [len(run["results"]) for log in files for run in log["runs"]] == [5000, 5000, 2001]
    assert [len(log["runs"]) for log in files] == [1, 1, 1]
    assert sorted(fingerprints_of(files)) == [f"v1:{i:064x}" for i in range(12_001)]
    categories = [log["runs"][0]["automationDetails"]["id"] for log in files]
    assert categories == ["elder/local/memory/", "elder/local/memory/2/", "elder/local/memory/3/"]
    check(files[-1], PROFILE)
    for log in files:
        assert len(gzip.compress(report.json_bytes(log))) < 10_000_000


def test_what_may_fail_a_check_comes_first_then_the_most_severe():
    kinds = [(r["properties"]["tier"], r["properties"]["severity"]) for r in sarif(many(9))["runs"][0]["results"]]
    assert kinds == [("gate", "medium")] * 3 + [("advise", "high")] * 3 + [("advise", "low")] * 3


def test_large_results_are_split_by_size():
    verdict = many(4000)
    long = [msgspec.structs.replace(finding, message="word " * 1000) for finding in verdict.findings]
    files = sarif_out.split(sarif(msgspec.structs.replace(verdict, findings=tuple(long))))
    assert len(files) > 1
    assert len(fingerprints_of(files)) == 4000
    assert all(len(msgspec.json.encode(log)) < 10_000_000 for log in files)


def test_a_run_of_five_thousand_is_one_file():
    assert len(sarif_out.split(sarif(many(5000)))) == 1


def test_a_file_holds_at_most_twenty_runs():
    log = sarif(many(1))
    files = sarif_out.split({**log, "runs": log["runs"] * 41})
    assert [len(part["runs"]) for part in files] == [20, 20, 1]


def test_output_writes_every_file_and_says_so(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    from click.testing import CliRunner

    from elder_assets import cli

    def audited(_wanted: object, _server: str, report: Callable[[Applied], None]) -> tuple[Verdict, str]:
        applied = shown(many(5001))
        report(applied)
        return applied.verdict, ""

    monkeypatch.setattr(cli, "_audit", audited)
    done = CliRunner().invoke(
        cli.elder, ["audit", str(folder), "--format", "sarif", "--output", str(tmp_path / "e.sarif")]
    )
    assert "written as 2 files, upload each: e.sarif, e-2.sarif" in done.stderr
    files = [json.loads((tmp_path / name).read_text()) for name in ("e.sarif", "e-2.sarif")]
    assert len(set(fingerprints_of(files))) == 5001
    done = CliRunner().invoke(cli.elder, ["audit", str(folder), "--format", "sarif"])
    assert "5,001 results in 2 runs; GitHub keeps 5,000 of a run, so --output FILE writes 2 files" in done.stderr
    assert len(fingerprints_of([json.loads(done.stdout)])) == 5001


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("example.org/shop/basket", "https://example.org/shop/basket"),
        ("local/shop", ""),
        ("git.example.org/a b", "https://git.example.org/a%20b"),
    ],
)
def test_a_repository_with_an_address_says_where_it_came_from(repository: str, address: str):
    verdict = many(1)
    snapshot = msgspec.structs.replace(verdict.snapshot, repository=repository, commit="a" * 40)
    document = sarif(msgspec.structs.replace(verdict, snapshot=snapshot))
    check(document, PROFILE)
    provenance = document["runs"][0].get("versionControlProvenance", [])
    expected = {"repositoryUri": address, "revisionId": "a" * 40, "mappedTo": {"uriBaseId": "%SRCROOT%"}}
    assert provenance == ([expected] if address else [])


def test_a_report_of_one_magic_has_a_category_of_its_own():
    verdict = many(1)
    (run,) = sarif(msgspec.structs.replace(verdict, magics=verdict.magics[:1]))["runs"]
    assert run["automationDetails"]["id"] == "elder/integrity/"


def test_files_that_were_not_read_are_notices_and_an_incomplete_audit_did_not_succeed():
    verdict = many(1)
    skipped = tuple(Skipped(f"a{i}.py", "too large") for i in range(102))
    coverage = msgspec.structs.replace(verdict.coverage, skipped=skipped)
    document = sarif(msgspec.structs.replace(verdict, coverage=coverage, status=Status.ERROR))
    check(document, PROFILE)
    (invocation,) = document["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    texts = [notice["message"]["text"] for notice in invocation["toolExecutionNotifications"]]
    assert (len(texts), texts[0], texts[-1]) == (101, "not read: too large", "2 more files were not read")


def test_no_host_specific_fingerprint_is_written():
    (run,) = sarif(many(1))["runs"]
    assert list(run["results"][0]["partialFingerprints"]) == ["elder/v1"]


def test_a_suppressed_finding_is_in_no_result_and_its_rule_in_no_run(tmp_path: Path, folder: Path):
    """GitHub shows results with `suppressions` as open alerts: docs/report.md."""
    (folder / "shop" / "basket.py").write_text(CONFLICT)
    commit(folder, "fix: merge")
    before = reported(tmp_path, folder, "sarif")
    held = f"suppressions:\n  - {{rule: INT001, path: shop/basket.py, reason: kept on purpose, until: {_soon()}}}\n"
    (folder / "elder.yaml").write_text(f"version: 1\n{held}")
    commit(folder, "chore: live with it")
    after = reported(tmp_path, folder, "sarif")
    check(after, PROFILE)
    (old,), (new,) = before["runs"], after["runs"]
    codes = [sorted({result["ruleId"] for result in run["results"]}) for run in (old, new)]
    assert set(codes[0]) - set(codes[1]) == {"INT001"}
    assert "INT001" not in [rule["id"] for rule in new["tool"]["driver"]["rules"]]
    assert not any("suppressions" in result for result in new["results"])
    assert [item["rule"] for item in reported(tmp_path, folder)["suppressed"]] == ["INT001"]


def _soon() -> dt.date:
    return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
