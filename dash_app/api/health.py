"""Whether the control plane lives and can serve, and its figures for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from dash_app.api.errors import problem
from dash_app.api.parts import MetricsHere, StoreHere
from elder_assets.audit.errors import StoreError

router = APIRouter(tags=["health"])


@router.get("/health/live", summary="Whether the process answers")
async def live() -> dict[str, str]:
    """Answer without touching anything else."""
    return {"status": "live"}


@router.get("/health/ready", summary="Whether requests can be served", responses={503: {"description": "not yet"}})
def ready(store: StoreHere) -> JSONResponse:
    """The database answers and has the schema of this Elder."""
    try:
        store.check_ready()
    except StoreError as error:
        return problem(503, str(error), "not-ready")
    return JSONResponse({"status": "ready"})


@router.get("/metrics", summary="Figures in the text format of Prometheus", response_class=Response)
def metrics(figures: MetricsHere) -> Response:
    """Requests by route template and status."""
    return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)
