"""The control plane: REST API, webhooks, live updates and pages in one ASGI app. No globals, nothing at import."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from functools import partial

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from dash_app.api.errors import add_error_answers
from dash_app.api.routes import add_routes
from dash_app.failed_sign_ins import FailedSignIns
from dash_app.guard import Guard, is_loopback
from dash_app.live import LiveEvents
from dash_app.metrics import CountRequests, Metrics
from dash_app.pages_app import mount_pages
from dash_app.registration import Registrar
from elder_assets.audit.errors import StoreError
from elder_assets.version import elder_version
from resources.alerting.self_watch import SignInFailures, report_api, report_sign_ins
from resources.settings import Settings
from resources.store import Store

OPENAPI = "/api/v1/openapi.json"


@contextlib.asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    """What works beside requests, as long as the app is served: registrations and live events."""
    registrar: Registrar = app.state.registrar
    live: LiveEvents = app.state.live
    await live.start()
    await run_in_threadpool(registrar.start)
    yield
    await live.stop()
    registrar.stop()


def create_app(store: Store, settings: Settings) -> FastAPI:
    """The app over an open store; the caller closes the store."""
    app = FastAPI(
        title="Elder",
        summary="The guardian of code quality: registry, audits, findings, gates and teams.",
        version=elder_version(),
        openapi_url=OPENAPI,
        docs_url=None,
        redoc_url=None,
        lifespan=_running,
    )
    app.state.registrar, app.state.live = Registrar(store, settings), LiveEvents(store)
    metrics = Metrics(store, settings)
    app.state.store, app.state.settings, app.state.metrics = store, settings, metrics
    add_error_answers(app)
    add_routes(app, store, settings)
    mount_pages(app, store, settings)  # last, because pages answer whatever path is left
    failed = FailedSignIns(metrics.count_failed_sign_in, partial(_report_failures, store))
    app.add_middleware(Guard, store=store, failed=failed, is_local=is_loopback(settings.host))
    app.add_middleware(CountRequests, metrics=metrics, report=partial(_report, store))
    return app


def _report_failures(store: Store, failures: SignInFailures) -> None:
    """Tell the self-watch how many credentials were refused; what cannot be kept is still in the metrics."""
    with contextlib.suppress(StoreError):
        report_sign_ins(store, failures)


def _report(store: Store, p95_ms: float) -> None:
    """Tell the self-watch how slow the API was; what cannot be kept is not worth an answer."""
    with contextlib.suppress(StoreError):
        report_api(store, p95_ms, int(time.time()))
