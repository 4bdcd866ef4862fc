"""FLW001 needs a history, which a docstring case has not."""

from __future__ import annotations

from elder_assets.audit.facts.commit_log import DAY_SECONDS, Commit, History
from elder_assets.audit.model import Status
from elder_assets.audit.testing import AS_OF, MemorySource, run_rule

CODE = {f"shop/part{number}.py": f"value = {number}\n" for number in range(10)}


def commits(count: int, *, days_apart: int = 2, subject: str = "change of part") -> History:
    names = [f"{number:040x}" for number in range(count)]
    return History(
        tuple(
            Commit(
                id=name,
                parents=tuple(names[index + 1 : index + 2]),
                author_name=f"Person {index % 3}",
                author_email=f"person{index % 3}@example.org",
                authored_at=AS_OF - index * days_apart * DAY_SECONDS,
                committer_name=f"Person {index % 3}",
                committer_email=f"person{index % 3}@example.org",
                committed_at=AS_OF - index * days_apart * DAY_SECONDS,
                subject=f"{subject} {chr(97 + index)}",
            )
            for index, name in enumerate(names)
        )
    )


def judge(files: dict[str, str], history: History):
    return run_rule("FLW001", MemorySource(files, history=history))


def test_code_under_development_without_ci_is_found():
    outcome, findings = judge(CODE, commits(6))
    assert [(f.path, f.line) for f in findings] == [("", 0)]
    assert "10 source files and 6 changes" in findings[0].message
    assert (outcome.units, outcome.affected) == (1, 1)


def test_any_known_system_satisfies():
    for path in (".github/workflows/ci.yml", ".gitlab-ci.yml", ".travis.yml", "Jenkinsfile", ".teamcity/settings.kts"):
        outcome, findings = judge({**CODE, path: "a: 1\n"}, commits(6))
        assert (outcome.status, findings) == (Status.PASS, []), path


def test_a_workflow_below_a_subfolder_is_no_ci():
    _, findings = judge({**CODE, "template/.github/workflows/ci.yml": "on: push\n"}, commits(6))
    assert len(findings) == 1


def test_little_code_and_few_recent_changes_are_out_of_scope():
    few_files = dict(list(CODE.items())[:9])
    assert judge(few_files, commits(6))[0].status is Status.NOT_APPLICABLE
    assert judge(CODE, commits(4))[0].status is Status.NOT_APPLICABLE
    assert judge(CODE, commits(6, days_apart=60))[0].status is Status.NOT_APPLICABLE


def test_scripts_of_a_system_outside_of_the_tree_are_out_of_scope():
    outcome, _ = judge({**CODE, "ci/build.sh": "make\n"}, commits(6))
    assert outcome.status is Status.NOT_APPLICABLE
    assert "ci/build.sh" in outcome.reason


def test_a_history_that_cannot_be_judged_is_not_available():
    outcome, _ = judge(CODE, History(unavailable="a shallow clone"))
    assert (outcome.status, outcome.reason) == (Status.NOT_AVAILABLE, "a shallow clone")
