"""The objects of the cluster, kept in memory: kinds, names, selectors, versions, and what happens on a delete."""

from __future__ import annotations

import datetime as dt
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

Object = dict[str, Any]
CLUSTER = ""
"""Namespace of what has none."""


class Resource(NamedTuple):
    """One kind, as the API names it."""

    kind: str
    plural: str
    group: str
    version: str
    is_namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural


RESOURCES = (
    Resource("Namespace", "namespaces", "", "v1", is_namespaced=False),
    *(
        Resource(kind, plural, "", "v1")
        for kind, plural in (
            ("Pod", "pods"),
            ("Service", "services"),
            ("ServiceAccount", "serviceaccounts"),
            ("ConfigMap", "configmaps"),
            ("Secret", "secrets"),
            ("Event", "events"),
            ("PersistentVolumeClaim", "persistentvolumeclaims"),
            ("ResourceQuota", "resourcequotas"),
            ("LimitRange", "limitranges"),
        )
    ),
    Resource("Job", "jobs", "batch", "v1"),
    Resource("CronJob", "cronjobs", "batch", "v1"),
    Resource("Deployment", "deployments", "apps", "v1"),
    Resource("Role", "roles", "rbac.authorization.k8s.io", "v1"),
    Resource("RoleBinding", "rolebindings", "rbac.authorization.k8s.io", "v1"),
    Resource("NetworkPolicy", "networkpolicies", "networking.k8s.io", "v1"),
    Resource("Ingress", "ingresses", "networking.k8s.io", "v1"),
    Resource("PodDisruptionBudget", "poddisruptionbudgets", "policy", "v1"),
    Resource("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling", "v2"),
)
KINDS = {resource.kind: resource for resource in RESOURCES}


