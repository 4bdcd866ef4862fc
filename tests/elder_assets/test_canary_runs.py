"""The ruler under trial judges the runs of its share, and lowering the share gives the old verdicts back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from elder_assets.assets import session
from elder_assets.audit.errors import ConfigurationError
from elder_assets.audit.ruler import default_ruler, load_ruler
from elder_assets.definitions import defs
from resources.audits import base_ruler, open_source, terms_for
from resources.settings import load_settings
from resources.store import open_store

pytestmark = [pytest.mark.platform]
KEY = "local/basket"  # place 10: out of a share of 10 %, in one of 25 %


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A ruler that no longer minds merge conflicts; its digest."""
    document = json.loads(default_ruler().document())
    document["rules"]["INT001"]["severity"] = "info"
    file = tmp_path / "ruler.json"
    file.write_text(json.dumps(document))
    monkeypatch.setenv("ELDER_CANARY_RULER", str(file))
    return load_ruler(file.read_bytes(), "ruler.json").digest


@pytest.fixture
def instance(repository: Path) -> Iterator[dg.DagsterInstance]:
    with open_store(load_settings().store_url) as store:
        store.add_repository(KEY, str(repository))
    with dg.DagsterInstance.ephemeral() as made:
        made.add_dynamic_partitions("repository", [KEY])
        yield made


def judged_by(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, share: int) -> tuple[str, float]:
    monkeypatch.setenv("ELDER_CANARY_SHARE", str(share))
    session.facts_of.cache_clear()
    session.terms_of.cache_clear()  # a run is a process of its own
    assert defs.resolve_job_def("audit").execute_in_process(instance=instance, partition_key=KEY).success
    with open_store(load_settings().store_url) as store:
        row = store.latest_rows()[0]
    return row["ruler"], row["score"]


def test_runs_follow_the_share_and_its_undo(instance, trial: str, monkeypatch: pytest.MonkeyPatch):
    old = judged_by(instance, monkeypatch, 0)
    assert judged_by(instance, monkeypatch, 10) == old
    new = judged_by(instance, monkeypatch, 25)
    assert old[0] == default_ruler().digest
    assert new[0] == trial
    assert new[1] > old[1]
    assert judged_by(instance, monkeypatch, 100) == new
    assert judged_by(instance, monkeypatch, 0) == old


def test_policies_move_the_ruler_under_trial(repository: Path, git, trial: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELDER_CANARY_SHARE", "100")
    (repository / "elder.yaml").write_text("version: 1\nrules:\n  STR013: {limits: {cognitive_max: 12}}\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "chore: a stricter limit")
    with open_source(str(repository), load_settings()) as opened:
        ruler = terms_for(opened).ruler
    assert str(ruler.rules["INT001"].severity) == "info"
    assert ruler.rules["STR013"].limits["cognitive_max"] == 12
    assert ruler.digest != trial


def test_a_lost_ruler_file_is_named(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELDER_CANARY_SHARE", "100")
    monkeypatch.setenv("ELDER_CANARY_RULER", str(tmp_path / "gone.json"))
    with (
        open_source(str(repository), load_settings()) as opened,
        pytest.raises(ConfigurationError, match=r"gone\.json"),
    ):
        base_ruler(opened)
