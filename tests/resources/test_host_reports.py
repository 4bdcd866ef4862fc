"""Telling a git host: again while it is away, not when it refuses, and never a reason for a run to fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from resources.deliveries import host_reports
from resources.deliveries.host_reports import Report, tell
from resources.secrets import Secrets
from resources.settings import Settings
from resources.store.inbox import AuditTarget

HEAD = "a" * 40
REPORT = Report(commit=HEAD, state="failure", summary="1 new gate finding", change_number=7, comment="## Elder: failed")
TARGET = AuditTarget(
    id=1, key="github.com/acme/shop", url="https://github.com/acme/shop", is_removed=False, team="", credential="env:T"
)
SETTINGS = Settings(home=Path("/nowhere"), secrets=Secrets({"T": "tok-5e1f"}))
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], list[httpx.Request]]:
    def install(answer: Answer) -> list[httpx.Request]:
        made: list[httpx.Request] = []

        def transport(request: httpx.Request) -> httpx.Response:
            made.append(request)
            return answer(request)

        opened = host_reports.open_host
        mocked = httpx.MockTransport(transport)
        monkeypatch.setattr(host_reports, "open_host", lambda *a, **k: opened(*a, **k, transport=mocked))
        return made

    return install


def accepted(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json=[]) if request.method == "GET" else httpx.Response(201, json={"id": 1})


def test_a_status_and_a_comment_are_told(asked):
    made = asked(accepted)
    told = tell(SETTINGS, TARGET, REPORT)
    assert (told.is_delivered, told.said) == (True, f"github: status failure and a comment on {HEAD[:12]}")
    posts = {request.url.path: json.loads(request.content) for request in made if request.method == "POST"}
    assert posts[f"/repos/acme/shop/statuses/{HEAD}"]["state"] == "failure"
    assert posts["/repos/acme/shop/issues/7/comments"]["body"].endswith("## Elder: failed")


def test_a_host_that_is_away_is_asked_again_with_a_growing_wait(asked):
    answers = iter([503, 503, 201])
    made = asked(lambda _: httpx.Response(next(answers), json={}))
    waits: list[float] = []
    told = tell(SETTINGS, TARGET, msgspec.structs.replace(REPORT, comment=""), waits.append)
    assert (told.is_delivered, len(made), waits) == (True, 3, [1.0, 4.0])


def test_a_host_that_names_a_wait_gets_it_in_bounds(asked):
    answers = iter([{"Retry-After": "7"}, {"Retry-After": "3000"}, None])

    def answer(_request: httpx.Request) -> httpx.Response:
        headers = next(answers)
        return httpx.Response(201, json={}) if headers is None else httpx.Response(429, headers=headers, json={})

    asked(answer)
    waits: list[float] = []
    tell(SETTINGS, TARGET, msgspec.structs.replace(REPORT, comment=""), waits.append)
    assert waits == [7.0, 30.0]


def test_a_host_that_stays_away_is_given_up_with_the_reason(asked):
    made = asked(lambda _: httpx.Response(503, json={"message": "down for maintenance"}))
    told = tell(SETTINGS, TARGET, REPORT, lambda _: None)
    assert (told.is_delivered, len(made)) == (False, 4)
    assert told.said.startswith("verdict not delivered: ")
    assert "down for maintenance" in told.said
    assert told.said.endswith("4 times")


def test_a_refusal_is_not_repeated_and_shows_no_token(asked):
    made = asked(lambda _: httpx.Response(403, json={"message": "token tok-5e1f may not"}))
    told = tell(SETTINGS, TARGET, REPORT, lambda _: None)
    assert (told.is_delivered, len(made)) == (False, 1)
    assert "tok-5e1f" not in told.said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"credential": ""}, ""),
        ({"url": "/srv/git/shop"}, ""),
        ({"credential": "env:MISSING"}, "verdict not delivered: reference of a secret"),
        ({"url": "https://git.example.org/acme/shop"}, "verdict not delivered: provider: got 'git.example.org'"),
        ({"settings": {"api_url": "http://10.0.0.1/api"}}, "verdict not delivered: api: got"),
    ],
    ids=["no credential", "a path", "credential missing", "unknown host", "inner network"],
)  # fmt: skip
def test_what_cannot_be_told_says_why(changes: dict, said: str):
    told = tell(SETTINGS, msgspec.structs.replace(TARGET, **changes), REPORT)
    assert not told.is_delivered
    assert told.said.startswith(said)
    assert bool(told.said) == bool(said)
