"""INT008."""

from __future__ import annotations

import re
from collections.abc import Iterator

from elder_assets.audit.facts.build_paths import NamedPath, build_paths, resolve
from elder_assets.audit.facts.ci import READS
from elder_assets.audit.facts.documents import text_lines
from elder_assets.audit.facts.git_patterns import IgnoreRule, ignored_by, parse_ignore_file
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, Found, Outcome, Severity, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

_GENERATED = regex(
    r"(?:^|/)(?:dist|build|builds|target|node_modules|bin|out|output|_build|\.?venv|env|vendor|coverage|htmlcov|obj|\.next|public"
    r"|tmp|temp|releases?|artifacts?|_?site|gen|generated|cache|\.tox|\.nox|packages?|publish|wheels?|wheelhouse|binaries|data"
    r"|logs?|secrets?|certs?|keys|deps|downloads?|\.?git|rootfs|staging|pkg|results?|reports?)(?:/|$)",
    re.IGNORECASE,
)
"""Folders that builds fill."""
_LOCAL = regex(
    r"(?:^|/)\.env|\.local\b|\.(?:pem|crt|key|p12|jks|cer|csr|pub|gpg|asc)$|credential|password|secret|token|license",
    re.IGNORECASE,
)
"""Files that everyone brings along."""
_BUILT = regex(
    r"\.(?:jar|war|ear|whl|gz|tgz|xz|bz2|zip|deb|rpm|apk|so|exe|dll|o|a|wasm|phar|gem|tar|bin|img|iso|min\.\w+|sql|dump)$"
)
_SOURCE_WITHOUT_ENDING = frozenset({"Pipfile", "Gemfile", "Makefile", "Rakefile", "Procfile", "Cargo", "CMakeLists"})


@repository_rule(
    code="INT008", severity=Severity.HIGH, tier=Tier.GATE, unit="path", reads=READS, evidence="TC", fix="suggested",
    example_path="Dockerfile",
)  # fmt: skip
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a build step that names a path which does not exist.

    Why: the step fails for whoever runs it next, or it silently checks nothing; either way nobody has run it lately.
    Remedy: correct the path, or remove the step.
    Source: Docker, Dockerfile reference (COPY); GitHub, Workflow syntax (working-directory).
    Limits: literal paths in Dockerfiles, Makefiles and pipelines. Nothing that a step produces, fetches or unpacks,
        that git ignores, or that lies in a folder which builds fill; nothing behind a test or a fallback.

    Bad:
        path: Dockerfile
        FROM python:3.12
        COPY requirements.txt . #~
        COPY shop /app/shop
        path: shop/basket.py
        total = 0

    Bad:
        path: .github/workflows/ci.yml
        on: push
        jobs:
          test:
            steps:
              - uses: actions/checkout@v4
              - run: |
                  pip install -r requirements/tests.txt #~
                  bash scripts/check.sh
              - run: npm test
                working-directory: frontend #~
        path: scripts/check.sh
        exit 0

    Okay:
        path: docker/app/Dockerfile
        FROM node:22 AS build
        COPY package.json yarn.lock* ./
        COPY shop/basket.py entry.sh $EXTRA /app/
        FROM scratch
        COPY --from=build /app/missing.js dist/app.js /srv/
        path: docker/app/entry.sh
        exit 0
        path: package.json
        {}
        path: shop/basket.py
        total = 0

    Okay:
        path: .github/workflows/ci.yml
        on: push
        jobs:
          test:
            steps:
              - uses: actions/checkout@v4
              - run: |
                  if [ -f requirements.txt ]; then pip install -r requirements.txt; fi
                  test -x tool.sh && ./tool.sh
                  curl -sSfL https://example.org/install.sh -o install.sh
                  bash ./install.sh
                  git clone https://example.org/other.git && cd other
                  python setup.py install
          elsewhere:
            steps:
              - uses: actions/checkout@v4
                with: {repository: example/other}
              - run: python other.py
    """
    found = facts.derive(build_paths)
    ignored = _ignore_rules(facts)
    units = 0
    reported = []
    for named in found.named:
        places = resolve(named)
        if not places:
            continue
        units += 1
        is_there = any(_exists(facts, place) for place in places)
        if not (is_there or _produced(found.produced, places) or _is_excused(facts, named, places, ignored)):
            reported.append(named)
    yield Checked(units)
    for named in reported:
        yield Found(
            path=named.file,
            line=named.line,
            message=f"The {named.how} {named.target} does not exist in the repository",
            tokens=f"{named.how} {named.target}",
        )


def _exists(facts: RepositoryFacts, place: str) -> bool:
    return place in facts.paths or place in facts.folders or _below_a_link(facts, place)


def _below_a_link(facts: RepositoryFacts, place: str) -> bool:
    """It lies in a submodule or behind a link, whose content is not in this tree."""
    parts = place.split("/")
    return any("/".join(parts[:depth]) in facts.paths for depth in range(1, len(parts)))


def _ignore_rules(facts: RepositoryFacts) -> list[IgnoreRule]:
    return [
        rule
        for file, content in facts.each(text_lines)
        if file.name == ".gitignore"
        for rule in parse_ignore_file(content.lines, f"{file.folder}/" if file.folder else "")
    ]


def _is_excused(facts: RepositoryFacts, named: NamedPath, places: list[str], ignored: list[IgnoreRule]) -> bool:
    name = places[0].rpartition("/")[2]
    if _GENERATED.search(named.target) or _LOCAL.search(named.target) or _BUILT.search(name):
        return True
    if named.is_context:
        if "." not in name.lstrip(".") and name not in _SOURCE_WITHOUT_ENDING:
            return True
        target = named.target.strip("./")
        if any(path.endswith(f"/{target}") or f"/{target}/" in path for path in facts.paths):
            return True
    if any(
        f"{place}{ending}" in facts.paths
        for place in places
        for ending in (".in", ".example", ".sample", ".dist", ".template", ".tmpl", ".j2", ".erb")
    ):
        return True
    return any(ignored_by(place, ignored) is not None for place in places)


def _produced(produced: frozenset[str], places: list[str]) -> bool:
    return any(part in produced for place in places for part in place.split("/"))
