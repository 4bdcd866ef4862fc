"""Judging a change request: which commits it is about, what the gate says, and what the git host is told.

The commits of a change request lie outside of branches; they are fetched one ref at a time into the mirror, without a
ref of ours, so that no rule ever sees a stranger's branch (D8).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from elder_assets.audit.errors import ConfigurationError, ElderError, HostResting, UnknownRevision
from elder_assets.audit.gate import GateResult
from elder_assets.audit.gate_report import to_gate_json, to_gate_markdown
from resources.audits import central_policy, gate_change, open_source, ruler_for
from resources.deliveries.host_reports import STATES, Report, Told, link_to, tell
from resources.git.address import is_address
from resources.git.circuit import guarded, host_of
from resources.git.commands import run
from resources.git.credentials import sign_in
from resources.git.mirror import fetch_commits, has_commit, update_mirror
from resources.git.repository import open_repository
from resources.observability.tracing import span
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import AuditTarget, InboxRow

COMMENT_SETTING = "comment_on_changes"
"""Custom setting of a project: false turns the comment off; the status stays."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """What a change is judged by."""

    base: str
    head: str
    is_merge: bool
    """Whether the head is the merge that the provider keeps."""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change request."""

    sides: Sides
    status: str
    reason: str
    failing: int
    gate_id: int | None
    told: Told


def judge(
    store: Store, settings: Settings, row: InboxRow, run_id: str, sleep: Callable[[float], None] = time.sleep
) -> Judged:
    """Judge what a change request or merge queue brings, keep the gate, and tell the host.

    Raises:
        SourceError: its commits cannot be read; the host is told so first.
    """
    assert row.repository_id is not None  # noqa: S101 - the sensor decides rows of registered repositories alone
    target, document = store.audit_targets([row.repository_id])[row.repository_id], row.document
    about = Report(
        commit=str(document.get("status_commit") or document["head"]),
        state="error",
        summary="",
        link=link_to(settings, target),
        change_number=document.get("change_number"),
    )
    try:
        with guarded(store, host_of(target.url), time.time), span(settings, "checkout"):
            sides = sides_of(settings, target, document)
        with span(settings, "judging"):
            result = _gate(store, settings, target, sides)
    except ConfigurationError as error:
        report = msgspec.structs.replace(about, state="failure", summary=f"elder.yaml: {error}")
        sides = Sides(base="", head=about.commit, is_merge=False)
        told = tell(settings, target, report, sleep, store)
        return Judged(sides=sides, status="failed", reason=report.summary, failing=0, gate_id=None, told=told)
    except HostResting:
        raise  # its row waits until the host may be called
    except ElderError as error:
        report = msgspec.structs.replace(about, summary=f"could not be judged: {error}")
        tell(settings, target, report, sleep, store)
        raise
    with span(settings, "store write"):
        number = store.record_gate(
            target.key,
            result,
            to_gate_json(result),
            change_number=about.change_number,
            title=str(document.get("title", "")),
            run_id=run_id,
        )
    wants_comment = about.change_number is not None and target.settings.get(COMMENT_SETTING, True)
    report = msgspec.structs.replace(
        about,
        state=STATES.get(str(result.status), "error"),
        summary=result.reason,
        comment=to_gate_markdown(result) if wants_comment else "",
    )
    return Judged(
        sides=sides,
        status=str(result.status),
        reason=result.reason,
        failing=len(result.failing),
        gate_id=number,
        told=tell(settings, target, report, sleep, store),
    )


def _gate(store: Store, settings: Settings, target: AuditTarget, sides: Sides) -> GateResult:
    with open_source(target.url, settings, sides.head, key=target.key, is_fetched=True) as opened:
        central = central_policy(store.policy_for(target.key), opened)
        approved = store.approved(target.key, list(ruler_for(opened.facts).rules))
    return gate_change(
        target.url,
        settings,
        sides.base,
        sides.head,
        central=central,
        approved=approved,
        key=target.key,
        is_fetched=True,
    )


# --- commits ---------------------------------------------------------------------------------------------


def sides_of(settings: Settings, target: AuditTarget, document: Mapping[str, Any]) -> Sides:
    """Fetch a change request and say which commits it is judged by.

    The head is the merge that the provider keeps, where it is current; else the commit that the delivery names. The
    base is the branch as it is now, or the commit that the delivery names where that branch is gone.

    Raises:
        SourceError: a commit cannot be had.
    """
    refs = [ref for ref in (document.get("merge_ref"), document.get("ref")) if ref]
    fetched: dict[str, str] = {}
    if is_address(target.url):
        credential = sign_in(settings, target.key, target.url)
        update_mirror(target.url, target.key, settings.mirrors, credential=credential)
        fetched = fetch_commits(target.url, target.key, settings.mirrors, refs, credential=credential)
    with open_repository(target.url, settings, key=target.key, commit="HEAD") as opened:
        return _chosen(opened.git_dir, document, fetched)


def _chosen(git_dir: Path, document: Mapping[str, Any], fetched: Mapping[str, str]) -> Sides:
    source, told = str(document.get("status_commit", "")), str(document.get("head", ""))
    merge = fetched.get(str(document.get("merge_ref", "")), "")
    at_ref = fetched.get(str(document.get("ref", "")), "")
    base = next(
        (ref for ref in (document.get("base_ref"), document.get("base")) if ref and has_commit(git_dir, ref)), ""
    )
    if not base:
        msg = f"neither {document.get('base_ref')} nor the commit {document.get('base') or '(none)'} is there"
        raise UnknownRevision(msg)
    is_fork_commit = at_ref.startswith(source) and len(source) < len(at_ref)  # Bitbucket Cloud shortens them
    for candidate in (merge, told if told != source else "", at_ref):
        if candidate and _is_merge_of(git_dir, candidate, source):
            return Sides(base=base, head=candidate, is_merge=True)
    for candidate in (source, told, at_ref if is_fork_commit else ""):
        if _COMMIT.fullmatch(candidate) and has_commit(git_dir, candidate):
            return Sides(base=base, head=candidate, is_merge=False)
    msg = f"the commit {told[:12]} is not there: the host keeps no ref of it, or the branch moved on"
    raise UnknownRevision(msg)


def _is_merge_of(git_dir: Path, commit: str, source: str) -> bool:
    """Whether a commit has the change's newest commit as a parent; an old merge, of a commit before, has not."""
    if not _COMMIT.fullmatch(commit) or not source or not has_commit(git_dir, commit):
        return False
    parents = run(git_dir, "rev-list", "--parents", "--max-count=1", commit).decode().split()[1:]
    return len(parents) > 1 and any(parent.startswith(source) for parent in parents)
