"""Asset: the verdict on a repository, put together from the eight magics and recorded in the results store."""

from typing import Any

import dagster as dg

from elder_assets.assets.session import Reference, facts_of, ruler
from elder_assets.audit.engine import assemble
from elder_assets.audit.frames import FINDINGS, OUTCOMES, SCORES, findings_of, outcomes_of, verdict_frames
from elder_assets.audit.model import Finding, MagicResult, Verdict
from elder_assets.audit.registry import catalogue
from elder_assets.audit.scoring import rounded, score_magic
from elder_assets.checks.inside_run import CONSERVATION, FRAME_SCHEMA, conservation_result, schema_result
from elder_assets.partitions import OWNERS, REPOSITORY, RESULTS_GROUP, findings_asset
from resources.dagster_resources import ElderResource

INPUTS = {findings_asset(magic.name): dg.AssetIn() for magic in catalogue().magics}


@dg.asset(
    ins={"facts": dg.AssetIn(), **INPUTS},
    partitions_def=REPOSITORY,
    group_name=RESULTS_GROUP,
    owners=OWNERS,
    dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
    kinds={"python", "sql"},
    description="The verdict on a repository: one row per magic. Recorded in the results store, append-only.",
    check_specs=[
        dg.AssetCheckSpec(FRAME_SCHEMA, asset="scores", blocking=True),
        dg.AssetCheckSpec(CONSERVATION, asset="scores", blocking=True),
    ],
)
def scores(
    context: dg.AssetExecutionContext, elder: ElderResource, facts: dict[str, Any], **judged: dict[str, Any]
) -> dg.MaterializeResult:
    """Score the magics, record the verdict."""
    verdict = _verdict(Reference(**facts), elder, judged)
    frame = verdict_frames(verdict)[SCORES.name]
    conservation = conservation_result(verdict, judged)
    schema = schema_result("scores", (SCORES, frame))
    if conservation.passed and schema.passed:  # rows that break a blocking check are never recorded
        with elder.store() as store:
            store.record(verdict, ruler().document(), context.run_id)
    return dg.MaterializeResult(
        value={"reference": facts, SCORES.name: frame},
        metadata={
            "commit": verdict.snapshot.commit,
            "ruler": verdict.ruler,
            "score": rounded(verdict.score),
            "status": str(verdict.status),
            "reason": verdict.reason,
            "findings": len(verdict.findings),
            "coverage_share": float(verdict.coverage.share) if verdict.coverage.share is not None else None,
            "magics": dg.MetadataValue.md(_table(verdict)),
        },
        check_results=[schema, conservation],
    )


def _verdict(reference: Reference, elder: ElderResource, judged: dict[str, dict[str, Any]]) -> Verdict:
    results: list[MagicResult] = []
    findings: list[Finding] = []
    for magic in catalogue().magics:
        part = judged[findings_asset(magic.name)]
        if part["reference"] != reference.plain():
            msg = f"{findings_asset(magic.name)} is of another audit; materialise it again for {reference.repository}"
            raise dg.Failure(msg, allow_retries=False)
        found, outcomes = findings_of(part[FINDINGS.name]), outcomes_of(part[OUTCOMES.name])
        duration_ms = sum(outcome.duration_ms for outcome in outcomes)
        results.append(score_magic(magic.name, outcomes, found, ruler(), duration_ms=duration_ms))
        findings.extend(found)
    return assemble(facts_of(reference, elder), ruler(), results, findings)


def _table(verdict: Verdict) -> str:
    rows = [f"| {magic.magic} | {magic.status} | {rounded(magic.score)} | {magic.reason} |" for magic in verdict.magics]
    return "\n".join(["| magic | status | score | reason |", "|---|---|---|---|", *rows])
