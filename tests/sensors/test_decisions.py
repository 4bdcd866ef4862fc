"""What becomes of rows that wait, by table: each decision with the reason that a person reads."""

from __future__ import annotations

import datetime as dt
from itertools import permutations

import pytest

pytest.importorskip("dagster")  # the names of jobs and tags live beside the partitions

from resources.store.inbox import AuditTarget, InboxRow
from sensors.decisions import Known, decide

pytestmark = pytest.mark.platform
A, B, C, D = ("a" * 40, "b" * 40, "c" * 40, "d" * 40)
RULER, OTHER = "1" * 64, "2" * 64
MAIN = "refs/heads/main"


def target(**changes) -> AuditTarget:
    given = {"id": 1, "key": "github.com/acme/shop", "url": "https://github.com/acme/shop", "is_removed": False}
    return AuditTarget(
        **{**given, "team": "payments", "tier": "small", "latest_commit": A, "latest_ruler": RULER, **changes}
    )


def known(**changes) -> dict[int, Known]:
    about = {name: changes.pop(name) for name in ("ruler", "contained", "judged") if name in changes}
    return {1: Known(**{"target": target(**changes), "ruler": RULER, **about})}


def row(number: int, document: dict, action: str = "push", **changes) -> InboxRow:
    given = {
        "source": "webhook", "provider": "github", "delivery_id": str(number), "repository_id": 1,
        "repository": "github.com/acme/shop", "priority": 0, "received_at": dt.datetime(2026, 3, 3, tzinfo=dt.UTC),
        "state": "waiting", "decision": "", "audit_type": "", "run_key": "", "run_id": None, "replay_of": None,
        "decided_at": None, "finished_at": None, "result": {},
    }  # fmt: skip
    return InboxRow(**{**given, "id": number, "action": action, "document": document, **changes})


def push(number: int, before: str, head: str, **changes) -> InboxRow:
    fields = {
        name: changes.pop(name) for name in ("ref", "is_forced", "is_default_branch", "target_files") if name in changes
    }
    document = {"ref": MAIN, "before": before, "head": head, "status_commit": head, "is_default_branch": True, **fields}
    return row(number, document, **changes)


def change(number: int, source: str, told: str = "opened", base: str = A, **fields) -> InboxRow:
    document = {
        "change_number": 7, "change_action": told, "head": source, "status_commit": source, "base": base,
        "base_ref": MAIN, "before": "", **fields,
    }  # fmt: skip
    return row(number, document, "change_request", priority=10)


def asked(number: int, audit_type: str = "incremental", branch: str = "", commit: str = "", **changes) -> InboxRow:
    wish = {"audit_type": audit_type, "branch": branch, "commit": commit, "magics": []}
    return row(number, wish, "audit", **{"source": "api", **changes})


def states(decisions) -> dict[int, str]:
    return {decision.written.row: decision.written.state for decision in decisions}


def only(rows, about=None, in_flight=()):
    (decision,), _ = decide([rows], known() if about is None else about, in_flight)
    return decision


# --- pushes -----------------------------------------------------------------------------------------------


def test_a_new_head_of_the_default_branch_is_audited():
    decision = only(push(3, A, B, target_files=["a.py", "b.py"]))
    assert (decision.job, decision.partition) == ("audit", "github.com/acme/shop")
    assert decision.written.run_key == f"audit:github.com/acme/shop:{B}:111111111111:3"
    assert decision.written.audit_type == "incremental"
    assert decision.written.reason == "the host names 2 changed paths; the run says what they need"
    assert decision.tags == {
        "elder/inbox": "3",
        "dagster/priority": "0",
        "dagster/max_retries": "0",
        "elder/git_host": "github.com",
        "elder/tier": "small",
        "elder/team": "payments",
    }


@pytest.mark.parametrize("moves", permutations([(A, B), (B, C), (C, D)]))
def test_a_burst_in_any_order_becomes_one_audit_of_its_newest_head(moves: tuple):
    rows = [push(number, *move) for number, move in enumerate(moves, 1)]
    decisions, held = decide(rows, known(), [])
    last = 1 + moves.index((C, D))
    assert held == []
    assert states(decisions) == {n: "queued" if n == last else "collapsed" for n in (1, 2, 3)}
    collapsed = next(d.written.reason for d in decisions if d.written.state == "collapsed")
    assert collapsed == f"delivery {last} stands for it, with the newer head dddddddddddd"


