"""TDD001."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.test_inventory import TestCase
from elder_assets.audit.facts.test_suite import READS, asserting_names, has_oracle, suite, why_not_judged
from elder_assets.audit.model import Checked, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule

_LOOKED_AT = frozenset({"python", "javascript", "typescript", "tsx", "ruby", "java", "csharp"})
"""Grammars whose test conventions say what a test throws away."""


@repository_rule(
    code="TDD001",
    severity=Severity.MEDIUM,
    tier=Tier.ADVISE,
    unit="test",
    reads=READS,
    example_path="tests/test_basket.py",
)
def check(facts: RepositoryFacts, *, smoke_share_pct_max: int = 10, smoke_tests_min: int = 50) -> Iterator[Outcome]:
    """Flag a test that obtains a result and throws it away.

    Why: the result is stored, printed or compared without an assertion, so nobody learns when it is wrong.
    Remedy: assert what the result must be; a smoke test that only has to run needs no result.
    Source: Meszaros, xUnit Test Patterns (2007), "Self-Checking Test"; magics.md, section 1, "Asserting".
    Limits: a test that only calls the code is a smoke test, not a finding; over 10 % of at least 50 tests it is one
        note for the repository. A call of a test helper that asserts counts as an assertion, by the helper's name.

    Bad:
        def test_total():
            result = total([1, 2])  #~

    Bad:
        def test_total():
            result = total([1, 2])
            print(result)  #~

    Bad:
        def test_total():
            total([1, 2]) == 3  #~

    Okay:
        def test_total_runs():
            total([1, 2])

    Okay:
        def compare(basket, price):
            assert basket.total == price

        def test_total():
            basket = Basket()
            print(basket)
            compare(basket, 0)
    """
    tests = facts.derive(suite)
    if reason := why_not_judged(tests):
        yield NotApplicable(reason)
        return
    names = facts.derive(asserting_names)
    count = smoke = 0
    for file, test in tests.tests:
        if file.variant not in _LOOKED_AT:
            continue  # what was not looked at is no pass
        yield Checked()
        count += 1
        if test.is_empty or test.is_skipped or has_oracle(file, test, names):
            continue
        if test.discards:
            yield _found(file.path, test)
        else:
            smoke += 1
    if count >= smoke_tests_min and smoke * 100 > count * smoke_share_pct_max:
        yield Found(
            message=f"{smoke} of {count} tests only run code and check nothing of its results",
            tokens="smoke share",
            severity=Severity.INFO,
            remedy="let the most important of these tests say what must come out",
        )


def _found(path: str, test: TestCase) -> Found:
    mark = test.discards[0]
    return Found(
        path=path,
        line=mark.line,
        symbol=test.symbol,
        tokens=mark.tokens,
        message=f"{test.symbol} obtains a result and throws it away: it asserts nothing",
    )
