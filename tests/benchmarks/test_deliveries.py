"""Nothing is lost, on real processes: a small storm of deliveries over the control plane and the Dagster daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.platform, pytest.mark.slow]
ROOT = Path(__file__).parent.parent.parent


def test_every_head_is_audited_once_whatever_is_doubled_late_or_never_told():
    command = [sys.executable, "benchmarks/deliveries.py", "storm", "--deliveries", "10", "--repositories", "2"]
    command += [
        "--seconds",
        "5",
        "--kill-every",
        "1000",
    ]  # kills take minutes on a busy machine: the benchmark has them
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("ELDER_DATABASE_URL", None)
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "sweep: 2 repositories asked, 1 heads were not audited" in done.stdout
    assert "audited twice: 0; heads without audit: 0; stale: 0; failed rows: 0" in done.stdout
