"""Elder in a cluster: the chart as helm installs it, audits as pods, and what happens when pods and roles break.

The cluster is made of processes (procluster/); nothing of Dagster, dagster-k8s or Elder is replaced.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from installation import CODE_SERVER, NAMESPACE, RUN_SECONDS, Installation, Run, starts
from procluster.controllers import is_finished
from procluster.faults import Fault
from procluster.network import API_ADDRESS, API_PORT, METADATA, Refused
from procluster.objects import Object, labels_of
from procluster.policies import End

from resources.runs.janitor import GRACE_SECONDS

pytestmark = [pytest.mark.cluster, pytest.mark.platform, pytest.mark.postgres, pytest.mark.slow]
ONCE = [("INT001", "shop/tax.py", 1)]


def key(run: Run) -> str:
    return run.tags["dagster/partition"]


def state(pod: Object) -> Object:
    found: Object = pod["status"]["containerStatuses"][0]["state"]
    return found


def active(pods: list[Object]) -> list[Object]:
    return [pod for pod in pods if pod["status"].get("phase") not in {"Succeeded", "Failed"}]


def ended_job(installation: Installation, name: str) -> str:
    """What the pod of a Job has said once the Job is complete."""
    cluster = installation.cluster
    cluster.wait(name, lambda: is_finished(cluster.store.get("Job", NAMESPACE, name)), RUN_SECONDS)
    (pod,) = cluster.pods(NAMESPACE, f"job-name={name}")
    assert pod["status"]["phase"] == "Succeeded", cluster.log(pod)
    return cluster.log(pod)


def assert_recorded_once(installation: Installation, run: Run) -> None:
    """One audit of one commit, with the finding that the repository was made with once."""
    (verdict,) = installation.verdicts(key(run))
    assert verdict[1] == 1
    found = installation.findings(key(run))
    assert [one for one in found if one[0] == "INT001"] == ONCE
    assert len(found) == len(set(found))


def test_the_chart_comes_up_in_helms_order(installation: Installation):
    assert installation.release.unready() == []
    assert "Dagster's tables are those of this version" in installation.release.finished["elder-migrate"]
    replicas = {
        one["metadata"]["name"]: one["status"]["readyReplicas"] for one in installation.cluster.store.list("Deployment")
    }
    assert replicas == {"elder-control-plane": 2, "elder-webserver": 1, "elder-daemon": 1, "elder-code-server": 1}


def test_a_container_is_what_its_security_context_says(installation: Installation):
    script = """
import json, os, socket
status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines() if ':' in line)
def writes(path):
    try:
        open(path, 'w').close()
        return True
    except OSError:
        return False