def test_a_branch_that_went_back_and_forth_is_audited_at_its_last_push():
    decisions, _ = decide([push(1, A, B), push(2, B, A, is_forced=True), push(3, A, B)], known(), [])
    assert states(decisions) == {1: "collapsed", 2: "collapsed", 3: "queued"}


def test_the_audited_head_under_the_same_ruler_needs_no_work():
    decision = only(push(1, B, A))
    assert (decision.written.state, decision.job) == ("skipped", "")
    assert (
        decision.written.reason == "aaaaaaaaaaaa is the last audited commit, under the same ruler: nothing needs work"
    )


def test_the_audited_head_under_another_ruler_is_judged_again():
    assert only(push(1, B, A), known(ruler=OTHER)).job == "audit"


def test_a_push_that_came_late_is_part_of_what_was_audited():
    decision = only(push(1, C, B), known(contained=frozenset({B})))
    assert decision.written.reason == "bbbbbbbbbbbb is part of aaaaaaaaaaaa, which was audited: nothing needs work"


@pytest.mark.parametrize(
    "moved", [push(1, A, B), push(1, C, B, is_forced=True)], ids=["from the audited head", "forced"]
)
def test_a_branch_that_was_set_back_is_audited(moved: InboxRow):
    assert only(moved, known(contained=frozenset({B}))).job == "audit"


def test_a_forced_push_is_audited_and_says_so():
    assert only(push(1, A, B, is_forced=True)).written.reason == (
        "main was pushed by force: history may be gone, all is judged again"
    )


def test_a_first_audit_says_that_every_file_is_read():
    decision = only(push(1, "", B), known(latest_commit="", latest_ruler="", ruler=""))
    assert decision.written.reason == "the first audit: every file is read"
    assert decision.written.run_key == f"audit:github.com/acme/shop:{B}:none:1"


def test_what_the_host_does_not_tell_the_project_knows():
    about = known(default_branch="main")
    assert only(push(1, A, B, is_default_branch=None), about).job == "audit"
    assert only(push(1, A, B, is_default_branch=None, ref="refs/heads/x"), about).written.state == "skipped"


def test_where_nobody_knows_the_default_branch_its_head_is_audited():
    decision = only(push(1, A, B, is_default_branch=None))
    assert decision.written.reason == "the host does not say whether this is the default branch, whose head is audited"


@pytest.mark.parametrize(
    ("given", "about", "reason"),
    [
        (push(1, A, B, ref="refs/heads/fix", is_default_branch=False), {}, "fix is not the default branch; its commits are judged with a change request"),
        (push(1, A, B), {"is_auto_audited": False}, "github.com/acme/shop is not audited after pushes; ask for an audit, or turn it on"),
        (push(1, A, B), {"settings": {"uploads_only": True}}, "audits of github.com/acme/shop come by upload"),
        (row(1, {}, "audit"), {"settings": {"uploads_only": True}}, "audits of github.com/acme/shop come by upload"),
        (push(1, A, B), {"status": "archived"}, "the project of github.com/acme/shop is archived"),
        (push(1, A, B), {"status": "refused"}, "the project of github.com/acme/shop is refused"),
        (push(1, A, B), {"is_removed": True}, "github.com/acme/shop was removed from the registry"),
        (row(1, {}, "ping"), {}, "a ping: the webhook works"),
        (row(1, {}, "tag"), {}, "a tag moves no branch"),
        (row(1, {}, "branch_deleted"), {}, "a branch was deleted; what was audited of it stays"),
        (row(1, {"reason": "event 'star' starts nothing"}, "other"), {}, "event 'star' starts nothing"),
        (change(1, B, "closed"), {}, "change request 7 is closed: nothing is to be judged"),
        (change(1, B, "merged"), {}, "change request 7 was merged: the push of the merge is audited"),
        (change(1, B), {"is_auto_audited": False}, "github.com/acme/shop is not audited after pushes; ask for an audit, or turn it on"),
        (row(1, {"head": B, "base": ""}, "merge_queue"), {}, "the merge queue names no head or no base"),
    ],
    ids=["branch", "not auto", "uploads", "asked for, uploads", "archived", "refused", "removed", "ping", "tag", "deleted", "other", "closed", "merged", "change not auto", "queue"],
)  # fmt: skip
def test_what_starts_nothing_says_why(given: InboxRow, about: dict, reason: str):
    decision = only(given, known(**about))
    assert (decision.written.state, decision.job, decision.written.reason) == ("skipped", "", reason)


