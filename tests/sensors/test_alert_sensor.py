"""The alert sensor: what a tick says, and one tick on an ephemeral instance."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from resources.alerting.dispatch import Delivered, Told
from resources.dagster_resources import ElderResource
from sensors.alerts import alert_sensor, said

pytestmark = [pytest.mark.platform]


@pytest.mark.parametrize(
    ("told", "delivered", "words"),
    [
        (Told(), Delivered(), "nothing happened, and nothing is due"),
        (Told(read=3), Delivered(), "3 events read"),
        (Told(read=2, notices=1), Delivered(sent=1), "2 events read, 1 notices queued, 1 messages sent"),
        (Told(read=9, is_behind=True), Delivered(), "9 events read, more events wait"),
        (Told(), Delivered(delayed=1, given_up=2), "1 delayed, 2 given up"),
    ],
)
def test_a_tick_says_what_it_did(told, delivered, words):
    assert said(told, delivered) == words


def test_the_sensor_looks_every_five_seconds_and_starts_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELDER_HOME", str(tmp_path))
    monkeypatch.delenv("ELDER_DATABASE_URL", raising=False)
    assert alert_sensor.minimum_interval_seconds == 5
    with dg.instance_for_test() as instance:
        context = dg.build_sensor_context(instance=instance, resources={"elder": ElderResource()})
        skipped = alert_sensor(context)
    assert skipped.skip_message == "nothing happened, and nothing is due"
    assert context.cursor == "alerts"
