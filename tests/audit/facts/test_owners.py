"""Declared owners: the last rule that fits a path counts, as at the hosts."""

from __future__ import annotations

import pytest
from factories import source

from elder_assets.audit.engine import collect
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.facts.owners import declared_owners

OWNERS = """
# everything
*            @org/all
/shop/       @org/shop ann@example.org  # the till
/shop/old.py
*.sql        @org/data
[Docs]
[!x] @odd
"""


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("main.py", ("@org/all",)),
        ("shop/till.py", ("@org/shop", "ann@example.org")),
        ("shop/old.py", ()),
        ("shop/rows.sql", ("@org/data",)),
    ],
)
def test_the_last_rule_that_fits_names_the_owners(path: str, owners: tuple[str, ...]):
    files = {".github/CODEOWNERS": OWNERS, path: "x = 1\n"}
    facts = collect(source([], files), MemoryFactStore())
    assert declared_owners(facts).of(path) == owners


def test_without_a_file_nobody_owns_anything():
    assert declared_owners(collect(source([], {"a.py": "x = 1\n"}), MemoryFactStore())).of("a.py") == ()
