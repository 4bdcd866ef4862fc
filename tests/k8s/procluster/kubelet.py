"""Makes pods run: one thread a pod, one sandboxed process a container, states as the API tells them.

A pod has one container; what has more is refused.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from .api_server import Api
from .faults import Fault, Faults
from .network import NETWORKS, Network, ask
from .objects import Object, stamp
from .probes import Watch
from .sandbox import ConfigError, Image, Volumes, command, environment, privileges, quantity

LOOK_SECONDS = 0.25
RETRY_SECONDS = 1.0
BACKOFF_SECONDS = 2.0
"""Before a container is started again; a real kubelet begins with ten seconds and doubles them."""


class Kubelet:
    """Starts a thread for each new pod, until it is closed."""

    def __init__(self, api: Api, network: Network, faults: Faults, images: dict[str, Image], folder: Path) -> None:
        self.store, self.api, self.network, self.faults = api.store, api, network, faults
        self.images, self.folder = images, folder
        self.claims = folder / "claims"
        self.is_closing = False
        self._pods: dict[str, PodThread] = {}
        self._number = 0
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def log(self, pod: Object, lines: int | None = None) -> str:
        """What the container of a pod has written."""
        thread = self._pods.get(pod["metadata"]["uid"])
        if thread is None:
            return ""
        with suppress(FileNotFoundError):
            text = (thread.folder / "shim" / "log").read_text(errors="replace")
            return text if lines is None else "\n".join(text.splitlines()[-lines:]) + "\n"
        return ""

    def close(self) -> None:
        """Kill everything that runs, and wait for it."""
        self.is_closing = True
        self._thread.join()
        for pod in list(self._pods.values()):
            pod.join(20)

    def _look(self) -> None:
        while not self.is_closing:
            for pod in self.store.list("Pod"):
                if pod["metadata"]["uid"] not in self._pods:
                    self._number += 1
                    thread = PodThread(self, pod, self.folder / f"p{self._number}")
                    self._pods[pod["metadata"]["uid"]] = thread
                    thread.start()
            with self.store.changed:
                self.store.changed.wait(LOOK_SECONDS)


class PodThread(threading.Thread):
    """One pod from its creation to its end."""

    def __init__(self, kubelet: Kubelet, pod: Object, folder: Path) -> None:
        super().__init__(daemon=True, name=pod["metadata"]["name"])
        self._kubelet, self._store, self._pod, self.folder = kubelet, kubelet.store, pod, folder
        self._container = pod["spec"]["containers"][0]
        self._fault: Fault | None = None
        self._restarts = 0
        self._last: Object = {}
        self._is_ready = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> None:
        """Everything that happens to the pod."""
        self.folder.mkdir()
        (self.folder / "shim").mkdir(mode=0o700)
        self._fault = self._kubelet.faults.take(self._pod)
        self._status(phase="Pending", podIP=self._kubelet.network.address("10.244"))
        try:
            if self._is_startable():
                self._live()
        except Exception as error:
            self._waiting("HarnessFailed", f"{type(error).__name__}: {error}")
            self._store.note(self._pod, "HarnessFailed", repr(error), "Warning")
            raise
        finally:
            self._kubelet.network.detach(self._pod)
        while not self._is_told_to_end():
            time.sleep(LOOK_SECONDS)
        self._store.remove(self._pod)

    # --- before it runs ---

    def _is_startable(self) -> bool:
        """Whether there is a place and an image; waits with a pod for which there is none until it is deleted."""
        image = self._container["image"]
        if self._fault and self._fault.kind == "never-start":
            self._unschedulable("0/1 nodes are available: 1 Insufficient memory.")
        elif (self._fault and self._fault.kind == "image-pull") or image not in self._kubelet.images:
            self._waiting("ImagePullBackOff", f'Back-off pulling image "{image}"')
            self._store.note(self._pod, "Failed", f'Failed to pull image "{image}": not found', "Warning")
        elif len(self._pod["spec"]["containers"]) > 1 or self._pod["spec"].get("initContainers"):
            self._waiting("HarnessFailed", "the process cluster runs pods of one container")
        else:
            return True
        return False

    def _unschedulable(self, message: str) -> None:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        self._status(phase="Pending", conditions=[condition])
        self._store.note(self._pod, "FailedScheduling", message, "Warning")

    def _prepared(self) -> list[str]:
        """The command of the container, with all that it needs in place.

        Raises:
            ConfigError: something that the pod names is not there.
        """
        kubelet, pod, container = self._kubelet, self._pod, self._container
        image = kubelet.images[container["image"]]
        volumes = Volumes(self._store, kubelet.claims, self.folder / "volumes").prepare(pod)
        (self.folder / "hosts").write_text(kubelet.network.hosts(pod))
        self._mount_account()
        limit = ((container.get("resources") or {}).get("limits") or {}).get("memory", "0")
        enforced = self._fault.limit_mib * 2**20 if self._fault and self._fault.kind == "memory" else quantity(limit)
        spec = {
            "argv": [*(container.get("command") or []), *(container.get("args") or [])],
            "env": environment(self._store, pod, container, image),
            "cwd": container.get("workingDir", image.folder),
            "privileges": privileges(pod, container, image),
            "addresses": [(pod["status"]["podIP"], "255.255.255.255"), *NETWORKS],
            "listen": kubelet.network.listens(pod),
            "memory_limit_bytes": enforced,
        }
        (self.folder / "shim" / "spec.json").write_text(json.dumps(spec))
        return command(pod, container, image, self.folder, volumes)

    def _mount_account(self) -> None:
        """The token of the pod's account, unless the pod or the account does not want it mounted."""
        namespace, name = self._pod["metadata"]["namespace"], self._pod["spec"].get("serviceAccountName", "default")
        account = self._store.find("ServiceAccount", namespace, name) or {}
        wanted = self._pod["spec"].get(
            "automountServiceAccountToken", account.get("automountServiceAccountToken", True)
        )
        if not wanted or (self.folder / "account").exists():
            return
        (self.folder / "account").mkdir()
        (self.folder / "account").chmod(0o755)
        token = self._kubelet.api.token(f"system:serviceaccount:{namespace}:{name}")
        content = {
            "token": token,
            "namespace": namespace,
            "ca.crt": (self._kubelet.folder / "authority" / "ca.crt").read_text(),
        }
        for file, text in content.items():
            (self.folder / "account" / file).write_text(text)
            (self.folder / "account" / file).chmod(0o644)

    # --- while it runs ---

    def _live(self) -> None:
        """Start the container, and start it again as the pod's policy says."""
        policy = self._pod["spec"].get("restartPolicy", "Always")
        while not self._is_told_to_end():
            try:
                made = self._prepared()
            except ConfigError as error:
                self._cannot(error)
                time.sleep(RETRY_SECONDS)
                continue
            code = self._run(made)
            if self._is_told_to_end() or policy == "Never" or (policy == "OnFailure" and code == 0):
                self._ended("Succeeded" if code == 0 else "Failed")
                return
            self._restarts += 1
            self._waiting("CrashLoopBackOff", f"back-off restarting, exit code {code}")
            time.sleep(BACKOFF_SECONDS)

    def _cannot(self, error: ConfigError) -> None:
        if error.reason == "Unschedulable":
            self._unschedulable(str(error))
        else:
            self._waiting(error.reason, str(error))
        if not self._last.get("noted"):
            self._last = {"noted": True}
            self._store.note(self._pod, "Failed", f"Error: {error}", "Warning")

    def _run(self, made: list[str]) -> int:
        """The container from start to end; its exit code."""
        shim = self.folder / "shim"
        for name in ("shim", "net", "result", "started"):
            (shim / name).unlink(missing_ok=True)
        self._kubelet.network.attach(self._pod, shim)
        began = stamp()
        with (self.folder / "sandbox").open("ab") as said:
            self._process = subprocess.Popen(made, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={})
        self._store.note(self._pod, "Started", f"Started container {self._container['name']}")
        self._state({"running": {"startedAt": began}}, phase="Running")
        self._attend()
        self._process.wait()
        self._kubelet.network.detach(self._pod)
        result = self._result()
        reason = "OOMKilled" if result["is_oom"] else "Completed" if result["code"] == 0 else "Error"
        ended = {"exitCode": result["code"], "reason": reason, "startedAt": began, "finishedAt": stamp()}
        if message := result.get("message"):
            ended["message"] = message
        self._last = {"terminated": ended}
        return result["code"]

    def _attend(self) -> None:
        """Look at the container until it ends: probes, faults, deadline, and whether it is told to end."""
        deadline = self._pod["spec"].get("activeDeadlineSeconds")
        started = time.monotonic()
        watch: Watch | None = None
        while self._process.poll() is None:
            if self._is_told_to_end() or (deadline and time.monotonic() - started > deadline):
                self._end()
                return
            if watch is None and (self.folder / "shim" / "started").exists():
                watch = Watch(self._kubelet.network, self._pod, self._set_ready, self._kill_for)
            if watch:
                watch.look()
            if self._fault and self._fault.kind == "kill" and self._fault.on_log in self._kubelet.log(self._pod):
                self._signal(signal.SIGKILL)
                self._fault = None
            time.sleep(LOOK_SECONDS)

    def _set_ready(self, is_ready: bool) -> None:
        if is_ready != self._is_ready:
            self._is_ready = is_ready
            self._state(None)

    def _kill_for(self, message: str) -> None:
        self._store.note(self._pod, "Unhealthy", message, "Warning")
        self._signal(signal.SIGKILL)

    def _end(self) -> None:
        """Ask the container to end, and kill it when its time of grace is over."""
        is_told = self._signal(signal.SIGTERM)
        grace = 0 if self._kubelet.is_closing else self._pod["spec"].get("terminationGracePeriodSeconds", 30)
        deadline = time.monotonic() + grace
        while self._process.poll() is None and time.monotonic() < deadline and not self._kubelet.is_closing:
            time.sleep(LOOK_SECONDS)
            is_told = is_told or self._signal(signal.SIGTERM)  # a container that has only begun does not hear it yet
        if self._process.poll() is None:
            self._signal(signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
            self._process.kill()

    def _signal(self, number: int) -> bool:
        """Send a signal; whether the shim was there to hear it."""
        try:
            ask(self.folder / "shim", {"signal": int(number)}, 5)
        except OSError:
            return False
        return True

    def _result(self) -> dict[str, Any]:
        with suppress(FileNotFoundError):
            result: dict[str, Any] = json.loads((self.folder / "shim" / "result").read_text())
            return result
        said = (self.folder / "sandbox").read_text(errors="replace")[-500:]
        return {"code": 137 if self._is_told_to_end() else 128, "is_oom": False, "message": said}

    # --- what the API says of it ---

    def _is_told_to_end(self) -> bool:
        if self._kubelet.is_closing:
            return True
        metadata = self._pod["metadata"]
        stored = self._store.find("Pod", metadata["namespace"], metadata["name"])
        return (
            stored is None or stored["metadata"]["uid"] != metadata["uid"] or "deletionTimestamp" in stored["metadata"]
        )

    def _waiting(self, reason: str, message: str) -> None:
        self._is_ready = False
        self._state({"waiting": {"reason": reason, "message": message}})

    def _ended(self, phase: str) -> None:
        self._is_ready = False
        self._state({"terminated": self._last["terminated"]}, phase=phase)

    def _state(self, state: Object | None, phase: str = "") -> None:
        """Write the state of the container (None: as it is) and the readiness of the pod."""
        statuses = self._pod["status"].get("containerStatuses") or [{}]
        now = state if state is not None else statuses[0].get("state", {})
        status = {
            "name": self._container["name"],
            "image": self._container["image"],
            "imageID": "",
            "ready": self._is_ready,
            "restartCount": self._restarts,
            "state": now,
            "lastState": {"terminated": self._last["terminated"]}
            if "terminated" in self._last and self._restarts
            else {},
        }
        ready = {"type": "Ready", "status": str(self._is_ready)}
        conditions = [{"type": "PodScheduled", "status": "True"}, ready]
        self._status(phase=phase or self._pod["status"]["phase"], containerStatuses=[status], conditions=conditions)

    def _status(self, **given: Any) -> None:
        given.setdefault("startTime", stamp())
        changed = self._store.update(self._pod, lambda stored: stored["status"].update(given))
        self._pod = changed or {**self._pod, "status": {**self._pod["status"], **given}}
