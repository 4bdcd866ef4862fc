"""The inbox sensor and the runs that it asks for, on an ephemeral instance and a repository of our own."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

dg = pytest.importorskip("dagster")

from shop_host import KEY, commit  # noqa: E402

from elder_assets.definitions import defs  # noqa: E402
from resources.dagster_resources import ElderResource  # noqa: E402
from resources.deliveries import host_reports  # noqa: E402
from resources.runs import locks  # noqa: E402
from resources.settings import load_settings  # noqa: E402
from resources.store import Store, tables  # noqa: E402
from resources.store.inbox import InboxRow  # noqa: E402
from sensors import inbox  # noqa: E402
from sensors.inbox import inbox_sensor  # noqa: E402
from sensors.reconciling import STILL, RunSeen, ending_of, reconcile  # noqa: E402

pytestmark = [pytest.mark.platform]
Status = dg.DagsterRunStatus
NOON = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "TICK_SECONDS", 0.0)


@pytest.fixture
def registered(store: Store, shop: Path) -> int:
    return store.add_repository(KEY, str(shop)).id


def pushed(store: Store, number: int, before: str, head: str, delivery: str, **fields) -> int:
    document = {
        "ref": "refs/heads/main",
        "before": before,
        "head": head,
        "status_commit": head,
        "is_default_branch": True,
    }
    put = store.put_inbox(
        source="webhook", provider="github", delivery_id=delivery, action="push", document={**document, **fields},
        repository_id=number,
    )  # fmt: skip
    return put.row


def tick(instance, cursor: str | None = None):
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"elder": ElderResource()})
    return inbox_sensor(context)


def carry_out(instance, result) -> list[dg.ExecuteInProcessResult]:
    """What the daemon does with a tick: add the partitions, make the runs."""
    for wanted in result.dynamic_partitions_requests or ():
        instance.add_dynamic_partitions(wanted.partitions_def_name, wanted.partition_keys)
    return [
        defs.resolve_job_def(request.job_name).execute_in_process(
            instance=instance,
            partition_key=request.partition_key,
            tags={**request.tags, "dagster/run_key": request.run_key},
            raise_on_error=False,
        )
        for request in result.run_requests
    ]


def events(store: Store) -> list[tuple[str, dict[str, Any]]]:
    with store._reading() as connection:
        table = tables.live_events
        return [(row.event, row.document) for row in connection.execute(table.select().order_by(table.c.id))]


def audits(store: Store) -> list[str]:
    with store._reading() as connection:
        joined = tables.audits.join(tables.snapshots, tables.snapshots.c.id == tables.audits.c.snapshot_id)
        return list(connection.scalars(joined.select().with_only_columns(tables.snapshots.c.commit)))


def test_a_push_becomes_a_run_a_verdict_and_a_finished_row(instance, store, registered, git):
    head = git("rev-parse", "HEAD")
    row = pushed(store, registered, "", head, "one")
    result = tick(instance)
    (request,) = result.run_requests
    assert request.run_key == f"audit:{KEY}:{head}:none:{row}"
    assert (request.partition_key, request.tags["elder/git_host"]) == (KEY, "github.com")
    assert [list(wanted.partition_keys) for wanted in result.dynamic_partitions_requests] == [[KEY]]
    assert (result.cursor, store.inbox_row(row).state) == (str(row), "queued")
    (run,) = carry_out(instance, result)
    assert run.success
    kept = store.inbox_row(row)
    assert (kept.state, kept.run_id, kept.result["commit"]) == ("done", run.run_id, head)
    assert kept.result["impact"] == "the first audit: 2 files"
    assert store.latest(KEY).commit == head
    assert [(event, document.get("stage")) for event, document in events(store)] == [
        ("audit_update", "started"),
        ("audit_update", "facts"),
        ("audit_completed", None),
    ]


def test_an_empty_inbox_says_so(instance, store):
    assert tick(instance).skip_reason.skip_message == "the inbox is empty"


def test_what_needs_no_work_says_why(instance, store, registered, git, tmp_path):
    head = git("rev-parse", "HEAD")
    pushed(store, registered, "", head, "one")
    carry_out(instance, tick(instance))
    later = commit(git, tmp_path, "two", {"README.md": "# The shop\n"})
    pushed(store, registered, head, later, "two")
    (run,) = carry_out(instance, tick(instance))
    assert run.success
    same, old = pushed(store, registered, head, later, "again"), pushed(store, registered, "", head, "late")
    said = tick(instance).skip_reason.skip_message
    assert store.inbox_row(same).state == "collapsed" or store.inbox_row(old).state == "collapsed"
    assert "nothing needs work" in said
    assert audits(store) == [head, later]


def test_a_late_delivery_of_an_older_head_needs_no_work(instance, store, registered, git, tmp_path):
    head = git("rev-parse", "HEAD")
    later = commit(git, tmp_path, "two", {"README.md": "# The shop\n"})
    pushed(store, registered, head, later, "two")
    carry_out(instance, tick(instance))
    late = pushed(store, registered, "", head, "one")
    assert tick(instance).run_requests == []
    assert (
        store.inbox_row(late).decision == f"{head[:12]} is part of {later[:12]}, which was audited: nothing needs work"
    )


def test_a_burst_is_one_run_of_its_newest_head(instance, store, registered, git, tmp_path):
    heads = [git("rev-parse", "HEAD")]
    for number in range(3):
        heads.append(commit(git, tmp_path, f"change {number}", {"a.txt": str(number)}))
    rows = [pushed(store, registered, before, head, head) for before, head in pairwise(heads)]
    (request,) = tick(instance).run_requests
    assert heads[-1] in request.run_key
    assert [store.inbox_row(row).state for row in rows] == ["collapsed", "collapsed", "queued"]


def test_a_push_while_an_audit_runs_waits(instance, store, registered, git):
    pushed(store, registered, "", git("rev-parse", "HEAD"), "one")
    tick(instance)
    second = pushed(store, registered, "", "b" * 40, "two")
    said = tick(instance).skip_reason.skip_message
    assert said.endswith(f"of {KEY} is under way")
    assert store.inbox_row(second).state == "waiting"


def test_a_lost_run_leads_to_another_and_nothing_is_recorded_twice(instance, store, registered, git):
    head = git("rev-parse", "HEAD")
    row = pushed(store, registered, "", head, "one")
    (first,) = carry_out(instance, tick(instance))
    with store._writing() as connection:  # as a run leaves it that dies between recording and saying so
        connection.execute(tables.inbox.update().values(state="queued", finished_at=None))
    store.release_inbox(row, "run lost")
    (request,) = (result := tick(instance)).run_requests
    assert request.run_key == f"audit:{KEY}:{head}:{store.latest(KEY).ruler[:12]}:{row}:2"
    (second,) = carry_out(instance, result)
    assert (first.success, second.success) == (True, True)
    assert audits(store) == [head]
    kept = store.inbox_row(row)
    assert (kept.state, kept.result["repeated"]) == (
        "done",
        f"{head[:12]} was recorded before; nothing is recorded twice",
    )


def test_a_repository_that_cannot_be_read_fails_its_row_with_the_reason(instance, store, registered, git, shop):
    row = pushed(store, registered, "", git("rev-parse", "HEAD"), "one")
    shop.rename(shop.with_name("moved"))
    (run,) = carry_out(instance, tick(instance))
    assert not run.success
    kept = store.inbox_row(row)
    assert kept.state == "failed"
    assert kept.decision.startswith("cannot audit: ")
    assert "no such folder" in kept.decision


def test_another_branch_is_audited_beside_the_default_branch(instance, store, registered, git, tmp_path):
    main = git("rev-parse", "HEAD")
    pushed(store, registered, "", main, "one")
    carry_out(instance, tick(instance))
    branch = commit(git, tmp_path, "next", {"b.txt": "b"}, onto="next")
    row = store.ask_audit(KEY, source="api", delivery_id="t1", branch="next", magics=["tdd"]).row
    carry_out(instance, tick(instance))
    kept = store.inbox_row(row)
    assert (kept.state, kept.result["commit"], kept.result["kind"]) == ("done", branch, "adhoc")
    assert list(kept.result["magics"]) == ["tdd"]
    assert store.latest(KEY).commit == main


def test_a_branch_that_does_not_exist_fails_its_row(instance, store, registered):
    row = store.ask_audit(KEY, source="api", delivery_id="t1", branch="nowhere").row
    carry_out(instance, tick(instance))
    assert "'refs/heads/nowhere' is no branch" in store.inbox_row(row).decision


# --- change requests --------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, store: Store, registered: int) -> list[httpx.Request]:
    """What is asked of the git host; it answers as GitHub does."""
    made: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        made.append(request)
        return httpx.Response(
            200 if request.method == "GET" else 201, json=[] if request.method == "GET" else {"id": 1}
        )

    opened = host_reports.open_host
    monkeypatch.setattr(
        host_reports,
        "open_host",
        lambda *given, **options: opened(*given, **options, transport=httpx.MockTransport(answer)),
    )
    monkeypatch.setenv("GITHUB_TOKEN", "tok-1")
    monkeypatch.setenv("ELDER_PUBLIC_URL", "https://elder.example.org")
    monkeypatch.setattr(host_reports, "is_address", lambda _: True)
    monkeypatch.setattr(host_reports, "key_of_address", lambda _: KEY)
    project = {
        "repository_id": registered, "name": "shop", "provider": "github", "credential": "env:GITHUB_TOKEN",
        "status": "active", "reason": "", "tier": "small", "scaling": "auto", "is_auto_audited": True,
        "is_public": False, "channels": [], "compliance_tags": [], "settings": {}, "first_look": {},
        "default_branch": "main", "web_url": "", "webhook_id": "", "webhook_secret_version": 1, "changed_at": NOON,
    }  # fmt: skip
    with store._writing() as connection:
        connection.execute(
            tables.projects.update().where(tables.projects.c.repository_id == registered).values(**project)
        )
    return made


def change(store: Store, number: int, source: str, base: str, delivery: str = "change") -> int:
    document = {
        "change_number": 7, "change_action": "opened", "head": source, "status_commit": source, "base": base,
        "base_ref": "refs/heads/main", "before": "", "ref": "refs/pull/7/head", "merge_ref": "refs/pull/7/merge",
        "title": "Add a cart",
    }  # fmt: skip
    put = store.put_inbox(
        source="webhook", provider="github", delivery_id=delivery, action="change_request", document=document,
        repository_id=number, priority=10,
    )  # fmt: skip
    return put.row


CONFLICT = {"shop/cart.py": "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n"}


def test_a_change_request_is_judged_and_the_host_is_told(instance, store, calls, git, tmp_path):
    registered = store.repository(KEY).id
    base = git("rev-parse", "HEAD")
    source = commit(git, tmp_path, "add a cart", CONFLICT, onto="refs/pull/7/head")
    row = change(store, registered, source, base)
    (run,) = carry_out(instance, tick(instance))
    assert run.success
    kept = store.inbox_row(row)
    assert (kept.state, kept.result["status"], kept.result["failing"]) == ("done", "failed", 1)
    assert kept.result["told"] == f"github: status failure and a comment on {source[:12]}"
    (gate,) = store.gates(KEY)
    assert (gate["change_number"], gate["status"], gate["head"], gate["run_id"]) == (7, "failed", source, run.run_id)
    posts = [(request.url.path, request.content.decode()) for request in calls if request.method == "POST"]
    assert [path for path, _ in posts] == [
        f"/repos/acme/shop/statuses/{source}",
        "/repos/acme/shop/issues/7/comments",
    ]
    assert '"state":"failure"' in posts[0][1]
    assert "https://elder.example.org/" in posts[0][1]
    assert "INT001" in posts[1][1]
    assert store.latest(KEY) is None  # a change request moves no trend (D12)


def test_a_change_that_breaks_its_own_policy_fails_and_says_where(instance, store, calls, git, tmp_path):
    registered = store.repository(KEY).id
    base = git("rev-parse", "HEAD")
    source = commit(git, tmp_path, "policy", {"elder.yaml": "profil: startup\n"}, onto="refs/pull/7/head")
    row = change(store, registered, source, base)
    carry_out(instance, tick(instance))
    kept = store.inbox_row(row)
    assert (kept.state, kept.result["status"]) == ("done", "failed")
    assert kept.result["reason"].startswith("elder.yaml: ")


def test_a_change_whose_commit_is_gone_fails_its_row_and_tells_the_host(instance, store, registered, calls, git):
    row = change(store, registered, "f" * 40, git("rev-parse", "HEAD"))
    carry_out(instance, tick(instance))
    kept = store.inbox_row(row)
    assert (kept.state, "is not there" in kept.decision) == ("failed", True)
    assert '"state":"error"' in calls[-1].content.decode()


def test_a_push_sets_the_status_of_its_head(instance, store, registered, calls, git):
    head = git("rev-parse", "HEAD")
    row = pushed(store, registered, "", head, "one")
    carry_out(instance, tick(instance))
    assert store.inbox_row(row).result["told"] == f"github: status success on {head[:12]}"
    assert [request.url.path for request in calls] == [f"/repos/acme/shop/statuses/{head}"]


# --- runs that end without saying so ----------------------------------------------------------------------


def queued(attempts: int = 0) -> InboxRow:
    return InboxRow(
        id=1, source="webhook", provider="github", delivery_id="one", repository_id=1, repository=KEY, action="push",
        document={}, priority=0, received_at=NOON, state="queued", decision="", audit_type="incremental",
        run_key="key", run_id=None, replay_of=None, decided_at=NOON, finished_at=None,
        result={"attempts": attempts} if attempts else {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("run", "seconds", "attempts", "state"),
    [
        (None, 59, 0, "queued"),
        (None, 61, 0, "waiting"),
        (Status.NOT_STARTED, 61, 0, "waiting"),
        (Status.QUEUED, 9000, 0, "queued"),
        (Status.STARTED, 9000, 0, "queued"),
        (Status.SUCCESS, 1, 0, "done"),
        (Status.CANCELED, 1, 0, "failed"),
        (Status.FAILURE, 1, 0, "waiting"),
        (Status.FAILURE, 1, 1, "waiting"),
        (Status.FAILURE, 1, 2, "failed"),
    ],
)
def test_a_queued_row_follows_its_run(run, seconds: int, attempts: int, state: str):
    seen = None if run is None else RunSeen(run_id="abcdefgh-1", status=run)
    assert ending_of(queued(attempts), seen, NOON + dt.timedelta(seconds=seconds)).state == state


def test_an_audit_that_says_why_it_failed_is_not_tried_again():
    ending = ending_of(queued(), RunSeen(run_id="r", status=Status.FAILURE, failure="no such folder"), NOON)
    assert (ending.state, ending.reason) == ("failed", "no such folder")
    assert ending_of(queued(), RunSeen(run_id="r", status=Status.STARTING), NOON) is STILL


def test_a_killed_worker_is_noticed_and_its_row_waits_again(instance, store, registered, git, home):
    row = pushed(store, registered, "", git("rev-parse", "HEAD"), "one")
    (request,) = tick(instance).run_requests
    instance.add_dynamic_partitions("repository", [KEY])
    job = defs.resolve_job_def("audit")
    tags = {**request.tags, "dagster/run_key": request.run_key, "dagster/partition": KEY}
    run = instance.create_run_for_job(job, tags=tags, status=Status.STARTED)
    script = (
        "import sys; from resources.runs.locks import hold; from resources.settings import load_settings;"
        "hold(load_settings(), sys.argv[1]); print('holds', flush=True); sys.stdin.read()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent)}
    command = [sys.executable, "-c", script, run.run_id]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert worker.stdout.readline() == b"holds\n"
    assert reconcile(instance, store, load_settings()) == []
    worker.kill()
    worker.wait()
    said = reconcile(instance, store, load_settings())
    assert said[0] == f"run {run.run_id[:8]} is gone"
    assert instance.get_run_by_id(run.run_id).status is Status.FAILURE
    kept = store.inbox_row(row)
    assert (kept.state, kept.result) == ("waiting", {"attempts": 1})


def test_a_run_that_nobody_claimed_is_given_time():
    settings = load_settings()
    assert locks.is_gone(settings, "nobody", when_unclaimed=True)
    assert not locks.is_gone(settings, "nobody", when_unclaimed=False)
    locks.hold(settings, "mine")
    assert not locks.is_gone(settings, "mine", when_unclaimed=True)
    locks.forget(settings, "mine")


def test_rows_of_a_host_that_rests_go_on_waiting_with_the_reason():
    import datetime as dt

    from resources.store.inbox import AuditTarget, InboxRow
    from sensors.inbox import postpone

    def row(number: int) -> InboxRow:
        return InboxRow(
            id=number, source="api", provider="api", delivery_id=str(number), repository_id=number, repository="",
            action="audit", document={}, priority=0, received_at=dt.datetime.now(dt.UTC), state="waiting",
            decision="", audit_type="", run_key="", run_id=None, replay_of=None, decided_at=None, finished_at=None,
            result={},
        )  # fmt: skip

    urls = {1: "https://away.example.org/o/a", 2: "https://there.example.org/o/b", 3: "/srv/c"}
    targets = {n: AuditTarget(id=n, key=f"r{n}", url=url, is_removed=False, team="") for n, url in urls.items()}
    rows = [row(1), row(2), row(3)]
    assert postpone(rows, targets, {"away.example.org": "it is away"}) == (rows[1:], ["1 is postponed: it is away"])
