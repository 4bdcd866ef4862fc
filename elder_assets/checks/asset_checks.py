"""The checks of the quality job: each asset's rows in the results store against its great-expectations suite."""

from collections.abc import Sequence

import dagster as dg

from elder_assets.audit.frames import FINDINGS, SCORECARDS, SCORES
from elder_assets.audit.registry import catalogue
from elder_assets.checks.suites import validate
from elder_assets.partitions import SCORECARDS_ASSET, findings_asset
from resources.dagster_resources import ElderResource

EXPECTATIONS = "great_expectations"


def quality_checks() -> Sequence[dg.AssetChecksDefinition]:
    """One check for every asset that has rows in the results store."""
    return [*(_findings_check(magic.name) for magic in catalogue().magics), _scores_check(), _scorecards_check()]


def _findings_check(magic: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=findings_asset(magic),
        name=EXPECTATIONS,
        description="Rows recorded since the last run of this check keep the findings schema.",
    )
    def check(context: dg.AssetCheckExecutionContext, elder: ElderResource) -> dg.AssetCheckResult:
        after = _checked_up_to(context, findings_asset(magic))
        with elder.store() as store:
            newest, content = store.newest_snapshot_id(), store.findings(magic=magic, after=after)
        return _result(validate(FINDINGS, content), len(content), newest)

    return check


def _scores_check() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset="scores",
        name=EXPECTATIONS,
        description="Rows recorded since the last run of this check keep the scores schema, and there are some.",
    )
    def check(context: dg.AssetCheckExecutionContext, elder: ElderResource) -> dg.AssetCheckResult:
        after = _checked_up_to(context, "scores")
        with elder.store() as store:
            newest, content = store.newest_snapshot_id(), store.scores(after=after)
        return _result(validate(SCORES, content, rows_min=1 if newest > after else 0), len(content), newest)

    return check


def _scorecards_check() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=SCORECARDS_ASSET,
        name=EXPECTATIONS,
        description="The scorecards of all teams keep their schema; each has a row for every repository of the team.",
    )
    def check(elder: ElderResource) -> dg.AssetCheckResult:
        broken: list[str] = []
        rows = 0
        with elder.store() as store:
            newest = store.newest_snapshot_id()
            for team in store.teams():
                content = store.scorecard(team.key)
                rows += len(content)
                broken += validate(SCORECARDS, content) if len(content) else []
                shown = set(content[content["week"] == content["week"].max()]["repository"]) if len(content) else set()
                lacking = sorted({known.key for known in store.repositories_of(team.key)} - shown) if shown else []
                broken += [f"{team.key}: no row of {key}" for key in lacking]
        return _result(broken, rows, newest)

    return check


def _result(broken: list[str], rows: int, newest: int) -> dg.AssetCheckResult:
    metadata: dict[str, str | int] = {"rows": rows, "newest_snapshot": newest, "problems": "; ".join(broken) or "none"}
    return dg.AssetCheckResult(passed=not broken, metadata=metadata)


def _checked_up_to(context: dg.AssetCheckExecutionContext, asset: str) -> int:
    """The newest snapshot that the last passed run of this check saw; 0 at first, so that everything is checked."""
    key = dg.AssetCheckKey(dg.AssetKey(asset), EXPECTATIONS)
    history = context.instance.event_log_storage.get_asset_check_execution_history(key, limit=20)
    for record in history:
        evaluation = record.event.asset_check_evaluation if record.event else None
        if evaluation is not None and evaluation.passed:
            seen = evaluation.metadata["newest_snapshot"].value
            return seen if isinstance(seen, int) else 0
    return 0
