"""A container as a command of this machine: the image, the volumes, the environment, the user, the namespaces."""

from __future__ import annotations

import base64
import compileall
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .network import API_ADDRESS, API_PORT
from .objects import Object, Store

ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"
SHIM = "/.shim"
UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
IS_ROOT = os.geteuid() == 0


class ConfigError(Exception):
    """A container cannot be made; `reason` is what stands in its state."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Image:
    """What stands in for an image: folders and files of this machine, and what a Dockerfile sets."""

    paths: Mapping[str, Path]
    """Path in the container to what is seen there, read only."""
    environment: Mapping[str, str]
    user: int
    folder: str = "/tmp"


def elder_image(folder: Path, source: Path, authority: Path) -> Image:
    """Elder's image: this interpreter with its packages as /opt/elder, the sources as they are here, and a CA.

    Args:
        folder: a new folder for what is made.
        source: the repository; its packages win over an installed Elder.
        authority: certificate that the image trusts, as images of organisations do.
    """
    programs, etc = folder / "bin", folder / "etc"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys._base_executable)
    for name in ("dagster", "dagster-daemon", "dagster-webserver"):
        (entry,) = importlib.metadata.entry_points(group="console_scripts", name=name)
        _program(programs / name, entry.module, entry.attr)
    _program(programs / "elder", "elder_assets.cli", "main")
    (etc / "ssl" / "certs").mkdir(parents=True)
    shutil.copy(authority, etc / "ssl" / "certs" / "ca-certificates.crt")
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\nelder:x:10001:10001::/tmp:/usr/sbin/nologin\n")
    (etc / "group").write_text("root:x:0:\nelder:x:10001:\n")
    (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    (etc / "hosts").touch()
    if Path("/etc/ld.so.cache").exists():
        shutil.copy("/etc/ld.so.cache", etc)
    for name in ("elder_assets", "resources", "sensors", "dash_app"):
        shutil.copytree(source / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(folder / "source", quiet=1)  # as the image does; else every process compiles for itself
    base = Path(sys.base_prefix)
    interpreter = {} if base.is_relative_to("/usr") else {str(base): base}
    return Image(
        paths={
            "/opt/elder": Path(sys.prefix),
            "/opt/elder/bin": programs,
            "/etc": etc,
            "/opt/source": folder / "source",
            **interpreter,
        },
        environment={
            "PATH": "/opt/elder/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": "/opt/source",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        user=10001,
    )


def _program(path: Path, module: str, attribute: str) -> None:
    path.write_text(f"#!/opt/elder/bin/python\nimport sys\nfrom {module} import {attribute}\nsys.exit({attribute}())\n")
    path.chmod(0o755)


# --- quantities, environment ----------------------------------------------------------------------------------


def quantity(text: str) -> int:
    """Bytes of a quantity of memory."""
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", text).groups()
    return int(number) * UNITS[unit]


def environment(store: Store, pod: Object, container: Object, image: Image) -> dict[str, str]:
    """The environment of a container: of the image, of the cluster, and what the pod says, later ones win.

    Raises:
        ConfigError: a ConfigMap, a Secret or a key that it names is not there.
    """
    namespace = pod["metadata"]["namespace"]
    found = {**image.environment, "HOSTNAME": pod["metadata"]["name"]}
    if pod["spec"].get("enableServiceLinks", True):
        for service in store.list("Service", namespace):
            found |= _links(
                service["metadata"]["name"], service["spec"]["clusterIP"], service["spec"]["ports"][0]["port"]
            )
    found |= _links("kubernetes", API_ADDRESS, API_PORT)
    for source in container.get("envFrom") or []:
        kind, reference = _reference(source)
        content = _content(store, namespace, kind, reference)
        found |= {source.get("prefix", "") + key: value.decode() for key, value in content.items()}
    for one in container.get("env") or []:
        value = _value(store, pod, one)
        if value is not None:
            found[one["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found.get(name[1], name[0]), value)
    return found


def _links(name: str, address: str, port: int) -> dict[str, str]:
    start = name.upper().replace("-", "_")
    url = f"tcp://{address}:{port}"
    return {f"{start}_SERVICE_HOST": address, f"{start}_SERVICE_PORT": str(port), f"{start}_PORT": url}


def _reference(source: Object) -> tuple[str, Object]:
    for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
        if key in source:
            return kind, source[key]
    raise ConfigError("CreateContainerConfigError", f"envFrom {sorted(source)} is not known to the process cluster")


def _value(store: Store, pod: Object, one: Object) -> str | None:
    """The value of an entry of `env`; None for an optional one that is not there."""
    source = one.get("valueFrom")
    if source is None:
        return one.get("value", "")
    if "fieldRef" in source:
        value = pod
        for key in source["fieldRef"]["fieldPath"].split("."):
            value = value[key]
        return str(value)
    for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if key in source:
            content = _content(store, pod["metadata"]["namespace"], kind, source[key])
            if source[key]["key"] in content:
                return content[source[key]["key"]].decode()
            if source[key].get("optional"):
                return None
            message = (
                f"couldn't find key {source[key]['key']} in {kind} {pod['metadata']['namespace']}/{source[key]['name']}"
            )
            raise ConfigError("CreateContainerConfigError", message)
    raise ConfigError("CreateContainerConfigError", f"valueFrom {sorted(source)} is not known to the process cluster")


def _content(store: Store, namespace: str, kind: str, reference: Object) -> dict[str, bytes]:
    one = store.find(kind, namespace, reference["name"])
    if one is None:
        if reference.get("optional"):
            return {}
        message = f'{kind.lower()} "{reference["name"]}" not found'
        raise ConfigError("CreateContainerConfigError", message)
    plain = {key: value.encode() for key, value in {**(one.get("data") or {}), **(one.get("stringData") or {})}.items()}
    if kind == "Secret":
        plain |= {key: base64.b64decode(value) for key, value in (one.get("data") or {}).items()}
    return plain


# --- volumes --------------------------------------------------------------------------------------------------


class Volumes:
    """The volumes of one pod as folders of this machine."""

    def __init__(self, store: Store, claims: Path, folder: Path) -> None:
        self._store, self._claims, self._folder = store, claims, folder

    def prepare(self, pod: Object) -> dict[str, tuple[Path, bool]]:
        """Name of each volume to its folder, and whether it can be written.

        Raises:
            ConfigError: what a volume names is not there.
        """
        group = (pod["spec"].get("securityContext") or {}).get("fsGroup")
        return {one["name"]: self._prepared(pod, one, group) for one in pod["spec"].get("volumes") or []}

    def _prepared(self, pod: Object, volume: Object, group: int | None) -> tuple[Path, bool]:
        target = self._folder / volume["name"]
        if "emptyDir" in volume:
            if not target.exists():
                target.mkdir(parents=True)
                _open_for(target, group)
            return target, True
        if claim := volume.get("persistentVolumeClaim"):
            if self._store.find("PersistentVolumeClaim", pod["metadata"]["namespace"], claim["claimName"]) is None:
                message = f'persistentvolumeclaim "{claim["claimName"]}" not found'
                raise ConfigError("Unschedulable", message)
            target = self._claims / claim["claimName"]
            if not target.exists():
                target.mkdir(parents=True)
                _open_for(target, group)
            return target, not claim.get("readOnly", False)
        return self._files(pod, volume, target, group), False

    def _files(self, pod: Object, volume: Object, target: Path, group: int | None) -> Path:
        for key, kind, name in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
            if key in volume:
                source = volume[key]
                reference = {"name": source[name], "optional": source.get("optional", False)}
                try:
                    content = _content(self._store, pod["metadata"]["namespace"], kind, reference)
                except ConfigError as error:
                    raise ConfigError(
                        "ContainerCreating", f"MountVolume.SetUp failed for {volume['name']}: {error}"
                    ) from error
                shutil.rmtree(target, ignore_errors=True)
                target.mkdir(parents=True)
                target.chmod(0o755)
                for file, value in content.items():
                    (target / file).write_bytes(value)
                    (target / file).chmod(source.get("defaultMode", 0o644))
                    if group is not None and IS_ROOT:
                        os.chown(target / file, 0, group)
                return target
        kinds = sorted(set(volume) - {"name"})
        raise ConfigError(
            "ContainerCreating", f"volume {volume['name']} of {kinds} is not known to the process cluster"
        )


def _open_for(folder: Path, group: int | None) -> None:
    """Let the pod's group write, as fsGroup does; without one, everybody."""
    if group is None or not IS_ROOT:
        folder.chmod(0o777)
        return
    os.chown(folder, 0, group)
    folder.chmod(0o2775)


