"""Audits that were made elsewhere: what an edge site is told first, what it sends, and how that is kept.

What is sent are judgements: what rules said, before anything is weighed. The verdict is made of them here, by the
same functions, ruler, policies and suppressions as of an audit that the platform makes itself, so that both come out
alike. `resources/upload_site.py` is the other side; dash_app has the routes.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from elder_assets.audit.errors import ConfigurationError, Conflict
from elder_assets.audit.finding_states import counted
from elder_assets.audit.judgement import Judged, Judgement, limits_of, verdict_of
from elder_assets.audit.model import Severity, Snapshot, Status
from elder_assets.audit.registry import MAGIC_ORDER, catalogue
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.scoring import rounded
from elder_assets.audit.suppression import Suppression
from elder_assets.version import elder_version
from resources.audits import Terms, central_policy_under, plain_and_shown, registered_ruler, terms_under, today
from resources.git.releases import RELEASES_MAX, TAG_CHARACTERS_MAX, Release
from resources.settings import Settings
from resources.store import Store
from resources.store.database import storable
from resources.store.findings import FileNow, Observed
from resources.store.projects import Project

UPLOAD_SCHEMA = 1
SENT_BYTES_MAX = 16 * 1024 * 1024
"""Of the body as it is sent, packed; 30,000 findings were 3.3 MB (9 MB unpacked), 100,000 were 11 MB. Chosen by us."""
UPLOAD_BYTES_MAX = 128 * 1024 * 1024
"""Of the document itself."""
NUMBER_MAX = 2**53
TEXT_CHARACTERS_MAX = 20_000
ORIGINS_MAX = 50
"""New findings whose commit is asked for in one go; an audit of the platform traces as many."""
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FINGERPRINT = re.compile(r"v\d{1,3}:[0-9a-f]{64}")
_JUDGED_STATUSES = frozenset({Status.FINDING, Status.PASS, Status.NOT_APPLICABLE, Status.NOT_AVAILABLE, Status.ERROR})

Kind = Literal["default", "adhoc"]


class UploadTerms(msgspec.Struct, frozen=True, kw_only=True):
    """By what an edge site has to judge, so that the platform comes to the same verdict."""

    schema_version: int
    elder: str
    """Version of the platform."""
    project_id: int
    repository: str
    default_branch: str
    """'' while nobody knows."""
    ruler: Ruler
    """What policies move."""
    policy: str
    """The central policy, YAML; '' for none."""
    approved: tuple[Suppression, ...]
    baseline: str | None
    """The commit to compare with."""
    latest_commit: str | None
    latest_ruler: str | None


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One audit that an edge site made."""

    schema_version: int
    elder: str
    repository: str
    kind: Kind
    ruler: str
    """Digest of the ruler that gave the limits."""
    policy_file: bytes | None
    """`elder.yaml` of the commit."""
    judged: Judged
    earlier: Judged | None = None
    """What the commit of the last audit has under the ruler of now, where that is another one."""
    paths: tuple[str, ...] = ()
    """Every file of the commit."""
    files: tuple[FileNow, ...] = ()
    """Files that people wrote."""
    releases: tuple[Release, ...] | None = None
    """Tags of the commit and those before it; None from a site that sends none."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an upload."""

    audit_key: str
    snapshot_id: int
    kind: Kind
    status: str
    score: float | None
    reason: str
    is_new: bool
    """False when the same audit is the last one already: nothing is recorded twice."""
    unnamed: tuple[tuple[int, str, int], ...] = ()
    """New findings whose commit the platform would like to know: finding, path, line."""


