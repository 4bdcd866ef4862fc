"""The script that every pipeline file runs, and that the files name what is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml
from test_same_result import Shop, basket

from elder_assets.cli import elder as command

ROOT = Path(__file__).parents[2]
FILES = ("action.yml", "docs/ci/gitlab-ci.yml", "docs/ci/azure-pipelines.yml", "docs/ci/bitbucket-pipelines.yml")
TORN = "def pay(prices:\n    return prices\n"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path / "shop")
    made.commit("feat: open", {"shop/basket.py": basket(1), "README.md": "# Shop\n\nRun it.\n"})
    made.git("update-ref", "refs/remotes/origin/main", "HEAD")
    made.git("checkout", "-q", "-b", "change")
    return made


def run(shop: Shop, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    elder = tmp_path / "elder"
    elder.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m elder_assets "$@"\n')
    elder.chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ELDER_HOME": str(tmp_path / "home"), **variables,
    }  # fmt: skip
    script = ["bash", ROOT / "docs" / "ci" / "gate.sh", elder]
    return subprocess.run(script, cwd=shop.folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("how", ["BASE", "BASE_BRANCH", "BEFORE"])
def test_a_new_defect_fails_the_pipeline_and_is_in_the_reports(tmp_path: Path, shop: Shop, how: str):
    before = shop.git("rev-parse", "HEAD")
    shop.commit("feat: pay", {"shop/pay.py": TORN})
    result = run(shop, tmp_path, **{how: "main" if how == "BASE_BRANCH" else before})
    assert result.returncode == 1, result.stderr
    assert "## Elder: failed" in (shop.folder / "elder.md").read_text()
    sarif = msgspec.json.decode((shop.folder / "elder-sarif" / "elder.sarif").read_bytes())
    assert [found["ruleId"] for found in sarif["runs"][0]["results"]] == ["STR001"]


def test_a_good_change_passes_and_github_gets_its_summary(tmp_path: Path, shop: Shop):
    shop.commit("feat: more", {"shop/more.py": "def more(prices):\n    return len(prices)\n"})
    files = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "GITHUB_OUTPUT": str(tmp_path / "output")}
    result = run(shop, tmp_path, BASE_BRANCH="main", **files)
    assert result.returncode == 0, result.stderr
    assert "## Elder: passed" in (tmp_path / "summary").read_text()
    assert "elder-sarif" in (tmp_path / "output").read_text()


TRAIN = {"CI_MERGE_REQUEST_EVENT_TYPE": "merge_train"}
RESULT = {"CI_MERGE_REQUEST_EVENT_TYPE": "merged_result"}


def train(shop: Shop) -> dict[str, str]:
    """A good change on a train behind a request that brings a defect; what GitLab says of it."""
    base = shop.git("rev-parse", "HEAD")
    shop.commit("feat: more", {"shop/more.py": "def more(prices):\n    return len(prices)\n"})
    shop.git("checkout", "-q", "-b", "ahead", "main")
    shop.commit("feat: pay", {"shop/pay.py": TORN})
    shop.git("checkout", "-q", "-b", "train", "main")
    for request in ("ahead", "change"):
        shop.git("merge", "-q", "--no-ff", "-m", f"Merge {request}", request)
    return {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": base}


@pytest.mark.parametrize("event", [TRAIN, RESULT], ids=["merge train", "merged result"])
def test_gitlab_judges_a_request_by_what_it_adds_to_what_is_ahead_of_it(
    tmp_path: Path, shop: Shop, event: dict[str, str]
):
    said = train(shop)
    assert run(shop, tmp_path, **said).returncode == 1
    result = run(shop, tmp_path, **said, **event)
    assert result.returncode == 0, result.stderr
    assert "## Elder: passed" in (shop.folder / "elder.md").read_text()


def test_a_defect_on_a_merge_train_fails(tmp_path: Path, shop: Shop):
    said = train(shop)
    shop.git("checkout", "-q", "--detach", "HEAD^1")
    assert run(shop, tmp_path, **said, **TRAIN).returncode == 1


def test_a_fast_forward_train_is_judged_with_all_its_commits(tmp_path: Path, shop: Shop):
    """The last commit is good; its first parent is another commit of the same request."""
    base = shop.git("rev-parse", "HEAD")
    shop.commit("feat: pay", {"shop/pay.py": TORN})
    shop.commit("feat: more", {"shop/more.py": "def more(prices):\n    return len(prices)\n"})
    assert run(shop, tmp_path, **TRAIN, CI_MERGE_REQUEST_TARGET_BRANCH_SHA=base).returncode == 1


def expression(text: str, event: dict) -> str:
    """What GitHub makes of a variable of the action that names events and inputs, joined by `||`."""
    for path in re.findall(r"[\w.]+", text.strip("${} ")):
        value = event
        for part in path.split("."):
            value = value.get(part) or {} if isinstance(value, dict) else {}
        if value:
            return value
    return ""


def test_github_judges_a_merge_group_from_what_it_stands_on(tmp_path: Path, shop: Shop):
    train(shop)
    shas = {"base_sha": shop.git("rev-parse", "HEAD^1"), "head_sha": shop.git("rev-parse", "HEAD")}
    event = {"github": {"event": {"merge_group": {**shas, "base_ref": "refs/heads/main"}}}, "inputs": {"base": ""}}
    variables = yaml.safe_load((ROOT / "action.yml").read_text())["runs"]["steps"][0]["env"]
    read = {name: expression(text, event) for name, text in variables.items()}
    assert read["BASE"] == shas["base_sha"]
    assert run(shop, tmp_path, **read | {"TARGET": "."}).returncode == 0
    shop.git("checkout", "-q", "--detach", "HEAD^1")
    ahead = {**read, "BASE": shop.git("rev-parse", "HEAD^1"), "TARGET": "."}
    assert run(shop, tmp_path, **ahead).returncode == 1


def test_the_first_push_of_a_branch_audits_everything(tmp_path: Path, shop: Shop):
    shop.commit("feat: pay", {"shop/pay.py": TORN})
    result = run(shop, tmp_path, BEFORE="0" * 40)
    assert "no base to compare with" in result.stderr
    assert result.returncode == 1


def test_a_base_that_is_not_there_ends_with_2(tmp_path: Path, shop: Shop):
    assert run(shop, tmp_path, BASE="nowhere").returncode == 2


@pytest.mark.parametrize("name", [*FILES, ".pre-commit-hooks.yaml"])
def test_every_pipeline_file_is_yaml(name: str):
    assert yaml.safe_load((ROOT / name).read_text())


@pytest.mark.parametrize("name", [*FILES, "docs/ci/Jenkinsfile"])
def test_every_pipeline_file_runs_the_script_that_is_there(name: str):
    text = (ROOT / name).read_text()
    assert "docs/ci/gate.sh" in text
    assert "requirements/base.txt" in text
    assert (ROOT / "requirements" / "base.txt").is_file()


def test_the_script_uses_options_that_the_command_has():
    known = {option for parameter in command.commands["gate"].params for option in parameter.opts}
    used = set(re.findall(r"--[a-z-]+", (ROOT / "docs" / "ci" / "gate.sh").read_text()))
    assert used <= known
