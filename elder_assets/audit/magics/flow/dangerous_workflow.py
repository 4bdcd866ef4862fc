"""FLW011."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import msgspec

from elder_assets.audit.facts.ci import GITHUB, READS, Job, Pipelines, Script, Step, Workflow, pipelines, script_of
from elder_assets.audit.facts.documents import Node
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.shell import Command, program_words
from elder_assets.audit.facts.step_kinds import kind_of_command
from elder_assets.audit.model import Checked, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

_PULL = ("pull_request", "pull_request_target", "pull_request_review", "pull_request_review_comment")
_CONTEXTS: tuple[tuple[re.Pattern[str], frozenset[str]], ...] = tuple(
    (regex(rf"(?<![\w.-])github\.{pattern}(?![\w-])(?!\.\w)", re.IGNORECASE), frozenset(events))
    for pattern, events in (
        (r"event\.issue\.(?:title|body)", ("issues", "issue_comment")),
        (r"event\.pull_request\.(?:title|body|head\.(?:ref|label|repo\.default_branch))", _PULL),
        (r"head_ref", ("pull_request", "pull_request_target")),
        (
            r"event\.comment\.body",
            ("issue_comment", "pull_request_review_comment", "discussion_comment", "commit_comment"),
        ),
        (r"event\.review\.body", ("pull_request_review",)),
        (r"event\.discussion\.(?:title|body)", ("discussion", "discussion_comment")),
        (r"event\.pages(?:\.\*|\[[^\]]*\])?\.page_name", ("gollum",)),
        (
            (
                r"event\.workflow_run\.(?:head_branch|head_commit\.(?:message|author\.(?:name|email))"
                r"|pull_requests(?:\.\*|\[[^\]]*\])\.head\.ref)"
            ),
            ("workflow_run",),
        ),
    )
)
"""Values that a stranger chooses, and the events that carry them; push events need write access, so they are absent."""

_UNPRIVILEGED = frozenset({"pull_request", "pull_request_review", "pull_request_review_comment"})
"""Run on a fork's change without secrets and with a token that only reads."""
_EXPRESSION = regex(r"\$\{\{(.{0,600}?)\}\}", re.DOTALL)
_HARMLESS_CALL = regex(r"\b(?:contains|startsWith|endsWith|hashFiles)\s*\([^()]*\)", re.IGNORECASE)
_COMPARISON = regex(r"[\w.*'\[\]-]+\s*[!=]=\s*(?:'[^']*'|[\w.*-]+)|[\w.*-]+\s*&&")
_GUARD = regex(
    r"actor|author_association|\.login|head\.repo\b|head_repository|\.fork\b|sender|label|permission|approved|\.user\."
    r"|head[._]ref\s*==|collaborator|is-?member|membership",
    re.IGNORECASE,
)
"""Conditions by which a workflow admits only people it trusts."""
_HEAD = regex(
    r"github\.event\.pull_request\.head\.(?:sha|ref|repo)|github\.head_ref|github\.event\.workflow_run\.head_(?:sha|branch|commit)"
    r"|refs/pull/\$\{\{|github\.event\.workflow_run\.head_repository",
)
_HEAD_SCRIPT = regex(r"\bgh pr checkout\b|git (?:fetch|pull) \S+ \+?(?:refs/)?pull/")
_EXECUTING = regex(
    r"(?:npm|pnpm|yarn|bun)(?: (?!publish|view|config|cache|audit|version|-v|pack\b)[\w:-]+| *$)"
    r"|pip3? install (?:\S+ )*(?:-r|-e|--editable|\.{1,2}(?:[/\[]\S*)?(?:\s|$))"
    r"|make\b|\.{0,2}/\S+|cmake|rake|bundle (?:install|exec)|tox|nox"
    r"|(?:bash|sh|zsh|source|node|ruby|perl|php|deno run|python[\d.]*) (?!-c\b|-e\b)[\w./-]+\.\w+"
    r"|(?:poetry|pdm|uv|pipenv|hatch) (?:install|run|sync)|composer (?:install|run)"
    r"|cargo (?:build|test|run|check|clippy)|go (?:test|run|generate)|dotnet (?:build|test|run|restore)"
    r"|mvnw?|gradlew?|docker[ -]compose|docker build|pre-commit|just\b|task\b"
)


