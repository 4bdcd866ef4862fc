"""The HTML report: what it says, that nothing of a repository is markup in it, and that a browser needs nothing else."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import plotly.offline
import pytest
from sarif_samples import log, result, run

from dash_app import report_figures
from dash_app.html_report import PLACES_MAX, to_html
from elder_assets.audit.engine import audit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.imported_report import beside
from elder_assets.audit.model import Coverage, Severity, Skipped, Status, Tier, Verdict
from elder_assets.audit.registry import catalogue
from elder_assets.audit.report import shown_findings
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.sarif_import import read_sarif
from elder_assets.audit.suppression import Applied, Problem, Suppressed, Suppression
from elder_assets.audit.testing import MemorySource

FILES = {"shop/torn.py": "def f(:\n", "shop/basket.py": "x = 1\n", "README.md": "[guide](nowhere.md)\n"}
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=alert(1)>\"'`<b>x</b>`\u202egnp.exe\x00\r\n=HYPERLINK(1)"
)
DAY = dt.date(2026, 1, 5)


@pytest.fixture(scope="module")
def verdict() -> Verdict:
    return audit(MemorySource(FILES), MemoryFactStore(), default_ruler())


def page(verdict: Verdict, **more: Any) -> str:
    return to_html(Applied(verdict=verdict, evaluated_on=DAY, **more), version="1.0")


class Parsed(HTMLParser):
    """Tags, attributes and shown text of a page, scripts and style left out."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag in {"script", "style"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open:
            self.words.append(data)
        elif self.open[-1] == "script":
            self.scripts.append(data)


def test_it_says_what_was_audited_how_it_came_out_and_why(verdict: Verdict):
    text = Parsed(page(verdict)).text
    assert "local/memory staged tree 000000000000 of 2023-11-14" in text
    assert "A check fails: 1 open gate finding of severity high or critical: STR001 ." in text
    assert "3 of 3 files read" in text
    assert verdict.ruler in text


def test_every_finding_is_there_with_what_why_and_what_to_do(verdict: Verdict):
    text = Parsed(page(verdict)).text
    rule = catalogue().rule("STR001")
    for words in (rule.summary, rule.documentation["Why"][1:], rule.remedy[1:], "this file cannot be parsed"):
        assert words.replace("`", "") in text
    assert "shop/ torn.py:1" in text


def test_every_figure_has_a_table_with_its_numbers_and_a_text_alternative(verdict: Verdict):
    parsed = Parsed(page(verdict))
    assert parsed.tags["figure"] == 2
    assert [
        value for name, value in parsed.attributes if name == "aria-label" and "table below" in value
    ].__len__() == 2
    assert "Integrity Is what is claimed really there? 100 passed 50% 0" in parsed.text
    assert "STR001 unparsable-file 1 1" in parsed.text


def test_the_status_is_explained_when_nothing_fails(verdict: Verdict):
    fine = msgspec.structs.replace(verdict, findings=(), status=Status.WARNING, reason="")
    text = Parsed(page(fine)).text
    assert "warning The score lies between 60 and 80. No finding fails a check by itself." in text
    assert "No findings." in text


def test_an_incomplete_audit_says_so_and_has_no_score(verdict: Verdict):
    broken = msgspec.structs.replace(verdict, findings=(), status=Status.ERROR, reason="INT001: gone", score=None)
    assert "no score error The audit is incomplete: INT001: gone ." in Parsed(page(broken)).text


def test_what_was_not_read_and_not_judged_is_named(verdict: Verdict):
    skipped = (Skipped("big.bin", "larger than 1 MB"),)
    text = Parsed(page(msgspec.structs.replace(verdict, coverage=Coverage(4, 3, skipped)))).text
    assert "3 of 4 files that should be read were read." in text
    assert "big.bin larger than 1 MB" in text
    assert "GIT006 secret-in-history not available no history: files in memory" in text


def test_long_lists_are_cut_with_a_count(verdict: Verdict):
    first = verdict.findings[0]
    many = tuple(msgspec.structs.replace(first, line=i, fingerprint=f"v1:{i:064}") for i in range(PLACES_MAX + 7))
    assert "7 more places; --format json has all." in Parsed(page(msgspec.structs.replace(verdict, findings=many))).text


def test_shadow_findings_are_not_shown(verdict: Verdict):
    hidden = tuple(msgspec.structs.replace(f, tier=Tier.SHADOW, message="of a shadow rule") for f in verdict.findings)
    assert "of a shadow rule" not in Parsed(page(msgspec.structs.replace(verdict, findings=hidden))).text


def test_equal_audits_give_equal_files(verdict: Verdict):
    assert page(verdict) == page(verdict)


# --- hostile text -----------------------------------------------------------------------------------------------------


