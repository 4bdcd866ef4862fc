"""GIT007: a default branch that was rewritten."""

from __future__ import annotations

from factories import commit, source

from elder_assets.audit.model import Status
from elder_assets.audit.testing import MemorySource, run_rule

BASE = "b" * 40


def test_a_lost_baseline_is_found():
    _, findings = run_rule("GIT007", source([commit(1)], baseline_files={}, is_ancestor=False), baseline=BASE)
    assert len(findings) == 1


def test_a_kept_baseline_passes():
    outcome, _ = run_rule("GIT007", source([commit(1)], baseline_files={}), baseline=BASE)
    assert outcome.status is Status.PASS


def test_without_an_earlier_audit_it_cannot_say():
    outcome, _ = run_rule("GIT007", source([commit(1)]))
    assert (outcome.status, outcome.reason) == (Status.NOT_AVAILABLE, "no earlier audit")


def test_a_history_that_cannot_be_read_is_not_called_rewritten():
    unreadable = MemorySource({"shop/basket.py": "x = 1\n"}, baseline_files={}, is_ancestor=False)
    outcome, findings = run_rule("GIT007", unreadable, baseline=BASE)
    assert (outcome.status, findings) == (Status.NOT_AVAILABLE, [])
