"""GIT005: a large file that is tracked."""

from __future__ import annotations

from elder_assets.audit.model import Severity
from elder_assets.audit.testing import MemorySource, run_rule


def test_size_decides_and_very_large_files_are_worse():
    files = {"a.bin": "x" * 5_000_001, "b.bin": "y" * 50_000_001, "c.bin": "z" * 5_000_000}
    outcome, findings = run_rule("GIT005", MemorySource(files))
    assert [(f.path, f.severity) for f in findings] == [("a.bin", Severity.MEDIUM), ("b.bin", Severity.HIGH)]
    assert outcome.units == 3
