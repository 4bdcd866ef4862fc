"""Findings over time, teams, requests and gates in the results store, on SQLite and on PostgreSQL."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from test_store import KEY, NOON, RULER, store, url, verdict

from elder_assets.audit.errors import ConfigurationError, StoreError
from elder_assets.audit.finding_states import ACTIVE, Introduced
from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Tier, Verdict
from elder_assets.audit.scoring import score_magic
from elder_assets.audit.suppression import Suppression, apply, suppression
from resources.store import Store
from resources.store.findings import Observed
from resources.store.repository_pages import FindingFilter

__all__ = ["store", "url"]
PATHS = frozenset({"a.py", "b.py", "c.py"})
DAY = NOON.date()


def finding(name: str, path: str = "", **changes) -> Finding:
    made = Finding(
        rule="STR001", severity=Severity.HIGH, tier=Tier.GATE, path=path or f"{name}.py", line=3, symbol="",
        message="torn", remedy="mend", fingerprint="v1:" + name * 64, kin="v1:" + name * 64, unit=name,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def audited(commit: str, *findings: Finding, units: int = 100) -> Verdict:
    """A verdict whose one rule has these findings."""
    plain = verdict(commit, body="x = 1\n")
    outcome = RuleOutcome(
        rule="STR001", status=Status.FINDING if findings else Status.PASS, units=units, affected=len(findings)
    )
    strict = score_magic("strict", [outcome], findings, RULER)
    return msgspec.structs.replace(plain, magics=(strict,), findings=findings, status=strict.status, score=strict.score)


def record(store: Store, made: Verdict, *held: Suppression, **changes) -> None:
    applied = apply(made, held, RULER, DAY)
    observed = msgspec.structs.replace(Observed(applied=applied, paths=PATHS), **changes)
    store.record(made, RULER.document(), observed=observed)


def standings(store: Store) -> dict[str, str]:
    rows = store.finding_rows(KEY, standings=(*ACTIVE, "fixed", "removed"))
    return {row["fingerprint"][3]: row["standing"] for row in rows}


def events(store: Store, name: str) -> list[str]:
    rows = store.finding_rows(KEY, standings=(*ACTIVE, "fixed", "removed"))
    (number,) = [row["id"] for row in rows if row["fingerprint"][3] == name]
    return [row["event"] for row in store.finding_history(number)]


def held(rule: str = "STR001", path: str = "a.py") -> Suppression:
    return suppression([rule], "a template of ours", DAY, RULER.rules, origin="comment", place="a.py:1", path=path)


def test_a_finding_lives_on_from_audit_to_audit(store: Store):
    store.add_repository(KEY, "x")
    record(store, audited("1", finding("a"), finding("b")))
    record(store, audited("2", finding("a", path="c.py"), finding("c")))
    assert standings(store) == {"a": "open", "b": "fixed", "c": "open"}
    record(store, audited("3", finding("b")))
    assert standings(store) == {"a": "fixed", "b": "open", "c": "fixed"}
    assert events(store, "a") == ["unveiled", "moved", "fixed"]
    assert events(store, "b") == ["unveiled", "fixed", "reopened"]
    assert events(store, "c") == ["new", "fixed"]


def test_a_finding_that_stands_was_last_seen_by_the_last_audit(store: Store):
    number = store.add_repository(KEY, "x").id
    record(store, audited("1", finding("a"), finding("b")))
    record(store, audited("2", finding("a", line=7)))
    expected = {"a": ("open", 7, "1" * 40, "2" * 40), "b": ("fixed", 3, "1" * 40, "2" * 40)}
    record(store, audited("3", finding("a", line=9)))
    expected["a"] = ("open", 9, "1" * 40, "3" * 40)
    rows = store.finding_rows(KEY, standings=(*ACTIVE, "fixed"))
    names = ("standing", "line", "first_commit", "last_commit")
    assert {row["fingerprint"][3]: tuple(row[name] for name in names) for row in rows} == expected
    for row in rows:  # every reader says the same
        assert (
            store.finding(row["id"])["last_commit"] == store.finding_now(row["id"])["last_commit"] == row["last_commit"]
        )
        assert store.finding_now(row["id"])["last_seen"] == row["last_seen"]
    (page,), _ = store.findings_page(number, FindingFilter(standing="open"))
    assert (page["last_commit"], page["line"]) == ("3" * 40, 9)
    (listed,) = store.listed_findings(number)
    assert listed["last_commit"] == "3" * 40


def test_each_audit_is_counted_and_nothing_is_lost(store: Store):
    store.add_repository(KEY, "x")
    record(store, audited("1", finding("a"), finding("b")))
    record(store, audited("2", finding("a")), held())
    record(store, audited("3", finding("a"), finding("b")), paths=frozenset({"a.py"}))
    names = ("previous", "new", "unveiled", "reopened", "open", "suppressed", "fixed", "removed")
    assert [tuple(row[name] for name in names) for row in store.counts(KEY)] == [
        (0, 0, 2, 0, 2, 0, 0, 0),
        (2, 0, 0, 0, 0, 1, 1, 0),
        (1, 0, 0, 1, 2, 0, 0, 0),
    ]


def test_the_same_audit_again_moves_nothing(store: Store):
    store.add_repository(KEY, "x")
    for _ in range(2):
        record(store, audited("1", finding("a")))
    assert events(store, "a") == ["unveiled"]
    assert [row["previous"] for row in store.counts(KEY)] == [0, 1]


def test_a_change_request_moves_nothing(store: Store):
    store.add_repository(KEY, "x")
    record(store, audited("1", finding("a")))
    made = audited("2")
    observed = Observed(applied=apply(made, [], RULER, DAY), paths=PATHS)
    store.record(made, RULER.document(), kind="change_request", observed=observed)
    assert standings(store) == {"a": "open"}
    assert store.latest(KEY).commit == "1" * 40


def test_the_latest_rows_are_what_is_shown(store: Store):
    store.add_repository(KEY, "x")
    made = audited("1", finding("a"), finding("b", severity=Severity.CRITICAL), finding("c", severity=Severity.INFO))
    record(store, made, held(path="b.py"))
    latest = store.latest(KEY)
    assert (latest.commit, latest.ruler, latest.audited_at) == ("1" * 40, made.ruler, NOON)
    (magic,) = store.latest_magics(KEY)
    assert (magic["findings"], magic["suggestions"]) == (1, 1)  # neither the suppressed one nor the notice
    (row,) = store.latest_rows()
    assert (row["open"], row["suppressed"], row["critical"], row["high"]) == (1, 1, 0, 1)
    assert (row["status"], row["score"]) == ("warning", 79.0)  # an open gate HIGH caps at 79
    assert {(r["rule"], r["severity"]): (r["open"], r["suppressed"]) for r in store.rule_counts()} == {
        ("STR001", "high"): (1, 0),
        ("STR001", "critical"): (0, 1),
    }


def test_a_suppression_keeps_its_reason_and_ends_by_itself(store: Store):
    store.add_repository(KEY, "x")
    record(store, audited("1", finding("a")), held())
    (row,) = store.finding_rows(KEY)
    assert row["suppression"] == {
        "reason": "a template of ours", "until": DAY.isoformat(), "origin": "comment", "place": "a.py:1"
    }  # fmt: skip
    record(store, audited("1", finding("a")))
    assert events(store, "a") == ["unveiled", "suppressed", "suppression ended"]
    assert store.finding_rows(KEY)[0]["suppression"] is None


def test_arrivals_wait_for_the_commit_that_brought_them(store: Store):
    store.add_repository(KEY, "x")
    record(store, audited("1", finding("a")))
    record(store, audited("2", finding("a"), finding("b")))
    ((number, path, line),) = store.arrivals(KEY, 10)
    assert (path, line) == ("b.py", 3)
    store.record_introduced({number: Introduced(commit="2" * 40, change="2" * 40, at=1_700_000_000)})
    assert store.arrivals(KEY, 10) == []
    assert store.finding_rows(KEY)[1]["introduced_commit"] == "2" * 40


def test_what_cannot_be_audited_is_known_until_it_can(store: Store):
    number = store.add_repository(KEY, "x").id
    store.record_failure(KEY, "no such host")
    store.record_failure(KEY, "timed out", "run")
    assert store.failing()[number] == {"since": NOON, "attempts": 2, "reason": "timed out", "run_id": "run"}
    with_later_clock(store, NOON + dt.timedelta(hours=1))
    record(store, audited("1"))
    assert store.failing() == {}


def with_later_clock(store: Store, now: dt.datetime) -> None:
    store._clock = lambda: now


# --- teams -----------------------------------------------------------------------------------------------


def test_a_repository_belongs_to_one_team_at_a_time(store: Store):
    store.add_repository(KEY, "x")
    for key in ("payments", "search"):
        store.add_team(key)
    store.assign(KEY, "payments")
    store.assign(KEY, "search", "elder.yaml")
    assert [team.key for team in store.teams()] == ["payments", "search"]
    assert (store.repositories_of("payments"), store.team_of(KEY).key) == ([], "search")
    assert store.assigned_by(KEY) == "elder.yaml"
    store.assign(KEY, None)
    assert store.team_of(KEY) is None


def test_an_unknown_team_is_refused_with_those_that_exist(store: Store):
    store.add_team("payments")
    with pytest.raises(StoreError, match="no team 'payment'; known: payments"):
        store.repositories_of("payment")
    with pytest.raises(ConfigurationError, match="letter or digit at both ends"):
        store.add_team("-")


def test_every_version_of_a_policy_is_kept(store: Store):
    store.add_repository(KEY, "x")
    store.add_team("payments")
    assert store.policy_for(KEY) == ""
    store.set_policy("payments", "version: 1\n", "ann", "first")
    store.set_policy("payments", "version: 1\nprofile: startup\n", "bob")
    store.assign(KEY, "payments")
    assert "startup" in store.policy_for(KEY)
    assert [(p.author, p.comment) for p in store.policies("payments")] == [("bob", ""), ("ann", "first")]


# --- requests --------------------------------------------------------------------------------------------


def test_a_wish_holds_nothing_back_before_somebody_else_approves_it(store: Store):
    store.add_repository(KEY, "x")
    wish = store.request_suppression(KEY, held(), "ann")
    assert (wish.state, store.approved(KEY, list(RULER.rules))) == ("pending", [])
    with pytest.raises(ConfigurationError, match="somebody else"):
        store.decide(wish.id, is_approved=True, decided_by="ann")
    done = store.decide(wish.id, is_approved=True, decided_by="bob")
    assert (done.state, done.decided_by) == ("approved", "bob")
    (granted,) = store.approved(KEY, list(RULER.rules))
    assert (granted.place, granted.reason) == (f"request {wish.id}, approved by bob", "a template of ours")
    with pytest.raises(StoreError, match="was approved before"):
        store.decide(wish.id, is_approved=False, decided_by="bob")
