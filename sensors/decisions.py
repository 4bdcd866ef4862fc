"""What is to become of the rows of the inbox. Pure: what is known comes in, decisions with their reasons go out.

A default branch is audited at its newest head: pushes that wait together collapse to it. A change request is judged by
what it brings; while an audit of a repository is under way, its next one waits, so that a burst becomes one audit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from elder_assets.partitions import (
    AUDIT_JOB,
    BRANCH_TAG,
    COMMIT_TAG,
    HOST_TAG,
    INBOX_TAG,
    JUDGE_JOB,
    KIND_TAG,
    TEAM_TAG,
    TIER_TAG,
)
from resources.store.inbox import AuditTarget, AuditType, InboxDecision, InboxRow

PRIORITY_TAG = "dagster/priority"
RULER_DIGITS = 12
DECIDED_ACTIONS = ("push", "change_request", "merge_queue", "branch_deleted", "tag", "ping", "other", "audit")
"""Actions that are decided here; other rows of the inbox are somebody else's."""
OPEN_CHANGES = frozenset({"opened", "updated"})


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one registered repository before anything is fetched."""

    target: AuditTarget
    ruler: str = ""
    """Digest of what would judge its last audited commit today; '' before the first audit."""
    contained: frozenset[str] = frozenset()
    """Of the heads that wait, those in the history of the last audited commit."""
    judged: frozenset[tuple[int, str, str]] = frozenset()
    """(number, source commit, base commit) of change requests that were judged, or are being judged."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one row: what the store keeps and, where a run is wanted, what it is."""

    written: InboxDecision
    job: str = ""
    """AUDIT_JOB or JUDGE_JOB; '' where no run is wanted."""
    partition: str = ""
    tags: Mapping[str, str] = {}


def decide(
    rows: Sequence[InboxRow], known: Mapping[int, Known], in_flight: Iterable[InboxRow]
) -> tuple[list[Decision], list[str]]:
    """Decide rows that wait.

    Args:
        rows: that wait, of DECIDED_ACTIONS.
        known: by repository id.
        in_flight: rows whose run has not ended.

    Returns:
        Decisions in the order in which runs are to start, and why the rows that have none go on waiting.
    """
    decided: list[Decision] = []
    groups: dict[tuple[object, ...], list[InboxRow]] = {}
    for row in rows:
        about = known.get(row.repository_id or 0)
        if reason := _refused(row, about):
            decided.append(_ended(row, "skipped", reason))
        else:
            groups.setdefault(_group(row), []).append(row)
    busy = {_group(row): row for row in in_flight}
    held: list[str] = []
    for group, members in groups.items():
        chosen = _newest(members)
        about = known[chosen.repository_id or 0]
        decided += [_collapsed(row, chosen) for row in members if row is not chosen]
        if group in busy:
            held.append(f"{chosen.id} waits: delivery {busy[group].id} of {about.target.key} is under way")
        elif reason := _needless(chosen, about):
            decided.append(_ended(chosen, "skipped", reason))
        else:
            decided.append(_wanted(chosen, about))
    order = {row.id: place for place, row in enumerate(rows)}
    return sorted(decided, key=lambda decision: order[decision.written.row]), held


# --- what starts nothing ----------------------------------------------------------------------------------


def _refused(row: InboxRow, about: Known | None) -> str:
    """Why a row starts nothing, whatever else waits; '' where it may start something."""
    if row.action in {"ping", "tag", "branch_deleted", "other"}:
        return _REASONS.get(row.action) or row.document.get("reason") or "the event starts nothing"
    if about is None:
        return f"{row.document.get('repository') or 'the repository'} is not registered"
    target = about.target
    if target.is_removed:
        return f"{target.key} was removed from the registry"
    if target.status in {"archived", "refused"}:
        return f"the project of {target.key} is {target.status}"
    if target.is_audited_elsewhere:
        return f"audits of {target.key} come by upload"
    if row.action == "audit":
        return ""
    if not target.is_auto_audited:
        return f"{target.key} is not audited after pushes; ask for an audit, or turn it on"
    reader = {"push": _push_refused, "change_request": _change_refused, "merge_queue": _queue_refused}
    return reader[row.action](row.document, target)


_REASONS = {
    "ping": "a ping: the webhook works",
    "tag": "a tag moves no branch",
    "branch_deleted": "a branch was deleted; what was audited of it stays",
}


def _push_refused(delivery: Mapping[str, Any], target: AuditTarget) -> str:
    if not delivery.get("head"):
        return "the push has no head"
    if _is_default(delivery, target) is False:
        branch = _short(delivery.get("ref", ""))
        return f"{branch} is not the default branch; its commits are judged with a change request"
    return ""


def _change_refused(delivery: Mapping[str, Any], _target: AuditTarget) -> str:
    number, told = delivery.get("change_number"), delivery.get("change_action")
    if told == "merged":
        return f"change request {number} was merged: the push of the merge is audited"
    if told not in OPEN_CHANGES:
        return f"change request {number} is {told or 'not open'}: nothing is to be judged"
    if not delivery.get("head"):
        return f"change request {number} names no commit"
    return ""


def _queue_refused(delivery: Mapping[str, Any], _target: AuditTarget) -> str:
    return "" if delivery.get("head") and delivery.get("base") else "the merge queue names no head or no base"


def _is_default(delivery: Mapping[str, Any], target: AuditTarget) -> bool | None:
    told = delivery.get("is_default_branch")
    if isinstance(told, bool):
        return told
    return _short(delivery.get("ref", "")) == target.default_branch if target.default_branch else None


