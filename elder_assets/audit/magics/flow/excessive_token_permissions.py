"""FLW012."""

from __future__ import annotations

import re
from collections.abc import Iterator

from elder_assets.audit.facts.ci import GITHUB, READS, Job, Pipelines, Step, Workflow, pipelines
from elder_assets.audit.facts.documents import Node
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

_READING_ACTIONS = regex(
    r"actions/(?:checkout|cache(?:/\w+)?|setup-[\w-]+|upload-artifact|download-artifact|dependency-review-action|configure-pages"
    r"|upload-pages-artifact)"
    r"|docker/(?:setup-[\w-]+|metadata-action|bake-action|build-push-action|login-action)"
    r"|codecov/codecov-action|coverallsapp/github-action|codacy/[\w-]+|SonarSource/[\w-]+|snok/install-poetry"
    r"|astral-sh/(?:setup-uv|ruff-action)|pdm-project/setup-pdm|pre-commit/action|psf/black|isort/isort-action|abatilo/actions-poetry"
    r"|golangci/golangci-lint-action|golang/govulncheck-action|dominikh/staticcheck-action|ruby/setup-ruby|shivammathur/setup-php"
    r"|dtolnay/[\w-]+|actions-rs/(?:toolchain|cargo|install)|Swatinem/rust-cache|taiki-e/[\w-]+|actions-rust-lang/[\w-]+"
    r"|rustsec/audit-check|EmbarkStudios/cargo-deny-action|moonrepo/[\w-]+|hecrj/setup-rust-action|baptiste0928/cargo-install"
    r"|pnpm/action-setup|oven-sh/setup-bun|denoland/setup-deno|bahmutov/npm-install|cypress-io/github-action|volta-cli/action"
    r"|gradle/(?:actions/[\w-]+|gradle-build-action|wrapper-validation-action)|microsoft/setup-msbuild|msys2/setup-msys2"
    r"|ilammy/msvc-dev-cmd|lukka/[\w-]+|seanmiddleditch/gha-setup-ninja|jurplel/install-qt-action|hendrikmuhs/ccache-action"
    r"|ludeeus/action-shellcheck|hadolint/hadolint-action|crate-ci/typos|codespell-project/[\w-]+|DavidAnson/[\w-]+"
    r"|conda-incubator/setup-miniconda|mamba-org/[\w-]+|pypa/(?:cibuildwheel|gh-action-pip-audit)|hynek/build-and-inspect-python-package"
    r"|nick-fields/retry|nick-invision/retry|supercharge/[\w-]+|jwlawson/[\w-]+|maxim-lobanov/[\w-]+|browser-actions/[\w-]+"
    r"|cachix/[\w-]+|DeterminateSystems/[\w-]+|nix-community/[\w-]+|awalsh128/[\w-]+|jlumbroso/free-disk-space|styfle/[\w-]+"
    r"|erlef/setup-beam|haskell(?:-actions)?/[\w-]+|subosito/flutter-action|dart-lang/setup-dart|coursier/[\w-]+|olafurpg/[\w-]+"
    r"|helm/kind-action|engineerd/setup-kind|azure/setup-[\w-]+|hashicorp/setup-[\w-]+|arduino/setup-[\w-]+|vmactions/[\w-]+"
    r"|docker-practice/[\w-]+|ankane/[\w-]+|mxschmitt/action-tmate|szenius/[\w-]+|xt0rted/[\w-]+|GabrielBB/[\w-]+"
    r"|ibiqlik/action-yamllint|wagoid/[\w-]+|reactivecircus/[\w-]+|fsfe/reuse-action|bufbuild/buf-[\w-]+|arduino/[\w-]+",
    re.IGNORECASE,
)
"""Actions that are known not to write with the workflow's token."""
_WRITING_SCRIPT = regex(
    r"GITHUB_TOKEN|GH_TOKEN|github\.token|\bgit\s+(?:-\S+\s+\S+\s+)*push\b|\bgh\s+\w|api\.github\.com|\bhub\s+\w|ghcr\.io"
    r"|docker\s+push|semantic-release|goreleaser|\bpublish\b|\bdeploy\b|release-it|lerna\s+version|changeset|\bmike\b|gh-pages"
    r"|gh-deploy|np\s"
)
_TOKEN = regex(r"secrets\.GITHUB_TOKEN|github\.token", re.IGNORECASE)
_TOKEN_READERS = regex(
    r"actions/(?:checkout|setup-[\w-]+|cache)|coverallsapp/github-action|codecov/codecov-action|golangci/golangci-lint-action"
    r"|taiki-e/install-action|arduino/setup-[\w-]+|bufbuild/buf-setup-action|cypress-io/github-action|SonarSource/[\w-]+",
    re.IGNORECASE,
)
"""Actions that take the token only to read, or to raise their rate limit."""


