"""Asset: the verdict on a repository, put together from the eight magics and recorded in the results store."""

import datetime as dt
import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
import msgspec

from elder_assets.assets.findings import KIN
from elder_assets.assets.progress import complete, record_once
from elder_assets.assets.session import (
    Reference,
    common_metadata,
    current,
    earlier_findings,
    facts_of,
    failing_partition,
    keep_releases,
    name_arrivals,
    step_span,
    terms_of,
)
from elder_assets.audit.engine import describe, directed
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.finding_states import counted
from elder_assets.audit.frames import FINDINGS, OUTCOMES, SCORES, findings_of, outcomes_of, verdict_frames
from elder_assets.audit.judgement import assemble
from elder_assets.audit.model import Finding, MagicResult, Verdict
from elder_assets.audit.registry import catalogue
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.scoring import rounded, score_magic
from elder_assets.audit.suppression import Applied, apply, read_comment
from elder_assets.checks.inside_run import CONSERVATION, FRAME_SCHEMA, checked, conservation_result, schema_result
from elder_assets.partitions import OWNERS, REPOSITORY, RESULTS_GROUP, findings_asset
from resources.audits import Terms, today
from resources.dagster_resources import ElderResource
from resources.file_map import files_of
from resources.store.findings import Observed

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
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """Score the magics and record the verdict; rows that break a blocking check are never recorded."""
    started = time.perf_counter()
    with failing_partition(context.partition_key, elder, context.run.run_id):
        reference = current(facts, elder)
        collected = facts_of(reference, elder)
        terms = terms_of(reference.repository, reference.commit, elder)
        earlier = earlier_findings(reference, elder)
    verdict = _verdict(reference, terms.ruler, collected, judged)
    frames = verdict_frames(verdict)
    yield from checked("scores", schema_result("scores", frames), conservation_result(verdict, judged))
    observed = Observed(
        applied=_shown(verdict, terms, collected, today()),
        paths=frozenset(file.path for file in collected.files),
        profile=terms.profile,
        earlier=earlier,
        files=files_of(collected),
    )
    with elder.store() as store:
        with step_span(elder, context.run, "store write", findings=len(verdict.findings)) as traced:
            snapshot, is_new = record_once(store, context.run, reference, verdict, terms, observed)
            traced.set(snapshot=snapshot, is_new=is_new)
        moved = store.counts(reference.repository)[-1:] if reference.kind == "default" else []
        shown = observed.applied.verdict
        with step_span(elder, context.run, "verdict", status=str(shown.status), score=rounded(shown.score)):
            complete(store, elder.settings(), context.run, reference, observed, is_new=is_new)
    if reference.kind == "default":
        name_arrivals(reference, elder)
        keep_releases(reference, elder)
    yield dg.MaterializeResult(
        value={"reference": reference.plain(), SCORES.name: frames[SCORES.name]},
        metadata={
            **common_metadata(collected, reference),
            "status": str(verdict.status),
            "score": rounded(verdict.score),
            "reason": verdict.reason,
            "findings": counted(verdict.findings),
            **{name: count[name] for count in moved for name in COUNTED},
            "kind": reference.kind,
            "snapshot": snapshot,
            "magics": dg.MetadataValue.md(_table(verdict)),
            "duration_s": round(time.perf_counter() - started, 3),
            "dagster/row_count": len(verdict.magics),
            "dagster/relation_identifier": SCORES.name,
        },
    )


COUNTED = ("open", "new", "unveiled", "reopened", "fixed", "removed", "suppressed")


def _shown(verdict: Verdict, terms: Terms, facts: RepositoryFacts, day: dt.date) -> Applied:
    comments = [read_comment(comment, terms.ruler.rules) for comment in directed(facts)]
    return apply(verdict, [*terms.granted, *comments], terms.ruler, day, has_code=describe(facts).has_code)


def _verdict(reference: Reference, ruler: Ruler, facts: RepositoryFacts, judged: dict[str, dict[str, Any]]) -> Verdict:
    results: list[MagicResult] = []
    findings: list[Finding] = []
    for magic in catalogue().magics:
        part = judged[findings_asset(magic.name)]
        if part["reference"] != reference.plain():
            msg = f"{findings_asset(magic.name)} is of another audit; materialise it again for {reference.repository}"
            raise dg.Failure(msg, allow_retries=False)
        found, outcomes = _found(part), outcomes_of(part[OUTCOMES.name])
        duration_ms = sum(outcome.duration_ms for outcome in outcomes)
        results.append(score_magic(magic.name, outcomes, found, ruler, duration_ms=duration_ms))
        findings.extend(found)
    return assemble(describe(facts), ruler, results, findings)


def _found(part: dict[str, Any]) -> list[Finding]:
    """The findings of one magic with their kin."""
    known = part.get(KIN, {})  # absent where an older Elder wrote the part
    found = findings_of(part[FINDINGS.name])
    return [msgspec.structs.replace(finding, kin=known.get(finding.fingerprint, "")) for finding in found]


def _table(verdict: Verdict) -> str:
    rows = [f"| {magic.magic} | {magic.status} | {rounded(magic.score)} | {magic.reason} |" for magic in verdict.magics]
    return "\n".join(["| magic | status | score | reason |", "|---|---|---|---|", *rows])
