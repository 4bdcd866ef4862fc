"""TDD012."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from elder_assets.audit.facts.documents import Node, document, text_lines
from elder_assets.audit.facts.repository_facts import RepositoryFacts, TreeFacts
from elder_assets.audit.model import Checked, FileClass, Found, NotAvailable, Outcome, Severity, SourceFile, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule


class Gate(msgspec.Struct, frozen=True):
    """One number that coverage must reach, and where it stands."""

    path: str
    line: int
    value: float


@repository_rule(
    code="TDD012",
    severity=Severity.HIGH,
    tier=Tier.GATE,
    unit="coverage gate",
    reads=(document, text_lines),
    evidence="HC",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a coverage gate that was lowered since the earlier audit.

    Why: a gate that follows the coverage down stops nothing.
    Remedy: raise coverage back over the old gate, or record the decision and lower the gate with approval.
    Source: coverage.py, Jest, nyc and Codecov documentation.
    Limits: numbers in coverage.py, pytest-cov, Codecov, Jest and nyc configuration, and `--fail-under` in CI, tox and
        make files, as long as both audits have them; a gate that moved or went away is not judged. A newly omitted
        pattern counts when it takes two or more production files of one folder out that were measured before.
    """
    if facts.baseline is None:
        yield NotAvailable("no earlier audit")
        return
    if facts.baseline.tree is None:
        yield NotAvailable(f"the commit of the earlier audit, {facts.baseline.commit[:12]}, is no longer here")
        return
    yield from _compare_gates(_gates(facts.baseline.tree), _gates(facts))
    yield from _compare_omissions(facts.baseline.tree, facts)


def _compare_gates(before: Mapping[str, Gate], now: Mapping[str, Gate]) -> Iterator[Outcome]:
    for name in sorted(before.keys() & now.keys()):
        yield Checked()
        old, new = before[name], now[name]
        if new.value < old.value:
            yield Found(
                path=new.path,
                line=new.line,
                tokens=name,
                unit=name,
                message=f"the coverage gate {name} was lowered from {old.value:g} to {new.value:g}",
            )


# --- gates -----------------------------------------------------------------------------------------------

_OPTION = regex(r"--(?:cov-)?fail-under[= ]\s*(\d{1,3}(?:\.\d+)?)\b")
_NUMBER = regex(r"(\d{1,3}(?:\.\d+)?)\s*%?")
_METRICS = ("branches", "functions", "lines", "statements")


def _gates(tree: TreeFacts) -> dict[str, Gate]:
    """Every coverage gate of a tree by a name that both audits share; of equal names the highest."""
    found: dict[str, Gate] = {}
    for file, parsed in tree.each(document, FileClass.CONFIG):
        for name, node in _gates_of(file, parsed.root) if parsed.root is not None else ():
            _keep(found, f"{name} ({file.folder})" if file.folder and "." not in file.folder[:1] else name, file, node)
    for file, read in tree.each(text_lines, FileClass.CONFIG):
        for number, line in enumerate(read.lines, start=1):
            if match := _OPTION.search(line):
                _keep(found, f"--fail-under in {file.path}", file, Node(number, match.group(1)))
    return found


def _keep(found: dict[str, Gate], name: str, file: SourceFile, node: Node) -> None:
    match = _NUMBER.fullmatch(str(node.value).strip())
    if match is None:
        return
    gate = Gate(file.path, node.line, float(match.group(1)))
    if name not in found or found[name].value < gate.value:
        found[name] = gate


