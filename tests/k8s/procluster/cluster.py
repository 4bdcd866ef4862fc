"""The cluster as a whole: puts the parts together, and is what tests talk to."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .admission import ENFORCE, Admission
from .api_server import Api, kind_of, serve
from .authority import Authority
from .controllers import Controllers
from .faults import Faults
from .kubelet import Kubelet
from .network import API_ADDRESS, API_PORT, Forward, Network, ask, is_ready
from .objects import Object, Store
from .sandbox import IS_ROOT, Image, namespaces

Found = TypeVar("Found")


def missing() -> str:
    """Why no cluster can be had on this machine; '' when one can."""
    for program in ("bwrap", "setpriv"):
        if shutil.which(program) is None:
            return f"{program} is not installed (apt-get install bubblewrap util-linux)"
    inner = ["setpriv", *(["--reuid=10001", "--clear-groups"] if IS_ROOT else []), "--no-new-privs", "--", "true"]
    shim = [sys.executable, "-I", "-S", str(Path(__file__).parent / "shim.py"), "try", *inner]
    tried = [*namespaces(10001), "--ro-bind", "/", "/", "--proc", "/proc", "--dev-bind", "/dev", "/dev"]
    done = subprocess.run([*tried, "--", *shim], capture_output=True, text=True, check=False)
    return f"namespaces cannot be had here: {done.stderr.strip()[-200:]}" if done.returncode else ""


class Cluster:
    """A running cluster; everything of it ends with `close`."""

    def __init__(self, schemas: Path) -> None:
        # Short: a socket's path has at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="procluster-", dir="/tmp"))
        self.authority = Authority(self.folder / "authority")
        self.store, self.faults = Store(), Faults()
        self.network = Network(self.store)
        self.images: dict[str, Image] = {}
        self._api = Api(self.store, Admission(self.store, schemas), self._log)
        context = self.authority.server("kubernetes.default.svc", "kubernetes", API_ADDRESS)
        self._server = serve(self._api, context)
        self.network.add_outside("kubernetes.default.svc", API_ADDRESS, API_PORT, self.address)
        self._kubelet = Kubelet(self._api, self.network, self.faults, self.images, self.folder)
        self._controllers = Controllers(self.store, self._api)
        self._forwards: list[Forward] = []

    def close(self) -> None:
        for forward in self._forwards:
            forward.close()
        self._controllers.close()
        self._kubelet.close()
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> tuple[str, int]:
        """Where the API listens on this machine."""
        host, port = self._server.server_address[:2]
        return str(host), port

    def token(self, user: str) -> str:
        """A new bearer token of a user."""
        return self._api.token(user)

    @property
    def audit(self) -> list[Any]:
        """Every request of the API so far."""
        return self._api.audit

    # --- objects ---

    def add_namespace(self, name: str) -> None:
        """A namespace that enforces Pod Security "restricted"."""
        labels = {ENFORCE: "restricted", "kubernetes.io/metadata.name": name}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})

    def add_secret(self, namespace: str, name: str, **values: str) -> None:
        metadata = {"name": name, "namespace": namespace}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})

    def add_claim(self, namespace: str, name: str) -> None:
        metadata = {"name": name, "namespace": namespace}
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        self.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})

    def apply(self, one: Object, namespace: str = "") -> Object:
        """Create an object as an administrator does."""
        if kind_of(one).is_namespaced:
            one["metadata"].setdefault("namespace", namespace)
        if one["kind"] == "Service":
            one["spec"]["clusterIP"] = self.network.address("10.96")
        return self._api.create(one)

    def run_job_of(self, namespace: str, cronjob: str) -> Object:
        """Start a schedule's Job now; `kubectl create job --from=cronjob/...`."""
        one = self.store.get("CronJob", namespace, cronjob)
        template = one["spec"]["jobTemplate"]
        metadata = {
            **(template.get("metadata") or {}),
            "name": f"{cronjob}-{secrets.token_hex(2)}",
            "namespace": namespace,
        }
        return self.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]})

    def address_of(self, namespace: str, service: str) -> str:
        address: str = self.store.get("Service", namespace, service)["spec"]["clusterIP"]
        return address

    def pods(self, namespace: str, labels: str = "") -> list[Object]:
        return self.store.list("Pod", namespace, labels)

    def log(self, pod: Object) -> str:
        return self._log(pod, None)

    def _log(self, pod: Object, lines: int | None) -> str:
        return self._kubelet.log(pod, lines)

    # --- what kubectl does ---

    def execute(self, namespace: str, labels: str, argv: list[str], timeout: float = 60) -> str:
        """What a command says in a ready pod; `kubectl exec`.

        Raises:
            AssertionError: it fails.
        """
        pod = next(pod for pod in self.pods(namespace, labels) if is_ready(pod))
        heard = json.loads(ask(self.network.folder(pod), {"exec": argv, "timeout": timeout}, timeout + 10))
        assert heard["code"] == 0, f"{argv}: {heard}"
        said: str = heard["output"]
        return said

    def forward(self, namespace: str, service: str) -> str:
        """The address of this machine that leads to a Service; `kubectl port-forward`."""
        one = self.store.get("Service", namespace, service)

        def connect() -> Any:
            pod, port = self.network.backend(one["spec"]["clusterIP"], one["spec"]["ports"][0]["port"])
            return self.network.open_pod(pod, port)

        self._forwards.append(Forward(connect))
        return self._forwards[-1].url

    # --- waiting ---

    def wait(self, what: str, look: Callable[[], Found | None], seconds: float, every: float = 0.2) -> Found:
        """What `look` finds, as soon as it finds something.

        Raises:
            AssertionError: it found nothing in time; the state of every pod is said.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(every)
        raise AssertionError(f"waited {seconds} s for {what}\n{self.describe()}")

    def describe(self) -> str:
        """The state of every pod, and what the ones that are not well said last."""
        lines = []
        for pod in self.store.list("Pod"):
            state = [one["state"] for one in pod["status"].get("containerStatuses") or []]
            lines.append(f"{pod['metadata']['name']}: {pod['status'].get('phase')} {state}")
            if not is_ready(pod) and pod["status"].get("phase") != "Succeeded":
                lines.append("    " + "\n    ".join(line[:300] for line in self.log(pod).splitlines()[-12:]))
        lines += [
            f"{e['type']} {e['involvedObject']['name']}: {e['message']}"
            for e in self.store.list("Event", fields="type=Warning")
        ]
        return "\n".join(lines + [f"refused: {name}: {reason}" for name, reason in self.network.refused[-5:]])