def terms_of_project(store: Store, settings: Settings, project: Project, commit: str) -> UploadTerms:
    """By what the audit of a commit has to judge.

    Raises:
        ConfigurationError: the ruler under trial does not fit this Elder.
    """
    ruler, latest = registered_ruler(settings, project.key), store.latest(project.key)
    return UploadTerms(
        schema_version=UPLOAD_SCHEMA,
        elder=elder_version(),
        project_id=project.id,
        repository=project.key,
        default_branch=project.default_branch,
        ruler=ruler,
        policy=store.policy_for(project.key),
        approved=tuple(store.approved(project.key, list(ruler.rules))),
        baseline=store.last_audited_commit(project.key, other_than=commit),
        latest_commit=None if latest is None else latest.commit,
        latest_ruler=None if latest is None else latest.ruler,
    )


# --- reading what was sent -------------------------------------------------------------------------------------


def unpacked(body: bytes, encoding: str) -> bytes:
    """The document of a body, in bounds.

    Raises:
        ConfigurationError: it is packed in another way, broken, or too large.
    """
    if encoding in {"", "identity"}:
        return body
    if encoding != "gzip":
        raise ConfigurationError("content-encoding", encoding[:50], "gzip, or none")
    packed = zlib.decompressobj(wbits=31)
    try:
        content = packed.decompress(body, UPLOAD_BYTES_MAX)
    except zlib.error:
        raise ConfigurationError("body", "something that is no gzip", "one gzip member") from None
    if packed.unconsumed_tail:
        raise ConfigurationError("body", "a larger document", f"at most {UPLOAD_BYTES_MAX:,} bytes unpacked")
    if not packed.eof or packed.unused_data:
        raise ConfigurationError("body", "a broken or second gzip member", "one gzip member")
    return content


def read_upload(content: bytes) -> Upload:
    """The audit that a document holds; its version is looked at first.

    Raises:
        Conflict: it is of another version; names both.
        ConfigurationError: it is no such document; says where.
    """
    try:
        version = msgspec.json.decode(content, type=_Versioned)
        if version.schema_version != UPLOAD_SCHEMA:
            theirs = f"uploads of version {version.schema_version} (Elder {version.elder[:40]})"
            raise Conflict(f"the site sends {theirs}; this server, Elder {elder_version()}, reads {UPLOAD_SCHEMA}")
        return msgspec.json.decode(content, type=Upload)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ConfigurationError("upload", str(error)[:300], "what `elder audit --upload` sends") from None


class _Versioned(msgspec.Struct):
    schema_version: int
    elder: str


# --- keeping it ------------------------------------------------------------------------------------------------


def accept(store: Store, settings: Settings, project: Project, upload: Upload, by: str) -> Receipt:
    """Keep an audit as if the platform had made it; by whom it was sent stays known.

    Raises:
        Conflict: the project is not active, or the site judged by other rules; names both versions.
        ConfigurationError: the document contradicts itself.
        StoreError: the database fails.
    """
    if project.status != "active":
        raise Conflict(f"the project is {project.status}; only active projects take audits")
    if upload.repository != project.key:
        raise ConfigurationError("repository", upload.repository[:300], project.key)
    terms = _terms(store, settings, project, upload)
    check_judged(upload.judged, terms.ruler)
    check_files(upload)
    check_releases(upload.releases or ())
    snapshot = msgspec.structs.replace(upload.judged.snapshot, repository=project.key, kind="default")
    judged = msgspec.structs.replace(upload.judged, snapshot=snapshot)
    verdict, applied = plain_and_shown(judged, terms.ruler, terms.granted, today())
    shown = applied.verdict
    latest = store.latest(project.key)
    is_same = latest is not None and (latest.commit, latest.ruler) == (snapshot.commit, terms.ruler.digest)
    if latest is not None and is_same and upload.kind == "default":
        kept, is_new = latest.snapshot_id, False
    else:
        observed = _observed(upload, terms, applied, is_ruler_new=latest is not None and not _is_ruler(latest, terms))
        document = terms.ruler.document()
        kept = store.record(verdict, document, kind=upload.kind, observed=observed, uploaded_by=by)
        is_new = True
        said = {"commit": snapshot.commit, "kind": upload.kind, "status": str(shown.status), "reason": shown.reason}
        numbers = {"score": rounded(shown.score), "findings": counted(shown.findings)}
        store.put_live_event(
            project.id, "audit_completed", {"run_id": None, "delivery": None, "uploaded_by": by, **said, **numbers}
        )
    if upload.releases is not None and upload.kind == "default":  # of the same audit again too: tags come later
        store.keep_releases(project.key, upload.releases)
    wanted = store.arrivals(project.key, ORIGINS_MAX) if upload.kind == "default" else []
    return Receipt(
        audit_key=verdict.key.digest,
        snapshot_id=kept,
        kind=upload.kind,
        status=str(shown.status),
        score=rounded(shown.score),
        reason=shown.reason,
        is_new=is_new,
        unnamed=tuple(wanted),
    )


