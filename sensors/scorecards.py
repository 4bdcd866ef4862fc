"""Sensor: a team's scorecard is made again when there is news of one of its repositories."""

import json

import dagster as dg

from elder_assets.partitions import SCORECARDS_JOB, TEAM_PARTITIONS
from resources.dagster_resources import ElderResource
from resources.store.scorecards import NO_MARKS, Marks


def read_cursor(cursor: str | None) -> Marks:
    """The marks of the last tick; none at first, or when the cursor was set by hand to something else."""
    try:
        marks = tuple(int(mark) for mark in json.loads(cursor or ""))
    except (ValueError, TypeError):
        return NO_MARKS
    return marks if len(marks) == len(NO_MARKS) else NO_MARKS


@dg.sensor(
    name="scorecard_sensor",
    job_name=SCORECARDS_JOB,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refreshes the scorecards of teams whose repositories were audited; teams become partitions here.",
)
def scorecard_sensor(context: dg.SensorEvaluationContext, elder: ElderResource) -> dg.SensorResult | dg.SkipReason:
    """Ask for the scorecard of every team that has news, and keep the team partitions equal to the registry."""
    with elder.store() as store:
        registered = [team.key for team in store.teams()]
        moved, marks = store.teams_moved(read_cursor(context.cursor))
    known = set(context.instance.get_dynamic_partitions(TEAM_PARTITIONS))
    added, removed = sorted(set(registered) - known), sorted(known - set(registered))
    requests = dg.DynamicPartitionsDefinition(name=TEAM_PARTITIONS)
    changes = [requests.build_add_request(added)] if added else []
    wanted = [team for team in moved if team in registered]
    if not (wanted or added or removed):
        return dg.SkipReason("no team has a repository that was audited since the last look")
    partitions: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = [*changes]
    if removed:
        partitions.append(requests.build_delete_request(removed))
    key = "-".join(map(str, marks))
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=f"scorecard:{team}:{key}", partition_key=team) for team in wanted],
        dynamic_partitions_requests=partitions,
        cursor=json.dumps(marks),
    )
