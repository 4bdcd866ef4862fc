"""What an operator asks first: is everything as it should be, and if not, what is to be done.

Each check is one small function that looks and answers; none changes anything, and none asks a git host. The checks of
Dagster's instance are in `elder_assets/dagster_doctor.py`, because nothing here may import it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import sqlalchemy as sa

from elder_assets.audit.errors import ElderError, StoreError
from resources.facts.cache import SqliteFactStore
from resources.facts.upkeep import cache_files
from resources.runs.limit import run_limit
from resources.settings import Settings
from resources.store import Store, open_store, tables
from resources.store.database import era, make_engine, now_utc, revision_of, serves, without_statement

State = Literal["ok", "warning", "failed", "skipped"]
EXIT = {"ok": 0, "skipped": 0, "warning": 1, "failed": 2}
GIB = 1024**3
DISK_SHARE_LOW, DISK_SHARE_OUT = 0.10, 0.02
DISK_BYTES_OUT = GIB // 4
LAG_LONG, LAG_TOO_LONG = timedelta(minutes=5), timedelta(hours=1)
CLOCK_OFF, CLOCK_WRONG = timedelta(seconds=2), timedelta(seconds=30)
HEARTBEAT_MAX = timedelta(minutes=1)
SILENT_AFTER = timedelta(days=14)
STALE_AFTER, EXPIRING_WITHIN = timedelta(hours=48), timedelta(days=7)
CACHES_LOOKED_AT = 5
NAMED_MAX = 5


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found."""

    name: str
    state: State
    detail: str
    advice: str = ""
    """What to do; '' when nothing is wrong."""


def examine(
    settings: Settings, more: Callable[[Settings], list[Check]] | None = None, now: Callable[[], datetime] = now_utc
) -> list[Check]:
    """Look at everything; a check that cannot look says so and the others go on."""
    checks = [_guarded(check, settings) for check in (database, damage, disk, home, server_key, caches)]
    if checks[0].state != "ok":  # opening the store would make it, or bring its schema up to date
        return checks
    with open_store(settings.store_url, now) as store:
        for of_store in STORE_CHECKS:
            checks.append(_guarded(of_store, store, now()))
        checks.append(_guarded(backups, store, now(), settings.backup_minutes_max))
        checks.append(_guarded(runs_at_once, store, now(), settings))
    return [*checks, *(more(settings) if more else [])]


def worst(checks: list[Check]) -> int:
    """The command's exit status: 0 all is well, 1 a warning, 2 something has failed."""
    return max(EXIT[check.state] for check in checks)


def _guarded(check: Callable[..., Check], *arguments: object) -> Check:
    try:
        return check(*arguments)
    except (ElderError, OSError) as error:
        reason = f"cannot be looked at: {error}"
        advice = "mend the reason, then run `elder doctor` again"
        return Check(name=check.__name__.replace("_", " "), state="failed", detail=reason, advice=advice)


# --- this machine ----------------------------------------------------------------------------------------


def database(settings: Settings) -> Check:
    """Reachable, and with a schema that serves this Elder."""
    file = _sqlite_file(settings)
    if file is not None and not file.exists():
        advice = "`elder up`, `elder migrate up` or the first `elder repo add` makes it; see ELDER_HOME"
        return Check(name="database", state="warning", detail=f"there is no results store yet: {file}", advice=advice)
    try:
        with _connected(settings) as connection:
            found = revision_of(connection)
    except (StoreError, OSError) as error:
        return _unanswered(str(error), file)
    if serves(found):
        return Check(name="database", state="ok", detail=f"answers, schema {found}")
    if found is not None and era(found) > era(tables.REVISION):
        return Check(
            name="database", state="failed", detail=f"schema {found} is of a newer Elder", advice="upgrade Elder"
        )
    detail = f"schema {found or 'none'}, this Elder needs {tables.REVISION}"
    return Check(
        name="database", state="warning" if found is None else "failed", detail=detail, advice="elder migrate up"
    )


def _sqlite_file(settings: Settings) -> Path | None:
    """Where the store lies when it is a file."""
    url = sa.make_url(settings.store_url)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