def _is_ruler(latest: Any, terms: Terms) -> bool:
    return bool(latest.ruler == terms.ruler.digest)


def _observed(upload: Upload, terms: Terms, applied: Any, *, is_ruler_new: bool) -> Observed:
    earlier = None
    if is_ruler_new and upload.earlier is not None:
        check_judged(upload.earlier, terms.ruler)
        earlier = verdict_of(upload.earlier, terms.ruler).findings
    return Observed(
        applied=applied,
        paths=frozenset(upload.paths),
        profile=terms.profile,
        earlier=earlier,
        files=upload.files,
    )


def _terms(store: Store, settings: Settings, project: Project, upload: Upload) -> Terms:
    own = registered_ruler(settings, project.key)
    central = central_policy_under(store.policy_for(project.key), own)
    approved = store.approved(project.key, list(own.rules))
    terms = terms_under(own, upload.policy_file, central, approved)
    if upload.ruler != terms.ruler.digest:
        theirs = f"ruler {upload.ruler[:12]!r} (Elder {upload.elder[:40]})"
        ours = f"{terms.ruler.digest[:12]!r} (Elder {elder_version()})"
        raise Conflict(
            f"the site judged by {theirs}, the server judges {project.key} by {ours}: audit again, since a policy may "
            f"have changed meanwhile; if it stays so, give both the same version of Elder"
        )
    return terms


# --- what is believed ------------------------------------------------------------------------------------------


def check_judged(judged: Judged, ruler: Ruler) -> None:
    """See that judgements are what this Elder's rules could have said under a ruler.

    Raises:
        ConfigurationError: they are not; says where.
    """
    _check_snapshot(judged.snapshot, judged.baseline)
    coverage = judged.coverage
    if not 0 <= coverage.analysed <= coverage.eligible <= NUMBER_MAX:
        raise ConfigurationError("coverage", [coverage.eligible, coverage.analysed], "0 <= analysed <= eligible")
    _check_texts("coverage.skipped", (text for item in coverage.skipped for text in (item.path, item.reason)))
    if judged.magics != MAGIC_ORDER:
        raise ConfigurationError("magics", judged.magics[:20], MAGIC_ORDER)
    order = [rule.code for magic in MAGIC_ORDER for rule in catalogue().of(magic)]
    if [judgement.rule for judgement in judged.judgements] != order:
        raise ConfigurationError("judgements", "other rules", "every rule once, in the order of the catalogue")
    limits = limits_of(ruler)
    for judgement in judged.judgements:
        _check_judgement(judgement, limits[judgement.rule])
    marks = [answer.fingerprint for judgement in judged.judgements for answer in judgement.answers]
    if len(set(marks)) != len(marks):
        raise ConfigurationError("fingerprints", "one twice", "each once in an audit")


def _check_snapshot(snapshot: Snapshot, baseline: str | None) -> None:
    ids = {"commit": snapshot.commit or "", "tree": snapshot.tree, "baseline": baseline or "0" * 40}
    for name, oid in ids.items():
        if not _OID.fullmatch(oid):
            raise ConfigurationError(name, oid[:80], "a full object id")
    _check_texts("snapshot", (snapshot.refs_digest, *snapshot.notes))
    if not -NUMBER_MAX <= snapshot.as_of <= NUMBER_MAX:
        raise ConfigurationError("as_of", snapshot.as_of, "seconds since the epoch")


