"""Blocking checks inside an audit run: milliseconds each, so that bad rows are never published (META010)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from elder_assets.audit.frames import FINDINGS, FrameSchema, problems
from elder_assets.audit.model import Coverage, Verdict

if TYPE_CHECKING:
    import pandas as pd

FRAME_SCHEMA = "frame_schema"
COVERAGE = "coverage_is_accounted_for"
CONSERVATION = "no_finding_is_lost"


def schema_result(asset: str, *content: tuple[FrameSchema, pd.DataFrame]) -> dg.AssetCheckResult:
    """Every frame keeps its schema."""
    broken = [problem for schema, frame in content for problem in problems(schema, frame)]
    return dg.AssetCheckResult(
        check_name=FRAME_SCHEMA,
        asset_key=asset,
        passed=not broken,
        metadata={"rows": sum(len(frame) for _, frame in content), "problems": "; ".join(broken) or "none"},
    )


def coverage_result(coverage: Coverage) -> dg.AssetCheckResult:
    """Eligible files = analysed files + files skipped with a reason."""
    unexplained = coverage.eligible - coverage.analysed - sum(bool(item.reason) for item in coverage.skipped)
    skipped = [f"- `{item.path}`: {item.reason}" for item in coverage.skipped[:50]]
    return dg.AssetCheckResult(
        check_name=COVERAGE,
        asset_key="facts",
        passed=unexplained == 0,
        metadata={
            "eligible_files": coverage.eligible,
            "analysed_files": coverage.analysed,
            "unexplained_files": unexplained,
            "skipped": dg.MetadataValue.md("\n".join(skipped) or "none"),
        },
    )


def conservation_result(verdict: Verdict, judged: Mapping[str, Mapping[str, Any]]) -> dg.AssetCheckResult:
    """The verdict holds as many findings as the magics yielded."""
    yielded = sum(len(part[FINDINGS.name]) for part in judged.values())
    return dg.AssetCheckResult(
        check_name=CONSERVATION,
        asset_key="scores",
        passed=yielded == len(verdict.findings),
        metadata={"yielded": yielded, "in_verdict": len(verdict.findings)},
    )
