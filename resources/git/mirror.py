"""Bare mirrors of addresses, kept by GitPython: heads and tags only, under a lock, with its guards on."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elder_assets.audit.errors import CheckoutFailed, RepositoryNotFound
from resources.git.address import PROTOCOLS
from resources.git.commands import ENVIRONMENT, run, scrub

if TYPE_CHECKING:
    import git

FETCH_SECONDS_MAX = 1800
CHANGE_SECONDS_MAX = 300
"""A change request adds little to its mirror; chosen by us."""
REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
"""A public mirror carries thousands of refs of strangers' change requests; they are never fetched (D8)."""


def mirror_folder(key: str, mirrors: Path) -> Path:
    """Where the mirror of a repository is, or will be."""
    return mirrors / f"{key}.git"


def mirror_with(commit: str, key: str, mirrors: Path) -> Path | None:
    """The mirror as it is, when it holds a commit already; None when it must be brought up to date first."""
    folder = mirror_folder(key, mirrors)
    return folder if (folder / "HEAD").exists() and has_commit(folder, commit) else None


def has_commit(git_dir: Path, commit: str) -> bool:
    """Whether a bare repository of ours holds a commit (or what a name stands for)."""
    name = commit + "^{commit}"
    return bool(run(git_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", name, allowed=(0, 1, 128)))


def update_mirror(
    address: str,
    key: str,
    mirrors: Path,
    *,
    protocols: tuple[str, ...] = PROTOCOLS,
    credential: Mapping[str, str] | None = None,
) -> Path:
    """Bring the mirror of a checked address up to date and return its git folder.

    Raises:
        RepositoryNotFound: the address cannot be reached, or is no repository.
        CheckoutFailed: the fetch broke or took longer than FETCH_SECONDS_MAX.
    """
    import git  # its import costs 0.16 s of CPU, and a local audit needs none of it

    folder = mirror_folder(key, mirrors)
    folder.parent.mkdir(parents=True, exist_ok=True)
    environment = {**ENVIRONMENT, **(credential or {}), "GIT_ALLOW_PROTOCOL": ":".join(protocols)}
    with _locked(folder.with_suffix(".lock")):
        is_new = not (folder / "HEAD").exists()
        repository = git.Repo.init(folder, bare=True) if is_new else git.Repo(folder)
        repository.git.update_environment(**environment)
        try:
            _fetch(repository, address)
        except git.UnsafeProtocolError as error:
            raise RepositoryNotFound(scrub(str(error))) from error
        except git.GitCommandError as error:
            if is_new:
                shutil.rmtree(folder, ignore_errors=True)
            reason = _reason(error)
            if any(word in reason for word in ("timed out", "Timeout", "early EOF", "hung up")):
                raise CheckoutFailed(f"{key}: {reason}") from error
            raise RepositoryNotFound(f"{key}: {reason}") from error
        finally:
            repository.close()
    return folder


def fetch_commits(
    address: str,
    key: str,
    mirrors: Path,
    refs: Sequence[str],
    *,
    protocols: tuple[str, ...] = PROTOCOLS,
    credential: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Fetch what some refs of an address hold into its mirror, which must be there; no ref is kept.

    Args:
        address: checked.
        key: of the repository.
        mirrors: folder of all mirrors.
        refs: full names; those that the address does not have are left out of the answer.
        protocols: that may be used.
        credential: what git carries in its environment to sign in.

    Returns:
        Full name -> commit.

    Raises:
        CheckoutFailed: the fetch broke or took longer than CHANGE_SECONDS_MAX.
    """
    import git

    wanted = [ref for ref in dict.fromkeys(refs) if ref.startswith("refs/") and not set(ref) & set(" *?[\\^~:\n\0")]
    folder = mirror_folder(key, mirrors)
    if not wanted:
        return {}
    with _locked(folder.with_suffix(".lock")):
        repository = git.Repo(folder)
        command: Any = repository.git  # GitPython makes its methods as they are called
        command.update_environment(**{**ENVIRONMENT, **(credential or {}), "GIT_ALLOW_PROTOCOL": ":".join(protocols)})
        options = {"kill_after_timeout": CHANGE_SECONDS_MAX}
        try:
            said = command.ls_remote("--end-of-options", address, *wanted, **options)
            found = {ref: oid for oid, _, ref in (line.partition("\t") for line in said.splitlines()) if ref in wanted}
            missing = [ref for ref, oid in found.items() if not has_commit(folder, oid)]
            if missing:
                guards = ("--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--end-of-options")
                command.fetch(*guards, address, *missing, **options)
        except git.GitCommandError as error:
            raise CheckoutFailed(f"{key}: {scrub(error.stderr or str(error))}") from error
        finally:
            repository.close()
    return {ref: oid for ref, oid in found.items() if has_commit(folder, oid)}


def _fetch(repository: object, address: str) -> None:
    run = repository.git  # type: ignore[attr-defined]  # GitPython's dynamic command object
    options = {"kill_after_timeout": FETCH_SECONDS_MAX}
    run.fetch("--prune", "--no-tags", "--no-write-fetch-head", "--end-of-options", address, *REFSPECS, **options)
    head = run.ls_remote("--symref", "--end-of-options", address, "HEAD", **options)
    for line in head.splitlines():
        if line.startswith("ref: refs/heads/"):
            run.symbolic_ref("HEAD", line.split()[1])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file lock: two audits of one repository fetch one after the other."""
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _reason(error: git.GitCommandError) -> str:
    """What git itself said; GitPython wraps it in a title and quotes."""
    said = scrub(error.stderr or str(error)).removeprefix("stderr: '").removesuffix("'")
    return said.removeprefix("fatal: ")
