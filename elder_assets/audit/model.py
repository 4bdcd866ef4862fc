"""The records that flow through an audit: frozen, typed, without behaviour beyond reading themselves.

What belongs here: records used by more than one module of the core. What does not: facts (they live beside
their extractor in `facts/`) and anything that reads or decides.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from fractions import Fraction
from typing import Literal

import msgspec


class Severity(StrEnum):
    """How much a finding costs if it is true (docs/scoring.md)."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def weight(self) -> int:
        """Weight of a rule of this severity in its magic's score; INFO weighs nothing."""
        return {"critical": 16, "high": 8, "medium": 4, "low": 1, "info": 0}[self.value]

    @property
    def rank(self) -> int:
        """0 for the most severe; for sorting."""
        return list(Severity).index(self)


class Tier(StrEnum):
    """What a rule may do: fail a check, advise, or only be recorded for calibration."""

    GATE = "gate"
    ADVISE = "advise"
    SHADOW = "shadow"

    @property
    def rank(self) -> int:
        """0 for the strongest tier; for sorting and for taking the weaker of two."""
        return list(Tier).index(self)


class FileClass(StrEnum):
    """What a tracked file is for. Rules look at production code unless they say otherwise."""

    PRODUCTION = "production"
    TEST = "test"
    DOCS = "docs"
    EXAMPLE = "example"
    GENERATED = "generated"
    VENDORED = "vendored"
    CONFIG = "config"
    BINARY = "binary"


CODE_CLASSES = (FileClass.PRODUCTION, FileClass.TEST, FileClass.EXAMPLE)
"""Classes of hand-written source code."""

AUTHORED_CLASSES = (*CODE_CLASSES, FileClass.DOCS, FileClass.CONFIG)
"""Classes of files that people of this repository write by hand."""


class Status(StrEnum):
    """How a rule, a magic or a repository came out."""

    FINDING = "finding"
    PASS = "pass"
    NOT_APPLICABLE = "not applicable"
    NOT_AVAILABLE = "not available"
    ERROR = "error"
    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    INSUFFICIENT = "insufficient"


