"""Alerts in the results store: channels, rules, decisions, and the outbox of notices.

What is decided about an event is written by `AlertTurn` (alert_turns.py), with its notices and the mark how far the
events were read, in one transaction. A notice is sent by whoever claims it first; a claim that ends without an answer
lapses, so a message may come twice with the same key but is never lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from elder_assets.audit.alerts import AlertRule, Notice
from elder_assets.audit.dates import utc
from elder_assets.audit.errors import ConfigurationError, Conflict, StoreError
from resources.messages.catalogue import LANGUAGES, Language
from resources.notifiers.notifier import KINDS, ChannelKind
from resources.store import tables
from resources.store.alert_turns import MARK, WAITING, AlertTurn, Marks, newest_marks, notice_row
from resources.store.database import storable
from resources.store.teams import Teams

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
_REFERENCE = re.compile(r"env:[A-Za-z_]\w*|file:/\S+")
_SLACK_ROOM = re.compile(r"[CGD][A-Z0-9]{5,30}")
SENT, GIVEN_UP = "sent", "given up"


class AlertChannel(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages may go."""

    id: int
    name: str
    team: str
    """'' for all teams."""
    kind: ChannelKind
    address: str
    """References only."""
    language: Language
    time_zone: str
    is_removed: bool = False


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A notice in the outbox that is due."""

    id: int
    channel: AlertChannel
    notice: Notice
    attempts: int
    created_at: datetime
    leaves_at: int
    """Seconds since the epoch."""
    is_held: bool
    """For a digest or for quiet hours: what leaves together is one message."""


class Alerts(Teams):
    """A part of the store."""

    # --- channels ---------------------------------------------------------------------------------------------

    def put_channel(  # noqa: PLR0917 - what a channel is
        self,
        name: str,
        kind: str,
        address: str,
        team: str = "",
        language: str = "en",
        time_zone: str = "UTC",
        by: str = "",
    ) -> AlertChannel:
        """Add a channel, or give the one of this name other values; names are there once, for all teams together.

        Raises:
            ConfigurationError: a value is not allowed; an address that is no reference is never repeated.
            StoreError: there is no such team.
        """
        _check_channel(name, kind, address, language, time_zone)
        table = tables.channels
        row = {
            "kind": kind,
            "address": address.strip(),
            "settings": {"language": language, "time_zone": time_zone},
            "changed_at": self._clock(),
            "removed_at": None,
        }
        with self._writing() as connection:
            row["team_id"] = self._team(connection, team).id if team else None
            if self._insert_new(connection, table, {"name": name, **row}) is None:
                connection.execute(sa.update(table).where(table.c.name == name).values(**row))
            self._log(connection, by, "alert_channel.put", name, {"kind": kind, "team": team})
            return self._channel(connection, name)

    def remove_channel(self, name: str, by: str = "") -> None:
        """Take a channel away; what still waits for it is given up at its turn.

        Raises:
            StoreError: there is no such channel.
            ConfigurationError: a rule still names it.
        """
        table = tables.channels
        with self._writing() as connection:
            found = self._channel(connection, name)
            using = sorted(rule.name for rule in _rules(connection) if name in rule.channels)
            if using:
                raise ConfigurationError("channel", name, f"one that no rule names; rules: {', '.join(using)}")
            connection.execute(sa.update(table).where(table.c.id == found.id).values(removed_at=self._clock()))
            self._log(connection, by, "alert_channel.remove", name)

    def channel(self, name: str) -> AlertChannel:
        """The channel with this name.

        Raises:
            StoreError: there is none.
        """
        with self._reading() as connection:
            return self._channel(connection, name)

    def channels(self) -> list[AlertChannel]:
        """Every channel that was not removed, in order of name."""
        with self._reading() as connection:
            return [channel for channel in read_channels(connection) if not channel.is_removed]

    def _channel(self, connection: Connection, name: str) -> AlertChannel:
        known = {channel.name: channel for channel in read_channels(connection) if not channel.is_removed}
        if name not in known:
            msg = f"there is no channel {name!r}; known: {', '.join(sorted(known)[:20]) or 'none yet'}"
            raise StoreError(msg)
        return known[name]

    # --- rules ------------------------------------------------------------------------------------------------

    def put_rule(self, rule: AlertRule, author: str) -> AlertRule:
        """Add a rule, or a new version of the team's rule of this name; earlier versions stay known.

        A name stands for one rule wherever it speaks: a team's rules and those for all teams share their names.

        Raises:
            StoreError: a channel or the team does not exist.
            ConfigurationError: a channel is of another team.
            Conflict: a rule for all teams has the name, or one of a team where this is for all.
        """
        table = tables.alert_rules
        row = {"name": rule.name, "document": msgspec.to_builtins(rule), "author": storable(author)}
        with self._writing() as connection:
            self._lock_marks(connection)
            team_id = self._team(connection, rule.team).id if rule.team else None
            for name in rule.channels:
                channel = self._channel(connection, name)
                if channel.team not in {"", rule.team}:
                    raise ConfigurationError("channels", name, f"channels of all teams or of team {rule.team!r}")
            _check_name(rule, _rules(connection))
            self._end_rule(connection, rule.name, team_id)
            held = {"team_id": team_id, "held_name": f"{team_id or 0}/{rule.name}", "changed_at": self._clock()}
            connection.execute(sa.insert(table).values(**row, **held))
            self._log(connection, author, "alert_rule.put", rule.name, row["document"])
        return rule

    def remove_rule(self, name: str, by: str = "", team: str | None = None) -> None:
        """Take a rule away.

        Raises:
            StoreError: there is none.
            ConfigurationError: several teams have one of this name, and none was named.
        """
        with self._writing() as connection:
            found = _one_rule(_rules(connection), name, team)
            self._end_rule(connection, name, self._team(connection, found.team).id if found.team else None)
            self._log(connection, by, "alert_rule.remove", name, {"team": found.team})

    def mute_rule(self, name: str, until: int | None, author: str, team: str | None = None) -> AlertRule:
        """Say nothing under a rule until a time (seconds since the epoch), or again from now on.

        Raises:
            StoreError: there is no such rule.
            ConfigurationError: several teams have one of this name, and none was named.
        """
        return self.put_rule(msgspec.structs.replace(self.rule(name, team), muted_until=until), author)

    def rule(self, name: str, team: str | None = None) -> AlertRule:
        """The rule with this name; `team` is '' for those for all teams, None where only one can be meant.

        Raises:
            StoreError: there is none.
            ConfigurationError: several teams have one of this name, and none was named.
        """
        with self._reading() as connection:
            return _one_rule(_rules(connection), name, team)

    def rules(self) -> list[AlertRule]:
        """Every rule that holds, in order of name."""
        with self._reading() as connection:
            return _rules(connection)

    def _end_rule(self, connection: Connection, name: str, team_id: int | None) -> None:
        """End every version of a team's rule that holds: before revision 0005 there could be two of one name."""
        table = tables.alert_rules
        of_team = table.c.team_id.is_(None) if team_id is None else table.c.team_id == team_id
        held = (table.c.name == name, of_team, table.c.removed_at.is_(None))
        ended = {"removed_at": self._clock(), "held_name": None}
        connection.execute(sa.update(table).where(*held).values(**ended))

    # --- turns ------------------------------------------------------------------------------------------------

    @contextmanager
    def alert_turn(self) -> Iterator[AlertTurn]:
        """One step of telling: one transaction, which one process has at a time."""
        with self._writing() as connection:
            marks = self._lock_marks(connection)
            channels = {channel.name: channel.id for channel in read_channels(connection) if not channel.is_removed}
            yield AlertTurn(connection, marks, _rules(connection), channels, self._clock)

    def settled_marks(self) -> Marks:
        """How far events may be read: no lower row is still to come."""
        with self._reading() as connection:
            newest = newest_marks(connection)
        known = self.alert_marks()
        if known and (known.audits, known.failures, known.gates) == (newest.audits, newest.failures, newest.gates):
            return newest
        with self._writing() as connection:
            return newest_marks(connection, is_settled=True)

    def alert_marks(self) -> Marks | None:
        """How far events were read; None before the first time."""
        table = tables.watermarks
        with self._reading() as connection:
            value = connection.scalar(sa.select(table.c.value).where(table.c.name == MARK))
        return None if value is None else msgspec.json.decode(value, type=Marks)

    def _lock_marks(self, connection: Connection) -> Marks:
        """How far events were read, locked; at the first time from here on, since the past is no news."""
        table = tables.watermarks
        held = sa.select(table.c.value).where(table.c.name == MARK).with_for_update()
        value = connection.scalar(held)
        if value is None:
            first = msgspec.json.encode(newest_marks(connection)).decode()
            self._insert_new(connection, table, {"name": MARK, "value": first, "changed_at": self._clock()})
            value = connection.scalars(held).one()
        return msgspec.json.decode(value, type=Marks)

    # --- history ----------------------------------------------------------------------------------------------

    def alert_history(self, repository: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """What was decided, newest first: the columns of `alert_decisions` and the repository's key ('' for Elder)."""
        table, repositories = tables.alert_decisions, tables.repositories
        key = sa.func.coalesce(repositories.c.key, "").label("repository")
        statement = sa.select(table, key).outerjoin(repositories, repositories.c.id == table.c.repository_id)
        with self._reading() as connection:
            if repository is not None:
                statement = statement.where(table.c.repository_id == self._repository(connection, repository).id)
            found = connection.execute(statement.order_by(table.c.id.desc()).limit(limit))
            return [dict(row) for row in found.mappings()]

    def notices(self, *, state: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """The outbox, newest first: the columns of `notices` and the channel's name."""
        table, channels = tables.notices, tables.channels
        statement = sa.select(table, channels.c.name.label("channel")).join(
            channels, channels.c.id == table.c.channel_id
        )
        if state is not None:
            statement = statement.where(table.c.state == state)
        with self._reading() as connection:
            found = connection.execute(statement.order_by(table.c.id.desc()).limit(limit))
            return [dict(row) for row in found.mappings()]

    # --- the outbox -------------------------------------------------------------------------------------------

    def due_notices(self, now: int, limit: int) -> list[Waiting]:
        """Notices that may leave, in the order in which they were decided."""
        table = tables.notices
        due = (table.c.state == WAITING, table.c.next_at <= utc(now))
        with self._reading() as connection:
            channels = {channel.id: channel for channel in read_channels(connection)}
            statement = sa.select(table).where(*due).order_by(table.c.id).limit(limit)
            return [_waiting(row, channels[row["channel_id"]]) for row in connection.execute(statement).mappings()]

    def claim_notices(self, notices: Sequence[Waiting], now: int, lapses_at: int) -> bool:
        """Take notices to send them; False when another process has one of them, and then none is taken."""
        table = tables.notices
        with self._writing() as connection:
            for notice in notices:
                free = (
                    table.c.id == notice.id,
                    table.c.state == WAITING,
                    table.c.next_at <= utc(now),
                    table.c.attempts == notice.attempts,
                )
                values = {"attempts": notice.attempts + 1, "next_at": utc(lapses_at)}
                if not connection.execute(sa.update(table).where(*free).values(**values)).rowcount:
                    connection.rollback()
                    return False
            return True

    def settle_sent(self, notices: Sequence[Waiting]) -> None:
        """Keep that notices were delivered."""
        self._settle(notices, state=SENT, error="", sent_at=self._clock())

    def settle_delayed(self, notices: Sequence[Waiting], next_at: int, error: str) -> None:
        """Let notices wait, and everything else of their channel with them: it would get the same answer."""
        table = tables.notices
        self._settle(notices, next_at=utc(next_at), error=storable(error)[:500])
        waiting = (table.c.channel_id == notices[0].channel.id, table.c.state == WAITING)
        with self._writing() as connection:
            later = sa.update(table).where(*waiting, table.c.next_at < utc(next_at))
            connection.execute(later.values(next_at=utc(next_at)))
            self._tell_pages(connection, "notices")

    def settle_given_up(self, notices: Sequence[Waiting], error: str, told: Notice, now: int) -> str:
        """Keep that notices will not be delivered, and tell of it on another channel; its name, '' without one.

        One message a day tells of one channel, however many notices it lost.
        """
        table, lost = tables.notices, notices[0].channel
        with self._writing() as connection:
            ids = [notice.id for notice in notices]
            given_up = {"state": GIVEN_UP, "error": storable(error)[:500]}
            connection.execute(sa.update(table).where(table.c.id.in_(ids)).values(**given_up))
            others = [channel for channel in read_channels(connection) if _may_tell(channel, lost)]
            if others:
                self._insert_new(connection, table, notice_row(told, others[0].id, now, self._clock()))
            self._tell_pages(connection, "notices")
            return others[0].name if others else ""

    def _settle(self, notices: Sequence[Waiting], **values: Any) -> None:
        table = tables.notices
        with self._writing() as connection:
            connection.execute(sa.update(table).where(table.c.id.in_([n.id for n in notices])).values(**values))
            self._tell_pages(connection, "notices")


def read_channels(connection: Connection) -> list[AlertChannel]:
    """Every channel that ever was, in order of name."""
    table, teams = tables.channels, tables.teams
    statement = sa.select(table, teams.c.key.label("team")).outerjoin(teams, teams.c.id == table.c.team_id)
    return [
        AlertChannel(
            id=row["id"],
            name=row["name"],
            team=row["team"] or "",
            kind=row["kind"],
            address=row["address"],
            language=row["settings"]["language"],
            time_zone=row["settings"]["time_zone"],
            is_removed=row["removed_at"] is not None,
        )
        for row in connection.execute(statement.order_by(table.c.name)).mappings()
    ]


def _rules(connection: Connection) -> list[AlertRule]:
    table = tables.alert_rules
    statement = sa.select(table.c.document).where(table.c.removed_at.is_(None)).order_by(table.c.name, table.c.id)
    return [msgspec.convert(document, AlertRule) for document in connection.scalars(statement)]


def _one_rule(rules: Sequence[AlertRule], name: str, team: str | None) -> AlertRule:
    found = [rule for rule in rules if rule.name == name and team in {None, rule.team}]
    if not found:
        known = ", ".join(rule.name for rule in rules[:20])
        msg = f"there is no alert rule {name!r}; known: {known or 'none yet'}"
        raise StoreError(msg)
    teams = sorted({rule.team for rule in found})
    if len(teams) > 1:
        raise ConfigurationError("team", team, teams)
    return found[-1]


def _check_name(rule: AlertRule, known: Sequence[AlertRule]) -> None:
    """A condition is known by its rule's name: two rules that can speak of one repository must differ in it."""
    for other in known:
        if other.name == rule.name and other.team != rule.team and "" in {other.team, rule.team}:
            whose = f"of team {other.team}" if other.team else "for all teams"
            msg = f"there is a rule {rule.name!r} {whose}; choose another name"
            raise Conflict(msg)


def _waiting(row: RowMapping, channel: AlertChannel) -> Waiting:
    document = row["document"]
    return Waiting(
        id=row["id"],
        channel=channel,
        notice=msgspec.convert(document["notice"], Notice),
        attempts=row["attempts"],
        created_at=row["created_at"],
        leaves_at=document["leaves_at"],
        is_held=document["is_held"],
    )


def _may_tell(channel: AlertChannel, lost: AlertChannel) -> bool:
    return not channel.is_removed and channel.id != lost.id and channel.team in {"", lost.team}


def _check_channel(name: str, kind: str, address: str, language: str, time_zone: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigurationError("name", name, "1 to 64 letters, digits, '.', '_' and '-'")
    if kind not in get_args(ChannelKind):
        raise ConfigurationError("kind of channel", kind, KINDS)
    if language not in LANGUAGES:
        raise ConfigurationError("language", language, LANGUAGES)
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError("time_zone", time_zone, "a name such as Asia/Tokyo") from None
    words = address.split()
    references = words[:1] if kind == "slack" and len(words) == 2 and _SLACK_ROOM.fullmatch(words[1]) else words
    if not words or not all(_REFERENCE.fullmatch(word) for word in references):
        allowed = "references only, env:NAME or file:/path: an address is a secret"
        raise ConfigurationError("address of a channel", "a text of another form", allowed)
