"""STR015."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.comments import comments
from elder_assets.audit.facts.grammars import language_of
from elder_assets.audit.facts.repository_facts import FileFacts
from elder_assets.audit.model import CODE_CLASSES, Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.registry import file_rule

_NAMED = {
    "flake8 and ruff": "# noqa: F401",
    "mypy": "# type: ignore[arg-type]",
    "pyright": "# pyright: ignore[reportArgumentType]",
    "pylint": "# pylint: disable=unused-argument",
    "bandit": "# nosec B602",
    "eslint": "eslint-disable-next-line no-console",
    "tslint": "tslint:disable-next-line:no-console",
    "golangci-lint": "//nolint:errcheck",
    "revive": "//revive:disable-line:exported",
    "gosec": "#nosec G304",
    "RuboCop": "# rubocop:disable Metrics/MethodLength",
    "ReSharper": "// ReSharper disable once UnusedMember.Global",
}
_WITHOUT_NAMES = {
    "typescript": "Use @ts-expect-error, which fails once it is not needed, and say behind it why.",
    "SonarQube": "Say behind it which rule does not apply, and why.",
    "PMD": "Say behind it which rule does not apply, and why.",
    "the compiler": "Name the warnings that do not apply.",
}


@file_rule(
    code="STR015",
    severity=Severity.LOW,
    tier=Tier.GATE,
    unit="suppression",
    reads=(comments,),
    file_classes=CODE_CLASSES,
)
def check(file: FileFacts) -> Iterator[Outcome]:
    """Flag a suppression of a linter or compiler that does not say what it suppresses.

    Why: it also hides the next defect on its line or in its file, which nobody has looked at.
    Remedy: name the rule behind it, as in `# noqa: F401` or `eslint-disable-next-line no-console`.
    Source: ruff PGH003 and PGH004, eslint-comments/no-unlimited-disable, nolintlint, typescript-eslint ban-ts-comment.
    Limits: production, test and example code, but not the other files of a test folder: there, formatters and linters
    keep their inputs. `@ts-ignore` and `NOSONAR` know no rule names: a reason behind them will
    do. What a tool would not obey (`// eslint-disable`, a `# noqa` on a line of its own) is none.

    Bad:
        path: shop/basket.py
        import json  # noqa #~
        price: int = "a"  # type: ignore #~

    Bad:
        path: shop/basket.js
        /* eslint-disable */
        console.log(1)

    Bad:
        path: shop/basket.ts
        // @ts-ignore
        price = "a"

    Bad:
        path: shop/basket.go
        package shop
        var price = read() //nolint

    Bad:
        path: shop/Basket.cs
        #pragma warning disable
        class Basket { }

    Bad:
        path: shop/basket.rb
        price = eval(text) # rubocop:disable all

    Okay:
        path: shop/basket.py
        import json  # noqa: F401
        price: int = "a"  # type: ignore[assignment]
        text = "# noqa"
        # a "# noqa" in a sentence silences nothing

    Okay:
        path: tests/format/input.js
        /* eslint-disable */

    Okay:
        path: shop/basket.ts
        // eslint-disable-next-line no-console -- the command line's output
        console.log(1)
        // @ts-ignore: the library's types are older than the library
        price = "a"
    """
    found = file.read(comments)
    if found is None or _is_test_input(file):
        return
    yield Checked(len(found.suppressions))
    for suppression in found.suppressions:
        if not suppression.has_code:
            named = _NAMED.get(suppression.tool)
            yield Found(
                line=suppression.line,
                tokens=f"{suppression.tool} {suppression.tokens}",
                message=f"`{suppression.directive}` silences {suppression.tool} without saying what it hides",
                remedy=f"Name the rule: `{named}`." if named else _WITHOUT_NAMES[suppression.tool],
            )


def _is_test_input(file: FileFacts) -> bool:
    language = language_of(file.variant)
    return file.file_class is FileClass.TEST and language is not None and not language.is_test_path(file.path)