REFUSED = ("password", "authentication failed", "pg_hba.conf", 'role "')
"""How PostgreSQL's words begin when it is up and does not let us in."""


def _unanswered(reason: str, file: Path | None) -> Check:
    """What to do about a database that gives no answer follows from its own words."""
    advice = "start the database, or see ELDER_DATABASE_URL (docs/runbooks/database-lost.md)"
    if file is not None:
        advice = f"see that {file} is this user's and that its disk has room; other words mean damage (`damage`, below)"
    elif any(word in reason for word in REFUSED):
        advice = (
            "it runs: see the name in ELDER_DATABASE_URL and PGPASSWORD (chart: database.user, database.existingSecret)"
        )
    elif 'database "' in reason and "does not exist" in reason:
        advice = "it runs: make the empty database (docs/kubernetes.md), or see its name in ELDER_DATABASE_URL"
    return Check(name="database", state="failed", detail=f"does not answer: {reason}", advice=advice)


def damage(settings: Settings) -> Check:
    """Every page of a SQLite store can be read; PostgreSQL looks after its own."""
    file = _sqlite_file(settings)
    if file is None or not file.exists():
        detail = "there is no store yet" if file else "PostgreSQL checks its own pages (data_checksums)"
        return Check(name="damage", state="skipped", detail=detail)
    with _connected(settings) as connection:
        said = [str(row[0]) for row in connection.execute(sa.text("PRAGMA integrity_check(3)"))]
    if said == ["ok"]:
        return Check(name="damage", state="ok", detail="every page of the store is sound")
    return _damaged("; ".join(said)[:200])


@contextmanager
def _connected(settings: Settings) -> Iterator[sa.Connection]:
    engine = make_engine(sa.make_url(settings.store_url))
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(without_statement(error)) from error
    finally:
        engine.dispose()


def _damaged(detail: str) -> Check:
    advice = "stop Elder and restore the last backup (docs/runbooks/restore.md)"
    return Check(name="damage", state="failed", detail=f"the store is damaged: {detail}", advice=advice)


def disk(settings: Settings) -> Check:
    """Room where ELDER_HOME lies."""
    place = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    usage = shutil.disk_usage(place)
    share = usage.free / usage.total
    detail = f"{usage.free / GIB:.1f} GiB free ({share:.0%}) at {settings.home}"
    if share < DISK_SHARE_OUT or usage.free < DISK_BYTES_OUT:
        out = "remove old backups or the folder facts (made again), or a larger volume (docs/runbooks/disk-full.md)"
        return Check(name="disk", state="failed", detail=detail, advice=out)
    advice = "elder cache prune, remove old backups, or a larger volume (docs/runbooks/disk-full.md)"
    state: State = "warning" if share < DISK_SHARE_LOW else "ok"
    return Check(name="disk", state=state, detail=detail, advice=advice if state == "warning" else "")


def home(settings: Settings) -> Check:
    """ELDER_HOME exists, can be written, and not by everybody."""
    if not settings.home.is_dir():
        advice = "it is made by the first command that writes; see ELDER_HOME"
        return Check(name="home", state="warning", detail=f"{settings.home} is not there", advice=advice)
    mode = settings.home.stat().st_mode
    if mode & stat.S_IWOTH:
        detail, advice = f"everybody may write into {settings.home}", f"chmod o-w {settings.home}"
        return Check(name="home", state="failed", detail=detail, advice=advice)
    if not mode & stat.S_IWUSR:
        return Check(
            name="home",
            state="failed",
            detail=f"{settings.home} cannot be written",
            advice=f"chmod u+w {settings.home}",
        )
    if not os.access(settings.home, os.W_OK | os.X_OK):
        owner = settings.home.stat().st_uid
        return Check(
            name="home",
            state="failed",
            detail=f"{settings.home} is of user {owner}, and user {os.geteuid()} may not write there",
            advice=f"run Elder as user {owner}, or set ELDER_HOME to a folder of this user",
        )
    return Check(name="home", state="ok", detail=f"{settings.home} can be written by its owner")


