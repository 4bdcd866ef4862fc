"""The circuit breaker of a git host: its states by table, its rows on both databases, and what it guards."""

from __future__ import annotations

import pytest
from test_store import NOON, store, url

from elder_assets.audit.errors import (
    CheckoutFailed,
    HostResting,
    ProviderError,
    ProviderUnavailable,
    RepositoryNotFound,
)
from resources.git.circuit import Circuit, admitted, failed, guarded, host_of, is_away, paused, resting, succeeded

__all__ = ["store", "url"]
HOST = "git.example.org"
NOW = int(NOON.timestamp())


def after(count: int, wait: float | None = None) -> Circuit:
    circuit = Circuit(host=HOST)
    for _ in range(count):
        circuit = failed(circuit, NOW, "away", wait)
    return circuit


@pytest.mark.parametrize(
    ("circuit", "state", "rest"),
    [
        (after(1), "closed", None),
        (after(4), "closed", None),
        (after(5), "open", 30),
        (after(6), "open", 60),
        (after(7), "open", 120),
        (after(30), "open", 3600),
        (after(1, wait=90), "open", 91),
        (after(5, wait=2), "open", 30),
    ],
    ids=["one", "four", "five", "six", "seven", "many", "asked-to-wait", "asked-for-less"],
)
def test_failures_in_a_row_open_it_for_longer_and_longer(circuit, state, rest):
    assert (circuit.state, circuit.retry_at) == (state, None if rest is None else NOW + rest)


def test_an_open_one_lets_one_probe_through_when_its_rest_is_over():
    circuit = after(5)
    assert "left alone" in resting(circuit, NOW + 29)
    assert admitted(circuit, NOW + 29) is None
    probing = admitted(circuit, NOW + 30)
    assert (probing.state, probing.retry_at) == ("half open", NOW + 150)
    assert admitted(probing, NOW + 31) is None
    assert admitted(probing, NOW + 150) is not None
    assert succeeded(probing) == Circuit(host=HOST)
    assert failed(probing, NOW + 31, "away").retry_at == NOW + 31 + 60


def test_a_pause_ends_when_it_was_said_and_not_by_success():
    circuit = paused(Circuit(host=HOST), "maintenance", NOW + 600)
    assert succeeded(circuit) == failed(circuit, NOW, "x") == circuit
    assert resting(circuit, NOW + 599) == f"{HOST} is left alone until {NOW + 600} (paused: maintenance)"
    assert admitted(circuit, NOW + 600) == Circuit(host=HOST)
    assert admitted(paused(circuit, "for good"), NOW + 10**9) is None


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://Git.example.org:8443/o/r.git", HOST),
        ("ssh://git@git.example.org/o/r", HOST),
        ("git@git.example.org:o/r.git", HOST),
        ("/srv/git/r.git", ""),
        ("r", ""),
    ],
)
def test_the_host_is_read_off_an_address(address, host):
    assert host_of(address) == host


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CheckoutFailed("early EOF"), True),
        (ProviderUnavailable("503"), True),
        (RepositoryNotFound("fatal: Could not resolve host: git.example.org"), True),
        (RepositoryNotFound("The requested URL returned error: 503"), True),
        (RepositoryNotFound("Failed to connect to git.example.org port 443: Connection refused"), True),
        (RepositoryNotFound("The requested URL returned error: 404"), False),
        (RepositoryNotFound("Authentication failed"), False),
        (ProviderError("404"), False),
        (ValueError("timed out"), False),
    ],
)
def test_a_host_that_is_away_is_told_from_one_that_says_no(error, told):
    assert is_away(error) is told


def call(store, error: Exception | None = None, now: int = NOW) -> None:
    with guarded(store, HOST, lambda: now):
        if error:
            raise error


def test_the_store_keeps_it_and_a_resting_host_is_not_called(store):
    for _ in range(5):
        with pytest.raises(RepositoryNotFound):
            call(store, RepositoryNotFound("Connection refused"))
    with pytest.raises(HostResting) as rests:
        call(store)
    assert rests.value.retry_after_seconds == 30
    assert "Connection refused" in str(rests.value)
    assert list(store.resting_hosts(NOW)) == [HOST]
    call(store, now=NOW + 30)
    assert store.circuit(HOST) == Circuit(host=HOST)
    assert store.resting_hosts(NOW) == {}


def test_a_host_that_says_no_is_there(store):
    for _ in range(4):
        with pytest.raises(ProviderUnavailable):
            call(store, ProviderUnavailable("503"))
    with pytest.raises(RepositoryNotFound):
        call(store, RepositoryNotFound("Authentication failed"))
    assert store.circuit(HOST).failures == 0


def test_only_one_of_two_probes(store):
    for _ in range(5):
        with pytest.raises(ProviderUnavailable):
            call(store, ProviderUnavailable("503"))
    with guarded(store, HOST, lambda: NOW + 30), pytest.raises(HostResting):
        call(store, now=NOW + 30)
    assert store.circuit(HOST).state == "closed"


def test_a_healthy_host_costs_no_row(store):
    call(store)
    assert store.circuits() == []


def test_a_person_pauses_and_resumes_and_the_log_says_so(store):
    store.pause_host(HOST, "maintenance", None, by="amy")
    with pytest.raises(HostResting):
        call(store)
    store.resume_host(HOST, by="amy")
    call(store)
    assert [(entry.actor, entry.action) for entry in store.log_entries()] == [
        ("amy", "git_host.resume"),
        ("amy", "git_host.pause"),
    ]


def test_without_a_keeper_nothing_is_guarded():
    with guarded(None, HOST, lambda: NOW):
        pass


def test_an_audit_of_a_resting_host_is_postponed_once_a_rest(store):
    store.add_repository("git.example.org/o/r", "https://git.example.org/o/r")
    store.pause_host(HOST, "maintenance", NOW + 60, by="amy")
    rows = {store.postpone_audit("git.example.org/o/r", HOST, "it rests") for _ in range(3)}
    assert len(rows) == 1
    row = store.inbox_row(rows.pop())
    assert (row.action, row.state, row.repository, row.document["host"]) == (
        "postponed", "waiting", "git.example.org/o/r", HOST,
    )  # fmt: skip
    assert store.failing() == {}
