"""SAG001: ten source files and what their README says."""

from __future__ import annotations

import pytest

from elder_assets.audit.model import Status
from elder_assets.audit.testing import MemorySource, run_rule

SOURCES = {f"shop/module_{n}.py": f"value = {n}\n" for n in range(10)}
PROSE = "This program keeps the prices of a small shop and prints what is in the basket of a customer. " * 4
BADGES = "[![build](https://ci.invalid/b.svg)](https://ci.invalid)\n" * 20


def messages(files: dict[str, str], **source) -> list[str]:
    _, findings = run_rule("SAG001", MemorySource(SOURCES | files, **source))
    return [finding.message for finding in findings]


def test_no_readme_is_found():
    assert messages({}) == ["there is no README at the root"]


def test_badges_and_code_are_no_prose():
    text = f"# Shop\n\n{BADGES}\nA shop.\n\n```\n{PROSE}\n```\n"
    assert messages({"README.md": text}) == ["README.md holds 7 characters of prose, fewer than 300"]


def test_a_readme_that_never_says_how_is_found():
    assert messages({"README.md": f"# Shop\n\n{PROSE}\n"}) == [
        "README.md shows no way to install, run or use it: no such heading, link, command or code block"
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": f"# Shop\n\n{PROSE}\n\n## Installation\n\nAsk Ann.\n"},
        {"README.md": f"# Shop\n\n{PROSE}\n\n    shop --help\n"},
        {"readme.rst": f"Shop\n====\n\n{PROSE}\n\nUsage\n-----\n\n::\n\n    shop\n"},
        {"README": PROSE},
        {"README.md": "# Shop\n\nRead the [documentation](https://shop.invalid/).\n"},
        {".github/README.md": f"# Shop\n\n{PROSE}\n\n## Usage\n"},
        {"README.md": "# 店\n\n" + "这个程序管理一家小店的价格" * 8 + "\n\n## 安装\n"},
    ],
    ids=["heading", "code", "rst", "plain", "documentation elsewhere", "github folder", "chinese"],
)
def test_a_readme_that_says_what_and_how_passes(files: dict[str, str]):
    assert messages(files) == []


def test_a_readme_that_is_a_link_is_there():
    assert messages({}, links={"README.md": "docs/index.md"}) == []


def test_a_small_repository_is_not_asked():
    outcome, _ = run_rule("SAG001", MemorySource({"shop.py": "x = 1\n"}))
    assert outcome.status is Status.NOT_APPLICABLE
