"""The page of a team in a real browser: settings are tried and saved, an initiative is made; no barriers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from browser.barriers import assert_no_barrier
from browser.conftest import Site, served
from fleet_samples import BASKET, NOW, fill
from playwright.sync_api import expect

from resources.store import Store, tables
from resources.teams import initiatives
from resources.teams.initiatives import Wanted
from resources.teams.settings import save_settings

TRIED = "tab=settings&preview=1&base=0&profile=enterprise&weights.tdd=4&scorecard.repositories=50"
WRONG = "tab=settings&preview=1&base=0&profile=startup&weights.tdd=many"
ADDRESSES = [
    "/teams/payments?tab=initiatives",
    "/teams/payments?tab=hotspots",
    "/teams/payments?tab=settings",
    f"/teams/payments?{TRIED}",
    f"/teams/payments?{WRONG}",
    "/teams/growth?tab=initiatives",
]


def fill_team(store: Store) -> None:
    """The sample fleet; team payments has goals, hotspots with and without an owner, and a changed threshold."""
    fill(store)
    team, week = store.team("payments"), dt.timedelta(weeks=1)
    day = NOW.date()
    goals = (
        Wanted(title="Every <b>x</b> at 90", kind="score", least=90, deadline=day + 4 * week, starts_on=day - 5 * week),
        Wanted(title="No conflict", kind="rule", subject="STR001", deadline=day + 2 * week),
        Wanted(title="Given up", kind="level", subject="gold", deadline=day + 9 * week),
    )
    made = [initiatives.make(store, team, goal, by="ann <b>x</b>") for goal in goals]
    initiatives.withdraw(store, made[-1].id, by="ann", reason="we sold <b>x</b> the shop")
    with store._writing() as connection:
        found = {"repository_id": store.repository(BASKET).id, "size_bytes": 1, "open": 0, "weight": 0, "cognitive": 9}
        for path, owners, authors in (("a<b>x</b>.py", [], 1), ("b.py", ["@org/<b>x</b>"], 3)):
            row = {
                **found,
                "path": path,
                "changes": 90,
                "authors": authors,
                "declared_owners": owners,
                "owner_share": 0.9,
            }
            connection.execute(sa.insert(tables.latest_files).values(**row))


@pytest.fixture
def team(tmp_path) -> Iterator[Site]:
    with served(tmp_path, fill_team) as site:
        yield site


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Of tests that change nothing."""
    with served(tmp_path_factory.mktemp("team"), fill_team) as site:
        yield site


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_tab_of_a_team_has_no_serious_barrier(kept, look, address: str):
    page = look(kept.address + address, bypass_csp=True)
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert_no_barrier(page)


def test_stricter_settings_are_tried_saved_with_a_reason_and_seen_in_the_history(team, look):
    page = look(f"{team.address}/teams/payments?tab=settings")
    page.evaluate("() => { window.kept = true }")
    page.locator("[name='profile']").select_option("enterprise")
    page.get_by_role("button", name="Look at the effect").click()
    effect = page.locator("#preview")
    expect(effect.get_by_text("Weight of Integrity")).to_be_visible()
    expect(effect.get_by_text("Mean score")).to_be_visible()
    assert team.store.policies("payments") == []  # nothing was saved
    page.get_by_label("Why?").fill("we are audited in May")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#history")).to_contain_text("we are audited in May")
    expect(page.locator("#history")).to_contain_text("default → enterprise")
    (version,) = team.store.policies("payments")
    assert (version.document, version.comment) == ("version: 1\nprofile: enterprise\n", "we are audited in May")
    assert page.url.endswith("/teams/payments?tab=settings#history")
    assert page.evaluate("() => window.kept")


def test_a_wrong_value_is_named_beside_its_field_and_the_others_stay(team, look):
    page = look(f"{team.address}/teams/payments?tab=settings")
    page.locator("[name='profile']").select_option("startup")
    page.locator("[name='weights.tdd']").fill("many")
    page.locator("[name='scorecard.levels.gold.score']").fill("190")
    page.get_by_role("button", name="Look at the effect").click()
    expect(page.locator("label", has=page.locator("[name='weights.tdd']"))).to_contain_text(
        "many is not allowed; allowed: a whole number from 0 to 100"
    )
    expect(page.locator("label", has=page.locator("[name='scorecard.levels.gold.score']"))).to_contain_text("190")
    expect(page.locator("#preview")).to_contain_text("2 values are not allowed")
    assert page.locator("[name='profile']").input_value() == "startup"
    assert page.locator("[name='weights.tdd']").input_value() == "many"


def test_whoever_saves_second_is_told_and_loses_nothing(team, look):
    page = look(f"{team.address}/teams/payments?{TRIED}")
    save_settings(team.store, "payments", {"profile": "startup"}, by="bob", reason="we ship every week", based_on=0)
    page.get_by_label("Why?").fill("we are audited in May")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#said")).to_contain_text("bob saved version 1")
    expect(page.get_by_role("heading", name="Changed meanwhile")).to_be_visible()
    assert page.get_by_label("Why?").input_value() == "we are audited in May"
    assert page.locator("[name='weights.tdd']").input_value() == "4"
    page.get_by_role("link", name="Go on with mine, on top of theirs").click()
    expect(page.get_by_role("heading", name="Changed meanwhile")).to_have_count(0)
    expect(page.locator("#preview")).to_contain_text("startup → enterprise")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#history")).to_contain_text("startup → enterprise")
    assert [version.author for version in team.store.policies("payments")] == ["local admin", "bob"]


def test_an_initiative_is_made_and_withdrawn(team, look):
    page = look(f"{team.address}/teams/growth?tab=initiatives")
    expect(page.get_by_text("There is no initiative yet")).to_be_visible()
    page.get_by_label("Title").fill("TDD at 95")
    page.get_by_label("What a repository must have").select_option("magic,tdd")
    page.get_by_label("Last day").last.fill("2026-05-01")
    page.get_by_role("button", name="Make the initiative").click()
    expect(page.locator("#said")).to_contain_text("least")  # a score without a number
    page.get_by_label("Score of at least").fill("100")
    page.get_by_role("button", name="Make the initiative").click()
    card = page.locator("article", has_text="TDD at 95")
    expect(card.get_by_text("TDD has a score of at least 100")).to_be_visible()
    card.get_by_text("Change or withdraw").click()
    card.get_by_label("Why?").last.fill("the till is closed")
    card.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_role("heading", name="Over")).to_be_visible()
    assert [one.state for one in team.store.initiatives(team.store.team("growth").id)] == ["withdrawn"]


def test_a_file_that_nobody_owns_stands_first(kept, look):
    page = look(f"{kept.address}/teams/payments?tab=hotspots")
    expect(page.locator("#hotspots tbody tr").first).to_contain_text("nobody")
    expect(page.locator("#hotspots tbody tr").first).to_contain_text("a<b>x</b>.py")