def _needless(row: InboxRow, about: Known) -> str:
    """Why nothing needs work; '' where something may."""
    document, target = row.document, about.target
    if row.action == "change_request":
        key = (document["change_number"], document.get("status_commit", ""), document.get("base", ""))
        is_judged = key in about.judged and row.source != "replay" and not row.result.get("attempts")
        return f"change request {key[0]} was judged at {key[1][:12]}" if is_judged else ""
    head = document.get("head") or document.get("commit") or ""
    if row.action == "merge_queue" or document.get("audit_type") == "full" or _is_adhoc(document) or not head:
        return ""
    if row.result.get("attempts"):
        return ""  # a lost run may have recorded the audit and not told the host; the next one records nothing twice
    if head == target.latest_commit and about.ruler == target.latest_ruler:
        return f"{head[:12]} is the last audited commit, under the same ruler: nothing needs work"
    is_rewind = document.get("is_forced") or document.get("before") == target.latest_commit
    if head in about.contained and head != target.latest_commit and not is_rewind:
        return f"{head[:12]} is part of {target.latest_commit[:12]}, which was audited: nothing needs work"
    return ""


# --- what is one ------------------------------------------------------------------------------------------


def _is_adhoc(document: Mapping[str, Any]) -> bool:
    """Whether a branch or commit was asked for by name."""
    return bool(document.get("branch") or document.get("commit"))


def _group(row: InboxRow) -> tuple[object, ...]:
    """Rows of one group wait for each other, and those that wait together become one."""
    document = row.document
    if row.action == "change_request":
        return (row.repository_id, "change", document.get("change_number"))
    if row.action == "merge_queue":
        return (row.repository_id, "queue", document.get("head"))
    if row.action == "audit" and _is_adhoc(document):
        return (row.repository_id, "adhoc", document.get("branch"), document.get("commit"))
    return (row.repository_id, "default")


def _newest(rows: Sequence[InboxRow]) -> InboxRow:
    """The row that stands for its group: one that asks for more, else the head that no other push started from."""
    if full := [row for row in rows if row.document.get("audit_type") == "full"]:
        return max(full, key=lambda row: row.id)
    left = {(row.document.get("before"), _place(row)) for row in rows if row.document.get("before")}
    tips = [
        row for row in rows if (row.document.get("status_commit") or row.document.get("head"), _place(row)) not in left
    ]
    return max(tips or rows, key=lambda row: (bool(row.document.get("head")), row.id))


def _place(row: InboxRow) -> object:
    return row.document.get("change_number")


def _collapsed(row: InboxRow, chosen: InboxRow) -> Decision:
    head = (chosen.document.get("head") or "")[:12]
    return _ended(
        row, "collapsed", f"delivery {chosen.id} stands for it{f', with the newer head {head}' if head else ''}"
    )


def _ended(row: InboxRow, state: Any, reason: str) -> Decision:
    return Decision(written=InboxDecision(row=row.id, state=state, reason=reason))


# --- what is wanted ---------------------------------------------------------------------------------------


def _wanted(row: InboxRow, about: Known) -> Decision:
    target, document = about.target, row.document
    is_change = row.action in {"change_request", "merge_queue"}
    head = document.get("head") or document.get("commit") or document.get("branch") or "head"
    attempt = int(row.result.get("attempts", 0)) + 1
    run_key = f"audit:{target.key}:{head}:{(about.ruler or 'none')[:RULER_DIGITS]}:{row.id}"
    tags = {
        INBOX_TAG: str(row.id),
        PRIORITY_TAG: str(row.priority),
        HOST_TAG: target.key.partition("/")[0],
        "dagster/max_retries": "0",  # a lost run's row waits again; Dagster's own retry would be a second one
    }
    tags |= {TIER_TAG: target.tier, TEAM_TAG: target.team}
    if not is_change and _is_adhoc(document):
        tags |= {KIND_TAG: "adhoc", BRANCH_TAG: document.get("branch", ""), COMMIT_TAG: document.get("commit", "")}
    audit_type: AuditType = "change_request" if is_change else document.get("audit_type") or "incremental"
    written = InboxDecision(
        row=row.id,
        state="queued",
        reason=_why(row, about),
        audit_type=audit_type,
        run_key=run_key if attempt == 1 else f"{run_key}:{attempt}",
    )
    return Decision(
        written=written,
        job=JUDGE_JOB if is_change else AUDIT_JOB,
        partition=target.key,
        tags={name: value for name, value in tags.items() if value},
    )


def _why(row: InboxRow, about: Known) -> str:
    document, target = row.document, about.target
    if row.action == "change_request":
        return (
            f"change request {document['change_number']} is judged by what it brings to {_short(document['base_ref'])}"
        )
    if row.action == "merge_queue":
        return f"the merge queue's commit is judged by what it brings to {_short(document.get('base_ref', ''))}"
    if row.action == "audit":
        asked = f"{document.get('audit_type') or 'incremental'} audit, asked for by {row.source}"
        return f"{asked}: {document.get('branch') or document.get('commit') or 'the default branch'}"
    if document.get("is_forced"):
        return f"{_short(document['ref'])} was pushed by force: history may be gone, all is judged again"
    if _is_default(document, target) is None:
        return "the host does not say whether this is the default branch, whose head is audited"
    if not target.latest_commit:
        return "the first audit: every file is read"
    changed = document.get("target_files") or ()
    return f"the host names {len(changed)} changed paths; the run says what they need" if changed else "a new head"


def _short(ref: str) -> str:
    return ref.removeprefix("refs/heads/")
