"""The image that the Dockerfile builds is the one that the chart's pods expect. No engine builds it here."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered_chart import CHART, MISSING, ROOT, TOOLS, VALUES, Render, containers_of, instance_of, named, pods_of

TEXT = (ROOT / "Dockerfile").read_text()
FINAL = TEXT[TEXT.rindex("\nFROM ") :]
IMAGE: dict[str, Any] = {
    "user": 10001,
    "state": "/var/lib/elder",
    "dagster_home": "/opt/dagster/home",
    "venv": "/opt/elder",
    "packages": {"git", "openssh-client"},
    "programs": {"elder", "dagster", "dagster-daemon", "dagster-webserver", "python"},
    "shell": {"sh", "mkdir", "cd", "printf", "git", "test", "grep", "echo"},
}
"""What the image holds; the harness of tests/k8s stands in for it with the same table."""


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in TEXT.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined)]


def test_hadolint_has_nothing_to_say():
    if not (TOOLS / "hadolint").exists():
        pytest.skip(MISSING)
    done = subprocess.run(
        [TOOLS / "hadolint", "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_a_numeric_user_that_is_not_root_and_has_no_healthcheck():
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users == [f"{IMAGE['user']}:{IMAGE['user']}"]
    assert "HEALTHCHECK" not in {name for name, _rest in instructions()}
    assert f"useradd --uid {IMAGE['user']} " in FINAL


def test_the_base_is_one_exact_version_in_both_stages():
    assert [rest.partition(" ")[0] for name, rest in instructions() if name == "FROM"] == ["${BASE}", "${BASE}"]
    (base,) = [rest for name, rest in instructions() if name == "ARG"]
    assert re.fullmatch(r"BASE=python:3\.1[123]\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", base)


def test_python_packages_are_pinned_by_hash_and_compiled():
    installs = re.findall(r"pip --python \S+ install ([^&\n]+)", TEXT)
    assert len(installs) == 2
    assert "--require-hashes" in installs[0]
    assert all("--compile" in part and "--no-deps" in part for part in installs)
    locked = (ROOT / "requirements" / "platform.txt").read_text()
    assert "dagster-k8s==" in locked
    assert "--hash=sha256:" in locked


def test_the_final_stage_holds_what_the_table_says_and_no_build_tools():
    installed = re.search(r"apt-get install -y --no-install-recommends ([\w .-]+?)\s*(?:\\|&&)", FINAL)
    assert installed is not None
    assert set(installed[1].split()) == IMAGE["packages"]
    assert [rest for name, rest in instructions() if name == "COPY"][
        -1
    ] == f"--from=build {IMAGE['venv']} {IMAGE['venv']}"
    environment = dict(re.findall(r"([A-Z_]+)=(\S+)", FINAL[FINAL.index("\nENV") :]))
    assert environment["ELDER_HOME"] == IMAGE["state"]
    assert environment["DAGSTER_HOME"] == IMAGE["dagster_home"]
    assert environment["PATH"].startswith(f"{IMAGE['venv']}/bin:")


def test_only_what_is_copied_is_sent_to_the_builder():
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    assert kept == copied
    assert all((ROOT / path).exists() for path in kept)
    packages = set(
        re.search(r"packages = \[([^\]]+)\]", (ROOT / "pyproject.toml").read_text())[1].replace('"', "").split(", ")
    )
    assert packages <= kept


def test_values_name_the_user_of_the_image():
    assert yaml.safe_load((CHART / "values.yaml").read_text())["pods"]["user"] == IMAGE["user"]


@pytest.mark.parametrize("name", VALUES)
def test_pods_ask_for_programs_and_folders_that_the_image_has(render: Render, name: str):
    objects = render(name, sets=("probe.enabled=true", "probe.repository=a/b/c"))
    settings = named(objects, "ConfigMap", "-settings")["data"]
    assert (settings["ELDER_HOME"], settings["DAGSTER_HOME"]) == (IMAGE["state"], IMAGE["dagster_home"])
    assert instance_of(objects)["run_launcher"]["config"]["dagster_home"] == IMAGE["dagster_home"]
    for where, pod in pods_of(objects).items():
        for container in containers_of(pod):
            program = container["command"][0]
            assert program in IMAGE["programs"] | {"sh"}, where
            mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert {"/tmp", IMAGE["state"]} <= mounts, where
    script = named(objects, "Pod", "-test")["spec"]["containers"][0]["command"][-1]
    called = {
        word for line in script.splitlines() for word in re.findall(r"(?:^|&& |\|\| )([a-z][\w-]*)", line.strip())
    }
    assert called <= IMAGE["programs"] | IMAGE["shell"]


def test_the_programs_come_with_the_locked_packages():
    scripts = {entry.name for entry in importlib.metadata.entry_points(group="console_scripts")}
    for program in IMAGE["programs"] - {"python"}:
        assert program in scripts or program in Path(ROOT / "pyproject.toml").read_text(), program