print(json.dumps({
    'user': [os.getuid(), os.getgid()],
    'capabilities': [status[name].strip() for name in ('CapEff', 'CapPrm', 'CapBnd')],
    'gains': status['NoNewPrivs'].strip(),
    'writes': [path for path in ('/x', '/etc/x', '/opt/elder/x', '/opt/dagster/home/x', '/tmp/x', '/var/lib/elder/x')
               if writes(path)],
    'token': os.path.exists('/var/run/secrets/kubernetes.io/serviceaccount/token'),
    'foreign': sorted(set(os.environ) & {'PYTEST_CURRENT_TEST', 'OLDPWD', 'SHELL'}),
    'host': socket.gethostname().startswith('elder-code-server-'),
}))
"""
    said = json.loads(installation.cluster.execute(NAMESPACE, CODE_SERVER, ["python", "-c", script]))
    assert said == {
        "user": [10001, 10001],
        "capabilities": ["0" * 16] * 3,
        "gains": "1",
        "writes": ["/tmp/x", "/var/lib/elder/x"],
        "token": False,
        "foreign": [],
        "host": True,
    }


@starts("cancelled", elder__tier="large")
def test_a_cancelled_run_leaves_no_pod(installation: Installation, run: Run):
    def running() -> list[Object]:
        return [pod for pod in run.pods("step_worker") if pod["status"].get("phase") == "Running"]

    installation.cluster.wait("a step", running, RUN_SECONDS)
    run.cancel()
    assert run.wait() == "CANCELED"
    installation.cluster.wait("the end of its pods", lambda: not active(run.pods()), 60)
    jobs = installation.cluster.store.list("Job", NAMESPACE, f"dagster/run-id={run.id}")
    assert all(is_finished(job) for job in jobs)
    assert installation.verdicts(key(run)) == []


@starts(
    "steps",
    lambda run: [
        Fault(f"dagster/run-id={run},dagster/op=findings_flow", "kill", "STEP_START"),
        Fault(f"dagster/run-id={run},dagster/op=findings_git", "memory", limit_mib=96),
    ],
    elder__tier="large",
)
def test_a_killed_step_is_tried_again_and_one_out_of_memory_in_a_larger_tier(installation: Installation, run: Run):
    assert run.wait(2 * RUN_SECONDS) == "SUCCESS", "\n".join(run.events())
    assert ends_of(run, "findings_flow") == [(0, "4096Mi"), (137, "4096Mi")]
    assert ends_of(run, "findings_git") == [(0, "8192Mi"), (137, "4096Mi")]
    assert run.tags["elder/out_of_memory"] == "large"
    (worker,) = run.pods("run_worker")
    assert worker["spec"]["automountServiceAccountToken"] is True
    steps = run.pods("step_worker")
    assert {pod["spec"]["automountServiceAccountToken"] for pod in steps} == {False}
    assert len(steps) == len({labels_of(pod)["dagster/op"] for pod in steps}) + 2
    assert_recorded_once(installation, run)


def ends_of(run: Run, step: str) -> list[tuple[int, str]]:
    """Exit code and memory limit of each pod of a step."""
    pods = [pod for pod in run.pods("step_worker") if labels_of(pod)["dagster/op"] == step]
    limits = [pod["spec"]["containers"][0]["resources"]["limits"]["memory"] for pod in pods]
    return sorted((state(pod)["terminated"]["exitCode"], limit) for pod, limit in zip(pods, limits, strict=True))


@starts("raised", lambda run: [Fault(f"dagster/run-id={run}", "memory", limit_mib=96)], elder__tier="micro")
def test_a_run_out_of_memory_is_tried_again_in_a_larger_tier(installation: Installation, run: Run):
    assert run.wait() == "FAILURE"
    (pod,) = run.pods()
    assert (state(pod)["terminated"]["reason"], state(pod)["terminated"]["exitCode"]) == ("OOMKilled", 137)
    again = run.retry()
    assert again.wait() == "SUCCESS", "\n".join(again.events())
    assert run.tags["elder/out_of_memory"] == "micro"
    assert again.tags["elder/tier"] == "small"
    (pod,) = again.pods()
    assert labels_of(pod)["elder/tier"] == "small"
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "640Mi"
    assert_recorded_once(installation, run)


@starts("worker", lambda run: [Fault(f"dagster/run-id={run}", "kill", "findings_git - STEP_SUCCESS")])
def test_a_killed_worker_is_tried_again_and_records_once(installation: Installation, run: Run):
    assert run.wait() == "FAILURE"
    again = run.retry()
    assert again.wait() == "SUCCESS", "\n".join(again.events())
    # Without a claim, what the steps before the kill have written would be gone: the retry is a whole one.
    assert 'Started execution of step "facts".' in again.events()
    assert_recorded_once(installation, run)


@starts("never", lambda run: [Fault(f"dagster/run-id={run}", "never-start")])
def test_a_pod_that_never_starts_fails_its_run_with_a_reason_and_is_tried_again(installation: Installation, run: Run):
    assert run.wait() == "FAILURE"
    assert any("timed out" in said.lower() and "to start" in said for said in run.events())
    again = run.retry()
    assert again.wait() == "SUCCESS", "\n".join(again.events())
    assert_recorded_once(installation, run)


GONE = {"container_config": {"env_from": [{"secret_ref": {"name": "gone"}}]}}


@starts("secret", dagster_k8s__config=json.dumps(GONE), dagster__max_retries="0")
def test_a_pod_without_its_secret_fails_its_run_and_names_it(installation: Installation, run: Run):
    assert run.wait() == "FAILURE"
    said = "\n".join(run.events())
    assert "Waiting: CreateContainerConfigError" in said
    assert 'secret "gone" not found' in said


HERE = {
    "database": ("198.18.0.10", 5432),
    "git": ("198.18.0.20", 443),
    "metadata": (METADATA, 80),
    "api": (API_ADDRESS, API_PORT),
    "code": ("elder-code-server", 3030),
    "pages": ("elder-webserver", 80),
}


@pytest.mark.parametrize(
    ("pod", "reached"),
    [
        ({"app.kubernetes.io/component": "control-plane"}, {"database", "git"}),
        ({"app.kubernetes.io/component": "code-server"}, {"database", "git"}),
        ({"app.kubernetes.io/component": "webserver"}, {"database", "api", "code"}),
        ({"app.kubernetes.io/component": "daemon"}, {"database", "api", "code"}),
        ({"app.kubernetes.io/component": "migrate"}, {"database"}),
        ({"app.kubernetes.io/component": "janitor"}, {"database", "api"}),
        ({"app.kubernetes.io/component": "probe"}, {"database"}),
        ({"app.kubernetes.io/component": "test"}, {"database", "code", "pages"}),
        ({"app.kubernetes.io/component": "run_worker", "elder/release": "elder"}, {"database", "git", "api"}),
        ({"app.kubernetes.io/component": "step_worker", "elder/release": "elder"}, {"database", "git"}),
        ({"app.kubernetes.io/component": "stranger"}, set()),
    ],
)
def test_pods_reach_what_the_policies_of_the_chart_name(
    installation: Installation, pod: dict[str, str], reached: set[str]
):
    mine = {"app.kubernetes.io/name": "elder", "app.kubernetes.io/instance": "elder"}
    labels = pod if "elder/release" in pod else {**mine, **pod}
    source = End("10.244.200.200", NAMESPACE, labels, {"kubernetes.io/metadata.name": NAMESPACE})
    network, found = installation.cluster.network, set()
    for name, (host, port) in HERE.items():
        address = host if host[0].isdigit() else installation.cluster.address_of(NAMESPACE, host)
        with suppress(Refused):
            network.connect(source, address, port).close()
            found.add(name)
    assert found == reached


def test_the_probe_of_the_chart_hears_a_verdict(installation: Installation, probe: str):
    said = ended_job(installation, probe)
    assert "git.example.org/shop/basket  verdict after" in said
    (verdict,) = installation.verdicts("git.example.org/shop/basket")
    assert verdict[1] == 1


def test_the_test_of_the_chart_succeeds(installation: Installation):
    installation.release.run_hooks("test")
    assert "the control plane is ready" in installation.release.finished["elder-test"]


def test_no_account_was_refused_anything_and_steps_asked_for_nothing(installation: Installation):
    asked = installation.cluster.audit
    assert [one for one in asked if one.code == 403] == []
    account = f"system:serviceaccount:{NAMESPACE}:elder-"
    assert {one.user.removeprefix(account) for one in asked} <= {"daemon", "webserver", "run", "janitor"}
    created = {one.user.removeprefix(account) for one in asked if (one.verb, one.what) == ("create", "jobs")}
    assert created == {"daemon", "run"}


def test_the_janitor_of_the_chart_deletes_the_jobs_of_pods_that_never_started(installation: Installation):
    def left() -> list[Run]:
        jobs = installation.cluster.store.list("Job", NAMESPACE, "dagster/run-id")
        runs = [Run(installation, labels_of(job)["dagster/run-id"]) for job in jobs if not is_finished(job)]
        return [run for run in runs if run.look()["status"] == "FAILURE"]  # others are under way, or just ending

    runs = left()
    assert len(runs) == 2  # the one without room, and the one without its secret
    time.sleep(max(0, max(run.look()["ended"] for run in runs) + GRACE_SECONDS + 1 - time.time()))
    said = ended_job(installation, installation.cluster.run_job_of(NAMESPACE, "elder-janitor")["metadata"]["name"])
    assert f"{len(runs)} deleted" in said
    assert left() == []
    installation.cluster.wait("no pod of them", lambda: not [pod for run in runs for pod in active(run.pods())], 30)


def test_the_hook_before_an_upgrade_succeeds(installation: Installation):
    installation.release.run_hooks("pre-upgrade")
    assert "Dagster's tables are those of this version" in installation.release.finished["elder-migrate"]


def test_a_role_without_a_verb_fails_the_run_and_names_it(installation: Installation):
    cluster = installation.cluster
    installation.add_repositories(["forbidden"])
    role = cluster.store.get("Role", NAMESPACE, "elder-daemon")
    rules = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "create"]} for rule in role["rules"]]
    cluster.store.update(role, lambda stored: stored.update(rules=rules))
    try:
        run = installation.launch("git.example.org/shop/forbidden", {"dagster/max_retries": "0"})
        assert run.wait() == "FAILURE"
    finally:
        cluster.store.update(role, lambda stored: stored.update(rules=role["rules"]))
    assert any('cannot create resource \\"jobs\\" in API group \\"batch\\"' in said for said in run.events())
    assert (cluster.audit[-1].code, run.pods()) == (403, [])
