"""Sensor: what happened since the last look is decided about, and what is due is sent (resources/alerting/dispatch.py).

How far events were read stands in the results store, in the transaction of the decision; the cursor only shows it.
"""

import time

import dagster as dg

from resources.alerting.dispatch import Delivered, Told, deliver, tell
from resources.alerting.self_watch import watch
from resources.dagster_resources import ElderResource
from resources.settings import Settings
from resources.store import Store
from resources.store.alert_turns import MARK
from resources.teams.initiative_alerts import tell_initiatives

DAEMON = "daemon"
"""Whose heartbeat a tick is: where no daemon runs, no sensor ticks."""


def tick(store: Store, settings: Settings, now: int) -> str:
    """Decide and deliver once; what was done, in words."""
    told = tell(store, settings, now)
    tell_initiatives(store, now)
    unwell = watch(store, settings, now)
    done = said(told, deliver(store, settings, now))
    return f"{done}; Elder is not well: {', '.join(event.what for event in unwell)}" if unwell else done


def said(told: Told, delivered: Delivered) -> str:
    """What a tick did, as one line."""
    parts = [
        f"{told.read} events read" if told.read else "",
        f"{told.notices} notices queued" if told.notices else "",
        "more events wait" if told.is_behind else "",
        f"{delivered.sent} messages sent" if delivered.sent else "",
        f"{delivered.delayed} delayed" if delivered.delayed else "",
        f"{delivered.given_up} given up" if delivered.given_up else "",
    ]
    return ", ".join(part for part in parts if part) or "nothing happened, and nothing is due"


@dg.sensor(
    name="alert_sensor",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells people what the alert rules ask for: reads audits, failures and gates in order, sends notices.",
)
def alert_sensor(context: dg.SensorEvaluationContext, elder: ElderResource) -> dg.SkipReason:
    """Decide and deliver; it starts no run."""
    with elder.store() as store:
        store.beat(DAEMON)
        done = tick(store, elder.settings(), int(time.time()))
    context.update_cursor(MARK)
    return dg.SkipReason(done)