class ApiError(Exception):
    """What the API answers instead of an object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message

    def status(self) -> Object:
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
        }


def not_found(kind: str, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{KINDS[kind].qualified} "{name}" not found')


def copied(one: Any) -> Any:
    """A copy of a tree of plain values; a tenth of the time of `copy.deepcopy`."""
    return msgspec.json.decode(msgspec.json.encode(one))


def stamp(at: dt.datetime | None = None) -> str:
    return (at or dt.datetime.now(dt.UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


def labels_of(one: Object) -> dict[str, str]:
    return one["metadata"].get("labels") or {}


# --- selectors ------------------------------------------------------------------------------------------------


def matches_labels(labels: dict[str, str], selector: str) -> bool:
    """Whether labels fit a selector as it stands in a request: `a=b,c!=d,e in (f,g),h,!i`."""
    return all(_fits(labels, part.strip()) for part in re.split(r",(?![^(]*\))", selector) if part.strip())


def _fits(labels: dict[str, str], part: str) -> bool:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", part):
        is_in = labels.get(found[1]) in {value.strip() for value in found[3].split(",")}
        return is_in == (found[2] == "in")
    if found := re.fullmatch(r"([^!=]+?)\s*(==|!=|=)\s*(.*)", part):
        return (labels.get(found[1]) == found[3]) == (found[2] != "!=")
    return part[1:] not in labels if part.startswith("!") else part in labels


def matches_fields(one: Object, selector: str) -> bool:
    """Whether an object fits a field selector, such as `metadata.name=a,status.phase!=Running`."""
    for part in filter(None, selector.split(",")):
        path, sign, wanted = re.fullmatch(r"([\w.]+?)(!=|==|=)(.*)", part).groups()
        value: Any = one
        for key in path.split("."):
            value = (value or {}).get(key)
        if (str(value or "") == wanted) != (sign != "!="):
            return False
    return True


def selects(selector: Object | None, labels: dict[str, str]) -> bool:
    """Whether a LabelSelector of an object fits labels; an empty one fits all, none fits nothing."""
    if selector is None:
        return False
    wanted = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for one in selector.get("matchExpressions") or []:
        values = ",".join(one.get("values") or [])
        form = {"In": "{} in ({})", "NotIn": "{} notin ({})", "Exists": "{}", "DoesNotExist": "!{}"}[one["operator"]]
        wanted.append(form.format(one["key"], values))
    return matches_labels(labels, ",".join(wanted))


# --- the store ------------------------------------------------------------------------------------------------


class Store:
    """Every object, by kind, namespace and name. Readers get copies."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._version = 0
        self._lock = threading.RLock()
        self.changed = threading.Condition(self._lock)

    def create(self, given: Object) -> Object:
        one = copied(given)
        metadata = one["metadata"]
        with self._lock:
            if not metadata.get("name") and metadata.get("generateName"):
                metadata["name"] = metadata["generateName"] + secrets.token_hex(3)[:5]
            key = (one["kind"], metadata.get("namespace", CLUSTER), metadata["name"])
            if key in self._objects:
                message = f'{KINDS[key[0]].qualified} "{key[2]}" already exists'
                raise ApiError(409, "AlreadyExists", message)
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": stamp(), "generation": 1}
            metadata["resourceVersion"] = self._next()
            one.setdefault("status", {})
            self._objects[key] = one
            self.changed.notify_all()
            return copied(one)

    def get(self, kind: str, namespace: str, name: str) -> Object:
        with self._lock:
            if (one := self._objects.get((kind, namespace, name))) is None:
                raise not_found(kind, name)
            return copied(one)

    def find(self, kind: str, namespace: str, name: str) -> Object | None:
        with self._lock:
            return copied(self._objects.get((kind, namespace, name)))

    def list(self, kind: str, namespace: str = CLUSTER, labels: str = "", fields: str = "") -> list[Object]:
        """Objects of a kind in order of creation; an empty namespace means all."""
        with self._lock:
            found = [
                one
                for (its_kind, its_namespace, _name), one in self._objects.items()
                if its_kind == kind and namespace in {CLUSTER, its_namespace}
            ]
            chosen = [one for one in found if matches_labels(labels_of(one), labels) and matches_fields(one, fields)]
            return copied(chosen)

    def update(self, one: Object, change: Callable[[Object], Any]) -> Object | None:
        """Change the stored object in place, when it is still the same one."""
        metadata = one["metadata"]
        with self._lock:
            stored = self._objects.get((one["kind"], metadata.get("namespace", CLUSTER), metadata["name"]))
            if stored is None or stored["metadata"]["uid"] != metadata["uid"]:
                return None
            before = copied(stored)
            change(stored)
            if stored != before:
                stored["metadata"]["resourceVersion"] = self._next()
                self.changed.notify_all()
            return copied(stored)

    def remove(self, one: Object) -> None:
        metadata = one["metadata"]
        with self._lock:
            key = (one["kind"], metadata.get("namespace", CLUSTER), metadata["name"])
            if key in self._objects and self._objects[key]["metadata"]["uid"] == metadata["uid"]:
                del self._objects[key]
                self.changed.notify_all()

    def delete(self, kind: str, namespace: str, name: str, propagation: str = "Background", uid: str = "") -> Object:
        """What DELETE does: a pod is told to end, and dependents go or become orphans.

        Raises:
            ApiError: it is not there, or is another one than the caller means.
        """
        with self._lock:
            one = self.get(kind, namespace, name)
            if uid and uid != one["metadata"]["uid"]:
                raise ApiError(409, "Conflict", f"the UID in the precondition ({uid}) is not that of {name}")
            if kind == "Pod":
                self.update(one, lambda pod: pod["metadata"].setdefault("deletionTimestamp", stamp()))
                return one
            if propagation == "Orphan":
                for dependent in self.dependents(one["metadata"]["uid"]):
                    self.update(dependent, lambda stored: stored["metadata"].pop("ownerReferences"))
            self.remove(one)
            return one

    def dependents(self, uid: str) -> list[Object]:
        with self._lock:
            everything = list(self._objects.values())
        return copied(
            [
                one
                for one in everything
                if uid in {owner["uid"] for owner in one["metadata"].get("ownerReferences") or []}
            ]
        )

    def collect(self) -> None:
        """Delete what has owners, none of which is there any more."""
        with self._lock:
            alive = {one["metadata"]["uid"] for one in self._objects.values()}
            lost = [
                one
                for one in self._objects.values()
                if (owners := one["metadata"].get("ownerReferences")) and not alive & {owner["uid"] for owner in owners}
            ]
            for one in lost:
                self.delete(one["kind"], one["metadata"].get("namespace", CLUSTER), one["metadata"]["name"])

    def note(self, about: Object, reason: str, message: str, kind: str = "Normal") -> None:
        """Record an event about an object."""
        metadata = about["metadata"]
        self.create(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"namespace": metadata["namespace"], "generateName": f"{metadata['name']}."},
                "involvedObject": {"kind": about["kind"], "name": metadata["name"], "namespace": metadata["namespace"]},
                "reason": reason,
                "message": message,
                "type": kind,
                "count": 1,
            }
        )

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._lock:
            yield

    def _next(self) -> str:
        self._version += 1
        return str(self._version)
