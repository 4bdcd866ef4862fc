"""The same work on many repositories: one process each, bounded by processors and by free memory."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from elder_assets.audit.errors import ElderError, RepositoryNotFound
from elder_assets.audit.judgement import score_point
from elder_assets.audit.scoring import rounded
from resources.audits import central_policy, open_source, terms_for
from resources.settings import Settings
from resources.store import open_store

BYTES_A_PROCESS = 400_000_000
"""What an audit and its git may take together: 150 MB of ours and up to 250 of git (performance.md)."""


class Rescored(msgspec.Struct, frozen=True, kw_only=True):
    """How the weeks of one repository came out."""

    repository: str
    ruler: str
    weeks: int
    judged: int
    """Points that had to be judged, because this code or these limits never judged them."""
    newest: float | None
    """Score of the newest week, 0-100; None without one."""
    seconds: float
    failure: str = ""
    """Why the repository could not be scored; '' when it could."""

    def plain(self) -> dict[str, Any]:
        """Names to values."""
        return msgspec.structs.asdict(self)

    def line(self) -> str:
        """One line for people."""
        if self.failure:
            return f"{self.repository}  failed: {self.failure}"
        score = "no score" if self.newest is None else f"{self.newest:.1f}"
        return f"{self.repository}  {score}  {self.weeks} weeks, {self.judged} judged anew, {self.seconds:.1f} s"


def processes_that_fit(wanted: int | None = None) -> int:
    """How many repositories can be worked on at once: processors, and free memory by BYTES_A_PROCESS."""
    if wanted is not None:
        return wanted
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(1, min(os.cpu_count() or 1, free // BYTES_A_PROCESS))


def rescore_all(
    settings: Settings, keys: Sequence[str] = (), *, weeks: int, ruler_file: Path | None = None, jobs: int | None = None
) -> list[Rescored]:
    """Score every week of registered repositories (all, or those named) under a ruler, in order of key.

    Raises:
        RepositoryNotFound: a named repository is not registered.
    """
    with open_store(settings.store_url) as store:
        known = {repository.key: repository.url for repository in store.repositories()}
        for key in keys:
            if key not in known:
                msg = f"{key!r} is not registered; `elder repo list` shows what is"
                raise RepositoryNotFound(msg)
        wanted = sorted(keys or known)
        work = [(settings, key, known[key], store.policy_for(key), weeks, ruler_file) for key in wanted]
    processes = min(processes_that_fit(jobs), len(work))
    if processes <= 1:
        return [_rescore(item) for item in work]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(_rescore, work))


def _rescore(work: tuple[Settings, str, str, str, int, Path | None]) -> Rescored:
    from elder_assets.audit.history import known_points, walk_weeks, week_scores, weeks_of

    settings, key, url, document, weeks, ruler_file = work
    started = time.perf_counter()
    digest = ""
    try:
        with open_source(url, settings, key=key) as opened:
            ruler = terms_for(opened, central_policy(document, opened), ruler_file=ruler_file).ruler
            digest = ruler.digest
            wanted = weeks_of(opened.source.first_parents(), weeks, int(time.time()))
            commits = list(dict.fromkeys(week.commit for week in wanted))
            judged = len(commits) - len(known_points(opened.facts, ruler, commits))
            points = list(walk_weeks(opened.source, opened.facts, ruler, wanted))
        scored = week_scores(points, ruler, int(time.time()))
        with open_store(settings.store_url) as store:
            store.record_weeks(key, scored, ruler.document())
    except ElderError as error:  # one repository that cannot be read must not end the others
        return _result(key, digest, started, failure=str(error))
    newest = rounded(score_point(points[-1].point, ruler).score) if points else None
    return _result(key, digest, started, weeks=len(wanted), judged=judged, newest=newest)


def _result(key: str, ruler: str, started: float, **found: Any) -> Rescored:
    values = {"weeks": 0, "judged": 0, "newest": None, **found}
    return Rescored(repository=key, ruler=ruler, seconds=time.perf_counter() - started, **values)
