"""TDD003."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.test_suite import READS, suite, why_not_judged
from elder_assets.audit.model import Checked, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="TDD003",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="test",
    reads=READS,
    example_path="tests/test_basket.py",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a collected test that does nothing.

    Why: it is counted and reported as passed, but no code of the project runs in it.
    Remedy: write the test, mark it as skipped with a reason, or delete it.
    Source: Peruma et al., On the Distribution of Test Smells in Open Source Android Applications (2019), "Empty Test".
    Limits: a test framework's own tests are exempt, and so is an empty body for which something else acts: a fixture
        that it asks for, a decorator, a base class, an annotation that starts the application.

    Bad:
        def test_total():  #~
            '''The total is the sum of the prices.'''

    Bad:
        class TestBasket:
            def test_total(self):  #~
                pass  # later

    Okay:
        def test_total():
            total([])

    Okay:
        @pytest.mark.skip(reason="no prices yet")
        def test_total():
            pass

    Okay:
        def test_the_database_starts(database):
            pass
    """
    tests = facts.derive(suite)
    if reason := why_not_judged(tests):
        yield NotApplicable(reason)
        return
    for file, test in tests.tests:
        yield Checked()
        if test.is_empty and not test.is_skipped:
            yield Found(
                path=file.path,
                line=test.line,
                symbol=test.symbol,
                message=f"{test.symbol} is collected as a test and does nothing",
            )
