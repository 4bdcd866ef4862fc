"""Finishes registrations in the background of the control plane; those that a restart cut off are taken up again."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from elder_assets.audit.errors import ElderError
from resources.registry import settle
from resources.settings import Settings
from resources.store import Store

LOG = logging.getLogger("elder.registration")
AT_ONCE = 2
"""Registrations that run at the same time: each may clone a repository."""


class Registrar:
    """A few threads that settle pending projects."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="registration")
        self._under_way: set[int] = set()
        self._lock = Lock()

    def start(self) -> None:
        """Take up what an earlier process left pending."""
        for number in self._store.pending_projects():
            self.submit(number)

    def submit(self, number: int) -> None:
        """Settle a project soon; one that is under way already is not begun twice."""
        with self._lock:
            if number in self._under_way:
                return
            self._under_way.add(number)
        self._threads.submit(self._settle, number)

    def stop(self) -> None:
        """Begin no more; what is cut off stays pending and is taken up at the next start."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _settle(self, number: int) -> None:
        try:
            settle(self._store, self._settings, number)
        except ElderError as error:  # deleted meanwhile, or the database is away: the next start takes it up
            LOG.warning("registration of project %d: %s", number, error)
        except Exception:  # boundary of a thread: nobody else would ever hear of it
            LOG.exception("registration of project %d failed", number)
        finally:
            with self._lock:
                self._under_way.discard(number)
