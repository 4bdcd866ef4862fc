"""Checks inside an audit run: milliseconds each. Those that block keep bad rows from being published (META010)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from elder_assets.audit.frames import FINDINGS, OUTCOMES, SCHEMAS, problems
from elder_assets.audit.model import Coverage, MagicResult, Status, Verdict
from elder_assets.audit.registry import catalogue

if TYPE_CHECKING:
    import pandas as pd

FRAME_SCHEMA = "frame_schema"
COVERAGE = "coverage_is_accounted_for"
CONSERVATION = "no_finding_is_lost"
EVERY_RULE_ANSWERS = "every_rule_answers"


def checked(asset: str, *results: dg.AssetCheckResult) -> Iterator[dg.AssetCheckResult]:
    """Report the blocking checks of an asset; go on only when all have passed.

    They are reported before the output is, so that a check which fails is seen to have failed, and nothing is kept.

    Raises:
        Failure: one did not pass; says which and why.
    """
    yield from results
    if failed := [result for result in results if not result.passed]:
        reasons = "; ".join(f"{result.check_name}: {result.description}" for result in failed)
        msg = f"{asset} is not published: {reasons}"
        raise dg.Failure(msg, allow_retries=False)


def schema_result(asset: str, frames: Mapping[str, pd.DataFrame]) -> dg.AssetCheckResult:
    """Every frame keeps the schema that it is named after."""
    broken = [problem for name, content in frames.items() for problem in problems(SCHEMAS[name], content)]
    return dg.AssetCheckResult(
        check_name=FRAME_SCHEMA,
        asset_key=asset,
        passed=not broken,
        description="; ".join(broken) or "every row keeps its schema",
        metadata={"rows": sum(len(content) for content in frames.values())},
    )


def rules_result(asset: str, result: MagicResult) -> dg.AssetCheckResult:
    """No rule of a magic ended in an error. It does not block: the verdict says `error`, and is recorded."""
    broken = [f"{o.rule}: {o.reason}" for o in result.outcomes if o.status is Status.ERROR]
    return dg.AssetCheckResult(
        check_name=EVERY_RULE_ANSWERS,
        asset_key=asset,
        passed=not broken,
        description="; ".join(broken) or f"{len(result.outcomes)} rules answered",
        metadata={"rules": len(result.outcomes), "errors": len(broken)},
    )


def coverage_result(coverage: Coverage) -> dg.AssetCheckResult:
    """Eligible files = analysed files + files skipped with a reason."""
    unexplained = coverage.eligible - coverage.analysed - sum(bool(item.reason) for item in coverage.skipped)
    skipped = [f"- `{item.path}`: {item.reason}" for item in coverage.skipped[:50]]
    return dg.AssetCheckResult(
        check_name=COVERAGE,
        asset_key="facts",
        passed=unexplained == 0,
        description=f"{unexplained} files are neither analysed nor skipped with a reason",
        metadata={
            "eligible_files": coverage.eligible,
            "analysed_files": coverage.analysed,
            "unexplained_files": unexplained,
            "skipped": dg.MetadataValue.md("\n".join(skipped) or "none"),
        },
    )


def conservation_result(verdict: Verdict, judged: Mapping[str, Mapping[str, Any]]) -> dg.AssetCheckResult:
    """The verdict holds as many findings as the magics yielded, and one outcome for every rule of the catalogue."""
    yielded = sum(len(part[FINDINGS.name]) for part in judged.values())
    asked = sum(len(part[OUTCOMES.name]) for part in judged.values())
    rules = len(catalogue().rules)
    return dg.AssetCheckResult(
        check_name=CONSERVATION,
        asset_key="scores",
        passed=yielded == len(verdict.findings) and asked == len(verdict.outcomes) == rules,
        description=f"{yielded} findings yielded, {len(verdict.findings)} kept; "
        f"{rules} rules, {asked} asked, {len(verdict.outcomes)} kept",
        metadata={"yielded": yielded, "in_verdict": len(verdict.findings), "rules": rules},
    )
