"""`ops/rollout.sh` with a cluster that remembers: real helm renders what it is asked to install, a record stands for the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered_chart import CHART, HELMS, LOADER, MINIMAL, MISSING, ROOT, TOOLS, named

OLD, NEW = f"1.0.0@sha256:{'a' * 64}", f"1.1.0@sha256:{'b' * 64}"
FAKE = '''#!{python}
"""helm over a folder: revisions are files with values and objects; the real helm renders and judges the values."""
import json, pathlib, subprocess, sys
import yaml
state = pathlib.Path({state!r})
words = sys.argv[1:]
assert words[:2] == ["--namespace", "audits"], words
words = words[2:]
with (state / "calls").open("a") as log:
    log.write(json.dumps(words) + "\\n")
verb = words[0]
revisions = sorted(state.glob("*.json"))
if verb == "status":
    sys.exit(0 if revisions else 1)
if verb == "get":
    print(json.dumps(json.loads(revisions[-1].read_text())["values"]))
elif verb in ("install", "upgrade"):
    rest = words[3:]
    if "--timeout" in rest:
        at = rest.index("--timeout")
        del rest[at : at + 2]
        rest.remove("--wait")
    values = {{}}
    done = subprocess.run([{helm!r}, "template", words[1], words[2], *rest], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    def put(path, value):
        tree = values
        *parents, last = path.split(".")
        for name in parents:
            tree = tree.setdefault(name, {{}})
        tree[last] = value
    def merge(tree, other):
        for name, value in other.items():
            tree[name] = merge(tree.get(name) or {{}}, value) if isinstance(value, dict) else value
        return tree
    for flag, given in zip(rest[::2], rest[1::2]):
        if flag == "--values":
            merge(values, yaml.safe_load(pathlib.Path(given).read_text()) or {{}})
        elif flag == "--set-file":
            name, _, file = given.partition("=")
            put(name, pathlib.Path(file).read_text())
        else:
            for part in given.split(","):
                name, _, value = part.partition("=")
                put(name, int(value) if flag == "--set" and value.isdigit() else value)
    record = {{"values": values, "text": done.stdout}}
    (state / f"{{len(revisions):03}}.json").write_text(json.dumps(record))
    if (state / "broken").exists():
        sys.exit("timed out waiting for the condition")
elif verb == "rollback":
    (state / f"{{len(revisions):03}}.json").write_text(revisions[-2].read_text())
elif verb == "test":
    sys.exit(1 if (state / "sick").exists() else 0)
'''


class Cluster:
    """One release."""

    def __init__(self, folder: Path, helm: str) -> None:
        self.state = folder / "state"
        self.state.mkdir()
        self.helm = folder / "helm"
        self.helm.write_text(FAKE.format(python=sys.executable, state=str(self.state), helm=str(TOOLS / helm)))
        self.helm.chmod(0o755)
        self.values = folder / "values.yaml"
        tree: dict[str, Any] = {"audits": {"maxConcurrent": 7}}
        for setting in MINIMAL:
            path, _, value = setting.partition("=")
            tree.setdefault(path.split(".")[0], {})[path.split(".")[1]] = value
        self.values.write_text(yaml.safe_dump(tree))

    def roll(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HELM": str(self.helm), "NAMESPACE": "audits",
            "VALUES": str(self.values), "CHART": str(CHART), **more,
        }  # fmt: skip
        return subprocess.run(
            ["bash", str(ROOT / "ops" / "rollout.sh"), *arguments],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def must(self, *arguments: str, **more: str) -> str:
        done = self.roll(*arguments, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def record(self) -> dict[str, Any]:
        return json.loads(max(self.state.glob("*.json")).read_text())

    def images(self) -> dict[str, str]:
        objects = [one for one in yaml.load_all(self.record["text"], LOADER) if one]
        return {
            one["metadata"]["name"].removeprefix("elder-"): one["spec"]["template"]["spec"]["containers"][0]["image"]
            for one in objects
            if one["kind"] == "Deployment"
        }

    def serving(self) -> str:
        objects = [one for one in yaml.load_all(self.record["text"], LOADER) if one]
        return named(objects, "Service", "-control-plane")["spec"]["selector"]["elder/colour"]

    def calls(self) -> list[str]:
        return [json.loads(line)[0] for line in (self.state / "calls").read_text().splitlines()]


@pytest.fixture(params=HELMS)
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Cluster:
    if not (TOOLS / request.param).exists():
        pytest.skip(MISSING)
    return Cluster(tmp_path, request.param)


def test_a_version_is_installed_and_then_replaced_and_tested(cluster: Cluster):
    assert "first token" in cluster.must("rolling", IMAGE=OLD)
    assert set(cluster.images().values()) == {f"elder@{OLD.partition('@')[2]}"}
    cluster.must("rolling", IMAGE=NEW)
    assert set(cluster.images().values()) == {f"elder@{NEW.partition('@')[2]}"}
    assert cluster.calls() == ["status", "install", "status", "get", "upgrade", "test"]


@pytest.mark.parametrize("trouble", ["broken", "sick"])
def test_a_version_that_does_not_come_up_is_taken_back(cluster: Cluster, trouble: str):
    cluster.must("rolling", IMAGE=OLD)
    (cluster.state / trouble).touch()
    done = cluster.roll("rolling", IMAGE=NEW)
    assert (done.returncode, "going back" in done.stderr) == (1, True)
    assert set(cluster.images().values()) == {f"elder@{OLD.partition('@')[2]}"}


def test_blue_green_looks_before_it_leaps_and_goes_back(cluster: Cluster):
    cluster.must("rolling", IMAGE=OLD)
    cluster.must("stage", IMAGE=NEW)
    images = cluster.images()
    assert cluster.serving() == "blue"
    assert (images["control-plane-blue"], images["control-plane-green"]) == (f"elder:{OLD}", f"elder:{NEW}")
    assert images["daemon"] == f"elder@{OLD.partition('@')[2]}"
    cluster.must("switch")
    assert cluster.serving() == "green"
    assert cluster.images()["daemon"] == f"elder@{NEW.partition('@')[2]}"
    cluster.must("undo")
    assert cluster.serving() == "blue"
    assert cluster.images()["daemon"] == f"elder@{OLD.partition('@')[2]}"


def test_the_next_roll_out_keeps_colour_and_canary(cluster: Cluster, tmp_path: Path):
    ruler = tmp_path / "ruler.json"
    ruler.write_text('{"rules": {"a": 1, "b": [1, 2]}}')
    cluster.must("rolling", IMAGE=OLD)
    cluster.must("stage", IMAGE=NEW)
    cluster.must("switch")
    cluster.must("canary", "25", RULER=str(ruler))
    cluster.must("rolling", IMAGE=NEW)
    values = cluster.record["values"]
    assert (values["rollout"]["active"], values["canary"]) == ("green", {"share": 25, "ruler": ruler.read_text()})
    assert values["audits"] == {"maxConcurrent": 7}
    cluster.must("canary", "0")
    assert cluster.record["values"]["canary"]["share"] == 0


@pytest.mark.parametrize(
    ("arguments", "image"),
    [(("rolling",), "1.0.0"), (("stage",), "1.0.0@sha256:abc"), (("rolling",), "a,b=c@sha256:" + "a" * 64), ((), OLD),
     (("canary", "33"), OLD)],
)  # fmt: skip
def test_what_is_not_exact_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], image: str):
    cluster = Cluster(tmp_path, "helm4")
    assert cluster.roll(*arguments, IMAGE=image).returncode == 2
    assert not (cluster.state / "calls").exists()
