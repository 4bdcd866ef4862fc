"""The engine: one error boundary, outcomes with reasons, units that add up, bounded reading."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from elder_assets.audit.engine import audit, collect, judge
from elder_assets.audit.errors import ConfigurationError, SourceError
from elder_assets.audit.facts.extraction import MemoryFactStore, extractor
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.judgement import limits_of
from elder_assets.audit.model import (
    Checked,
    FileClass,
    Found,
    NotApplicable,
    NotAvailable,
    Outcome,
    Severity,
    Status,
    Tier,
    Verdict,
)
from elder_assets.audit.registry import Catalogue, Magic, Rule, file_rule, repository_rule
from elder_assets.audit.ruler import RuleMeasure, default_ruler
from elder_assets.audit.testing import MemorySource

GIT = Magic("git", "GIT", "Git", "?")


class Size(msgspec.Struct, frozen=True):
    size: int


PARSED: list[bytes] = []


@extractor(version=1)
def size_probe(blob: Blob) -> Size:
    PARSED.append(blob.data)
    if blob.data == b"boom\n":
        msg = "cannot read this"
        raise ValueError(msg)
    return Size(len(blob.data))


def rules(*checks: Any) -> Catalogue:
    built = []
    for number, check in enumerate(checks, start=1):
        rule: Rule = check.__rule__
        built.append(msgspec.structs.replace(rule, code=f"GIT00{number}", birth_code=f"GIT00{number}", magic="git"))
    return Catalogue((GIT,), tuple(built))


def run(files: dict[str, str], *checks: Any, tier: Tier = Tier.GATE) -> Verdict:
    known = rules(*checks)
    measured = default_ruler(known)
    measured = msgspec.structs.replace(
        measured, rules={code: msgspec.structs.replace(m, tier=tier) for code, m in measured.rules.items()}
    )
    return audit(MemorySource(files), MemoryFactStore(), measured, rules=known)


def per_file(**options: Any) -> Any:
    return file_rule(
        code="GIT001", severity=Severity.MEDIUM, tier=Tier.GATE, unit="file", **{"reads": (size_probe,), **options}
    )


def per_repository(**options: Any) -> Any:
    return repository_rule(code="GIT001", severity=Severity.MEDIUM, tier=Tier.GATE, unit="thing", **options)


@per_file()
def small_file(file: Any, *, bytes_min: int = 5) -> Iterator[Outcome]:
    measured = file.read(size_probe)
    if measured is None:
        return
    yield Checked(1)
    if measured.size < bytes_min:
        yield Found(message="small", line=1, unit="file")


@per_repository()
def crashing(facts: Any) -> Iterator[Outcome]:
    yield Checked(1)
    raise RuntimeError("out of ideas")


@per_repository()
def absent(facts: Any) -> Iterator[Outcome]:
    yield NotApplicable("nothing of the kind")


@per_repository()
def blind(facts: Any) -> Iterator[Outcome]:
    yield NotAvailable("no token")


@per_repository()
def miscounting(facts: Any) -> Iterator[Outcome]:
    yield Checked(1)
    yield Found(message="a", tokens="a")
    yield Found(message="b", tokens="b")


@per_repository()
def silent(facts: Any) -> Iterator[Outcome]:
    yield from ()


def test_a_file_rule_counts_every_file_and_places_its_findings():
    verdict = run({"a.py": "x\n", "b/c.py": "long enough\n", "d.py": "y\n"}, small_file)
    assert [(f.path, f.line) for f in verdict.findings] == [("a.py", 1), ("d.py", 1)]
    (outcome,) = verdict.outcomes
    assert (outcome.status, outcome.units, outcome.affected) == (Status.FINDING, 3, 2)
    assert verdict.magics[0].score == 100 * Fraction(1, 3) ** 4


def test_a_rule_that_raises_is_an_error_and_never_a_pass():
    verdict = run({"a.py": "long enough\n"}, small_file, crashing)
    assert verdict.outcomes[0].status is Status.PASS
    assert verdict.outcomes[1].status is Status.ERROR
    assert verdict.outcomes[1].reason == "RuntimeError: out of ideas"
    assert (verdict.status, verdict.score) == (Status.ERROR, None)


@pytest.mark.parametrize(
    ("check", "status", "reason"),
    [
        (absent, Status.NOT_APPLICABLE, "nothing of the kind"),
        (blind, Status.NOT_AVAILABLE, "no token"),
        (silent, Status.NOT_APPLICABLE, "no thing to look at"),
        (miscounting, Status.ERROR, "2 units affected of 1: the rule does not count its units"),
    ],
)
def test_what_a_rule_says_has_a_status_and_a_reason(check: Any, status: Status, reason: str):
    (outcome,) = run({"a.py": "x\n"}, check).outcomes
    assert (outcome.status, outcome.reason) == (status, reason)


def test_info_findings_are_shown_and_cost_nothing():
    @per_repository()
    def notice(facts: Any) -> Iterator[Outcome]:
        yield Checked(1)
        yield Found(message="by the way", severity=Severity.INFO)

    verdict = run({"a.py": "x\n"}, notice)
    assert len(verdict.findings) == 1
    assert verdict.magics[0].score == 100


def test_a_ruler_that_moves_a_severity_moves_the_finding():
    known = rules(small_file)
    measured = default_ruler(known)
    high = RuleMeasure(version=1, severity=Severity.HIGH, tier=Tier.GATE, limits={"bytes_min": 5})
    measured = msgspec.structs.replace(measured, rules={"GIT001": high})
    verdict = audit(MemorySource({"a.py": "x\n"}), MemoryFactStore(), measured, rules=known)
    assert verdict.findings[0].severity is Severity.HIGH
    assert verdict.magics[0].score == 0  # one of one affected; the cap at 79 does not lift it


def test_limits_come_from_the_ruler():
    known = rules(small_file)
    measured = default_ruler(known)
    wide = RuleMeasure(version=1, severity=Severity.LOW, tier=Tier.GATE, limits={"bytes_min": 100})
    measured = msgspec.structs.replace(measured, rules={"GIT001": wide})
    verdict = audit(MemorySource({"a.py": "long enough\n"}), MemoryFactStore(), measured, rules=known)
    assert len(verdict.findings) == 1


def answers(judged):
    return [(judgement.status, judgement.units, judgement.answers) for judgement in judged.judgements]


def test_a_known_blob_is_never_read_again():
    store, known = MemoryFactStore(), rules(small_file)
    source = MemorySource({"a.py": "some text\n", "copy.py": "some text\n"})
    PARSED.clear()
    first = collect(source, store, rules=known)
    assert PARSED == [b"some text\n"]
    second = collect(source, store, rules=known)
    assert PARSED == [b"some text\n"]
    limits = limits_of(default_ruler(known))
    assert answers(judge(first, limits, rules=known)) == answers(judge(second, limits, rules=known))


def test_a_file_that_cannot_be_read_is_skipped_with_its_reason_and_the_rest_is_audited():
    verdict = run({"bad.py": "boom\n", "good.py": "long enough\n"}, small_file)
    assert (verdict.coverage.eligible, verdict.coverage.analysed) == (2, 1)
    (skipped,) = verdict.coverage.skipped
    assert (skipped.path, skipped.reason) == ("bad.py", "size_probe: cannot read this")
    assert verdict.outcomes[0].units == 1


def test_a_file_over_the_limit_is_skipped_with_its_size():
    verdict = run({"big.py": "x = 1\n" * 200_000, "good.py": "long enough\n"}, small_file)
    (skipped,) = verdict.coverage.skipped
    assert (skipped.path, skipped.reason) == ("big.py", "1.2 MB, over the limit of 1.0 MB for analysis")


def test_a_repository_without_code_has_no_score():
    verdict = run({"README.md": "# Nothing here\n"}, absent)
    assert (verdict.status, verdict.reason, verdict.score) == (Status.NOT_APPLICABLE, "no code", None)


def test_files_outside_the_classes_of_a_rule_are_not_judged():
    verdict = run({"tests/test_a.py": "x\n", "vendor/b.py": "x\n", "c.py": "x\n"}, small_file)
    assert [f.path for f in verdict.findings] == ["c.py"]


def test_an_unknown_magic_is_refused_by_name():
    known = rules(small_file)
    facts = collect(MemorySource({"a.py": "x\n"}), MemoryFactStore(), rules=known)
    with pytest.raises(ConfigurationError, match=r"magic: got 'gti'; allowed: git"):
        judge(facts, limits_of(default_ruler(known)), rules=known, magics=["gti"])


def test_a_source_error_is_not_swallowed():
    class Broken(MemorySource):
        def tree(self, commit: str | None = None) -> Any:
            msg = "the tree is corrupt"
            raise SourceError(msg)

    with pytest.raises(SourceError):
        audit(Broken({}), MemoryFactStore(), default_ruler(rules(small_file)), rules=rules(small_file))


def test_the_order_of_findings_is_total():
    verdict = run({f"{name}.py": "x\n" for name in "dbca"}, small_file)
    assert [f.path for f in verdict.findings] == ["a.py", "b.py", "c.py", "d.py"]
    assert FileClass.PRODUCTION.value == "production"
