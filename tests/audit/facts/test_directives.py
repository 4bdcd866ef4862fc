"""Where people speak to Elder: comments only, and the lines that they speak about."""

from __future__ import annotations

import pytest

from elder_assets.audit.facts.directives import directives
from elder_assets.audit.facts.grammars import Blob

TEXT = 'ignore STR013 reason="a table of cases" until=2026-12-31'
CASES = [
    ("behind code", "python", f"a = 1  # elder: {TEXT}\nb = 2\n", [(1, 1, 1)]),
    ("above code", "python", f"# elder: {TEXT}\n\n# why\ndef a():\n    pass\n", [(1, 4, 4)]),
    ("above decorators", "python", f"# elder: {TEXT}\n@one\n@two\ndef a():\n    pass\n", [(1, 2, 4)]),
    ("in a string", "python", f"a = '# elder: {TEXT}'\n", []),
    ("in a block comment", "typescript", f"/*\n * elder: {TEXT}\n */\nf();\n", [(2, 4, 4)]),
    ("in YAML", "yaml", f"a: 1\n# elder: {TEXT}\nb: 2\n", [(2, 3, 3)]),
    ("behind YAML", "yaml", f"a: 1\nb: 2  # elder: {TEXT}\n", [(2, 2, 2)]),
    ("in Markdown", "markdown", f"# Shop\n\n<!-- elder: {TEXT} -->\nSee [it](none.md).\n", [(3, 4, 4)]),
    ("in Markdown text", "markdown", f"Write elder: {TEXT}\n", []),
    ("shown in Markdown", "markdown", f"```python\n# elder: {TEXT}\n```\n", []),
    ("in a document", "rst", f".. elder: {TEXT}\n\nSee it.\n\n    # elder: {TEXT}\n", [(1, 3, 3)]),
    ("at the end", "python", f"a = 1\n# elder: {TEXT}\n", [(2, 2, 2)]),
    ("another word", "python", "# elder: hello\n", []),
]


@pytest.mark.parametrize(("name", "variant", "source", "places"), CASES, ids=[case[0] for case in CASES])
def test_a_directive_is_about_its_line_or_the_next_code(
    name: str, variant: str, source: str, places: list[tuple[int, int, int]]
):
    found = directives(Blob(source.encode(), variant)).found
    assert [(item.line, item.first, item.last) for item in found] == places
    assert {item.text for item in found} <= {TEXT}
