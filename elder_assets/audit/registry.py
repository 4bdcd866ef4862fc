"""Magics and rules: how a rule declares itself, and the catalogue that is found by walking `magics/`.

A rule is one file `magics/<magic>/<rule_name>.py` with one function under `@file_rule` or `@repository_rule`.
Whatever does not load, collides or lies outside its magic's prefix fails the whole load: an auditor that
vanished must never look like clean code.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from elder_assets.audit.errors import CatalogueError
from elder_assets.audit.facts.directives import directives
from elder_assets.audit.facts.extraction import AnyExtractor
from elder_assets.audit.facts.repository_facts import FileFacts, RepositoryFacts
from elder_assets.audit.former_codes import FORMER_CODES
from elder_assets.audit.model import FileClass, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex

CODE_PATTERN = regex(r"[A-Z]{3}\d{3}")
HEADINGS = ("Why", "Remedy", "Source", "Limits")


class Magic(msgspec.Struct, frozen=True):
    """One of the eight auditors."""

    name: str
    prefix: str
    title: str
    question: str


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One question, and the function that answers it."""

    code: str
    birth_code: str
    """The code under which it was born; part of every fingerprint, so that renaming keeps identities (D5)."""
    name: str
    magic: str
    severity: Severity
    tier: Tier
    """The highest tier it may reach; the effective one comes from the ruler (D4)."""
    evidence: str
    """What it reads: T tree, H history, C CI configuration, P provider, R report, S earlier state."""
    version: int
    unit: str
    """What one eligible unit is, in the singular: 'test', 'function', 'change', 'workflow'."""
    fix: Literal["safe", "suggested", "none"]
    check: Callable[..., Iterator[Outcome]]
    scope: Literal["file", "repository"]
    reads: tuple[AnyExtractor, ...]
    file_classes: tuple[FileClass, ...]
    """For file rules: the classes of files it looks at."""
    limits: dict[str, int]
    """Thresholds with their defaults, by name with unit; the ruler may change them."""
    cwe: int
    """Number of the weakness in the Common Weakness Enumeration that a finding is; 0 when it is not about security."""
    example_path: str
    """Path under which the docstring's cases are judged."""

    @property
    def summary(self) -> str:
        """First sentence of the docstring."""
        return self.documentation["Summary"]

    @property
    def documentation(self) -> dict[str, str]:
        """The docstring by heading: Summary, Why, Remedy, Source, Limits; cases left out."""
        return _documentation(self.check)

    @property
    def remedy(self) -> str:
        """What to do about a finding."""
        return self.documentation.get("Remedy", "")


@functools.cache
def _documentation(check: Callable[..., Any]) -> dict[str, str]:
    return parse_documentation(inspect.getdoc(check) or "")


FileCheck = Callable[..., Iterator[Outcome]]


def file_rule(
    *,
    code: str,
    severity: Severity,
    tier: Tier,
    unit: str,
    reads: Sequence[AnyExtractor],
    file_classes: Sequence[FileClass] = (FileClass.PRODUCTION,),
    evidence: str = "T",
    version: int = 1,
    fix: Literal["safe", "suggested", "none"] = "none",
    birth_code: str | None = None,
    cwe: int = 0,
    example_path: str = "shop/basket.py",
) -> Callable[[FileCheck], FileCheck]:
    """Declare a rule that judges one file at a time: `check(file: FileFacts, *, limit=default)`.

    It yields `Checked(units)` and `Found(...)`; the engine fills in the path. Its keyword-only integers are its
    limits. It must be a pure function of the file's path, class and facts.
    """
    return _declare(
        FileFacts,
        "file",
        code=code,
        severity=severity,
        tier=tier,
        unit=unit,
        reads=tuple(reads),
        file_classes=tuple(file_classes),
        evidence=evidence,
        version=version,
        fix=fix,
        birth_code=birth_code or code,
        cwe=cwe,
        example_path=example_path,
    )


def repository_rule(
    *,
    code: str,
    severity: Severity,
    tier: Tier,
    unit: str,
    reads: Sequence[AnyExtractor] = (),
    evidence: str = "T",
    version: int = 1,
    fix: Literal["safe", "suggested", "none"] = "none",
    birth_code: str | None = None,
    cwe: int = 0,
    example_path: str = "shop/basket.py",
) -> Callable[[FileCheck], FileCheck]:
    """Declare a rule that judges the repository as a whole: `check(facts: RepositoryFacts, *, limit=default)`."""
    return _declare(
        RepositoryFacts,
        "repository",
        code=code,
        severity=severity,
        tier=tier,
        unit=unit,
        reads=tuple(reads),
        file_classes=(),
        evidence=evidence,
        version=version,
        fix=fix,
        birth_code=birth_code or code,
        cwe=cwe,
        example_path=example_path,
    )


def _declare(_subject: type, scope: Literal["file", "repository"], **fields: Any) -> Callable[[FileCheck], FileCheck]:
    def decorate(function: FileCheck) -> FileCheck:
        module = function.__module__.split(".")
        limits = {
            name: parameter.default
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY
        }
        function.__rule__ = Rule(  # type: ignore[attr-defined]
            name=module[-1].replace("_", "-"),
            magic=module[-2] if len(module) > 1 else "",
            check=function,
            scope=scope,
            limits=limits,
            **fields,
        )
        return function

    return decorate