# --- the command ----------------------------------------------------------------------------------------------


def command(
    pod: Object, container: Object, image: Image, folder: Path, volumes: dict[str, tuple[Path, bool]]
) -> list[str]:
    """The bwrap command that runs a container's shim.

    The folder is the pod's, and its `shim` is shared with the shim; the volumes are what `Volumes.prepare` made.
    """
    made = [*namespaces(image.user), "--hostname", pod["metadata"]["name"], *_base()]
    # A mount that hides a folder of an image must come after it.
    for target, source in sorted(image.paths.items()):
        made += [*_parents(target), "--ro-bind", str(source), target]
    made += ["--ro-bind", str(folder / "hosts"), "/etc/hosts"]
    if (folder / "account").exists():
        made += [*_parents(ACCOUNT), "--ro-bind", str(folder / "account"), ACCOUNT]
    for mount in sorted(container.get("volumeMounts") or [], key=lambda one: one["mountPath"]):
        source, is_writable = volumes[mount["name"]]
        source /= mount.get("subPath", "")
        if not source.exists():
            raise ConfigError(
                "CreateContainerConfigError", f"failed to prepare subPath for volumeMount {mount['name']}"
            )
        bind = "--bind" if is_writable and not mount.get("readOnly") else "--ro-bind"
        made += [*_parents(mount["mountPath"]), bind, str(source), mount["mountPath"]]
    made += ["--perms", "0700", "--dir", SHIM, "--bind", str(folder / "shim"), SHIM]
    made += ["--ro-bind", str(Path(__file__).parent / "shim.py"), f"{SHIM}.py"]
    if (container.get("securityContext") or {}).get("readOnlyRootFilesystem"):
        made += ["--remount-ro", "/"]
    return [*made, "--clearenv", "--", "/opt/elder/bin/python", "-I", "-S", f"{SHIM}.py", SHIM]


