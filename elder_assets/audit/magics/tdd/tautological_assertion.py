"""TDD002."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.test_suite import READS, suite, why_not_judged
from elder_assets.audit.model import Checked, Found, NotApplicable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="TDD002",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="test",
    reads=READS,
    fix="suggested",
    example_path="tests/test_basket.py",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag an assertion that can never fail.

    Why: it passes whatever the code does, so the test looks like evidence and proves nothing.
    Remedy: assert the value that the code returned; delete the assertion where there is none.
    Source: Meszaros, xUnit Test Patterns (2007), "Assertion Roulette" and "Nonsense tests".
    Limits: a test framework's own tests are exempt, and so is a constant in a branch, a handler, a loop or a callback:
        there it marks that the place was reached. A name compared with itself counts only where the test is not about
        equality.

    Bad:
        def test_total():
            basket.total()
            assert True  #~

    Bad:
        class TestBasket(unittest.TestCase):
            def test_total(self):
                self.assertTrue(True)  #~
                self.assertEqual(1, 1)  #~

    Bad:
        def test_total():
            assert (total([1, 2]) == 3, "the sum")  #~

    Okay:
        def test_names():
            assert ("ann", "bob") == names(shop)

    Okay:
        def test_total():
            assert total([1, 2]) == 3
            assert (total([]) == 0), "nothing costs nothing"
            assert (total([1]), total([2])) == (1, 2)

    Okay:
        def test_refused():
            try:
                total(None)
            except TypeError:
                assert True
            else:
                assert False
    """
    tests = facts.derive(suite)
    if reason := why_not_judged(tests):
        yield NotApplicable(reason)
        return
    for file, test in tests.tests:
        yield Checked()
        for mark in test.tautologies:
            yield Found(
                path=file.path,
                line=mark.line,
                symbol=test.symbol,
                tokens=mark.tokens,
                unit=f"{file.path}:{test.line}",
                message=f"the assertion in {test.symbol} can never fail",
            )
