"""Assets: the findings of each magic, one asset a magic of the registry."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from elder_assets.assets.session import Reference, facts_of, ruler
from elder_assets.audit.engine import judge_magic
from elder_assets.audit.frames import FINDINGS, OUTCOMES, magic_frames
from elder_assets.audit.model import AuditKey
from elder_assets.audit.registry import Magic, catalogue
from elder_assets.audit.scoring import rounded
from elder_assets.checks.inside_run import FRAME_SCHEMA, schema_result
from elder_assets.partitions import FINDINGS_GROUP, OWNERS, REPOSITORY, findings_asset
from resources.dagster_resources import ElderResource


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
        check_specs=[dg.AssetCheckSpec(FRAME_SCHEMA, asset=name, blocking=True)],
    )
    def findings(elder: ElderResource, facts: dict[str, Any]) -> dg.MaterializeResult:
        """Judge the facts by the rules of one magic."""
        reference = Reference(**facts)
        collected = facts_of(reference, elder)
        result, found = judge_magic(collected, ruler(), magic.name)
        key = AuditKey(
            repository=reference.repository,
            revision=reference.commit,
            ruler=reference.ruler,
            baseline=reference.baseline or "",
            refs_digest=collected.snapshot.refs_digest,
        )
        identity = {"audit_key": key.digest, "repository": key.repository, "revision": key.revision}
        findings_frame, outcomes_frame = magic_frames(identity, magic.name, found, result.outcomes)
        return dg.MaterializeResult(
            value={"reference": facts, FINDINGS.name: findings_frame, OUTCOMES.name: outcomes_frame},
            metadata={
                "commit": reference.commit,
                "ruler": reference.ruler,
                "score": rounded(result.score),
                "status": str(result.status),
                "reason": result.reason,
                "findings": len(found),
                "applicable_share": float(result.weight_share),
                "duration_ms": round(result.duration_ms, 1),
            },
            check_results=[schema_result(name, (FINDINGS, findings_frame), (OUTCOMES, outcomes_frame))],
        )

    return findings
