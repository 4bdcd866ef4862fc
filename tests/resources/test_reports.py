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
import pytest
from test_bad_input import commit, elder, folder, git

from elder_assets.audit import report
from elder_assets.audit.engine import audit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.model import Status, Verdict
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.suppression import Applied
from elder_assets.audit.testing import MemorySource

__all__ = ["folder"]
SCHEMA = json.loads(Path(report.__file__).with_name("report.schema.json").read_text())
CONFLICT = "x = 1\n<<<<<<< HEAD\ny = 1\n=======\ny = 2\n>>>>>>> topic\n"


def check(document: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator(schema).validate(document)


def reported(tmp_path: Path, target: Path, form: str = "json", *options: str) -> dict[str, Any]:
    done = elder(tmp_path, "audit", target, "--format", form, *options)
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


def memory_verdict(files: dict[str, str]) -> Verdict:
    return audit(MemorySource(files), MemoryFactStore(), default_ruler())


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


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
