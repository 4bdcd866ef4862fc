"""Channels, rules and the outbox in the results store, on SQLite and on PostgreSQL."""

from __future__ import annotations

import msgspec
import pytest
import sqlalchemy as sa
from alert_world import KEY, NOW, finding, rule, world
from test_store import store, url

from elder_assets.audit.alert_events import Event
from elder_assets.audit.alerts import AlertRule, Notice
from elder_assets.audit.errors import ConfigurationError, StoreError
from resources.store import Store, tables
from resources.store.alert_turns import notice_row

__all__ = ["store", "url"]


def queue(store: Store, *keys: str, channel: str = "chat", at: int = NOW, is_held: bool = False) -> None:
    event = Event(kind="gate_failed", project=KEY, team="pay", at=NOW, after="failed", found=1)
    with store._writing() as connection:
        for key in keys:
            notice = Notice(key=key, event=event, severity="warning")
            row = notice_row(notice, store.channel(channel).id, at, store._clock(), is_held=is_held)
            connection.execute(sa.insert(tables.notices).values(**row))


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"kind": "pager"}, "slack, discord, email, webhook"),
        ({"address": "https://hooks.example.org/T/secret env:KEY"}, "references only"),
        ({"address": "env:PLACE whsec_c2VjcmV0"}, "references only"),
        ({"address": ""}, "references only"),
        ({"kind": "discord", "address": "env:PLACE C0123456"}, "references only"),
        ({"language": "de"}, "en, ja"),
        ({"time_zone": "Mars/Base"}, "Asia/Tokyo"),
        ({"name": "a b"}, "64 letters"),
    ],
)
def test_a_channel_that_cannot_be_meant_is_refused_and_its_address_not_repeated(store: Store, fields, word):
    given = {"name": "chat", "kind": "webhook", "address": "env:PLACE env:KEY"} | fields
    with pytest.raises(ConfigurationError) as refused:
        store.put_channel(**given)
    assert word in str(refused.value)
    assert not any(secret in str(refused.value) for secret in ("hooks.example.org", "whsec_"))
    assert store.channels() == []


def test_a_channel_is_added_changed_and_taken_away(store: Store):
    store.add_team("pay")
    store.put_channel("room", "slack", "env:BOT C0123456", team="pay", language="ja", time_zone="Asia/Tokyo")
    (found,) = store.channels()
    assert (found.name, found.team, found.kind, found.address, found.language, found.time_zone) == (
        "room", "pay", "slack", "env:BOT C0123456", "ja", "Asia/Tokyo",
    )  # fmt: skip
    store.put_channel("room", "webhook", "env:PLACE file:/run/secrets/key")
    assert [(c.id, c.kind, c.team) for c in store.channels()] == [(found.id, "webhook", "")]
    store.remove_channel("room")
    assert store.channels() == []
    with pytest.raises(StoreError, match="there is no channel 'room'"):
        store.channel("room")


def test_a_channel_that_a_rule_names_stays(store: Store):
    world(store, rule(name="gates"))
    with pytest.raises(ConfigurationError, match="gates"):
        store.remove_channel("chat")


def test_a_rule_is_changed_by_a_new_version_and_muted(store: Store):
    world(store, rule(name="drops", kind="score_dropped", threshold=5))
    store.put_rule(rule(name="drops", kind="score_dropped", threshold=7), "amy")
    assert [found.threshold for found in store.rules()] == [7]
    assert store.mute_rule("drops", NOW, "amy").muted_until == NOW
    assert store.rule("drops").muted_until == NOW
    store.remove_rule("drops")
    assert store.rules() == []
    with pytest.raises(StoreError, match="there is no alert rule 'drops'"):
        store.remove_rule("drops")
    with store._reading() as connection:
        versions = connection.scalars(sa.select(tables.alert_rules.c.author).order_by(tables.alert_rules.c.id)).all()
    assert versions == ["test", "amy", "amy"]