def namespaces(user: int) -> list[str]:
    """How every sandbox begins: namespaces of its own, devices that do no harm, and all privileges in it."""
    made = ["bwrap", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--unshare-cgroup-try"]
    made += ["--die-with-parent", "--new-session", "--cap-add", "ALL", "--proc", "/proc"]
    if IS_ROOT:
        return [*made, "--dev", "/dev"]
    made += ["--unshare-user", "--uid", str(user), "--gid", str(user)]
    # For the terminals of --dev, bwrap would nest a second user namespace, which may not touch the network.
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        made += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    return [*made, "--symlink", "/proc/self/fd", "/dev/fd", "--tmpfs", "/dev/shm"]


def _base() -> Iterator[str]:
    """The system's own folders, as the image's base has them."""
    for name in ("usr", "bin", "sbin", "lib", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))
    for folder in ("/run", "/var", "/var/lib"):
        yield from ("--perms", "0755", "--dir", folder)
    yield from ("--symlink", "/run", "/var/run", "--perms", "1777", "--dir", "/tmp")


def _parents(path: str) -> Iterator[str]:
    """Folders above a mount; bwrap alone would make them for root only."""
    for parent in reversed(PurePosixPath(path).parents[:-1]):
        yield from ("--perms", "0755", "--dir", str(parent))


def privileges(pod: Object, container: Object, image: Image) -> list[str]:
    """What gives up everything but the container's user.

    Raises:
        ConfigError: the user would be root although the pod forbids it.
    """
    context = {**(pod["spec"].get("securityContext") or {}), **(container.get("securityContext") or {})}
    user, group = context.get("runAsUser", image.user), context.get("runAsGroup", image.user)
    if context.get("runAsNonRoot") and user == 0:
        message = "container has runAsNonRoot and image will run as root"
        raise ConfigError("CreateContainerConfigError", message)
    made = ["setpriv"]
    if IS_ROOT:
        groups = context.get("fsGroup")
        made += [
            f"--reuid={user}",
            f"--regid={group}",
            f"--groups={groups}" if groups is not None else "--clear-groups",
        ]
    if "ALL" in ((context.get("capabilities") or {}).get("drop") or []):
        made += ["--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]
    if context.get("allowPrivilegeEscalation") is False:
        made.append("--no-new-privs")
    return [*made, "--"]
