"""The four forms of a mailmap line (gitmailmap(5)), and what git does with case and comments."""

from __future__ import annotations

import pytest

from elder_assets.audit.facts.mailmap import Mailmap

TEXT = """\
# Jane <nobody@example.org>
Jane Doe <jane@old.example>
<joe@example.org> <joe@old.example>
Mia Long <mia@example.org> <mia@old.example>
Ann Smith <ann@example.org> ann <shared@example.org>
Bob Miller <bob@example.org> bob <SHARED@example.org>
no address here
"""


@pytest.mark.parametrize(
    ("committed", "proper"),
    [
        (("jane", "jane@old.example"), ("Jane Doe", "jane@old.example")),
        (("jane", "JANE@OLD.example"), ("Jane Doe", "JANE@OLD.example")),
        (("joe", "joe@old.example"), ("joe", "joe@example.org")),
        (("m", "mia@old.example"), ("Mia Long", "mia@example.org")),
        (("Ann", "shared@example.org"), ("Ann Smith", "ann@example.org")),
        (("bob", "shared@example.org"), ("Bob Miller", "bob@example.org")),
        (("carol", "shared@example.org"), ("carol", "shared@example.org")),
        (("x", "nobody@example.org"), ("x", "nobody@example.org")),
    ],
)
def test_names_and_addresses_are_mapped_as_git_does(committed: tuple[str, str], proper: tuple[str, str]):
    assert Mailmap(TEXT).resolve(*committed) == proper


def test_a_later_line_adds_to_an_earlier_one():
    mailmap = Mailmap("Jane Doe <jane@old.example>\n<jane@new.example> <jane@old.example>\n")
    assert mailmap.resolve("j", "jane@old.example") == ("Jane Doe", "jane@new.example")


def test_an_empty_map_is_false():
    assert not Mailmap("# nothing\n")
