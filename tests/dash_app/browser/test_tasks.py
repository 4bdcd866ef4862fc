"""What people do with the pages, in a real browser under the real content policy."""

from __future__ import annotations

import re

import pytest
from browser.conftest import served
from fleet_samples import BASKET, NEW, TILL, fill
from playwright.sync_api import Page, expect

KEPT = "() => window.kept === true"


def rows(page: Page) -> list[str]:
    return page.locator("#repositories tbody th").all_inner_texts()


def test_typing_a_name_narrows_the_table_and_the_address_without_reload(filled, look):
    page = look(filled.address)
    page.evaluate("() => { window.kept = true }")
    page.get_by_label("Name contains").fill("till")
    expect(page.locator("#repositories tbody tr")).to_have_count(1)
    assert page.url.endswith("/?q=till")
    assert page.evaluate(KEPT)
    expect(page.get_by_label("Name contains")).to_be_focused()


def test_a_column_sorts_and_the_back_button_undoes_it(filled, look):
    page = look(filled.address)
    page.get_by_role("link", name="Repository", exact=True).click()
    expect(page.locator("#repositories thead th").first).to_have_attribute("aria-sort", "ascending")
    first = rows(page)
    page.get_by_role("link", name="Repository", exact=True).click()
    expect(page.locator("#repositories thead th").first).to_have_attribute("aria-sort", "descending")
    assert rows(page) == first[::-1]
    page.go_back()
    expect(page.locator("#repositories thead th").first).to_have_attribute("aria-sort", "ascending")


def test_a_link_shows_somebody_else_the_same_view(filled, look):
    address = f"{filled.address}/?status=never&sort=repository"
    assert len(rows(look(address))) == 2
    assert look(address).get_by_label("Status").input_value() == "never"


def test_a_status_narrows_by_choice(filled, look):
    page = look(filled.address)
    page.get_by_label("Status").select_option("failing")
    expect(page.locator("#repositories tbody tr")).to_have_count(1)
    assert "status=failing" in page.url


def test_from_the_fleet_to_the_code_of_a_finding_by_keyboard_alone(filled, look):
    page = look(f"{filled.address}/?q=till")
    page.locator("#repositories tbody a").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("till")
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name=re.compile("^Findings")).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Findings")).to_be_visible()
    page.locator("main table tbody a").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What to do")).to_be_visible()
    assert "/findings/" in page.url


def test_the_first_key_leads_past_the_menu(filled, look):
    page = look(filled.address)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


@pytest.mark.parametrize("address", ["/teams/payments?tab=settings", "/admin?tab=server"])
def test_on_a_phone_menu_and_tabs_show_where_one_is(filled, look, address: str):
    page = look(filled.address + address, width=375)
    for link in page.locator("header.top nav [aria-current], .tabs [aria-current]").all():
        box = link.bounding_box()
        assert 0 <= box["x"] < 376 - box["width"]


def test_the_theme_is_kept_over_a_reload(filled, look):
    page = look(filled.address, theme="light")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate(ground) != light
    page.reload()
    assert page.evaluate("() => document.documentElement.dataset.theme") == "dark"


def test_japanese_is_one_click_away_and_keeps_the_view(filled, look):
    page = look(f"{filled.address}/?q=till")
    page.get_by_role("link", name="日本語").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("全体")
    assert page.url.endswith("/?q=till")


def test_times_stand_in_the_zone_of_whoever_looks(filled, look):
    page = look(f"{filled.address}/repositories/{BASKET}")
    expect(page.locator("main time").last).to_be_visible()
    assert "9:00 PM" in page.locator(".facts").inner_text()  # noon in UTC, in Tokyo


def test_a_change_in_the_store_shows_without_reload(filled, look):
    page = look(filled.address)
    page.evaluate("() => { window.kept = true }")
    page.wait_for_timeout(500)
    filled.store.record_failure(NEW, "the disk said no")
    expect(page.get_by_text("the disk said no")).to_be_visible(timeout=15_000)
    assert page.evaluate(KEPT)


