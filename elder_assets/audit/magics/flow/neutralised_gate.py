"""FLW004."""

from __future__ import annotations

import re
from collections.abc import Iterator

from elder_assets.audit.facts.ci import READS, Job, Step, Workflow, is_gate, is_true, pipelines
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.shell import Command, program_words
from elder_assets.audit.facts.step_kinds import GATE_KINDS, kind_of_command
from elder_assets.audit.identity import normalise
from elder_assets.audit.model import Checked, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

_TENTATIVE = regex(
    r"experiment|nightly|allow\w*[\s_-]?fail|optional|canary|informational|advisory|non[\s_-]?(?:blocking|gating|voting)"
    r"|unstable|preview|\bbeta\b|\balpha\b|\brc\b|\bedge\b|bleeding|[\d.]-dev\b|\bdev\b|\bhead\b|\btrunk\b|\bnext\b|snapshot"
    r"|\btip\b|upstream|pre-?release|flaky|benchmark|soft[\s_-]?fail|no[\s_-]?fail|may[\s_-]?fail|can[\s_-]?fail|\bfuture\b",
    re.IGNORECASE,
)
"""Words by which a job says openly that its failure is no verdict."""
_FORGIVING_OPTIONS = frozenset({"--exit-zero", "--no-fail", "-no-fail", "--soft-fail"})
_NO_CHECK = regex(
    r"--(?:version|help|collect-only|no-run|list|list-tests|print-config|clean|init|update-db|download-db-only)\b"
)

_NO_NAMES = frozenset({"script", "run", "command"})
_RECORDED = regex(r"\|\|[^\n]*>>\s*[\"']?\$\{?GITHUB_(?:ENV|OUTPUT)\b")
"""A failure is noted for a later step."""
_OUTPUT_OPTION = regex(r"(?:--output(?:-file)?|-o|--report|--json-report-file|--junitxml|--out)[ =]([\w./-]+)")


