"""Pages about work in progress, in a real browser: main tasks, live updates, barriers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from browser.barriers import assert_no_barrier
from browser.conftest import Site, served
from fleet_samples import BASKET, NEW, NOW
from operations_samples import fill_work
from playwright.sync_api import expect

ADDRESSES = [
    "/gates/1",
    "/gates/2",
    "/live",
    "/alerts",
    "/alerts?tab=rules",
    "/alerts?tab=channels",
    "/alerts?tab=rules&new=1",
    "/alerts?tab=rules&edit=gates",
    "/alerts?tab=channels&edit=chat",
    "/admin",
    "/admin?tab=deliveries",
    "/admin?tab=log",
    "/admin?tab=server",
    "/compare",
    f"/compare?repository={BASKET}",
]


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("working"), fill_work) as site:
        yield site


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_no_serious_barrier(working, look, address: str):
    assert_no_barrier(look(working.address + address, bypass_csp=True))


def test_what_ended_is_replayed_by_one_button(working, look):
    page = look(f"{working.address}/admin?tab=deliveries&state=skipped")
    page.get_by_role("button", name="Replay delivery 2").click()
    expect(page.locator("#said")).to_contain_text("Delivery 2 is asked for again")
    assert working.store.delivery(4)["replay_of"] == 2


def test_a_rule_is_muted_and_speaks_again_without_reload(working, look):
    page = look(f"{working.address}/alerts?tab=rules")
    row = page.locator("tbody tr", has_text="gates")
    row.get_by_label("Mute gates for").select_option("8")
    row.get_by_role("button", name="Mute").click()
    expect(row.get_by_text("muted until")).to_be_visible()
    assert working.store.rule("gates").muted_until == int(NOW.timestamp()) + 8 * 3600
    row.get_by_role("button", name="Speak again").click()
    expect(row.get_by_label("Mute gates for")).to_be_visible()


def test_an_audit_that_begins_appears_by_itself(working, look):
    page = look(f"{working.address}/live")
    page.evaluate("() => { window.kept = true }")
    page.wait_for_timeout(4_000)  # the page has asked once what the newest change is
    number = working.store.repository(NEW).id
    working.store.put_live_event(number, "audit_update", {"run_id": "run-new", "stage": "facts", "impact": "9 files"})
    expect(page.get_by_text("9 files")).to_be_visible(timeout=15_000)
    assert page.evaluate("() => window.kept")


def test_the_comparison_follows_the_chosen_audits(working, look):
    page = look(f"{working.address}/compare?repository={BASKET}")
    page.locator("select[name=first]").select_option("2")
    expect(page.get_by_text("Every rule came out the same")).to_be_visible()
    assert "first=2&second=2" in page.url


def test_the_first_token_is_shown_once_and_leads_to_the_sign_in(tmp_path, look):
    with served(tmp_path, lambda _store: None) as site:
        page = look(f"{site.address}/admin")
        page.get_by_label("Whose or what for").fill("ann")
        page.get_by_role("button", name="Make a token").click()
        shown = page.get_by_role("dialog").get_by_role("textbox")
        token = shown.input_value()
        assert re.fullmatch("elder_[0-9A-Za-z]{49}", token)
        page.get_by_role("button", name="I have it").click()
        page.wait_for_url("**/sign-in?next=/admin")
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("row", name=re.compile("ann")).first).to_be_visible()
        assert token not in page.content()


def test_a_rule_is_made_with_a_form_and_changed(working, look):
    page = look(f"{working.address}/alerts?tab=rules")
    page.get_by_role("link", name="New rule").click()
    page.get_by_label("Name").fill("falls")
    page.get_by_label("When").select_option("score_dropped")
    threshold = page.get_by_label("Threshold").locator("visible=true")
    threshold.fill("7")
    page.get_by_label("chat · Webhook").check()
    page.get_by_label("Cool-down, hours").fill("0.5")
    page.get_by_label("Quiet from").fill("22:00")
    page.get_by_label("Quiet until").fill("07:00")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="falls").click()
    page.wait_for_url("**edit=falls**")
    made = working.store.rule("falls")
    assert (made.kind, made.threshold, made.channels, made.cooldown_seconds) == ("score_dropped", 7, ("chat",), 1800)
    assert (made.quiet.time_zone, made.quiet.start, made.quiet.end) == ("Asia/Tokyo", "22:00", "07:00")
    expect(threshold).to_have_value("7.0")
    page.get_by_label("When").select_option("gate_failed")
    expect(threshold).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="New rule")).to_be_visible()
    assert (working.store.rule("falls").kind, working.store.rule("falls").threshold) == ("gate_failed", None)


def test_a_test_shows_what_was_sent_and_the_answer(working, look):
    page = look(f"{working.address}/alerts?tab=channels")
    page.get_by_role("button", name="Send a test on chat").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("did not take it")
    expect(dialog).to_contain_text("chat")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_chosen_findings_get_one_wish_with_one_reason(working, look):
    page = look(f"{working.address}/repositories/{BASKET}?tab=findings")
    reason = page.get_by_label("Reason, for all of them")
    expect(reason).to_be_hidden()
    page.get_by_label("Choose all on this page").focus()
    page.keyboard.press("Space")
    count = page.locator("input[name=finding_ids]").count()
    expect(page.locator("#chosen")).to_have_text(str(count))
    reason.fill("generated code")
    page.get_by_role("button", name="Ask for suppressions").click()
    expect(page.locator("#said")).to_contain_text(f"{count} of {count} findings")
    number = working.store.repository(BASKET).id
    asked = working.store.suppressions_page(team_id=None, repository_id=number, limit=50)
    assert [(one["state"], one["reason"]) for one in asked] == [("pending", "generated code")] * count
    expect(reason).to_be_hidden()
