"""Writes the Grafana dashboards into `helm/files/dashboards/`: python ops/dashboards.py (make docs does).

A dashboard is a list of panels; place and ids follow from the order. The data source is a variable, so the same file
serves every Grafana.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent.parent / "helm" / "files" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT, COLUMNS = 8, 7, 3


class Panel(NamedTuple):
    """One picture: its title, how it is drawn, its unit, and (expression, legend) of each line."""

    title: str
    kind: str
    unit: str
    lines: tuple[tuple[str, str], ...]
    description: str = ""


OPERATIONS = (
    Panel("Audits by outcome", "timeseries", "ops", (("sum by (outcome) (elder:audits:rate2m)", "{{outcome}}"),)),
    Panel(
        "Share of audits that fail",
        "stat",
        "percentunit",
        (("elder:audit_failures:ratio2m", "failing"),),
        "Pages above 10 %.",
    ),
    Panel("Inbox", "timeseries", "short", (("max by (state) (elder_inbox_rows)", "{{state}}"),)),
    Panel(
        "Oldest delivery without a decision",
        "timeseries",
        "s",
        (("max(elder_inbox_lag_seconds)", "lag"),),
        "Pages above five minutes.",
    ),
    Panel("From delivery to verdict, 95 %", "timeseries", "s", (("elder:delivery_seconds:p95_1h", "p95"),)),
    Panel(
        "Deliveries that ended",
        "timeseries",
        "ops",
        (
            (
                "sum by (state) (max by (source, state) (rate(elder_deliveries_ended_total[$__rate_interval])))",
                "{{state}}",
            ),
        ),
    ),
    Panel(
        "Deliveries received",
        "timeseries",
        "ops",
        (("max by (source) (rate(elder_deliveries_received_total[$__rate_interval]))", "{{source}}"),),
    ),
    Panel(
        "Blobs that were known",
        "stat",
        "percentunit",
        (("elder:facts_known:ratio1h", "known"),),
        "The facts caches' hit rate.",
    ),
    Panel(
        "Time to measure a repository, 95 %",
        "timeseries",
        "s",
        (
            (
                "histogram_quantile(0.95, max by (le, tier) (rate(elder_facts_seconds_bucket[$__rate_interval])))",
                "{{tier}}",
            ),
        ),
    ),
    Panel(
        "Heartbeats",
        "timeseries",
        "s",
        (("max by (process) (elder_heartbeat_age_seconds)", "{{process}}"),),
        "Pages above a minute.",
    ),
    Panel(
        "Notices that are late",
        "timeseries",
        "s",
        (("max(elder_alert_lag_seconds)", "lag"), ("max by (state) (elder_notices)", "{{state}}")),
    ),
    Panel("Runs that may go at once", "timeseries", "short", (("max by (by) (elder_run_limit)", "{{by}}"),)),
    Panel(
        "Age of the last good backup",
        "timeseries",
        "s",
        (("max(elder_backup_age_seconds)", "age"), ("max(elder_backup_age_limit_seconds)", "most")),
    ),
    Panel("Git hosts that rest", "stat", "short", (("max(elder_git_hosts_resting)", "hosts"),)),
    Panel(
        "Requests",
        "timeseries",
        "reqps",
        (("sum by (status) (rate(elder_http_requests_total[$__rate_interval]))", "{{status}}"),),
    ),
    Panel(
        "API requests slower than 200 ms",
        "timeseries",
        "percentunit",
        (("elder:api_slow:ratio5m", "5 min"), ("elder:api_slow:ratio1h", "1 h")),
    ),
    Panel(
        "Requests that fail",
        "timeseries",
        "percentunit",
        (("elder:http_errors:ratio5m", "5 min"), ("elder:http_errors:ratio6h", "6 h")),
    ),
)
BUSINESS = (
    Panel("Mean score", "stat", "none", (("max(elder_score_mean)", "score"),), "Of audited repositories, 0 to 100."),
    Panel("Repositories", "timeseries", "short", (("max by (state) (elder_repositories)", "{{state}}"),)),
    Panel("Open findings", "timeseries", "short", (('max by (state) (elder_findings{state="open"})', "{{state}}"),)),
    Panel("Score by team", "bargauge", "none", (("max by (team) (elder_team_score)", "{{team}}"),)),
    Panel("Open findings by team", "bargauge", "short", (("max by (team) (elder_team_open_findings)", "{{team}}"),)),
    Panel(
        "Failed repositories by team",
        "bargauge",
        "short",
        (("max by (team) (elder_team_failed_repositories)", "{{team}}"),),
    ),
    Panel(
        "Changes judged", "timeseries", "short", (("max by (status) (increase(elder_gates_total[1d]))", "{{status}}"),)
    ),
    Panel(
        "CPU by team",
        "timeseries",
        "short",
        (("sum by (team) (elder:cpu_seconds:rate1h)", "{{team}}"),),
        "CPU seconds a second: processors in use.",
    ),
    Panel("CPU by magic", "timeseries", "short", (("sum by (magic) (elder:cpu_seconds:rate1h)", "{{magic}}"),)),
)
SECURITY = (
    Panel(
        "Open critical and high findings",
        "timeseries",
        "short",
        (('max by (state) (elder_findings{state=~"critical|high"})', "{{state}}"),),
    ),
    Panel(
        "Credentials refused",
        "timeseries",
        "reqps",
        (("sum by (kind) (rate(elder_sign_in_failures_total[$__rate_interval]))", "{{kind}}"),),
    ),
    Panel(
        "Requests that were not allowed",
        "timeseries",
        "reqps",
        (('sum(rate(elder_http_requests_total{status="403"}[$__rate_interval]))', "403"),),
    ),
    Panel(
        "Webhooks refused",
        "timeseries",
        "reqps",
        (
            (
                'sum by (status) (rate(elder_http_requests_total{route=~"/webhooks/.*",status=~"4.."}[$__rate_interval]))',
                "{{status}}",
            ),
        ),
    ),
    Panel("Tokens that expire within a week", "stat", "short", (("max(elder_tokens_expiring)", "tokens"),)),
    Panel("Versions in use", "table", "none", (("count by (version) (elder_build_info)", "{{version}}"),)),
)
COMPLIANCE = (
    Panel(
        "Repositories audited",
        "stat",
        "percentunit",
        (('max(elder_repositories{state="audited"}) / max(elder_repositories{state="registered"})', "audited"),),
    ),
    Panel("Not audited for two days", "timeseries", "short", (('max(elder_repositories{state="stale"})', "stale"),)),
    Panel("Cannot be audited", "timeseries", "short", (('max(elder_repositories{state="failing"})', "failing"),)),
    Panel(
        "Findings left alone by decision",
        "timeseries",
        "short",
        (('max(elder_findings{state="suppressed"})', "suppressed"),),
    ),
    Panel(
        "Requests that nobody has decided", "stat", "short", (("max(elder_suppression_requests_pending)", "requests"),)
    ),
    Panel(
        "Share of repositories that pass",
        "timeseries",
        "percentunit",
        (('max(elder_repositories{state="passed"}) / max(elder_repositories{state="audited"})', "passed"),),
    ),
)
DASHBOARDS = {"operations": OPERATIONS, "business": BUSINESS, "security": SECURITY, "compliance": COMPLIANCE}


def dashboard(name: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    """A dashboard as Grafana imports it."""
    return {
        "uid": f"elder-{name}",
        "title": f"Elder: {name}",
        "tags": ["elder"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}]
        },
        "panels": [drawn(index, panel) for index, panel in enumerate(panels)],
    }


def drawn(index: int, panel: Panel) -> dict[str, Any]:
    """A panel at its place."""
    row, column = divmod(index, COLUMNS)
    return {
        "id": index + 1,
        "title": panel.title,
        "description": panel.description,
        "type": panel.kind,
        "datasource": SOURCE,
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend, "datasource": SOURCE}
            for number, (expression, legend) in enumerate(panel.lines)
        ],
    }


def written() -> dict[str, str]:
    """Every file by its name."""
    return {f"{name}.json": json.dumps(dashboard(name, panels), indent=2) + "\n" for name, panels in DASHBOARDS.items()}


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in written().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