@repository_rule(
    code="FLW004",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="step",
    reads=READS,
    evidence="C",
    example_path=".github/workflows/ci.yml",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a test, lint, type, security or build step whose failure is thrown away.

    Why: the pipeline is green whatever the step finds, so the check protects nothing and everyone believes it does.
    Remedy: let the step fail the job, or name it as experimental and give it an owner and an end.
    Source: Humble and Farley, Continuous Delivery (2010), chapter 5.
    Limits: only steps whose commands Elder knows. Jobs that say openly that they are experimental, and steps whose
        outcome a later step asks for, are exempt, and so is a check that also runs in earnest in the same job.

    Bad:
        on: pull_request
        jobs:
          test:
            steps:
              - name: Lint
                run: ruff check .
                continue-on-error: true #~
              - run: |
                  make deps
                  pytest --cov=shop tests || true #~

    Bad:
        path: .gitlab-ci.yml
        types:
          script: [echo types]
        unit:
          allow_failure: true #~
          script:
            - pip install .
            - pytest

    Bad:
        path: .travis.yml
        script:
          - pylint --exit-zero shop #~

    Okay:
        on: [push]
        jobs:
          test:
            continue-on-error: ${{ matrix.experimental }}
            steps:
              - run: |
                  pkill server || true
                  if ! npm test; then exit 1; fi
                  grep -c test report.txt || true
                  docker stop pytest || true
                  pip uninstall pytest -y || :
              - id: types
                run: mypy shop
                continue-on-error: true
              - if: steps.types.outcome == 'failure'
                run: exit 1
              - run: pytest || echo "state=failed" >> $GITHUB_ENV
                continue-on-error: true
              - run: test "${{ env.state }}" != failed
          nightly:
            continue-on-error: true
            steps:
              - run: cargo +nightly test

    Okay:
        on: push
        jobs:
          lint:
            steps:
              - run: |
                  flake8 . --select=E9,F63
                  flake8 . --exit-zero --statistics
    """
    units = 0
    for workflow in facts.derive(pipelines).workflows:
        if not is_gate(workflow):
            continue
        asked = _asked_outcomes(workflow)
        for job in workflow.jobs:
            if job.is_manual:
                continue
            units += len(job.gate_steps)
            yield from _judge_job(facts, workflow, job, asked)
    yield Checked(units)


def _asked_outcomes(workflow: Workflow) -> set[str]:
    """Ids of steps whose outcome some expression of the workflow reads."""
    found: set[str] = set()
    for _, node in workflow.root.walk():
        if isinstance(node.value, str) and "steps." in node.value:
            found.update(re.findall(r"\bsteps\.([\w-]+)\.(?:outcome|conclusion|outputs)", node.value))
    return found


def _judge_job(facts: RepositoryFacts, workflow: Workflow, job: Job, asked: set[str]) -> Iterator[Found]:
    if not job.gate_steps or _is_tentative(f"{job.key} {job.name} {job.condition}") or _has_tentative_leg(job):
        return
    if is_true(job.tolerance) and job.tolerance is not None:
        yield Found(
            path=workflow.path,
            line=job.tolerance.line,
            symbol=job.key,
            message=f"Job {job.name or job.key} ({job.kind}) may fail and the pipeline stays green",
            tokens="job",
            unit=_unit(workflow, job, job.gate_steps[0]),
        )
        return
    for step in job.gate_steps:
        if step.id in asked or _is_tentative(step.name) or "failure()" in step.condition:
            continue
        if step.script is not None and _RECORDED.search(step.script.text):
            continue
        if is_true(step.tolerance) and step.tolerance is not None:
            reason = "it is told to continue on error"
            yield _found(
                workflow, job, step, line=step.tolerance.line, subject=f"{_name(step)} ({step.kind})", cause=reason
            )
        elif step.script and not step.name.startswith("after"):
            yield from _swallowed(facts, workflow, job, step)


def _is_tentative(text: str) -> bool:
    return _TENTATIVE.search(text.replace("_", "-")) is not None


def _has_tentative_leg(job: Job) -> bool:
    if job.matrix is None or not is_true(job.tolerance):
        return False
    return any(_is_tentative(node.text()) for _, node in job.matrix.walk())


def _name(step: Step) -> str:
    if step.name and step.name not in _NO_NAMES:
        return f"Step {step.name!r}"
    return f"Step {step.uses.partition('@')[0]}" if step.uses else "This step"


def _unit(workflow: Workflow, job: Job, step: Step) -> str:
    return f"{workflow.path}:{job.key}:{step.line}"


def _found(workflow: Workflow, job: Job, step: Step, *, line: int, subject: str, cause: str) -> Found:
    return Found(
        path=workflow.path,
        line=line,
        symbol=job.key,
        message=f"{subject} cannot fail the pipeline: {cause}",
        tokens=normalise(f"{step.uses.partition('@')[0]} {step.script.text if step.script else ''} {cause}"),
        unit=_unit(workflow, job, step),
    )


def _swallowed(facts: RepositoryFacts, workflow: Workflow, job: Job, step: Step) -> Iterator[Found]:
    """One finding at most for a step, at its first command whose failure is thrown away."""
    assert step.script is not None  # noqa: S101 - the caller asked
    commands = step.script.commands
    for index, command in enumerate(commands):
        if command.is_condition or _NO_CHECK.search(" ".join(command.words)):
            continue
        cause = _cause(commands, index)
        kind = kind_of_command(command, facts) if cause else "other"
        if kind not in GATE_KINDS:
            continue
        if _is_kept_for_later(job, step, commands, index) or _runs_in_earnest(job, command):
            continue
        subject = f"{_shown(step, command)} ({kind})"
        yield _found(workflow, job, step, line=step.script.line_at(command.line), subject=subject, cause=cause)
        return


def _shown(step: Step, command: Command) -> str:
    """The step by its name, which stays when its command is edited; else the command."""
    if step.name and step.name not in _NO_NAMES:
        return _name(step)
    shown = " ".join(program_words(command.words))
    return f"`{shown if len(shown) <= 60 else shown[:57] + '...'}`"


def _cause(commands: tuple[Command, ...], index: int) -> str:
    """Why the failure of a command is thrown away; '' when it is not."""
    if option := next((word for word in commands[index].words if word in _FORGIVING_OPTIONS), ""):
        return f"{option} makes every result a success"
    end = index
    while commands[end].after in {"|", "&&"} and end + 1 < len(commands):
        end += 1
    if commands[end].after != "||" or end + 1 >= len(commands):
        return ""
    rescue = commands[end + 1]
    name = rescue.words[0].rpartition("/")[2]
    ends = rescue.after in {"", "\n", ";", ")"}
    if rescue.words[0] in {"true", ":", "/bin/true"} and ends:
        return f"`|| {rescue.words[0]}` makes every result a success"
    if rescue.words[:2] == ("exit", "0") and ends:
        return "`|| exit 0` makes every result a success"
    if name == "echo" and ends and not rescue.redirects and rescue.depth == commands[end].depth and rescue.after != ")":
        return "`|| echo` makes every result a success"
    return ""


def _is_kept_for_later(job: Job, step: Step, commands: tuple[Command, ...], index: int) -> bool:
    """Its output goes to a file that the job reads later, or to a report that is uploaded as alerts."""
    if any(other.uses.startswith("github/codeql-action/upload-sarif") for other in job.steps):
        return True
    place = job.steps.index(step)
    scripts = [other.script.text for other in job.steps[place + 1 :] if other.script]
    later = "\n".join([*(" ".join(command.words) for command in commands[index + 1 :]), *scripts])
    names = {name.rpartition("/")[2] for name in _outputs(commands, index)}
    return any(
        name in later.replace(f"tee {name}", "").replace(f"tee -a {name}", "") for name in names if len(name) > 2
    )


def _outputs(commands: tuple[Command, ...], index: int) -> set[str]:
    """Files to which a command writes, by redirection, `tee` or an option."""
    command = commands[index]
    files = {name for name in command.redirects if not name.startswith("/dev/")}
    if command.after == "|":
        files.update(commands[index + 1].words[1:])
    files.update(_OUTPUT_OPTION.findall(" ".join(command.words)))
    return files


def _runs_in_earnest(job: Job, command: Command) -> bool:
    """The same check also runs in this job with consequences."""
    wanted = _check_of(command)
    for step in job.steps:
        if step.script is None or is_true(step.tolerance):
            continue
        commands = step.script.commands
        for index, other in enumerate(commands):
            if _NO_CHECK.search(" ".join(other.words)) or _check_of(other) != wanted:
                continue
            if other is not command and not _cause(commands, index):
                return True
    return False


def _check_of(command: Command) -> tuple[str, ...]:
    words = [word for word in program_words(command.words) if not word.startswith("-")]
    return tuple(
        words[: 2 if words and words[0] in {"npm", "yarn", "pnpm", "make", "go", "cargo", "docker", "ruff"} else 1]
    )
