"""GIT001: a change on the default branch that says it is unfinished."""

from __future__ import annotations

from factories import commit, source

from elder_assets.audit.model import Status
from elder_assets.audit.testing import run_rule


def judged(*subjects: str, days_ago: float = 1):
    commits = [commit(n, subject=subject, days_ago=days_ago) for n, subject in enumerate(subjects, start=1)]
    return run_rule("GIT001", source(commits))


def test_fixups_and_work_in_progress_are_found():
    subjects = [
        "fixup! feat: basket",
        "squash! x",
        "amend! x",
        "WIP",
        "wip: basket",
        "DO NOT MERGE yet",
        "[WIP] basket",
    ]
    outcome, findings = judged(*subjects, "feat: basket")
    assert (outcome.units, outcome.affected) == (8, 7)
    assert len(findings) == 7


def test_words_that_only_look_alike_are_not():
    outcome, _ = judged("wipe the basket", "fix: fixup handling", "Wipro adapter", "docs: what WIP means")
    assert (outcome.status, outcome.units) == (Status.PASS, 4)


def test_older_changes_are_out_of_scope():
    outcome, _ = judged("WIP", days_ago=400)
    assert outcome.status is Status.NOT_APPLICABLE


def test_a_mirror_is_out_of_scope():
    commits = [commit(n, subject=f"Mirroring commit {n:08x}1", days_ago=1) for n in range(1, 31)]
    outcome, _ = run_rule("GIT001", source(commits))
    assert outcome.reason == "a mirror: its changes land elsewhere"
