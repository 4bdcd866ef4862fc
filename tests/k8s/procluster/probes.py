"""Startup, readiness and liveness of a container, asked as the kubelet asks."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from contextlib import suppress

from .network import Forward, Network, Refused, ask
from .objects import Object


def succeeds(network: Network, pod: Object, probe: Object) -> tuple[bool, str]:
    """Whether a probe succeeds now, and what was heard."""
    timeout = probe.get("timeoutSeconds", 1)
    try:
        if "exec" in probe:
            request = {"exec": probe["exec"]["command"], "timeout": timeout}
            heard = json.loads(ask(network.folder(pod), request, timeout + 5))
            return heard["code"] == 0, heard["output"][-500:]
        if "httpGet" in probe:
            return _http(network, pod, probe["httpGet"], timeout)
        if "grpc" in probe:
            return _grpc(network, pod, probe["grpc"], timeout)
        network.open_pod(pod, _port(pod, probe["tcpSocket"]["port"])).close()
    except (OSError, Refused, ValueError, KeyError, http.client.HTTPException) as error:
        return False, f"{type(error).__name__}: {error}"
    return True, ""


def _port(pod: Object, port: int | str) -> int:
    ports = [one for container in pod["spec"]["containers"] for one in container.get("ports") or []]
    return port if isinstance(port, int) else next(one["containerPort"] for one in ports if one.get("name") == port)


def _http(network: Network, pod: Object, get: Object, timeout: float) -> tuple[bool, str]:
    connection = http.client.HTTPConnection(pod["status"]["podIP"])
    connection.sock = network.open_pod(pod, _port(pod, get["port"]))
    connection.sock.settimeout(timeout)
    try:
        connection.request("GET", get.get("path", "/"), headers={"User-Agent": "kube-probe/1.37"})
        answer = connection.getresponse()
        return 200 <= answer.status < 400, f"HTTP {answer.status}: {answer.read(300)!r}"
    finally:
        connection.close()


def _grpc(network: Network, pod: Object, asked: Object, timeout: float) -> tuple[bool, str]:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    forward = Forward(lambda: network.open_pod(pod, asked["port"]))
    try:
        with grpc.insecure_channel(f"127.0.0.1:{forward.port}") as channel:
            request = health_pb2.HealthCheckRequest(service=asked.get("service", ""))
            status = health_pb2_grpc.HealthStub(channel).Check(request, timeout=timeout).status
    except grpc.RpcError as error:
        return False, str(error)[:300]
    else:
        return status == health_pb2.HealthCheckResponse.SERVING, f"status {status}"
    finally:
        forward.close()


class Watch:
    """The probes of one container that runs.

    Args:
        ready: called with each change of readiness.
        fail: called with a message when the container is to be killed.
    """

    def __init__(
        self, network: Network, pod: Object, ready: Callable[[bool], None], fail: Callable[[str], None]
    ) -> None:
        container = pod["spec"]["containers"][0]
        self._network, self._pod, self._ready, self._fail = network, pod, ready, fail
        self._probes = {name: container.get(f"{name}Probe") for name in ("startup", "readiness", "liveness")}
        self._has_started = self._probes["startup"] is None
        now = time.monotonic()
        self._due = {name: now + (probe or {}).get("initialDelaySeconds", 0) for name, probe in self._probes.items()}
        self._misses = dict.fromkeys(self._probes, 0)
        if self._has_started and self._probes["readiness"] is None:
            ready(True)

    def look(self) -> None:
        """Ask every probe that is due."""
        for name in ("liveness", "readiness") if self._has_started else ("startup",):
            probe = self._probes[name]
            if probe and time.monotonic() >= self._due[name]:
                is_good, heard = succeeds(self._network, self._pod, probe)
                self._due[name] = time.monotonic() + probe.get("periodSeconds", 10)
                self._misses[name] = 0 if is_good else self._misses[name] + 1
                self._heard(name, probe, is_good, heard)

    def _heard(self, name: str, probe: Object, is_good: bool, heard: str) -> None:
        is_over = self._misses[name] >= probe.get("failureThreshold", 3)
        if name == "readiness":
            if is_good or is_over:
                self._ready(is_good)
        elif is_over:
            self._fail(f"{name} probe failed: {heard}")
        elif name == "startup" and is_good:
            self._has_started = True
            # Readiness is asked at once; what is not asked is always ready.
            with suppress(KeyError):
                self._due["readiness"] = self._due["liveness"] = time.monotonic()
            if self._probes["readiness"] is None:
                self._ready(True)
