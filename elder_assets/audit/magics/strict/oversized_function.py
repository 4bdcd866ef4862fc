"""STR014."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.functions import Function, functions
from elder_assets.audit.facts.repository_facts import FileFacts
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.registry import file_rule


@file_rule(
    code="STR014",
    severity=Severity.LOW,
    tier=Tier.ADVISE,
    unit="function",
    reads=(functions,),
    file_classes=(FileClass.PRODUCTION, FileClass.TEST),
)
def check(
    file: FileFacts, *, code_lines_max: int = 100, positional_max: int = 8, nesting_max: int = 5
) -> Iterator[Outcome]:
    """Flag a function that is too long, takes too many positional parameters, or nests too deep.

    Why: what does not fit on a screen or in a call is read in part, and misread.
    Remedy: move each step or inner block into a function with a name; pass a record, or name the arguments.
    Source: McConnell, Code Complete, chapter 7 (2004), on length and parameters; our limits, decision 0001.
    Limits: a function nested in another counts for itself, its lines too. Keyword-only parameters and constructors'
    long lists of injected services count like others. In tests it is a note only.

    Bad: def move(left, top, width, height, depth, angle, scale, origin, speed): return left

    Okay: def move(left, top, width, height, depth, angle, scale, origin, *, speed): return left
    """
    measured = file.read(functions)
    if measured is None:
        return
    yield Checked(len(measured.functions))
    for function in measured.functions:
        for aspect, said in _excesses(function, code_lines_max, positional_max, nesting_max):
            yield Found(
                line=function.line,
                symbol=function.symbol,
                tokens=aspect,
                unit=f"{function.symbol}:{function.line}",
                message=f"{function.symbol} {said}",
                severity=Severity.INFO if file.file_class is FileClass.TEST else None,
            )


def _excesses(function: Function, lines: int, positional: int, nesting: int) -> Iterator[tuple[str, str]]:
    if function.code_lines > lines:
        yield "length", f"has {function.code_lines} lines of code, more than {lines}"
    if function.positional > positional:
        yield "parameters", f"takes {function.positional} positional parameters, more than {positional}"
    if function.nesting > nesting:
        yield "nesting", f"nests blocks {function.nesting} deep, deeper than {nesting}"
