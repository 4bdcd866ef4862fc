"""Frame schemas: the tables that Dagster, the store, the checks and the pages share, and the only pandas of the core.

Records become frames here and nowhere else. Every frame has one schema: columns in a fixed order with dtype,
unit and allowed values, and the columns that identify a row. Great-expectations suites are derived from the same
schemas (`elder_assets/checks/suites.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import pandas as pd

from elder_assets.audit import rows
from elder_assets.audit.dates import utc
from elder_assets.audit.errors import FrameRefused
from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Tier, Verdict

if TYPE_CHECKING:
    from elder_assets.audit.history import WeekScore

Dtype = Literal["str", "int64", "Int64", "float64", "datetime64[us, UTC]"]
"""`Int64` is the integer that may be missing."""
ROWS_NAMED_MAX = 5
"""Wrong rows that an error names for each column."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column: what it holds and what is allowed in it."""

    name: str
    dtype: Dtype = "str"
    unit: str = ""
    """Of a number: 'lines', 'share 0-1', 'points 0-100', 'ms'."""
    nullable: bool = False
    allowed: tuple[str, ...] = ()
    """Closed set of values; empty = any."""
    lowest: float | None = None
    highest: float | None = None
    pattern: str = ""
    """Regular expression that the whole value matches; '' = any."""


