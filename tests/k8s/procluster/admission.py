"""What the API server refuses: misspelt fields, bad names and labels, unknown accounts, pods that are not restricted."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import referencing
import referencing.jsonschema

from .objects import ApiError, Object, Store

NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
SHORT_NAMES = {"Job": 63, "CronJob": 52, "Service": 63}
"""Names that become part of a label or of a host name; others may have 253 characters."""
ENFORCE = "pod-security.kubernetes.io/enforce"
VOLUMES = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected", "downwardAPI"}


class Admission:
    """Judges every object before it is stored.

    Args:
        store: where accounts and namespaces are.
        schemas: folder of Kubernetes' strict schemas of one version.
    """

    def __init__(self, store: Store, schemas: Path) -> None:
        self._store, self._schemas = store, schemas
        self._registry: referencing.Registry[Any] = referencing.Registry(retrieve=self._load)

    @functools.cache  # noqa: B019 - one instance lives as long as the cluster
    def _load(self, uri: str) -> referencing.Resource[Any]:
        content = json.loads((self._schemas / uri.rpartition("/")[2]).read_text())
        return referencing.Resource.from_contents(content, referencing.jsonschema.DRAFT7)

    @functools.cache  # noqa: B019 - likewise
    def _validator(self, kind: str, api_version: str) -> jsonschema.Draft7Validator:
        group, _, version = api_version.rpartition("/")
        name = "-".join(part for part in (kind.lower(), group.partition(".")[0], version) if part)
        return jsonschema.Draft7Validator(self._load(f"{name}.json").contents, registry=self._registry)

    def check(self, one: Object) -> None:
        """See that an object may be stored.

        Raises:
            ApiError: 422 for what is malformed, 403 for what is not allowed.
        """
        metadata = one["metadata"]
        found = [
            f"{error.json_path}: {error.message[:300]}"
            for error in self._validator(one["kind"], one["apiVersion"]).iter_errors(one)
        ]
        found += list(bad_names(one))
        if found:
            message = f'{one["kind"]} "{metadata.get("name", metadata.get("generateName"))}" is invalid: {found}'
            raise ApiError(422, "Invalid", message)
        if one["kind"] == "Pod":
            self._check_pod(one)

    def _check_pod(self, pod: Object) -> None:
        metadata, spec = pod["metadata"], pod["spec"]
        account = spec.get("serviceAccountName", "default")
        if account != "default" and self._store.find("ServiceAccount", metadata["namespace"], account) is None:
            message = f'pods "{metadata["name"]}" is forbidden: serviceaccount "{account}" not found'
            raise ApiError(403, "Forbidden", message)
        namespace = self._store.find("Namespace", "", metadata["namespace"]) or {"metadata": {}}
        if (namespace["metadata"].get("labels") or {}).get(ENFORCE) == "restricted" and (
            bad := list(unrestricted(spec))
        ):
            message = f'pods "{metadata["name"]}" is forbidden: violates PodSecurity "restricted": {bad}'
            raise ApiError(403, "Forbidden", message)


def bad_names(one: Object) -> Iterator[str]:
    """What is wrong with the names and labels of an object and of the pods that it makes."""
    metadata = one["metadata"]
    name = metadata.get("name") or metadata.get("generateName", "") + "x"
    if not NAME.fullmatch(name) or len(name) > SHORT_NAMES.get(one["kind"], 253):
        yield f"metadata.name: {name!r} is no lower case RFC 1123 name that is short enough"
    places = {"metadata": metadata}
    spec = one.get("spec") or {}
    for path in (("template",), ("jobTemplate", "spec", "template")):
        inner: Any = spec
        for key in path:
            inner = inner.get(key, {}) if isinstance(inner, dict) else {}
        places[f"spec.{'.'.join(path)}.metadata"] = inner.get("metadata") or {}
    for place, given in places.items():
        for key, value in (given.get("labels") or {}).items():
            prefix, _, short = key.rpartition("/")
            if not LABEL_NAME.fullmatch(short) or (prefix and not NAME.fullmatch(prefix)):
                yield f"{place}.labels: {key!r} is no label"
            if not isinstance(value, str) or not LABEL_VALUE.fullmatch(value):
                yield f"{place}.labels: {value!r} is no value of a label"


def unrestricted(spec: Object) -> Iterator[str]:
    """What of a pod Pod Security "restricted" forbids."""
    pod = spec.get("securityContext") or {}
    if any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")):
        yield "host namespaces"
    for volume in spec.get("volumes") or []:
        if not set(volume) - {"name"} <= VOLUMES:
            yield f"restricted volume types ({volume['name']})"
    for container in [*(spec.get("initContainers") or []), *spec["containers"]]:
        own = container.get("securityContext") or {}
        both = {**pod, **own}
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"allowPrivilegeEscalation != false ({container['name']})"
        if "ALL" not in ((own.get("capabilities") or {}).get("drop") or []):
            yield f"unrestricted capabilities ({container['name']})"
        if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
            yield f"runAsNonRoot != true ({container['name']})"
        if (both.get("seccompProfile") or {}).get("type") not in {"RuntimeDefault", "Localhost"}:
            yield f"seccompProfile ({container['name']})"
        if own.get("privileged"):
            yield f"privileged ({container['name']})"
