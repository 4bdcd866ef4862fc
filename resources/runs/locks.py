"""Who works on a run: its process holds a shared lock on a file of the run's name until it ends, however it ends.

The kernel lets go of the lock with the process, so that a run whose lock is free has no worker (flock(2)). One machine
only; in Kubernetes the jobs are watched instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from pathlib import Path

from resources.settings import Settings

_RUN_ID = re.compile(r"[0-9a-zA-Z-]{1,64}")
_held: dict[str, int] = {}
"""Run id -> open file of this process; never closed, the lock is to last as long as the process."""


def hold(settings: Settings, run_id: str) -> None:
    """Mark this process as a worker of a run, until it ends."""
    path = _path(settings, run_id)
    if path is None or run_id in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    _held[run_id] = descriptor


def is_gone(settings: Settings, run_id: str, *, when_unclaimed: bool) -> bool:
    """Whether no process works on a run; `when_unclaimed` is the answer where none ever said that it does."""
    path = _path(settings, run_id)
    if path is None or not path.exists():
        return when_unclaimed
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)


def forget(settings: Settings, run_id: str) -> None:
    """Take away the file of a run that has ended."""
    path = _path(settings, run_id)
    if path is not None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _path(settings: Settings, run_id: str) -> Path | None:
    return settings.home / "runs" / f"{run_id}.lock" if _RUN_ID.fullmatch(run_id) else None
