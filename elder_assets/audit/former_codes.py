"""Codes that rules had before they were renamed: the alias table (decision D5).

A rule that is renamed keeps the code it was born with in its fingerprints (`birth_code`), and every code it ever had
stands here, so that what was recorded under an old code still belongs to it. The registry refuses a catalogue that
does not agree with this table, or that gives a retired code to another rule. Imports nothing: matching needs no rule.
"""

from __future__ import annotations

FORMER_CODES: dict[str, str] = {}
"""Code that a rule had before to the code that it has now."""


def current_code(code: str) -> str:
    """The code that a rule has now, by any code that it ever had."""
    return FORMER_CODES.get(code, code)
