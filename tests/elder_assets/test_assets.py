"""The audit as Dagster assets: materialised in process on a tiny repository, whole, in part, and when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from elder_assets.assets import session
from elder_assets.audit.registry import catalogue
from elder_assets.audit.report import to_json
from elder_assets.cli import elder
from elder_assets.definitions import defs
from resources.settings import load_settings
from resources.store import open_store

pytestmark = [pytest.mark.platform, pytest.mark.xdist_group("dagster")]
KEY = "local/basket"


@pytest.fixture
def instance(repository: Path) -> Iterator[dg.DagsterInstance]:
    session.facts_of.cache_clear()
    with open_store(load_settings().store_url) as store:
        store.add_repository(KEY, str(repository))
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("repository", [KEY])
        yield made


def run(instance: dg.DagsterInstance, job: str = "audit", **options):
    partition = {} if job == "quality" else {"partition_key": KEY}
    return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **partition, **options)


def without_times(document: dict) -> dict:
    for magic in document["magics"].values():
        del magic["last_run"], magic["duration_ms"]
    return json.loads(json.dumps(document))


def test_an_audit_run_gives_the_verdict_of_the_command(instance, repository: Path):
    assert run(instance).success
    with open_store(load_settings().store_url) as store:
        recorded = to_json(store.verdict(store.newest_snapshot_id()), last_run="")
    printed = CliRunner().invoke(elder, ["audit", str(repository), "--format", "json"], standalone_mode=False)
    assert [finding["rule"] for finding in recorded["findings"]].count("INT001") == 1
    assert without_times(recorded) == without_times(json.loads(printed.stdout))


def test_every_materialisation_says_what_it_measured(instance):
    result = run(instance)
    for magic in catalogue().magics:
        (event,) = result.asset_materializations_for_node(f"findings_{magic.name}")
        assert {"commit", "ruler", "score", "status", "findings", "duration_ms"} <= set(event.metadata)
    (event,) = result.asset_materializations_for_node("scores")
    with open_store(load_settings().store_url) as store:
        assert event.metadata["status"].value == store.verdict(store.newest_snapshot_id()).status.value


def test_one_magic_can_be_materialised_alone(instance):
    assert run(instance).success
    session.facts_of.cache_clear()
    alone = run(instance, asset_selection=[dg.AssetKey("findings_integrity")])
    assert alone.success
    assert len(alone.asset_materializations_for_node("findings_integrity")) == 1


def test_the_second_audit_has_the_first_as_its_baseline(instance, repository: Path, git):
    first = git(repository, "rev-parse", "HEAD")
    assert run(instance).success
    (repository / "shop" / "cart.py").write_text("x = 1\n")
    git(repository, "commit", "-qam", "fix: resolve")
    assert run(instance).success
    with open_store(load_settings().store_url) as store:
        verdict = store.verdict(store.newest_snapshot_id())
        assert len(store.snapshots()) == 2
    assert verdict.baseline == first
    assert not [finding for finding in verdict.findings if finding.rule == "INT001"]


def test_a_repository_that_is_gone_fails_its_partition_with_the_reason(instance, repository: Path):
    repository.rename(repository.with_name("moved"))
    result = run(instance)
    assert not result.success
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert "cannot audit local/basket" in failure.step_failure_data.error.to_string()
    with open_store(load_settings().store_url) as store:
        assert store.newest_snapshot_id() == 0


def test_the_quality_run_evaluates_every_expectation_check(instance):
    assert run(instance).success
    evaluations = run(instance, "quality").get_asset_check_evaluations()
    names = {f"findings_{magic.name}" for magic in catalogue().magics} | {"scores"}
    assert {evaluation.asset_key.path[0] for evaluation in evaluations} == names
    assert all(evaluation.passed for evaluation in evaluations)


def test_a_suite_names_the_column_that_breaks():
    import pandas as pd

    from elder_assets.audit.frames import OUTCOMES, frame
    from elder_assets.checks.suites import validate

    row = {"audit_key": "k1:" + "0" * 64, "repository": KEY, "revision": "a" * 40, "magic": "git", "rule": "GIT001",
           "status": "pass", "reason": "", "units": 3, "affected": 0, "duration_ms": 0.1}  # fmt: skip
    good = frame(OUTCOMES, [row])
    assert validate(OUTCOMES, good) == []
    bad = pd.concat([good, frame(OUTCOMES, [{**row, "rule": "GIT002", "units": -1, "status": "fine"}])])
    words = " ".join(validate(OUTCOMES, bad.reset_index(drop=True)))
    assert "units" in words
    assert "status" in words
    assert "duration_ms" not in words


def test_a_frame_that_breaks_its_schema_is_never_recorded(instance, monkeypatch: pytest.MonkeyPatch):
    from elder_assets.assets import scores

    monkeypatch.setattr(scores, "verdict_frames", lambda verdict: {"scores": _negative(verdict)})
    assert not run(instance).success
    engine = sa.create_engine(load_settings().store_url)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM snapshots")) == 0
    engine.dispose()


def _negative(verdict):
    from elder_assets.audit.frames import verdict_frames

    frame = verdict_frames(verdict)["scores"].copy()
    frame["findings"] = -1
    return frame
