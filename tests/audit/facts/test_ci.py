"""Pipelines are read as their servers read them; expected values are worked out by hand."""

from __future__ import annotations

import textwrap

import pytest

from elder_assets.audit.facts.ci import GITHUB, READS, Pipelines, is_gate, pipelines, runs_on_changes, system_of
from elder_assets.audit.facts.commit_log import History
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.facts.repository_facts import RepositoryFacts, TreeCollector
from elder_assets.audit.facts.shell import commands_of, program_words
from elder_assets.audit.facts.step_kinds import kind_of_action, kind_of_script
from elder_assets.audit.testing import MemorySource


def read(**files: str) -> Pipelines:
    """The pipelines of files in memory, path to text."""
    source = MemorySource({path: textwrap.dedent(text) for path, text in files.items()})
    tree = TreeCollector(source, MemoryFactStore(), READS).collect()
    return RepositoryFacts(source.snapshot(), tree, History()).derive(pipelines)


def github(text: str, **others: str):
    return read(**{".github/workflows/ci.yml": text, **others}).workflows[0]


@pytest.mark.parametrize(
    ("path", "system"),
    [
        (".github/workflows/ci.yaml", GITHUB),
        (".github/workflows/nested/ci.yml", ""),
        ("app/.github/workflows/ci.yml", ""),
        (".gitlab-ci.yml", "GitLab CI"),
        (".gitlab/issue_templates/bug.yml", ""),
        (".circleci/config.yml", "CircleCI"),
        ("azure-pipelines.yml", "Azure Pipelines"),
        ("bitbucket-pipelines.yml", "Bitbucket Pipelines"),
        ("ci/Jenkinsfile", "Jenkins"),
        (".teamcity/settings.kts", "TeamCity"),
        (".forgejo/workflows/test.yml", "Forgejo Actions"),
        (".builds/alpine.yml", "sourcehut builds"),
        (".woodpecker/test.yaml", "Woodpecker CI"),
        ("docs/travis.yml", ""),
    ],
)
def test_a_system_is_known_by_its_path(path: str, system: str):
    assert system_of(path) == system


@pytest.mark.parametrize(
    ("trigger", "events", "on_changes"),
    [
        ("on: pull_request", ["pull_request"], True),
        ("'on': [push, issues]", ["push", "issues"], True),
        ("on: {push: {branches: [main]}}", ["push"], False),
        ("on: {push: {branches: ['**']}}", ["push"], True),
        ("on: {push: {tags: ['v*']}}", ["push"], False),
        ("on: {push: {branches-ignore: [gh-pages]}}", ["push"], True),
        ("on: {pull_request: {types: [closed]}}", ["pull_request"], False),
        ("on: [workflow_dispatch, schedule]", ["workflow_dispatch", "schedule"], False),
        ("on: merge_group", ["merge_group"], True),
        ("on: {push: {branches: [staging, trying]}}", ["push"], True),
        ("on: check_suite", ["check_suite"], None),
    ],
)
def test_triggers_are_a_word_a_list_or_a_mapping(trigger: str, events: list[str], on_changes: bool | None):
    workflow = github(f"{trigger}\njobs: {{test: {{steps: [{{run: pytest}}]}}}}\n")
    assert list(workflow.triggers) == events
    assert runs_on_changes(workflow) is on_changes


def test_a_workflow_for_tags_is_no_gate():
    assert not is_gate(github("on: {push: {tags: ['v*']}}\njobs: {a: {steps: [{run: make}]}}\n"))
    assert is_gate(github("on: {push: {branches: [main]}}\njobs: {a: {steps: [{run: make}]}}\n"))


def test_a_line_inside_of_a_block_is_found_again():
    workflow = github(
        """\
        on: push
        jobs:
          test:
            steps:
              - name: "all"
                uses: 'actions/checkout@v4'
              - run: |

                  cd shop
                  pytest
              - run: >
                  ruff
                  check .
        """
    )
    checkout, block, folded = workflow.jobs[0].steps
    assert (checkout.uses, checkout.uses_line, checkout.name) == ("actions/checkout@v4", 6, "all")
    assert [(c.words[0], block.script.line_at(c.line)) for c in block.script.commands] == [("cd", 9), ("pytest", 10)]
    assert (block.kind, folded.kind) == ("test", "lint")
    assert folded.script.line_at(folded.script.commands[0].line) == 12


def test_anchors_and_merge_keys_are_followed():
    workflow = github(
        """\
        on: push
        jobs:
          one:
            steps: &steps
              - run: pytest
          two:
            <<: {continue-on-error: true}
            steps: *steps
        """
    )
    one, two = workflow.jobs
    assert [step.script.line for step in (*one.steps, *two.steps)] == [5, 5]
    assert two.tolerance is not None
    assert two.tolerance.value is True


def test_matrix_permissions_images_and_reusable_workflows_are_read():
    workflow = github(
        """\
        on: push
        permissions: read-all
        defaults: {run: {working-directory: app}}
        jobs:
          test:
            continue-on-error: ${{ matrix.experimental }}
            container: python:3.12
            services: {db: {image: "postgres:16"}}
            strategy:
              matrix:
                include:
                  - {python: "3.15", experimental: true}
            steps: [{run: tox}]
          call:
            uses: ./.github/workflows/other.yml
        """
    )
    test, call = workflow.jobs
    assert [image.reference for image in test.images] == ["python:3.12", "postgres:16"]
    assert test.matrix.get("include").items[0].text("experimental") == "True"
    assert test.steps[0].working_directory.text == "app"
    assert (call.uses, call.steps) == ("./.github/workflows/other.yml", ())
    assert workflow.permissions.text() == "read-all"


