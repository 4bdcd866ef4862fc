"""What pages read from the store: bounded, sorted, filtered and kept apart by team."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from fractions import Fraction

import msgspec
import pytest
import sqlalchemy as sa
from fleet_samples import BASKET, BROKEN, HOSTILE, NEW, NOW, RULER, TILL, fill, weeks

from resources.store import Store, open_store, tables
from resources.store.pages import RepositoryFilter

FOUR_WEEKS_BACK = NOW - dt.timedelta(weeks=4)
FOUR_WEEKS_AGO = "2026-02-02"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with open_store(store_url, clock=lambda: NOW) as opened:
        fill(opened)
        yield opened


def keys(store: Store, team_id: int | None = None, **wanted) -> list[str]:
    rows, _ = store.fleet_page(RepositoryFilter(**wanted), before=FOUR_WEEKS_AGO, team_id=team_id)
    return [row["repository"] for row in rows]


def test_totals_count_what_was_audited_and_what_was_not(store: Store):
    totals = store.fleet_totals()
    assert (totals["repositories"], totals["audited"]) == (5, 3)
    assert sum(totals["statuses"].values()) == 3


def test_what_was_never_audited_comes_last_whatever_the_order(store: Store):
    assert set(keys(store, sort="score")[-2:]) == {BROKEN, NEW}
    assert set(keys(store, sort="score", is_descending=True)[-2:]) == {BROKEN, NEW}


def test_a_change_is_the_score_now_less_that_of_the_week(store: Store):
    rows, _ = store.fleet_page(RepositoryFilter(text="basket"), before=FOUR_WEEKS_AGO)
    (row,) = rows
    assert row["change"] == pytest.approx(row["score"] - 62)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"text": "BASK"}, [BASKET]),
        ({"text": "%"}, []),
        ({"team": "growth"}, [TILL]),
        ({"status": "failing"}, [BROKEN]),
        ({"status": "never", "sort": "repository"}, [BROKEN, NEW]),
        ({"sort": "repository", "limit": 1, "offset": 1}, [BROKEN]),
    ],
    ids=["any case", "no wildcard", "team", "cannot audit", "never audited", "second page"],
)
def test_repositories_are_filtered_and_paged(store: Store, wanted, found):
    assert keys(store, **wanted) == found


def test_a_team_sees_its_own_repositories_alone(store: Store):
    team = store.team("payments").id
    assert keys(store, team_id=team) == [BASKET]
    assert store.fleet_totals(team)["repositories"] == 1
    assert store.cannot_audit(team) == []
    assert {row["repository"] for row in store.movers(FOUR_WEEKS_BACK, FOUR_WEEKS_AGO, team_id=team)} <= {BASKET}
    assert store.fleet_weeks("2026-02-16", team) == [
        ("2026-02-16", [70.0]),
        ("2026-02-23", [72.0]),
        ("2026-03-02", [80.0]),
    ]
    whole = store.fleet_weeks("2026-03-02")
    assert [(week, sorted(scores)) for week, scores in whole] == [("2026-03-02", [80.0, 85.0])]


def mover(store: Store, key: str) -> dict[str, object]:
    return next(row for row in store.movers(FOUR_WEEKS_BACK, FOUR_WEEKS_AGO) if row["repository"] == key)


@pytest.mark.parametrize(("key", "week"), [(BASKET, 62.0), (TILL, 90.0)])
def test_a_mover_moved_as_far_as_the_table_of_changes_says(store: Store, key: str, week: float):
    rows, _ = store.fleet_page(RepositoryFilter(), before=FOUR_WEEKS_AGO)
    shown = next(row for row in rows if row["repository"] == key)
    row = mover(store, key)
    assert (row["before"], row["after"], row["snapshot_before"]) == (week, shown["score"], None)
    assert row["change"] == pytest.approx(shown["change"])
    assert row["ruler_before"] == row["ruler_after"] == RULER.digest
    assert store.movers(NOW - dt.timedelta(weeks=52), "2025-03-03") == []


def test_a_mover_whose_audit_had_the_score_of_its_week_can_say_by_which_rules(store: Store):
    audited = first_score(store, BASKET)
    (week,) = weeks([0], commit="e")
    store.record_weeks(
        BASKET, [msgspec.structs.replace(week, week=FOUR_WEEKS_AGO, score=Fraction(str(audited)))], RULER.document()
    )
    row = mover(store, BASKET)
    assert (row["before"], row["snapshot_before"] is not None) == (audited, True)


def test_a_mover_whose_audit_had_another_ruler_is_compared_with_what_people_saw(store: Store):
    audited = first_score(store, BASKET)
    rulers, snapshots = tables.rulers, tables.snapshots
    with store._engine.begin() as connection:
        document = connection.execute(sa.select(rulers)).mappings().first()
        connection.execute(sa.insert(rulers).values({**document, "digest": "f" * 64}))
        first = sa.select(sa.func.min(snapshots.c.id)).where(snapshots.c.repository_id == store.repository(BASKET).id)
        connection.execute(sa.update(snapshots).where(snapshots.c.id == first.scalar_subquery()).values(ruler="f" * 64))
    row = mover(store, BASKET)
    assert (row["before"], row["ruler_before"], row["snapshot_before"] is not None) == (audited, "f" * 64, True)


def first_score(store: Store, key: str) -> float:
    """Of the repository's first audit."""
    audits, counts, snapshots = tables.audits, tables.audit_counts, tables.snapshots
    statement = (
        sa.select(counts.c.score)
        .join(audits, audits.c.id == counts.c.audit_id)
        .join(snapshots, snapshots.c.id == audits.c.snapshot_id)
        .where(snapshots.c.repository_id == store.repository(key).id)
        .order_by(audits.c.id)
    )
    with store._engine.connect() as connection:
        return float(connection.scalars(statement).first())


