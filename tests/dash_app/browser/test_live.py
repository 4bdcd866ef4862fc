"""What a change in the store does to somebody who is in the middle of something: it shows, and takes nothing away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser.conftest import Site, served
from fleet_samples import NEW
from operations_samples import fill_work
from playwright.sync_api import Page, expect

from elder_assets.audit.alerts import AlertRule

MARK = "() => { document.querySelector('main h1').kept = true }"
STILL = "() => document.querySelector('main h1').kept === true"


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("working"), fill_work) as site:
        yield site


def opened(look, site: Site, address: str) -> Page:
    """A page that has asked once what the newest change is."""
    page = look(site.address + address)
    with page.expect_response("**/pages/changes"):
        pass
    page.evaluate(MARK)
    return page


def test_a_half_filled_form_survives_what_another_says_of_the_finding(working: Site, look):
    page = opened(look, working, "/findings/4")
    page.get_by_text("Ask for a suppression").first.click()
    reason = page.get_by_label("Why it may stay")
    reason.press_sequentially("we agreed")
    page.keyboard.press("ArrowLeft")
    working.store.add_feedback(4, "true", "I saw it <b>too</b>", "bea")
    expect(page.get_by_text("I saw it <b>too</b>")).to_be_visible(timeout=15_000)
    assert reason.input_value() == "we agreed"
    expect(reason).to_be_focused()
    assert page.evaluate("() => document.activeElement.selectionStart") == len("we agree")
    assert page.evaluate(STILL)


def test_what_happens_elsewhere_takes_nothing_from_the_form_of_a_token(tmp_path, look):
    with served(tmp_path, fill_work) as site:
        page = opened(look, site, "/admin")
        page.get_by_label("Whose or what for").press_sequentially("ann")
        page.locator("select[name=role]").select_option("maintainer")
        site.store.put_live_event(site.store.repository(NEW).id, "audit_update", {"run_id": "r", "stage": "facts"})
        page.wait_for_timeout(4_500)  # nothing of it is to be seen here
        assert page.get_by_label("Whose or what for").input_value() == "ann"
        assert page.locator("select[name=role]").input_value() == "maintainer"
        assert page.evaluate(STILL)


def test_a_chosen_time_of_a_mute_is_kept_while_another_rule_arrives(working: Site, look):
    page = opened(look, working, "/alerts?tab=rules")
    chosen = page.get_by_label("Mute gates for")
    chosen.select_option("24")
    working.store.put_rule(AlertRule(name="fresh", kind="gate_failed", channels=("chat",)), "bea")
    expect(page.get_by_label("Mute fresh for")).to_be_visible(timeout=15_000)
    assert chosen.input_value() == "24"


def test_an_unfolded_table_stays_unfolded_while_rows_come(working: Site, look):
    page = opened(look, working, "/")
    page.locator("details.numbers summary").first.click()
    table = page.locator("details.numbers table").first
    expect(table).to_be_visible()
    working.store.record_failure(NEW, "the host said no more")
    expect(page.get_by_text("the host said no more")).to_be_visible(timeout=15_000)
    expect(table).to_be_visible()
    assert page.evaluate(STILL)


LAID = """([before, after]) => {
  const page = document.getElementById('page');
  page.innerHTML = before;
  const kept = [...page.querySelectorAll('[data-kept]')];
  kept.forEach(one => { one.mark = one.dataset.kept });
  const moved = [];
  new MutationObserver(changes => changes.forEach(change => change.addedNodes.forEach(one => moved.push(one)))).observe(page, {childList: true, subtree: true});
  window.elder.drawn({html: after, figures: {}, title: 't'});
  return new Promise(done => setTimeout(() => done([
    page.innerHTML === after,
    [...page.querySelectorAll('[data-kept]')].every(one => one.mark === one.dataset.kept),
    moved.filter(one => one.nodeType === 1 && one.mark).length,
  ])));
}"""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<section class="alarm">x</section><section id="b" data-kept="b">1</section>', '<section id="b" data-kept="b">2</section>'),
        ('<section id="b" data-kept="b">1</section>', '<section class="alarm">x</section><section id="b" data-kept="b">2</section>'),
        ('<p data-kept="p">a <b data-kept="b">1</b> c</p>', '<p data-kept="p">d <b data-kept="b">2</b></p>'),
        ('<form data-path="/1" data-kept="1"></form><form data-path="/2" data-kept="2"></form>', '<form data-path="/2" data-kept="2"></form>'),
        ('<ul><li data-kept="1">1</li></ul>', '<ul><li data-kept="1">0</li><li>1</li></ul>'),
        ("<p>1</p>", ""),
        ("", '<p class="&quot;">1</p>'),
    ],
    ids=["first goes", "first comes", "texts", "a form goes", "a row comes", "all go", "all come"],
)  # fmt: skip
def test_what_is_laid_over_a_page_is_the_new_page_and_what_stays_is_not_moved(working: Site, look, before, after):
    page = look(working.address + "/rules")
    assert page.evaluate(LAID, [before, after]) == [True, True, 0]


def test_a_stopped_server_is_said_and_what_happened_meanwhile_shows_when_it_is_back(tmp_path, look):
    with served(tmp_path, fill_work) as site:
        page = opened(look, site, "/")
        box = page.get_by_label("Name contains")
        site.stop()
        expect(page.locator("#stale")).to_be_visible(timeout=15_000)
        assert page.locator("#stale time").get_attribute("datetime")
        site.store.record_failure(NEW, "while nobody served")
        box.fill("till")  # asked for while nobody answers
        site.start()
        expect(page.locator("#stale")).to_be_hidden(timeout=20_000)
        expect(page.get_by_text("while nobody served")).to_be_visible(timeout=15_000)
        expect(page.locator("#repositories tbody tr")).to_have_count(1)
        assert box.input_value() == "till"
        assert page.evaluate(STILL)
