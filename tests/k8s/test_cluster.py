"""Elder in a cluster: the chart as helm installs it, audits as pods, and what happens when pods and roles break.

The cluster is made of processes (procluster/); nothing of Dagster, dagster-k8s or Elder is replaced.
"""

from __future__ import annotations

import json

import pytest
from conftest import starts
from installation import CODE_SERVER, NAMESPACE, Installation, Run
from procluster.controllers import is_finished
from procluster.faults import Fault
from procluster.objects import Object, labels_of

pytestmark = [pytest.mark.platform, pytest.mark.postgres, pytest.mark.slow, pytest.mark.xdist_group("cluster")]
ONCE = [("INT001", "shop/tax.py", 1)]


def key(run: Run) -> str:
    return run.tags["dagster/partition"]


def state(pod: Object) -> Object:
    found: Object = pod["status"]["containerStatuses"][0]["state"]
    return found


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


@starts(
    "killed",
    lambda run: Fault(f"dagster/run-id={run},dagster/op=findings_flow", "kill", "STEP_START"),
    elder__tier="large",
)
def test_a_killed_step_is_tried_again_and_the_run_succeeds(installation: Installation, run: Run):
    assert run.wait() == "SUCCESS", "\n".join(run.events())
    pods = [pod for pod in run.pods("step_worker") if labels_of(pod)["dagster/op"] == "findings_flow"]
    assert sorted(state(pod)["terminated"]["exitCode"] for pod in pods) == [0, 137]
    (worker,) = run.pods("run_worker")
    assert worker["spec"]["automountServiceAccountToken"] is True
    assert {pod["spec"]["automountServiceAccountToken"] for pod in run.pods("step_worker")} == {False}
    assert {pod["spec"]["containers"][0]["resources"]["limits"]["memory"] for pod in run.pods()} == {"4096Mi"}
    assert_recorded_once(installation, run)


@starts("raised", lambda run: Fault(f"dagster/run-id={run}", "memory", limit_mib=96), elder__tier="micro")
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


@starts("worker", lambda run: Fault(f"dagster/run-id={run}", "kill", "findings_git - STEP_SUCCESS"))
def test_a_killed_worker_is_tried_again_and_records_once(installation: Installation, run: Run):
    assert run.wait() == "FAILURE"
    again = run.retry()
    assert again.wait() == "SUCCESS", "\n".join(again.events())
    assert_recorded_once(installation, run)


@starts("never", lambda run: Fault(f"dagster/run-id={run}", "never-start"))
def test_a_pod_that_never_starts_fails_its_run_with_a_reason_and_is_tried_again(installation: Installation, run: Run):
    assert run.wait() == "FAILURE"
    assert any("timed out" in said.lower() and "to start" in said for said in run.events())
    again = run.retry()
    assert again.wait() == "SUCCESS", "\n".join(again.events())
    assert_recorded_once(installation, run)


def test_the_probe_of_the_chart_hears_a_verdict(installation: Installation):
    installation.add_repositories(["basket"])
    assert installation.cluster.network.refused is not None
    job = installation.cluster.run_job_of(NAMESPACE, "elder-probe")["metadata"]["name"]
    installation.cluster.wait(
        "the probe", lambda: is_finished(installation.cluster.store.get("Job", NAMESPACE, job)), 200
    )
    (pod,) = installation.cluster.pods(NAMESPACE, f"job-name={job}")
    assert "git.example.org/shop/basket  verdict after" in installation.cluster.log(pod)


def test_the_test_of_the_chart_succeeds(installation: Installation):
    installation.release.run_hooks("test")
    assert "the control plane is ready" in installation.release.finished["elder-test"]
