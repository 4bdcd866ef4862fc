"""The network between pods: addresses and names of Services, and connections where the policies allow them.

Every pod has a network namespace of its own. A process that connects to an address of the cluster reaches the pod's shim,
which asks here for an open connection; what leads to another pod is asked from that pod's shim. In place of a DNS server
every pod has a hosts file. A pod cannot reach a Service at a port that it listens on itself.
"""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .objects import CLUSTER, Object, Store, labels_of, selects
from .policies import End, refusal
from .shim import join

API_ADDRESS, API_PORT = "10.96.0.1", 443
METADATA = "169.254.169.254"
"""Where clouds hand out credentials; a server stands behind it, so that only a policy keeps pods away."""
NETWORKS = (("10.0.0.1", "255.0.0.0"), ("198.18.0.1", "255.254.0.0"), ("169.254.169.1", "255.255.255.0"))
"""Pods and Services; the world outside; the metadata service. A pod's loopback interface owns them all."""
ASK_SECONDS = 10.0


class Refused(Exception):
    """No connection: a policy forbids it, or nobody is there."""


class Outside(NamedTuple):
    """A server outside the cluster: how pods see it, and where it really listens."""

    name: str
    address: str
    port: int
    real: tuple[str, int]


def ask(folder: Path, request: Object, timeout: float = ASK_SECONDS) -> bytes:
    """Ask a pod's shim; what it answers.

    Raises:
        OSError: it does not answer.
    """
    with socket.socket(socket.AF_UNIX) as shim:
        shim.settimeout(timeout)
        shim.connect(str(folder / "shim"))
        shim.sendall(json.dumps(request).encode() + b"\n")
        return shim.makefile("rb").read()


