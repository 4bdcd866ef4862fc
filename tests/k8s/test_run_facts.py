"""The facts depot of the chart, in two run pods after each other: the second one's disk is empty, and it measures nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

dg = pytest.importorskip("dagster")
import sqlalchemy as sa  # noqa: E402
from test_run_pod import Installation, Render, containers_of, launched, pods_of, render, tiny_repository  # noqa: E402

from resources.store import open_store, tables  # noqa: E402

__all__ = ["render"]
pytestmark = [pytest.mark.platform, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def installation(
    render: Render, tmp_path: Path, empty_postgres: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    made = Installation(render(sets=("factsDepot.existingClaim=facts",)), tmp_path, empty_postgres)
    for name in ("ELDER_HOME", "DAGSTER_HOME", "ELDER_DATABASE_URL", "DAGSTER_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, made.environment[name])
    for container in containers_of(pods_of(made.objects)["Job/elder-migrate"]):
        made.must(container["command"])
    yield made
    (tmp_path / "dagster").chmod(0o755)


def test_the_second_pod_measures_nothing_that_the_first_one_knew(installation: Installation):
    asked = installation.environment["ELDER_FACTS_DEPOT"]
    assert asked == "file:///var/lib/elder-depot"
    depot = installation.folder / "depot"  # where the claim would be mounted
    repository = tiny_repository(installation.folder / "basket")
    installation.must(["elder", "repo", "add", str(repository)])
    for number in (1, 2):
        disk = installation.folder / f"pod-{number}"
        (disk / "tmp").mkdir(parents=True)
        with dg.DagsterInstance.get() as instance:
            run_id, container = launched(installation, instance)
            own = {"ELDER_HOME": str(disk / "home"), "TMPDIR": str(disk / "tmp"), "ELDER_FACTS_DEPOT": depot.as_uri()}
            done = installation.run(container.args, ELDER_TIER="small", **own)
            assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.SUCCESS, done.stderr[-3000:]
    assert [path.name for path in depot.rglob("*") if path.is_file()] == ["basket.db.zst"]
    with open_store(installation.environment["ELDER_DATABASE_URL"]) as store, store._reading() as connection:
        costs = tables.costs
        columns = (costs.c.blobs_known, costs.c.blobs_measured)
        rows = [tuple(row) for row in connection.execute(sa.select(*columns).order_by(costs.c.id))]
    assert [measured for _known, measured in rows] == [2, 0]
