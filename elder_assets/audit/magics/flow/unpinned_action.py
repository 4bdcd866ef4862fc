"""FLW010."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec

from elder_assets.audit.facts.ci import GITLAB, READS, Workflow, pipelines
from elder_assets.audit.facts.documents import document, text_lines
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

_COMMIT = regex(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_DIGEST = regex(r"@sha256:[0-9a-f]{64}$")
_BY_TAG_ONLY = ("slsa-framework/slsa-github-generator/",)
"""These refuse to run at a commit id: their verifier needs the tag."""
_FROM = regex(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
_HEREDOC = regex(r"<<-?\s*['\"]?(\w+)")
_BUILT_NAME = regex(r"(?:\s-t|--tag)[ =][\"']?([\w./-]+)")
_IMAGE_SYSTEMS = frozenset({GITLAB, "GitHub Actions", "Gitea Actions", "Forgejo Actions"})
_DOCKER_CLASSES = frozenset({FileClass.CONFIG, FileClass.PRODUCTION})


class _Use(msgspec.Struct, frozen=True):
    path: str
    line: int
    name: str
    ref: str
    is_image: bool


@repository_rule(
    code="FLW010",
    severity=Severity.MEDIUM,
    tier=Tier.GATE,
    unit="action or image of a file",
    cwe=829,
    reads=READS,
    evidence="C",
    fix="safe",
    example_path=".github/workflows/ci.yml",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a third-party action or image that is not pinned to a full digest.

    Why: whoever controls the tag decides tomorrow what runs with your token and secrets, as in the theft from users of
        tj-actions/changed-files in March 2025.
    Remedy: write the full commit id (or `@sha256:` digest) and the version in a comment; let a bot raise it.
    Source: GitHub, Security hardening for GitHub Actions; OpenSSF Scorecard, Pinned-Dependencies.
    Limits: one finding for each file and action. Actions of GitHub itself count as third-party. Exempt: `./local` ones,
        those of the repository's own organisation, names with variables, images that this tree builds, `scratch`.

    Bad:
        on: push
        jobs:
          test:
            container:
              image: "python:3.12" #~
            steps:
              - uses: 'actions/checkout@v4' #~
              - {uses: actions/checkout@v4}
              - uses: actions/cache@0c45773b623bea8c8e75f6c82b208c3cf94ea4f9

    Bad:
        path: Dockerfile
        ARG BASE=debian:12
        FROM golang:1.22 AS build #~
        FROM ${BASE}
        COPY --from=build /app /app

    Okay:
        on: push
        jobs:
          test:
            steps:
              - uses: actions/checkout@b4ffde65f46336ab88eb53be808477a3936bae11 # v4.1.1
              - uses: ./.github/actions/prepare
              - uses: docker://alpine@sha256:c5b1261d6d3e43071626931fc004f70149baeba2c8ec672bd4f27761f8e1ad6b
        path: Dockerfile
        FROM scratch AS base
        FROM base
    """
    uses = [use for use in _uses(facts) if not _is_own(use, facts.snapshot.repository)]
    by_unit: dict[tuple[str, str], list[_Use]] = defaultdict(list)
    for use in uses:
        by_unit[use.path, use.name].append(use)
    yield Checked(len(by_unit))
    for (path, name), same in by_unit.items():
        loose = [use for use in same if not _is_pinned(use)]
        if loose:
            yield _found(path, name, loose)


def _found(path: str, name: str, loose: list[_Use]) -> Found:
    first = min(loose, key=lambda use: use.line)
    refs = sorted({use.ref or "no tag" for use in loose})
    times = f", {len(loose)} times" if len(loose) > 1 else ""
    kind = "Image" if first.is_image else "Action"
    return Found(
        path=path,
        line=first.line,
        message=f"{kind} {name} is not pinned to a digest but to {', '.join(refs[:4])}{times}",
        tokens=name,
        unit=f"{path}:{name}",
    )


