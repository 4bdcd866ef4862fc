"""TDD006."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.test_inventory import TestInventory
from elder_assets.audit.facts.test_suite import READS, suite, why_not_judged
from elder_assets.audit.model import Checked, Found, NotApplicable, Outcome, Severity, SourceFile, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="TDD006",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="test",
    reads=READS,
    fix="suggested",
    example_path="tests/test_basket.py",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag something written as a test that its runner never runs.

    Why: its author and its readers believe that the behaviour is tested; it may be broken for years.
    Remedy: give the test a name of its own, or move it to a place that the runner collects.
    Source: pytest documentation, "Conventions for Python test discovery"; ruff F811.
    Limits: definitions in a branch, under a decorator that may register them, or mentioned elsewhere are left alone.
        pytest's file patterns are read from its configuration at the root of the repository.

    Bad:
        def test_total():  #~
            assert total([1, 2]) == 3

        def test_total():
            assert total([]) == 0

    Bad:
        class TestBasket:  #~
            def __init__(self):
                self.basket = Basket()

            def test_total(self):
                assert self.basket.total == 0

    Bad:
        def check_basket(basket):
            def test_total():  #~
                assert basket.total == 0

    Bad:
        path: tests/test_basket.py
        def test_total():
            assert total([1, 2]) == 3
        path: tests/basket_tests.py
        def test_discount():  #~
            assert discount(10) == 9

    Okay:
        path: pytest.ini
        [pytest]
        python_files = test_*.py *_tests.py
        path: tests/test_basket.py
        def test_total():
            assert total([1, 2]) == 3
        path: tests/basket_tests.py
        def test_discount():
            assert discount(10) == 9

    Okay:
        if sys.version_info >= (3, 12):
            def test_total():
                assert total([1, 2]) == 3
        else:
            def test_total():
                assert total([1, 2]) == 4

    Okay:
        def test_routes(app):
            @app.route("/total")
            def test_total():
                return "3"
    """
    tests = facts.derive(suite)
    if reason := why_not_judged(tests):
        yield NotApplicable(reason)
        return
    for file, inventory in tests.files:
        yield Checked(len(inventory.tests) + len(inventory.uncollected))
        yield from _never_run(file, inventory)
    for file, inventory, sibling in tests.passed_over:
        yield Checked(len(inventory.tests))
        for test in inventory.tests:
            yield Found(
                path=file.path,
                line=test.line,
                symbol=test.symbol,
                message=f"{test.symbol} never runs: pytest's file patterns match {sibling}, but not this file",
            )


def _never_run(file: SourceFile, inventory: TestInventory) -> Iterator[Found]:
    for item in inventory.uncollected:
        yield Found(
            path=file.path,
            line=item.line,
            symbol=item.symbol,
            message=f"{item.symbol} never runs: {item.reason}",
        )
