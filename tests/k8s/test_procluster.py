"""The process cluster itself: what its API answers, what its policies allow, how its pods run and end."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes")
from installation import ROOT, TOOLS

sys.path.append(str(ROOT / "tests" / "chart"))
from kubernetes import client
from procluster.cluster import Cluster, missing
from procluster.controllers import is_finished
from procluster.faults import Fault
from procluster.network import is_ready
from procluster.objects import ApiError, Object, Store, matches_fields, matches_labels
from procluster.policies import End, refusal
from procluster.release import Release
from procluster.sandbox import elder_image, quantity
from test_image import IMAGE

pytestmark = [pytest.mark.platform]
LABELS = {"app": "elder", "tier": "large"}


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("app=elder", True),
        ("app==elder,tier!=small", True),
        ("app in (other, elder),tier", True),
        ("tier notin (large)", False),
        ("!tier", False),
        ("!gone", True),
        ("app=other", False),
    ],
)
def test_labels_fit_a_selector(selector: str, fits: bool):
    assert matches_labels(LABELS, selector) is fits


def test_fields_fit_a_selector():
    pod = {"metadata": {"name": "a"}, "status": {"phase": "Running"}}
    assert matches_fields(pod, "metadata.name=a,status.phase!=Failed")
    assert not matches_fields(pod, "status.phase=Failed")


def test_quantities_are_bytes():
    assert [quantity(text) for text in ("512Mi", "2Gi", "100", "1M")] == [536_870_912, 2_147_483_648, 100, 1_000_000]


# --- policies -------------------------------------------------------------------------------------------------

RUN = End("10.244.0.1", "a", {"component": "run"}, {"name": "a"})
CODE = End("10.244.0.2", "a", {"component": "code"}, {"name": "a"})
METADATA = End("169.254.169.254")


def policy(name: str, selector: Object, **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "a"}, "spec": {"podSelector": selector, **spec}}


DENY = policy("deny", {}, policyTypes=["Ingress", "Egress"])
OUT = policy(
    "out",
    {"matchLabels": {"component": "run"}},
    policyTypes=["Egress"],
    egress=[{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}], "ports": [{"port": 443}]}],
)
IN = policy(
    "in",
    {"matchLabels": {"component": "code"}},
    policyTypes=["Ingress"],
    ingress=[{"from": [{"podSelector": {"matchLabels": {"component": "run"}}}], "ports": [{"port": 3030}]}],
)


@pytest.mark.parametrize(
    ("policies", "target", "port", "said"),
    [
        ([], CODE, 3030, ""),
        ([DENY], CODE, 3030, "Egress to 10.244.0.2:3030 is not allowed by ['deny']"),
        ([DENY, OUT], End("198.18.0.1"), 443, ""),
        ([DENY, OUT], End("198.18.0.1"), 22, "Egress to 198.18.0.1:22 is not allowed by ['deny', 'out']"),
        ([DENY, OUT], METADATA, 443, "Egress to 169.254.169.254:443 is not allowed by ['deny', 'out']"),
        ([IN], CODE, 3030, ""),
        ([IN], CODE, 22, "Ingress to 10.244.0.2:22 is not allowed by ['in']"),
    ],
)
def test_a_connection_needs_both_sides_policies(policies: list[Object], target: End, port: int, said: str):
    assert refusal(policies, RUN, target, port) == said


# --- the store ------------------------------------------------------------------------------------------------


def a_job(name: str = "a", **spec: Any) -> Object:
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {"restartPolicy": "Never", **a_pod()["spec"]}}
    given = {"template": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": "a"}, "spec": given}


def a_pod(*command: str, **spec: Any) -> Object:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod_security = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    container = {
        "name": "main",
        "image": "elder:here",
        "command": list(command) or ["true"],
        "securityContext": security,
    }
    given = {"containers": [container], "securityContext": pod_security, "restartPolicy": "Never", **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "a"}, "spec": given}


@pytest.mark.parametrize(("propagation", "left"), [("Background", []), ("Orphan", ["b"])])
def test_pods_of_a_deleted_job_go_unless_they_are_orphaned(propagation: str, left: list[str]):
    store = Store()
    job = store.create(a_job())
    pod = a_pod()
    pod["metadata"] |= {"name": "b", "ownerReferences": [{"uid": job["metadata"]["uid"]}]}
    store.create(pod)
    store.delete("Job", "a", "a", propagation)
    store.collect()
    assert [one["metadata"]["name"] for one in store.list("Pod") if "deletionTimestamp" not in one["metadata"]] == left


def test_a_delete_with_the_uid_of_another_object_changes_nothing():
    store = Store()
    store.create(a_job())
    with pytest.raises(ApiError) as refused:
        store.delete("Job", "a", "a", uid="another")
    assert (refused.value.code, len(store.list("Job"))) == (409, 1)


# --- a running cluster ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if reason := missing():
        pytest.skip(reason)
    if not (TOOLS / "schemas").exists():
        pytest.skip("the tools are not here: make chart-tools")
    made = Cluster(TOOLS / "schemas" / "1.37")
    made.images["elder:here"] = elder_image(made.folder / "image", ROOT, made.authority.path)
    made.add_namespace("a")
    yield made
    made.close()


@pytest.fixture
def api(cluster: Cluster, tmp_path: Path) -> client.ApiClient:
    """The official client as the account `reader`, which may list and create jobs."""
    for one in (
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "reader"},
            "rules": [{"apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["list", "create", "delete"]}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": "a"}],
        },
    ):
        if cluster.store.find(one["kind"], "a", "reader") is None:
            cluster.apply(one, "a")
    host, port = cluster.address
    configuration = client.Configuration(host=f"https://{host}:{port}")
    configuration.ssl_ca_cert = str(cluster.authority.path)
    configuration.tls_server_name = "kubernetes.default.svc"
    configuration.api_key = {"authorization": f"Bearer {cluster.token('system:serviceaccount:a:reader')}"}
    return client.ApiClient(configuration)


def test_the_official_client_is_answered_as_its_role_allows(cluster: Cluster, api: client.ApiClient):
    batch, core = client.BatchV1Api(api), client.CoreV1Api(api)
    made = batch.create_namespaced_job("a", a_job("asked", suspend=False))
    assert made.metadata.uid
    assert [
        job.metadata.name for job in batch.list_namespaced_job("a", field_selector="metadata.name=asked").items
    ] == ["asked"]
    with pytest.raises(client.ApiException) as twice:
        batch.create_namespaced_job("a", a_job("asked"))
    assert (twice.value.status, "already exists" in twice.value.body) == (409, True)
    with pytest.raises(client.ApiException) as forbidden:
        core.list_namespaced_pod("a")
    assert forbidden.value.status == 403
    assert 'User \\"system:serviceaccount:a:reader\\" cannot list resource \\"pods\\"' in forbidden.value.body
    assert [(one.verb, one.what, one.code) for one in cluster.audit[-2:]] == [
        ("create", "jobs", 409),
        ("list", "pods", 403),
    ]


def test_an_unknown_token_is_not_answered(cluster: Cluster, api: client.ApiClient):
    api.configuration.api_key = {"authorization": "Bearer other"}
    with pytest.raises(client.ApiException) as refused:
        client.BatchV1Api(api).list_namespaced_job("a")
    assert refused.value.status == 401


def misspelt(pod: Object) -> None:
    pod["spec"]["containers"][0]["securtyContext"] = {}


def long_label(pod: Object) -> None:
    pod["metadata"]["labels"] = {"run": "x" * 64}


def bad_name(pod: Object) -> None:
    pod["metadata"]["name"] = "Pod_1"


def unknown_account(pod: Object) -> None:
    pod["spec"]["serviceAccountName"] = "nobody"


def root(pod: Object) -> None:
    pod["spec"]["securityContext"]["runAsUser"] = 0


def host_folder(pod: Object) -> None:
    pod["spec"]["volumes"] = [{"name": "host", "hostPath": {"path": "/"}}]


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (misspelt, 422, "securtyContext"),
        (long_label, 422, "is no value of a label"),
        (bad_name, 422, "RFC 1123"),
        (unknown_account, 403, 'serviceaccount "nobody" not found'),
        (root, 403, "runAsNonRoot"),
        (host_folder, 403, "restricted volume types (host)"),
    ],
)
def test_a_bad_pod_is_refused(cluster: Cluster, spoil: Any, code: int, said: str):
    pod = a_pod()
    spoil(pod)
    with pytest.raises(ApiError, match=r".*") as refused:
        cluster.apply(pod)
    assert (refused.value.code, said in refused.value.message) == (code, True), refused.value.message


def test_the_image_is_that_of_the_dockerfile(cluster: Cluster):
    image = cluster.images["elder:here"]
    assert (image.user, {path.name for path in image.paths[f"{IMAGE['venv']}/bin"].iterdir()}) == (
        IMAGE["user"],
        IMAGE["programs"],
    )
    assert image.environment["PATH"].startswith(f"{IMAGE['venv']}/bin:")


def ran(cluster: Cluster, name: str, pod: Object) -> Object:
    """A pod after its end."""
    pod["metadata"]["name"] = name
    cluster.apply(pod)
    return cluster.wait(name, lambda: is_over(cluster, name), 30)


def is_over(cluster: Cluster, name: str) -> Object | None:
    pod = cluster.store.get("Pod", "a", name)
    return pod if pod["status"].get("phase") in {"Succeeded", "Failed"} else None


def waits(cluster: Cluster, name: str, pod: Object) -> Object:
    """The state in which a pod waits."""
    pod["metadata"]["name"] = name
    cluster.apply(pod)

    def look() -> Object | None:
        statuses = cluster.store.get("Pod", "a", name)["status"].get("containerStatuses") or [{}]
        return statuses[0].get("state", {}).get("waiting")

    found = cluster.wait(name, look, 30)
    cluster.store.delete("Pod", "a", name)
    return found


def terminated(pod: Object) -> tuple[int, str]:
    state = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    return state["exitCode"], state["reason"]


def test_a_pod_says_its_log_and_its_exit_code(cluster: Cluster):
    pod = ran(cluster, "says", a_pod("sh", "-c", 'echo "$HOSTNAME"; exit 3'))
    assert (terminated(pod), cluster.log(pod)) == ((3, "Error"), "says\n")


def test_a_pod_over_its_memory_limit_is_killed(cluster: Cluster):
    pod = a_pod("python", "-c", "import time; held = b'x' * 200_000_000; time.sleep(60)")
    pod["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Mi"}}
    assert terminated(ran(cluster, "large", pod)) == (137, "OOMKilled")


def test_a_pod_is_killed_at_a_line_of_its_log(cluster: Cluster):
    fault = cluster.faults.inject(Fault("app=victim", "kill", on_log="now"))
    pod = a_pod("sh", "-c", "echo now; sleep 60")
    pod["metadata"]["labels"] = {"app": "victim"}
    assert terminated(ran(cluster, "victim", pod)) == (137, "Error")
    assert fault.hit == ["victim"]


def test_a_pod_waits_with_a_reason_for_what_is_missing(cluster: Cluster):
    secret = a_pod()
    secret["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "gone"}}]
    found = waits(cluster, "no-secret", secret)
    assert found == {"reason": "CreateContainerConfigError", "message": 'secret "gone" not found'}
    cluster.add_secret("a", "half", other="x")
    key = a_pod()
    reference = {"secretKeyRef": {"name": "half", "key": "password"}}
    key["spec"]["containers"][0]["env"] = [{"name": "P", "valueFrom": reference}]
    assert waits(cluster, "no-key", key)["message"] == "couldn't find key password in Secret a/half"
    image = a_pod()
    image["spec"]["containers"][0]["image"] = "elder:gone"
    assert waits(cluster, "no-image", image)["reason"] == "ImagePullBackOff"


def test_a_deleted_pod_is_told_to_end_and_goes(cluster: Cluster):
    pod = a_pod("sh", "-c", "trap 'exit 0' TERM; sleep 60 & wait", terminationGracePeriodSeconds=20)
    pod["metadata"]["name"] = "told"
    cluster.apply(pod)
    cluster.wait("told", lambda: cluster.store.get("Pod", "a", "told")["status"].get("phase") == "Running", 20)
    cluster.store.delete("Pod", "a", "told")
    cluster.wait("the end", lambda: cluster.store.find("Pod", "a", "told") is None, 15)


@pytest.mark.parametrize(
    ("name", "spec", "reason", "pods"),
    [
        ("again", {"backoffLimit": 1}, "BackoffLimitExceeded", 2),
        ("late", {"backoffLimit": 0, "activeDeadlineSeconds": 1}, "DeadlineExceeded", 0),
    ],
)
def test_a_job_fails_by_its_limits(cluster: Cluster, name: str, spec: Object, reason: str, pods: int):
    job = a_job(name, **spec)
    script = "exit 1" if reason == "BackoffLimitExceeded" else "sleep 60"
    job["spec"]["template"]["spec"] = a_pod("sh", "-c", script)["spec"]
    cluster.apply(job)
    ended = cluster.wait(name, lambda: (one := cluster.store.get("Job", "a", name)) and is_finished(one) and one, 30)
    (condition,) = ended["status"]["conditions"]
    assert (condition["type"], condition["reason"]) == ("Failed", reason)
    cluster.wait("its pods", lambda: len(cluster.pods("a", f"job-name={name}")) == pods, 20)


def test_a_pod_reaches_a_service_by_its_name_and_port(cluster: Cluster):
    ports = [{"name": "http", "port": 80, "targetPort": "web"}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pages"}}
    cluster.apply({**service, "spec": {"ports": ports, "selector": {"app": "pages"}}}, "a")
    server = a_pod("python", "-m", "http.server", "8080", "--directory", "/opt/source", restartPolicy="Always")
    server["metadata"] |= {"name": "pages", "labels": {"app": "pages"}}
    server["spec"]["containers"][0] |= {
        "ports": [{"name": "web", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1},
    }
    cluster.apply(server)
    cluster.wait("it", lambda: is_ready(cluster.store.get("Pod", "a", "pages")), 30)
    read = "import urllib.request as u; print(b'elder_assets' in u.urlopen('http://pages.a.svc').read())"
    assert cluster.log(ran(cluster, "reader", a_pod("python", "-c", read))) == "True\n"
    cluster.store.delete("Pod", "a", "pages")


def test_a_release_applies_its_hooks_around_its_manifests(cluster: Cluster):
    def hook(name: str, event: str, weight: str) -> Object:
        pod = a_pod("true")
        annotations = {"helm.sh/hook": event, "helm.sh/hook-weight": weight}
        pod["metadata"] = {"name": name, "annotations": annotations}
        return pod

    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": {}}
    release = Release(
        cluster, [hook("c", "post-install", "1"), settings, hook("b", "post-install", "0"), hook("t", "test", "0")], "a"
    )
    release.install()
    assert list(release.finished) == ["b", "c"]
    made = cluster.store.get("ConfigMap", "a", "s")["metadata"]["resourceVersion"]
    assert int(made) < int(cluster.store.get("Pod", "a", "b")["metadata"]["resourceVersion"])
