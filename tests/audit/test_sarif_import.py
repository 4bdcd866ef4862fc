"""SARIF of other tools becomes findings of ours: what is read, what is refused, and what keeps its identity."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
import sarif_samples as samples
from sarif_samples import at, log, result, run

from elder_assets.audit import sarif_import
from elder_assets.audit.errors import ConfigurationError, SourceError
from elder_assets.audit.model import Finding, Severity, Tier
from elder_assets.audit.sarif_import import Imported, read_sarif


def one(content: bytes, **options: Any) -> Finding:
    imported = read_sarif(content, "scan.sarif", **options)
    assert not imported.skipped
    (finding,) = imported.findings
    return finding


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (samples.CODEQL, ("EXT:CodeQL:py/sql-injection", "high", "shop/orders.py", 12)),
        (samples.ESLINT, ("EXT:ESLint:no-unused-vars", "high", "web/cart.js", 7)),
        (samples.SEMGREP, ("EXT:Semgrep-OSS:python.lang.security.audit.exec", "medium", "shop/run.py", 2)),
        (samples.TRIVY, ("EXT:Trivy:CVE-2020-8203", "high", "web/package-lock.json", 1)),
        (samples.GITLEAKS, ("EXT:gitleaks:aws-access-token", "medium", "deploy/env.py", 4)),
        (samples.BANDIT, ("EXT:Bandit:B105", "low", "deploy/env.py", 5)),
        (samples.MSVC, ("EXT:PREfast:C6001", "medium", "src/basket one.cpp", 21)),
    ],
    ids=["codeql", "eslint", "semgrep", "trivy", "gitleaks", "bandit", "msvc"],
)
def test_files_of_real_tools_become_findings(content: bytes, expected: tuple[str, str, str, int]):
    finding = one(content)
    assert (finding.rule, str(finding.severity), finding.path, finding.line) == expected
    assert finding.tier is Tier.ADVISE
    assert re.fullmatch(r"v1:[0-9a-f]{64}", finding.fingerprint)


def test_what_to_do_comes_from_the_fix_the_help_or_its_address():
    assert one(samples.CODEQL).remedy == "# SQL query Use parameters."
    assert one(samples.ESLINT).remedy == "See https://eslint.org/docs/latest/rules/no-unused-vars"
    assert one(samples.RUFF, roots=["/checkout"]).remedy == "Remove unused import: `os`"
    assert one(samples.MSVC).remedy == ""


def test_messages_are_one_line_of_text_without_links_and_with_their_arguments():
    assert one(samples.CODEQL).message == "This SQL query depends on a user-provided value."
    assert one(samples.MSVC).message == "Using uninitialized memory 'total'."
    assert one(samples.TRIVY).message == "Package: lodash Installed Version: 4.17.4"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"markdown": "**bad**"}, "**bad**"),
        ({"text": "a {0} of {1} {{x}}", "arguments": ["b", 2]}, "a b of 2 {x}"),
        ({"text": "a {7}", "arguments": ["b"]}, "a {7}"),
        ({"text": "{0} stays"}, "{0} stays"),
        ({"id": "global"}, "for all rules"),
        ({"id": "nowhere"}, "in short"),
        ({}, "in short"),
        ({"text": "a\u202eb\x00c\r\nd"}, "a b c d"),
    ],
    ids=["markdown", "arguments", "too-few", "no-arguments", "global", "unknown-id", "none", "control"],
)
def test_a_message_is_found_wherever_it_is(message: dict[str, Any], expected: str):
    content = run("scan", result(message=message), rules=[{"id": "R1", "shortDescription": {"text": "in short"}}])
    content["tool"]["driver"]["globalMessageStrings"] = {"global": {"text": "for all rules"}}
    assert one(log(content)).message == expected


@pytest.mark.parametrize(
    ("more", "rule", "expected"),
    [
        ({}, {"properties": {"security-severity": "9.0"}}, "critical"),
        ({}, {"properties": {"security-severity": 7.0}}, "high"),
        ({"level": "error"}, {"properties": {"security-severity": "6.9"}}, "medium"),
        ({}, {"properties": {"security-severity": "0.1"}}, "low"),
        ({}, {"properties": {"security-severity": "0.0"}}, "info"),
        ({"properties": {"security-severity": "9.8"}}, {"properties": {"security-severity": "2.0"}}, "critical"),
        ({"level": "note"}, {"properties": {"security-severity": "very"}}, "low"),
        ({"level": "note"}, {"properties": {"security-severity": "nan"}}, "low"),
        ({"level": "none"}, {}, "info"),
        ({}, {"defaultConfiguration": {"level": "error"}}, "high"),
        ({}, {"defaultConfiguration": {"rank": 95.0}}, "critical"),
        ({"rank": 40}, {}, "medium"),
        ({"rank": -1.0}, {}, "medium"),
        ({"level": "fatal"}, {}, "medium"),
        ({}, {}, "medium"),
    ],
)
def test_severity_is_the_first_of_score_level_and_rank(more: dict[str, Any], rule: dict[str, Any], expected: str):
    finding = one(log(run("scan", result(**more), rules=[{"id": "R1", **rule}])))
    assert finding.severity is Severity(expected)


@pytest.mark.parametrize(
    ("uri", "base", "path"),
    [
        ("shop/basket.py", "", "shop/basket.py"),
        ("./shop//basket.py", "", "shop/basket.py"),
        ("shop\\basket.py", "", "shop/basket.py"),
        ("my%20shop/50%25.py", "", "my shop/50%.py"),
        ("x%5Cy.py", "", "x\\y.py"),
        ("caf%C3%A9.py", "", "caf\u00e9.py"),
        (".", "", ""),
        ("basket.py", "UNKNOWN", "basket.py"),
        ("basket.py", "SRCROOT", "basket.py"),
        ("basket.py", "SHOP", "shop/basket.py"),
        ("basket.py", "PART", "part/basket.py"),
        ("file:///work/code/shop/basket.py", "", "shop/basket.py"),
        ("file://localhost/work/code/shop/basket.py", "", "shop/basket.py"),
        ("/work/code/shop/basket.py", "", "shop/basket.py"),
        ("file:///work/code", "", ""),
    ],
)
def test_addresses_become_paths_of_the_repository(uri: str, base: str, path: str):
    bases = {
        "SRCROOT": {"uri": "file:///work/code/"},
        "SHOP": {"uri": "shop/", "uriBaseId": "SRCROOT"},
        "PART": {"uri": "part/"},
    }
    assert one(log(run("scan", result(locations=at(uri, 3, base)), originalUriBaseIds=bases))).path == path


@pytest.mark.parametrize(
    ("uri", "base", "reason"),
    [
        ("../secret.py", "", "leads upwards"),
        ("shop/%2e%2e/%2E%2E/etc/passwd", "", "leads upwards"),
        ("..\\secret.py", "", "leads upwards"),
        ("/etc/passwd", "", "outside of the repository; allowed: below /work/code/"),
        ("file:///work/codex/a.py", "", "outside of the repository"),
        ("file:///work/code/../../etc/passwd", "", "leads upwards"),
        ("file://server/share/a.py", "", "on the host 'server'"),
        ("C:\\Windows\\a.ini", "", "outside of the repository"),
        ("https://example.org/a.py", "", "scheme 'https'"),
        ("a%00b.py", "", "control character"),
        ("a%ff.py", "", "not UTF-8"),
        ("a" * 5000, "", "5000 characters"),
        ("a" * 50_000, "", "50,000 characters; allowed: 12,288"),
        ("stdio.h", "SYSTEM", "outside of the repository"),
        ("a.py", "CIRCLE", "bases rest on each other"),
    ],
)
def test_an_address_outside_is_skipped_with_the_reason(uri: str, base: str, reason: str):
    bases = {
        "SRCROOT": {"uri": "file:///work/code/"},
        "SYSTEM": {"uri": "file:///usr/include/"},
        "CIRCLE": {"uri": "x/", "uriBaseId": "CIRCLE"},
    }
    imported = read_sarif(log(run("scan", result(locations=at(uri, 3, base)), originalUriBaseIds=bases)), "scan.sarif")
    assert imported.findings == ()
    (skipped,) = imported.skipped
    assert reason in skipped.reason


def test_the_run_says_which_base_is_the_repository():
    more = {
        "originalUriBaseIds": {"SRCROOT": {"uri": "file:///work/"}, "REPO": {"uri": "file:///work/code/"}},
        "versionControlProvenance": [{"repositoryUri": "https://example.org/x", "mappedTo": {"uriBaseId": "REPO"}}],
    }
    assert one(log(run("scan", result(uri="file:///work/code/a.py"), **more))).path == "a.py"


def test_an_address_without_any_base_needs_a_known_root():
    assert "none is known" in read_sarif(samples.RUFF, "ruff.sarif").skipped[0].reason
    assert one(samples.RUFF, roots=["/checkout/shop"]).path == "basket.py"


def test_a_result_without_a_place_is_about_the_repository():
    finding = one(log(run("scan", {"ruleId": "R1", "message": {"text": "no licence"}})))
    assert (finding.path, finding.line) == ("", 0)


def test_an_artifact_is_found_by_its_number():
    place = [{"physicalLocation": {"artifactLocation": {"index": 0}, "region": {"startLine": 2}}}]
    content = run("scan", result(locations=place), artifacts=[{"location": {"uri": "shop/cart.py"}}])
    assert one(log(content)).path == "shop/cart.py"


def test_what_the_tool_itself_does_not_count_is_counted_apart():
    content = run(
        "scan",
        result(suppressions=[{"kind": "inSource"}]),
        result(suppressions=[{"kind": "external", "status": "accepted"}, {"kind": "external", "status": "rejected"}]),
        result(suppressions=[{"kind": "external", "status": "underReview"}]),
        result(suppressions=[{"kind": "external", "status": "rejected"}]),
        result(baselineState="absent"),
        result(baselineState="unchanged"),
        result(kind="pass"),
        result(kind="informational"),
        result(kind="fail"),
        result(kind="wrong" * 900),
    )
    imported = read_sarif(log(content), "scan.sarif")
    assert imported.left_out == {
        "absent": 1,
        "kind informational": 1,
        "kind pass": 1,
        "kind unknown": 1,
        "suppressed": 2,
    }
    assert (len(imported.findings), imported.results, imported.tools[0].results) == (4, 10, 10)


@pytest.mark.parametrize(
    ("tool", "rule", "code"),
    [
        ("my: tool", "a b", "EXT:my-tool:a-b"),
        ("", "", "EXT:unnamed:unnamed"),
        ("t\u202eool\n", "a:b\x1b[31m", "EXT:t-ool:a:b-[31m"),
    ],
)
def test_names_are_one_printable_word(tool: str, rule: str, code: str):
    assert one(log(run(tool, result(rule)))).rule == code


def test_long_names_are_cut_and_stay_apart():
    first, second = (one(log(run("t" * 90, result("r" * 300 + end)))).rule for end in "ab")
    assert first != second
    assert len(first) == len("EXT::") + sarif_import.TOOL_CHARS_MAX + sarif_import.RULE_CHARS_MAX


def test_a_part_of_a_rule_has_the_rule_s_severity():
    rules = [{"id": "CA1000", "properties": {"security-severity": "9.1"}}]
    finding = one(log(run("scan", result("CA1000/two"), rules=rules)))
    assert (finding.rule, finding.severity) == ("EXT:scan:CA1000/two", Severity.CRITICAL)


def test_a_wrong_rule_number_gives_no_other_rule_s_severity():
    rules = [{"id": "R1", "defaultConfiguration": {"level": "note"}}, {"id": "R2"}]
    assert one(log(run("scan", result("R1", ruleIndex=1), rules=rules))).severity is Severity.LOW
    assert one(log(run("scan", result("R9", ruleIndex=0), rules=rules))).severity is Severity.MEDIUM


@pytest.mark.parametrize(
    ("rule", "numbers"),
    [
        ({"properties": {"tags": ["external/cwe/cwe-089", "security"]}}, (89,)),
        ({"properties": {"cwe": ["CWE-78: OS command"], "tags": ["CWE-77"]}}, (77, 78)),
        ({"relationships": [{"target": {"id": "327", "toolComponent": {"name": "CWE"}}}]}, (327,)),
        ({"properties": {"tags": "cwe-5"}}, (5,)),
    ],
)
def test_weaknesses_are_read_from_the_usual_places(rule: dict[str, Any], numbers: tuple[int, ...]):
    imported = read_sarif(log(run("scan", result(), rules=[{"id": "R1", **rule}])), "scan.sarif")
    assert imported.weaknesses == {"EXT:scan:R1": numbers}


# --- identity -------------------------------------------------------------------------------------------------------


def marks(*results: dict[str, Any]) -> list[str]:
    return [finding.fingerprint for finding in read_sarif(log(run("scan", *results)), "scan.sarif").findings]


def test_a_finding_keeps_its_identity_over_moved_lines_folders_and_numbers():
    before = result(text="12 lines", locations=at("shop/basket.py", 3, snippet="x = f( a )"))
    after = result(text="15 lines", locations=at("store/basket.py", 90, snippet="x = f(a)"))
    assert marks(before) == marks(after)


@pytest.mark.parametrize(
    "other",
    [
        result("R2"),
        result(text="broken"),
        result(uri="shop/cart.py"),
        result(locations=at("shop/basket.py", 3, snippet="y = 1")),
    ],
    ids=["rule", "message", "file", "code"],
)
def test_another_defect_is_another_finding(other: dict[str, Any]):
    assert marks(result()) != marks(other)


def test_findings_that_are_alike_are_told_apart_and_share_their_kin():
    imported = read_sarif(log(run("scan", result(line=3), result(line=9))), "scan.sarif")
    first, second = imported.findings
    assert first.fingerprint != second.fingerprint
    assert first.kin == second.kin == first.fingerprint


def test_the_tool_s_own_fingerprint_decides_where_there_is_one():
    own = {"partialFingerprints": {"hash/v1": "abc"}}
    assert marks(result(text="old words", **own)) == marks(result(text="new words", uri="x.py", **own))
    assert marks(result(**own)) != marks(result(partialFingerprints={"hash/v1": "abd"}))
    assert marks(result(partialFingerprints={"primaryLocationStartColumnFingerprint": "4"})) == marks(result())
    assert marks(result(fingerprints={"matchBasedId/v1": "requires login"})) == marks(result())


def test_who_committed_it_does_not_identify_a_leak():
    moved = samples.GITLEAKS.replace(b"Anna", b"Ben").replace(b"2026-01-05", b"2026-02-06")
    assert one(samples.GITLEAKS).fingerprint == one(moved).fingerprint


def test_a_secret_is_not_part_of_an_identity():
    other = samples.BANDIT.replace(b'PASSWORD = \\"hunter2', b'PASSWORD = \\"other')
    assert other != samples.BANDIT
    assert one(samples.BANDIT).fingerprint == one(other).fingerprint


def test_the_order_of_results_changes_nothing():
    results = [result(line=line, text=text) for line, text in ((9, "a"), (3, "a"), (5, "b"))]
    assert read_sarif(log(run("scan", *results)), "s") == read_sarif(log(run("scan", *results[::-1])), "s")


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"", SourceError, "is not JSON"),
        (b"<xml/>", SourceError, "is not JSON"),
        (b'{"version": "2.1.0", "runs": [', SourceError, "is not JSON"),
        (log(run("NAME")).replace(b"NAME", b"\xff"), SourceError, "is not JSON in UTF-8"),
        ("{}".encode("utf-16"), SourceError, "is UTF-16; allowed: SARIF 2.1.0 in UTF-8"),
        (b"[]", SourceError, "is not SARIF"),
        (b"{}", SourceError, "not SARIF: it has no `runs`"),
        (b'{"runs": 1}', SourceError, "is not SARIF"),
        (b'{"version": "2.0.0", "runs": []}', ConfigurationError, "got '2.0.0'; allowed: 2.1.0"),
        (b'{"runs": []}', ConfigurationError, "got 'None'; allowed: 2.1.0"),
        (b'{"version": "2.1.0", "runs": [{}]}', SourceError, "`tool`"),
        (b'{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": 5}}}]}', SourceError, "runs[0].tool.driver.name"),
        (log(run("scan", result(text="\ud800"))), SourceError, "is not JSON"),
        (b"[" * 200_000, SourceError, "is n"),
        (b'{"version":"2.1.0","runs":[],"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}", SourceError, "nested too deeply"),
        (log(*[run()] * 101), ConfigurationError, "got 101; allowed: up to 100"),
    ],
    ids=[
        "empty", "xml", "torn", "bytes", "utf-16", "list", "object", "runs", "version", "no-version", "no-tool", "type", "surrogate",
        "open-brackets", "deep", "runs-max",
    ],
)  # fmt: skip
def test_a_file_that_is_not_sarif_is_an_error_that_says_what_is_allowed(content: bytes, error: type, words: str):
    with pytest.raises(error, match=re.escape(words)) as raised:
        read_sarif(content, "scan.sarif")
    assert "scan.sarif" in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_file_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sarif_import, "BYTES_MAX", 100)
    with pytest.raises(ConfigurationError, match="allowed: up to 100"):
        read_sarif(samples.CODEQL, "scan.sarif")


def test_more_results_than_allowed_are_refused_not_cut():
    content = log(run("scan", *[result()] * 12_501), run("scan", *[result()] * 12_500))
    with pytest.raises(ConfigurationError, match=r"25,001.*allowed: up to 25,000"):
        read_sarif(content, "scan.sarif")


@pytest.mark.parametrize(
    "more",
    [
        {"rules": [{"id": "R1", "properties": {"cwe": {str(i): "x" * 1000 for i in range(2000)}}}]},
        {"rules": [{"id": "R1", "properties": {"security-severity": "9" * 1_000_000}}]},
        {"rules": [{"id": "R1", "relationships": [{"target": {"id": "1"}}] * 20_000}]},
        {"rules": [{"id": "R1" + "/x" * 500_000}]},
        {"originalUriBaseIds": {"B": {"uri": "file:///" + "b/" * 500_000}}},
        {"originalUriBaseIds": {f"B{i}": {"uri": f"file:///{i}/"} for i in range(20_000)}},
        {"message": {"text": "{0}" * 1000, "arguments": ["x" * 500]}},
        {"message": {"text": "[" * 4000}},
    ],
    ids=["cwe", "number", "relations", "rule-id", "base", "bases", "arguments", "links"],
)
def test_what_many_results_share_is_not_read_at_length_for_each(more: dict[str, Any]):
    """A minute or gigabytes without the bound; seconds with a wide margin here."""
    message = {"message": more["message"]} if "message" in more else {}
    one_result = result(
        locations=at("/a/b.py" if "originalUriBaseIds" in more else "b.py", 1, "B"), ruleIndex=0, **message
    )
    one_result.pop("ruleId")
    shared = {key: value for key, value in more.items() if key != "message"}
    content = log(run("scan", *[one_result] * 2000, **shared))
    started = time.process_time()
    assert read_sarif(content, "scan.sarif").results == 2000
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    "broken",
    [
        {"message": 5},
        {"locations": [{"physicalLocation": {"region": {"startLine": "3"}}}]},
    ],
    ids=["message", "line"],
)
def test_one_result_that_cannot_be_read_costs_no_other(broken: dict[str, Any]):
    imported = read_sarif(log(run("scan", {"ruleId": "R1", **broken}, result())), "scan.sarif")
    assert len(imported.findings) == 1
    assert [item.reason.startswith("a result is not SARIF: ") for item in imported.skipped] == [True]


def test_a_tool_that_did_not_finish_is_named():
    more = {"invocations": [{"executionSuccessful": False, "exitCodeDescription": "out of\nmemory"}]}
    assert read_sarif(log(run("scan", **more)), "s").failures == ("scan did not finish: out of memory",)
    content = {
        "tool": {"driver": {"name": "scan"}},
        "externalPropertyFileReferences": {"results": [{"location": {"uri": "r.sarif"}}]},
    }
    assert read_sarif(log(content), "s").failures == ("scan keeps its results in another file",)


def test_no_run_and_no_result_is_an_empty_import():
    assert read_sarif(log(), "s") == Imported(name="s", findings=())
    assert read_sarif(log({"tool": {"driver": {"name": "t"}}, "results": None}), "s").results == 0


def test_nulls_are_read_as_absent():
    empty = dict.fromkeys(("message", "locations", "suppressions", "properties", "fingerprints", "rule", "taxa"))
    assert one(json.dumps({"version": "2.1.0", "runs": [run("scan", {"ruleId": "R1", **empty})]}).encode()).path == ""
