"""Machine-readable reports of real audits keep their schemas, and the schemas refuse what they do not know."""

from __future__ import annotations

import copy
import datetime as dt
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from test_bad_input import commit, elder, folder, git

from elder_assets.audit import report
from elder_assets.audit.engine import audit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.model import Finding, Status, Verdict
from elder_assets.audit.registry import catalogue
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.suppression import Applied
from elder_assets.audit.testing import MemorySource

__all__ = ["folder"]
SCHEMA = json.loads(Path(report.__file__).with_name("report.schema.json").read_text())
PROFILE = json.loads((Path(__file__).parent.parent / "schemas" / "sarif-profile.schema.json").read_text())
GATED = "on: pull_request_target\njobs:\n  build:\n    runs-on: linux\n    steps:\n      - uses: actions/checkout@v4\n"
CONFLICT = "x = 1\n<<<<<<< HEAD\ny = 1\n=======\ny = 2\n>>>>>>> topic\n"


def check(document: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(document)


def reported(tmp_path: Path, target: Path, form: str = "json", *options: str) -> dict[str, Any]:
    done = elder(tmp_path, "audit", target, "--format", form, *options)
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


def memory_verdict(files: dict[str, str]) -> Verdict:
    return audit(MemorySource(files), MemoryFactStore(), default_ruler())


@pytest.mark.parametrize("schema", [SCHEMA, PROFILE], ids=["json", "sarif"])
def test_the_schemas_are_schemas(schema: dict[str, Any]):
    jsonschema.Draft202012Validator.check_schema(schema)


def test_a_good_report_keeps_the_schema(tmp_path: Path, folder: Path):
    document = reported(tmp_path, folder)
    check(document, SCHEMA)
    assert (document["schema_version"], document["coverage"]) == (2, {"eligible": 2, "analysed": 2, "skipped": []})


def test_a_report_with_findings_keeps_the_schema(tmp_path: Path, folder: Path):
    (folder / "shop" / "basket.py").write_text(CONFLICT)
    commit(folder, "fix: merge")
    document = reported(tmp_path, folder)
    check(document, SCHEMA)
    assert "INT001" in {finding["rule"] for finding in document["findings"]}


def test_a_staged_report_keeps_the_schema(tmp_path: Path, folder: Path):
    (folder / "shop" / "basket.py").write_text(CONFLICT)
    git(folder, "add", "-A")
    document = reported(tmp_path, folder, "json", "--staged")
    check(document, SCHEMA)
    assert document["commit"] is None


def test_a_partial_report_keeps_the_schema_and_says_what_it_lacks(tmp_path: Path, folder: Path):
    oid = git(folder, "rev-parse", "HEAD:shop/basket.py")
    (folder / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    document = reported(tmp_path, folder)
    check(document, SCHEMA)
    assert [item["path"] for item in document["coverage"]["skipped"]] == ["shop/basket.py"]


def test_a_report_of_one_magic_and_one_with_a_baseline_keep_the_schema(tmp_path: Path, folder: Path):
    commit(folder, "feat: nothing more")
    first = git(folder, "rev-parse", "HEAD~1")
    document = reported(tmp_path, folder, "json", "--magic", "tdd", "--baseline", first)
    check(document, SCHEMA)
    assert (list(document["magics"]), document["baseline"]) == (["tdd"], first)


def test_a_report_without_code_keeps_the_schema(tmp_path: Path, folder: Path):
    shutil.rmtree(folder / "shop")
    commit(folder, "docs: only words")
    document = reported(tmp_path, folder)
    check(document, SCHEMA)
    assert (document["status"], document["reason"], document["score"]) == ("not applicable", "no code", None)


def test_a_refused_audit_prints_no_document(tmp_path: Path, folder: Path):
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/none\n")
    done = elder(tmp_path, "audit", folder, "--format", "json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def shown(verdict: Verdict) -> Applied:
    return Applied(verdict=verdict, evaluated_on=dt.date(2026, 1, 5))


def test_an_audit_with_a_broken_rule_keeps_the_schema(monkeypatch: pytest.MonkeyPatch):
    from elder_assets.audit import engine

    def ask(rule: Any, facts: Any, measure: Any) -> Any:
        if rule.code == "INT001":
            raise ZeroDivisionError("no units")
        return real(rule, facts, measure)

    real = engine._ask
    monkeypatch.setattr(engine, "_ask", ask)
    verdict = memory_verdict({"shop/basket.py": "x = 1\n"})
    document = json.loads(report.json_bytes(report.to_json(shown(verdict), last_run="2026-01-05T10:00:00Z")))
    check(document, SCHEMA)
    assert (verdict.status, document["magics"]["integrity"]["status"]) == (Status.ERROR, "error")


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Every object of a document whose keys the schema names, with the way to it."""
    if isinstance(value, dict):
        if path and path[-1] not in {"magics", "outcomes"}:
            yield path, value
        for key, item in value.items():
            yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:1]):
            yield from objects(item, (*path, index))


def test_an_unknown_key_and_a_missing_key_fail_wherever_they_are():
    verdict = memory_verdict({"shop/basket.py": CONFLICT})
    document = json.loads(report.json_bytes(report.to_json(shown(verdict), last_run="2026-01-05T10:00:00Z")))
    ways = [(), *(path for path, _ in objects(document))]
    assert {("coverage",), ("magics", "tdd"), ("magics", "tdd", "outcomes", "TDD001"), ("findings", 0)} <= set(ways)
    for path in ways:
        known = document
        for step in path:
            known = known[step]
        for change in ({**known, "extra": 1}, *({k: v for k, v in known.items() if k != lost} for lost in known)):
            with pytest.raises(jsonschema.ValidationError):
                check(_replaced(document, path, change), SCHEMA)


def _replaced(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    return changed


# --- SARIF -----------------------------------------------------------------------------------------------


def sarif(verdict: Verdict) -> dict[str, Any]:
    return json.loads(report.json_bytes(report.to_sarif(verdict, version="1.0")))


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
    assert result["locations"] == [{"physicalLocation": {"artifactLocation": {"uri": uri}}}]


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
    described = {rule.code: report._sarif_rule(catalogue(), rule.code)["properties"] for rule in catalogue().rules}
    security = {code: row["security-severity"] for code, row in described.items() if "security-severity" in row}
    assert security == {"FLW010": "5.5", "FLW011": "9.5", "FLW012": "5.5", "GIT006": "9.5", "STR010": "9.5"}
    assert described["STR010"]["tags"] == ["strict", "security", "external/cwe/cwe-798"]
    assert described["FLW011"]["tags"] == ["flow", "security", "external/cwe/cwe-094"]


def test_every_rule_has_help_and_keeps_the_profile():
    rules = PROFILE["$defs"]["rule"] | {"$defs": PROFILE["$defs"]}
    for rule in catalogue().rules:
        described = report._sarif_rule(catalogue(), rule.code)
        check(described, rules)
        assert described["help"]["text"] == rule.remedy


def test_the_profile_refuses_what_it_does_not_know():
    document = with_one_finding("shop/basket.py", 2)
    (result,) = document["runs"][0]["results"]
    for changed in ({**result, "extra": 1}, {**result, "locations": []}, {**result, "level": "fatal"}):
        with pytest.raises(jsonschema.ValidationError):
            check(_replaced(document, ("runs", 0, "results", 0), changed), PROFILE)
