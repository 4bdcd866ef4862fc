"""A signed push leads to one trace: delivery, decision, run, and what the run did, sent to a collector on loopback."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

dg = pytest.importorskip("dagster")
pytest.importorskip("opentelemetry.sdk")

from fastapi.testclient import TestClient  # noqa: E402
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: E402
from shop_host import KEY, commit  # noqa: E402
from test_inbox_sensor import calls, carry_out, registered, short_ticks, tick  # noqa: E402

from dash_app.app import create_app  # noqa: E402
from elder_assets.audit.errors import ConfigurationError  # noqa: E402
from elder_assets.audit.registry import MAGIC_ORDER  # noqa: E402
from resources.dagster_resources import ElderResource  # noqa: E402
from resources.observability import tracing  # noqa: E402
from resources.settings import Settings, load_settings  # noqa: E402
from resources.store import Store  # noqa: E402
from sensors.run_status import run_failed, run_succeeded  # noqa: E402

__all__ = ["calls", "registered", "short_ticks"]
pytestmark = [pytest.mark.platform]
SECRET = "a secret of the webhook, and long enough"


class Seen(msgspec.Struct, frozen=True):
    """A span as a collector gets it."""

    name: str
    trace: str
    span: str
    parent: str
    said: dict[str, Any]
    error: str
    events: int
    nanoseconds: int


class Collector:
    """An OTLP/HTTP collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.bodies: list[bytes] = []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.bodies.append(body)
                collector._read(body)
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _read(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans += [
                    Seen(
                        name=one.name,
                        trace=one.trace_id.hex(),
                        span=one.span_id.hex(),
                        parent=one.parent_span_id.hex(),
                        said={
                            item.key.removeprefix("elder."): getattr(item.value, item.value.WhichOneof("value"))
                            for item in one.attributes
                        },
                        error=one.status.message if one.status.code == 2 else "",
                        events=len(one.events),
                        nanoseconds=one.end_time_unix_nano - one.start_time_unix_nano,
                    )
                    for one in scope.spans
                ]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    made = Collector()
    monkeypatch.setenv("ELDER_TRACES", made.url)
    monkeypatch.setenv("SHOP_HOOK", SECRET)
    monkeypatch.setenv("ELDER_WEBHOOK_SECRETS", "github=env:SHOP_HOOK")
    yield made
    tracing._provider(made.url, 100).shutdown()
    tracing._provider.cache_clear()
    made.stop()


def push(store: Store, head: str, secret: str = SECRET) -> httpx.Response:
    """Deliver a signed push to the control plane, with a trace of a stranger's own in its headers."""
    payload = {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": head,
        "repository": {
            "id": 7, "full_name": "acme/shop", "default_branch": "main", "clone_url": "https://github.com/acme/shop.git",
            "html_url": "https://github.com/acme/shop", "name": "shop", "owner": {"login": "acme", "name": "acme"},
        },
        "commits": [],
    }  # fmt: skip
    body = json.dumps(payload).encode()
    headers = {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "3f0b1c9e-0000-4000-8000-000000000001",
        "X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
        "traceparent": f"00-{'e' * 32}-{'f' * 16}-01",
    }
    with TestClient(create_app(store, load_settings()), base_url="http://127.0.0.1:8321") as client:
        return client.post("/webhooks/github", content=body, headers=headers)


def test_one_trace_leads_from_a_signed_push_to_the_verdict(instance, store, calls, collector, git):
    head = git("rev-parse", "HEAD")
    assert push(store, head).status_code == 202
    (run,) = carried_out(instance, tick(instance))
    assert run.success
    tracing.flush(load_settings())
    spans = {one.span: one for one in collector.spans}
    assert len({one.trace for one in spans.values()}) == 1
    assert next(iter(spans.values())).trace != "e" * 32  # a stranger's trace is not gone on with
    paths = sorted(path(one, spans) for one in spans.values())
    judged = [("delivery", "decision", "run", "judging")] * len(MAGIC_ORDER)
    assert paths == sorted(
        [
            ("delivery",),
            ("delivery", "decision"),
            ("delivery", "decision", "run"),
            ("delivery", "decision", "run", "checkout"),
            ("delivery", "decision", "run", "facts"),
            *judged,
            ("delivery", "decision", "run", "store write"),
            ("delivery", "decision", "run", "verdict"),
            ("delivery", "decision", "run", "verdict", "report to host"),
        ]
    )
    said = {one.name: one.said for one in spans.values()}
    assert said["decision"] | {"waited_seconds": 0} == {
        "delivery": said["delivery"]["delivery"], "repository": KEY, "action": "push", "state": "queued",
        "waited_seconds": 0,
    }  # fmt: skip
    assert said["run"] == {"run": run.run_id, "job": "audit", "repository": KEY, "delivery": "1"}
    assert said["checkout"] == {"commit": head, "kind": "default"}
    assert (said["verdict"]["status"], said["report to host"]["is_delivered"]) == ("passed", True)
    assert {one.said["magic"] for one in spans.values() if one.name == "judging"} == set(MAGIC_ORDER)
    whole = next(one for one in spans.values() if one.name == "run")
    assert whole.nanoseconds > sum(one.nanoseconds for one in spans.values() if one.parent == whole.span) > 0
    sent = b"".join(collector.bodies)
    for private in (SECRET, "tok-1", "basket.py", "feat", "acme/shop.git", "ann@example.org"):
        assert private.encode() not in sent


def carried_out(instance: dg.DagsterInstance, result: Any) -> list[dg.ExecuteInProcessResult]:
    """What the daemon does with a tick, until the sensors that see runs end."""
    done = carry_out(instance, result)
    for one in done:
        (event,) = [
            event for event in one.all_events if event.event_type_value in {"PIPELINE_SUCCESS", "PIPELINE_FAILURE"}
        ]
        name = "run_succeeded" if one.success else "run_failed"
        context = dg.build_run_status_sensor_context(
            name, event, dagster_instance=instance, dagster_run=one.dagster_run, resources=RESOURCES
        )
        if one.success:
            run_succeeded(context)
        else:
            run_failed(context.for_run_failure())
    return done


RESOURCES = {"elder": ElderResource()}


def path(one: Seen, spans: dict[str, Seen]) -> tuple[str, ...]:
    return (*(path(spans[one.parent], spans) if one.parent else ()), one.name)


def test_a_change_request_has_its_judging_in_one_trace(instance, store, calls, collector, git, tmp_path):  # noqa: PLR0917 - fixtures
    from test_inbox_sensor import CONFLICT, change

    base = git("rev-parse", "HEAD")
    source = commit(git, tmp_path, "add a cart", CONFLICT, onto="refs/pull/7/head")
    change(store, store.repository(KEY).id, source, base)
    carried_out(instance, tick(instance))
    tracing.flush(load_settings())
    spans = {one.span: one for one in collector.spans}
    inside = ("decision", "run", "change request")
    assert {path(one, spans) for one in spans.values()} == {
        ("decision",), ("decision", "run"), inside, (*inside, "checkout"), (*inside, "judging"),
        (*inside, "store write"), (*inside, "report to host"),
    }  # fmt: skip
    assert len({one.trace for one in spans.values()}) == 1


def test_a_failure_says_its_kind_and_nothing_of_what_it_says(instance, store, registered, collector, git, shop):  # noqa: PLR0917 - fixtures
    push(store, git("rev-parse", "HEAD"))
    asked = tick(instance)
    shop.rename(shop.with_name("moved"))
    carried_out(instance, asked)
    tracing.flush(load_settings())
    found = {one.name: one for one in collector.spans}
    assert (found["checkout"].error, found["checkout"].events) == ("RepositoryNotFound", 0)
    assert (found["run"].error, found["checkout"].parent) == ("failed", found["run"].span)
    assert not any(str(shop).encode() in body for body in collector.bodies)


def test_a_delivery_that_is_refused_ends_its_trace(store, collector):
    assert push(store, "a" * 40, secret="another").status_code == 401
    tracing.flush(load_settings())
    (only,) = collector.spans
    assert (only.name, only.error, only.said["provider"]) == ("delivery", "WebhookRejected", "github")


def test_a_trace_is_kept_whole_or_not_at_all(monkeypatch, instance, store, registered, collector, git):  # noqa: PLR0917 - fixtures
    monkeypatch.setenv("ELDER_TRACE_SHARE", "0")
    push(store, git("rev-parse", "HEAD"))
    carried_out(instance, tick(instance))
    tracing.flush(load_settings())
    assert collector.spans == []
    monkeypatch.setenv("ELDER_TRACE_SHARE", "100")  # the row says that its trace is not kept, and a run obeys
    flags = store.inbox_row(1).document[tracing.CARRIED].rpartition("-")[2]
    assert int(flags, 16) & 1 == 0


def test_a_collector_that_is_away_costs_no_audit(monkeypatch, instance, store, registered, git):
    monkeypatch.setenv("ELDER_TRACES", "http://127.0.0.1:9")
    monkeypatch.setattr(tracing, "EXPORT_SECONDS", 0.5)
    monkeypatch.setenv("ELDER_WEBHOOK_SECRETS", "github=env:SHOP_HOOK")
    monkeypatch.setenv("SHOP_HOOK", SECRET)
    push(store, git("rev-parse", "HEAD"))
    (run,) = carry_out(instance, tick(instance))
    assert run.success
    tracing._provider("http://127.0.0.1:9", 100).shutdown()
    tracing._provider.cache_clear()


# --- off -------------------------------------------------------------------------------------------------------


def test_off_nothing_of_the_sdk_is_loaded_and_no_row_or_tag_carries_a_trace(instance, store, registered, git):
    with tracing.span(Settings(home=Path("/nowhere")), "delivery", parent="") as traced:
        traced.set(delivery=1)
    assert (traced, traced.carried) == (tracing.NOTHING, "")
    head = git("rev-parse", "HEAD")
    store.put_inbox(
        source="webhook", provider="github", delivery_id="one", action="push", repository_id=registered,
        document={"ref": "refs/heads/main", "before": "", "head": head, "is_default_branch": True},
    )  # fmt: skip
    (request,) = tick(instance).run_requests
    assert tracing.TRACE_TAG not in request.tags
    code = (
        "import sys, elder_assets.definitions, dash_app.app, resources.observability.tracing as t, resources.settings as s, pathlib\n"
        "with t.span(s.Settings(home=pathlib.Path('/x')), 'delivery'): pass\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(("share", "flag"), [(100, "01"), (0, "00")])
def test_a_run_that_no_delivery_asked_for_begins_a_trace_by_its_id(share: int, flag: str):
    settings = Settings(home=Path("/nowhere"), traces="http://collector:4318", trace_share=share)
    version, trace, span, flags = tracing.of_run(settings, "run one", "").split("-")
    digits = hashlib.sha256(b"run one").hexdigest()
    assert (version, trace, span, flags) == ("00", digits[16:48], digits[:16], flag)


def test_traces_without_their_packages_are_refused_at_the_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    tracing._provider.cache_clear()
    with pytest.raises(ConfigurationError, match=r"`make platform`"):
        tracing.check_installed(Settings(home=Path("/nowhere"), traces="http://collector:4318"))
