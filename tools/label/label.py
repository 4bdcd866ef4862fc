"""Draw findings from the corpus, keep a person's verdicts, write the calibration file. See README.md beside it."""

from __future__ import annotations

import argparse
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from elder_assets.audit.engine import audit
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.model import Finding, Severity, Tier
from elder_assets.audit.ruler import Calibration, default_ruler
from resources.git.reader import GitSource

HERE = Path(__file__).parent
CORPUS = HERE / "corpus.json"
VERDICTS = HERE / "verdicts.jsonl"
CALIBRATION = HERE.parent.parent / "elder_assets" / "audit" / "calibration.json"

GATE_PRECISION = 0.95
ADVISE_PRECISION = 0.80
GATE_VERDICTS_MIN = 5
SHARE_OF_ONE_REPOSITORY = 3
"""At most one third of a rule's sample comes from one repository."""


class CorpusRepository(msgspec.Struct, frozen=True):
    """A public repository at a pinned commit."""

    repository: str
    language: str
    commit: str


class Row(msgspec.Struct, kw_only=True):
    """One drawn finding and what a person said of it."""

    id: str
    rule: str
    repository: str
    commit: str
    path: str
    line: int
    message: str
    verdict: bool | None = None
    reason: str = ""
    is_current: bool = True
    """The rule as it is now still reports it."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("draw", "judge", "sheet"):
        command = commands.add_parser(name)
        command.add_argument("--mirrors", type=Path, required=True)
        command.add_argument("--rule", action="append", default=[])
        if name == "draw":
            command.add_argument("--per-rule", type=int, default=30)
            command.add_argument("--seed", type=int, default=1)
    commands.add_parser("record").add_argument("file", type=Path)
    commands.add_parser("calibrate")
    options = parser.parse_args(arguments)
    if options.command == "draw":
        draw(options.mirrors, options.per_rule, options.seed, options.rule)
    elif options.command == "judge":
        judge(options.mirrors, options.rule)
    elif options.command == "sheet":
        for row in _open_rows(options.rule):
            print(_described(row, options.mirrors))
    elif options.command == "record":
        record(options.file)
    else:
        calibrate()
    return 0


# --- verdicts --------------------------------------------------------------------------------------------


def load_rows() -> list[Row]:
    """Every drawn finding, in order of rule and id."""
    if not VERDICTS.exists():
        return []
    return [msgspec.json.decode(line, type=Row) for line in VERDICTS.read_bytes().splitlines() if line.strip()]


def save_rows(rows: Iterable[Row]) -> None:
    """Write all rows, sorted, one a line."""
    ordered = sorted(rows, key=lambda row: (row.rule, row.repository, row.path, row.line, row.id))
    VERDICTS.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in ordered))


def _open_rows(rules: list[str]) -> list[Row]:
    return [row for row in load_rows() if row.verdict is None and row.is_current and (not rules or row.rule in rules)]


def draw(mirrors: Path, per_rule: int, seed: int, only: list[str]) -> None:
    """Audit the corpus; refresh which verdicts are current; draw new findings up to `per_rule` a rule."""
    found: dict[str, list[Row]] = defaultdict(list)
    for repository in load_corpus():
        if (git_dir := git_dir_of(repository, mirrors)) is None:
            print(f"{repository.repository}: no clone below {mirrors}", file=sys.stderr)
            continue
        for row in _audit_rows(repository, git_dir):
            found[row.rule].append(row)
        print(repository.repository, file=sys.stderr)
    known = {row.id: row for row in load_rows()}
    current = {row.id for rows in found.values() for row in rows}
    for row in known.values():
        row.is_current = row.id in current
    for rule, rows in sorted(found.items()):
        if not only or rule in only:
            for row in _sample(rows, [r for r in known.values() if r.rule == rule and r.is_current], per_rule, seed):
                known[row.id] = row
    save_rows(row for row in known.values() if row.verdict is not None or row.is_current)


def _sample(rows: list[Row], chosen: list[Row], per_rule: int, seed: int) -> Iterator[Row]:
    """New rows, shuffled, no repository with more than a third of the sample."""
    known = {row.id for row in chosen}
    by_repository: dict[str, int] = defaultdict(int)
    for row in chosen:
        by_repository[row.repository] += 1
    limit = max(2, per_rule // SHARE_OF_ONE_REPOSITORY)
    left = per_rule - len(chosen)
    candidates = sorted(rows, key=lambda row: row.id)
    random.Random(seed).shuffle(candidates)  # noqa: S311 - a sample, not a secret
    for row in candidates:
        if left <= 0:
            return
        if row.id not in known and by_repository[row.repository] < limit:
            by_repository[row.repository] += 1
            left -= 1
            yield row


def _audit_rows(repository: CorpusRepository, git_dir: Path) -> Iterator[Row]:
    source = GitSource(git_dir, repository.repository, repository.commit)
    verdict = audit(source, MemoryFactStore(), default_ruler())
    for finding in verdict.findings:
        if finding.severity is not Severity.INFO:
            yield _row(repository, finding)


def _row(repository: CorpusRepository, finding: Finding) -> Row:
    name = repository.repository.partition("/")[2]
    return Row(
        id=f"{finding.rule}:{name}:{finding.fingerprint[3:15]}",
        rule=finding.rule,
        repository=repository.repository,
        commit=repository.commit,
        path=finding.path,
        line=finding.line,
        message=finding.message,
    )


def judge(mirrors: Path, rules: list[str]) -> None:
    """Ask for one verdict after the other; every answer is kept at once."""
    rows = {row.id: row for row in load_rows()}
    for row in _open_rows(rules):
        print(_described(row, mirrors))
        answer = input("true, false or skip? [t/f/s, then a reason] ").strip()
        if answer[:1] in {"t", "f"}:
            rows[row.id].verdict = answer[0] == "t"
            rows[row.id].reason = answer[1:].strip()
            save_rows(rows.values())


def record(file: Path) -> None:
    """Take verdicts from lines `id true|false reason`; an unknown id or word ends it before anything is kept."""
    rows = {row.id: row for row in load_rows()}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if not line.strip():
            continue
        identifier, word, reason = (*line.split(maxsplit=2), "")[:3]
        if identifier not in rows or word not in {"true", "false"}:
            sys.exit(f"{file}:{number}: expected a drawn id and true or false, got {line!r}")
        rows[identifier].verdict = word == "true"
        rows[identifier].reason = reason
    save_rows(rows.values())


def _described(row: Row, mirrors: Path, around: int = 6) -> str:
    repository = next(r for r in load_corpus() if r.repository == row.repository)
    excerpt = ""
    git_dir = git_dir_of(repository, mirrors)
    if git_dir is not None and row.path:
        source = GitSource(git_dir, row.repository, row.commit)
        oid = next((entry.oid for entry in source.tree() if entry.path == row.path), None)
        content = dict(source.blobs([oid])).get(oid) if oid else None
        lines = (content or b"").decode(errors="replace").split("\n")
        first = max(row.line - around, 1)
        numbered = [
            f"{'>' if number == row.line else ' '}{number:6} {text[:160]}"
            for number, text in enumerate(lines[first - 1 : row.line + around], start=first)
        ]
        excerpt = "\n".join(numbered)
    return f"\n== {row.id}\n{row.repository} {row.path}:{row.line}\n{row.message}\n{excerpt}"


# --- corpus ----------------------------------------------------------------------------------------------


def load_corpus() -> list[CorpusRepository]:
    """The repositories of the corpus."""
    return msgspec.json.decode(CORPUS.read_bytes(), type=list[CorpusRepository])


def git_dir_of(repository: CorpusRepository, mirrors: Path) -> Path | None:
    """Where a repository's clone lies below the folder of mirrors; None when it is not there."""
    stem = "+".join(repository.repository.split("/")[1:])
    return next((path for path in (mirrors / stem / "repo", mirrors / f"{stem}.git") if path.is_dir()), None)


# --- calibration -----------------------------------------------------------------------------------------


def earned_tier(true: int, false: int) -> Tier:
    """The highest tier that so many verdicts allow."""
    precision = true / (true + false)
    if precision < ADVISE_PRECISION:
        return Tier.SHADOW
    enough = true + false >= GATE_VERDICTS_MIN
    return Tier.GATE if enough and precision >= GATE_PRECISION else Tier.ADVISE


def calibrate() -> None:
    """Count the current verdicts of each rule and write the calibration file."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in load_rows():
        if row.verdict is not None and row.is_current:
            counts[row.rule][0 if row.verdict else 1] += 1
    measured = {
        rule: Calibration(true=true, false=false, tier=earned_tier(true, false))
        for rule, (true, false) in sorted(counts.items())
    }
    CALIBRATION.write_bytes(msgspec.json.format(msgspec.json.encode(measured, order="sorted"), indent=2) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
