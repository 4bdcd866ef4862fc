"""SAG007."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.comments import comments
from elder_assets.audit.facts.repository_facts import FileFacts
from elder_assets.audit.model import Checked, Found, Outcome, Severity, Tier
from elder_assets.audit.registry import file_rule


@file_rule(code="SAG007", severity=Severity.LOW, tier=Tier.ADVISE, unit="debt marker", reads=(comments,))
def check(file: FileFacts, *, require_ticket: int = 0) -> Iterator[Outcome]:
    """Flag a TODO, FIXME, HACK or XXX in production code that names neither an owner nor a ticket.

    Why: what nobody owns and no tracker lists is never done; the next reader finds it, and leaves it there.
    Remedy: write `TODO(owner)` or cite the ticket behind it, do it, or drop it.
    Source: Google Python style guide, TODO comments; Potdar and Shihab, self-admitted technical debt (ICSME 2014).
    Limits: a note, unless the team's policy sets `require_ticket` to 1. The owner, ticket or link may stand in the
    comment lines directly below.

    Bad: price = 3  # TODO: read it from the catalogue

    Bad:
        path: shop/basket.go
        package shop
        // FIXME rounds down #~
        var price = 3

    Okay: price = 3  # TODO(ann): read it from the catalogue

    Okay:
        # TODO: read it from the catalogue, see
        # https://tracker.example.org/issues/12
        price = 3

    Okay: print("TODO: nothing")  # the TODO list of the user
    """
    found = file.read(comments)
    if found is None:
        return
    yield Checked(len(found.debt))
    for marker in found.debt:
        if not marker.has_reference:
            yield Found(
                line=marker.line,
                tokens=marker.tokens,
                message=f"this {marker.word} names neither an owner nor a ticket",
                severity=None if require_ticket else Severity.INFO,
            )
