"""The lines of a run are JSON with ELDER_LOG=json, and as Dagster writes them without."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from elder_assets.assets import session
from elder_assets.definitions import defs
from resources.observability.logs import OURS, JsonLines
from resources.observability.run_lines import run_lines
from resources.settings import load_settings
from resources.store import open_store

pytestmark = [pytest.mark.platform]
KEY = "local/basket"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """With a repository that is not there: its audit fails."""
    session.facts_of.cache_clear()
    with open_store(load_settings().store_url) as store:
        store.add_repository(KEY, str(tmp_path / "gone"))
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("repository", [KEY])
        yield made
    for name in OURS:
        logger = logging.getLogger(name)
        logger.propagate = True
        logger.handlers = [one for one in logger.handlers if not isinstance(one.formatter, JsonLines)]


def failed_audit(instance: dg.DagsterInstance) -> str:
    """The id of its run."""
    job = defs.resolve_job_def("audit")
    done = job.execute_in_process(instance=instance, partition_key=KEY, raise_on_error=False)
    assert not done.success
    return done.run_id


def test_with_json_each_line_of_a_run_is_an_object_that_names_run_job_and_step(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("ELDER_LOG", "json")
    run_id = failed_audit(instance)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    of_dagster = [line for line in lines if line["logger"] == "dagster"]
    assert {(line["run"], line["job"]) for line in of_dagster} == {(run_id, "audit")}
    assert {line["level"] for line in of_dagster} == {"error"}  # what went well is in Dagster's own event log
    failures = [line for line in of_dagster if "Execution of step" in line["message"]]
    assert failures
    assert all(line["step"] for line in failures)


def test_without_it_they_are_those_of_dagster(instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]):
    run_id = failed_audit(instance)
    written = capsys.readouterr().err
    assert f" - dagster - DEBUG - audit - {run_id} - " in written
    assert f" - dagster - ERROR - audit - {run_id} - " in written


def test_every_job_asks_for_the_logger_in_each_run():
    jobs = [job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")]
    assert len(jobs) >= 9
    for job in jobs:
        partitioned = job.partitioned_config
        config = job.run_config if partitioned is None else partitioned.get_run_config_for_partition_key(KEY)
        assert config == {"loggers": {"console": {"config": {}}}}, job.name
        assert list(job.loggers) == ["console"], job.name


@pytest.mark.parametrize(("is_terminal", "level"), [(True, logging.INFO), (False, logging.DEBUG)])
def test_at_a_terminal_the_events_of_a_run_do_not_hide_the_rest(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, level: int
):
    monkeypatch.delenv("ELDER_LOG", raising=False)
    stream = io.StringIO()
    stream.isatty = lambda: is_terminal
    monkeypatch.setattr("sys.stderr", stream)
    context = dg.build_init_logger_context(logger_config={})
    assert run_lines(context).level == level