def server_key(settings: Settings) -> Check:
    """The key that webhook secrets come from is its owner's alone."""
    file = settings.home / "server.key"
    if settings.secret_key is not None:
        return Check(name="server key", state="skipped", detail="set by ELDER_SECRET_KEY")
    if not file.is_file():
        return Check(name="server key", state="skipped", detail="not made yet; it is made when it is first needed")
    if file.stat().st_mode & 0o077:
        return Check(
            name="server key",
            state="failed",
            detail=f"others may read {file}",
            advice=f"chmod 600 {file}, then renew it",
        )
    return Check(name="server key", state="ok", detail="readable by its owner alone")


def caches(settings: Settings) -> Check:
    """Rows of some facts caches fit their digests."""
    looked, damaged = 0, []
    for key, file in list(cache_files(settings))[:CACHES_LOOKED_AT]:
        facts = SqliteFactStore(file)
        try:
            looked, found = looked + 1, facts.damaged()
        finally:
            facts.close()
        if found:
            damaged.append(f"{key} ({found} rows)")
    if damaged:
        advice = "nothing is lost, they are measured again when needed; run `elder cache verify`, then check the disk"
        return Check(name="facts caches", state="warning", detail=f"damaged: {', '.join(damaged)}", advice=advice)
    return Check(name="facts caches", state="ok", detail=f"{looked} looked at, every row fits its digest")


# --- the store -------------------------------------------------------------------------------------------


def clocks(store: Store, now: datetime) -> Check:
    """This machine and the database agree on the time."""
    off = abs(store.database_time() - now)
    detail = f"{off.total_seconds():.1f} s between this machine and the database"
    if off < CLOCK_OFF:
        return Check(name="clocks", state="ok", detail=detail)
    state: State = "failed" if off >= CLOCK_WRONG else "warning"
    advice = "set the clocks by NTP: expiry of tokens and suppressions, and leases, go by them"
    return Check(name="clocks", state=state, detail=detail, advice=advice)


def inbox(store: Store, now: datetime) -> Check:
    """What was asked for is decided soon."""
    oldest = store.oldest_waiting()
    counts = store.inbox_counts()
    if oldest is None or now - oldest < LAG_LONG:
        return Check(name="inbox", state="ok", detail=f"{counts['waiting']} wait, {counts['queued']} run")
    state: State = "failed" if now - oldest >= LAG_TOO_LONG else "warning"
    detail = f"{counts['waiting']} wait, the oldest for {_minutes(now - oldest)}"
    return Check(name="inbox", state=state, detail=detail, advice="docs/runbooks/stuck-inbox.md")


def heartbeat(store: Store, now: datetime) -> Check:
    """A daemon has worked a moment ago."""
    beats = store.beats()
    if not beats:
        advice = "start it: `elder up`, or the daemon of the chart"
        return Check(name="heartbeat", state="warning", detail="no daemon has ever worked on this store", advice=advice)
    age = now - max(beats.values())
    if age < HEARTBEAT_MAX:
        return Check(name="heartbeat", state="ok", detail=f"a daemon worked {age.total_seconds():.0f} s ago")
    advice = "start the daemon; deliveries wait until then (docs/runbooks/node-lost.md)"
    return Check(name="heartbeat", state="failed", detail=f"no daemon for {_minutes(age)}", advice=advice)


def notices(store: Store, now: datetime) -> Check:
    """People are told what they asked to be told."""
    held = store.levels(stale_after=STALE_AFTER, expiring_within=EXPIRING_WITHIN)
    late = held.oldest_notice is not None and now - held.oldest_notice >= LAG_LONG
    if not late and not held.notices_given_up:
        return Check(name="notices", state="ok", detail="none is late, none was given up")
    detail = f"{held.notices_waiting} are due, {held.notices_given_up} were given up"
    advice = "`elder alert history` has their last errors; `elder alert test CHANNEL` tries one"
    return Check(name="notices", state="failed" if late else "warning", detail=detail, advice=advice)


def repositories(store: Store, now: datetime) -> Check:  # noqa: ARG001 - every check of the store is called alike
    """Every repository can be audited."""
    failing = store.failing_repositories(NAMED_MAX + 1)
    if not failing:
        return Check(name="repositories", state="ok", detail="the last attempt at each succeeded")
    named = "; ".join(f"{key}: {' '.join(reason.split())[:120]}" for key, reason in failing[:NAMED_MAX])
    more = " and more" if len(failing) > NAMED_MAX else ""
    advice = "mend the reason, then: elder audit <address>, or ask by the API"
    return Check(name="repositories", state="warning", detail=f"cannot be audited: {named}{more}", advice=advice)