def open_port(folder: Path, port: int) -> socket.socket:
    """A connection to a port of a pod.

    Raises:
        Refused: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX) as shim:
        try:
            shim.settimeout(ASK_SECONDS)
            shim.connect(str(folder / "shim"))
            shim.sendall(json.dumps({"connect": port}).encode() + b"\n")
            _answer, descriptors, _, _ = socket.recv_fds(shim, 16, 1)
        except OSError as error:
            raise Refused(f"the pod does not answer: {error}") from error
    if not descriptors:
        raise Refused(f"nobody listens at port {port}")
    return socket.socket(fileno=descriptors[0])


class Network:
    """Addresses, names and connections."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outside: dict[tuple[str, int], Outside] = {}
        self._folders: dict[str, Path] = {}
        self._numbers = iter(range(10, 60_000))
        self.refused: list[tuple[str, str]] = []
        """Name of the pod that asked, and the reason."""

    def add_outside(self, name: str, address: str, port: int, real: tuple[str, int]) -> None:
        """Let pods see a server under a name and an address."""
        self._outside[address, port] = Outside(name, address, port, real)

    def address(self, network: str) -> str:
        """A new address, such as 10.244.0.12 in `10.244`."""
        number = next(self._numbers)
        return f"{network}.{number // 250}.{number % 250 + 1}"

    # --- what a pod gets ---

    def listens(self, pod: Object) -> list[tuple[str, int]]:
        """Addresses and ports at which the shim of a pod answers for others."""
        own = {port["containerPort"] for one in pod["spec"]["containers"] for port in one.get("ports") or []}
        services = [
            (service["spec"]["clusterIP"], port["port"])
            for service in self._store.list("Service")
            for port in service["spec"]["ports"]
        ]
        return [place for place in (*services, *self._outside) if place[1] not in own]

    def hosts(self, pod: Object) -> str:
        """The hosts file of a pod."""
        metadata = pod["metadata"]
        lines = ["127.0.0.1 localhost", f"{pod['status']['podIP']} {metadata['name']}"]
        for service in self._store.list("Service"):
            name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
            short = [name] if namespace == metadata["namespace"] else []
            full = [f"{name}.{namespace}{ending}" for ending in ("", ".svc", ".svc.cluster.local")]
            lines.append(" ".join([service["spec"]["clusterIP"], *short, *full]))
        lines += [f"{one.address} {one.name}" for one in self._outside.values()]
        return "\n".join(lines) + "\n"

    def attach(self, pod: Object, folder: Path) -> None:
        """Serve the connections of a pod through the socket `net` of its folder."""
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(folder / "net"))
        listening.listen(128)
        self._folders[pod["metadata"]["uid"]] = folder
        threading.Thread(target=self._serve, args=(listening, pod), daemon=True).start()

    def detach(self, pod: Object) -> None:
        self._folders.pop(pod["metadata"]["uid"], None)

    def _serve(self, listening: socket.socket, pod: Object) -> None:
        while pod["metadata"]["uid"] in self._folders:
            listening.settimeout(1)
            with suppress(TimeoutError):
                asked, _ = listening.accept()
                threading.Thread(target=self._connect_for, args=(asked, pod), daemon=True).start()
        listening.close()

    def _connect_for(self, asked: socket.socket, pod: Object) -> None:
        with asked, suppress(OSError, ValueError):
            asked.settimeout(ASK_SECONDS)
            address, port = json.loads(asked.makefile("rb").readline())
            try:
                with self.connect(self._end(pod), address, port) as opened:
                    socket.send_fds(asked, [b"+"], [opened.fileno()])
            except (Refused, OSError) as error:
                self.refused.append((pod["metadata"]["name"], str(error)))

    # --- connections ---

    def connect(self, source: End, address: str, port: int) -> socket.socket:
        """A connection from a pod to a Service or to the world outside.

        Raises:
            Refused: a policy forbids it, or nobody is there.
        """
        policies = self._store.list("NetworkPolicy")
        if outside := self._outside.get((address, port)):
            if reason := refusal(policies, source, End(address), port):
                raise Refused(reason)
            return socket.create_connection(outside.real, timeout=ASK_SECONDS)
        pod, target = self.backend(address, port)
        if reason := refusal(policies, source, self._end(pod), target):
            raise Refused(reason)
        return open_port(self._folders[pod["metadata"]["uid"]], target)

    def backend(self, address: str, port: int) -> tuple[Object, int]:
        """A ready pod behind a Service, and the port in it.

        Raises:
            Refused: there is none.
        """
        for service in self._store.list("Service"):
            wanted = [one for one in service["spec"]["ports"] if one["port"] == port]
            if service["spec"]["clusterIP"] == address and wanted:
                ready = [pod for pod in self._store.list("Pod", service["metadata"]["namespace"]) if is_ready(pod)]
                ready = [pod for pod in ready if selects({"matchLabels": service["spec"]["selector"]}, labels_of(pod))]
                if ready:
                    pod = random.choice(ready)  # noqa: S311 - a load balancer, no secret
                    return pod, _target(pod, wanted[0].get("targetPort", port))
                raise Refused(f"Service {service['metadata']['name']} has no ready pod")
        raise Refused(f"nobody is at {address}:{port}")

    def open_pod(self, pod: Object, port: int) -> socket.socket:
        """A connection as the kubelet makes it: no policy is asked.

        Raises:
            Refused: nobody is there.
        """
        folder = self._folders.get(pod["metadata"]["uid"])
        if folder is None:
            raise Refused(f"pod {pod['metadata']['name']} does not run")
        return open_port(folder, port)

    def folder(self, pod: Object) -> Path:
        return self._folders[pod["metadata"]["uid"]]

    def _end(self, pod: Object) -> End:
        namespace = pod["metadata"]["namespace"]
        stored = self._store.find("Namespace", CLUSTER, namespace)
        labels = labels_of(stored) if stored else {}
        return End(pod["status"].get("podIP", "0.0.0.0"), namespace, labels_of(pod), labels)  # noqa: S104 - no address yet


def is_ready(pod: Object) -> bool:
    """Whether a pod is ready and is not told to end."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions") or []}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def _target(pod: Object, port: int | str) -> int:
    ports = [one for container in pod["spec"]["containers"] for one in container.get("ports") or []]
    return port if isinstance(port, int) else next(one["containerPort"] for one in ports if one.get("name") == port)


class Forward:
    """A port of this machine that leads somewhere; `kubectl port-forward`."""

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._is_open = True
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._is_open = False
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while self._is_open:
            try:
                here, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(here,), daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        try:
            there = self._connect()
        except (Refused, OSError):
            here.close()
            return
        there.settimeout(None)
        join(here, there)
