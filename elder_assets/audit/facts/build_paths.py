"""Paths of the repository that build steps name, and what build steps produce. Derived facts.

Read from Dockerfiles, Makefiles and pipelines. Only literal paths whose place is known: nothing with a variable or a
glob, nothing behind a test or a fallback, nothing after a step left the checked-out tree.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from elder_assets.audit.facts.ci import Job, Script, Step, Workflow, pipelines
from elder_assets.audit.facts.documents import Node, text_lines
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.shell import Command, commands_of, program_words
from elder_assets.audit.model import FileClass, SourceFile
from elder_assets.audit.patterns import regex

How = Literal["COPY source", "working directory", "script", "requirements file", "configuration file", "file"]


class NamedPath(msgspec.Struct, frozen=True):
    """A path that a build step needs."""

    file: str
    """Where it is named."""
    line: int
    target: str
    """The path as written."""
    bases: tuple[str, ...]
    """Folders from which it may be meant; '' is the root."""
    how: How
    is_context: bool = False
    """Any folder may be the base: the build context of a Dockerfile is chosen outside of it."""


class BuildPaths(msgspec.Struct, frozen=True):
    """All named paths, and the names of what the steps produce."""

    named: tuple[NamedPath, ...]
    produced: frozenset[str]
    """Last parts of paths that some step creates, fetches or unpacks."""


def build_paths(facts: RepositoryFacts) -> BuildPaths:
    """Derive the named and produced paths of a snapshot; use with `facts.derive(build_paths)`."""
    named: list[NamedPath] = []
    produced: set[str] = set()
    for workflow in facts.derive(pipelines).workflows:
        named += _of_workflow(facts, workflow)
        produced |= _produced_by_workflow(workflow)
    for file, content in facts.each(text_lines, FileClass.CONFIG, FileClass.PRODUCTION):
        if "{{" in file.path or "{%" in file.path:
            continue
        if file.variant == "dockerfile":
            named += _of_dockerfile(file, content.lines)
            produced |= _produced_by(*_run_lines(content.lines))
        elif file.variant == "makefile":
            recipes = list(_recipes(content.lines))
            produced |= _produced_by(*(text for _, text in recipes)) | _targets(content.lines)
            if file.name in {"Makefile", "makefile", "GNUmakefile"}:
                named += _of_recipes(facts, file, recipes)
    return BuildPaths(tuple(named), frozenset(produced - {""}))


# --- pipelines -------------------------------------------------------------------------------------------

_POSIX = frozenset({"", "bash", "sh"})


def _of_workflow(facts: RepositoryFacts, workflow: Workflow) -> Iterator[NamedPath]:
    if workflow.system == "Jenkins" or (set(workflow.triggers) == {"workflow_call"}):
        return
    for job in workflow.jobs:
        if workflow.system.endswith("Actions"):
            yield from _of_github_job(facts, workflow, job)
        elif not _moves(workflow.root) and not any("_install" in step.name for step in job.steps):
            folder: str | None = ""
            for step in job.steps:
                if step.script and folder is not None:
                    found, folder = _of_script(facts, workflow.path, step.script, folder)
                    yield from found


def _of_github_job(facts: RepositoryFacts, workflow: Workflow, job: Job) -> Iterator[NamedPath]:
    if not _is_plain_checkout(job.steps) or re.search(
        r"github\.repository|windows", f"{job.condition} {job.root.text('runs-on')}"
    ):
        return
    for step in job.steps:
        folder = ""
        if "hashFiles" in step.condition or (step.script is None and step.working_directory is None):
            continue
        if step.working_directory:
            target = step.working_directory.text.strip()
            if "$" in target or target.startswith(("/", "~")):
                continue
            folder = _join("", target) or ""
            if target not in {".", "./", ""}:
                yield NamedPath(workflow.path, step.working_directory.line, target, ("",), "working directory")
        if step.script and step.shell.split(" ")[0] in _POSIX and (not folder or folder in facts.folders):
            found, after = _of_script(facts, workflow.path, step.script, folder)
            yield from found
            if after is None and _TREE_CHANGES.search(step.script.text):
                return


def _is_plain_checkout(steps: Sequence[Step]) -> bool:
    """The job checks out this repository, at the commit of the event, into the workspace, and nothing else."""
    checkouts = [step for step in steps if step.uses.startswith("actions/checkout@")]
    if len(checkouts) != 1 or any("artifact" in step.uses and "download" in step.uses for step in steps):
        return False
    inputs = checkouts[0].inputs
    if inputs is None:
        return True
    return not any(inputs.get(key) for key in ("repository", "path", "ref", "sparse-checkout"))


_PLACE_KEYS = frozenset(
    {"working_directory", "workingDirectory", "dir", "working-directory", "GIT_STRATEGY", "sources", "root", "checkout"}
)


def _moves(root: Node) -> bool:
    """The scripts may start in another folder, tree or machine."""
    return any(path[-1] in _PLACE_KEYS for path, _ in root.walk() if path)


# --- shell -----------------------------------------------------------------------------------------------

_SCRIPT_NAME = regex(r"[\w.@+/-]+\.(?:sh|bash|py|rb|pl|js|mjs|cjs|ts|php)")
_WRAPPER = regex(r"(?:\.\.?/)+(?:gradlew|mvnw)")
_INTERPRETERS = regex(r"(?:bash|sh|zsh|source|\.|python[\d.]*|node|ruby|perl|php|ts-node)")
_LEAVES = frozenset(
    {"pushd", "popd", "chroot", "ssh", "docker", "vagrant", "su", "podman", "lxc-attach", "chdir", "adb"}
)
_GIT_MOVES = frozenset(
    {"checkout", "switch", "reset", "worktree", "merge", "pull", "stash", "clone", "submodule", "init"}
)
_GENERATOR = regex(
    r"generat|export |compile|render|bootstrap|autogen|prepare|codegen|update[_-]|create[_-]|fetch|download"
)
"""Words of commands that may write any file; nothing is known behind them."""
_TREE_CHANGES = regex(rf"\bgit\s+(?:checkout|switch|reset|worktree|merge|pull)\b|{_GENERATOR.pattern}")
_MANIFEST_OPTIONS = {"-r", "--requirement", "-c", "--constraint"}
_CONFIG_OPTION = regex(r"--(?:config|config-file|rcfile|conf)(?:=(.+))?")


def _of_script(facts: RepositoryFacts, path: str, script: Script, folder: str) -> tuple[list[NamedPath], str | None]:
    """Paths that a script names, and the folder in which it ends; None when the place is no longer known."""
    found: list[NamedPath] = []
    current: str | None = folder
    outer: list[str | None] = []
    depth = 0
    commands = script.commands
    for index, command in enumerate(commands):
        while depth < command.depth:
            outer.append(current)
            depth += 1
        while depth > command.depth:
            current = outer.pop()
            depth -= 1
        if current is None:
            continue
        if _GENERATOR.search(" ".join(command.words)):
            return found, None
        if not _is_optional(commands, index):
            found += [
                NamedPath(path, script.line_at(command.line), target, (current,), how)
                for target, how in _needs(command)
            ]
        current = _folder_after(facts, command, current)
    return found, outer[0] if outer else current


def _is_optional(commands: Sequence[Command], index: int) -> bool:
    command = commands[index]
    if command.is_branch or command.is_condition or "||" in {command.before, command.after}:
        return True
    start = index
    while start and commands[start].before == "&&":
        start -= 1
        if commands[start].words[0] in {"[", "[[", "test"}:
            return True
    end = index
    while commands[end].after in {"&&", "|"} and end + 1 < len(commands):
        end += 1
    return commands[end].after == "||"


def _folder_after(facts: RepositoryFacts, command: Command, folder: str) -> str | None:
    words = program_words(command.words)
    if not words:
        return folder
    if words[0] == "cd":
        if command.is_branch or len(words) != 2 or not command.literals[-1]:
            return None
        target = _join(folder, words[1])
        return target if target is not None and target in facts.folders else None
    if words[0] in _LEAVES and words[0] not in {"docker", "podman"}:
        return None
    return None if words[0] == "git" and _GIT_MOVES & set(words[1:4]) else folder


def _needs(command: Command) -> Iterator[tuple[str, How]]:
    """Literal relative paths that a command reads."""
    literal = {word for word, is_literal in zip(command.words, command.literals, strict=True) if is_literal}
    words = program_words(command.words)
    for target, how in _candidates(words):
        if target in literal or f"--config={target}" in literal or f"--rcfile={target}" in literal:
            yield target, how


def _candidates(words: tuple[str, ...]) -> Iterator[tuple[str, How]]:
    if not words or words[0] in {"docker", "podman", "ssh", "echo", "printf", "sudo"}:
        return
    if _WRAPPER.fullmatch(words[0]) or ("/" in words[0] and _SCRIPT_NAME.fullmatch(words[0])):
        yield words[0], "script"
    elif _INTERPRETERS.fullmatch(words[0]):
        script = next((word for word in words[1:] if not word.startswith("-")), "")
        options = [word for word in words[1:] if word.startswith("-")]
        before = words[1 : words.index(script)] if script else ()
        if (
            _SCRIPT_NAME.fullmatch(script)
            and len(before) == len([o for o in options if o in before])
            and not _takes_value(before)
        ):
            yield script, "script"
    elif words[0] in {"pip", "pip3"} and "install" in words[1:3]:
        yield from ((value, "requirements file") for value in _values(words, _MANIFEST_OPTIONS))
    yield from _configurations(words)


def _takes_value(options: Iterable[str]) -> bool:
    return any(
        option in {"-c", "-m", "-e", "-r", "-W", "-X", "-I", "-s", "--require", "-S", "--loader"} for option in options
    )


def _values(words: Sequence[str], options: set[str]) -> Iterator[str]:
    for word, following in itertools.pairwise(words):
        if word in options and following.endswith((".txt", ".in", ".pip")):
            yield following


def _configurations(words: Sequence[str]) -> Iterator[tuple[str, How]]:
    for index, word in enumerate(words):
        match = _CONFIG_OPTION.fullmatch(word)
        value = match.group(1) or (words[index + 1] if index + 1 < len(words) else "") if match else ""
        if re.fullmatch(r"[\w./-]+\.(?:ya?ml|toml|cfg|ini|jsonc?|[cm]?[jt]s|rc|xml|conf)", value):
            yield value, "configuration file"


def _join(folder: str, target: str) -> str | None:
    """A relative path from the root; None when it leaves the repository or is absolute."""
    if target.startswith(("/", "~", "-")) or "\\" in target or ":" in target:
        return None
    parts = [part for part in folder.split("/") if part]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def resolve(named: NamedPath) -> list[str]:
    """The places from the root that a named path may mean; empty when it leaves the repository."""
    target = named.target.lstrip("/") if named.how == "COPY source" else named.target
    return [place for base in named.bases if (place := _join(base, target)) is not None]


# --- Dockerfile ------------------------------------------------------------------------------------------

_COPY = regex(r"(?:COPY|ADD)\s+(.*)", re.IGNORECASE | re.DOTALL)
_HEREDOC = regex(r"<<-?\s*['\"]?(\w+)")


def _instructions(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Instructions of a Dockerfile with their first line, continuation lines joined, here-documents left out."""
    escape = "`" if any(re.match(r"#\s*escape\s*=\s*`", line, re.IGNORECASE) for line in lines[:5]) else "\\"
    start, end = 0, ""
    parts: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if end:
            end = "" if text == end else end
            continue
        if not text or text.startswith("#"):
            continue
        start = start or number
        if text.endswith(escape):
            parts.append(text[:-1])
            continue
        whole = " ".join([*parts, text])
        yield start, whole
        if (heredoc := _HEREDOC.search(whole)) and whole[:4].upper() in {"RUN ", "COPY", "ADD "}:
            end = heredoc.group(1)
        start, parts = 0, []


