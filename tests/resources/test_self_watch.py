"""Elder watches itself: each signal by table, and what follows from one."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
from alert_world import NOW, rule, settings, world
from test_store import store, url

from resources.alerting import self_watch
from resources.alerting.self_watch import (
    Sample,
    SignInFailures,
    alert_lag,
    error_spike,
    failed_sign_ins,
    filling_disk,
    git_host,
    growing_memory,
    inbox_lag,
    report_api,
    report_sign_ins,
    slow_api,
    watch,
)

__all__ = ["store", "url"]


def figures(event):
    return None if event is None else (event.after, event.found)


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], None),
        ([(NOW - 301, 900.0)], None),
        ([(NOW - 10, 200.0)], (200.0, 0)),
        ([(NOW - 200, 250.5), (NOW - 10, 40.0)], (250.5, 1)),
    ],
)
def test_the_api_is_slow_above_200_ms(samples, said):
    assert figures(slow_api([Sample(*pair) for pair in samples], NOW)) == said


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ([True] * 9, None),
        ([True] * 5 + [False] * 5, (0.5, 0)),
        ([True] * 6 + [False] * 4, (0.6, 1)),
        ([True] * 50 + [False] * 20, (0.0, 0)),
    ],
)
def test_errors_spike_when_more_than_half_of_the_last_20_failed(outcomes, said):
    assert figures(error_spike(outcomes, NOW)) == said


def grown(count: int, every: int, mb: float) -> list[Sample]:
    return [Sample(NOW - (count - 1 - n) * every, 500.0 + n * mb) for n in range(count)]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (grown(9, 300, 50), None),
        (grown(10, 60, 50), None),
        (grown(31, 60, 1), (60.0, 0)),
        (grown(31, 60, 2), (120.0, 1)),
        (grown(31, 60, -5), (-300.0, 0)),
    ],
    ids=["few", "short", "slow", "fast", "shrinks"],
)
def test_memory_grows_when_the_slope_says_so(samples, said):
    assert figures(growing_memory("serve", samples, NOW)) == said


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (filling_disk(90, 100, NOW), (0.9, 0)),
        (filling_disk(901, 1000, NOW), (0.901, 1)),
        (inbox_lag(None, NOW), (0.0, 0)),
        (inbox_lag(NOW - 300, NOW), (300.0, 0)),
        (inbox_lag(NOW - 301, NOW), (301.0, 1)),
        (alert_lag(NOW - 121, NOW), (121.0, 1)),
        (git_host("h", "", NOW), ("called", 0)),
        (git_host("h", "away", NOW), ("resting", 1)),
    ],
)
def test_each_signal_has_its_threshold(event, said):
    assert figures(event) == said


def full(monkeypatch, share: float) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(used=int(share * 1000), total=1000))


def test_a_full_disk_is_told_once_asks_for_a_remedy_and_ends(store, tmp_path, monkeypatch):
    world(store, rule("elder_unwell"))
    home = settings(tmp_path)
    full(monkeypatch, 0.95)
    for minute in range(5):
        unwell = watch(store, home, NOW + 60 * minute)
        assert unwell[0].what == "filling_disk"
    full(monkeypatch, 0.5)
    watch(store, home, NOW + 300)
    told = [row["document"]["notice"] for row in reversed(store.notices())]
    told = [one for one in told if one["event"]["what"] == "filling_disk"]  # nobody delivers here, so alerts lag too
    assert [(one["event"]["what"], one["is_recovery"]) for one in told] == [
        ("filling_disk", False),
        ("filling_disk", True),
    ]
    decided = [row for row in reversed(store.alert_history()) if "filling_disk" in row["key"]]
    assert [row["action"] for row in decided] == ["send", "drop: duplicate", "send"]
    assert [row.document["wish"] for row in store.waiting_inbox(10, ("remediation",))] == ["prune_caches"]


def test_it_looks_once_a_minute(store, tmp_path, monkeypatch):
    full(monkeypatch, 0.95)
    home = settings(tmp_path)
    assert watch(store, home, NOW)
    assert watch(store, home, NOW + 59) == []
    assert watch(store, home, NOW + 60)


def test_what_the_api_reports_is_looked_at(store, tmp_path, monkeypatch):
    full(monkeypatch, 0.1)
    report_api(store, 350.0, NOW - 10)
    assert [event.what for event in watch(store, settings(tmp_path), NOW)] == ["slow_api"]
    assert self_watch.resident_mb() > 1


@pytest.mark.parametrize(
    ("total", "by_address", "found"),
    [
        (0, {}, (0, 0)),
        (100, {"203.0.113.7": 30}, (0, 0)),
        (100, {"203.0.113.7": 31}, (1, 0)),
        (101, {"203.0.113.7": 30}, (0, 1)),
    ],
    ids=["nothing", "at-both", "one-above", "all-above"],
)
def test_refused_credentials_are_too_many_above_30_of_one_and_100_of_all(total, by_address, found):
    one, every = failed_sign_ins(total, by_address, NOW)
    assert (one.what, every.what) == ("failed_sign_ins_of_one", "failed_sign_ins")
    assert (one.found, every.found) == found
    assert one.reason == ("203.0.113.7 (31)" if found[0] else "")


def test_guessing_is_told_once_with_the_worst_addresses_and_ends(store, tmp_path, monkeypatch):
    world(store, rule("elder_unwell"))
    full(monkeypatch, 0.1)
    home = settings(tmp_path)
    worst = (("203.0.113.7", 60), ("198.51.100.2", 20), ("198.51.100.3", 15), ("198.51.100.4", 9))
    for minute in range(3):
        report_sign_ins(store, SignInFailures(at=NOW + 60 * minute, total=104, worst=worst), "serve one")
        report_sign_ins(store, SignInFailures(at=NOW + 60 * minute, total=7), "serve two")
        watch(store, home, NOW + 60 * minute)
    watch(store, home, NOW + 60 * 2 + 301)
    told = [row["document"]["notice"] for row in reversed(store.notices())]
    told = [one for one in told if "sign_ins" in one["event"]["what"]]
    assert [(one["event"]["what"], one["event"]["after"], one["is_recovery"]) for one in told] == [
        ("failed_sign_ins_of_one", 60, False),
        ("failed_sign_ins", 111, False),
        ("failed_sign_ins_of_one", 0, True),
        ("failed_sign_ins", 0, True),
    ]
    assert told[0]["event"]["reason"] == "203.0.113.7 (60), 198.51.100.2 (20), 198.51.100.3 (15)"
