"""`elder janitor`: clears away the Jobs of a cluster that no run needs. The chart runs it every ten minutes.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from resources.runs.janitor import RunState


@click.command(short_help="Delete Kubernetes Jobs that no run needs.")
@click.option(
    "--label", default="dagster/run-id", show_default=True, help="Only Jobs with this label, KEY or KEY=VALUE."
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
def janitor(label: str, dry_run: bool) -> None:
    """Delete the Jobs of runs that ended or are not known, in the namespace of ELDER_KUBERNETES_NAMESPACE.

    Where installations share a namespace, name yours with --label: the runs of another one are not known here.
    """
    import datetime as dt

    from elder_assets.audit.errors import ConfigurationError, ProviderError
    from resources.runs.janitor import RUN_LABEL, list_jobs, orphans, remove
    from resources.settings import load_settings

    try:
        from kubernetes.client import ApiException
    except ModuleNotFoundError as error:
        from elder_assets.audit.errors import PLATFORM_SETUP

        raise click.UsageError(f"{error.name} is not installed; {PLATFORM_SETUP}") from error

    namespace = load_settings().kubernetes_namespace
    if not namespace:
        raise ConfigurationError("ELDER_KUBERNETES_NAMESPACE", namespace, "the namespace of the installation")
    api = batch_api()
    try:
        jobs = list_jobs(api, namespace, label)
        wanted = {(job["metadata"].get("labels") or {}).get(RUN_LABEL, "") for job in jobs} - {""}
        found = orphans(jobs, run_states(sorted(wanted)), dt.datetime.now(dt.UTC))
        for orphan in found:
            is_gone = not dry_run and not remove(api, namespace, orphan)
            click.echo(f"{orphan.name}  {'gone already' if is_gone else orphan.reason}")
    except ApiException as error:
        msg = f"the cluster refuses ({error.status} {error.reason}); the account needs list and delete on jobs"
        raise ProviderError(msg) from error
    click.echo(f"{len(jobs)} Jobs, {len(found)} {'would go' if dry_run else 'deleted'}")


def batch_api() -> Any:
    """The cluster's Jobs, from inside it, else by the kubeconfig of this machine."""
    from kubernetes import client, config

    try:
        config.load_incluster_config()
    except config.ConfigException:
        config.load_kube_config()
    return client.BatchV1Api()


def run_states(run_ids: list[str]) -> dict[str, RunState]:
    """Of each run that the instance knows: its status, and when it ended."""
    import datetime as dt

    import dagster as dg

    from resources.runs.janitor import RunState

    if not run_ids:
        return {}
    found = {}
    with dg.DagsterInstance.get() as instance:
        for record in instance.get_run_records(dg.RunsFilter(run_ids=run_ids)):
            ended = dt.datetime.fromtimestamp(record.end_time, dt.UTC) if record.end_time else None
            found[record.dagster_run.run_id] = RunState(status=record.dagster_run.status.value, ended_at=ended)
    return found
