"""The audit as Dagster assets: materialised in process on a tiny repository, whole, in part, and when it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from elder_assets.assets import findings, scores, session
from elder_assets.audit import engine
from elder_assets.audit.registry import catalogue
from elder_assets.audit.report import to_json
from elder_assets.audit.suppression import Applied
from elder_assets.cli import elder
from elder_assets.definitions import defs
from resources.audits import today
from resources.settings import load_settings
from resources.store import open_store

pytestmark = [pytest.mark.platform]
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
        verdict = store.verdict(store.newest_snapshot_id())
    recorded = to_json(Applied(verdict=verdict, evaluated_on=today()), last_run="")
    printed = CliRunner().invoke(elder, ["audit", str(repository), "--format", "json"], standalone_mode=False)
    assert [finding["rule"] for finding in recorded["findings"]].count("INT001") == 1
    assert without_times(recorded) == without_times(json.loads(printed.stdout))


def test_every_materialisation_says_what_it_measured(instance):
    result = run(instance)
    measured = {"commit", "ruler", "score", "status", "coverage_share", "eligible_files", "duration_s"}
    for magic in catalogue().magics:
        (event,) = result.asset_materializations_for_node(f"findings_{magic.name}")
        assert measured | {"dagster/row_count", "worst_findings"} <= set(event.metadata)
    (event,) = result.asset_materializations_for_node("scores")
    assert measured | {"findings", "snapshot"} <= set(event.metadata)
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
    assert "cannot audit local/basket" in failure_of(run(instance), "repositories")
    assert snapshots_kept() == 0


def test_the_quality_run_evaluates_every_expectation_check(instance):
    assert run(instance).success
    evaluations = run(instance, "quality").get_asset_check_evaluations()
    names = {f"findings_{magic.name}" for magic in catalogue().magics} | {"scores", "team_scorecards"}
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
    real = scores.verdict_frames
    monkeypatch.setattr(scores, "verdict_frames", lambda verdict: _broken(real(verdict), "scores", "findings"))
    result = run(instance)
    assert failed_checks(result) == {("scores", "frame_schema")}
    assert "scores.findings: '-1' is not at least 0" in failure_of(result, "scores")
    assert snapshots_kept() == 0


def test_findings_that_break_their_schema_are_neither_handed_on_nor_recorded(
    instance, home: Path, monkeypatch: pytest.MonkeyPatch
):
    real = findings.magic_frames

    def one_magic_is_broken(identity, magic, found, outcomes):
        frames = dict(zip(("findings", "outcomes"), real(identity, magic, found, outcomes), strict=True))
        return tuple((_broken(frames, "outcomes", "units") if magic == "tdd" else frames).values())

    monkeypatch.setattr(findings, "magic_frames", one_magic_is_broken)
    result = run(instance)
    assert failed_checks(result) == {("findings_tdd", "frame_schema")}
    assert result.asset_materializations_for_node("findings_git")
    assert not result.asset_materializations_for_node("scores")
    assert not list((home / "frames" / "findings_tdd").glob("*.json"))
    assert snapshots_kept() == 0


def test_a_lost_outcome_fails_the_conservation_check(instance, monkeypatch: pytest.MonkeyPatch):
    real = scores.outcomes_of
    monkeypatch.setattr(scores, "outcomes_of", lambda frame: real(frame)[:-1])
    assert failed_checks(run(instance)) == {("scores", "no_finding_is_lost")}
    assert snapshots_kept() == 0


def test_a_rule_that_fails_is_a_red_light_and_a_recorded_error(instance, monkeypatch: pytest.MonkeyPatch):
    rule = catalogue().rule("INT001")

    def ask(asked, *others):
        if asked is rule:
            raise ZeroDivisionError("no units")
        return real(asked, *others)

    real = engine._ask
    monkeypatch.setattr(engine, "_ask", ask)
    result = run(instance)
    assert result.success
    assert failed_checks(result) == {("findings_integrity", "every_rule_answers")}
    with open_store(load_settings().store_url) as store:
        assert store.verdict(store.newest_snapshot_id()).status.value == "error"


def test_scores_refuse_findings_of_another_audit(instance, repository: Path, git):
    assert run(instance).success
    (repository / "shop" / "cart.py").write_text("x = 1\n")
    git(repository, "commit", "-qam", "fix: resolve")
    part = [dg.AssetKey(name) for name in ("repositories", "facts", "findings_git", "scores")]
    result = run(instance, asset_selection=part)
    assert "findings_integrity is of another audit; materialise it again" in failure_of(result, "scores")
    assert snapshots_kept() == 1


def test_a_repository_that_was_removed_is_not_audited(instance):
    with open_store(load_settings().store_url) as store:
        store.remove_repository(KEY)
    assert "cannot audit local/basket: it was removed on" in failure_of(run(instance), "repositories")


def test_steps_that_share_no_memory_give_the_same_verdict(instance):
    whole = run(instance)
    for name in ("repositories", "facts", *(f"findings_{magic.name}" for magic in catalogue().magics), "scores"):
        session.facts_of.cache_clear()
        assert run(instance, asset_selection=[dg.AssetKey(name)]).success
    assert whole.success
    with open_store(load_settings().store_url) as store:
        events = store.audit_events(store.newest_snapshot_id())
    assert len(events) == 2
    assert len({event["content_digest"] for event in events}) == 1


def failed_checks(result) -> set[tuple[str, str]]:
    return {(e.asset_key.to_user_string(), e.check_name) for e in result.get_asset_check_evaluations() if not e.passed}


def failure_of(result, step: str) -> str:
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure and event.step_key == step]
    return failure.step_failure_data.error.to_string()


def snapshots_kept() -> int:
    with open_store(load_settings().store_url) as store:
        return len(store.snapshots())


def _broken(frames: dict, name: str, column: str) -> dict:
    content = frames[name].copy()
    content[column] = -1
    return {**frames, name: content}


def test_a_run_says_which_tier_its_repository_needs(instance):
    result = run(instance)
    assert instance.get_run_by_id(result.run_id).tags["elder/fits"] == "micro"
    said = result.asset_materializations_for_node("facts")[0].metadata["tier"].value
    assert said.startswith("micro: 4 files, 0 MiB, 1 commits: up to 185 MiB")
