"""What Dagster keeps of runs, and what it is told to let go of."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from elder_assets.definitions import defs
from elder_assets.upkeep import let_go_of_runs

pytestmark = [pytest.mark.platform]
NAMES = dg.DynamicPartitionsDefinition(name="upkeep")
LATER = dt.timedelta(minutes=1)


@dg.asset(partitions_def=NAMES)
def audited(context: dg.AssetExecutionContext) -> None:
    """Fails when its run says so."""
    if "fails" in context.run.tags:
        raise dg.Failure("as asked")


@dg.asset_check(asset=audited)
def checked() -> dg.AssetCheckResult:
    """Passes."""
    return dg.AssetCheckResult(passed=True)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("upkeep", ["basket", "till"])
        yield made


def run(instance: dg.DagsterInstance, partition: str, **tags: str) -> str:
    made = dg.materialize(
        [audited, checked], instance=instance, partition_key=partition, tags=tags, raise_on_error=False
    )
    return made.run_id


def evaluations(instance: dg.DagsterInstance) -> set[str]:
    """Runs whose evaluation of the check is still kept."""
    found = instance.event_log_storage.get_asset_check_execution_history(checked.check_key, limit=100)
    return {record.run_id for record in found}


def test_the_last_success_of_a_partition_stays_and_older_runs_go(instance: dg.DagsterInstance):
    first, failed, last = run(instance, "basket"), run(instance, "basket", fails="yes"), run(instance, "basket")
    only, broken = run(instance, "till"), run(instance, "till", fails="yes")
    assert let_go_of_runs(instance, dt.datetime.now(dt.UTC) + LATER) == 3
    assert {found.run_id for found in instance.get_runs()} == {last, only}
    assert not instance.all_logs(first)
    assert not instance.all_logs(failed)
    assert not instance.all_logs(broken)
    assert evaluations(instance) == {last, only}
    assert instance.get_materialized_partitions(audited.key) == {"basket", "till"}
    assert let_go_of_runs(instance, dt.datetime.now(dt.UTC) + LATER) == 0


def test_young_runs_and_runs_under_way_stay(instance: dg.DagsterInstance):
    run(instance, "basket", fails="yes")
    assert let_go_of_runs(instance, dt.datetime.now(dt.UTC) - dt.timedelta(days=7)) == 0
    under_way = instance.create_run_for_job(defs.resolve_job_def("sweep"), status=dg.DagsterRunStatus.STARTED)
    assert let_go_of_runs(instance, dt.datetime.now(dt.UTC) + LATER) == 1
    assert [found.run_id for found in instance.get_runs()] == [under_way.run_id]


def test_pages_of_runs_are_all_gone_through(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("elder_assets.upkeep.RUNS_A_PAGE", 2)
    last = [run(instance, "basket") for _ in range(5)][-1]
    assert let_go_of_runs(instance, dt.datetime.now(dt.UTC) + LATER) == 4
    assert [found.run_id for found in instance.get_runs()] == [last]


@pytest.mark.parametrize(
    ("days", "said"),
    [("0", set()), ("7", {"before", "snapshots", "copies_of_findings", "live_events", "dagster_runs"})],
    ids=["everything is kept", "a week is kept"],
)
def test_the_job_says_what_went(
    instance: dg.DagsterInstance, home: Path, monkeypatch: pytest.MonkeyPatch, days: str, said: set[str]
):
    monkeypatch.setenv("ELDER_KEEP_DAYS", days)
    done = defs.resolve_job_def("upkeep").execute_in_process(instance=instance)
    (output,) = (event.step_output_data for event in done.all_node_events if event.is_successful_output)
    assert set(output.metadata) == said