def staleness(store: Store, now: datetime) -> Check:  # noqa: ARG001
    """Every repository was audited lately."""
    held = store.levels(stale_after=STALE_AFTER, expiring_within=EXPIRING_WITHIN)
    if not held.stale:
        return Check(name="staleness", state="ok", detail=f"{held.registered} repositories audited within two days")
    detail = f"{held.stale} of {held.registered} repositories were not audited for two days"
    return Check(name="staleness", state="warning", detail=detail, advice="see that the nightly schedule runs")


def webhooks(store: Store, now: datetime) -> Check:
    """Webhooks that are installed bring something now and then."""
    silent = store.silent_webhooks(now - SILENT_AFTER)
    if not silent:
        return Check(name="webhooks", state="ok", detail="each has brought something within two weeks, or is new")
    named = ", ".join(silent[:NAMED_MAX]) + (" and more" if len(silent) > NAMED_MAX else "")
    advice = "look at the host's list of deliveries; nothing is lost, the sweep finds what they missed"
    return Check(name="webhooks", state="warning", detail=f"silent for two weeks: {named}", advice=advice)


def tokens(store: Store, now: datetime) -> Check:  # noqa: ARG001
    """Tokens that are in use do not end unnoticed."""
    held = store.levels(stale_after=STALE_AFTER, expiring_within=EXPIRING_WITHIN)
    if not held.tokens_expiring:
        return Check(name="tokens", state="ok", detail="none expires within a week")
    advice = "make new ones with `elder token create` and change what uses them"
    detail = f"{held.tokens_expiring} expire within a week"
    return Check(name="tokens", state="warning", detail=detail, advice=advice)


def git_hosts(store: Store, now: datetime) -> Check:  # noqa: ARG001
    """No git host is left alone because it did not answer."""
    resting = [circuit for circuit in store.circuits() if circuit.state != "closed"]
    if not resting:
        return Check(name="git hosts", state="ok", detail="none is left alone")
    named = ", ".join(f"{circuit.host} ({circuit.state})" for circuit in resting[:NAMED_MAX])
    advice = "see whether the host answers; it is tried again by itself"
    return Check(name="git hosts", state="warning", detail=f"left alone: {named}", advice=advice)


def backups(store: Store, now: datetime, minutes_max: int) -> Check:
    """The last good backup is as young as the settings want it."""
    last = store.last_backup()
    made = "none was ever made of this store" if last is None else f"the last good one is {_minutes(now - last)} old"
    if not minutes_max:
        return Check(name="backups", state="skipped", detail=f"{made}; ELDER_BACKUP_MINUTES_MAX is not set")
    if last is not None and now - last <= timedelta(minutes=minutes_max):
        return Check(name="backups", state="ok", detail=made)
    detail = f"{made}, {minutes_max} minutes are allowed"
    advice = "elder backup says what is wrong; then see its schedule (docs/runbooks/restore.md)"
    return Check(name="backups", state="failed", detail=detail, advice=advice)


def runs_at_once(store: Store, now: datetime, settings: Settings) -> Check:
    """The limit of runs is what the settings and the forecast make it."""
    name, highest, forecast = "runs at once", settings.forecast_runs_max, store.runs_forecast()
    found = run_limit(settings.max_concurrent_runs, highest, forecast, now)
    detail = f"at most {found.runs}: {found.reason}"
    is_expected = not highest or found.by == "forecast" or (forecast is not None and forecast.withheld)
    if is_expected:
        return Check(name=name, state="ok", detail=detail)
    advice = "materialize the asset load_forecast in Dagster, and see that its nightly schedule runs"
    return Check(name=name, state="warning", detail=detail, advice=advice)


STORE_CHECKS: tuple[Callable[[Store, datetime], Check], ...] = (
    clocks,
    heartbeat,
    inbox,
    notices,
    repositories,
    staleness,
    webhooks,
    tokens,
    git_hosts,
)


def _minutes(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