def _run_lines(lines: Sequence[str]) -> Iterator[str]:
    for _, instruction in _instructions(lines):
        if instruction[:4].upper() == "RUN ":
            yield instruction[4:]


def _of_dockerfile(file: SourceFile, lines: Sequence[str]) -> Iterator[NamedPath]:
    folders = [file.folder]
    while folders[-1]:
        folders.append(folders[-1].rpartition("/")[0])
    for line, instruction in _instructions(lines):
        match = _COPY.match(instruction)
        if not match or "<<" in instruction:
            continue
        for source in _copy_sources(match.group(1).strip()):
            yield NamedPath(file.path, line, source, tuple(folders), "COPY source", is_context=True)


def _copy_sources(arguments: str) -> list[str]:
    flags = re.match(r"(?:--\S+\s+)*", arguments)
    rest = arguments[flags.end() :] if flags else arguments
    if flags and re.search(r"--from=|--exclude|--parents", flags.group()):
        return []
    if rest.startswith("["):
        try:
            words = [str(word) for word in json.loads(rest)]
        except ValueError:
            return []
    else:
        words = [word.strip("\"'") for word in rest.split()]
    return [word for word in words[:-1] if not re.search(r"[$*?\[\]{}<>%\\]|^\w+://|^git@|@|^\.*/?$", word)]


