"""Who may do what: API tokens and the sessions of people who signed in with one.

Only hashes are stored. A token has 256 random bits, so a plain sha256 of it is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import zlib
from datetime import datetime, timedelta
from typing import Literal, get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from elder_assets.audit.errors import ConfigurationError, SignInNeeded, UnknownRecord
from resources.store import tables
from resources.store.audit_log import AuditLog
from resources.store.database import storable

Role = Literal["viewer", "maintainer", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From the one that may least."""

TOKEN = re.compile(r"elder_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
"""What a secret scanner looks for: prefix, 256 bits and their CRC-32, both in base 62."""
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HINT_CHARACTERS = 12
TOKEN_DAYS_MAX = 366
NAME_CHARACTERS_MAX = 100
SESSION_TIME = timedelta(hours=12)
USE_RECORDED_EVERY = timedelta(minutes=10)
"""`last_used_at` is no finer than this, so that reading requests seldom write."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token, without itself."""

    id: int
    name: str
    hint: str
    role: Role
    team_id: int | None
    """None = all teams."""
    created_by: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class Access(AuditLog):
    """A part of the store."""

    def create_token(self, name: str, role: str, *, days: int, team: str | None = None, by: str) -> tuple[Token, str]:
        """A new token: its record, and the token itself, which is not kept.

        Raises:
            ConfigurationError: a value is not allowed.
            UnknownRecord: there is no such team.
        """
        if role not in ROLES:
            raise ConfigurationError("role", role, ROLES)
        if not 1 <= days <= TOKEN_DAYS_MAX:
            raise ConfigurationError("days", days, f"1 to {TOKEN_DAYS_MAX}")
        if not name.strip() or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
            raise ConfigurationError("name", name[:NAME_CHARACTERS_MAX], f"1 to {NAME_CHARACTERS_MAX} characters")
        text, now = new_token(), self._clock()
        row = {
            "name": storable(name.strip()),
            "hash": digest(text),
            "hint": text[:HINT_CHARACTERS],
            "role": role,
            "created_by": storable(by),
            "created_at": now,
            "expires_at": now + timedelta(days=days),
        }
        with self._writing() as connection:
            row["team_id"] = None if team is None else self._team_id(connection, team)
            number = connection.scalars(sa.insert(tables.tokens).returning(tables.tokens.c.id), row).one()
            self._log(connection, by, "token.create", f"token {number}", {"name": name, "role": role, "team": team})
            return self._token(connection, number), text

    def _team_id(self, connection: Connection, key: str) -> int:
        found: int | None = connection.scalar(sa.select(tables.teams.c.id).where(tables.teams.c.key == key))
        if found is None:
            msg = f"there is no team {key!r}"
            raise UnknownRecord(msg)
        return found

    def _token(self, connection: Connection, number: int) -> Token:
        row = connection.execute(_tokens().where(tables.tokens.c.id == number)).mappings().one_or_none()
        if row is None:
            msg = f"there is no token {number}"
            raise UnknownRecord(msg)
        return Token(**row)

    def tokens(self) -> list[Token]:
        """Every token that there ever was, newest first."""
        with self._reading() as connection:
            statement = _tokens().order_by(tables.tokens.c.id.desc())
            return [Token(**row) for row in connection.execute(statement).mappings()]

    def has_tokens(self) -> bool:
        """Whether there ever was a token: from then on nobody is let in without."""
        with self._reading() as connection:
            return connection.scalar(sa.select(tables.tokens.c.id).limit(1)) is not None

    def has_usable_tokens(self) -> bool:
        """Whether somebody could sign in now."""
        table = tables.tokens
        with self._reading() as connection:
            usable = (table.c.revoked_at.is_(None), table.c.expires_at > self._clock())
            return connection.scalar(sa.select(table.c.id).where(*usable).limit(1)) is not None

    def revoke_token(self, number: int, by: str) -> Token:
        """End a token and every session that began with it.

        Raises:
            UnknownRecord: there is none.
        """
        table = tables.tokens
        with self._writing() as connection:
            found = self._token(connection, number)
            if found.revoked_at is None:
                connection.execute(sa.update(table).where(table.c.id == number).values(revoked_at=self._clock()))
                self._log(connection, by, "token.revoke", f"token {number}", {"name": found.name})
            return self._token(connection, number)

    def revoke_all_tokens(self, by: str) -> int:
        """End every token; how many."""
        table = tables.tokens
        with self._writing() as connection:
            done = connection.execute(
                sa.update(table).where(table.c.revoked_at.is_(None)).values(revoked_at=self._clock())
            )
            self._log(connection, by, "token.revoke_all", "tokens", {"tokens": done.rowcount})
            return done.rowcount

    def use_token(self, text: str) -> Token:
        """The record of a token that holds now.

        Raises:
            SignInNeeded: it is none, or unknown, expired or revoked; the token is not repeated.
        """
        if not is_token(text):
            raise SignInNeeded("the token has not the form of one: elder_ and 49 letters and digits")
        with self._reading() as connection:
            found = self._usable(connection, tables.tokens.c.hash == digest(text), "token")
        self._record_use(found)
        return found

    def is_usable(self, number: int) -> bool:
        """Whether a token holds now."""
        with self._reading() as connection:
            found = self._token(connection, number)
        return found.revoked_at is None and found.expires_at > self._clock()

    def _usable(self, connection: Connection, which: sa.ColumnElement[bool], what: str) -> Token:
        row = connection.execute(_tokens().where(which)).mappings().one_or_none()
        if row is None:
            msg = f"the {what} is not known"
            raise SignInNeeded(msg)
        found = Token(**row)
        if found.revoked_at is not None:
            raise SignInNeeded(f"the token was revoked on {found.revoked_at:%Y-%m-%d}")
        if found.expires_at <= self._clock():
            raise SignInNeeded(f"the token expired on {found.expires_at:%Y-%m-%d}")
        return found

    def _record_use(self, found: Token) -> None:
        now, table = self._clock(), tables.tokens
        if found.last_used_at is None or now - found.last_used_at >= USE_RECORDED_EVERY:
            with self._writing() as connection:
                connection.execute(sa.update(table).where(table.c.id == found.id).values(last_used_at=now))

    # --- sessions ---------------------------------------------------------------------------------------------

    def start_session(self, text: str) -> tuple[Token, str]:
        """Sign in with a token: its record, and the value of the session's cookie, which is not kept.

        Raises:
            SignInNeeded: as `use_token`.
        """
        found = self.use_token(text)
        value, now = secrets.token_urlsafe(32), self._clock()
        row = {
            "hash": digest(value),
            "token_id": found.id,
            "created_at": now,
            "expires_at": min(now + SESSION_TIME, found.expires_at),
        }
        with self._writing() as connection:
            connection.execute(sa.delete(tables.sessions).where(tables.sessions.c.expires_at < now))
            connection.execute(sa.insert(tables.sessions).values(**row))
            self._log(connection, found.name, "session.start", f"token {found.id}")
        return found, value

    def use_session(self, value: str) -> Token:
        """The token that a session began with.

        Raises:
            SignInNeeded: the session is unknown or over, or its token expired or was revoked.
        """
        table = tables.sessions
        running = (table.c.hash == digest(value), table.c.ended_at.is_(None), table.c.expires_at > self._clock())
        with self._reading() as connection:
            number = connection.scalar(sa.select(table.c.token_id).where(*running))
            if number is None:
                raise SignInNeeded("the session is over; sign in again")
            return self._usable(connection, tables.tokens.c.id == number, "session")

    def end_session(self, value: str) -> None:
        """Sign out; a session that is over stays so."""
        table = tables.sessions
        running = (table.c.hash == digest(value), table.c.ended_at.is_(None))
        with self._writing() as connection:
            number = connection.scalar(sa.select(table.c.token_id).where(*running))
            if number is not None:
                connection.execute(sa.update(table).where(*running).values(ended_at=self._clock()))
                self._log(connection, self._token(connection, number).name, "session.end", f"token {number}")


def _tokens() -> sa.Select[tuple[Token]]:
    return sa.select(*(tables.tokens.c[name] for name in Token.__struct_fields__))


def new_token() -> str:
    """A token that nobody has: prefix, 256 random bits, checksum."""
    body = _base62(secrets.randbits(256), 43)
    return f"elder_{body}{_base62(zlib.crc32(body.encode()), 6)}"


def is_token(text: str) -> bool:
    """Whether the text has the form of a token, with the right checksum."""
    match = TOKEN.fullmatch(text)
    return match is not None and _base62(zlib.crc32(match[1].encode()), 6) == match[2]


def digest(text: str) -> str:
    """What is stored of a token or cookie."""
    return hashlib.sha256(text.encode()).hexdigest()


def _base62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _DIGITS[rest] + digits
    return digits.rjust(width, "0")
