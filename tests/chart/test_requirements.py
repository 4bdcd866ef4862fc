"""The twelve requirements of the chart, one test or more each, over every values file and both helms."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered_chart import (
    CHART,
    HELMS,
    LOADER,
    MINIMAL,
    MISSING,
    TOOLS,
    VALUES,
    Render,
    containers_of,
    instance_of,
    named,
    pods_of,
)

from resources.dagster_instance import instance_document
from resources.runs.tiers import TIERS, run_tags
from resources.settings import load_settings

USER = 10001
JOBS = ("jobs", {"create", "get", "list", "delete"})
ENDED_JOBS = ("jobs", {"get", "list", "delete"})
READ = [("jobs/status", {"get"}), ("pods", {"get", "list", "delete"}), ("pods/log", {"get"}), ("events", {"list"})]


def helm_run(helm: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(TOOLS / helm), *arguments], capture_output=True, text=True, check=False)


# --- 1: schema, kubeVersion, lint ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", VALUES)
def test_1_lint_is_strict_and_clean(helm: str, name: str):
    done = helm_run(helm, "lint", "--strict", str(CHART), "--values", str(CHART / "values" / f"{name}.yaml"))
    assert done.returncode == 0, done.stdout


def test_1_an_unknown_key_a_wrong_type_and_an_old_cluster_are_refused(helm: str):
    least = [part for setting in MINIMAL for part in ("--set", setting)]
    for setting, said in (("webserver.replcas=2", "replcas"), ("webserver.replicas=many", "integer")):
        done = helm_run(helm, "template", "elder", str(CHART), *least, "--set", setting)
        assert done.returncode, setting
        assert said in done.stderr
    done = helm_run(helm, "template", "elder", str(CHART), *least, "--kube-version", "1.27")
    assert "incompatible with Kubernetes" in done.stderr


@pytest.mark.parametrize("values", VALUES)
def test_1_both_helms_render_the_same_objects(values: str):
    if not all((TOOLS / name).exists() for name in HELMS):
        pytest.skip(MISSING)
    texts = []
    for name in HELMS:
        done = helm_run(name, "template", "elder", str(CHART), "--values", str(CHART / "values" / f"{values}.yaml"))
        texts.append(sorted(yaml.safe_dump(one) for one in yaml.load_all(done.stdout, LOADER) if one))
    assert texts[0] == texts[1]


# --- 2: Pod Security "restricted" ---------------------------------------------------------------------------


def assert_restricted(pod: dict[str, Any], where: str) -> None:
    assert pod["securityContext"]["runAsNonRoot"] is True, where
    assert pod["securityContext"]["runAsUser"] == USER, where
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), where
    allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected", "downwardAPI"}
    assert all(set(volume) - {"name"} <= allowed for volume in pod["volumes"]), where
    for container in containers_of(pod):
        assert_restricted_container(container["securityContext"], f"{where} {container['name']}")
        assert all("hostPort" not in port for port in container.get("ports", [])), where


def assert_restricted_container(context: dict[str, Any], where: str) -> None:
    assert context["runAsNonRoot"] is True, where
    assert context["runAsUser"] == context["runAsGroup"] == USER, where
    assert context["allowPrivilegeEscalation"] is False, where
    assert context["privileged"] is False, where
    assert context["capabilities"] == {"drop": ["ALL"]}, where
    assert context["readOnlyRootFilesystem"] is True, where
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}, where


@pytest.mark.parametrize("name", VALUES)
def test_2_every_pod_is_restricted_and_has_a_bounded_tmp(render: Render, name: str):
    pods = pods_of(render(name, sets=("probe.enabled=true", "probe.repository=a/b/c")))
    assert pods
    for where, pod in pods.items():
        assert_restricted(pod, where)
        tmp = next(volume for volume in pod["volumes"] if volume["name"] == "tmp")
        assert tmp["emptyDir"]["sizeLimit"] == "2Gi", where
        assert all({"name": "tmp", "mountPath": "/tmp"} in one["volumeMounts"] for one in containers_of(pod)), where


@pytest.mark.parametrize("name", VALUES)
def test_2_run_and_step_pods_inherit_it_through_the_launcher(render: Render, name: str):
    launcher = instance_of(render(name))["run_launcher"]["config"]
    assert_restricted_container(launcher["security_context"], "run")
    config = launcher["run_k8s_config"]
    assert config["pod_spec_config"]["security_context"]["runAsNonRoot"] is True
    assert config["pod_spec_config"]["security_context"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"name": "tmp", "emptyDir": {"sizeLimit": "2Gi"}} in config["pod_spec_config"]["volumes"]
    mounted = {mount["mountPath"] for mount in config["container_config"]["volume_mounts"]}
    assert {"/tmp", "/var/lib/elder"} <= mounted


@pytest.mark.parametrize("name", ["development", "production", "canary"])
def test_2_the_pod_that_dagster_k8s_makes_of_it_is_restricted(render: Render, name: str):
    job = made_job(instance_of(render(name)), run_tags("medium"))
    pod = job["spec"]["template"]["spec"]
    assert_restricted(pod, "run")
    memory = pod["containers"][0]["resources"]["limits"]["memory"]
    assert (memory, job["spec"]["activeDeadlineSeconds"], job["spec"]["backoffLimit"]) == ("1024Mi", 7200, 0)
    environment = {one["name"]: one for one in pod["containers"][0]["env"]}
    assert environment["PGPASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == "elder-database"
    assert environment["ELDER_TIER"]["value"] == "medium"


def made_job(instance: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """What dagster-k8s makes of the rendered launcher configuration and the tags of a run."""
    pytest.importorskip("dagster_k8s")
    from dagster._config import process_config
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import (
        DagsterK8sJobConfig,
        UserDefinedDagsterK8sConfig,
        construct_dagster_k8s_job,
        get_user_defined_k8s_config,
    )
    from kubernetes import client

    given = instance["run_launcher"]["config"]
    checked = process_config(DagsterK8sJobConfig.config_type_run_launcher(), given)
    assert checked.success, checked.errors
    context = K8sContainerContext(
        volume_mounts=given.get("volume_mounts"),
        env_config_maps=given["env_config_maps"],
        env_secrets=given["env_secrets"],
        labels=given["labels"],
        service_account_name=given["service_account_name"],
        security_context=given["security_context"],
        namespace=given["job_namespace"],
        run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(given["run_k8s_config"]),
    ).merge(K8sContainerContext(run_k8s_config=get_user_defined_k8s_config(tags)))
    config = DagsterK8sJobConfig(
        job_image=given["job_image"],
        dagster_home=given["dagster_home"],
        instance_config_map=given["instance_config_map"],
        service_account_name=given["service_account_name"],
        env_config_maps=given["env_config_maps"],
        env_secrets=given["env_secrets"],
        labels=given["labels"],
        security_context=given["security_context"],
        volume_mounts=[
            {"name": "dagster-instance", "mountPath": "/opt/dagster/home/dagster.yaml", "subPath": "dagster.yaml"}
        ],
        volumes=[{"name": "dagster-instance", "configMap": {"name": given["instance_config_map"]}}],
    )
    made = construct_dagster_k8s_job(
        config, ["dagster"], "dagster-run-1", component="run_worker", user_defined_k8s_config=context.run_k8s_config
    )
    return client.ApiClient().sanitize_for_serialization(made)


# --- 3: accounts and verbs ----------------------------------------------------------------------------------


def verbs(objects: list[dict[str, Any]], account: str) -> list[tuple[str, set[str]]]:
    found = []
    for binding in (one for one in objects if one["kind"] == "RoleBinding"):
        if {subject["name"] for subject in binding["subjects"]} == {f"elder-{account}"}:
            role = named(objects, "Role", binding["roleRef"]["name"])
            found += [(resource, set(rule["verbs"])) for rule in role["rules"] for resource in rule["resources"]]
    return found


def test_3_each_account_has_the_verbs_it_uses_and_no_other(render: Render):
    objects = render()
    assert verbs(objects, "daemon") == [JOBS, *READ]
    assert verbs(objects, "webserver") == [ENDED_JOBS, *READ]
    assert verbs(objects, "janitor") == [("jobs", {"list", "delete"})]
    assert [verbs(objects, account) for account in ("service", "run", "backup")] == [[], [], []]
    assert not [one for one in objects if one["kind"].startswith("Cluster")]


def test_3_run_workers_may_start_steps_only_where_steps_are_pods(render: Render):
    objects = render(sets=("audits.stepPods=true", "state.existingClaim=elder-state"))
    assert verbs(objects, "run") == [JOBS, *READ]
    pod = instance_of(objects)["run_launcher"]["config"]["run_k8s_config"]["pod_spec_config"]
    assert pod["automount_service_account_token"] is True
    without = instance_of(render())["run_launcher"]["config"]["run_k8s_config"]["pod_spec_config"]
    assert without["automount_service_account_token"] is False


def test_3_only_accounts_with_a_role_have_a_token(render: Render):
    pods = pods_of(render("production"))
    with_token = {where for where, pod in pods.items() if pod["automountServiceAccountToken"]}
    assert with_token == {"Deployment/elder-webserver", "Deployment/elder-daemon", "CronJob/elder-janitor"}


# --- 4: probes, replicas, strategies ------------------------------------------------------------------------


def test_4_there_is_one_daemon_and_it_is_replaced_before_the_next_starts(render: Render):
    daemon = named(render("production"), "Deployment", "-daemon")["spec"]
    assert (daemon["replicas"], daemon["strategy"]) == (1, {"type": "Recreate"})
    probe = daemon["template"]["spec"]["containers"][0]["livenessProbe"]
    assert probe["exec"]["command"] == ["dagster-daemon", "liveness-check"]


def test_dagsters_servers_write_json_where_elder_does(render: Render):
    def commands(*sets: str) -> list[list[str]]:
        objects = render("development", sets=sets)
        deployments = [one for one in objects if one["kind"] == "Deployment"]
        containers = [one["spec"]["template"]["spec"]["containers"][0] for one in deployments]
        return [one["command"] for one in containers if "dagster" in one["command"][0]]

    assert [command.count("--log-format=json") for command in commands("settings.ELDER_LOG=json")] == [1, 1, 1]
    assert not any("--log-format" in word for command in commands() for word in command)
    assert not any("--log-format" in word for command in commands("settings.ELDER_LOG=text") for word in command)


def test_4_services_are_probed_doubled_spread_and_guarded(render: Render):
    objects = render("production")
    for name, path in (("webserver", "/server_info"), ("control-plane", "/health/ready")):
        spec = named(objects, "Deployment", f"-{name}")["spec"]["template"]["spec"]
        container = spec["containers"][0]
        assert container["readinessProbe"]["httpGet"]["path"] == path
        assert {"startupProbe", "livenessProbe"} <= set(container)
        assert {one["topologyKey"] for one in spec["topologySpreadConstraints"]} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        assert named(objects, "PodDisruptionBudget", f"-{name}")["spec"]["maxUnavailable"] == 1
    assert named(objects, "Deployment", "-webserver")["spec"]["replicas"] == 2


def test_4_replicas_of_the_code_server_answer_as_one(render: Render):
    deployment = named(render(), "Deployment", "-code-server")["spec"]
    container = deployment["template"]["spec"]["containers"][0]
    ids = [part for part in container["command"] if part.startswith("--fixed-server-id=")]
    assert len(ids) == 1
    assert deployment["replicas"] == 2
    assert container["livenessProbe"]["exec"]["command"] == ["dagster", "api", "grpc-health-check", "--port", "3030"]
    other = named(render(sets=("image.tag=v2",)), "Deployment", "-code-server")["spec"]
    assert ids[0] not in other["template"]["spec"]["containers"][0]["command"]
    named(render(), "PodDisruptionBudget", "-code-server")


def test_4_a_lone_pod_has_no_budget_that_would_hold_a_drain_up(render: Render):
    assert not [one for one in render("development") if one["kind"] == "PodDisruptionBudget"]


# --- 5: the migration hook ----------------------------------------------------------------------------------


def test_5_the_migration_runs_after_an_install_and_before_an_upgrade(render: Render):
    job = named(render(), "Job", "-migrate")
    notes = job["metadata"]["annotations"]
    assert notes["helm.sh/hook"] == "post-install,pre-upgrade"
    assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
    pod = job["spec"]["template"]["spec"]
    assert [one["command"] for one in containers_of(pod)] == [["elder", "migrate", "up", "--with-dagster"]]
    for container in containers_of(pod):  # the ConfigMap is still the old one before an upgrade
        assert [one["value"] for one in container["env"] if one["name"] == "ELDER_DATABASE_URL"] == [
            "postgresql://elder@db.example.org:5432/elder?sslmode=require"
        ]


def test_5_under_argo_cd_the_migration_comes_after_what_it_needs_and_before_the_services(render: Render):
    """Argo CD makes PreSync of pre-upgrade, also on a first sync, when neither account nor ConfigMap exists."""
    objects = render("production", sets=("argoCd.enabled=true", "canary.share=10", "canary.ruler=x"))
    hook = named(objects, "Job", "-migrate")
    assert hook["metadata"]["annotations"] == {
        "argocd.argoproj.io/hook": "Sync",
        "argocd.argoproj.io/sync-wave": "-1",
        "argocd.argoproj.io/hook-delete-policy": "BeforeHookCreation",
    }

    def wave(kind: str, name: str) -> int:
        return int(
            named(objects, kind, name)["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave", "0")
        )

    pod = hook["spec"]["template"]["spec"]
    needed = [("ServiceAccount", pod["serviceAccountName"])]
    needed += [("ConfigMap", volume["configMap"]["name"]) for volume in pod["volumes"] if "configMap" in volume]
    needed += [("ConfigMap", source["configMapRef"]["name"]) for source in pod["containers"][0]["envFrom"][:1]]
    assert len(needed) == 4
    assert all(wave(kind, name) < -1 for kind, name in needed)
    assert all(wave("Deployment", name) > -1 for name in ("-control-plane", "-webserver", "-daemon", "-code-server"))


def test_5_the_example_for_argo_cd_names_values_that_exist():
    example = yaml.safe_load((CHART.parent / "ops" / "argo-cd.yaml").read_text())
    spec = example["spec"]["template"]["spec"]
    elements = example["spec"]["generators"][0]["list"]["elements"]
    assert {element["name"] for element in elements} <= set(VALUES)
    assert spec["source"]["helm"]["valuesObject"] == {"argoCd": {"enabled": True}}
    assert (CHART.parent / spec["source"]["path"]) == CHART


# --- 6: secrets ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacking", MINIMAL, ids=lambda setting: setting.partition("=")[0])
def test_6_what_must_be_given_has_no_default(helm: str, lacking: str):
    kept = [part for setting in MINIMAL if setting != lacking for part in ("--set", setting)]
    done = helm_run(helm, "template", "elder", str(CHART), *kept)
    assert done.returncode
    assert f"{lacking.partition('=')[0]} is required" in done.stderr


@pytest.mark.parametrize("name", VALUES)
def test_6_the_chart_makes_no_secret_and_names_the_password_by_reference(render: Render, name: str):
    objects = render(name)
    assert not [one for one in objects if one["kind"] == "Secret"]
    for where, pod in pods_of(objects).items():
        for container in containers_of(pod):
            password = next(one for one in container["env"] if one["name"] == "PGPASSWORD")
            assert password["valueFrom"]["secretKeyRef"] == {"name": "elder-database", "key": "postgresql-password"}, (
                where
            )
            assert {"secretRef": {"name": "elder"}} in container["envFrom"], where


# --- 7: a changed configuration restarts what reads it ------------------------------------------------------


def test_7_a_changed_configuration_changes_the_pods(render: Render):
    def checksums(objects: list[dict[str, Any]], name: str) -> dict[str, str]:
        return named(objects, "Deployment", name)["spec"]["template"]["metadata"]["annotations"]

    for name in ("-webserver", "-daemon", "-code-server", "-control-plane"):
        before = checksums(render(), name)
        queue = checksums(render(sets=("audits.maxConcurrent=11",)), name)
        setting = checksums(render(sets=("settings.ELDER_ALLOWED_HOSTS=git.example.org",)), name)
        assert before["checksum/dagster"] != queue["checksum/dagster"]
        assert before["checksum/settings"] != setting["checksum/settings"]


# --- 8: network policies ------------------------------------------------------------------------------------


def test_8_everything_is_denied_first(render: Render):
    spec = named(render(), "NetworkPolicy", "-deny")["spec"]
    assert spec == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def reached(objects: list[dict[str, Any]], component: str, labels: dict[str, str]) -> set[int]:
    """Ports that a kind of pod may reach, by any policy."""
    ports = set()
    for one in objects:
        spec = one["spec"] if one["kind"] == "NetworkPolicy" else {}
        wanted = spec.get("podSelector", {})
        fits = all(labels.get(name) == value for name, value in wanted.get("matchLabels", {}).items())
        for need in wanted.get("matchExpressions", []):
            fits = fits and component in need["values"]
        if fits:
            ports |= {port["port"] for rule in spec.get("egress", []) for port in rule["ports"]}
    return ports


def test_8_each_kind_of_pod_reaches_what_it_needs(render: Render):
    objects = render()
    ours = {"app.kubernetes.io/name": "elder", "app.kubernetes.io/instance": "elder"}

    def service(component: str) -> set[int]:
        return reached(objects, component, {**ours, "app.kubernetes.io/component": component})

    def run(component: str, objects: list[dict[str, Any]] = objects) -> set[int]:
        return reached(objects, component, {"elder/release": "elder", "app.kubernetes.io/component": component})

    assert service("daemon") == service("webserver") == {53, 5432, 443, 6443, 3030}
    assert service("control-plane") == service("code-server") == {53, 5432, 443, 22, 587}
    assert service("migrate") == service("backup") == {53, 5432}
    assert service("janitor") == {53, 5432, 443, 6443}
    assert run("step_worker") == run("run_worker") == {53, 5432, 443, 22, 587}
    with_steps = render(sets=("audits.stepPods=true", "state.existingClaim=elder-state"))
    assert run("run_worker", with_steps) - run("step_worker", with_steps) == {6443}


@pytest.mark.parametrize("name", ["eks", "gke", "aks", "production"])
def test_8_the_metadata_service_of_the_cloud_is_never_reached(render: Render, name: str):
    for one in render(name):
        if one["kind"] != "NetworkPolicy" or not one["metadata"]["name"].endswith(("-runs", "-outbound")):
            continue
        blocks = [to["ipBlock"] for rule in one["spec"]["egress"] for to in rule.get("to", []) if "ipBlock" in to]
        wide = [block for block in blocks if block.get("except")]
        assert wide
        assert all("169.254.169.254/32" in block["except"] for block in wide)


def test_8_the_code_server_answers_webserver_daemon_and_runs_alone(render: Render):
    rule = named(render(), "NetworkPolicy", "-ingress-code-server")["spec"]["ingress"][0]
    assert [port["port"] for port in rule["ports"]] == [3030]
    ours, runs = (source["podSelector"] for source in rule["from"])
    assert ours["matchExpressions"][0]["values"] == ["webserver", "daemon", "test"]
    assert runs["matchLabels"] == {"elder/release": "elder", "app.kubernetes.io/component": "run_worker"}


# --- 9: scaling ---------------------------------------------------------------------------------------------


def test_9_web_services_scale_when_asked_to_and_nothing_else_ever_does(render: Render):
    assert not [one for one in render() if one["kind"] == "HorizontalPodAutoscaler"]
    on = ("webserver.autoscaling.enabled=true", "controlPlane.autoscaling.enabled=true")
    objects = render(sets=on)
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in objects if one["kind"] == "HorizontalPodAutoscaler"}
    assert scaled == {"elder-webserver", "elder-control-plane"}
    assert all("replicas" not in named(objects, "Deployment", name)["spec"] for name in scaled)


def test_9_the_namespace_can_be_bounded(render: Render):
    objects = render("production")
    assert named(objects, "ResourceQuota", "elder")["spec"]["hard"]["pods"] == "150"
    named(objects, "LimitRange", "elder")
    runs = instance_of(objects)["concurrency"]["runs"]
    assert runs["max_concurrent_runs"] == 30
    limits = {row["key"]: row["limit"] for row in runs["tag_concurrency_limits"]}
    assert limits == {"dagster/partition": 1, "elder/team": 10, "elder/git_host": 12}


# --- 10: run pods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VALUES)
def test_10_run_pods_are_left_alone_and_no_job_retries_or_lives_for_ever(render: Render, name: str):
    config = instance_of(render(name))["run_launcher"]["config"]["run_k8s_config"]
    notes = config["pod_template_spec_metadata"]["annotations"]
    assert notes["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    assert notes["karpenter.sh/do-not-disrupt"] == "true"
    job = config["job_spec_config"]
    assert job["backoff_limit"] == 0
    assert job["active_deadline_seconds"] >= max(tier.deadline_seconds for tier in TIERS)
    assert job["ttl_seconds_after_finished"] >= 3600
    assert config["pod_spec_config"]["termination_grace_period_seconds"] == 60


def test_10_run_pods_have_their_own_place_and_priority(render: Render):
    pod = instance_of(render("eks", sets=("audits.priorityClassName=batch",)))["run_launcher"]["config"][
        "run_k8s_config"
    ]
    assert pod["pod_spec_config"]["priority_class_name"] == "batch"
    assert pod["pod_spec_config"]["node_selector"] == {"karpenter.sh/nodepool": "audits"}
    assert pod["pod_spec_config"]["tolerations"] == [{"key": "audits", "operator": "Exists", "effect": "NoSchedule"}]
    queued = instance_of(render(sets=(r"audits.jobLabels.kueue\.x-k8s\.io/queue-name=audits",)))
    labels = queued["run_launcher"]["config"]["run_k8s_config"]["job_metadata"]["labels"]
    assert labels == {"kueue.x-k8s.io/queue-name": "audits"}


@pytest.mark.parametrize("name", VALUES)
def test_10_every_job_of_the_chart_has_a_deadline(render: Render, name: str):
    jobs = [one["spec"] for one in render(name) if one["kind"] == "Job"]
    jobs += [one["spec"]["jobTemplate"]["spec"] for one in render(name) if one["kind"] == "CronJob"]
    assert all(job["activeDeadlineSeconds"] > 0 and job["ttlSecondsAfterFinished"] >= 3600 for job in jobs)


# --- 11: monitoring -----------------------------------------------------------------------------------------


def test_11_objects_of_the_operator_come_only_where_it_is(render: Render, helm: str):
    token = "monitoring.serviceMonitor.tokenSecret=elder-metrics"
    on = ("monitoring.serviceMonitor.enabled=true", "monitoring.prometheusRule.enabled=true", token)
    kinds = {one["kind"] for one in render(sets=on)}
    assert {"ServiceMonitor", "PrometheusRule"} <= kinds
    assert not {"ServiceMonitor", "PrometheusRule"} & {one["kind"] for one in render()}
    least = [part for setting in (*MINIMAL, *on) for part in ("--set", setting)]
    assert "ServiceMonitor" not in helm_run(helm, "template", "elder", str(CHART), *least).stdout


def test_11_prometheus_finds_the_port_of_the_control_plane(render: Render):
    objects = render("production")
    monitor = named(objects, "ServiceMonitor", "elder")["spec"]
    assert set(monitor) <= {"selector", "namespaceSelector", "endpoints"}
    (endpoint,) = monitor["endpoints"]
    assert (endpoint["port"], endpoint["path"], endpoint["interval"]) == ("http", "/metrics", "30s")
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": {"name": "elder-metrics", "key": "token"}}
    labels = named(objects, "Service", "-control-plane")["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()


def test_11_the_rules_of_the_release_are_those_of_the_file_and_prometheus_takes_them(render: Render, tmp_path: Path):
    own = "monitoring.prometheusRule.extraGroups[0]"
    sets = (f"{own}.name=ours", f"{own}.rules[0].record=ours:up", f"{own}.rules[0].expr=sum(up)")
    kept = yaml.safe_load((CHART / "files" / "rules.yaml").read_text())["groups"]
    assert named(render("production"), "PrometheusRule", "elder")["spec"] == {"groups": kept}
    spec = named(render("production", sets=sets), "PrometheusRule", "elder")["spec"]
    added = {"name": "ours", "rules": [{"record": "ours:up", "expr": "sum(up)"}]}
    assert spec == {"groups": [*kept, added]}
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(spec))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{sum(len(group['rules']) for group in kept) + 1} rules found" in done.stdout


def test_11_grafanas_sidecar_finds_every_dashboard_as_it_is_in_the_files(render: Render):
    found = named(render("production"), "ConfigMap", "-dashboards")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "Elder"}
    files = {f"elder-{path.name}": path.read_text() for path in (CHART / "files" / "dashboards").glob("*.json")}
    assert len(files) == 4
    assert {name: text.rstrip("\n") for name, text in found["data"].items()} == {
        name: text.rstrip("\n") for name, text in files.items()
    }
    assert sum(map(len, found["data"].values())) < 900_000  # a ConfigMap holds at most 1 MiB
    assert not [one for one in render() if one["metadata"]["name"].endswith("-dashboards")]


# --- 12: test, notes, extras --------------------------------------------------------------------------------


def test_12_helm_test_audits_a_tiny_repository(render: Render):
    pod = named(render("production"), "Pod", "-test")
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    script = pod["spec"]["containers"][0]["command"][-1]
    for part in ("elder audit /tmp/tiny", "grpc-health-check", "/server_info", "/health/ready"):
        assert part in script


def test_12_images_labels_environment_and_volumes_can_be_set_everywhere(render: Render):
    digest = "sha256:" + "0" * 64
    sets = (
        f"image.digest={digest}", "image.pullSecrets[0].name=registry", "commonLabels.team=platform",
        "extraEnv[0].name=HTTPS_PROXY", "extraEnv[0].value=http://proxy:3128",
        "extraVolumes[0].name=ca", "extraVolumes[0].configMap.name=ca",
        "extraVolumeMounts[0].name=ca", "extraVolumeMounts[0].mountPath=/etc/ca",
    )  # fmt: skip
    objects = render(sets=sets)
    assert all(one["metadata"]["labels"]["team"] == "platform" for one in objects)
    for where, pod in pods_of(objects).items():
        assert pod["imagePullSecrets"] == [{"name": "registry"}], where
        assert {"name": "ca", "configMap": {"name": "ca"}} in pod["volumes"], where
        for container in containers_of(pod):
            assert container["image"] == f"elder@{digest}", where
            assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in container["env"], where
    launcher = instance_of(objects)["run_launcher"]["config"]
    assert (launcher["job_image"], launcher["image_pull_secrets"]) == (f"elder@{digest}", [{"name": "registry"}])


# --- the instance, and the ways to roll out -----------------------------------------------------------------


@pytest.mark.parametrize("forecast", ["0", "30"])
def test_the_instance_is_the_one_that_elder_itself_would_write(render: Render, forecast: str):
    environment = {
        "ELDER_FORECAST_RUNS_MAX": forecast,
        "ELDER_HOME": "/h",
        "ELDER_DATABASE_URL": "postgresql://db/elder",
        "ELDER_KUBERNETES_NAMESPACE": "audits",
        "ELDER_KUBERNETES_IMAGE": "elder:0.1.0",
        "ELDER_MAX_CONCURRENT_RUNS": "10",
        "ELDER_HOST_RUNS_MAX": "8",
    }
    rendered = render(sets=(f"audits.forecastMaxConcurrent={forecast}",))
    ours, charts = instance_document(load_settings(environment)), instance_of(rendered)
    settings = named(rendered, "ConfigMap", "-settings")["data"]
    assert settings.get("ELDER_FORECAST_RUNS_MAX", "0") == forecast
    for key in set(ours) - {"run_launcher"}:
        assert charts[key] == ours[key], key
    assert set(charts) - set(ours) == {"compute_logs"}
    assert [charts["run_launcher"][name] for name in ("module", "class")] == [
        ours["run_launcher"][name] for name in ("module", "class")
    ]
    launcher = charts["run_launcher"]["config"]
    assert (
        launcher["run_k8s_config"]["job_spec_config"]
        == ours["run_launcher"]["config"]["run_k8s_config"]["job_spec_config"]
    )


def test_a_forecast_may_only_raise_the_limit(helm: str):
    sets = (*MINIMAL, "audits.maxConcurrent=10", "audits.forecastMaxConcurrent=9")
    done = helm_run(helm, "template", "elder", str(CHART), *[part for one in sets for part in ("--set", one)])
    assert "at least audits.maxConcurrent" in done.stderr


def test_facts_stay_in_an_object_store_that_runs_and_evictions_reach(render: Render):
    objects = render(sets=(r"factsDepot.url=s3://bucket/elder?region=here",))
    assert named(objects, "ConfigMap", "-settings")["data"]["ELDER_FACTS_DEPOT"] == "s3://bucket/elder?region=here"
    assert instance_of(objects)["run_launcher"]["config"]["env_config_maps"] == ["elder-settings"]
    assert "ELDER_FACTS_DEPOT" not in named(render(), "ConfigMap", "-settings")["data"]


def test_facts_stay_in_a_claim_that_only_run_pods_and_the_code_server_mount(render: Render, helm: str):
    objects = render(sets=("factsDepot.existingClaim=facts",))
    assert named(objects, "ConfigMap", "-settings")["data"]["ELDER_FACTS_DEPOT"] == "file:///var/lib/elder-depot"
    claim = {"name": "depot", "persistentVolumeClaim": {"claimName": "facts"}}
    mount = {"name": "depot", "mountPath": "/var/lib/elder-depot"}
    config = instance_of(objects)["run_launcher"]["config"]["run_k8s_config"]
    assert claim in config["pod_spec_config"]["volumes"]
    assert mount in config["container_config"]["volume_mounts"]
    with_claim = {where for where, pod in pods_of(objects).items() if claim in pod["volumes"]}
    assert with_claim == {"Deployment/elder-code-server"}
    made_job(instance_of(objects), run_tags("medium"))
    both = (*MINIMAL, "factsDepot.existingClaim=facts", "factsDepot.url=s3://bucket/elder")
    done = helm_run(helm, "template", "elder", str(CHART), *[part for one in both for part in ("--set", one)])
    assert "not both" in done.stderr


def test_step_pods_need_a_home_that_they_share(helm: str):
    least = [part for setting in (*MINIMAL, "audits.stepPods=true") for part in ("--set", setting)]
    done = helm_run(helm, "template", "elder", str(CHART), *least)
    assert "state.existingClaim" in done.stderr


def test_blue_green_keeps_two_and_the_services_choose_one(render: Render):
    for active, idle in (("blue", "green"), ("green", "blue")):
        objects = render("blue-green", sets=(f"rollout.active={active}", f"rollout.{idle}Tag=0.2.0"))
        for name in ("control-plane", "code-server"):
            assert named(objects, "Service", f"-{name}")["spec"]["selector"]["elder/colour"] == active
            images = {
                colour: named(objects, "Deployment", f"-{name}-{colour}")["spec"]["template"]["spec"]["containers"][0]
                for colour in ("blue", "green")
            }
            assert images[active]["image"] == "elder:0.1.0"
            assert images[idle]["image"] == "elder:0.2.0"


@pytest.mark.parametrize("name", VALUES)
def test_services_select_pods_that_exist(render: Render, name: str):
    objects = render(name)
    templates = [one["spec"]["template"]["metadata"]["labels"] for one in objects if one["kind"] == "Deployment"]
    services = [one for one in objects if one["kind"] == "Service"]
    assert services
    for service in services:
        wanted = service["spec"]["selector"].items()
        assert len([labels for labels in templates if wanted <= labels.items()]) == 1, service["metadata"]["name"]


def test_a_canary_gives_its_ruler_to_services_and_runs(render: Render):
    objects = render("canary")
    settings = named(objects, "ConfigMap", "-settings")["data"]
    assert (settings["ELDER_CANARY_SHARE"], settings["ELDER_CANARY_RULER"]) == ("10", "/etc/elder/ruler.json")
    assert named(objects, "ConfigMap", "-ruler")["data"] == {"ruler.json": "{}"}
    launcher = instance_of(objects)["run_launcher"]["config"]["run_k8s_config"]
    assert {"name": "ruler", "mountPath": "/etc/elder", "readOnly": True} in launcher["container_config"][
        "volume_mounts"
    ]
    undone = render("canary", sets=("canary.share=0",))
    assert "ELDER_CANARY_SHARE" not in named(undone, "ConfigMap", "-settings")["data"]


def test_beside_another_dagster_there_is_no_second_daemon(render: Render):
    names = {one["metadata"]["name"] for one in render("existing-dagster") if one["kind"] == "Deployment"}
    assert names == {"elder-control-plane", "elder-code-server"}
    hook = named(render("existing-dagster"), "Job", "-migrate")["spec"]["template"]["spec"]
    assert [one["command"] for one in containers_of(hook)] == [["elder", "migrate", "up"]]


def test_the_cold_site_audits_nothing(render: Render):
    objects = render("disaster-recovery")
    assert not [
        one
        for one in objects
        if one["metadata"]["name"].endswith(("-daemon", "-migrate")) and one["kind"] in {"Deployment", "Job"}
    ]
    (backup,) = [one for one in objects if one["kind"] == "CronJob"]
    assert (backup["metadata"]["name"], backup["spec"]["suspend"]) == ("elder-backup", True)
    assert "ELDER_BACKUP_MINUTES_MAX" not in named(objects, "ConfigMap", "-settings")["data"]


def test_a_backup_that_comes_as_planned_is_never_called_too_old(render: Render):
    minutes = {"*/5 * * * *": 5, "0 * * * *": 60}
    planned = 0
    for name in VALUES:
        objects = render(name)
        for job in objects:
            if (
                job["kind"] == "CronJob"
                and job["metadata"]["name"] == "elder-backup"
                and not job["spec"].get("suspend")
            ):
                allowed = int(named(objects, "ConfigMap", "-settings")["data"]["ELDER_BACKUP_MINUTES_MAX"])
                assert allowed >= 2 * minutes[job["spec"]["schedule"]], name
                planned += 1
    assert planned >= 2


@pytest.mark.parametrize("name", VALUES)
def test_every_setting_and_every_command_that_pods_get_exists(render: Render, name: str):
    from elder_assets.cli import elder
    from resources.settings import load_settings as load

    objects = render(name, sets=("probe.enabled=true", "probe.repository=a/b/c"))
    settings = named(objects, "ConfigMap", "-settings")["data"]
    source = (CHART.parent / "resources" / "settings.py").read_text()
    assert all(key in source for key in settings if key.startswith("ELDER_"))
    load({**settings, "ELDER_CANARY_RULER": "/r.json"})
    for pod in pods_of(objects).values():
        for container in containers_of(pod):
            command = container["command"]
            if command[0] == "elder":
                assert command[1] in elder.commands, command