class Catalogue(msgspec.Struct, frozen=True):
    """Every magic and rule, in the order in which reports name them."""

    magics: tuple[Magic, ...]
    rules: tuple[Rule, ...]

    def of(self, magic: str) -> tuple[Rule, ...]:
        """The rules of one magic, in order of code."""
        return tuple(rule for rule in self.rules if rule.magic == magic)

    def rule(self, code: str) -> Rule:
        """The rule with this code.

        Raises:
            KeyError: there is none.
        """
        return next_or_raise((rule for rule in self.rules if rule.code == code), code)

    def extractors(self) -> tuple[AnyExtractor, ...]:
        """Every extractor and probe that a rule or Elder itself reads in the tree, in order of name."""
        return _unique([directives, *(extractor for rule in self.rules for extractor in rule.reads)])


def next_or_raise(rules: Iterator[Rule], code: str) -> Rule:
    """The first rule.

    Raises:
        KeyError: there is none.
    """
    for rule in rules:
        return rule
    raise KeyError(code)


def _unique(extractors: Iterable[AnyExtractor]) -> tuple[AnyExtractor, ...]:
    found: dict[str, AnyExtractor] = {}
    for extractor in extractors:
        if found.setdefault(extractor.name, extractor) is not extractor:
            msg = f"two extractors are named {extractor.name!r}: a probe must have a name of its own"
            raise CatalogueError(msg)
    return tuple(found[name] for name in sorted(found))


MAGIC_ORDER = ("integrity", "tdd", "flow", "sages", "git", "servant", "strict", "predictive")


@functools.cache
def catalogue() -> Catalogue:
    """Load every magic and rule by walking `magics/`.

    Raises:
        CatalogueError: something does not load, collides, or lies outside its magic's prefix.
    """
    from elder_assets.audit import magics as package

    return load_catalogue(package.__name__, package.__path__)


def load_catalogue(package: str, path: Iterable[str]) -> Catalogue:
    """Load the magics and rules below a package; see `catalogue`."""
    magics: list[Magic] = []
    rules: list[Rule] = []
    for folder in pkgutil.iter_modules(path):
        module = _import(f"{package}.{folder.name}")
        magic = getattr(module, "MAGIC", None)
        if not isinstance(magic, Magic) or magic.name != folder.name:
            msg = f"{module.__name__} has no MAGIC named {folder.name!r}"
            raise CatalogueError(msg)
        magics.append(magic)
        for file in pkgutil.iter_modules(module.__path__):
            if not file.name.startswith("_"):
                rules.append(_load_rule(_import(f"{module.__name__}.{file.name}"), magic))
    rules.sort(key=lambda rule: rule.code)
    _refuse_collisions(magics, rules)
    _refuse_lost_codes(rules)
    order = {name: index for index, name in enumerate(MAGIC_ORDER)}
    magics.sort(key=lambda magic: (order.get(magic.name, len(order)), magic.name))
    result = Catalogue(tuple(magics), tuple(rules))
    result.extractors()
    return result


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except CatalogueError:
        raise
    except Exception as error:
        msg = f"{name} does not load: {error}"
        raise CatalogueError(msg) from error


def _load_rule(module: Any, magic: Magic) -> Rule:
    found: list[Rule] = [
        value.__rule__
        for value in vars(module).values()
        if isinstance(getattr(value, "__rule__", None), Rule) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        msg = f"{module.__name__} must hold one rule, holds {len(found)}"
        raise CatalogueError(msg)
    rule = found[0]
    if not CODE_PATTERN.fullmatch(rule.code) or not rule.code.startswith(magic.prefix):
        msg = f"{module.__name__}: code {rule.code!r} is not {magic.prefix} and three digits"
        raise CatalogueError(msg)
    wrong = {name: value for name, value in rule.limits.items() if type(value) is not int}
    if wrong:
        msg = f"{rule.code}: limits must be keyword-only integers with a default, got {wrong}"
        raise CatalogueError(msg)
    return rule


def _refuse_collisions(magics: Sequence[Magic], rules: Sequence[Rule]) -> None:
    for what, values in (
        ("magic prefix", [magic.prefix for magic in magics]),
        ("rule code", [rule.code for rule in rules]),
        ("rule name", [rule.name for rule in rules]),
        ("birth code", [rule.birth_code for rule in rules]),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice:
            msg = f"{what} used twice: {', '.join(twice)}"
            raise CatalogueError(msg)


def _refuse_lost_codes(rules: Sequence[Rule]) -> None:
    """Every code a rule ever had leads to the rule, and to no other."""
    codes = {rule.code for rule in rules}
    for rule in rules:
        if rule.birth_code != rule.code and FORMER_CODES.get(rule.birth_code) != rule.code:
            msg = f"{rule.code} was born as {rule.birth_code}, which FORMER_CODES does not say"
            raise CatalogueError(msg)
    if reused := sorted(codes & FORMER_CODES.keys()):
        msg = f"a retired rule code is used again: {', '.join(reused)}"
        raise CatalogueError(msg)


def parse_documentation(docstring: str) -> dict[str, str]:
    """A rule's docstring by heading; the first paragraph is 'Summary', cases (Bad, Okay) are left out."""
    summary, _, rest = docstring.partition("\n\n")
    found = {"Summary": " ".join(summary.split())}
    current = ""
    for line in rest.splitlines():
        heading, colon, text = line.partition(":")
        if colon and heading in HEADINGS:
            current = heading
            found[current] = text.strip()
        elif colon and heading in {"Bad", "Okay"}:
            current = ""
        elif current and line.strip():
            found[current] += " " + line.strip()
    return found