def test_a_rule_uses_channels_of_its_team_or_of_all(store: Store):
    world(store)
    store.add_team("web")
    store.put_channel("web-room", "webhook", "env:PLACE env:KEY", team="web")
    foreign = AlertRule(name="r", kind="gate_failed", channels=("web-room",), team="pay")
    with pytest.raises(ConfigurationError, match="channels of all teams or of team 'pay'"):
        store.put_rule(foreign, "amy")
    with pytest.raises(StoreError, match="there is no channel 'nowhere'"):
        store.put_rule(AlertRule(name="r", kind="gate_failed", channels=("nowhere",)), "amy")
    with pytest.raises(StoreError, match="there is no team 'ops'"):
        store.put_rule(rule(team="ops"), "amy")
    assert store.rules() == []


def test_a_claimed_notice_is_nobody_elses_until_the_claim_lapses(store: Store):
    world(store)
    queue(store, "one")
    due = store.due_notices(NOW, 10)
    assert store.claim_notices(due, NOW, NOW + 60)
    assert not store.claim_notices(due, NOW, NOW + 60)
    assert store.due_notices(NOW + 59, 10) == []
    (again,) = store.due_notices(NOW + 60, 10)
    assert again.attempts == 1


def test_of_a_parcel_that_is_half_taken_nothing_is_claimed(store: Store):
    world(store)
    queue(store, "one", "two")
    one, two = store.due_notices(NOW, 10)
    assert store.claim_notices([two], NOW, NOW + 60)
    assert not store.claim_notices([one, two], NOW, NOW + 60)
    assert store.due_notices(NOW, 10) == [one]


def test_a_delay_holds_the_whole_channel_and_no_other(store: Store):
    world(store)
    store.put_channel("other", "webhook", "env:PLACE env:KEY")
    queue(store, "one", "two")
    queue(store, "three", channel="other")
    one, _, three = store.due_notices(NOW, 10)
    store.settle_delayed([one], NOW + 30, "busy")
    assert store.due_notices(NOW, 10) == [three]
    assert [due.notice.key for due in store.due_notices(NOW + 30, 10)] == ["one", "two", "three"]


def test_the_findings_open_after_an_earlier_audit_are_known(store: Store):
    from alert_world import audited, record

    world(store, rule("critical_finding"))
    record(store, audited("1", finding("a")))
    record(store, audited("2", finding("a"), finding("b")))
    record(store, audited("3"))
    settled, seen = store.settled_marks(), []
    with store.alert_turn() as turn:
        while news := turn.next_news(settled):
            summary = turn.summary(news)
            seen.append(([top.place for top in summary.criticals], summary.status.value, summary.magics[0].affected))
            turn.read(turn.marks.__class__(audits=news.id))
    assert seen == [(["a.py:3"], "failed", 1), (["a.py:3", "b.py:3"], "failed", 2), ([], "passed", 0)]


def test_two_rules_of_one_name_from_before_names_were_held_both_go_on_until_one_is_written(store: Store):
    world(store)
    first = rule(name="drops", kind="score_dropped", threshold=3)
    with store._writing() as connection:
        for threshold in (3, 4):
            document = msgspec.to_builtins(msgspec.structs.replace(first, threshold=threshold))
            row = {"name": "drops", "team_id": None, "document": document, "author": "old", "changed_at": store.now()}
            connection.execute(sa.insert(tables.alert_rules).values(**row))
    assert [one.threshold for one in store.rules()] == [3, 4]
    store.put_rule(msgspec.structs.replace(first, threshold=5), "amy")
    assert [one.threshold for one in store.rules()] == [5]


def test_the_database_refuses_a_second_rule_of_a_team_and_name(store: Store):
    world(store)
    store.put_rule(rule(name="drops"), "amy")
    with store._writing() as connection:
        held = dict(connection.execute(sa.select(tables.alert_rules)).mappings().one())
        with pytest.raises(sa.exc.IntegrityError):
            connection.execute(sa.insert(tables.alert_rules).values(**{**held, "id": 99}))
        connection.rollback()
