"""Who asks, and what they may do. Endpoints name the role that they need: `person: ViewerHere`.

Whoever has a team sees rows of that team alone; queries take `person.team_id` and see to it, not pages.
"""

from __future__ import annotations

import hmac
from contextvars import ContextVar
from typing import Annotated

import msgspec
from fastapi import Depends
from starlette.requests import HTTPConnection

from elder_assets.audit.errors import AccessRefused, SignInNeeded
from resources.store import Store
from resources.store.access import ROLES, Role, Token, digest

SESSION_COOKIE = "elder_session"
CSRF_COOKIE = "_csrf_token"
"""The name under which Dash looks for it, to send it back as CSRF_HEADER with every callback."""
CSRF_HEADER = "x-csrftoken"
CSRF_FIELD = "csrf_token"


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever sent a request: a token, a person who signed in with one, or the one person of this machine."""

    name: str
    role: Role
    team_id: int | None = None
    """None = all teams."""
    token_id: int | None = None
    csrf: str = ""
    """What a change must bring along; '' where no cookie signs the person in."""

    def may(self, role: Role) -> bool:
        """Whether the person's role is this one or above it."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def sees(self, team_id: int | None) -> bool:
        """Whether rows of this owner may be shown to the person."""
        return self.team_id is None or self.team_id == team_id


LOCAL_ADMIN = Person(name="local admin", role="admin")
"""Who sits at this machine, as long as Elder listens on loopback and no token was ever made."""

PERSON: ContextVar[Person | None] = ContextVar("person", default=None)
"""Who sent the request that is being served; for callbacks of pages, which see no request."""


def identify(store: Store, connection: HTTPConnection, *, is_open: bool) -> Person:
    """Who sent a request, by its bearer token, else its session cookie, else because this machine is open.

    Raises:
        SignInNeeded: nobody knows.
    """
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _person(store.use_token(given.strip()))
    if scheme:
        raise SignInNeeded("send the token as: Authorization: Bearer <token>")
    if cookie := connection.cookies.get(SESSION_COOKIE, ""):
        return msgspec.structs.replace(_person(store.use_session(cookie)), csrf=csrf_of(cookie))
    if is_open:
        return LOCAL_ADMIN
    raise SignInNeeded("send a token as: Authorization: Bearer <token>; make one with: elder token create")


def _person(token: Token) -> Person:
    return Person(name=token.name, role=token.role, team_id=token.team_id, token_id=token.id)


def csrf_of(cookie: str) -> str:
    """What a change in a session must bring along; only who knows the cookie can compute it."""
    return digest(f"csrf:{cookie}")


def check_csrf(person: Person, given: str) -> None:
    """See that a change was sent by our own page.

    Raises:
        AccessRefused: it was not.
    """
    if person.csrf and not hmac.compare_digest(person.csrf.encode(), given.encode()):
        raise AccessRefused(f"a change in a session needs its {CSRF_HEADER} header or {CSRF_FIELD} field")


def person_of(connection: HTTPConnection) -> Person:
    """Who sent the request; the guard has found out before any route was tried.

    Raises:
        SignInNeeded: nobody knows.
    """
    person: Person | None = connection.scope.get("state", {}).get("person")
    if person is None:
        raise SignInNeeded("sign in first")
    return person


def _needs(role: Role, person: Person) -> Person:
    if not person.may(role):
        raise AccessRefused(f"this needs the role {role}; {person.name} has {person.role}")
    return person


def _viewer(connection: HTTPConnection) -> Person:
    return _needs("viewer", person_of(connection))


def _maintainer(connection: HTTPConnection) -> Person:
    return _needs("maintainer", person_of(connection))


def _admin(connection: HTTPConnection) -> Person:
    return _needs("admin", person_of(connection))


def _operator(connection: HTTPConnection) -> Person:
    person = _admin(connection)
    if person.team_id is not None:
        raise AccessRefused("this needs an admin of all teams")
    return person


ViewerHere = Annotated[Person, Depends(_viewer)]
MaintainerHere = Annotated[Person, Depends(_maintainer)]
AdminHere = Annotated[Person, Depends(_admin)]
OperatorHere = Annotated[Person, Depends(_operator)]
"""An admin of all teams: for what concerns more than one team."""
