"""Teams in Dagster and on the command line: the asset, its sensor, and `elder scorecard`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner, Result

from elder_assets.assets import session
from elder_assets.cli import elder
from elder_assets.definitions import defs
from resources.dagster_resources import ElderResource
from resources.settings import load_settings
from resources.store import open_store
from sensors.scorecards import read_cursor, scorecard_sensor

pytestmark = [pytest.mark.platform]
KEY = "local/basket"


@pytest.fixture
def instance(repository: Path) -> Iterator[dg.DagsterInstance]:
    """A registered repository of team payments, and one that is not there."""
    session.facts_of.cache_clear()
    session.terms_of.cache_clear()
    with open_store(load_settings().store_url) as store:
        store.add_repository(KEY, str(repository))
        store.add_repository("local/gone", str(repository / "gone"))
        store.add_team("payments", "Payments")
        for key in (KEY, "local/gone"):
            store.assign(key, "payments")
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("repository", [KEY, "local/gone"])
        yield made


def run(instance: dg.DagsterInstance, job: str, key: str) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, partition_key=key)


def tick(instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"elder": ElderResource()})
    return scorecard_sensor(context)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(elder, arguments, standalone_mode=False)


def test_a_team_is_refreshed_when_its_repository_was_audited(instance):
    first = tick(instance)
    assert [request.partition_key for request in first.run_requests] == ["payments"]
    assert [request.partition_keys for request in first.dynamic_partitions_requests] == [["payments"]]
    instance.add_dynamic_partitions("team", ["payments"])
    assert isinstance(tick(instance, first.cursor), dg.SkipReason)
    assert run(instance, "audit", KEY).success
    second = tick(instance, first.cursor)
    assert [request.partition_key for request in second.run_requests] == ["payments"]
    assert second.run_requests[0].run_key != first.run_requests[0].run_key
    assert not run(instance, "audit", "local/gone").success
    assert [r.partition_key for r in tick(instance, second.cursor).run_requests] == ["payments"]


def test_a_team_that_was_taken_away_loses_its_partition(instance):
    instance.add_dynamic_partitions("team", ["payments", "old"])
    found = tick(instance)
    assert [request.partition_keys for request in found.dynamic_partitions_requests] == [["old"]]


@pytest.mark.parametrize("cursor", [None, "", "x", "[1, 2]", "7", '["a"]'])
def test_a_cursor_that_is_none_begins_anew(cursor: str | None):
    assert read_cursor(cursor) == (0, 0, 0, 0, 0)


def test_the_asset_records_a_row_for_every_repository_and_names_them(instance):
    assert run(instance, "audit", KEY).success
    assert not run(instance, "audit", "local/gone").success
    instance.add_dynamic_partitions("team", ["payments"])
    made = run(instance, "scorecards", "payments")
    assert made.success
    (event,) = made.asset_materializations_for_node("team_scorecards")
    assert event.metadata["repositories"].value == [KEY, "local/gone"]
    assert (event.metadata["not_audited"].value, event.metadata["level"].value) == (1, "none")
    with open_store(load_settings().store_url) as store:
        content = store.scorecard("payments")
    whole = content[content["magic"] == ""].set_index("repository")
    assert whole.loc["local/gone", "reason"].startswith("cannot be audited since ")
    assert whole.loc[KEY, "score"] > 0
    assert run(instance, "scorecards", "payments").success  # the running week is written again, not twice
    with open_store(load_settings().store_url) as store:
        assert len(store.scorecard("payments")) == len(content)
    quality = defs.resolve_job_def("quality").execute_in_process(instance=instance)
    passed = {check.asset_key.to_user_string(): check.passed for check in quality.get_asset_check_evaluations()}
    assert passed["team_scorecards"]


def test_the_command_shows_what_the_next_level_lacks(instance):
    assert run(instance, "audit", KEY).success
    assert not run(instance, "audit", "local/gone").success
    shown = command("scorecard", "payments").output
    assert shown.startswith("payments: 2 repositories, level none\nbronze: ")
    assert "cannot be audited since " in shown
    document = json.loads(command("scorecard", "payments", "--format", "json").output)
    assert document["standing"]["repositories"] == 2
    assert {row["magic"] for row in document["rows"] if row["repository"] == KEY} > {"", "tdd"}
    assert command("scorecard", "payments", "--format", "csv").output.startswith("team,week,repository,magic,status")


def test_teams_are_registered_and_given_repositories_on_the_command_line(instance, tmp_path: Path):
    assert command("team", "add", "search").output == "added search\n"
    assert command("team", "assign", "search", KEY).output == f"{KEY} belongs to search\n"
    assert command("team", "list").output == f"payments  local/gone\nsearch  {KEY}\n"
    policy = tmp_path / "search.yaml"
    policy.write_text("version: 1\nprofil: startup\n")
    assert "did you mean 'profile'?" in str(command("team", "policy", "search", str(policy)).exception)
    policy.write_text("version: 1\nprofile: startup\n")
    assert command("team", "policy", "search", str(policy), "--author", "ann", "--comment", "we ship").exception is None
    shown = command("team", "policy", "search").output
    assert "ann: we ship" in shown
    assert "profile: startup" in shown
    assert "no team 'serch'; known: payments, search" in str(command("scorecard", "serch").exception)


def test_the_central_policy_judges_the_next_audit(instance):
    assert run(instance, "audit", KEY).success
    with open_store(load_settings().store_url) as store:
        before = store.latest(KEY)
        store.set_policy("payments", "version: 1\nprofile: enterprise\n", "ann")
    session.terms_of.cache_clear()
    session.facts_of.cache_clear()
    assert run(instance, "audit", KEY).success
    with open_store(load_settings().store_url) as store:
        assert store.latest(KEY).ruler != before.ruler
        assert store.latest_rows()[0]["profile"] == "enterprise"
        *_, count = store.counts(KEY)
    assert (count["new"], count["unveiled"], count["fixed"], count["removed"]) == (0, 0, 0, 0)


def commit(repository: Path, message: str, files: dict[str, str]) -> None:
    for name, content in files.items():
        (repository / name).write_text(content)
    for arguments in (["add", "-A"], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", message]):
        subprocess.run(["git", "-C", repository, *arguments], check=True)
    session.terms_of.cache_clear()
    session.facts_of.cache_clear()


def test_a_lower_limit_unveils_old_code_and_blames_nobody(instance, repository: Path):
    body = "".join(
        f"    if a > {n}:\n        for b in range({n}):\n            if b:\n                a += b\n" for n in range(3)
    )
    commit(repository, "feat: sum it all up", {"total.py": f"def total(a):\n{body}    return a\n"})
    assert run(instance, "audit", KEY).success
    policy = "version: 1\nrules: {STR013: {limits: {cognitive_max: 6, cognitive_notice: 3}}}\n"
    commit(repository, "chore: be stricter", {"elder.yaml": policy})
    assert run(instance, "audit", KEY).success
    with open_store(load_settings().store_url) as store:
        (row,) = [row for row in store.finding_rows(KEY) if row["rule"] == "STR013"]
        assert (row["arrival"], row["introduced_commit"]) == ("unveiled", None)
        assert store.counts(KEY)[-1]["new"] == 0
    commit(repository, "feat: sum it up again", {"again.py": f"def again(a):\n{body}    return a\n"})
    assert run(instance, "audit", KEY).success
    with open_store(load_settings().store_url) as store:
        rows = {row["path"]: row for row in store.finding_rows(KEY) if row["rule"] == "STR013"}
        latest = store.latest(KEY)
    assert (rows["again.py"]["arrival"], rows["total.py"]["arrival"]) == ("new", "unveiled")
    assert rows["again.py"]["introduced_commit"] == rows["again.py"]["introduced_change"] == latest.commit


def test_single_settings_are_previewed_and_saved_on_the_command_line(instance):
    assert run(instance, "audit", KEY).success
    shown = command("team", "set", "payments", "profile=enterprise", "weights.tdd=3", "--preview").output
    assert "weights.tdd: 1 -> 3\n" in shown
    assert "nothing is saved" in shown
    saved = command("team", "set", "payments", "profile=enterprise", "weights.tdd=3", "--reason", "audited next year")
    assert saved.output.startswith("version 1 of the policy of payments is saved")
    command("team", "set", "payments", "weights.tdd=", "scorecard.levels.gold.score=95", "--reason", "as the others")
    with open_store(load_settings().store_url) as store:
        document = store.policies("payments")[0].document
    gold = {
        "score": 95,
        "coverage": 95,
        "critical": 0,
        "high": 0,
        "magics": {"tdd": 80, "strict": 80},
        "audited_days": 7,
    }
    assert yaml.safe_load(document) == {"version": 1, "profile": "enterprise", "scorecard": {"levels": {"gold": gold}}}
    assert "allowed: a whole number from 0 to 100" in str(command("team", "set", "payments", "weights.tdd=x").exception)
    assert "begins with profile" in str(command("team", "set", "payments", "suppressions.x=1").exception)
