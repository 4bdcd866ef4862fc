"""`elder probe`: asks for an audit as a push would, and waits for the verdict. The chart runs it on a schedule.

As in `cli.py`, whatever is not click is imported inside the command that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from resources.store import Store
    from resources.store.inbox import InboxRow

EXIT_SLOW = 1
LOOK_SECONDS = 1.0


@click.command(short_help="Ask for an audit and wait for its verdict.")
@click.argument("repository")
@click.option("--within", type=click.IntRange(1, 86_400), default=300, show_default=True, help="Seconds it may take.")
def probe(repository: str, within: int) -> int:
    """Ask for a full audit of the registered REPOSITORY and wait for its end: inbox, sensor, queue, run, verdict.

    Exit status 1 when it takes longer, or does not end with a verdict; the line says where it stands.
    """
    import time

    from resources.settings import load_settings
    from resources.store import open_store

    with open_store(load_settings().store_url) as store:
        started = time.time()
        row = ask_and_wait(store, repository, within, time.time, time.sleep)
        took = time.time() - started
    if row.state == "done":
        click.echo(f"{repository}  verdict after {took:.1f} s")
        return 0
    stands = row.state if row.state in {"waiting", "queued"} else f"{row.state}: {row.decision}"
    click.echo(f"{repository}  no verdict after {took:.1f} s; the request {row.id} is {stands}; see `elder doctor`")
    return EXIT_SLOW


def ask_and_wait(
    store: Store, repository: str, within: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> InboxRow:
    """Ask for a full audit; its row of the inbox once it ended, or as it stands when the time is over.

    Raises:
        RepositoryNotFound: it is not registered.
    """
    from resources.store.inbox import ENDED

    started = clock()
    number = store.ask_audit(repository, source="api", delivery_id=f"probe:{started:.3f}", audit_type="full").row
    row = store.inbox_row(number)
    while row.state not in ENDED and clock() - started < within:
        sleep(LOOK_SECONDS)
        row = store.inbox_row(number)
    return row
