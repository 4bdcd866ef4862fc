"""The workflows of delivery: pinned, gated, least rights, no text of others in a shell. Nothing here runs them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / ".github" / "workflows"
NAMES = sorted(path.name for path in FOLDER.glob("*.yml"))


def workflow(name: str) -> dict[str, Any]:
    return yaml.load((FOLDER / name).read_text(), yaml.BaseLoader)  # noqa: S506 - makes texts only; `on` stays a word


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_pinned_to_commits_with_their_version_beside(name: str):
    uses = re.findall(r"uses: (\S+)(.*)", (FOLDER / name).read_text())
    assert uses
    for action, comment in uses:
        if action.startswith("./"):
            assert (ROOT / action).is_file(), action
        else:
            assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r"  # v\d+\.\d+\.\d+", comment), action


@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_others_write_becomes_part_of_a_script(name: str):
    for step in steps(name):
        assert "${{" not in step.get("run", ""), step.get("name")


@pytest.mark.parametrize("name", NAMES)
def test_rights_are_read_only_but_where_a_job_says_why(name: str):
    content = workflow(name)
    assert content["permissions"] == {"contents": "read"}
    writing = {job for job, body in content["jobs"].items() if "write" in body.get("permissions", {}).values()}
    assert writing <= {"image"}
    assert all("timeout-minutes" in job or "uses" in job for job in content["jobs"].values())
    assert all(
        step["with"]["persist-credentials"] == "false"
        for step in steps(name)
        if step.get("uses", "").startswith("actions/checkout@")
    )


def test_nothing_is_pushed_before_tests_and_scan_and_nothing_rolled_out_before_staging():
    jobs = workflow("deliver.yml")["jobs"]
    assert jobs["image"]["needs"] == "test"
    assert jobs["staging"]["needs"] == "image"
    assert jobs["production"]["needs"] == ["image", "staging"]
    order = [step.get("name") or step["uses"].partition("@")[0] for step in jobs["image"]["steps"]]
    wanted = ["name the image and pin its base", "build", "scan", "push", "sign"]
    assert [name for name in order if name in wanted] == wanted
    pushing = [step["name"] for step in jobs["image"]["steps"] if step.get("with", {}).get("push") == "true"]
    assert pushing == ["push"]


def test_what_is_rolled_out_is_what_was_signed_and_somebody_may_refuse():
    (job,) = workflow("roll-out.yml")["jobs"].values()
    assert job["environment"] == "${{ inputs.environment }}"
    names = [step.get("name") for step in job["steps"]]
    assert names.index("the image is ours") < names.index("roll out")
    callers = [
        body for body in workflow("deliver.yml")["jobs"].values() if body.get("uses", "").endswith("roll-out.yml")
    ]
    assert len(callers) == 3
    images = {body["with"].get("image") for body in callers} - {None}
    assert images == {"${{ needs.image.outputs.image }}"}
    offered = set(workflow("deliver.yml")["on"]["workflow_dispatch"]["inputs"]["step"]["options"])
    known = set(re.findall(r"^(\w+)\)$", (ROOT / "ops" / "rollout.sh").read_text(), re.MULTILINE))
    assert offered | {"rolling", "stage"} == known