MARKED = "() => { const plot = document.querySelector('.plot .main-svg'); plot.kept = true; }"
STILL = "() => document.querySelector('.plot .main-svg').kept === true"


def test_a_sorted_table_leaves_figures_focus_and_scroll_alone(filled, look):
    page = look(filled.address)
    page.evaluate(MARKED)
    heading = page.get_by_role("link", name="Repository", exact=True)
    heading.focus()
    heading.scroll_into_view_if_needed()
    before = page.evaluate("() => scrollY")
    page.keyboard.press("Enter")
    expect(page.locator("#repositories thead th").first).to_have_attribute("aria-sort", "ascending")
    assert page.evaluate(STILL)
    expect(heading).to_be_focused()
    assert page.evaluate("() => scrollY") == before
    page.keyboard.press("Enter")
    expect(page.locator("#repositories thead th").first).to_have_attribute("aria-sort", "descending")


def test_back_from_another_page_lands_where_one_was(filled, look):
    page = look(filled.address)
    page.locator("#repositories").scroll_into_view_if_needed()
    page.evaluate("() => scrollTo(0, 250)")
    page.locator("#repositories tbody a").first.click()
    expect(page.get_by_role("heading", name="Score")).to_be_attached()
    assert page.evaluate("() => scrollY") == 0
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Fleet")
    assert page.evaluate("() => scrollY") == 250


def test_back_puts_the_filter_as_the_address_says(filled, look):
    page = look(filled.address)
    page.get_by_label("Status").select_option("never")
    expect(page.locator("#repositories tbody tr")).to_have_count(2)
    page.locator("#repositories tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Fleet")
    page.go_back()
    expect(page.get_by_label("Status")).to_have_value("never")
    expect(page.locator("#repositories tbody tr")).to_have_count(2)


def test_a_live_change_keeps_what_is_typed_unfolded_and_selected(tmp_path, look):
    with served(tmp_path, fill) as site:
        page = look(site.address)
        page.wait_for_timeout(4_000)  # the page has asked once what the newest change is
        page.evaluate(MARKED)
        page.locator("details.numbers summary").first.click()
        box = page.get_by_label("Name contains")
        box.press_sequentially("til")
        expect(page.locator("#repositories tbody tr")).to_have_count(1)
        box.press_sequentially("l")
        select = "() => getSelection().selectAllChildren(document.querySelector('h1'))"
        page.evaluate(select)
        site.store.record_failure(NEW, "the disk said no")
        expect(page.get_by_text("the disk said no")).to_be_visible(timeout=15_000)
        assert box.input_value() == "till"
        assert page.evaluate("() => getSelection().toString()") == "Fleet"
        expect(page.locator("details.numbers table").first).to_be_visible()
        assert page.evaluate(STILL)


def test_a_lost_connection_is_said_and_its_return_too(filled, look):
    page = look(filled.address)
    page.wait_for_timeout(500)
    page.context.set_offline(True)
    expect(page.locator("#stale")).to_be_visible(timeout=15_000)
    page.context.set_offline(False)
    expect(page.locator("#stale")).to_be_hidden(timeout=15_000)


