"""Carries out the Dockerfile where no container engine runs, and reports what the image would weigh.

    python tools/image.py build/image            (make image-test; as root, needs debootstrap and bubblewrap)

Stages begin as copies of a small Debian of the base's release, made once by debootstrap; RUN goes through bubblewrap,
COPY through the file system. What differs from a real build: the base's Python is Debian's of the same minor version,
there are no layers, and .dockerignore is not read (tests/chart/test_image.py compares it with the COPY lines).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
RELEASE = "bookworm"
PACKAGES = "ca-certificates,python3,python3-venv,python3-pip,python-is-python3"
RECORD = "built.json"
BASE_PATH = "/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED = re.compile(r"(PIP_\w+|https?_proxy|no_proxy|SSL_CERT_FILE)", re.IGNORECASE)
"""Variables of this machine that say where packages come from; the image keeps none of them."""
MIRROR = re.compile(r"^(?:URIs:|deb(?: \[[^]]*\])?) *(https?://\S+/debian)/?\s", re.MULTILINE)
BOUND = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/resolv.conf", "/etc/hosts")


class Stage:
    """A root file system and what the instructions so far said of it."""

    def __init__(self, root: Path) -> None:
        self.root, self.workdir, self.user = root, "/", ""
        self.environment = {"PATH": BASE_PATH}
        self.command: list[str] = []


class Built(NamedTuple):
    """The last stage and its size."""

    root: str
    environment: dict[str, str]
    user: int
    workdir: str
    base_bytes: int
    image_bytes: int

    def wrapped(
        self, command: list[str], *writable: tuple[Path, str], readable: tuple[tuple[Path, str], ...] = ()
    ) -> list[str]:
        """A command as a pod would run it: the image's user and environment, a read-only root, an empty /tmp."""
        argv = ["bwrap", "--ro-bind", self.root, "/", "--proc", "/proc", "--dev", "/dev", "--perms", "1777"]
        argv += ["--tmpfs", "/tmp", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]  # noqa: S108
        argv.append("--clearenv")
        for source, place in writable:
            argv += ["--bind", str(source), place]
        for source, place in readable:
            argv += ["--ro-bind", str(source), place]
        for name, value in self.environment.items():
            argv += ["--setenv", name, value]
        argv += ["--chdir", self.workdir, "setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups"]
        return [*argv, "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--", *command]


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined)]


def make_base(root: Path) -> None:
    """A Debian with Python at `root`, from the mirror that apt uses here; once."""
    if (root / "usr/bin/python3").exists():
        return
    mirror = _mirror()
    command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(root), *mirror]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
    # As the images of Debian do: what was installed is not kept a second time.
    (root / "etc/apt/apt.conf.d/clean").write_text('DPkg::Post-Invoke {"rm -f /var/cache/apt/archives/*.deb";};\n')


def _mirror() -> list[str]:
    for file in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))]:
        text = file.read_text() if file.exists() else ""
        if found := MIRROR.search(text):
            return [found[1]]
    return []


def build(folder: Path) -> Built:
    """Carry out every instruction; the last stage.

    Raises:
        CalledProcessError: a RUN step failed.
        ValueError: an instruction that this does not know.
    """
    base = folder / "base"
    make_base(base)
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for name, rest in instructions((ROOT / "Dockerfile").read_text()):
        if name == "FROM":
            label = rest.rpartition(" AS ")[2] if " AS " in rest else "final"
            stage = stages[label] = Stage(_copied(base, folder / label))
        elif name == "RUN":
            _run(stage, rest)
        elif name == "COPY":
            _copy(stage, rest.split(), stages)
        elif name == "ENV":
            stage.environment |= dict(re.findall(r"(\w+)=(\S+)", rest))
        elif name == "WORKDIR":
            stage.workdir = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif name == "USER":
            stage.user = rest
        elif name not in {"ARG", "CMD"}:
            msg = f"the instruction {name} is not known here"
            raise ValueError(msg)
    user = int(stage.user.partition(":")[0])
    built = Built(str(stage.root), stage.environment, user, stage.workdir, _size(base), _size(stage.root))
    (folder / RECORD).write_text(json.dumps(built))
    return built


def last_built(folder: Path) -> Built:
    """What `build` left in a folder."""
    return Built(*json.loads((folder / RECORD).read_text()))


def _copied(base: Path, root: Path) -> Path:
    if root.exists():
        shutil.rmtree(root)
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)
    return root


def _run(stage: Stage, script: str) -> None:
    passed = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
    argv = ["bwrap", "--bind", str(stage.root), "/", "--proc", "/proc", "--dev", "/dev"]
    argv += ["--die-with-parent", "--clearenv"]
    local = [place for value in passed.values() for place in value.split() if Path(place).is_dir()]
    for place in (*BOUND, *local, *_indexes()):
        if Path(place).exists():
            argv += ["--ro-bind", place, place]
    for name, value in ({"HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"} | passed | stage.environment).items():
        argv += ["--setenv", name, value]
    print(f"RUN {script[:100]}", file=sys.stderr)
    subprocess.run([*argv, "--chdir", stage.workdir, "/bin/sh", "-c", script], check=True, stdout=sys.stderr)


def _indexes() -> list[str]:
    """Folders of this machine that pip's own configuration names as indexes."""
    done = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False)
    places = [Path(place) for place in re.findall(r"file://(/[^\s'\"]+)", done.stdout)]
    return sorted({str(Path(*place.parts[:3])) for place in places})


def _copy(stage: Stage, words: list[str], stages: dict[str, Stage]) -> None:
    source_root = ROOT
    if words[0].startswith("--from="):
        source_root = stages[words.pop(0).partition("=")[2]].root
    *sources, target = words
    place = stage.root / (target if target.startswith("/") else f"{stage.workdir}/{target}").lstrip("/")
    for source in sources:
        origin = source_root / source.lstrip("/")
        if origin.is_dir():
            ignored = _not_sent if source_root == ROOT else None
            shutil.copytree(origin, place, symlinks=True, dirs_exist_ok=True, ignore=ignored)
        else:
            into = place / origin.name if target.endswith("/") else place
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(origin, into)


def _not_sent(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


def _size(root: Path) -> int:
    return int(subprocess.run(["du", "-sxB1", str(root)], capture_output=True, text=True, check=True).stdout.split()[0])


def main() -> None:
    """Build, and say what it weighs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    built = build(parser.parse_args().folder.absolute())
    ours = built.image_bytes - built.base_bytes
    print(f"{built.root}: {built.image_bytes / 1e6:.0f} MB, of which {ours / 1e6:.0f} MB beyond the base")


if __name__ == "__main__":
    main()
