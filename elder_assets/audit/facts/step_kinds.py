"""What a command or an action of a pipeline does: test, lint, type, security, build, deploy or other.

Known by the words of the command; `make`, tox and npm scripts are followed into the tree. An unknown command is
'other': nothing is claimed about it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from elder_assets.audit.facts.documents import document, text_lines
from elder_assets.audit.facts.shell import Command, commands_of, program_words
from elder_assets.audit.patterns import regex

if TYPE_CHECKING:
    from elder_assets.audit.facts.repository_facts import RepositoryFacts

Kind = Literal["test", "lint", "type", "security", "build", "deploy", "other"]
GATE_KINDS: tuple[Kind, ...] = ("test", "type", "lint", "security", "build")
"""Kinds that tell whether a change is good; in the order in which one step is named by the strongest."""

_BY_PROGRAM: tuple[tuple[Kind, str], ...] = (
    (
        "test",
        (
            r"pytest|py\.test|nosetests\d?|nose2?|unittest|trial|zope-testrunner|stestr|jest|vitest|mocha|karma|ava"
            r"|rspec|phpunit|pest|ctest|bats|gotestsum|ginkgo|cucumber|behave|robot|busted|minitest|testem|xctest|avocado"
        ),
    ),
    (
        "lint",
        (
            r"flake8|pylint|pycodestyle|pydocstyle|eslint|jshint|tslint|stylelint|golangci-lint|golint|staticcheck"
            r"|rubocop|standard|standardrb|shellcheck|hadolint|yamllint|pre-commit|checkstyle|ktlint|detekt|actionlint"
            r"|markdownlint|markdownlint-cli2|codespell|commitlint|cpplint|cppcheck|clang-tidy|swiftlint|vulture|xo"
            r"|semistandard|reuse|ansible-lint|doc8|rstcheck|proselint|check-manifest|vale|typos|revive|pyflakes"
        ),
    ),
    ("type", r"mypy|pyright|basedpyright|pytype|pyre|vue-tsc|svelte-check|phpstan|psalm|sorbet|srb|dialyzer"),
    (
        "security",
        (
            r"bandit|safety|pip-audit|snyk|trivy|grype|gosec|govulncheck|brakeman|bundle-audit|bundler-audit|semgrep"
            r"|gitleaks|trufflehog|dependency-check|cargo-audit|cargo-deny|osv-scanner|checkov|tfsec|zizmor|retire"
        ),
    ),
    ("build", r"webpack|rollup|xcodebuild|msbuild|gcc|g\+\+|clang|javac|pyproject-build"),
)
_PROGRAMS = {name: kind for kind, names in _BY_PROGRAM for name in names.replace("\\", "").split("|")}

_COMMAND_PATTERNS: tuple[tuple[Kind, str], ...] = (
        ("lint", r"ruff (?:check|\.|[\w./-]+)"),
        ("lint", (r"(?:black|isort|yapf|prettier|gofumpt|clang-format|dprint|biome|oxlint)(?: .*)? "
                 r"(?:--check|--diff|--list-different|--check-only|-c|-l|--dry-run|-Werror|check|lint|ci)")),
        ("lint", r"biome (?:check|lint|ci)|cargo (?:\+\S+ )?(?:clippy|fmt)|go vet|dotnet format|deno (?:lint|fmt)"),
        ("lint", r"twine check|helm lint|terraform (?:validate|fmt)|mix (?:credo|format)|npm run-script lint"),
        ("test", (r"go test|cargo (?:\+\S+ )?(?:test|nextest|miri)"
                  r"|dotnet (?:test|vstest)|swift test|deno test|bun test")),
        ("test", r"(?:npm|yarn|pnpm) (?:test|t|tst|run test)|npm install-test|mix test|sbt (?:.* )?test|stack test"),
        ("test", r"cabal (?:new-|v2-)?test|playwright test|cypress run|flutter test|dart test|rake(?: (?:test|spec))?"),
        ("test", r"rails test|python\S* (?:-\S+ )*setup\.py (?:.* )?test|python\S* (?:-\S+ )*manage\.py test"),
        ("test", (r"python\S* (?:\./)?(?:tests?/)?(?:run_?)?tests?\.py|meson test"
                  r"|bazel(?:isk)? test|prove|make (?:.* )?(?:check|test)")),
        ("test", (r"(?:\S*/)?mvnw? (?:.* )?(?:test|verify|integration-test)"
                  r"|(?:\S*/)?gradlew? (?:.* )?(?:test|check|build)")),
        ("type", r"tsc|(?:npm|yarn|pnpm)(?: run)? type-?check|flow check|deno check"),
        ("test", r"spin test"),
        ("lint", r"spin lint"),
        ("type", r"spin mypy"),
        ("build", r"spin build"),
        ("security", r"(?:npm|yarn|pnpm) audit|cargo (?:audit|deny)|docker scout|codeql \w+|bundle audit"),
        ("build", r"build|go (?:build|install)|cargo (?:\+\S+ )?(?:build|check)|dotnet (?:build|publish|pack)"),
        ("build", r"python\S* (?:-\S+ )*setup\.py (?:.* )?(?:sdist|bdist_wheel|bdist|build|build_ext)"),
        ("build", r"(?:poetry|uv|hatch|pdm|flit) build|docker (?:buildx )?build|docker[ -]compose build"),
        ("build", r"(?:npm|yarn|pnpm)(?: run)? build|cmake --build|(?:\S*/)?mvnw? (?:.* )?(?:package|install|compile)"),
        ("build", (r"ninja(?: -\S+)*|bazel(?:isk)? build|meson (?:setup|compile)"
                   r"|cmake(?! (?:-E|-P|--version|--help))(?: \S+)+")),
        ("build", r"(?:\S*/)?gradlew? (?:.* )?assemble|gem build|swift build|nix build|nix-build"),
        ("deploy", (r"twine upload|(?:npm|pnpm|yarn) publish|cargo publish"
                    r"|(?:poetry|uv|hatch|flit) publish|docker push")),
        ("deploy", r"git push|kubectl apply|helm upgrade|terraform apply|gh release|goreleaser|gem push"),
)  # fmt: skip
_BY_COMMAND = tuple((kind, regex(pattern + r"(?=\s|$)")) for kind, pattern in _COMMAND_PATTERNS)

_ACTION_PATTERNS: tuple[tuple[Kind, str], ...] = (
        ("test", r"^cypress-io/github-action$|^GabrielBB/xvfb-action$|^actions-rs/tarpaulin$"),
        (
            "lint",
            (r"lint|^psf/black$|^pre-commit/action$|^actions-rs/clippy|^isort/isort-action$|^rojopolis/spellcheck"
            r"|^crate-ci/typos$|^codespell-project/|^wagoid/commitlint|^super-linter/|^github/super-linter"
            r"|^ludeeus/action-shellcheck$|^dominikh/staticcheck-action$|^chartboost/ruff-action$|^astral-sh/ruff-action$"),
        ),
        ("type", r"^jakebailey/pyright-action$|mypy"),
        (
            "security",
            (r"^github/codeql-action/analyze$|^snyk/|^aquasecurity/(?:trivy|tfsec)|^anchore/scan-action$"
            r"|^actions/dependency-review-action$|^gitleaks/|^pypa/gh-action-pip-audit$|^golang/govulncheck-action$"
            r"|^securego/gosec$|^rustsec/audit-check$|^EmbarkStudios/cargo-deny-action$|^trufflesecurity/"
            r"|^zizmorcore/|^bridgecrewio/checkov-action$|^semgrep/|^returntocorp/semgrep-action$"),
        ),
        ("build", r"^docker/(?:build-push-action|bake-action)$|^pypa/cibuildwheel$|^PyO3/maturin-action$"),
        ("deploy", r"^pypa/gh-action-pypi-publish$|^softprops/action-gh-release$|^peaceiris/actions-gh-pages$"),
)  # fmt: skip
_ACTIONS = tuple((kind, regex(pattern, re.IGNORECASE)) for kind, pattern in _ACTION_PATTERNS)
_NPM_RUN = regex(r"(?:npm|yarn|pnpm|bun)(?: run(?:-script)?)? (?:-\S+ )*([\w:.-]+)")
_TARGET = regex(r"[A-Za-z_][\w./-]*$")
_FOLLOW_MAX = 4
"""Depth to which make targets and npm scripts are followed; chosen by us."""


def strongest(kinds: set[Kind]) -> Kind:
    """The kind by which a step of several kinds is named."""
    return next((kind for kind in (*GATE_KINDS, "deploy") if kind in kinds), "other")


def kind_of_action(uses: str) -> Kind:
    """What a GitHub action does, by its name."""
    name = uses.partition("@")[0]
    return next((kind for kind, pattern in _ACTIONS if pattern.search(name)), "other")


def kind_of_command(command: Command, facts: RepositoryFacts | None = None, folder: str = "", depth: int = 0) -> Kind:
    """What one command does; `facts` lets make targets and npm scripts be followed from `folder`."""
    words = program_words(command.words)
    if not words:
        return "other"
    name = words[0].rpartition("/")[2].removesuffix(".exe")
    if {"--version", "--help", "-V", "install", "--install"} & set(words[1:3]) and name not in {
        "go",
        "mvn",
        "mvnw",
        "cmake",
    }:
        return "other"
    if kind := _PROGRAMS.get(name):
        return kind
    if name in {"bash", "sh", "zsh"} and "-c" in words[1:3]:
        inner = words[words.index("-c") + 1 :]
        return kind_of_script(inner[0], facts, folder, depth + 1) if inner and depth < _FOLLOW_MAX else "other"
    if name in {"tox", "nox"}:
        return _kind_of_environment(words)
    line = " ".join((name, *words[1:]))[:500]
    if facts is not None and depth < _FOLLOW_MAX and (followed := _follow(words, facts, folder, depth)):
        return followed
    return next((kind for kind, pattern in _BY_COMMAND if pattern.match(line)), "other")


def kind_of_script(script: str, facts: RepositoryFacts | None = None, folder: str = "", depth: int = 0) -> Kind:
    """What a shell script does: the strongest kind among its commands."""
    return strongest({kind_of_command(command, facts, folder, depth) for command in commands_of(script)})


def _kind_of_environment(words: tuple[str, ...]) -> Kind:
    names = " ".join(words[1:])
    if re.search(r"\b(?:lint|flake8|style|pep8|ruff|format|docs?|pre-commit|check|linters?|pylint|manifest)\b", names):
        return "lint" if not re.search(r"\bdocs?\b", names) else "other"
    if re.search(r"\b(?:mypy|typing|types?|pyright)\b", names):
        return "type"
    if re.search(r"\b(?:bandit|security|safety|audit)\b", names):
        return "security"
    if re.search(r"\b(?:coverage|report|upload|clean|release|publish|combine|notest)\b|-l\b|--list", names):
        return "other"
    return "test"


def _follow(words: tuple[str, ...], facts: RepositoryFacts, folder: str, depth: int) -> Kind | None:
    name = words[0].rpartition("/")[2]
    if name in {"make", "gmake"}:
        targets = [word for word in words[1:] if _TARGET.match(word)]
        kinds = {_kind_of_target(target, facts, folder, depth + 1) for target in targets}
        return strongest(kinds) if kinds - {"other"} else None
    if name in {"npm", "yarn", "pnpm", "bun"} and (match := _NPM_RUN.match(" ".join(words))):
        script = _npm_script("test" if match.group(1) in {"t", "tst"} else match.group(1), facts, folder)
        return kind_of_script(script, facts, folder, depth + 1) if script else None
    return None


def _npm_script(name: str, facts: RepositoryFacts, folder: str) -> str:
    file = facts.by_path.get(f"{folder}/package.json" if folder else "package.json")
    manifest = facts.read(document, file) if file else None
    return manifest.root.text("scripts", name) if manifest and manifest.root else ""


def _kind_of_target(target: str, facts: RepositoryFacts, folder: str, depth: int) -> Kind:
    for makefile in ("GNUmakefile", "makefile", "Makefile"):
        file = facts.by_path.get(f"{folder}/{makefile}" if folder else makefile)
        lines = facts.read(text_lines, file) if file else None
        if lines is None:
            continue
        needs, recipe = recipe_of(lines.lines, target)
        kinds: set[Kind] = {kind_of_script(recipe, facts, folder, depth + 1)}
        if depth < _FOLLOW_MAX:
            kinds |= {_kind_of_target(need, facts, folder, depth + 1) for need in needs[:20]}
        return strongest(kinds)
    return "other"


def recipe_of(lines: tuple[str, ...], target: str) -> tuple[list[str], str]:
    """Prerequisites and recipe of a make target; both empty where the target does not stand in the file."""
    head = regex(rf"(?:[\w./%-]+[ \t]+)*{re.escape(target)}(?:[ \t]+[\w./%-]+)*[ \t]*::?(?!=)[ \t]*([^#;]*)")
    needs: list[str] = []
    recipe: list[str] = []
    is_inside = False
    for line in lines:
        if line.startswith("\t"):
            if is_inside:
                recipe.append(line.strip().lstrip("@-+"))
        elif line.strip() and not line.startswith("#"):
            match = head.match(line)
            is_inside = match is not None
            if match:
                needs.extend(word for word in match.group(1).split() if _TARGET.match(word))
    return needs, "\n".join(recipe)
