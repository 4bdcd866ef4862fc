"""The past as Dagster assets: many weeks in one run, chosen weeks, one week, and what a re-scoring does."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from elder_assets.audit.history import week_start
from elder_assets.definitions import defs
from elder_assets.jobs import weekly_history
from resources.settings import load_settings
from resources.store import open_store

pytestmark = [pytest.mark.platform]
KEY = "local/basket"
WEEK = 7 * 86_400


@pytest.fixture
def mondays() -> list[str]:
    """The Mondays of the last five weeks, the running one last."""
    newest = week_start(int(time.time()))
    return [dt.datetime.fromtimestamp(newest - back * WEEK, dt.UTC).strftime("%Y-%m-%d") for back in range(4, -1, -1)]


def week_name(monday: str) -> str:
    year, week, _ = dt.date.fromisoformat(monday).isocalendar()
    return f"{year}-W{week:02}"


@pytest.fixture
def instance(tmp_path: Path, mondays: list[str]) -> Iterator[dg.DagsterInstance]:
    """A repository with a commit four, three and one weeks ago."""
    import os
    import subprocess

    folder = tmp_path / "basket"
    folder.mkdir()
    for number, monday in enumerate((mondays[0], mondays[1], mondays[3])):
        (folder / f"part{number}.py").write_text(f"def total{number}(prices):\n    return sum(prices)\n")
        (folder / "test_part.py").write_text(
            "def test_total():\n    assert " + ("True" if number < 2 else "1 == one()")
        )
        environment = {
            "PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null",
            **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
               (("NAME", "Ann"), ("EMAIL", "ann@example.org"), ("DATE", f"{monday}T10:00:00Z"))},
        }  # fmt: skip
        for arguments in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", f"feat: part {number}")):
            subprocess.run(["git", "-C", folder, *arguments], env=environment, check=True)
    with open_store(load_settings().store_url) as store:
        store.add_repository(KEY, str(folder))
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("repository", [KEY])
        yield made


def fill(instance: dg.DagsterInstance, **tags: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("fill_history").execute_in_process(
        instance=instance, partition_key=KEY, tags=tags, raise_on_error=False
    )


def materialise(instance: dg.DagsterInstance, monday: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey("history")],
        partition_key=dg.MultiPartitionKey({"repository": KEY, "week": monday}),
        raise_on_error=False,
    )


def materialised(instance: dg.DagsterInstance) -> set[str]:
    keys = instance.get_materialized_partitions(dg.AssetKey("history"))
    return {key.split("|")[1] for key in keys}


def weeks() -> list[tuple[str, str, str]]:
    with open_store(load_settings().store_url) as store:
        frame = store.weeks(repository=KEY)
    whole = frame[frame["magic"] == ""]
    return list(zip(whole["week"], whole["commit"], whole["state"], strict=True))


def test_one_run_fills_every_week_of_a_repository(instance, mondays):
    assert fill(instance).success
    assert materialised(instance) == set(mondays)
    found = weeks()
    assert [week for week, _, _ in found] == mondays
    assert [state for _, _, state in found] == ["final"] * 4 + ["provisional"]
    assert found[1][1] == found[2][1]  # nothing landed in the third week
    assert len({commit for _, commit, _ in found}) == 3


def test_tags_choose_the_weeks(instance, mondays):
    assert fill(instance, **{"elder/from_week": week_name(mondays[1]), "elder/to_week": week_name(mondays[2])}).success
    assert materialised(instance) == {mondays[1], mondays[2]}


@pytest.mark.parametrize(("first", "last"), [("2026-W10", "2026-W09"), ("last week", "2026-W09")])
def test_weeks_that_make_no_sense_are_refused(instance, first, last):
    assert not fill(instance, **{"elder/from_week": first, "elder/to_week": last}).success
    assert materialised(instance) == set()


def test_a_second_run_adds_no_rows_and_judges_nothing(instance, mondays):
    fill(instance)
    before = weeks()
    assert fill(instance).success
    with open_store(load_settings().store_url) as store:
        assert len(store.weeks(repository=KEY)) == 5 * 9
    assert weeks() == before


def test_one_week_can_be_materialised_as_an_asset(instance, mondays):
    result = materialise(instance, mondays[1])
    assert result.success
    assert materialised(instance) == {mondays[1]}
    assert [week for week, _, _ in weeks()] == [mondays[1]]


def test_a_week_before_the_first_commit_fails_by_name(instance):
    result = materialise(instance, "2023-01-02")
    assert not result.success
    assert "no commit yet in the week of 2023-01-02" in str(result.all_events)


def test_the_rescore_job_scores_every_repository(instance):
    result = defs.resolve_job_def("rescore").execute_in_process(instance=instance, raise_on_error=False)
    assert result.success
    assert len(weeks()) == 5
    again = defs.resolve_job_def("rescore").execute_in_process(instance=instance)
    (output,) = [event for event in again.all_events if event.event_type_value == "STEP_OUTPUT"]
    assert output.step_output_data.metadata["judged_anew"].value == 0


def test_the_weekly_schedule_asks_for_every_repository(instance, home: Path):
    monday, elder = dt.datetime(2026, 3, 2, 4, tzinfo=dt.UTC), defs.resources["elder"]
    (home / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as local:
        context = dg.build_schedule_context(instance=local, scheduled_execution_time=monday, resources={"elder": elder})
        assert [request.partition_key for request in weekly_history(context)] == [KEY]