@repository_rule(
    code="FLW012",
    severity=Severity.MEDIUM,
    tier=Tier.GATE,
    unit="workflow",
    cwe=275,
    reads=READS,
    evidence="C",
    fix="safe",
    example_path=".github/workflows/ci.yml",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a workflow whose token may write though no step does.

    Why: any compromised dependency or action of the run can push code or publish releases with that token.
    Remedy: add `permissions: {contents: read}` at the top of the workflow, and more only to the job that needs it.
    Source: GitHub, Automatic token authentication; OpenSSF Scorecard, Token-Permissions.
    Limits: GitHub Actions only. A workflow with an action or remote workflow that Elder does not know is no eligible
        unit, for it may write. The organisation may have made read-only the default, which the tree cannot tell; the
        workflow then still depends on that setting.

    Bad:
        on: push
        jobs: #~
          test:
            runs-on: ubuntu-latest
            steps:
              - uses: actions/checkout@v4
              - run: npm test

    Bad:
        on: pull_request
        permissions: write-all #~
        jobs:
          test:
            steps:
              - run: npm test

    Okay:
        on: push
        permissions:
          contents: read
        jobs:
          test:
            steps:
              - run: npm test

    Okay:
        on: push
        jobs:
          release:
            steps:
              - uses: actions/checkout@v4
              - run: git push origin HEAD:pages
          test:
            permissions: {}
            steps:
              - run: npm test
    """
    found = facts.derive(pipelines)
    units = 0
    for workflow in found.workflows:
        if workflow.system != GITHUB or set(workflow.triggers) == {"workflow_call"} or not _only_reads(workflow, found):
            continue
        units += 1
        if place := _too_wide(workflow):
            line, reason = place
            yield Found(
                path=workflow.path,
                line=line,
                message=f"The GITHUB_TOKEN of this workflow may write, though no step needs that: {reason}",
                tokens=f"permissions {workflow.name}",
                unit=workflow.path,
            )
    yield Checked(units)


def _too_wide(workflow: Workflow) -> tuple[int, str] | None:
    """Line and reason; None when the token is limited."""
    for permissions in (workflow.permissions, *(job.permissions for job in workflow.jobs)):
        if permissions is not None and permissions.text() == "write-all":
            return permissions.line, "permissions are write-all"
    if workflow.permissions is not None:
        return None
    open_jobs = [job for job in workflow.jobs if job.permissions is None]
    if not open_jobs:
        return None
    if len(open_jobs) == len(workflow.jobs):
        jobs = workflow.root.get("jobs") or Node(1, None)
        return jobs.line, "no permissions are set"
    return open_jobs[0].line, f"job {open_jobs[0].key} sets no permissions"


def _only_reads(workflow: Workflow, found: Pipelines) -> bool:
    if not workflow.jobs or _writes(str(workflow.root.text("env", "GITHUB_TOKEN"))):
        return False
    return all(_job_only_reads(job, found) for job in workflow.jobs) and not _hands_out_token(workflow.environment)


def _writes(text: str) -> bool:
    return _WRITING_SCRIPT.search(text) is not None


def _job_only_reads(job: Job, found: Pipelines, depth: int = 0) -> bool:
    if _hands_out_token(job.environment):
        return False
    if job.uses:
        called = next((w for w in found.workflows if "./" + w.path == job.uses), None)
        return called is not None and depth < 3 and all(_job_only_reads(j, found, depth + 1) for j in called.jobs)
    return bool(job.steps) and all(_step_only_reads(step, found, depth) for step in job.steps)


def _hands_out_token(node: Node | None) -> bool:
    return node is not None and any(_TOKEN.search(member.text()) for _, member in node.walk())


def _step_only_reads(step: Step, found: Pipelines, depth: int) -> bool:
    if step.script:
        return not _writes(step.script.text) and not _hands_out_token(step.environment)
    name = step.uses.partition("@")[0]
    if name.startswith("./"):
        action = found.actions.get(name[2:].rstrip("/"))
        return action is not None and depth < 3 and all(_job_only_reads(job, found, depth + 1) for job in action.jobs)
    if not _READING_ACTIONS.fullmatch(name):
        return False
    if _hands_out_token(step.inputs) or _hands_out_token(step.environment):
        return _TOKEN_READERS.fullmatch(name) is not None
    return not (
        name.startswith("docker/")
        and step.inputs is not None
        and step.inputs.text("push") not in {"", "False", "false"}
    )