def _gates_of(file: SourceFile, root: Node) -> Iterator[tuple[str, Node]]:
    name = file.name
    if name in {".coveragerc", "setup.cfg", "tox.ini"}:
        section = "report" if name == ".coveragerc" else "coverage:report"
        yield from _one("fail_under", root.get(section, "fail_under"))
    elif name == "pyproject.toml":
        yield from _one("fail_under", root.get("tool", "coverage", "report", "fail_under"))
    elif re.fullmatch(r"\.?codecov\.ya?ml", name):
        yield from _codecov(root)
    elif name == "package.json":
        yield from _metrics("Jest", root.get("jest", "coverageThreshold", "global"))
        yield from _metrics("nyc", root.get("nyc"))
    elif name == "jest.config.json":
        yield from _metrics("Jest", root.get("coverageThreshold", "global"))
    elif name in {".nycrc", ".nycrc.json"}:
        yield from _metrics("nyc", root)
    for _, node in root.walk():
        if isinstance(node.value, str) and (match := _OPTION.search(node.value)):
            yield f"--fail-under in {file.path}", Node(node.line, match.group(1))


def _one(name: str, node: Node | None) -> Iterator[tuple[str, Node]]:
    if node is not None:
        yield name, node


def _metrics(tool: str, node: Node | None) -> Iterator[tuple[str, Node]]:
    for metric in _METRICS:
        yield from _one(f"{metric} of {tool}", node.get(metric) if node is not None else None)


def _codecov(root: Node) -> Iterator[tuple[str, Node]]:
    for kind in ("project", "patch"):
        status = root.get("coverage", "status", kind)
        for name, node in status.pairs.items() if status is not None else ():
            yield from _one(f"{kind}/{name} of Codecov", node.get("target"))


# --- omissions -------------------------------------------------------------------------------------------

_OMITTED_FILES_MIN = 2
"""A package, not a single file such as `_version.py`; chosen by us."""


def _compare_omissions(before: TreeFacts, now: TreeFacts) -> Iterator[Outcome]:
    old, new = _omissions(before), _omissions(now)
    measured = [
        file.path for file in now.files if file.file_class is FileClass.PRODUCTION and file.path in before.paths
    ]
    for key, (path, line, patterns) in sorted(new.items()):
        if key not in old:
            continue
        yield Checked()
        known = old[key][2]
        for pattern in patterns:
            lost = _matched(pattern, measured) if pattern not in known else []
            lost = [name for name in lost if not any(_matched(other, [name]) for other in known)]
            folders = [name.rpartition("/")[0] for name in lost]
            if any(folders.count(folder) >= _OMITTED_FILES_MIN for folder in set(folders)):
                yield Found(
                    path=path,
                    line=line,
                    tokens=f"{key} {pattern}",
                    unit=key,
                    message=f"coverage no longer measures {pattern}: {len(lost)} files that were measured before",
                )


def _omissions(tree: TreeFacts) -> dict[str, tuple[str, int, Sequence[str]]]:
    """Name of each list of omitted files to its path, line and patterns; an absent list is empty."""
    found: dict[str, tuple[str, int, Sequence[str]]] = {}
    for file, parsed in tree.each(document, FileClass.CONFIG):
        if parsed.root is None or file.folder:
            continue
        if file.name == ".coveragerc":
            node = parsed.root.get("run", "omit")
        elif file.name == "pyproject.toml" and parsed.root.get("tool", "coverage") is not None:
            node = parsed.root.get("tool", "coverage", "run", "omit")
        elif re.fullmatch(r"\.?codecov\.ya?ml", file.name):
            node = parsed.root.get("ignore")
        else:
            continue
        texts = (
            [str(item.value) for item in node.items] if node and node.items else str(node.value if node else "").split()
        )
        found[file.name] = (file.path, node.line if node else 0, [text.strip(" ,'\"") for text in texts])
    return found


def _matched(pattern: str, paths: Sequence[str]) -> list[str]:
    """Paths that a pattern of coverage.py or Codecov takes out."""
    body = pattern.removeprefix("./").removeprefix("*/").removeprefix("**/").rstrip("/")
    forms = (body, f"{body}/*", f"*/{body}", f"*/{body}/*")
    return [path for path in paths if body and any(fnmatch.fnmatchcase(path, form) for form in forms)]
