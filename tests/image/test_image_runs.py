"""The image's steps carried out, and what came out of them used as a pod would: uid 10001, read-only root, empty /tmp.

`make image-test` builds and runs these; as root, with debootstrap and bubblewrap. The building takes minutes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.image, pytest.mark.slow]
ROOT = Path(__file__).parent.parent.parent
spec = importlib.util.spec_from_file_location("image_tool", ROOT / "tools" / "image.py")
image = importlib.util.module_from_spec(spec)
spec.loader.exec_module(image)
START_SECONDS_MAX = 120
MEGABYTES_MAX = 1300
"""Beyond the base, with byte-code, unpacked; a quarter of it travels. More is a package that somebody should look at."""


@pytest.fixture(scope="session")
def built() -> image.Built:
    folder = ROOT / "build" / "image"
    if not (folder / image.RECORD).exists():
        pytest.skip("nothing is built: make image-test")
    return image.last_built(folder)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, 10001, 10001)
    return folder


@pytest.fixture
def run(built: image.Built, state: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def one(*command: str, readable: tuple[tuple[Path, str], ...] = ()) -> subprocess.CompletedProcess[str]:
        argv = built.wrapped(list(command), (state, "/var/lib/elder"), readable=readable)
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)

    return one


def tiny_repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "README.md").write_text("# Basket\n\nAdds prices.\n")
    (folder / "basket.py").write_text("def total(prices):\n    return sum(prices)\n")
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], [*who, "commit", "-q", "-m", "feat: add prices"]):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    return folder


def test_it_is_not_root_and_can_write_nowhere_but_tmp_and_its_home(run):
    script = "id -u; for p in / /usr /opt/elder /etc /tmp /var/lib/elder; do [ -w $p ] && echo $p; done; cat /proc/self/status"
    said = run("sh", "-c", script).stdout
    assert said.splitlines()[0] == "10001"
    assert [line for line in said.splitlines() if line.startswith("/")] == ["/tmp", "/var/lib/elder"]
    assert "CapEff:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said


def test_the_command_line_answers(run):
    done = run("elder", "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: elder" in done.stdout


def test_a_tiny_repository_is_audited(run, tmp_path: Path):
    repository = tiny_repository(tmp_path / "basket")
    place = "/tmp/basket"
    done = run("elder", "audit", place, "--format", "json", readable=((repository, place),))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["repository"], report["status"]) == ("local/basket", "passed")


def test_byte_code_is_there_so_that_nothing_is_compiled_at_start(built: image.Built):
    packages = Path(built.root) / "opt/elder/lib/python3.11/site-packages"
    for name in ("dagster", "elder_assets", "resources", "sqlalchemy"):
        assert list((packages / name / "__pycache__").glob("*.pyc")), name


def test_the_code_server_starts_and_its_probe_succeeds(built: image.Built, state: Path, run):
    command = ["dagster", "api", "grpc", "--host=127.0.0.1", "--port=3939", "--module-name=elder_assets.definitions"]
    instance = state / "dagster"  # where the chart mounts a ConfigMap that names PostgreSQL
    instance.mkdir()
    os.chown(instance, 10001, 10001)
    argv = built.wrapped(command, (state, "/var/lib/elder"), (instance, "/opt/dagster/home"))
    server = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while run("dagster", "api", "grpc-health-check", "--port", "3939").returncode != 0:
            assert server.poll() is None, server.stderr.read()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(1)
    finally:
        server.terminate()
        server.wait(30)


def test_it_stays_within_its_size_and_keeps_nothing_of_the_build(built: image.Built):
    assert (built.image_bytes - built.base_bytes) / 1e6 < MEGABYTES_MAX
    assert not (Path(built.root) / "src").exists()
    assert not list((Path(built.root) / "var/lib/apt/lists").iterdir())
    assert not list((Path(built.root) / "opt/elder").rglob("pip.conf"))