def test_a_composite_action_is_found_by_its_folder():
    found = read(
        **{
            ".github/actions/prepare/action.yml": "runs:\n  using: composite\n  steps:\n    - run: npm ci\n      shell: bash\n",
            "action.yml": "runs: {using: node20, main: dist/index.js}\n",
        }
    )
    assert sorted(found.actions) == ["", ".github/actions/prepare"]
    assert found.actions[".github/actions/prepare"].jobs[0].steps[0].script.text == "npm ci"


def test_gitlab_jobs_inherit_from_what_they_extend():
    found = read(
        **{
            ".gitlab-ci.yml": """\
            include: [{local: /ci/more.yml}]
            image: alpine:3
            workflow: {rules: [{if: $CI_MERGE_REQUEST_ID}]}
            .base:
              script:
                - pytest
            unit:
              extends: .base
              allow_failure: true
            by-hand:
              extends: [.base]
              rules:
                - if: $CI_COMMIT_BRANCH
                  when: manual
            docs:
              script: make docs
            """
        }
    )
    jobs = {job.key: job for job in found.workflows[0].jobs}
    assert sorted(jobs) == [".base", "by-hand", "default", "docs", "unit"]
    assert jobs["default"].images[0].reference == "alpine:3"
    assert (jobs["unit"].kind, jobs["unit"].tolerance.line) == ("test", 9)
    assert jobs["by-hand"].is_manual
    assert not jobs["unit"].is_manual


def test_make_and_npm_are_followed_into_the_tree():
    workflow = github(
        "on: push\njobs: {a: {steps: [{run: make check}, {run: npm run ci}, {run: make clean}]}}\n",
        **{
            "Makefile": "check: style\n\t@echo done\nstyle:\n\tflake8 shop\nclean:\n\trm -rf out\n",
            "package.json": '{"scripts": {"ci": "npm run unit", "unit": "vitest run"}}',
        },
    )
    assert [step.kind for step in workflow.jobs[0].steps] == ["lint", "test", "other"]


def test_a_file_that_is_no_yaml_is_said_to_be_broken():
    assert read(**{".travis.yml": "script: [pytest\n"}).broken == (".travis.yml",)


def test_steps_of_other_systems_are_found():
    found = read(
        **{
            ".travis.yml": "install: pip install .\nscript:\n  - pytest\n",
            ".circleci/config.yml": "jobs:\n  a:\n    steps:\n      - checkout\n      - run: {name: t, command: go test ./...}\n",
            "azure-pipelines.yml": "steps:\n- script: dotnet test\n  continueOnError: true\n",
            "Jenkinsfile": "node {\n  sh 'mvn verify'\n}\n",
        }
    )
    kinds = {w.system: [(s.kind, s.line) for j in w.jobs for s in j.steps] for w in found.workflows}
    assert kinds["Travis CI"] == [("other", 1), ("test", 3)]
    assert kinds["CircleCI"][-1] == ("test", 5)
    assert kinds["Azure Pipelines"] == [("test", 2)]
    assert kinds["Jenkins"] == [("test", 2)]
    azure = next(w for w in found.workflows if w.system == "Azure Pipelines")
    assert azure.jobs[0].steps[0].tolerance.value is True


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("python -m pytest -q", "test"),
        ("poetry run mypy shop", "type"),
        ("FOO=1 sudo npx eslint .", "lint"),
        ("pip install pytest", "other"),
        ("pytest --version", "other"),
        ("docker stop pytest", "other"),
        ("tox -e lint", "lint"),
        ("tox -e py311", "test"),
        ("npm audit", "security"),
        ("./gradlew build", "test"),
        ("bash -c 'cargo test'", "test"),
        ("echo pytest", "other"),
    ],
)
def test_a_command_is_named_by_its_program(script: str, kind: str):
    assert kind_of_script(script) == kind


def test_an_action_is_named_by_its_repository():
    assert kind_of_action("golangci/golangci-lint-action@v6") == "lint"
    assert kind_of_action("actions/upload-artifact@v4") == "other"


def test_shell_text_is_split_into_commands():
    commands = commands_of("(cd a && npm test) || exit 0\ncat <<EOF >x\nmake || true\nEOF\nif ! b; then\n  c # d\nfi\n")
    assert [(c.words, c.line, c.before, c.after) for c in commands] == [
        (("cd", "a"), 0, "(", "&&"),
        (("npm", "test"), 0, "&&", ")"),
        (("exit", "0"), 0, "||", "\n"),
        (("cat",), 1, "\n", "\n"),
        (("b",), 4, "\n", ";"),
        (("c",), 5, "\n", "\n"),
    ]
    assert [c.is_condition for c in commands] == [False, False, False, False, True, False]
    assert [c.is_branch for c in commands] == [False, False, False, False, True, True]
    assert commands[3].redirects == ("x",)


def test_hostile_shell_text_ends_soon():
    for text in ("'" * 50_000, "$(" * 50_000, '"$(' * 30_000, "${{" * 30_000, "<<A\n" * 20_000, "a\\\n" * 30_000):
        commands_of(text)


def test_launchers_are_no_programs():
    assert program_words(("env", "A=1", "timeout", "60", "uv", "run", "python", "-m", "pytest")) == ("pytest",)