# --- what is audited -------------------------------------------------------------------------------------


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One repository at one commit (or at one tree, for a staged audit)."""

    repository: str
    """Key of the repository: `host/owner/name` or `local/<folder>` (decision D6)."""
    commit: str | None
    """Full commit id; None for a staged audit."""
    tree: str
    """Full tree id."""
    as_of: int
    """Seconds since the epoch, UTC: committer date of the commit, monotone along first parents (D11)."""
    kind: Literal["default", "change_request", "adhoc"] = "default"
    refs_digest: str = ""
    """Digest of the refs that rules read; part of the audit key (D2)."""
    is_shallow: bool = False
    is_partial: bool = False
    notes: tuple[str, ...] = ()
    """What limits this audit, in words: '3 uncommitted files not audited'."""


class TreeEntry(msgspec.Struct, frozen=True):
    """One row of `git ls-tree -r -l`: a path, what kind of object it is, its id and its size in bytes."""

    path: str
    mode: int
    """As git prints it, octal: 0o100644 file, 0o100755 executable, 0o120000 link, 0o160000 submodule."""
    oid: str
    size: int
    """Bytes; 0 for a submodule, -1 where the object is missing."""

    @property
    def is_link(self) -> bool:
        return self.mode == 0o120000

    @property
    def is_submodule(self) -> bool:
        return self.mode == 0o160000


class SourceFile(msgspec.Struct, frozen=True):
    """A tracked regular file and what it is for."""

    path: str
    oid: str
    size: int
    file_class: FileClass
    variant: str
    """What reads it: a grammar ('python', 'tsx', ...), a format ('yaml', 'dockerfile', ...), 'text' or ''."""
    backup_of: str = ""
    """The backup tree that the file lies in, '' outside of one."""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]


class Skipped(msgspec.Struct, frozen=True):
    """An eligible file that could not be analysed, and why."""

    path: str
    reason: str


class Coverage(msgspec.Struct, frozen=True):
    """How much of what should have been read was read: eligible = analysed + skipped."""

    eligible: int
    analysed: int
    skipped: tuple[Skipped, ...] = ()

    @property
    def share(self) -> Fraction | None:
        """Analysed / eligible, 0-1; None when nothing was eligible."""
        return Fraction(self.analysed, self.eligible) if self.eligible else None


# --- what a rule says ------------------------------------------------------------------------------------


class Checked(msgspec.Struct, frozen=True):
    """`units` eligible units were looked at (functions, tests, files, changes: the rule's `unit`)."""

    units: int = 1


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of a rule at one place."""

    message: str
    path: str = ""
    """'' means the repository as a whole. File rules leave it empty: the engine fills in their file."""
    line: int = 0
    """1-based; 0 means the whole file."""
    symbol: str = ""
    """Enclosing symbol path, such as 'Basket.total'; part of the identity."""
    tokens: str = ""
    """Normalised tokens of the place (identity.normalise); part of the identity. Never a secret."""
    unit: str = ""
    """Which eligible unit is affected; findings with the same unit count once. '' = one unit each."""
    severity: Severity | None = None
    """When it differs from the rule's; an INFO finding does not affect the score."""
    remedy: str = ""
    """When it says more than the rule's remedy."""


class NotApplicable(msgspec.Struct, frozen=True):
    """The question does not arise here, and why."""

    reason: str


class NotAvailable(msgspec.Struct, frozen=True):
    """The question arises, but what is needed to answer it is missing, and why."""

    reason: str


Outcome = Checked | Found | NotApplicable | NotAvailable


# --- what comes out --------------------------------------------------------------------------------------


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's answer at one place, with its identity."""

    rule: str
    severity: Severity
    tier: Tier
    path: str
    line: int
    symbol: str
    message: str
    remedy: str
    fingerprint: str
    unit: str = ""
    kin: str = ""
    """What findings that are alike share (`identity.kin`); '' where it was not kept."""

    @property
    def sort_key(self) -> tuple[str, int, str, str, str]:
        """Total order of findings: path, line, rule, fingerprint (D22), message as the last resort."""
        return (self.path, self.line, self.rule, self.fingerprint, self.message)


class RuleOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule came out on one snapshot."""

    rule: str
    status: Status
    reason: str = ""
    units: int = 0
    affected: int = 0
    duration_ms: float = 0.0
    name: str = ""
    """The rule's name, for people; '' where it was not kept."""


class MagicResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one magic came out on one snapshot."""

    magic: str
    status: Status
    reason: str
    score: Fraction | None
    weight_share: Fraction
    """Share of the magic's rule weight that was applicable, 0-1; its confidence."""
    outcomes: tuple[RuleOutcome, ...]
    duration_ms: float = 0.0


class AuditKey(msgspec.Struct, frozen=True, kw_only=True):
    """What makes two audits equal (decision D2): the same key gives the same findings, byte for byte."""

    repository: str
    revision: str
    """Full commit id, or the tree id of a staged audit."""
    ruler: str
    baseline: str = ""
    """Commit of the audit compared with; '' for none."""
    refs_digest: str = ""

    @property
    def digest(self) -> str:
        """The key as one short text, to join rows of one audit by."""
        return "k1:" + hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one audit says. Equal audit keys give equal verdicts but for durations."""

    snapshot: Snapshot
    ruler: str
    """sha256 of the ruler document."""
    baseline: str | None
    coverage: Coverage
    status: Status
    reason: str
    score: Fraction | None
    magics: tuple[MagicResult, ...]
    findings: tuple[Finding, ...]

    @property
    def key(self) -> AuditKey:
        """What this audit is equal to."""
        return audit_key(self.snapshot, self.ruler, self.baseline)

    @property
    def outcomes(self) -> tuple[RuleOutcome, ...]:
        """Every rule's outcome, in catalogue order of the magics."""
        return tuple(outcome for magic in self.magics for outcome in magic.outcomes)


def audit_key(snapshot: Snapshot, ruler: str, baseline: str | None) -> AuditKey:
    """The key of an audit of a snapshot under a ruler (its digest), compared with a baseline commit."""
    return AuditKey(
        repository=snapshot.repository,
        revision=snapshot.commit or snapshot.tree,
        ruler=ruler,
        baseline=baseline or "",
        refs_digest=snapshot.refs_digest,
    )