class FrameSchema(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of frame."""

    name: str
    row: str
    """What one row is."""
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns that together identify a row."""

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [column.name for column in self.columns]


OID = r"[0-9a-f]{40}|[0-9a-f]{64}"
SHA256 = r"[0-9a-f]{64}"
RULE_CODE = r"[A-Z]{3}\d{3}|EXT:[^:]+:.+"
FRACTION = r"-?\d+(/\d+)?"

_RULE_STATUSES = (Status.FINDING, Status.PASS, Status.NOT_APPLICABLE, Status.NOT_AVAILABLE, Status.ERROR)
_SCORE_STATUSES = (
    Status.PASSED,
    Status.WARNING,
    Status.FAILED,
    Status.NOT_APPLICABLE,
    Status.INSUFFICIENT,
    Status.ERROR,
)
_IDENTITY = (
    Column(name="audit_key", pattern=f"k1:{SHA256}"),
    Column(name="repository", pattern=r".+"),
    Column(name="revision", pattern=OID),
)
_SCORE = (
    Column(name="score", dtype="float64", unit="points 0-100, rounded to 0.1", nullable=True, lowest=0, highest=100),
    Column(name="score_exact", unit="points 0-100, exact fraction", nullable=True, pattern=FRACTION),
)

SNAPSHOTS = FrameSchema(
    name="snapshots",
    row="one audited snapshot of a repository under a ruler",
    columns=(
        *_IDENTITY,
        Column(name="commit", nullable=True, pattern=OID),
        Column(name="tree", pattern=OID),
        Column(name="kind", allowed=("default", "change_request", "adhoc")),
        Column(name="as_of_utc", dtype="datetime64[us, UTC]"),
        Column(name="audited_at_utc", dtype="datetime64[us, UTC]", nullable=True),
        Column(name="ruler", pattern=SHA256),
        Column(name="baseline", nullable=True, pattern=OID),
        Column(name="refs_digest"),
        Column(name="eligible_files", dtype="int64", unit="files", lowest=0),
        Column(name="analysed_files", dtype="int64", unit="files", lowest=0),
        Column(name="coverage_share", dtype="float64", unit="share 0-1", nullable=True, lowest=0, highest=1),
        Column(name="status", allowed=tuple(_SCORE_STATUSES)),
        Column(name="reason"),
        *_SCORE,
        Column(name="findings", dtype="int64", unit="findings", lowest=0),
        Column(name="run_id", nullable=True),
    ),
    key=("audit_key",),
)

FINDINGS = FrameSchema(
    name="findings",
    row="one finding of a rule on a snapshot",
    columns=(
        *_IDENTITY,
        Column(name="magic", pattern=r"[a-z_]+"),
        Column(name="rule", pattern=RULE_CODE),
        Column(name="severity", allowed=tuple(Severity)),
        Column(name="tier", allowed=tuple(Tier)),
        Column(name="path"),
        Column(name="line", dtype="int64", unit="lines, 1-based; 0 = the whole file", lowest=0),
        Column(name="symbol"),
        Column(name="message", pattern=r"(?s).+"),
        Column(name="remedy"),
        Column(name="fingerprint", pattern=rf"v1:{SHA256}"),
        Column(name="unit", pattern=r"(?s).+"),
    ),
    key=("audit_key", "fingerprint"),
)

OUTCOMES = FrameSchema(
    name="outcomes",
    row="how one rule came out on a snapshot",
    columns=(
        *_IDENTITY,
        Column(name="magic", pattern=r"[a-z_]+"),
        Column(name="rule", pattern=RULE_CODE),
        Column(name="status", allowed=tuple(_RULE_STATUSES)),
        Column(name="reason"),
        Column(name="units", dtype="int64", unit="eligible units", lowest=0),
        Column(name="affected", dtype="int64", unit="units with a finding", lowest=0),
        Column(name="duration_ms", dtype="float64", unit="ms", lowest=0),
    ),
    key=("audit_key", "rule"),
)

SCORES = FrameSchema(
    name="scores",
    row="how one magic came out on a snapshot",
    columns=(
        *_IDENTITY,
        Column(name="magic", pattern=r"[a-z_]+"),
        Column(name="status", allowed=tuple(_SCORE_STATUSES)),
        Column(name="reason"),
        *_SCORE,
        Column(name="weight_share", unit="share 0-1 of the rule weight that applied, exact fraction", pattern=FRACTION),
        Column(name="findings", dtype="int64", unit="findings", lowest=0),
        Column(name="suggestions", dtype="int64", unit="findings with a remedy", lowest=0),
        Column(name="duration_ms", dtype="float64", unit="ms", lowest=0),
    ),
    key=("audit_key", "magic"),
)

WEEKS = FrameSchema(
    name="weeks",
    row="how one magic, or the whole ('' as magic), came out at the last commit of a week under a ruler",
    columns=(
        Column(name="repository", pattern=r".+"),
        Column(name="week", pattern=r"\d{4}-\d{2}-\d{2}"),
        Column(name="commit", pattern=OID),
        Column(name="as_of_utc", dtype="datetime64[us, UTC]"),
        Column(name="ruler", pattern=SHA256),
        Column(name="magic", pattern=r"[a-z_]*"),
        Column(name="status", allowed=tuple(_SCORE_STATUSES)),
        Column(name="reason"),
        *_SCORE,
        Column(name="weight_share", unit="share 0-1 of the rule weight that applied, exact fraction", pattern=FRACTION),
        Column(name="eligible_files", dtype="int64", unit="files", lowest=0),
        Column(name="analysed_files", dtype="int64", unit="files", lowest=0),
        Column(name="findings", dtype="int64", unit="findings", lowest=0),
        Column(name="state", allowed=("final", "provisional")),
    ),
    key=("repository", "week", "commit", "ruler", "magic"),
)

LEVEL_NAMES = ("", "none", "bronze", "silver", "gold")
SCORECARDS = FrameSchema(
    name="scorecards",
    row="a team's repository in a week: one magic of it, or the whole ('' as magic)",
    columns=(
        Column(name="team", pattern=r"[a-z0-9._-]+"),
        Column(name="week", pattern=r"\d{4}-\d{2}-\d{2}"),
        Column(name="repository", pattern=r".+"),
        Column(name="magic", pattern=r"[a-z_]*"),
        Column(name="status", allowed=tuple(_SCORE_STATUSES)),
        Column(name="reason"),
        Column(name="score", dtype="float64", unit="points 0-100", nullable=True, lowest=0, highest=100),
        Column(name="coverage_pct", dtype="float64", unit="per cent 0-100", nullable=True, lowest=0, highest=100),
        Column(name="gates_passed", dtype="int64", unit="gates of that week", lowest=0),
        Column(name="gates_failed", dtype="int64", unit="gates of that week", lowest=0),
        Column(name="open", dtype="Int64", unit="findings", nullable=True, lowest=0),
        Column(name="new", dtype="Int64", unit="findings of that week", nullable=True, lowest=0),
        Column(name="fixed", dtype="Int64", unit="findings of that week", nullable=True, lowest=0),
        Column(name="level", allowed=LEVEL_NAMES),
        Column(name="missing"),
        Column(name="trend", dtype="float64", unit="points a week over eight weeks", nullable=True),
    ),
    key=("team", "week", "repository", "magic"),
)

LOAD = FrameSchema(
    name="load",
    row="an hour of the week, UTC",
    columns=(
        Column(name="weekday", dtype="int64", unit="0 = Monday", lowest=0, highest=6),
        Column(name="hour", dtype="int64", unit="hour of the day, UTC", lowest=0, highest=23),
        Column(name="expected", dtype="float64", unit="audits an hour", lowest=0),
        Column(name="upper", dtype="float64", unit="audits an hour, 95th percentile", lowest=0),
        Column(name="runs_needed", dtype="Int64", unit="runs at once", nullable=True, lowest=1),
        Column(name="run_hours", dtype="float64", unit="hours of runs in that hour", nullable=True, lowest=0),
    ),
    key=("weekday", "hour"),
)

SCHEMAS = {schema.name: schema for schema in (SNAPSHOTS, FINDINGS, OUTCOMES, SCORES, WEEKS, SCORECARDS, LOAD)}


def empty_frame(schema: FrameSchema) -> pd.DataFrame:
    """A frame without rows, with the schema's columns and dtypes."""
    return frame(schema, [])


def frame(schema: FrameSchema, content: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """A frame from rows, in the order given; None is missing. Not validated.

    Raises:
        FrameRefused: a value cannot become the dtype of its column.
    """
    content = list(content)
    series = {}
    for column in schema.columns:
        values = [row[column.name] for row in content]
        try:
            series[column.name] = _series(values, column.dtype)
        except (TypeError, ValueError) as error:
            msg = f"{schema.name}.{column.name} cannot be {column.dtype}: {error}"
            raise FrameRefused(msg) from error
    return pd.DataFrame(series)


def _series(values: Sequence[Any], dtype: Dtype) -> pd.Series[Any]:
    if dtype == "datetime64[us, UTC]":
        return pd.Series(pd.to_datetime(list(values), utc=True), dtype=dtype)
    if dtype == "str":
        values = [None if value is None else str(value) for value in values]
    return pd.Series(list(values), dtype=dtype)


def validate(schema: FrameSchema, content: pd.DataFrame) -> pd.DataFrame:
    """Return the frame unchanged when it keeps its schema.

    Raises:
        FrameRefused: it does not; the message names every column that is wrong, with its first wrong rows.
    """
    if broken := problems(schema, content):
        raise FrameRefused("; ".join(broken))
    return content


def problems(schema: FrameSchema, content: pd.DataFrame) -> list[str]:
    """What is wrong with a frame, in words; [] when it keeps its schema."""
    if list(content.columns) != schema.names:
        lacking = [name for name in schema.names if name not in content.columns]
        unknown = [name for name in content.columns if name not in schema.names]
        return [f"{schema.name}: columns differ: lacking {lacking}, unknown {unknown}, order {list(content.columns)}"]
    found = [problem for column in schema.columns for problem in _column_problems(schema, column, content)]
    twice = content.duplicated(list(schema.key))
    if twice.any():
        found.append(f"{schema.name}: key {', '.join(schema.key)} is used twice in {_rows(content, twice)}")
    return found


def _column_problems(schema: FrameSchema, column: Column, content: pd.DataFrame) -> Iterable[str]:
    values = content[column.name]
    name = f"{schema.name}.{column.name}"
    if str(values.dtype) != column.dtype:
        yield f"{name}: dtype is {values.dtype}, must be {column.dtype}"
        return
    missing = values.isna()
    if not column.nullable and missing.any():
        yield f"{name}: missing in {_rows(content, missing)}"
    for breaks, expected in _wrong_values(column, values):
        wrong = breaks & ~missing
        if wrong.any():
            example = values[wrong].iloc[0]
            yield f"{name}: {str(example)[:80]!r} is not {expected} in {_rows(content, wrong)}"


def _wrong_values(column: Column, values: pd.Series[Any]) -> Iterable[tuple[pd.Series[bool], str]]:
    if column.allowed:
        yield ~values.isin(column.allowed), f"one of {', '.join(column.allowed)}"
    if column.lowest is not None:
        yield values < column.lowest, f"at least {column.lowest:g}"
    if column.highest is not None:
        yield values > column.highest, f"at most {column.highest:g}"
    if column.pattern:
        yield ~values.str.fullmatch(column.pattern, na=False), f"of the form {column.pattern}"


def _rows(content: pd.DataFrame, wrong: pd.Series[bool]) -> str:
    rows = [str(row) for row in content.index[wrong][:ROWS_NAMED_MAX]]
    more = int(wrong.sum()) - len(rows)
    return f"row {', '.join(rows)}" + (f" and {more} more" if more else "")


# --- records and frames -----------------------------------------------------------------------------------


def snapshots_frame(verdict: Verdict, run_id: str | None = None, audited_at: datetime | None = None) -> pd.DataFrame:
    """The snapshot of a verdict: one row."""
    coverage = verdict.coverage
    row = {
        **rows.identity(verdict),
        "commit": verdict.snapshot.commit,
        "tree": verdict.snapshot.tree,
        "kind": verdict.snapshot.kind,
        "as_of_utc": utc(verdict.snapshot.as_of),
        "audited_at_utc": audited_at,
        "ruler": verdict.ruler,
        "baseline": verdict.baseline,
        "refs_digest": verdict.snapshot.refs_digest,
        "eligible_files": coverage.eligible,
        "analysed_files": coverage.analysed,
        "coverage_share": None if coverage.share is None else float(coverage.share),
        "status": verdict.status,
        "reason": verdict.reason,
        **rows.score_columns(verdict.score),
        "findings": len(verdict.findings),
        "run_id": run_id,
    }
    return frame(SNAPSHOTS, [row])


def magic_frames(
    identity: Mapping[str, str], magic: str, findings: Iterable[Finding], outcomes: Iterable[RuleOutcome]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Findings and outcomes of one magic: one row per finding and per rule, in the order given.

    Args:
        identity: audit_key, repository and revision (`rows.identity`).
        magic: whose they are.
        findings: as `engine.judge_magic` returns them.
        outcomes: likewise.
    """
    return (
        frame(FINDINGS, ({**identity, **rows.finding_row(magic, finding)} for finding in findings)),
        frame(OUTCOMES, ({**identity, **rows.outcome_row(magic, outcome)} for outcome in outcomes)),
    )


def verdict_frames(
    verdict: Verdict, run_id: str | None = None, audited_at: datetime | None = None
) -> dict[str, pd.DataFrame]:
    """Every frame of a verdict, by schema name. Not validated."""
    same = rows.identity(verdict)
    found = {SNAPSHOTS.name: snapshots_frame(verdict, run_id, audited_at)}
    for schema, content in (
        (FINDINGS, rows.finding_rows(verdict)),
        (OUTCOMES, rows.outcome_rows(verdict)),
        (SCORES, rows.score_rows(verdict)),
    ):
        found[schema.name] = frame(schema, ({**same, **row} for row in content))
    return found


def findings_parquet(verdict: Verdict) -> bytes:
    """Findings as a Parquet file, shadow rules left out: one row a finding, the columns of FINDINGS and then `commit`.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """
    content = frame(FINDINGS, ({**rows.identity(verdict), **row} for row in rows.finding_rows(verdict)))
    shown = content[content["tier"] != Tier.SHADOW.value].reset_index(drop=True)
    shown["commit"] = pd.Series([verdict.snapshot.commit] * len(shown), dtype="str")
    table: bytes = shown.to_parquet(None, engine="pyarrow", index=False)
    return table


def weeks_frame(repository: str, scored: Iterable[WeekScore]) -> pd.DataFrame:
    """Scores of weeks, in the order given. Not validated."""
    return frame(WEEKS, ({"repository": repository, **rows.week_row(row)} for row in scored))


def findings_of(content: pd.DataFrame) -> tuple[Finding, ...]:
    """The findings that a frame of FINDINGS holds, in order of rows."""
    return tuple(rows.finding_of(row) for row in content.to_dict("records"))


def outcomes_of(content: pd.DataFrame) -> tuple[RuleOutcome, ...]:
    """The outcomes that a frame of OUTCOMES holds, in order of rows."""
    return tuple(rows.outcome_of(row) for row in content.to_dict("records"))
