"""Frames keep their schemas: what is right passes, and each way of being wrong is named with column and row."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

pd = pytest.importorskip("pandas")

from elder_assets.audit import frames  # noqa: E402 - it needs pandas
from elder_assets.audit.engine import audit  # noqa: E402
from elder_assets.audit.errors import FrameRefused  # noqa: E402
from elder_assets.audit.facts.extraction import MemoryFactStore  # noqa: E402
from elder_assets.audit.model import (  # noqa: E402
    Coverage,
    Finding,
    MagicResult,
    RuleOutcome,
    Severity,
    Snapshot,
    Status,
    Tier,
    Verdict,
)
from elder_assets.audit.ruler import default_ruler  # noqa: E402
from elder_assets.audit.testing import MemorySource  # noqa: E402

pytestmark = pytest.mark.platform


def finding(number: int = 1, **changes: object) -> Finding:
    fields: dict[str, object] = {
        "rule": "TDD002",
        "severity": Severity.HIGH,
        "tier": Tier.GATE,
        "path": "tests/test_total.py",
        "line": number,
        "symbol": "test_total",
        "message": "this assertion can never fail",
        "remedy": "assert the value",
        "fingerprint": f"v1:{number:064x}",
        "unit": "test_total",
    }
    return Finding(**(fields | changes))


def verdict(*findings: Finding, as_of: int = 1_700_000_000) -> Verdict:
    outcome = RuleOutcome(
        rule="TDD002", status=Status.FINDING if findings else Status.PASS, units=4, affected=bool(findings)
    )
    tdd = MagicResult(
        magic="tdd",
        status=Status.WARNING,
        reason="",
        score=Fraction(200, 3),
        weight_share=Fraction(1, 3),
        outcomes=(outcome,),
    )
    return Verdict(
        snapshot=Snapshot(repository="local/shop", commit="a" * 40, tree="b" * 40, as_of=as_of),
        ruler="c" * 64,
        baseline=None,
        coverage=Coverage(4, 3),
        status=Status.WARNING,
        reason="",
        score=Fraction(200, 3),
        magics=(tdd,),
        findings=findings,
    )


@pytest.mark.parametrize("schema", frames.SCHEMAS.values(), ids=list(frames.SCHEMAS))
def test_an_empty_frame_keeps_its_schema(schema: frames.FrameSchema):
    empty = frames.empty_frame(schema)
    assert len(empty) == 0
    assert frames.problems(schema, empty) == []


@pytest.mark.parametrize("schema", frames.SCHEMAS.values(), ids=list(frames.SCHEMAS))
def test_a_number_has_a_unit_and_a_key_is_made_of_columns(schema: frames.FrameSchema):
    assert set(schema.key) <= set(schema.names)
    assert all(column.unit for column in schema.columns if column.dtype in {"int64", "float64"})


def test_a_verdict_becomes_four_valid_frames():
    found = frames.verdict_frames(verdict(finding(1), finding(2)), run_id="r1")
    assert {name: len(content) for name, content in found.items()} == {
        "snapshots": 1,
        "findings": 2,
        "outcomes": 1,
        "scores": 1,
    }
    assert [
        problem for name, content in found.items() for problem in frames.problems(frames.SCHEMAS[name], content)
    ] == []
    snapshot, score = found["snapshots"].iloc[0], found["scores"].iloc[0]
    assert (snapshot["score"], snapshot["score_exact"], snapshot["coverage_share"]) == (66.7, "200/3", 0.75)
    assert snapshot["as_of_utc"] == pd.Timestamp("2023-11-14T22:13:20Z")
    assert (score["findings"], score["suggestions"], score["weight_share"]) == (2, 2, "1/3")
    assert set(found["findings"]["magic"]) == {"tdd"}


def test_a_real_audit_becomes_valid_frames():
    source = MemorySource({"shop/basket.py": "def total(prices):\n    return sum(prices)\n"})
    audited = audit(source, MemoryFactStore(), default_ruler())
    found = frames.verdict_frames(audited)
    assert [
        problem for name, content in found.items() for problem in frames.problems(frames.SCHEMAS[name], content)
    ] == []
    assert len(found["outcomes"]) == len(audited.outcomes)
    assert list(found["scores"]["magic"]) == [magic.magic for magic in audited.magics]


def test_records_come_back_from_frames_as_they_went_in():
    audited = verdict(finding(1), finding(2, symbol="", remedy=""))
    found = frames.verdict_frames(audited)
    assert frames.findings_of(found["findings"]) == audited.findings
    assert frames.outcomes_of(found["outcomes"]) == audited.outcomes


@pytest.mark.parametrize("seconds", [-(2**62), 2**62], ids=["past", "future"])
def test_a_date_that_no_calendar_holds_is_cut_to_its_ends(seconds: int):
    found = frames.snapshots_frame(verdict(as_of=seconds))
    assert frames.problems(frames.SNAPSHOTS, found) == []
    assert found["as_of_utc"].iloc[0].year in {1, 9999}


def test_a_row_may_lack_what_is_nullable_only():
    found = frames.snapshots_frame(verdict(), audited_at=datetime(2026, 1, 2, tzinfo=UTC))
    assert frames.problems(frames.SNAPSHOTS, found) == []
    found.loc[0, "tree"] = None
    assert frames.problems(frames.SNAPSHOTS, found) == ["snapshots.tree: missing in row 0"]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("severity", "awful", "findings.severity: 'awful' is not one of critical, high, medium, low, info in row 1"),
        ("line", -1, "findings.line: '-1' is not at least 0 in row 1"),
        ("rule", "TDD2", r"findings.rule: 'TDD2' is not of the form [A-Z]{3}\d{3}|EXT:[^:]+:.+ in row 1"),
        ("message", "", "findings.message: '' is not of the form (?s).+ in row 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_column_and_row(column: str, value: object, expected: str):
    content = frames.verdict_frames(verdict(finding(1), finding(2)))["findings"]
    content.loc[1, column] = value
    with pytest.raises(FrameRefused, match=r"^findings") as caught:
        frames.validate(frames.FINDINGS, content)
    assert str(caught.value) == expected


def test_more_wrong_rows_than_can_be_named_are_counted():
    content = frames.verdict_frames(verdict(*(finding(number) for number in range(1, 9))))["findings"]
    content["tier"] = "loud"
    assert frames.problems(frames.FINDINGS, content)[0].endswith("in row 0, 1, 2, 3, 4 and 3 more")


def test_a_key_that_is_used_twice_is_refused():
    same = {"audit_key": "k1:" + "a" * 64, "repository": "local/shop", "revision": "a" * 40}
    content, _ = frames.magic_frames(same, "tdd", [finding(1), finding(1)], [])
    assert frames.problems(frames.FINDINGS, content) == ["findings: key audit_key, fingerprint is used twice in row 1"]


def test_columns_and_dtypes_that_differ_are_refused():
    content = frames.verdict_frames(verdict(finding(1)))["findings"]
    assert "lacking ['line']" in frames.problems(frames.FINDINGS, content.drop(columns="line"))[0]
    content["line"] = content["line"].astype("float64")
    assert frames.problems(frames.FINDINGS, content) == ["findings.line: dtype is float64, must be int64"]


def test_a_value_that_cannot_be_its_dtype_names_the_column():
    with pytest.raises(FrameRefused, match=r"outcomes\.units cannot be int64"):
        frames.frame(
            frames.OUTCOMES,
            [dict.fromkeys(frames.OUTCOMES.names, "x") | {"units": "many", "duration_ms": 1.0}],
        )


def test_the_audit_key_moves_with_each_of_its_parts():
    key = verdict().key
    import msgspec

    changed = [
        msgspec.structs.replace(key, **{name: "d" * 40})
        for name in ("repository", "revision", "ruler", "baseline", "refs_digest")
    ]
    assert len({key.digest, *(other.digest for other in changed)}) == 6
