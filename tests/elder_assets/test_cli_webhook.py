"""`elder webhook`: deliveries listed with their reasons, shown whole, asked for again."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from elder_assets.cli import elder
from resources.settings import load_settings
from resources.store import open_store

pytestmark = pytest.mark.platform


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(elder, ["webhook", *arguments], standalone_mode=False)


@pytest.fixture
def deliveries() -> list[int]:
    with open_store(load_settings().store_url) as store:
        return [
            store.put_inbox(
                source="webhook",
                provider="github",
                delivery_id=str(number),
                action="push",
                document={"repository": "github.com/acme/shop"},
                state="skipped",
                decision="github.com/acme/shop is not registered",
            ).row
            for number in range(3)
        ]


def test_deliveries_are_listed_newest_first_with_the_reason(deliveries: list[int]):
    said = invoke("list", "--limit", "2").output.splitlines()
    assert [line.split()[0] for line in said[::2]] == [str(deliveries[2]), str(deliveries[1]), "more:"]
    assert "skipped" in said[0]
    assert said[1].strip() == "github.com/acme/shop is not registered"
    assert said[-1] == f"more: --before {deliveries[1]}"
    assert invoke("list", "--state", "waiting").output == "no deliveries\n"


def test_a_delivery_is_shown_whole_and_asked_for_again(deliveries: list[int]):
    again = int(invoke("replay", str(deliveries[0])).output.split()[-1])
    shown = json.loads(invoke("show", str(again)).output)
    assert (shown["replay_of"], shown["state"], shown["source"]) == (deliveries[0], "waiting", "replay")


def test_an_unknown_delivery_is_an_error():
    assert str(invoke("show", "99").exception) == "there is no delivery 99"