def _check_judgement(judgement: Judgement, limits: dict[str, int]) -> None:
    rule = next(rule for rule in catalogue().rules if rule.code == judgement.rule)
    said = (judgement.magic, judgement.name, judgement.severity, judgement.remedy, judgement.limits)
    if said != (rule.magic, rule.name, rule.severity, rule.remedy, dict(sorted(limits.items()))):
        raise ConfigurationError(rule.code, "another rule of this code", f"that of Elder {elder_version()}")
    affected = {answer.unit for answer in judgement.answers if answer.severity is not Severity.INFO}
    has_found = judgement.status is Status.FINDING
    if judgement.status not in _JUDGED_STATUSES or has_found != bool(judgement.answers):
        raise ConfigurationError(rule.code, str(judgement.status), "finding with answers, or another without any")
    if not len(affected) <= judgement.units <= NUMBER_MAX:
        raise ConfigurationError(rule.code, judgement.units, "at least as many units as are affected")
    if not (math.isfinite(judgement.duration_ms) and judgement.duration_ms >= 0):
        raise ConfigurationError(rule.code, judgement.duration_ms, "milliseconds")
    _check_texts(rule.code, (judgement.reason,))
    for answer in judgement.answers:
        _check_texts(rule.code, (answer.message, answer.path, answer.symbol, answer.remedy, answer.unit, answer.kin))
        if not 0 <= answer.line <= NUMBER_MAX or not _FINGERPRINT.fullmatch(answer.fingerprint):
            raise ConfigurationError(rule.code, answer.fingerprint[:80], "a line from 0, and a fingerprint")


def check_files(upload: Upload) -> None:
    """See that files are files.

    Raises:
        ConfigurationError: they are not.
    """
    _check_texts("paths", upload.paths)
    _check_texts("files", (file.path for file in upload.files))
    numbers = [n for file in upload.files for n in (file.size_bytes, file.changes, file.cognitive, file.authors)]
    if any(not -1 <= number <= NUMBER_MAX for number in numbers):
        raise ConfigurationError("files", "a number out of bounds", f"up to {NUMBER_MAX}")
    if len({file.path for file in upload.files}) != len(upload.files):
        raise ConfigurationError("files", "one twice", "each once")


def check_releases(releases: Sequence[Release]) -> None:
    """See that releases are as many, and of such a form, as `releases_before` gives.

    Raises:
        ConfigurationError: they are not.
    """
    if len(releases) > RELEASES_MAX:
        raise ConfigurationError("releases", f"{len(releases):,} of them", f"at most {RELEASES_MAX}")
    for one in releases:
        if len(one.tag) > TAG_CHARACTERS_MAX:
            raise ConfigurationError(
                "releases", f"a tag of {len(one.tag):,} characters", f"at most {TAG_CHARACTERS_MAX}"
            )
        if not _OID.fullmatch(one.commit) or one.released_at.utcoffset() != dt.timedelta():
            raise ConfigurationError("releases", one.tag[:80], "a full object id, and a time in UTC")


def _check_texts(where: str, texts: Iterable[str]) -> None:
    for text in texts:
        if len(text) > TEXT_CHARACTERS_MAX:
            raise ConfigurationError(where, f"a text of {len(text):,} characters", f"at most {TEXT_CHARACTERS_MAX:,}")


def packed(upload: Upload) -> bytes:
    """An audit as a site sends it: JSON without what no database holds, packed with gzip."""
    plain = msgspec.json.encode(storable(msgspec.to_builtins(upload)))
    compressor = zlib.compressobj(6, wbits=31)
    return compressor.compress(plain) + compressor.flush()