# --- Makefile --------------------------------------------------------------------------------------------


def _recipes(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Logical recipe lines with the number of their first line; those whose failure is ignored are left out."""
    start = 0
    parts: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not parts and not line.startswith("\t"):
            continue
        start = start or number
        parts.append(line)
        if line.endswith("\\"):
            continue
        text = "\n".join(parts).strip()
        if not text.lstrip("@+ ").startswith("-"):
            yield start, text.lstrip("@+ ")
        start, parts = 0, []


def _of_recipes(facts: RepositoryFacts, file: SourceFile, recipes: Sequence[tuple[int, str]]) -> Iterator[NamedPath]:
    """Paths that recipes name, up to the first line of each recipe that may write any file."""
    is_open, expected = True, 0
    for line, text in recipes:
        is_open = is_open or line != expected
        expected = line + text.count("\n") + 1
        if is_open:
            found, _ = _of_script(facts, file.path, Script(line, text), file.folder)
            yield from found
        is_open = is_open and not _TREE_CHANGES.search(text)


_RULE = regex(r"([\w./%@ \t-]+?)\s*::?(?!=)")


def _targets(lines: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for line in lines:
        if not line.startswith(("\t", "#", " ")) and (match := _RULE.match(line)):
            found.update(_last(word) for word in match.group(1).split())
    return found


# --- what steps produce ----------------------------------------------------------------------------------

_MAKERS = frozenset(
    """
    mkdir touch cp mv ln tar unzip git curl wget install tee virtualenv venv cmake meson rsync dd
    svn hg gunzip 7z aws gsutil scp protoc openssl sed gh composer npm npx yarn pnpm go cargo
    pip-compile poetry pipenv uv sphinx-apidoc django-admin cookiecutter copier rails
    create-react-app bundle dotnet terraform helm download invoke-webrequest invoke-restmethod
    ssh-keygen base64 autoreconf ./autogen.sh ./bootstrap phpize sphinx-quickstart
    """.split()  # noqa: SIM905 - ninety words read better as text
)
"""Programs whose arguments may name what they create, fetch or unpack."""


def _last(word: str) -> str:
    """Last part of a path or address, without `.git` and query."""
    return re.split(r"[?#]", word.strip("\"'"))[0].rstrip("/").rpartition("/")[2].removesuffix(".git")


def _produced_by(*scripts: str) -> set[str]:
    found: set[str] = set()
    for script in scripts:
        for command in commands_of(script):
            found.update(_last(name) for name in command.redirects)
            words = program_words(command.words)
            if words and words[0].lower() in _MAKERS:
                found.update(_last(part) for word in words[1:] for part in re.split(r"[=:,]", word))
            found.update(
                _last(v) for w, v in itertools.pairwise(words) if w in {"-o", "--output", "-O", "--out", "-d", "-C"}
            )
    return found


def _produced_by_workflow(workflow: Workflow) -> set[str]:
    found: set[str] = set()
    for _, step in workflow.steps:
        if step.script:
            found |= _produced_by(step.script.text)
        for _, value in step.inputs.walk() if step.inputs else ():
            found.update(_last(word) for word in value.text().split())
    return found
