"""Findings of other tools: imported by the command, carried on by the asset, counted once, and never a score."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from elder_assets.assets import session
from elder_assets.cli import elder
from elder_assets.definitions import defs
from resources.settings import load_settings
from resources.store import open_store

pytestmark = [pytest.mark.platform]
KEY = "local/basket"


@pytest.fixture
def instance(repository: Path) -> Iterator[dg.DagsterInstance]:
    session.facts_of.cache_clear()
    session.terms_of.cache_clear()
    with open_store(load_settings().store_url) as store:
        store.add_repository(KEY, str(repository))
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("repository", [KEY])
        yield made


def audit(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    done = defs.resolve_job_def("audit").execute_in_process(instance=instance, partition_key=KEY)
    assert done.success
    return done


def head(repository: Path) -> str:
    done = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def sarif(folder: Path, *rules: str, is_successful: bool = True) -> Path:
    """A file of the tool Lint with one result a rule in README.md."""
    results = [
        {
            "ruleId": rule,
            "message": {"text": f"{rule} is broken"},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": "README.md"}, "region": {"startLine": 1}}}],
        }
        for rule in rules
    ]
    invocations = [{"executionSuccessful": is_successful}]
    run = {"tool": {"driver": {"name": "Lint"}}, "invocations": invocations, "results": results}
    path = folder / f"{'-'.join(rules) or 'none'}-{is_successful}.sarif"
    path.write_text(json.dumps({"version": "2.1.0", "runs": [run]}))
    return path


def imported(path: Path, commit: str) -> Result:
    return CliRunner().invoke(elder, ["sarif", str(path), "--record", KEY, "--commit", commit], standalone_mode=False)


def standings() -> dict[str, str]:
    with open_store(load_settings().store_url) as store:
        rows = store.finding_rows(KEY, standings=("open", "fixed", "removed"), source="sarif:Lint")
    return {row["rule"]: row["standing"] for row in rows}


def test_what_was_imported_before_the_audit_is_carried_on_by_its_asset(instance, repository: Path, tmp_path: Path):
    done = imported(sarif(tmp_path, "A1", "B2"), head(repository))
    assert "they show when that commit is the last one audited" in done.output
    (event,) = audit(instance).asset_materializations_for_node("findings_imported")
    assert (event.metadata["dagster/row_count"].value, event.metadata["commit"].value) == (2, head(repository))
    assert standings() == {"EXT:Lint:A1": "open", "EXT:Lint:B2": "open"}
    with open_store(load_settings().store_url) as store:
        assert {row["rule"] for row in store.rule_counts(KEY)} >= {"EXT:Lint:A1", "EXT:Lint:B2"}
        assert store.tools_imported(KEY) == ["Lint"]
        seen = {row["last_commit"] for row in store.finding_rows(KEY, source="sarif:Lint")}
        assert seen == {head(repository)}


def test_an_imported_finding_has_a_life_and_never_a_score(instance, repository: Path, tmp_path: Path):
    audit(instance)
    with open_store(load_settings().store_url) as store:
        score = store.latest_rows()[0]["score"]
    assert "Lint: 2 open, 2 arrived, 0 fixed" in imported(sarif(tmp_path, "A1", "B2"), head(repository)).output
    assert "recorded before" in imported(sarif(tmp_path, "A1", "B2"), head(repository)).output
    assert "Lint: 1 open, 0 arrived, 1 fixed" in imported(sarif(tmp_path, "A1"), head(repository)).output
    assert standings() == {"EXT:Lint:A1": "open", "EXT:Lint:B2": "fixed"}
    with open_store(load_settings().store_url) as store:
        assert store.latest_rows()[0]["score"] == score


def test_a_tool_that_did_not_finish_fixes_nothing(instance, repository: Path, tmp_path: Path):
    audit(instance)
    imported(sarif(tmp_path, "A1"), head(repository))
    imported(sarif(tmp_path, is_successful=False), head(repository))
    assert standings() == {"EXT:Lint:A1": "open"}
    imported(sarif(tmp_path), head(repository))
    assert standings() == {"EXT:Lint:A1": "fixed"}


def test_a_commit_that_nothing_was_imported_for_fixes_nothing(instance, repository: Path, tmp_path: Path):
    audit(instance)
    imported(sarif(tmp_path, "A1"), head(repository))
    (repository / "more.py").write_text("x = 1\n")
    for arguments in (
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "feat: more of it"],
    ):
        subprocess.run(["git", "-C", repository, *arguments], check=True)
    session.facts_of.cache_clear()
    audit(instance)
    assert standings() == {"EXT:Lint:A1": "open"}


def test_bad_input_is_refused_by_name(instance, tmp_path: Path):
    assert "full id of the commit" in str(imported(sarif(tmp_path, "A1"), "HEAD").exception)
    broken = tmp_path / "broken.sarif"
    broken.write_text("{}")
    assert imported(broken, "a" * 40).exception is not None