def test_names_that_try_to_break_out_stay_text(filled, look):
    page = look(f"{filled.address}/?q=onerror")
    expect(page.locator("#repositories tbody tr")).to_have_count(1)
    assert "<img src=x onerror=alert(1)>=1+1" in rows(page)[0]
    page.locator("#repositories tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("<img src=x onerror=alert(1)>")
    page.get_by_role("link", name=re.compile("^Findings")).click()
    expect(page.get_by_text("<script>alert(1)</script>").first).to_be_visible()
    assert page.locator("main script, main img[src=x], main b b").count() == 0


def test_a_figure_can_be_read_as_a_table(filled, look):
    page = look(filled.address)
    page.locator("details.numbers summary").first.click()
    expect(page.locator("details.numbers table").first).to_be_visible()


def test_a_page_can_be_read_without_scripts(filled, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{filled.address}/?q=till")
    assert TILL.rpartition("/")[2] in page.locator("#repositories tbody").inner_text()
    page.get_by_label("Name contains").fill("basket")
    page.get_by_role("button", name="Apply").click()
    assert "basket" in page.locator("#repositories tbody").inner_text()
    context.close()


@pytest.mark.parametrize(
    ("address", "said"),
    [("/", "No repository is registered yet"), ("/teams", "There is no team yet"), ("/magics", "No repository was audited yet"), ("/nowhere", "There is no such page"), ("/repositories/a/b", "There is no such repository")],
    ids=["fleet", "teams", "magics", "unknown page", "unknown repository"],
)  # fmt: skip
def test_what_is_missing_says_what_to_do(empty, look, address: str, said: str):
    expect(look(empty.address + address).get_by_text(said).first).to_be_visible()


def test_a_view_is_taken_along_as_one_file_with_pictures_that_needs_neither_script_nor_network(
    filled, look, browser, tmp_path
):
    page = look(f"{filled.address}/repositories/{BASKET}")
    with page.expect_download() as saved:
        page.get_by_role("link", name="HTML", exact=True).click()
    kept = tmp_path / "kept.html"
    saved.value.save_as(kept)
    context = browser.new_context(java_script_enabled=False, offline=True)
    shown = context.new_page()
    wrong: list[str] = []
    shown.on("console", lambda message: wrong.append(message.text))
    shown.goto(kept.as_uri())
    pictures = shown.locator("figure img.drawn")
    assert pictures.count() == page.locator(".plot").count() >= 2
    assert all(picture.evaluate("one => one.naturalWidth") > 100 for picture in pictures.all())
    expect(shown.get_by_alt_text("Score over 52 weeks")).to_be_visible()
    expect(shown.get_by_role("button")).to_have_count(0)
    shown.locator("details.numbers summary").first.click()
    expect(shown.locator("details.numbers td").first).to_be_visible()
    assert wrong == []
    context.close()


def test_print_opens_the_browsers_dialog_with_every_figure_drawn(filled, look):
    page = look(f"{filled.address}/repositories/{BASKET}")
    page.evaluate("() => { window.print = () => { window.printed = document.querySelectorAll('.main-svg').length } }")
    page.get_by_role("button", name="Print / PDF").click()
    page.wait_for_function("window.printed > 0")
    assert page.locator(".plot:not(:has(.main-svg))").count() == 0


def box_of(page: Page, name: str):
    page.get_by_role("group", name="The files with most risk").scroll_into_view_if_needed()
    return page.locator("g.slice").filter(has_text=name).last.locator("path").first


@pytest.mark.parametrize("path", ["shop/basket.py", 'a/"><b>x</b>.py'], ids=["plain", "hostile"])
def test_a_box_of_the_map_leads_to_the_findings_of_its_file_and_back(filled, look, path: str):
    page = look(f"{filled.address}/repositories/{TILL}")
    page.evaluate("() => { window.kept = true }")
    wanted = page.locator("details.numbers a").filter(has_text=path).get_attribute("href")
    box_of(page, path.rpartition("/")[2]).click()
    expect(page.get_by_label("Path contains")).to_have_value(path)
    assert page.url == filled.address + wanted
    assert page.evaluate(KEPT)
    expect(page.locator("main tbody tr")).not_to_have_count(0)
    page.go_back()
    expect(page.get_by_role("heading", name="Eight magics")).to_be_attached()


def test_a_folder_of_the_map_is_looked_into(filled, look):
    page = look(f"{filled.address}/repositories/{TILL}")
    box_of(page, "shop").click(position={"x": 8, "y": 4})
    expect(page.locator("g.slice").filter(has_text="basket.py")).to_be_visible()
    expect(page.locator("g.slice").filter(has_text="x</b>")).to_have_count(0)
    assert page.url == f"{filled.address}/repositories/{TILL}"