def test_an_unknown_repository_is_skipped_by_name():
    lost = row(1, {"repository": "github.com/acme/other"}, repository_id=None)
    assert only(lost).written.reason == "github.com/acme/other is not registered"


# --- change requests --------------------------------------------------------------------------------------


def test_a_change_request_is_judged_by_a_run_of_its_own():
    decision = only(change(1, B))
    assert (decision.job, decision.written.audit_type, decision.tags["dagster/priority"]) == (
        "judge_change",
        "change_request",
        "10",
    )
    assert decision.written.reason == "change request 7 is judged by what it brings to main"


def test_updates_of_one_change_request_collapse_and_others_do_not():
    rows = [change(1, B), change(2, C, "updated", before=B), change(3, D, change_number=8)]
    decisions, _ = decide(rows, known(), [])
    assert states(decisions) == {1: "collapsed", 2: "queued", 3: "queued"}


def test_a_push_does_not_wait_for_a_change_request():
    decisions, _ = decide([change(1, C), push(2, A, B)], known(), [])
    assert states(decisions) == {1: "queued", 2: "queued"}


def test_a_change_request_that_was_judged_is_not_judged_again_unless_its_base_moved():
    about = known(judged=frozenset({(7, B, A)}))
    assert only(change(1, B, "updated"), about).written.reason == "change request 7 was judged at bbbbbbbbbbbb"
    assert only(change(1, B, "updated", base=C), about).job == "judge_change"


def test_a_replayed_change_request_is_judged_again():
    again = change(1, B)
    again = InboxRow(**{**{f: getattr(again, f) for f in again.__struct_fields__}, "source": "replay"})
    assert only(again, known(judged=frozenset({(7, B, A)}))).job == "judge_change"


def test_a_merge_queue_is_judged_like_a_change_request():
    decision = only(row(1, {"head": B, "base": A, "base_ref": MAIN}, "merge_queue"))
    assert (decision.job, decision.written.reason) == (
        "judge_change",
        "the merge queue's commit is judged by what it brings to main",
    )


# --- audits that were asked for ---------------------------------------------------------------------------


def test_a_full_audit_is_made_even_of_the_audited_head():
    assert only(asked(1, "full", source="api")).job == "audit"
    decisions, _ = decide([asked(1, "full"), push(2, A, B)], known(), [])
    assert states(decisions) == {1: "queued", 2: "collapsed"}


def test_a_branch_or_commit_is_audited_beside_the_default_branch():
    decisions, _ = decide([asked(1, branch="next"), asked(2, commit=C), push(3, A, B)], known(), [])
    assert states(decisions) == dict.fromkeys((1, 2, 3), "queued")
    assert [d.tags.get("elder/kind") for d in decisions] == ["adhoc", "adhoc", None]
    assert (decisions[0].tags["elder/branch"], decisions[1].tags["elder/commit"]) == ("next", C)


def test_an_asked_audit_is_made_where_pushes_are_not_audited():
    decision = only(asked(1), known(is_auto_audited=False))
    assert decision.written.reason == "incremental audit, asked for by api: the default branch"


# --- while runs are under way -----------------------------------------------------------------------------


def test_the_next_audit_of_a_repository_waits_for_the_one_under_way():
    running = push(1, A, B, state="queued")
    decisions, held = decide([push(2, B, C), push(3, C, D)], known(), [running])
    assert states(decisions) == {2: "collapsed"}
    assert held == ["3 waits: delivery 1 of github.com/acme/shop is under way"]


def test_what_was_lost_is_tried_again_under_another_key():
    decision = only(push(4, B, A, result={"attempts": 1}))
    assert decision.written.run_key == f"audit:github.com/acme/shop:{A}:111111111111:4:2"


def test_runs_start_in_the_order_of_the_rows():
    decisions, _ = decide([change(9, B), push(2, A, C)], known(), [])
    assert [decision.written.row for decision in decisions] == [9, 2]
