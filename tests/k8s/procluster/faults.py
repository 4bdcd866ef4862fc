"""What goes wrong on purpose: faults that tests give to the kubelet."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

from .objects import Object, matches_labels

Kind = Literal["kill", "never-start", "image-pull", "memory"]


@dataclass
class Fault:
    """One fault for the pods that a label selector fits, as often as it says."""

    labels: str
    """As in a request: `dagster/op=findings_flow,elder/tier=large`."""
    kind: Kind
    on_log: str = ""
    """With `kill`: when the pod's log holds this text."""
    limit_mib: int = 0
    """With `memory`: the limit that is enforced instead of the pod's own."""
    times: int = 1
    hit: list[str] = field(default_factory=list)
    """Names of the pods that it came over."""


class Faults:
    """The faults of a cluster."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.RLock()

    def held(self) -> threading.RLock:
        """Keeps every new pod waiting, while a test finds out what its run is called."""
        return self._lock

    def inject(self, fault: Fault) -> Fault:
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, pod: Object) -> Fault | None:
        """The fault that comes over a new pod; it counts as one of its times."""
        with self._lock:
            for fault in self._faults:
                if len(fault.hit) < fault.times and matches_labels(pod["metadata"].get("labels") or {}, fault.labels):
                    fault.hit.append(pod["metadata"]["name"])
                    return fault
        return None

    def end(self, fault: Fault) -> None:
        """Take a fault away, so that it comes over no other pod."""
        with self._lock:
            self._faults.remove(fault)
