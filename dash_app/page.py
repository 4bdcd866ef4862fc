"""What a page is, and what it is asked: a request parsed once, links that keep the rest of the address.

The whole state of a page stands in its address: a link shows to somebody else what it shows here.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec
from dash.development.base_component import Component

from dash_app.access import Person
from resources.messages.catalogue import Language, translator
from resources.settings import Settings
from resources.store import Store
from resources.store.access import Role

if TYPE_CHECKING:
    from babel.support import NullTranslations

QUERY_VALUE_MAX = 300
"""Characters of one value in an address; more is cut."""


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a page."""

    path: str
    parts: Mapping[str, str]
    """What the path names: the groups of the page's pattern."""
    query: Mapping[str, str]
    language: Language
    viewer: Person
    now: dt.datetime
    store: Store
    settings: Settings
    actions: frozenset[str] = frozenset()
    """What the API of this server can do: 'POST /api/v1/projects/{}/audit/trigger'. Pages offer nothing else."""

    @property
    def t(self) -> NullTranslations:
        """Translates into the viewer's language."""
        return translator(self.language)

    def value(self, name: str, allowed: Sequence[str] = (), default: str = "") -> str:
        """A value of the query; the default where it is missing or not allowed."""
        given = self.query.get(name, default)[:QUERY_VALUE_MAX]
        return given if not allowed or given in allowed else default

    def number(self, name: str, default: int, highest: int) -> int:
        """A whole number of the query from 0 to the highest; the default where it is none."""
        given = self.query.get(name, "")
        return min(int(given), highest) if re.fullmatch(r"[0-9]{1,9}", given) else default

    def link(self, **changes: str | int | None) -> str:
        """The address of this page with other values in its query; None and '' take a value away."""
        values = {**self.query, **{name: "" if value is None else str(value) for name, value in changes.items()}}
        return address(self.path, **values)

    @property
    def here(self) -> str:
        """The address of this page without its query."""
        return address(self.path)

    def may(self, role: Role, action: str) -> bool:
        """Whether the viewer may do something that the API can do."""
        return action in self.actions and self.viewer.may(role)

    def monday(self, weeks_ago: int) -> str:
        """The Monday of a week before this one: '2026-02-09'."""
        day = self.now.date() - dt.timedelta(weeks=weeks_ago)
        return (day - dt.timedelta(days=day.weekday())).isoformat()


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a page exports as CSV."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page; `dash_app/pages/<name>.py` holds it as PAGE, or several as PAGES."""

    name: str
    pattern: str
    """Regular expression of the whole path; its groups become `PageRequest.parts`."""
    title: Callable[[PageRequest], str]
    layout: Callable[[PageRequest], Component]
    place: int = 0
    """Place in the navigation, from 1; 0 = not there."""
    table: Callable[[PageRequest], Table] | None = None
    """What is exported as CSV."""
    is_public: bool = False
    """May be seen without sign-in."""


def address(path: str, /, **query: str) -> str:
    """A path of ours with a query; empty values are left out."""
    given = {name: value for name, value in query.items() if value}
    return quote(path, safe="/:@") + (f"?{urlencode(given)}" if given else "")


def repository_address(key: str, /, **query: str) -> str:
    """Where a repository's page is."""
    return address(f"/repositories/{key}", **query)