def hostile(verdict: Verdict) -> str:
    """A page in which every text that can come from outside is hostile."""
    first = msgspec.structs.replace(
        verdict.findings[0], path=f"a/{HOSTILE}.py", message=HOSTILE, symbol=HOSTILE, remedy=HOSTILE
    )
    changed = msgspec.structs.replace(
        verdict,
        findings=(first, *verdict.findings[1:]),
        reason=HOSTILE,
        coverage=Coverage(4, 3, (Skipped(HOSTILE, HOSTILE),)),
        snapshot=msgspec.structs.replace(verdict.snapshot, repository=f"example.org/{HOSTILE}", notes=(HOSTILE,)),
        magics=tuple(
            msgspec.structs.replace(
                magic,
                reason=HOSTILE,
                outcomes=tuple(msgspec.structs.replace(outcome, reason=HOSTILE) for outcome in magic.outcomes),
            )
            for magic in verdict.magics
        ),
    )
    wish = Suppression(rules=("STR001",), reason=HOSTILE, until=DAY, origin="comment", place=HOSTILE)
    applied = Applied(
        verdict=changed,
        suppressed=(Suppressed(first, wish),),
        problems=(Problem(kind="expired", place=HOSTILE, reason=HOSTILE),),
        evaluated_on=DAY,
    )
    failed = {"invocations": [{"executionSuccessful": False, "exitCodeDescription": HOSTILE}]}
    content = log(
        run(HOSTILE, result(HOSTILE, text=HOSTILE), result(uri=f"/etc/{HOSTILE}".replace("\x00", "")), **failed)
    )
    return to_html(applied, beside([read_sarif(content, HOSTILE)], shown_findings(changed)), version="1.0")


def test_nothing_from_outside_becomes_markup(verdict: Verdict):
    tame, wild = Parsed(page(verdict)), Parsed(hostile(verdict))
    assert set(wild.tags) <= set(tame.tags) | {"h3", "small", "b"}
    assert wild.tags["script"] == tame.tags["script"] == 3
    assert wild.tags["img"] == 0
    assert not [name for name, _ in wild.attributes if name.startswith("on")]
    assert "<script>document.title='owned'</script>" in wild.text


def test_no_character_steers_the_page(verdict: Verdict):
    shown = hostile(verdict).partition("<script>")[0]
    assert "\u202e" not in shown
    assert "\x00" not in shown
    assert "<bdi>&lt;script&gt;" in shown


def test_only_our_scripts_run_and_nothing_is_loaded(verdict: Verdict):
    for text in (page(verdict), hostile(verdict)):
        parsed = Parsed(text)
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
        assert policy is not None
        digests = {
            f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
            for script in parsed.scripts
        }
        assert set(re.findall(r"'sha256-[^']+'", policy[1])) == digests
        assert "default-src 'none'" in policy[1]
        loading = [value for name, value in parsed.attributes if name in {"src", "srcset", "action", "data", "poster"}]
        assert loading == []
        links = [value for name, value in parsed.attributes if name == "href"]
        assert links
        assert all(link.startswith("#") for link in links)
        assert not re.search(r"@import|url\(", text.partition("</style>")[0])


def test_plotly_is_inside(verdict: Verdict):
    assert Parsed(page(verdict)).scripts[0] == plotly.offline.get_plotlyjs()


# --- figures ----------------------------------------------------------------------------------------------------------


def test_the_figure_of_magics_shows_their_scores_in_order(verdict: Verdict):
    titles = {magic.name: magic.title for magic in catalogue().magics}
    figure = report_figures.magic_scores(verdict.magics, titles)
    (bars,) = figure.data
    assert list(bars.y)[::-1] == ["Integrity", "TDD", "Flow", "Sages", "Git", "Servant", "Strict", "Predictive"]
    assert list(bars.text)[::-1][:2] == ["100", "not applicable"]
    assert figure.layout.xaxis.title.text == "score, points of 100"


def test_the_figure_of_findings_stacks_severities_and_says_how_many_rules_are_left_out(verdict: Verdict):
    first = verdict.findings[0]
    severities = (Severity.HIGH, Severity.LOW)
    findings = [
        msgspec.structs.replace(first, rule=f"STR{number:03}", severity=severities[number % 2])
        for number in range(25)
        for _ in range(number + 1)
    ]
    figure = report_figures.findings_by_rule(findings)
    assert [(bar.name, list(bar.y)[-1], sum(bar.x)) for bar in figure.data] == [
        ("high", "STR024", sum(range(7, 26, 2))),
        ("low", "STR024", sum(range(6, 26, 2))),
    ]
    assert figure.layout.title.text == "Findings by rule and severity (5 more rules in the table)"


def test_a_few_findings_are_counted_in_whole_numbers(verdict: Verdict):
    assert report_figures.findings_by_rule(verdict.findings).layout.xaxis.dtick == 1


# --- a browser --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
@pytest.mark.parametrize("width", [375, 1280])
def test_a_browser_draws_it_without_network_errors_or_sideways_scrolling(verdict: Verdict, tmp_path: Path, width: int):
    from playwright.sync_api import sync_playwright

    path = tmp_path / "report.html"
    path.write_text(hostile(verdict), encoding="utf-8", errors="replace")
    wrong: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        shown = browser.new_page(viewport={"width": width, "height": 900})
        shown.on("console", lambda message: wrong.append(message.text))
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        shown.on("request", lambda request: wrong.append(request.url) if request.url != path.as_uri() else None)
        shown.goto(path.as_uri())
        shown.wait_for_selector("#rules-figure .main-svg")
        assert shown.title().startswith("Elder: example.org/<script>")
        assert shown.evaluate("document.documentElement.scrollWidth") == width
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.className") == "skip"
        browser.close()
    assert wrong == []
