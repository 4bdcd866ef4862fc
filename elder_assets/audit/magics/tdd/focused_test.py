"""TDD004."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.test_suite import READS, suite, why_not_judged
from elder_assets.audit.model import Checked, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule

_FOCUSING = frozenset({"javascript", "jsx", "typescript", "tsx"})
"""Grammar variants of languages whose runners can be told to run only marked tests."""


@repository_rule(
    code="TDD004",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="file",
    reads=READS,
    fix="safe",
    example_path="test/basket.test.js",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a focus mark that was committed.

    Why: the runner then runs only the marked tests and stays green while all the others are not run at all.
    Remedy: delete the mark: `.only`, the `f` before `it` and `describe`, `focus: true`.
    Source: eslint-plugin-no-only-tests; RSpec documentation, "filter_run_when_matching".
    Limits: a test framework's own tests are exempt. In Ruby and Java a focus tag counts only where the project
        configures a filter for it.

    Bad:
        describe("basket", () => {
          it.only("adds up", () => { expect(total([1, 2])).toBe(3); });  //#~
        });

    Bad:
        fdescribe("basket", function () {
          it("adds up", function () { expect(total([1, 2])).toBe(3); });
        });

    Okay:
        describe("basket", () => {
          it("has it.only in its name", () => { expect(options.only).toBe(3); });
          // it.only("old", () => {});
        });
    """
    tests = facts.derive(suite)
    files = [(file, inventory) for file, inventory in tests.files if file.variant in _FOCUSING]
    if reason := why_not_judged(tests) or ("" if files else "no tests in a language whose runners can focus"):
        yield NotApplicable(reason)
        return
    for file, inventory in files:
        yield Checked()
        for mark in inventory.focused:
            yield Found(
                path=file.path,
                line=mark.line,
                tokens=mark.tokens,
                unit=file.path,
                message=f"`{mark.tokens.replace(' ', '')}` keeps the other tests from running",
            )
