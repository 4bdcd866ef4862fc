"""Rules and dashboards: every metric that they name is exported, every rule is tested, files are as they are written."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from fastapi.testclient import TestClient
from filled import fill
from prometheus_client import generate_latest

from dash_app import metrics
from dash_app.app import create_app
from resources.settings import Settings
from resources.store import open_store
from resources.store.inbox import InboxDecision

pytestmark = pytest.mark.platform

ROOT = Path(__file__).parent.parent
OPS = ROOT / "ops"
FILES = ROOT / "helm" / "files"
NAME = re.compile(r"\belder(?:_[a-z]+)+\b")
RECORDED = re.compile(r"\belder(?::[a-z0-9_]+)+\b")
# Comes from Prometheus itself.
FOREIGN = {"up"}


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", OPS / "dashboards.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rules() -> list[dict[str, object]]:
    return [rule for group in yaml.safe_load((FILES / "rules.yaml").read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    drawn = [line for panels in loaded().DASHBOARDS.values() for panel in panels for line, _ in panel.lines]
    return [*drawn, *(str(rule["expr"]) for rule in rules())]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of series in `/metrics` of a control plane in which everything has happened once."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), backup_minutes_max=60)
    with pytest.MonkeyPatch.context() as patch, open_store(settings.store_url) as store:
        patch.setattr(metrics, "REFRESH_SECONDS", -1)
        app = create_app(store, settings)
        client = TestClient(app, base_url="http://127.0.0.1:8321", client=("127.0.0.1", 50000))
        client.get("/health/live")
        client.get("/metrics")  # counters begin here
        fill(store._engine, 3)
        key = store.repositories(with_removed=True)[0].key
        put = store.ask_audit(key, source="api", delivery_id="one")
        store.decide_inbox([InboxDecision(row=put.row, state="queued", reason="")])
        store.finish_inbox(put.row, state="done", result={})
        text = generate_latest(app.state.metrics.registry).decode()  # tokens exist now, so the path asks for one
    help_lines = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    return help_lines | set(re.findall(r"^(elder\w+)", text, re.MULTILINE))


def test_every_metric_that_is_named_is_exported(exported: set[str]):
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert named - FOREIGN <= exported
    assert len(named) > 20


def test_every_series_that_is_exported_is_looked_at_somewhere(exported: set[str]):
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    families = {re.sub(r"_(total|created|bucket|count|sum)$", "", name) for name in exported}
    looked_at = {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in named}
    assert families - looked_at <= {"elder_team_repositories"}


def test_every_recorded_series_that_is_named_is_recorded():
    recorded = {str(rule["record"]) for rule in rules() if "record" in rule}
    named = {name for expression in expressions() for name in RECORDED.findall(expression)}
    assert named == recorded


def test_every_alert_says_what_to_do_and_its_runbook_exists():
    for rule in rules():
        if "alert" in rule:
            assert set(rule["annotations"]) == {"summary", "description", "runbook"}, rule["alert"]
            assert (ROOT / "docs" / "runbooks" / rule["annotations"]["runbook"]).is_file(), rule["alert"]
            assert rule["labels"]["severity"] in {"page", "ticket"}


def test_the_dashboards_are_as_the_script_writes_them():
    assert {file.name: file.read_text() for file in (FILES / "dashboards").glob("*.json")} == loaded().written()


def test_panels_do_not_overlap_and_have_ids_of_their_own():
    for text in loaded().written().values():
        panels = json.loads(text)["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
        assert len(set(places)) == len(places)
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, cwd=OPS)


def test_the_rules_are_valid():
    result = promtool("check", "rules", str(FILES / "rules.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_alerts_fire_when_they_should_and_only_then():
    result = promtool("test", "rules", "rules_test.yaml")
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_expression_of_a_dashboard_is_valid(tmp_path: Path):
    lines = [re.sub(r"\$__rate_interval", "5m", line) for line in expressions()]
    content = [{"record": f"x:{number}", "expr": line} for number, line in enumerate(lines)]
    file = tmp_path / "expressions.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": content}]}))
    result = promtool("check", "rules", str(file))
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_that_pages_has_a_test():
    tested = set(re.findall(r"alertname: (\w+)", (OPS / "rules_test.yaml").read_text()))
    paging = {str(rule["alert"]) for rule in rules() if "alert" in rule and rule["labels"]["severity"] == "page"}
    assert paging <= tested
