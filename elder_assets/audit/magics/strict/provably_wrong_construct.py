"""STR003."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.functions import functions
from elder_assets.audit.facts.python_lint import LintMark, PythonLint, python_lint
from elder_assets.audit.facts.repository_facts import FileFacts
from elder_assets.audit.facts.wrong_constructs import wrong_constructs
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.registry import file_rule

_PYTHON = {
    "F501": "this % format is invalid, so the line always fails",
    "F502": "this % format names its arguments, but gets none by name",
    "F503": "this % format takes its arguments in order, but gets a dictionary",
    "F505": "this % format names an argument that it does not get",
    "F506": "this % format mixes named and unnamed arguments, so the line always fails",
    "F507": "this % format has another number of placeholders than arguments",
    "F508": "this % format has a '*' that needs arguments in order",
    "F509": "this % format has a placeholder of an unknown kind, so the line always fails",
    "F521": "this format text is invalid, so the line always fails",
    "F523": "an argument of this format call has no placeholder and is dropped",
    "F524": "a placeholder of this format call gets no argument, so the line always fails",
    "F525": "this format text mixes numbered and unnumbered placeholders, so the line always fails",
    "F601": "this key stands twice in one dictionary with different values: the first is lost",
    "F621": "too many expressions in a starred assignment: the file cannot be compiled",
    "F622": "two starred names in one assignment: the file cannot be compiled",
    "F631": "this asserts a tuple, which is always true",
    "F632": "'is' compares identity, not the value of a literal",
    "F634": "the condition is a tuple, which is always true",
    "F701": "'break' outside of a loop: the file cannot be compiled",
    "F702": "'continue' outside of a loop: the file cannot be compiled",
    "F706": "'return' outside of a function: the file cannot be compiled",
    "F707": "handlers behind a bare 'except:' are never reached: the file cannot be compiled",
    "F901": "NotImplemented is no exception: raising it fails with TypeError",
    "B002": "Python has no increment: two signs before a name do nothing",
    "B015": "this comparison stands alone: its result is thrown away",
    "B016": "only exceptions can be raised: this line fails with TypeError",
    "B025": "this exception is already caught above: the second handler is never reached",
    "B030": "this handler names something that is no exception class",
    "B034": "a flag of 're' is passed where the count stands",
    "B035": "this key of a dictionary comprehension never changes: one entry remains",
    "PLE0115": "a name is both nonlocal and global: the file cannot be compiled",
    "PLE0117": "a nonlocal name has no binding around it: the file cannot be compiled",
    "PLE0118": "a name is used before its 'global': the file cannot be compiled",
    "PLE0241": "a base class is named twice, so the class statement always fails",
    "PLE0643": "this index lies outside of the list written here",
    "PLE1132": "a keyword argument is passed twice, so the call always fails",
    "PLE1205": "this logging call has more arguments than placeholders: the message is lost",
    "PLE1206": "this logging call has fewer arguments than placeholders: the message is lost",
    "PLE1307": "a placeholder of this % format gets an argument of the wrong kind",
    "PLE1507": "the name of an environment variable must be text",
    "PLE1519": "@singledispatch on a method looks only at 'self'",
    "PLE1520": "@singledispatchmethod on a function that is no method",
    "PLE1700": "'yield from' in an async function: the file cannot be compiled",
    "PLR0124": "this compares a value with itself",
    "PLW0129": "this asserts a text, which is always true",
    "PLW0177": "nothing equals NaN: this comparison never holds",
    "PLW0245": "'super' without its brackets is the class, not the parent object",
    "PLW0711": "'except A or B' catches only A",
    "PLW1501": "this is no valid mode to open a file with",
    "PLW2101": "a lock made in the 'with' statement locks nobody out",
    "RUF016": "this index has a type that the value cannot be indexed with",
}  # fmt: skip
"""Code of ruff to what is wrong; codes that are not here are not believed by this rule."""
_OTHERS = {
    "self": "this compares a value with itself",
    "keys": "this key stands twice in one literal with different values: the first is lost",
    "cases": "this case stands twice in one switch: the second is never reached",
    "typeof": "typeof never gives this text",
    "nan": "nothing equals NaN: this comparison is always the same",
    "negation": "the '!' binds closer than 'in' and 'instanceof': it negates the left side alone",
    "fresh": "nothing is identical to a literal made here: this comparison is always the same",
    "identity": "'==' on a text compares references, not characters",
}
"""Kind of wrong_constructs to what is wrong."""


@file_rule(
    code="STR003",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="file",
    reads=(python_lint, wrong_constructs, functions),
    file_classes=(FileClass.PRODUCTION, FileClass.CONFIG),
)
def check(file: FileFacts) -> Iterator[Outcome]:
    """Flag a construct that cannot mean what it says, whatever the program does.

    Why: the line fails whenever it runs, or quietly does something else than it reads.
    Remedy: write what was meant; the message says what happens now.
    Source: Pyflakes, flake8-bugbear and Pylint, as implemented by ruff; ESLint's no-dupe-keys, no-duplicate-case,
        valid-typeof, use-isnan, no-unsafe-negation and no-self-compare; SonarQube S4973.
    Limits: tests and examples are out of scope, and so is what people do on purpose: `x != x` for NaN,
        comparisons in `try`, `with` and notebook cells, repeated keys with equal values, unused named format
        arguments. A `noqa` that names the code is respected.

    Bad:
        PRICES = {"tea": 2, "milk": 1, "tea": 3} #~

    Bad:
        def label(kind):
            if kind is "new": #~
                return "%s of %s" % (kind,) #~
            return "{} {}".format(kind) #~

    Bad:
        def label(kind):
            return "{knid}".format(kind) #~

    Bad:
        def total(prices):
            assert (prices, "no prices") #~
            total == sum(prices) #~
            return total

    Bad:
        path: src/basket.js
        const prices = {
          tea: 2,
          tea: 3, // #~
        };
        switch (kind) {
          case "a": return 1;
          case "a": return 2; // #~
        }
        if (typeof kind === "undefned") stop(); // #~
        if (total === NaN) stop(); // #~
        if (!key in prices) stop(); // #~
        if (kind === []) stop(); // #~
        if (kind.size < kind.size) stop(); // #~

    Bad:
        path: src/main/java/shop/Basket.java
        class Basket {
            boolean isEmpty(String kind) { return kind == "empty"; } // #~
        }

    Okay:
        path: src/basket.js
        const prices = { tea: 2, ...more, tea: 3, tea: 3, get milk() { return 1; }, set milk(price) {} };
        switch (kind) { case "a": case "b": return 1; default: return 2; }
        if (typeof kind === "undefined" || price !== price || !(key in prices) || next() < next()) stop();

    Okay: PRICES = {"tea": 2, "milk": 1, "tea": 2}

    Okay:
        def is_nan(price):
            return price != price

    Okay:
        def sortable(left, right):
            try:
                left < right
            except TypeError:
                return False
            return True
    """
    wrong = list(_wrong_places(file))
    if file.read(wrong_constructs) is not None or file.read(python_lint) is not None:
        yield Checked()
    measured = file.read(functions)
    for line, tokens, message in wrong:
        symbol = measured.enclosing(line) if measured else ""
        yield Found(line=line, symbol=symbol, tokens=tokens, unit="file", message=message)


def _wrong_places(file: FileFacts) -> Iterator[tuple[int, str, str]]:
    """Line, tokens and message of everything wrong in a file."""
    lint = file.read(python_lint)
    for mark in lint.marks if lint is not None else ():
        if lint is not None and mark.code in _PYTHON and not (_is_deliberate(mark, lint) or _is_told(mark, lint)):
            yield mark.line, f"{mark.code} {mark.tokens}", _PYTHON[mark.code]
    others = file.read(wrong_constructs)
    for place in others.found if others is not None else ():
        yield place.line, f"{place.kind} {place.tokens}", _OTHERS[place.kind]


def _is_deliberate(mark: LintMark, lint: PythonLint) -> bool:
    if mark.code == "B015":
        return lint.is_notebook or mark.context in {"try", "with"}
    return mark.code == "F706" and lint.is_notebook


def _is_told(mark: LintMark, lint: PythonLint) -> bool:
    """Whether another mark says the same of the same place: a misnamed placeholder also drops its argument."""
    if mark.code == "B030":
        return any(other.code == "PLW0711" and other.line == mark.line for other in lint.marks)
    return mark.code == "F523" and any(
        (other.code, other.line, other.tokens) == ("F524", mark.line, mark.tokens) for other in lint.marks
    )
