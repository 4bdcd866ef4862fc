"""The chart as objects: rendered by each helm that is here, for each values file."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "helm"
TOOLS = ROOT / "build" / "chart-tools"
MISSING = "the tools are not here: make chart-tools"
VALUES = sorted(path.stem for path in (CHART / "values").glob("*.yaml"))
MINIMAL = (
    "database.host=db.example.org",
    "database.existingSecret=elder-database",
    "secrets.existingSecret=elder",
)
OPERATOR = "monitoring.coreos.com/v1"
HELMS = ("helm3", "helm4")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C takes a tenth of the time."""
Objects = list[dict[str, Any]]
Render = Callable[..., Objects]


@functools.lru_cache(maxsize=256)
def _rendered(helm: str, files: tuple[str, ...], settings: tuple[str, ...], kubernetes: str) -> str:
    command = [str(TOOLS / helm), "template", "elder", str(CHART), "--namespace", "audits", "--api-versions", OPERATOR]
    command += ["--kube-version", kubernetes]
    for name in files:
        command += ["--values", str(CHART / "values" / f"{name}.yaml")]
    for setting in settings:
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(done.stderr)
    return done.stdout


@pytest.fixture(scope="session", params=HELMS)
def helm(request: pytest.FixtureRequest) -> str:
    if not (TOOLS / request.param).exists():
        pytest.skip(MISSING)
    return request.param


@pytest.fixture(scope="session")
def render() -> Render:
    """Objects of the chart: `render("production", sets=("a=b",))`; without a file, with the least that is required.

    By the newest helm that is here; a test of its own says that the other one renders the same.
    """
    helm = next((name for name in reversed(HELMS) if (TOOLS / name).exists()), None)
    if helm is None:
        pytest.skip(MISSING)

    def objects(*files: str, sets: tuple[str, ...] = (), kubernetes: str = "1.37") -> Objects:
        text = _rendered(helm, files, (*(() if files else MINIMAL), *sets), kubernetes)
        return [found for found in yaml.load_all(text, LOADER) if found]

    return objects


def named(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    """The one object of a kind whose name ends so."""
    found = [one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(name)]
    assert len(found) == 1, (kind, name, [one["metadata"]["name"] for one in objects if one["kind"] == kind])
    return found[0]


def pods_of(objects: Objects) -> dict[str, dict[str, Any]]:
    """Name of each workload to the spec of its pods."""
    found = {}
    for one in objects:
        spec = one.get("spec", {})
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if one["kind"] == "Pod":
            found[one["metadata"]["name"]] = spec
        elif "template" in spec:
            found[f"{one['kind']}/{one['metadata']['name']}"] = spec["template"]["spec"]
    return found


def instance_of(objects: Objects) -> dict[str, Any]:
    """The rendered `dagster.yaml`."""
    return yaml.safe_load(named(objects, "ConfigMap", "-dagster")["data"]["dagster.yaml"])


def containers_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """Every container of a pod."""
    return [*pod.get("initContainers", []), *pod["containers"]]