class _Start(msgspec.Struct, frozen=True):
    """What starts a workflow or action: its own events and those of its callers, with their conditions."""

    events: dict[str, Node]
    conditions: str = ""


@repository_rule(
    code="FLW011",
    severity=Severity.CRITICAL,
    tier=Tier.GATE,
    unit="workflow",
    cwe=94,
    reads=READS,
    evidence="C",
    fix="suggested",
    example_path=".github/workflows/ci.yml",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a workflow in which a stranger's text or code runs.

    Why: an issue title or a forked branch becomes a command that runs with the repository's token and secrets.
    Remedy: pass the value through `env:` and quote the variable; judge a stranger's code under `pull_request`, which
        has no secrets, and never check it out under `pull_request_target` or `workflow_run`.
    Source: GitHub Security Lab, Keeping your GitHub Actions and workflows secure (parts 1 and 2).
    Limits: GitHub Actions only. Where only `pull_request` starts the workflow, a fork's run has no secrets: MEDIUM.
        Jobs behind a condition on the author, a label or the fork, and protected environments, are exempt.

    Bad:
        on: [issues, push]
        jobs:
          greet:
            steps:
              - name: Greet
                run: |
                  echo start
                  echo "${{ github.event.issue.title }}" #~
              - uses: actions/github-script@v7
                with:
                  script: |
                    const title = `${{ toJSON(github.event['issue'].body) }}` #~

    Bad:
        on: pull_request_target
        jobs:
          test:
            steps:
              - uses: actions/checkout@v4
                with:
                  ref: ${{ github.event.pull_request.head.sha }} #~
              - run: npm ci && npm test

    Okay:
        on: [issues, push, workflow_dispatch]
        jobs:
          greet:
            if: contains(github.event.issue.title, 'help')
            steps:
              - env:
                  TITLE: ${{ github.event.issue.title }}
                run: echo "$TITLE ${{ contains(github.event.issue.title, 'bug') }} ${{ github.event.issue.number }}"
              - run: echo "${{ github.event.head_commit.message }} ${{ github.head_ref }}"

    Okay:
        on: pull_request_target
        jobs:
          label:
            steps:
              - uses: actions/checkout@v4
              - run: npm ci
          diff:
            permissions: {contents: read}
            steps:
              - uses: actions/checkout@v4
                with: {ref: "${{ github.event.pull_request.head.sha }}"}
              - run: npm test
          trusted:
            if: github.event.pull_request.author_association == 'MEMBER'
            steps:
              - uses: actions/checkout@v4
                with: {ref: "${{ github.head_ref }}"}
              - run: make
    """
    found = facts.derive(pipelines)
    workflows = [w for w in (*found.workflows, *found.actions.values()) if w.system == GITHUB]
    yield Checked(len(workflows))
    for workflow in workflows:
        start = _start(workflow, found)
        for job in workflow.jobs:
            conditions = f"{start.conditions} {_conditions(workflow, job)}"
            if not job.has_environment and not _GUARD.search(conditions) and not _is_labelled(start.events):
                yield from _injections(workflow, job, start, conditions)
                yield from _untrusted_code(workflow, job, start, conditions)


def _start(workflow: Workflow, found: Pipelines, depth: int = 0) -> _Start:
    events = {event: node for event, node in workflow.triggers.items() if event != "workflow_call"}
    conditions = ""
    if depth > 3 or (not workflow.is_action and "workflow_call" not in workflow.triggers):
        return _Start(events)
    name = "./" + (workflow.path.rpartition("/")[0] if workflow.is_action else workflow.path)
    for caller in found.workflows:
        for job in caller.jobs:
            called = [job.condition] if job.uses == name else [s.condition for s in job.steps if s.uses == name]
            if called:
                outer = _start(caller, found, depth + 1)
                events = {**outer.events, **events}
                conditions += " ".join((outer.conditions, _conditions(caller, job), *called))
    return _Start(events, conditions)


def _conditions(workflow: Workflow, job: Job) -> str:
    """Conditions of a job and of the jobs that it needs, with whatever asks for permission in those."""
    jobs = {other.key: other for other in workflow.jobs}
    text, waiting, seen = "", [job], set()
    while waiting:
        current = waiting.pop()
        if current.key in seen:
            continue
        seen.add(current.key)
        text += f" {current.condition}" + (" permission" if current is not job and current.has_environment else "")
        if current is not job:
            text += " ".join(
                f" {step.name} {step.uses} {step.script.text if step.script else ''}" for step in current.steps
            )
        needs = current.root.get("needs")
        names = [node.text() for node in needs.items] or [needs.text()] if needs else []
        waiting += [jobs[name] for name in names if name in jobs]
    return text


def _is_labelled(events: Mapping[str, Node]) -> bool:
    """Every event that strangers can cause waits for a label, which only people of the repository can set."""
    outside = [node for event, node in events.items() if event in {*_PULL, "issues"}]
    types = [{member.text() for member in (node.get("types") or Node(0, None)).items} for node in outside]
    return bool(types) and all(kinds and kinds <= {"labeled"} for kinds in types)


def _live_events(start: _Start, conditions: str) -> set[str]:
    """Events under which a place can run at all, by `github.event_name == '...'` in its conditions."""
    named = set(re.findall(r"github\.event_name\s*==\s*['\"](\w+)['\"]", conditions))
    excluded = set(re.findall(r"github\.event_name\s*!=\s*['\"](\w+)['\"]", conditions))
    events = set(start.events) - excluded
    return events & named if named else events


def _injections(workflow: Workflow, job: Job, start: _Start, conditions: str) -> Iterator[Found]:
    for index, step in enumerate(job.steps):
        if _GUARD.search(step.condition) or _asks_before(job, index):
            continue
        events = _live_events(start, f"{conditions} {step.condition}")
        tainted = _tainted_variables(workflow, job, step, events)
        for script in _scripts(step):
            seen: set[str] = set()
            for match in _EXPRESSION.finditer(script.text):
                context, origins = _stranger_context(match.group(1), events, tainted)
                if context and context not in seen and not _is_filtered(context, start):
                    seen.add(context)
                    line = script.line_at(script.text.count("\n", 0, match.start()))
                    yield _injection(workflow, job, line, context, origins)


def _injection(workflow: Workflow, job: Job, line: int, context: str, origins: frozenset[str]) -> Found:
    privileged = sorted(origins - _UNPRIVILEGED)
    return Found(
        path=workflow.path,
        line=line,
        symbol=job.key,
        message=f"`{context}`, which a stranger chooses ({', '.join(privileged or sorted(origins))}), is pasted into"
        " the script",
        tokens=f"inject {context}",
        unit=workflow.path,
        severity=None if privileged else Severity.MEDIUM,
    )


def _scripts(step: Step) -> Iterator[Script]:
    if step.script:
        yield step.script
    elif step.uses.startswith("actions/github-script@") and (
        script := script_of(step.inputs.get("script") if step.inputs else None)
    ):
        yield script


def _asks_before(job: Job, index: int) -> bool:
    """An earlier step of the job checks who the author is."""
    return any(
        re.search(
            r"permission|collaborator|author_association|team-?member|membership",
            f"{step.uses} {step.script.text if step.script else ''}",
        )
        for step in job.steps[:index]
    )


def _tainted_variables(
    workflow: Workflow, job: Job, step: Step, events: set[str]
) -> dict[str, tuple[str, frozenset[str]]]:
    """Environment variables that hold a stranger's text; `${{ env.NAME }}` pastes it again."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for node in (workflow.environment, job.environment, step.environment):
        for name, value in (node.pairs if node else {}).items():
            found.pop(name, None)
            for match in _EXPRESSION.finditer(value.text()):
                context, origins = _stranger_context(match.group(1), events, {})
                if context:
                    found[name] = (context, origins)
    return found


def _stranger_context(
    expression: str, events: set[str], tainted: Mapping[str, tuple[str, frozenset[str]]]
) -> tuple[str, frozenset[str]]:
    """The stranger's value that an expression yields, and the live events that carry it; '' for none."""
    text = re.sub(r"\[\s*'([\w-]+)'\s*\]", r".\1", expression)
    text = _COMPARISON.sub(" ", _HARMLESS_CALL.sub(" ", text))
    for pattern, carriers in _CONTEXTS:
        if (match := pattern.search(text)) and carriers & events:
            return match.group(), frozenset(carriers & events)
    for name in re.findall(r"(?<![\w.])env\.(\w+)", text):
        if name in tainted:
            return tainted[name]
    return "", frozenset()


def _is_filtered(context: str, start: _Start) -> bool:
    """The trigger admits only branches of known names."""
    if "workflow_run.head_branch" not in context:
        return False
    return (start.events.get("workflow_run") or Node(0, None)).get("branches") is not None


def _untrusted_code(workflow: Workflow, job: Job, start: _Start, conditions: str) -> Iterator[Found]:
    if not {"pull_request_target", "workflow_run"} & _live_events(start, conditions) or _is_harmless(workflow, job):
        return
    if "workflow_run" in conditions or _is_filtered("workflow_run.head_branch", start):
        return
    for index, step in enumerate(job.steps):
        events = _live_events(start, f"{conditions} {step.condition}")
        head = _head_reference(step, events)
        if head is None or _GUARD.search(step.condition) or _asks_before(job, index):
            continue
        if runner := _runner(job, index):
            yield Found(
                path=workflow.path,
                line=head.line,
                symbol=job.key,
                message="The code of a stranger's change is checked out with the rights of this repository,"
                f" and `{runner}` runs it",
                tokens="checkout",
                unit=workflow.path,
            )
            return


def _is_harmless(workflow: Workflow, job: Job) -> bool:
    """The token only reads and no secret is given to the job."""
    permissions = job.permissions if job.permissions is not None else workflow.permissions
    if permissions is None or any("write" in node.text() for _, node in permissions.walk()):
        return False
    secrets = {name for _, node in job.root.walk() for name in re.findall(r"secrets\.(\w+)", node.text())}
    return not secrets - {"GITHUB_TOKEN"}


def _head_reference(step: Step, events: set[str]) -> Node | None:
    """Where a step names the stranger's commit; None when it does not check it out."""
    if not {"pull_request_target", "workflow_run"} & events:
        return None
    if step.uses.startswith("actions/checkout@") and step.inputs is not None:
        for key in ("ref", "repository"):
            node = step.inputs.get(key)
            if node is not None and _HEAD.search(node.text()) and _is_of(node.text(), events):
                return node
    if step.script and (match := _HEAD_SCRIPT.search(step.script.text)):
        return Node(step.script.line_at(step.script.text.count("\n", 0, match.start())), None)
    return None


def _is_of(text: str, events: set[str]) -> bool:
    return "workflow_run" in events if "workflow_run" in text else "pull_request_target" in events


def _runner(job: Job, index: int) -> str:
    """What runs the code that step `index` checked out; '' for nothing that Elder knows."""
    checkout = job.steps[index]
    folder = (checkout.inputs.text("path") if checkout.inputs else "").strip("./")
    for step in job.steps[index + 1 :]:
        if step.uses.startswith("actions/checkout@"):
            other = (step.inputs.text("path") if step.inputs else "").strip("./")
            if other == folder:
                return ""
        if step.uses.startswith("./") and not folder:
            return step.uses
        if step.script is None:
            continue
        inside = step.working_directory.text if step.working_directory else ""
        if folder and folder not in inside and folder not in step.script.text:
            continue
        for command in step.script.commands:
            if _runs_code(command):
                return " ".join(program_words(command.words))[:60]
    return ""


def _runs_code(command: Command) -> bool:
    words = program_words(command.words)
    if not words or "--ignore-scripts" in words or "--version" in words:
        return False
    if kind_of_command(command) == "test":
        return True
    return _EXECUTING.match(" ".join(words)) is not None
