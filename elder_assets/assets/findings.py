"""Assets: the findings of each magic, one asset a magic of the registry."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from elder_assets.assets.session import (
    common_metadata,
    current,
    facts_of,
    failing_partition,
    identity_of,
    step_span,
    terms_of,
)
from elder_assets.audit.engine import judge_magic
from elder_assets.audit.frames import FINDINGS, OUTCOMES, magic_frames
from elder_assets.audit.model import Finding, MagicResult
from elder_assets.audit.registry import Magic, catalogue
from elder_assets.audit.scoring import rounded
from elder_assets.checks.inside_run import EVERY_RULE_ANSWERS, FRAME_SCHEMA, checked, rules_result, schema_result
from elder_assets.partitions import FINDINGS_GROUP, OWNERS, REPOSITORY, findings_asset
from resources.dagster_resources import ElderResource

KIN = "kin"
"""Fingerprint to what findings that are alike share: no column of the frames, but the lives of findings need it."""
SHOWN_FINDINGS_MAX = 20
"""Findings in the table of a materialisation; all of them are in the results store."""


def findings_assets() -> Sequence[dg.AssetsDefinition]:
    """One findings asset for every magic."""
    return [_findings_asset(magic) for magic in catalogue().magics]


def _findings_asset(magic: Magic) -> dg.AssetsDefinition:
    name = findings_asset(magic.name)
    versions = ",".join(f"{rule.code}.{rule.version}" for rule in catalogue().of(magic.name))

    @dg.asset(
        name=name,
        partitions_def=REPOSITORY,
        group_name=FINDINGS_GROUP,
        owners=OWNERS,
        dagster_type=dg.Any,  # a `MaterializeResult` annotation alone would promise an output without value
        kinds={"python", "pandas"},
        code_version=versions,
        description=f"{magic.title}: {magic.question} One row per finding, and one per rule that was asked.",
        check_specs=[
            dg.AssetCheckSpec(FRAME_SCHEMA, asset=name, blocking=True),
            dg.AssetCheckSpec(EVERY_RULE_ANSWERS, asset=name),
        ],
    )
    def findings(
        context: dg.AssetExecutionContext, elder: ElderResource, facts: dict[str, Any]
    ) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
        """Judge the facts by the rules of one magic."""
        with failing_partition(context.partition_key, elder, context.run.run_id):
            reference = current(facts, elder)
            collected = facts_of(reference, elder)
        ruler = terms_of(reference.repository, reference.commit, elder).ruler
        with step_span(elder, context.run, "judging", magic=magic.name) as traced:
            result, found = judge_magic(collected, ruler, magic.name)
            traced.set(findings=len(found), status=str(result.status))
        frames = magic_frames(identity_of(collected, reference), magic.name, found, result.outcomes)
        output = {FINDINGS.name: frames[0], OUTCOMES.name: frames[1]}
        yield rules_result(name, result)
        yield from checked(name, schema_result(name, output))
        yield dg.MaterializeResult(
            value={"reference": reference.plain(), KIN: {one.fingerprint: one.kin for one in found}, **output},
            metadata={**common_metadata(collected, reference), **_said(result, found)},
        )

    return findings


def _said(result: MagicResult, found: Sequence[Finding]) -> dict[str, Any]:
    worst = sorted(found, key=lambda finding: (finding.tier.rank, finding.severity.rank, finding.sort_key))
    return {
        "status": str(result.status),
        "score": rounded(result.score),
        "reason": result.reason,
        "applicable_share": float(result.weight_share),
        "duration_s": round(result.duration_ms / 1000, 3),
        "dagster/row_count": len(found),
        "dagster/relation_identifier": FINDINGS.name,
        "worst_findings": dg.MetadataValue.table([_shown(finding) for finding in worst[:SHOWN_FINDINGS_MAX]], _COLUMNS),
    }


_COLUMNS = dg.TableSchema(
    columns=[dg.TableColumn(name) for name in ("rule", "severity", "tier", "place", "message", "remedy")]
)


def _shown(finding: Finding) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "rule": finding.rule,
            "severity": str(finding.severity),
            "tier": str(finding.tier),
            "place": f"{finding.path}:{finding.line}",
            "message": finding.message,
            "remedy": finding.remedy,
        }
    )
