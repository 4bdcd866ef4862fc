"""`.mailmap`: which names and addresses of commits mean the same person (gitmailmap(5)).

Commits are kept as written and mapped when they are read, because the map belongs to the audited commit: a new line
in it changes the authors of old commits.
"""

from __future__ import annotations

from elder_assets.audit.patterns import regex

_PERSON = regex(r"([^<>]*)<([^<>]*)>")


class Mailmap:
    """A parsed `.mailmap`; names and addresses are matched without regard to case, as git does."""

    def __init__(self, text: str = "") -> None:
        self._rows: dict[tuple[str, str], tuple[str, str]] = {}
        """(address, name or '') as committed, in lower case, to the proper (name, address), '' for unchanged."""
        for line in text.splitlines():
            if not line.startswith("#"):
                self._add(_PERSON.findall(line)[:2])

    def _add(self, people: list[tuple[str, str]]) -> None:
        if len(people) == 1:
            (name, address), committed = people[0], ("", people[0][1])
            proper = (name.strip(), "")
        elif len(people) == 2:
            (name, address), committed = people
            proper = (name.strip(), address.strip())
        else:
            return
        key = (committed[1].strip().lower(), committed[0].strip().lower())
        before = self._rows.get(key, ("", ""))
        self._rows[key] = (proper[0] or before[0], proper[1] or before[1])

    def __bool__(self) -> bool:
        return bool(self._rows)

    def resolve(self, name: str, address: str) -> tuple[str, str]:
        """The proper name and address of somebody who committed under these."""
        key = address.lower()
        found = self._rows.get((key, name.lower())) or self._rows.get((key, ""))
        if found is None:
            return name, address
        return found[0] or name, found[1] or address
