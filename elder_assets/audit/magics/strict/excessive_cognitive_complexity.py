"""STR013."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.functions import functions
from elder_assets.audit.facts.repository_facts import FileFacts
from elder_assets.audit.model import Checked, Found, Outcome, Severity, Tier
from elder_assets.audit.registry import file_rule


@file_rule(code="STR013", severity=Severity.MEDIUM, tier=Tier.ADVISE, unit="function", reads=(functions,))
def check(file: FileFacts, *, cognitive_max: int = 25, cognitive_notice: int = 15) -> Iterator[Outcome]:
    """Flag a function whose control flow is too tangled to follow.

    Why: defects gather where a reader must hold many branches in mind at once.
    Remedy: return early, and move each inner block into a function with a name.
    Source: Campbell, Cognitive Complexity, SonarSource (2018).
    Limits: generated and vendored code, tests and examples are out of scope.

    Okay: def total(prices): return sum(prices)
    """
    measured = file.read(functions)
    if measured is None:
        return
    yield Checked(len(measured.functions))
    for function in measured.functions:
        if function.cognitive > cognitive_notice:
            yield Found(
                line=function.line,
                symbol=function.symbol,
                message=f"{function.symbol} has a cognitive complexity of {function.cognitive}",
                severity=None if function.cognitive > cognitive_max else Severity.INFO,
            )
