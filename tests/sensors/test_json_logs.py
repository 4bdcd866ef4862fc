"""Each line about a delivery, a decision and an audit names what it is about."""

from __future__ import annotations

import io
import json
import logging

import pytest

dg = pytest.importorskip("dagster")
pytest.importorskip("opentelemetry.sdk")

from shop_host import KEY  # noqa: E402
from test_inbox_sensor import carry_out, registered, short_ticks, tick  # noqa: E402
from test_tracing import SECRET, push  # noqa: E402

from resources.observability.logs import OURS, JsonLines  # noqa: E402

__all__ = ["registered", "short_ticks"]
pytestmark = [pytest.mark.platform]


def test_lines_of_webhook_inbox_and_audit_name_delivery_run_and_repository(
    monkeypatch: pytest.MonkeyPatch, instance, store, registered, git
):
    written = io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    for name, value in {
        "ELDER_LOG": "json",
        "SHOP_HOOK": SECRET,
        "ELDER_WEBHOOK_SECRETS": "github=env:SHOP_HOOK",
    }.items():
        monkeypatch.setenv(name, value)
    from resources.observability.logs import set_up
    from resources.settings import load_settings

    set_up(load_settings())
    head = git("rev-parse", "HEAD")
    push(store, head, secret="another")
    push(store, head)
    (run,) = carry_out(instance, tick(instance))
    for name in OURS:
        logger = logging.getLogger(name)
        logger.propagate = True
        logger.handlers = [one for one in logger.handlers if not isinstance(one.formatter, JsonLines)]
    lines = [json.loads(line) for line in written.getvalue().splitlines() if line.startswith('{"at"')]
    said = [(line["logger"], line["message"].partition(":")[0]) for line in lines]
    assert said == [
        ("elder.webhooks", "a delivery to /webhooks/github was refused"),
        ("elder.webhooks", "push from github"),
        ("elder.inbox", "queued"),
        ("elder.audits", "audit started"),
        ("elder.audits", f"default at {head[:12]}"),
    ]
    assert [line.get("repository") for line in lines] == [None, KEY, KEY, KEY, KEY]
    assert [line.get("delivery") for line in lines] == [None, 1, 1, 1, 1]
    assert [line.get("run") for line in lines] == [None, None, None, run.run_id, run.run_id]
    assert SECRET not in written.getvalue()
