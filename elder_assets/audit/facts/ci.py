"""Continuous integration as the tree shows it: systems, workflows, jobs, steps, images. Derived facts.

GitHub Actions (and Gitea, Forgejo) and GitLab CI are read in full; of the other systems the scripts, their images
and the marks by which a failure is tolerated. What is configured outside of the tree is unknown.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

import msgspec

from elder_assets.audit.facts.documents import Node, document, text_lines
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.shell import Command, commands_of
from elder_assets.audit.facts.step_kinds import GATE_KINDS, Kind, kind_of_action, kind_of_script, strongest
from elder_assets.audit.model import FileClass, SourceFile
from elder_assets.audit.patterns import regex

READS = (document, text_lines)
"""What a rule that derives from this module declares in `reads`."""

GITHUB = "GitHub Actions"
GITLAB = "GitLab CI"

_SYSTEMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (system, regex(pattern))
    for system, pattern in (
        (GITHUB, r"^\.github/workflows/[^/]+\.ya?ml$"),
        ("Gitea Actions", r"^\.gitea/workflows/[^/]+\.ya?ml$"),
        ("Forgejo Actions", r"^\.forgejo/workflows/[^/]+\.ya?ml$"),
        (
            GITLAB,
            r"^\.gitlab-ci[\w./-]*\.ya?ml$|^\.gitlab/(?!issue_templates|merge_request_templates|agents)[\w./-]*\.ya?ml$",
        ),
        ("CircleCI", r"^\.circleci/[\w./-]*\.ya?ml$|^circle\.yml$"),
        (
            "Azure Pipelines",
            (
                r"(?:^|/)[\w.-]*azure-pipelines?[\w./-]*\.ya?ml$|^(?:eng|build)/pipelines/[\w./-]*\.ya?ml$"
                r"|^\.(?:azuredevops|azure|ado|pipelines|vsts)/[\w./-]*\.ya?ml$|^\.vsts-ci\.ya?ml$"
            ),
        ),
        ("Bitbucket Pipelines", r"^bitbucket-pipelines\.ya?ml$"),
        ("Travis CI", r"^\.travis\.ya?ml$"),
        ("AppVeyor", r"^\.?appveyor[\w.-]*\.ya?ml$|^\.?appveyor/[\w./-]*\.ya?ml$"),
        ("Jenkins", r"(?:^|/)Jenkinsfile[\w.-]*$|\.[Jj]enkinsfile$"),
        ("Buildkite", r"^\.buildkite/[\w./-]*\.(?:ya?ml|json|sh)$"),
        ("Drone", r"^\.drone\.(?:ya?ml|star|jsonnet)$"),
        ("Woodpecker CI", r"^\.woodpecker(?:/[\w./-]*)?\.ya?ml$"),
        ("Cirrus CI", r"^\.cirrus\.(?:ya?ml|star)$"),
        ("Semaphore", r"^\.semaphore/[\w./-]*\.ya?ml$"),
        ("Google Cloud Build", r"(?:^|/)\.?cloudbuild[\w.-]*\.(?:ya?ml|json)$"),
        ("AWS CodeBuild", r"(?:^|/)buildspec[\w.-]*\.ya?ml$"),
        ("TeamCity", r"^\.teamcity/"),
        ("sourcehut builds", r"^\.build\.ya?ml$|^\.builds/[\w./-]*\.ya?ml$"),
        ("Zuul", r"^\.?zuul\.(?:ya?ml|d/[\w./-]*\.ya?ml)$"),
        ("Taskcluster", r"^\.taskcluster\.ya?ml$|^taskcluster/"),
        ("Tekton", r"^\.tekton/[\w./-]*\.ya?ml$"),
        ("Prow", r"^\.prow(?:\.ya?ml$|/)"),
        ("Packit", r"^\.?packit\.ya?ml$"),
        ("Evergreen", r"^\.evergreen(?:\.ya?ml$|/)|^evergreen\.ya?ml$"),
        ("Bitrise", r"^bitrise\.ya?ml$"),
        ("Codemagic", r"^codemagic\.ya?ml$"),
        ("Codeship", r"^codeship-(?:steps|services)\.ya?ml$"),
        ("Wercker", r"^wercker\.ya?ml$"),
        ("Shippable", r"^\.?shippable\.ya?ml$"),
        ("Scrutinizer", r"^\.scrutinizer\.ya?ml$"),
        ("Earthly CI", r"^\.earthly-ci/"),
        ("OneDev", r"^\.onedev-buildspec\.ya?ml$"),
        ("GoCD", r"\.gocd\.(?:ya?ml|json)$"),
        ("Concourse", r"^(?:ci|concourse)/pipelines?(?:/[\w./-]*)?\.ya?ml$"),
        ("Kokoro", r"(?:^|/)\.?kokoro/"),
        ("Builds of BSD or Debian", r"^debian/(?:salsa-ci|gitlab-ci)\.ya?ml$"),
    )
)
_ACTION_FILE = regex(r"(?:^|/)action\.ya?ml$")


class Script(msgspec.Struct, frozen=True):
    """Shell text of a step and where it stands."""

    line: int
    """Line of the first line of text."""
    text: str
    is_folded: bool = False
    """Inner lines are lost; the first one stands for all."""

    def line_at(self, offset: int) -> int:
        """Line in the file of the script's 0-based line."""
        return self.line if self.is_folded else self.line + offset

    @property
    def commands(self) -> tuple[Command, ...]:
        """Its simple commands."""
        return commands_of(self.text)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a job, or one script item where a system has no steps."""

    line: int
    name: str = ""
    id: str = ""
    uses: str = ""
    uses_line: int = 0
    script: Script | None = None
    shell: str = ""
    working_directory: Script | None = None
    tolerance: Node | None = None
    """The value that lets it fail without consequence (`continue-on-error`, `soft_fail`, ...), as written."""
    condition: str = ""
    inputs: Node | None = None
    """The `with` of an action."""
    environment: Node | None = None
    kind: Kind = "other"


class Image(msgspec.Struct, frozen=True):
    """A container image that a job or a Dockerfile starts from."""

    line: int
    reference: str


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a workflow."""

    key: str
    line: int
    name: str = ""
    condition: str = ""
    uses: str = ""
    uses_line: int = 0
    permissions: Node | None = None
    matrix: Node | None = None
    tolerance: Node | None = None
    """See Step.tolerance."""
    has_environment: bool = False
    """It deploys to a protected environment, whose approvals are not in the tree."""
    environment: Node | None = None
    """Its environment variables."""
    images: tuple[Image, ...] = ()
    steps: tuple[Step, ...] = ()
    is_manual: bool = False
    """A person must start it, or it runs on a schedule alone."""
    root: Node

    @property
    def kind(self) -> Kind:
        """The strongest kind among its steps."""
        return strongest({step.kind for step in self.steps})

    @property
    def gate_steps(self) -> list[Step]:
        """Steps that tell whether a change is good."""
        return [step for step in self.steps if step.kind in GATE_KINDS]


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration file of a system; also a composite action, whose triggers are empty."""

    path: str
    system: str
    name: str = ""
    triggers: dict[str, Node] = {}
    """GitHub: event to its filters."""
    permissions: Node | None = None
    environment: Node | None = None
    jobs: tuple[Job, ...] = ()
    root: Node
    is_action: bool = False

    @property
    def steps(self) -> Iterator[tuple[Job, Step]]:
        """Every step with its job, in order."""
        return ((job, step) for job in self.jobs for step in job.steps)


class Pipelines(msgspec.Struct, frozen=True):
    """All that the tree says about continuous integration."""

    systems: dict[str, tuple[str, ...]]
    """System to the paths that configure it."""
    workflows: tuple[Workflow, ...]
    actions: dict[str, Workflow]
    """Folder of a composite action to the action."""
    broken: tuple[str, ...]
    """Files that could not be read."""


def pipelines(facts: RepositoryFacts) -> Pipelines:
    """Derive the pipelines of a snapshot; use with `facts.derive(pipelines)`."""
    systems: dict[str, list[str]] = {}
    for path in sorted(facts.paths):
        if system := system_of(path):
            systems.setdefault(system, []).append(path)
    workflows: list[Workflow] = []
    broken: list[str] = []
    for file, parsed in facts.each(document):
        system = system_of(file.path)
        if not system or file.file_class is FileClass.VENDORED or not file.path.endswith((".yml", ".yaml")):
            continue
        if parsed.error or parsed.root is None:
            broken.append(file.path)
            continue
        for root in (parsed.root, *parsed.extra):
            if workflow := _workflow(facts, file, system, root):
                workflows.append(workflow)
    workflows.extend(_jenkins(facts))
    actions = {action.path.rpartition("/")[0]: action for action in _actions(facts)}
    return Pipelines({name: tuple(paths) for name, paths in systems.items()}, tuple(workflows), actions, tuple(broken))


@functools.lru_cache(maxsize=1 << 16)
def system_of(path: str) -> str:
    """The CI system that a file configures, '' for none."""
    return next((system for system, pattern in _SYSTEMS if pattern.search(path)), "")


_OUTSIDE = regex(
    r"^\.?ci/|^\.?jenkins/|^(?:scripts|build|tools|hack|dev)/\.?ci/|^\.ci[\w.-]*$|^ci(?:\.\w+)?$|^OWNERS$|^\.lgtm\.yml$"
    r"|^\.asf\.yaml$|^(?:netlify|bors)\.toml$|^vercel\.json$|^amplify\.ya?ml$|^\.mergify\.yml$"
)


def outside_hint(facts: RepositoryFacts) -> str:
    """A path that belongs to a CI system configured outside of the tree (Jenkins jobs, Prow, Kokoro); '' for none."""
    return next(filter(_OUTSIDE.search, sorted(facts.paths)), "")


def _workflow(facts: RepositoryFacts, file: SourceFile, system: str, root: Node) -> Workflow | None:
    if not root.pairs and not root.items:
        return None
    if system in {GITHUB, "Gitea Actions", "Forgejo Actions"}:
        return _github(facts, file, system, root)
    jobs = _gitlab_jobs(facts, root) if system == GITLAB else _generic_jobs(facts, root)
    return Workflow(path=file.path, system=system, jobs=tuple(jobs), root=root)


def is_true(node: Node | None) -> bool:
    """Whether a value is plainly true: `true`, 'true', `${{ true }}`; drone says `ignore`, an expression is no."""
    return node is not None and re.sub(r"[${}\s]", "", node.text()).lower() in {"true", "ignore"}


def script_of(node: Node | None) -> Script | None:
    """A scalar as a script; None for anything else or an empty one."""
    if node is None or not isinstance(node.value, str) or not node.value.strip():
        return None
    return Script(node.text_line or node.line, node.value, node.is_folded)


_ACTIONS_SYSTEMS = frozenset({GITHUB, "Gitea Actions", "Forgejo Actions"})
_CHANGE_EVENTS = frozenset({"pull_request", "pull_request_target", "merge_group", "pull_request_review"})
_UNKNOWN_EVENTS = frozenset(
    {"check_run", "check_suite", "status", "repository_dispatch", "issue_comment", "workflow_run"}
)
_QUEUE_BRANCHES = frozenset({"staging", "trying", "auto", "try", "automation/bors/auto", "**", "*", "**/*", "**/**"})


def runs_on_changes(workflow: Workflow) -> bool | None:
    """Whether change requests start it; None where the tree cannot tell.

    Only the trigger block of GitHub-like actions is complete; elsewhere the server's settings decide.
    """
    if workflow.system not in _ACTIONS_SYSTEMS:
        return None
    for event in _CHANGE_EVENTS & set(workflow.triggers):
        types = _words(workflow.triggers[event].get("types"))
        if not types or types - {"closed", "labeled", "unlabeled", "assigned", "review_requested"}:
            return True
    push = workflow.triggers.get("push")
    if push is not None and _is_push_to_all(push):
        return True
    return None if _UNKNOWN_EVENTS & set(workflow.triggers) else False


def _is_push_to_all(push: Node) -> bool:
    branches = _words(push.get("branches"))
    if not branches:
        return push.get("branches-ignore") is not None or push.get("tags") is None
    return bool(branches & _QUEUE_BRANCHES)


def is_gate(workflow: Workflow) -> bool:
    """Whether it judges changes, before or after they land: not only schedules, releases and manual runs."""
    if workflow.system not in _ACTIONS_SYSTEMS:
        return True
    push = workflow.triggers.get("push")
    is_pushed = push is not None and not (push.get("tags") and not push.get("branches"))
    return is_pushed or bool((_CHANGE_EVENTS | {"workflow_call"}) & set(workflow.triggers))


def _words(node: Node | None) -> set[str]:
    return {member.text() for member in _scalars(node)}


# --- GitHub Actions --------------------------------------------------------------------------------------


def _github(facts: RepositoryFacts, file: SourceFile, system: str, root: Node) -> Workflow | None:
    jobs = root.get("jobs")
    if jobs is None or not jobs.pairs:
        return None
    default_folder = root.get("defaults", "run", "working-directory")
    return Workflow(
        path=file.path,
        system=system,
        name=root.text("name"),
        triggers=_triggers(root.get("on") or root.get("true")),
        permissions=root.get("permissions"),
        environment=root.get("env"),
        jobs=tuple(_github_job(facts, key, job, default_folder) for key, job in jobs.pairs.items() if job.pairs),
        root=root,
    )


def _triggers(node: Node | None) -> dict[str, Node]:
    """`on:` as word, list or mapping."""
    if node is None:
        return {}
    if isinstance(node.value, dict):
        return dict(node.value)
    members = node.items or [node]
    return {str(member.value): Node(member.line, None) for member in members if isinstance(member.value, str)}


def _github_job(facts: RepositoryFacts, key: str, job: Node, default_folder: Node | None) -> Job:
    folder = job.get("defaults", "run", "working-directory") or default_folder
    container = job.get("container")
    images = [container if container.text() else container.get("image")] if container else []
    services = job.get("services")
    images += [service.get("image") for service in (services.pairs.values() if services else ())]
    uses = job.get("uses")
    steps = job.get("steps")
    return Job(
        key=key,
        line=job.line,
        name=job.text("name"),
        condition=job.text("if"),
        uses=job.text("uses"),
        uses_line=uses.line if uses else 0,
        permissions=job.get("permissions"),
        matrix=job.get("strategy", "matrix"),
        tolerance=job.get("continue-on-error"),
        has_environment=job.get("environment") is not None,
        environment=job.get("env"),
        images=tuple(_images(images)),
        steps=tuple(_github_step(facts, step, folder) for step in (steps.items if steps else ()) if step.pairs),
        root=job,
    )


def _images(nodes: list[Node | None]) -> Iterator[Image]:
    for node in nodes:
        if node is not None and node.text():
            yield Image(node.line, node.text().strip())


def _github_step(facts: RepositoryFacts, step: Node, default_folder: Node | None) -> Step:
    uses = step.get("uses")
    script = script_of(step.get("run"))
    folder = script_of(step.get("working-directory") or (default_folder if script else None))
    return Step(
        line=step.line,
        name=step.text("name"),
        id=step.text("id"),
        uses=step.text("uses").strip(),
        uses_line=uses.line if uses else 0,
        script=script,
        shell=step.text("shell"),
        working_directory=folder,
        tolerance=step.get("continue-on-error"),
        condition=step.text("if"),
        inputs=step.get("with"),
        environment=step.get("env"),
        kind=_github_kind(facts, step, script, folder),
    )


def _github_kind(facts: RepositoryFacts, step: Node, script: Script | None, folder: Script | None) -> Kind:
    if script is not None:
        return kind_of_script(script.text, facts, normal_folder(folder.text if folder else ""))
    uses = step.text("uses").strip()
    if uses.startswith("actions-rs/cargo@"):
        return kind_of_script("cargo " + step.text("with", "command"))
    return kind_of_action(uses) if uses else "other"


def normal_folder(text: str) -> str:
    """A working directory as a path from the root without './' and final '/'; text with variables as it is."""
    return "/".join(part for part in text.strip().split("/") if part not in {"", "."})


def _actions(facts: RepositoryFacts) -> Iterator[Workflow]:
    for file, parsed in facts.each(document):
        if not _ACTION_FILE.search(file.path) or parsed.root is None or not parsed.root.get("runs"):
            continue
        if file.file_class in {FileClass.VENDORED, FileClass.TEST}:
            continue
        runs = parsed.root.get("runs") or Node(1, None)
        steps = runs.get("steps")
        image = runs.get("image")
        job = Job(
            key="runs",
            line=runs.line,
            images=tuple(_images([image])) if image and image.text().startswith("docker://") else (),
            steps=tuple(_github_step(facts, step, None) for step in (steps.items if steps else ()) if step.pairs),
            root=runs,
        )
        yield Workflow(
            path=file.path, system=GITHUB, name=parsed.root.text("name"), jobs=(job,), root=parsed.root, is_action=True
        )


# --- GitLab CI -------------------------------------------------------------------------------------------

_GITLAB_RESERVED = frozenset(
    {"image", "services", "stages", "types", "before_script", "after_script", "variables", "cache", "include",
     "default", "workflow", "spec"}
)  # fmt: skip
_EXTENDS_MAX = 10


def _gitlab_jobs(facts: RepositoryFacts, root: Node) -> Iterator[Job]:
    shared = root.get("default") or root
    top = [*_gitlab_images(root), *(_gitlab_images(shared) if shared is not root else ())]
    if top or root.get("before_script"):
        yield Job(key="default", line=root.line, images=tuple(top), steps=tuple(_gitlab_steps(facts, root)), root=root)
    for key, job in root.pairs.items():
        if key not in _GITLAB_RESERVED and job.pairs and _is_gitlab_job(job):
            yield _gitlab_job(facts, root, key, job)


def _is_gitlab_job(job: Node) -> bool:
    return any(job.get(key) for key in ("script", "extends", "image", "services", "allow_failure", "before_script"))


def _gitlab_job(facts: RepositoryFacts, root: Node, key: str, job: Node) -> Job:
    return Job(
        key=key,
        line=job.line,
        name=key,
        tolerance=job.get("allow_failure"),
        matrix=job.get("parallel", "matrix"),
        environment=job.get("variables"),
        images=tuple(_gitlab_images(job)),
        steps=tuple(_gitlab_steps(facts, job)) or tuple(_gitlab_steps(facts, _extended(root, job, "script"))),
        is_manual=_is_manual(_extended(root, job, "rules"))
        or _is_manual(_extended(root, job, "only"))
        or _is_manual(job),
        root=job,
    )


def _extended(root: Node, job: Node, key: str) -> Node:
    """The job, or the nearest one that it extends in the same file, that says `key`."""
    current = job
    for _ in range(_EXTENDS_MAX):
        if current.get(key):
            return current
        extends = current.get("extends")
        names = (
            [extends.text()] if extends and extends.text() else [n.text() for n in (extends.items if extends else ())]
        )
        parents = [parent for name in reversed(names) if (parent := root.get(name))]
        if not parents:
            return current
        current = next((parent for parent in parents if parent.get(key)), parents[0])
    return current


def _is_manual(job: Node) -> bool:
    if job.text("when") == "manual":
        return True
    only = job.get("only")
    names = [n.text() for n in (only.items if only else ())] or ([only.text()] if only and only.text() else [])
    if names and all(name in {"schedules", "tags", "web", "triggers"} for name in names):
        return True
    rules = job.get("rules")
    if not rules or not rules.items:
        return False
    running = [rule for rule in rules.items if rule.text("when") != "never"]
    return bool(running) and all(
        rule.text("when") == "manual" or re.search(r"schedule|CI_COMMIT_TAG", rule.text("if")) for rule in running
    )


def _gitlab_images(job: Node) -> Iterator[Image]:
    image, services = job.get("image"), job.get("services")
    nodes = [image if image.text() else image.get("name")] if image else []
    nodes += [service if service.text() else service.get("name") for service in (services.items if services else ())]
    return _images(nodes)


def _gitlab_steps(facts: RepositoryFacts, job: Node) -> Iterator[Step]:
    for key in ("before_script", "script", "after_script"):
        scripts = job.get(key)
        for item in _scalars(scripts):
            if script := script_of(item):
                kind = kind_of_script(script.text, facts) if key != "after_script" else "other"
                yield Step(line=item.line, name=key, script=script, kind=kind)


def _scalars(node: Node | None, depth: int = 0) -> Iterator[Node]:
    """A scalar, or the scalars of a list and of the lists in it."""
    if node is None:
        return
    if node.items and depth < 4:
        for member in node.items:
            yield from _scalars(member, depth + 1)
    elif isinstance(node.value, str):
        yield node


# --- the other systems -----------------------------------------------------------------------------------

_SCRIPT_KEY = regex(
    r"(?:before_|after_)?script|run|commands?|bash|pwsh|powershell|(?:before_|after_)?install|test_script|build_script"
    r"|after_test|before_build|\w+_script|inlineScript|tasks|after_success|before_deploy"
)
_TOLERANCE_KEYS = ("continueOnError", "soft_fail", "allow_failures", "failure", "allow_failure", "ignore_failure")


def _generic_jobs(facts: RepositoryFacts, root: Node) -> Iterator[Job]:
    for path, node in root.walk():
        if not node.pairs:
            continue
        steps = []
        tolerance = next((node.get(key) for key in _TOLERANCE_KEYS if node.get(key)), None)
        for key, value in node.pairs.items():
            if _SCRIPT_KEY.fullmatch(key):
                steps += [
                    Step(
                        line=script.line,
                        name=key,
                        script=script,
                        tolerance=tolerance,
                        kind=_generic_kind(facts, key, script),
                    )
                    for script in _generic_scripts(value)
                ]
        image = node.get("image")
        images = tuple(_images([image])) if image else ()
        if steps or images:
            name = node.text("name") or node.text("displayName") or node.text("label") or (path[-1] if path else "")
            yield Job(
                key=".".join(path), line=node.line, name=name, images=images, steps=tuple(steps),
                condition=node.text("condition") or node.text("if"), root=node,
            )  # fmt: skip


def _generic_kind(facts: RepositoryFacts, key: str, script: Script) -> Kind:
    if key.startswith("after") or "cleanup" in key:
        return "other"
    return kind_of_script(script.text, facts)


def _generic_scripts(value: Node) -> Iterator[Script]:
    members = value.items or [value]
    for member in members:
        texts = [member] if isinstance(member.value, str) else list(member.pairs.values())
        for text in texts:
            if script := script_of(text):
                yield script


_JENKINS_SHELL = regex(r"\b(?:sh|bat|powershell)\b\s*\(?\s*(?:script\s*:\s*)?('''|\"\"\"|'|\")")


def _jenkins(facts: RepositoryFacts) -> Iterator[Workflow]:
    for file, content in facts.each(text_lines):
        if system_of(file.path) != "Jenkins" or file.file_class in {FileClass.VENDORED, FileClass.TEST}:
            continue
        text = "\n".join(content.lines)
        steps = []
        for match in _JENKINS_SHELL.finditer(text):
            end = text.find(match.group(1), match.end())
            script = Script(text.count("\n", 0, match.end()) + 1, text[match.end() : max(end, match.end())])
            steps.append(Step(line=script.line, name="sh", script=script, kind=kind_of_script(script.text, facts)))
        root = Node(1, None)
        job = Job(key="pipeline", line=1, steps=tuple(steps), root=root)
        yield Workflow(path=file.path, system="Jenkins", jobs=(job,), root=root)