def test_magics_since_a_week_stand_beside_what_they_are_now(store: Store):
    till = store.repository(TILL).id
    (whole,) = weeks([50], commit="c")
    store.record_weeks(TILL, [msgspec.structs.replace(whole, magic="flow", week=FOUR_WEEKS_AGO)], RULER.document())
    now = store.magics_now(till)["flow"]["score"]
    assert store.magics_since([till], FOUR_WEEKS_AGO) == {till: {"flow": (50.0, now)}}
    assert store.magics_since([], FOUR_WEEKS_AGO) == {}


def test_the_fleet_moved_by_what_was_there_before_and_is_there_now(store: Store):
    rows, _ = store.fleet_page(RepositoryFilter(), before=FOUR_WEEKS_AGO)
    changes = [row["change"] for row in rows if row["change"] is not None]
    assert 0 < len(changes) < store.fleet_totals()["audited"]  # one came later, and moves nothing
    assert store.fleet_change(FOUR_WEEKS_AGO) == (pytest.approx(sum(changes) / len(changes)), len(changes))
    (basket,) = (row for row in rows if row["repository"] == BASKET)
    assert store.fleet_change(FOUR_WEEKS_AGO, store.team("payments").id) == (pytest.approx(basket["change"]), 1)
    assert store.fleet_change("1999-01-04") == (None, 0)


def test_weeks_scored_again_replace_what_pages_show(store: Store):
    store.record_weeks(TILL, weeks([70, 71], commit="e"), RULER.document())
    till = store.repository(TILL).id
    assert store.sparklines([till], "2026-02-23") == {till: [70.0, 71.0]}
    before = store.sparklines([till], "2026-01-01")
    store.rebuild_weeks()
    assert store.sparklines([till], "2026-01-01") == before


def test_what_cannot_be_audited_says_since_when_and_why(store: Store):
    (row,) = store.cannot_audit()
    assert (row["repository"], row["since"], row["attempts"]) == (BROKEN, NOW, 1)
    assert "404" in row["reason"]


def test_the_mark_moves_with_every_write(store: Store):
    before = store.newest_change()
    store.record_failure(HOSTILE, "gone")
    assert store.newest_change() != before
