"""What an organisation of a size needs, from measured unit costs: the table of docs/scale.md.

    python tools/scale.py

Change a unit cost where a new measurement says so; every figure below follows from it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

ROOT_SIZES = (300, 3_000, 30_000)

PUSHES_A_DAY = 6
"""Audited heads a repository and working day, bursts collapsed; assumed, look at your own inbox."""
CHANGES_A_DAY = 3
"""Change requests judged a repository and working day; assumed."""
BUSY_HOURS = 8
PEAK = 3
"""Busiest hour over the mean of the busy hours; assumed."""

CPU_START = 3.3
"""CPU seconds of a run beside the audit: Python, Dagster, nine steps (stack.md: `dagster job execute`, quiet)."""
CPU_PUSH = 0.6
"""CPU seconds of an audit after a push: mean of six repositories (docs/performance.md)."""
CPU_COLD = 2.9
"""CPU seconds of a first audit: mean of six repositories (docs/performance.md)."""
CPU_YEAR = 5.4
"""CPU seconds of 52 weeks of history: mean of six repositories (docs/performance.md)."""
RUN_MIB = 260
"""Memory of a run: 160 MiB of the run worker and 100 of the audit and its git (kubernetes.md, docs/performance.md)."""
BUSY_SHARE_MAX = 0.7

BYTES_A_FINDING = 860
"""Of the store, a finding that was ever found, with its events and indices: the tables finding_states and
finding_events of 300 repositories x 104 weeks x 200,000 findings in SQLite (benchmarks/fleet.py, dbstat)."""
BYTES_A_WEEK = 6_500
"""A repository and week: weekly scores, projections, scorecards and indices, from the same database."""
BYTES_AN_AUDIT = 1_700
"""Snapshot, scores, counts, gate and inbox row, from the same database."""
BYTES_A_COPY = 560
"""A finding as one snapshot had it, by the row of finding_states that has the same columns."""
BYTES_A_RUN = 349_000
"""What Dagster keeps of one audit's run: growth of its tables in PostgreSQL over twenty audits of a repository of two
files (172 events, 48 KB of evaluations of checks)."""
DAYS_KEPT = 30
"""ELDER_KEEP_DAYS, its default."""
FINDINGS_A_REPOSITORY = 670
"""Ever found; assumed, as the made-up organisation has it."""
OPEN_A_REPOSITORY = 30
"""Open at a time: flask and gin have 30 and 27."""
ROWS_AN_AUDIT = 90
"""Rows that one audit writes beside copies of findings: 37 outcomes, magics twice, rules, counts, events, inbox."""
CALLS_A_PUSH = 2
"""Calls of the git host's API: a status when the audit begins and one when it ends."""
CALLS_A_CHANGE = 4
"""Two statuses, a look for our comment, and the comment."""


def needs(repositories: int) -> dict[str, str]:
    """What so many repositories need, in words with units."""
    audits_a_day = repositories * (PUSHES_A_DAY + CHANGES_A_DAY)
    peak_hour = PEAK * audits_a_day / BUSY_HOURS
    seconds = CPU_START + CPU_PUSH
    slots = max(1, math.ceil(peak_hour * seconds / 3600 / BUSY_SHARE_MAX))
    nightly = repositories * seconds / 3600
    stored = repositories * (FINDINGS_A_REPOSITORY * BYTES_A_FINDING + 104 * BYTES_A_WEEK)
    audits_two_years = audits_a_day * 250 * 2
    runs_kept = (audits_a_day * 250 / 365 + repositories) * DAYS_KEPT
    copies = (runs_kept + 104 * repositories) * OPEN_A_REPOSITORY * BYTES_A_COPY
    calls = repositories * (PUSHES_A_DAY * CALLS_A_PUSH + CHANGES_A_DAY * CALLS_A_CHANGE)
    return {
        "audits a working day": _number(audits_a_day),
        "audits in the busiest hour": _number(peak_hour),
        "runs at once (one CPU each)": _number(slots),
        "memory of those runs": f"{slots * RUN_MIB / 1024:,.1f} GiB",
        "CPU hours a working day": f"{audits_a_day * seconds / 3600:,.1f}",
        "CPU hours of the nightly audit": f"{nightly:,.1f}",
        "CPU hours of the first day (audit and a year of history)": _number(
            repositories * (CPU_START + CPU_COLD + CPU_YEAR) / 3600, 1
        ),
        "rows written a second, busiest hour": f"{peak_hour * (ROWS_AN_AUDIT + OPEN_A_REPOSITORY) / 3600:,.1f}",
        "database, findings and weeks of two years": f"{stored / 1e9:,.1f} GB",
        "database, audits of two years": f"{audits_two_years * BYTES_AN_AUDIT / 1e9:,.1f} GB",
        "database, copies of findings of thirty days, then weekly": f"{copies / 1e9:,.1f} GB",
        "database, Dagster's runs of thirty days": f"{runs_kept * BYTES_A_RUN / 1e9:,.1f} GB",
        "calls of the git host's API, busiest hour": _number(PEAK * calls / BUSY_HOURS),
    }


def _number(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def table(sizes: Sequence[int] = ROOT_SIZES) -> str:
    """The Markdown table, one column a size."""
    columns = [needs(size) for size in sizes]
    lines = ["| repositories | " + " | ".join(f"{size:,}" for size in sizes) + " |", "|---|" + "---:|" * len(sizes)]
    lines += [f"| {name} | " + " | ".join(column[name] for column in columns) + " |" for name in columns[0]]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
