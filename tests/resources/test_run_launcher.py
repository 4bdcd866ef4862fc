"""The launcher gives each run the pod of its tier, and a larger one after it was out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

dg = pytest.importorskip("dagster")
from dagster._core.definitions.reconstruct import reconstructable  # noqa: E402
from dagster._core.launcher import LaunchRunContext  # noqa: E402
from dagster._core.test_utils import create_run_for_test, instance_for_test  # noqa: E402
from kubernetes import client  # noqa: E402

from resources.runs.launcher import TieredRunLauncher, is_out_of_memory  # noqa: E402

pytestmark = [pytest.mark.platform]
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: me, user: {token: t}}]
"""


@dg.job
def audit():
    pass


class FakeBatch:
    def __init__(self):
        self.created: list[client.V1Job] = []

    def create_namespaced_job(self, body, namespace, **options):
        self.created.append(body)
        return body


class FakeCore:
    def __init__(self):
        self.pods: dict[str, list[client.V1Pod]] = {}

    def list_namespaced_pod(self, namespace, label_selector):
        return SimpleNamespace(items=self.pods.get(label_selector.removeprefix("dagster/run-id="), []))


def pod(reason: str | None, *, restarted: bool = False) -> client.V1Pod:
    ended = client.V1ContainerState(terminated=client.V1ContainerStateTerminated(exit_code=137, reason=reason))
    running = client.V1ContainerState(running=client.V1ContainerStateRunning())
    status = client.V1ContainerStatus(
        name="dagster", image="elder", image_id="", ready=False, restart_count=int(restarted),
        state=running if restarted else ended, last_state=ended if restarted else None,
    )  # fmt: skip
    return client.V1Pod(status=client.V1PodStatus(container_statuses=[status]))


class Cluster:
    def __init__(self, folder: Path, instance):
        self.batch, self.core, self.instance = FakeBatch(), FakeCore(), instance
        (folder / "kubeconfig").write_text(KUBECONFIG)
        self.launcher = TieredRunLauncher(
            service_account_name="elder-run",
            instance_config_map="elder-dagster",
            dagster_home="/opt/dagster",
            job_image="elder:1",
            load_incluster_config=False,
            kubeconfig_file=str(folder / "kubeconfig"),
            job_namespace="elder",
            k8s_client_batch_api=self.batch,
            k8s_client_core_api=self.core,
        )
        self.launcher.register_instance(instance)

    def launch(self, **tags: str):
        """A run of one repository, launched; the tags that it has then."""
        origin = reconstructable(audit).get_python_origin()
        given = {name.replace("__", "/"): value for name, value in tags.items()}
        run = create_run_for_test(
            self.instance, "audit", job_code_origin=origin, tags={"dagster/partition": "local/basket", **given}
        )
        self.launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
        return self.instance.get_run_by_id(run.run_id)

    def memory(self) -> str:
        return self.batch.created[-1].spec.template.spec.containers[0].resources.limits["memory"]

    def end(self, run, pods: list[client.V1Pod]):
        self.core.pods[run.run_id] = pods
        self.instance.report_run_failed(run)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with instance_for_test() as instance:
        yield Cluster(tmp_path, instance)


def test_a_run_gets_the_pod_of_the_tier_that_its_tag_names(cluster: Cluster):
    run = cluster.launch(elder__tier="medium")
    job = cluster.batch.created[-1]
    assert cluster.memory() == "1024Mi"
    assert job.spec.active_deadline_seconds == 7200
    assert job.metadata.labels["elder/tier"] == "medium"
    assert run.tags["dagster/max_runtime"] == "6900"
    assert run.tags["dagster/retry_strategy"] == "ALL_STEPS"


def test_a_first_run_that_nobody_sized_is_small_and_later_ones_fit_what_was_measured(cluster: Cluster):
    first = cluster.launch()
    assert cluster.memory() == "640Mi"
    cluster.instance.add_run_tags(first.run_id, {"elder/fits": "large"})
    assert cluster.launch().tags["elder/tier"] == "large"
    assert cluster.memory() == "4096Mi"


@pytest.mark.parametrize("killed", [pod("OOMKilled"), pod("OOMKilled", restarted=True)], ids=["ended", "restarted"])
def test_after_an_out_of_memory_kill_the_next_run_is_larger_and_stays_so(cluster: Cluster, killed: client.V1Pod):
    run = cluster.launch()
    cluster.end(run, [pod(None), killed])
    second = cluster.launch(elder__tier="small")  # what the retry daemon copies from the run before
    assert second.tags["elder/tier"] == "medium"
    assert cluster.instance.get_run_by_id(run.run_id).tags["elder/out_of_memory"] == "small"
    cluster.end(second, [pod("OOMKilled")])
    assert cluster.launch(elder__out_of_memory="small").tags["elder/tier"] == "large"
    assert cluster.launch().tags["elder/tier"] == "large"


def test_a_run_that_failed_for_another_reason_is_not_raised(cluster: Cluster):
    cluster.end(cluster.launch(), [pod("Error")])
    assert cluster.launch().tags["elder/tier"] == "small"


def test_a_cluster_that_does_not_list_pods_does_not_keep_a_run_from_starting(cluster: Cluster, monkeypatch):
    cluster.end(cluster.launch(), [pod("OOMKilled")])

    def refuse(namespace, label_selector):
        raise client.ApiException(status=403)

    monkeypatch.setattr(cluster.core, "list_namespaced_pod", refuse)
    assert cluster.launch().tags["elder/tier"] == "small"
    assert len(cluster.batch.created) == 2


def test_a_pod_that_somebody_configured_is_kept(cluster: Cluster):
    own = '{"container_config": {"resources": {"limits": {"memory": "333Mi"}}}}'
    cluster.launch(**{"dagster-k8s__config": own})
    assert cluster.memory() == "333Mi"


def test_another_repositorys_kill_raises_nothing(cluster: Cluster):
    cluster.end(cluster.launch(dagster__partition="local/other"), [pod("OOMKilled")])
    assert cluster.launch().tags["elder/tier"] == "small"


def test_a_pod_without_status_was_not_out_of_memory():
    assert not is_out_of_memory(client.V1Pod())
    assert not is_out_of_memory(client.V1Pod(status=client.V1PodStatus()))
