"""SRV001: a repository of many hands without owners."""

from __future__ import annotations

from factories import commit, source

from elder_assets.audit.model import Status
from elder_assets.audit.testing import run_rule

FIVE = [commit(n, author=f"p{n}", days_ago=10) for n in range(1, 6)]


def test_five_authors_and_no_owner_file():
    _, findings = run_rule("SRV001", source(FIVE))
    assert "5 people" in findings[0].message


def test_any_owner_file_will_do():
    for name in ("CODEOWNERS", ".github/CODEOWNERS", "MAINTAINERS.md", "pkg/OWNERS", "catalog-info.yaml"):
        outcome, _ = run_rule("SRV001", source(FIVE, {"a.py": "x = 1\n", name: "* @ann\n"}))
        assert outcome.status is Status.PASS, name


def test_bots_and_old_authors_do_not_count():
    commits = [*FIVE[:4], commit(5, author="dependabot[bot]", days_ago=1), commit(6, author="old", days_ago=500)]
    outcome, _ = run_rule("SRV001", source(commits))
    assert outcome.reason == "4 authors in 365 days, fewer than 5"