def _is_pinned(use: _Use) -> bool:
    if use.is_image:
        return "@sha256:" in use.ref
    return _COMMIT.fullmatch(use.ref) is not None or use.name.startswith(_BY_TAG_ONLY)


def _is_own(use: _Use, repository: str) -> bool:
    """Whether the owner of the action or image is the owner of the repository (`host/owner/name`)."""
    parts = repository.lower().split("/")
    if len(parts) < 3 or parts[0] == "local":
        return False
    segments = use.name.lower().split("/")
    if use.is_image and "." in segments[0]:
        segments = segments[1:]
    return len(segments) > 1 and segments[0] == parts[1]


def _uses(facts: RepositoryFacts) -> Iterator[_Use]:
    found = facts.derive(pipelines)
    for workflow in (*found.workflows, *found.actions.values()):
        yield from _uses_of_workflow(workflow)
    built = _built_names(facts)
    for file, content in facts.each(text_lines):
        if file.variant == "dockerfile" and file.file_class in _DOCKER_CLASSES:
            yield from _uses_of_dockerfile(file.path, content.lines, built)


def _uses_of_workflow(workflow: Workflow) -> Iterator[_Use]:
    for job in workflow.jobs:
        for line, uses in [(job.uses_line, job.uses), *((step.uses_line, step.uses) for step in job.steps)]:
            yield from _action(workflow.path, line, uses)
        if workflow.system in _IMAGE_SYSTEMS:
            for image in job.images:
                yield from _image(workflow.path, image.line, image.reference.removeprefix("docker://"))


def _action(path: str, line: int, uses: str) -> Iterator[_Use]:
    if uses.startswith("docker://"):
        yield from _image(path, line, uses.removeprefix("docker://"))
        return
    name, at, ref = uses.partition("@")
    if at and not uses.startswith(".") and "${" not in uses:
        yield _Use(path, line, re.sub(r"^https?://", "", name), ref.split(" ")[0], is_image=False)


def _image(path: str, line: int, reference: str) -> Iterator[_Use]:
    if not reference or "$" in reference or "{" in reference or "%" in reference or reference == "scratch":
        return
    if match := _DIGEST.search(reference):
        yield _Use(path, line, _image_name(reference[: match.start()]), match.group(), is_image=True)
    else:
        name = _image_name(reference)
        yield _Use(path, line, name, reference[len(name) + 1 :], is_image=True)


def _image_name(reference: str) -> str:
    folder, slash, last = reference.rpartition("/")
    return folder + slash + last.partition(":")[0].partition("@")[0]


def _uses_of_dockerfile(path: str, lines: Iterable[str], built: frozenset[str]) -> Iterator[_Use]:
    stages: set[str] = set()
    end = ""
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if end:
            end = "" if text == end else end
            continue
        if text.startswith(("RUN", "COPY")) and (heredoc := _HEREDOC.search(text)):
            end = heredoc.group(1)
        if not (match := _FROM.match(text)):
            continue
        reference, stage = match.groups()
        if reference.lower() not in stages and _image_name(reference) not in built:
            yield from _image(path, number, reference)
        if stage:
            stages.add(stage.lower())


def _built_names(facts: RepositoryFacts) -> frozenset[str]:
    """Names under which this tree builds images, as far as its pipelines, makefiles and compose files say."""
    found: set[str] = set()
    for workflow in facts.derive(pipelines).workflows:
        for _, step in workflow.steps:
            if step.script and "docker" in step.script.text:
                found.update(_BUILT_NAME.findall(step.script.text))
    for file, content in facts.each(text_lines):
        if file.variant == "makefile":
            found.update(name for line in content.lines if "build" in line for name in _BUILT_NAME.findall(line))
        elif file.variant == "dockerfile":
            found.add(file.folder.rpartition("/")[2])
            found.add(file.name.partition(".")[2])
    for file, parsed in facts.each(document):
        services = parsed.root.get("services") if parsed.root and "compose" in file.name else None
        for service in (services.pairs if services else {}).values():
            if service.get("build"):
                found.add(_image_name(service.text("image")))
    return frozenset(found - {""})
