"""Opening a repository: a path through a temporary bare repository of ours, an address through a mirror.

git never runs inside a folder that somebody else wrote: its configuration can name programs (decision D9). A local
repository lends its objects through `alternates`; its refs are copied as text.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from elder_assets.audit.errors import RepositoryNotFound, SourceRefused
from resources.git.address import check_address, is_address, key_of_address, key_of_folder
from resources.git.credentials import sign_in
from resources.git.mirror import mirror_with, update_mirror
from resources.git.work_tree import count_uncommitted
from resources.settings import Settings


class OpenRepository(msgspec.Struct, frozen=True):
    """A repository that can be read: a bare git folder of ours, its key, and what limits an audit of it."""

    git_dir: Path
    key: str
    notes: tuple[str, ...] = ()
    index: Path | None = None
    """The index of a local work tree, for staged audits."""


@contextlib.contextmanager
def open_repository(target: str, settings: Settings, *, key: str = "", commit: str = "") -> Iterator[OpenRepository]:
    """Open a path or an address for reading.

    Args:
        target: the path or address.
        settings: say where mirrors are kept.
        key: what to call it; default: read off the address or the origin.
        commit: what is to be read; a mirror that holds it is not fetched again.

    Raises:
        RepositoryNotFound: nothing is there, or it cannot be reached.
        SourceRefused: it is there, but reading it would be unsafe.
    """
    if is_address(target):
        check_address(target)
        mirror = mirror_with(commit, key, settings.mirrors) if commit and key else None
        credential = sign_in(settings, key, target) if key and mirror is None else {}
        key = key or key_of_address(target)
        yield OpenRepository(mirror or update_mirror(target, key, settings.mirrors, credential=credential), key)
        return
    folder = Path(target).expanduser()
    if not folder.exists():
        msg = f"{target}: no such folder"
        raise RepositoryNotFound(msg)
    top, git_dir = find_git_dir(folder.resolve())
    notes = [f"the folder lies inside a repository; all of {top.name} is audited"] if top != folder.resolve() else []
    work_tree = top if git_dir != top else None
    if work_tree is not None and (changed := count_uncommitted(git_dir, work_tree)):
        files = "file" if changed == 1 else "files"
        notes.append(f"{changed} uncommitted {files} not audited")
    with borrow(git_dir) as borrowed:
        index = git_dir / "index"
        yield OpenRepository(
            borrowed, key or key_of_folder(top, common_dir(git_dir)), tuple(notes), index if index.is_file() else None
        )


def find_git_dir(folder: Path) -> tuple[Path, Path]:
    """The top folder of the repository that holds a folder, and its git folder (equal for a bare one).

    Raises:
        RepositoryNotFound: no repository holds the folder.
    """
    for candidate in (folder, *folder.parents):
        dot_git = candidate / ".git"
        if dot_git.is_file():
            target = dot_git.read_text(errors="replace").strip().removeprefix("gitdir:").strip()
            resolved = (candidate / target).resolve()
            if _is_git_dir(resolved):
                return candidate, resolved
        elif _is_git_dir(dot_git):
            return candidate, dot_git
        elif _is_git_dir(candidate):
            return candidate, candidate
    msg = f"{folder}: not a git repository, and no folder above it is one"
    raise RepositoryNotFound(msg)


def _is_git_dir(folder: Path) -> bool:
    has_objects = (folder / "objects").is_dir() or (folder / "commondir").is_file()
    return (folder / "HEAD").exists() and has_objects


def common_dir(git_dir: Path) -> Path:
    """The git folder that holds objects and refs; another one for a linked work tree."""
    pointer = git_dir / "commondir"
    if not pointer.is_file():
        return git_dir
    return (git_dir / pointer.read_text(errors="replace").strip()).resolve()


@contextlib.contextmanager
def borrow(git_dir: Path) -> Iterator[Path]:
    """A temporary bare repository that reads the objects of another one and has copies of its refs."""
    common = common_dir(git_dir)
    objects = (common / "objects").resolve()
    if "\n" in str(objects):
        raise SourceRefused("the path of the repository holds a line break")
    holder = Path(tempfile.mkdtemp(prefix="elder-"))
    try:
        bare = holder / "repository.git"
        (bare / "objects" / "info").mkdir(parents=True)
        (bare / "refs").mkdir()
        sha256 = _is_sha256(common)
        extension = "[extensions]\n\tobjectformat = sha256\n" if sha256 else ""
        version = 1 if sha256 else 0
        (bare / "config").write_text(f"[core]\n\trepositoryformatversion = {version}\n\tbare = true\n{extension}")
        (bare / "objects" / "info" / "alternates").write_text(f"{objects}\n")
        _copy_refs(common, bare)
        head = git_dir / "HEAD"
        (bare / "HEAD").write_text(head.read_text(errors="replace") if head.is_file() else "ref: refs/heads/main\n")
        if (common / "shallow").is_file():
            shutil.copyfile(common / "shallow", bare / "shallow")
        yield bare
    finally:
        shutil.rmtree(holder, ignore_errors=True)


def _copy_refs(common: Path, bare: Path) -> None:
    packed = common / "packed-refs"
    if packed.is_file():
        shutil.copyfile(packed, bare / "packed-refs")
    for kind in ("heads", "tags", "remotes"):
        root = common / "refs" / kind
        for ref in root.rglob("*") if root.is_dir() else ():
            if ref.is_file() and not ref.is_symlink():
                copy = bare / ref.relative_to(common)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ref, copy)


def _is_sha256(common: Path) -> bool:
    with contextlib.suppress(OSError):
        return (
            re.search(
                r"^\s*objectformat\s*=\s*sha256",
                (common / "config").read_text(errors="replace"),
                re.IGNORECASE | re.MULTILINE,
            )
            is not None
        )
    return False


def register_target(target: str) -> tuple[str, str]:
    """The key of a path or address and what to register it by: the address, or the absolute path.

    Raises:
        RepositoryNotFound: no repository is at the path.
        SourceRefused: the address is unsafe.
    """
    if is_address(target):
        check_address(target)
        return key_of_address(target), target
    top, git_dir = find_git_dir(Path(target).expanduser().resolve())
    return key_of_folder(top, common_dir(git_dir)), str(top)
