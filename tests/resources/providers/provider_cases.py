"""What the conformance suite knows of each provider: how it signs, what it sends, and a small host that it calls.

Payloads are written by us in the shape of the real ones. Every provider states the same facts; a fact that a
provider has no event for is absent from its `events`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

import httpx

from resources.git.providers.provider import RemoteRepository

SECRET = b"correct horse"
TOKEN = "tok-5e1f2a9c"
BEFORE, AFTER, SOURCE, BASE, MERGE = (digit * 40 for digit in "abcde")
ZEROS = "0" * 40
NOW = 1_800_000_000.0


@dataclass(frozen=True)
class Event:
    """A delivery without its signature, and the fields that it must mean."""

    headers: dict[str, str]
    payload: dict
    means: dict[str, object]


@dataclass
class FakeHost:
    """Answers like the provider's API; remembers hooks, comments, statuses and every request."""

    handle: Callable[[FakeHost, httpx.Request, str, dict], object]
    hooks: dict[str, dict] = field(default_factory=dict)
    comments: dict[str, dict] = field(default_factory=dict)
    statuses: list[dict] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        body = json.loads(request.content) if request.content else {}
        answer = self.handle(self, request, unquote(request.url.raw_path.decode().partition("?")[0]), body)
        if isinstance(answer, httpx.Response):
            return answer
        return httpx.Response(404 if answer is None else 200, json=answer or {})

    def page(self, request: httpx.Request, items: list, per_page: int = 100) -> list:
        number = int(parse_qs(request.url.query.decode()).get("page", ["1"])[0])
        return items[(number - 1) * per_page : number * per_page]


@dataclass(frozen=True)
class Case:
    """One provider under test."""

    name: str
    sign: Callable[[bytes, bytes], dict[str, str]]
    wrong: dict[str, dict[str, str]]
    events: dict[str, Event]
    id_header: str
    api: str
    repository: str
    handle: Callable[[FakeHost, httpx.Request, str, dict], object]
    remote: RemoteRepository
    owner: str
    states: dict[str, str]
    state_of: Callable[[dict], object]
    summary_of: Callable[[dict], str]
    max_summary: int
    text_of: Callable[[dict], str]
    strangers_comment: dict
    address: str


def digest(body: bytes, secret: bytes) -> str:
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def wrong_digests(name: str) -> dict[str, dict[str, str]]:
    """Signatures that must be refused, whatever the body."""
    right_shape = "0" * 64
    return {
        "missing": {},
        "empty": {name: ""},
        "wrong": {name: "sha256=" + right_shape},
        "truncated": {name: "sha256=" + right_shape[:-1]},
        "too long": {name: "sha256=" + right_shape + "0"},
        "no hexadecimal": {name: "sha256=" + "g" * 64},
        "non-ASCII": {name: "sha256=" + "é" * 64},
        "full-width digits": {name: "sha256=" + "０" * 64},
        "surrogate": {name: "sha256=\udcff"},
        "sha1": {name: "sha1=" + "0" * 40},
        "no algorithm": {name: right_shape},
    }


# GitHub


def _github_repository() -> dict:
    return {
        "full_name": "acme/shop",
        "clone_url": "https://github.com/acme/shop.git",
        "html_url": "https://github.com/acme/shop",
        "default_branch": "main",
        "private": True,
        "visibility": "private",
        "archived": False,
        "size": 420,
    }


def _github_event(event: str, payload: dict, **means: object) -> Event:
    whole = {"repository": _github_repository(), "sender": {"login": "ada"}, **payload}
    headers = {"X-GitHub-Event": event, "X-GitHub-Delivery": "72d3162e-cc78", "Content-Type": "application/json"}
    expected = {"event": event, "sender": "ada", "repository": "github.com/acme/shop", **means}
    return Event(headers, whole, {"clone_url": "https://github.com/acme/shop.git", **expected})


def _github_push(**changes: object) -> dict:
    commits = [
        {"id": BEFORE, "message": "one", "added": ["a.py"], "modified": ["b.py"], "removed": []},
        {"id": AFTER, "message": "two\n\nwhy", "added": [], "modified": ["b.py"], "removed": ["c.py"]},
    ]
    push = {"ref": "refs/heads/main", "before": BEFORE, "after": AFTER, "forced": False, "commits": commits}
    return {**push, "head_commit": commits[1], **changes}


def _github_change(told: str, **changes: object) -> dict:
    change = {
        "number": 7,
        "title": "Add a basket",
        "html_url": "https://github.com/acme/shop/pull/7",
        "head": {"ref": "basket", "sha": SOURCE},
        "base": {"ref": "main", "sha": BASE},
        "merge_commit_sha": None,
        "mergeable": None,
        "merged": False,
        **changes,
    }
    return {"action": told, "number": 7, "pull_request": change}


_OF_MAIN = {"ref": "refs/heads/main", "is_default_branch": True}
_PUSHED = {"before": BEFORE, "head": AFTER, "status_commit": AFTER, "is_forced": False}
_CHANGE = {"action": "change_request", "change_number": 7, "status_commit": SOURCE, "base_ref": "refs/heads/main"}

GITHUB_EVENTS = {
    "push": _github_event(
        "push", _github_push(), action="push", target_files=("a.py", "b.py", "c.py"), title="two", **_OF_MAIN, **_PUSHED
    ),
    "push to another branch": _github_event(
        "push", _github_push(ref="refs/heads/fix/é"), action="push", ref="refs/heads/fix/é", is_default_branch=False
    ),
    "forced push": _github_event("push", _github_push(forced=True), action="push", is_forced=True, **_OF_MAIN),
    "new branch": _github_event("push", _github_push(before=ZEROS), action="push", before="", head=AFTER),
    "branch deleted": _github_event(
        "push",
        _github_push(after=ZEROS, head_commit=None, commits=[], deleted=True),
        action="branch_deleted",
        head="",
        before=BEFORE,
        **_OF_MAIN,
    ),
    "branch deleted by the page": _github_event(
        "delete", {"ref": "basket", "ref_type": "branch"}, action="branch_deleted", ref="refs/heads/basket"
    ),
    "tag": _github_event("push", _github_push(ref="refs/tags/v1"), action="tag", ref="refs/tags/v1", head=AFTER),
    "change opened": _github_event(
        "pull_request",
        _github_change("opened"),
        change_action="opened",
        head=SOURCE,
        ref="refs/pull/7/head",
        base=BASE,
        is_default_branch=True,
        change_url="https://github.com/acme/shop/pull/7",
        title="Add a basket",
        **_CHANGE,
    ),
    "change with a merge commit": _github_event(
        "pull_request",
        _github_change("reopened", merge_commit_sha=MERGE, mergeable=True),
        change_action="opened",
        head=MERGE,
        ref="refs/pull/7/merge",
        **_CHANGE,
    ),
    "change updated, merge commit of before": _github_event(
        "pull_request",
        {**_github_change("synchronize", merge_commit_sha=MERGE), "before": BEFORE, "after": SOURCE},
        change_action="updated",
        head=SOURCE,
        before=BEFORE,
        ref="refs/pull/7/head",
        **_CHANGE,
    ),
    "change merged": _github_event(
        "pull_request",
        _github_change("closed", merge_commit_sha=MERGE, merged=True),
        change_action="merged",
        ref="refs/heads/main",
        head=MERGE,
        **_CHANGE,
    ),
    "change closed": _github_event(
        "pull_request", _github_change("closed", merge_commit_sha=MERGE), change_action="closed", head=SOURCE, **_CHANGE
    ),
    "change without code": _github_event(
        "pull_request", _github_change("labeled"), action="other", reason="'labeled' changes no code"
    ),
    "merge queue": _github_event(
        "merge_group",
        {
            "action": "checks_requested",
            "merge_group": {
                "head_sha": MERGE,
                "head_ref": "refs/heads/gh-readonly-queue/main/pr-7",
                "base_sha": BASE,
                "base_ref": "refs/heads/main",
                "head_commit": {"id": MERGE, "message": "Merge pull request #7"},
            },
        },
        action="merge_queue",
        head=MERGE,
        status_commit=MERGE,
        base=BASE,
        base_ref="refs/heads/main",
        ref="refs/heads/gh-readonly-queue/main/pr-7",
        title="Merge pull request #7",
    ),
    "ping": _github_event("ping", {"zen": "Keep it simple.", "hook_id": 1}, action="ping"),
    "unknown": _github_event("star", {"action": "created"}, action="other", reason="event 'star' starts nothing"),
}


def _github_host(fake: FakeHost, request: httpx.Request, path: str, body: dict) -> object:
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    at = f"{request.method} {path}"
    if at == "GET /repos/acme/shop":
        return _github_repository()
    if at == "GET /repos/acme/shop/languages":
        return {"Python": 300, "Shell": 100}
    if at == "GET /orgs/acme":
        return {"login": "acme"}
    if at == "GET /orgs/acme/repos":
        return httpx.Response(200, json=fake.page(request, [_github_repository()] * 130))
    if at == "GET /user":
        return {"login": "elder"}
    if path == "/repos/acme/shop/hooks" or path.startswith("/repos/acme/shop/hooks/"):
        return _collection(fake, fake.hooks, request, path.rpartition("/")[2], body)
    if re.fullmatch(r"/repos/acme/shop/issues/(7/comments|comments/\d+)", path):
        return _collection(fake, fake.comments, request, path.rpartition("/")[2], {"user": {"login": "elder"}, **body})
    if at == f"POST /repos/acme/shop/statuses/{AFTER}":
        fake.statuses.append(body)
        return {"id": 1}
    return None


def _collection(fake: FakeHost, kept: dict[str, dict], request: httpx.Request, last: str, body: dict) -> object:
    """A list with POST to add, and PATCH or PUT of one by its id."""
    if request.method == "GET":
        return httpx.Response(200, json=fake.page(request, list(kept.values())))
    number = last if last in kept else str(len(kept) + 1)
    if request.method in {"PATCH", "PUT"} and last not in kept:
        return None
    kept[number] = {**body, "id": int(number)}
    return kept[number]


GITHUB = Case(
    name="github",
    sign=lambda body, secret: {"X-Hub-Signature-256": digest(body, secret)},
    wrong=wrong_digests("X-Hub-Signature-256"),
    events=GITHUB_EVENTS,
    id_header="X-GitHub-Delivery",
    api="https://api.github.com",
    repository="github.com/acme/shop",
    handle=_github_host,
    remote=RemoteRepository(
        repository="github.com/acme/shop",
        clone_url="https://github.com/acme/shop.git",
        web_url="https://github.com/acme/shop",
        default_branch="main",
        visibility="private",
        is_archived=False,
        size_kb=420,
        languages=(("Python", 0.75), ("Shell", 0.25)),
    ),
    owner="acme",
    states={"pending": "pending", "success": "success", "failure": "failure", "error": "error"},
    state_of=lambda status: status["state"],
    summary_of=lambda status: status["description"],
    max_summary=140,
    text_of=lambda comment: comment["body"],
    strangers_comment={"id": 900, "body": "<!-- elder:gate --> gotcha", "user": {"login": "mallory", "type": "User"}},
    address="https://github.com/acme/shop",
)

# GitLab


def _gitlab_event(header: str, payload: dict, **means: object) -> Event:
    project = {
        "id": 15,
        "git_http_url": "http://gitlab.com/acme/web/shop.git",
        "path_with_namespace": "acme/web/shop",
        "default_branch": "main",
    }
    headers = {"X-Gitlab-Event": header, "Idempotency-Key": "f5e5f430-f57b-4e6e", "Content-Type": "application/json"}
    expected = {"event": payload.get("object_kind"), "sender": "ada", "repository": "gitlab.com/acme/web/shop", **means}
    whole = {"project": project, "user": {"username": "ada"}, **payload}
    return Event(headers, whole, {"clone_url": "https://gitlab.com/acme/web/shop.git", **expected})


def _gitlab_push(**changes: object) -> dict:
    commits = [
        {"id": BEFORE, "message": "one", "added": ["a.py"], "modified": ["b.py"], "removed": []},
        {"id": AFTER, "message": "two\n\nwhy", "added": [], "modified": ["b.py"], "removed": ["c.py"]},
    ]
    push = {"object_kind": "push", "ref": "refs/heads/main", "before": BEFORE, "after": AFTER, "commits": commits}
    return {**push, "user_username": "ada", "total_commits_count": 2, **changes}


def _gitlab_change(told: str, *, changed: dict | None = None, **changes: object) -> dict:
    attributes = {
        "iid": 7,
        "title": "Add a basket",
        "url": "https://gitlab.com/acme/web/shop/-/merge_requests/7",
        "source_branch": "basket",
        "target_branch": "main",
        "last_commit": {"id": SOURCE},
        "action": told,
        **changes,
    }
    return {"object_kind": "merge_request", "object_attributes": attributes, "changes": changed or {}}


def _gitlab_pipeline(ref: str, status: str = "pending") -> dict:
    return {
        "object_kind": "pipeline",
        "object_attributes": {"ref": ref, "sha": MERGE, "source": "merge_request_event", "status": status},
        "merge_request": {"iid": 7, "title": "Add a basket", "target_branch": "main"},
    }


_MERGE_REQUEST = {**_CHANGE, "ref": "refs/merge-requests/7/head"}

GITLAB_EVENTS = {
    "push": _gitlab_event(
        "Push Hook",
        _gitlab_push(),
        action="push",
        target_files=("a.py", "b.py", "c.py"),
        title="two",
        **_OF_MAIN,
        **_PUSHED,
    ),
    "push of a system hook": _gitlab_event("System Hook", _gitlab_push(), action="push", **_OF_MAIN, **_PUSHED),
    "new branch": _gitlab_event("Push Hook", _gitlab_push(before=ZEROS), action="push", before="", head=AFTER),
    "branch deleted": _gitlab_event(
        "Push Hook",
        _gitlab_push(after=ZEROS, checkout_sha=None, commits=[]),
        action="branch_deleted",
        head="",
        before=BEFORE,
        **_OF_MAIN,
    ),
    "tag": _gitlab_event(
        "Tag Push Hook",
        _gitlab_push(object_kind="tag_push", ref="refs/tags/v1", before=ZEROS, commits=[]),
        action="tag",
        ref="refs/tags/v1",
        head=AFTER,
    ),
    "change opened": _gitlab_event(
        "Merge Request Hook",
        _gitlab_change("open"),
        change_action="opened",
        head=SOURCE,
        is_default_branch=True,
        merge_ref="refs/merge-requests/7/merge",
        change_url="https://gitlab.com/acme/web/shop/-/merge_requests/7",
        title="Add a basket",
        **_MERGE_REQUEST,
    ),
    "change updated": _gitlab_event(
        "Merge Request Hook",
        _gitlab_change("update", oldrev=BEFORE),
        change_action="updated",
        head=SOURCE,
        before=BEFORE,
        **_MERGE_REQUEST,
    ),
    "change retargeted": _gitlab_event(
        "Merge Request Hook",
        _gitlab_change("update", changed={"target_branch": {"previous": "next", "current": "main"}}),
        change_action="updated",
        **_MERGE_REQUEST,
    ),
    "change without code": _gitlab_event(
        "Merge Request Hook",
        _gitlab_change("update", changed={"labels": {}}),
        action="other",
        reason="'update' changes no code",
    ),
    "change merged": _gitlab_event(
        "Merge Request Hook",
        _gitlab_change("merge", merge_commit_sha=MERGE),
        change_action="merged",
        head=MERGE,
        merge_ref="",
        **{**_MERGE_REQUEST, "ref": "refs/heads/main"},
    ),
    "change squashed": _gitlab_event(
        "Merge Request Hook",
        _gitlab_change("merge", merge_commit_sha=None, squash_commit_sha=MERGE),
        change_action="merged",
        head=MERGE,
        **{**_MERGE_REQUEST, "ref": "refs/heads/main"},
    ),
    "change of a system hook": _gitlab_event(
        "System Hook",
        _gitlab_change("", state="merged", merge_commit_sha=MERGE),
        change_action="merged",
        head=MERGE,
        **{**_MERGE_REQUEST, "ref": "refs/heads/main"},
    ),
    "change closed": _gitlab_event(
        "Merge Request Hook", _gitlab_change("close"), change_action="closed", head=SOURCE, **_MERGE_REQUEST
    ),
    "merge queue": _gitlab_event(
        "Pipeline Hook",
        _gitlab_pipeline("refs/merge-requests/7/train"),
        action="merge_queue",
        head=MERGE,
        status_commit=MERGE,
        base_ref="refs/heads/main",
        ref="refs/merge-requests/7/train",
        change_number=7,
    ),
    "pipeline of a change": _gitlab_event(
        "Pipeline Hook", _gitlab_pipeline("refs/merge-requests/7/head"), action="other"
    ),
    "merge train that ended": _gitlab_event(
        "Pipeline Hook", _gitlab_pipeline("refs/merge-requests/7/train", "success"), action="other"
    ),
    "unknown": _gitlab_event(
        "Emoji Hook", {"object_kind": "emoji"}, action="other", reason="event 'emoji' starts nothing"
    ),
}


def _gitlab_host(fake: FakeHost, request: httpx.Request, path: str, body: dict) -> object:
    assert request.headers["PRIVATE-TOKEN"] == TOKEN
    project = {
        "http_url_to_repo": "https://gitlab.com/acme/web/shop.git",
        "web_url": "https://gitlab.com/acme/web/shop",
        "default_branch": "main",
        "visibility": "internal",
        "archived": True,
        "statistics": {"repository_size": 420_500},
    }
    start = "/api/v4/projects/acme/web/shop"
    at = f"{request.method} {path}"
    if at == f"GET {start}":
        assert b"acme%2Fweb%2Fshop" in request.url.raw_path
        return project
    if at == f"GET {start}/languages":
        return {"Ruby": 75.0, "Shell": 25.0}
    if at == "GET /api/v4/groups/acme":
        return {"id": 1}
    if at == "GET /api/v4/groups/acme/projects":
        return httpx.Response(200, json=fake.page(request, [project] * 130))
    if at == "GET /api/v4/user":
        return {"id": 5}
    if path == f"{start}/hooks" or path.startswith(f"{start}/hooks/"):
        return _collection(fake, fake.hooks, request, path.rpartition("/")[2], body)
    if path == f"{start}/merge_requests/7/notes" or path.startswith(f"{start}/merge_requests/7/notes/"):
        return _collection(fake, fake.comments, request, path.rpartition("/")[2], {"author": {"id": 5}, **body})
    if at == f"POST {start}/statuses/{AFTER}":
        fake.statuses.append(body)
        return {"id": 1}
    return None


GITLAB = Case(
    name="gitlab",
    sign=lambda _, secret: {"X-Gitlab-Token": secret.decode()},
    wrong={
        "missing": {},
        "empty": {"X-Gitlab-Token": ""},
        "wrong": {"X-Gitlab-Token": "incorrect horse"},
        "truncated": {"X-Gitlab-Token": "correct hors"},
        "too long": {"X-Gitlab-Token": "correct horse "},
        "non-ASCII": {"X-Gitlab-Token": "cörrect horse"},
        "surrogate": {"X-Gitlab-Token": "\udcff"},
        "signature alone": {"webhook-id": "1", "webhook-timestamp": "1800000000", "webhook-signature": "v1,AAAA"},
    },
    events=GITLAB_EVENTS,
    id_header="Idempotency-Key",
    api="https://gitlab.com/api/v4",
    repository="gitlab.com/acme/web/shop",
    handle=_gitlab_host,
    remote=RemoteRepository(
        repository="gitlab.com/acme/web/shop",
        clone_url="https://gitlab.com/acme/web/shop.git",
        web_url="https://gitlab.com/acme/web/shop",
        default_branch="main",
        visibility="internal",
        is_archived=True,
        size_kb=420,
        languages=(("Ruby", 0.75), ("Shell", 0.25)),
    ),
    owner="acme",
    states={"pending": "pending", "success": "success", "failure": "failed", "error": "failed"},
    state_of=lambda status: status["state"],
    summary_of=lambda status: status["description"],
    max_summary=255,
    text_of=lambda comment: comment["body"],
    strangers_comment={"id": 900, "body": "<!-- elder:gate --> gotcha", "author": {"id": 666}},
    address="git@gitlab.com:acme/web/shop.git",
)


# Bitbucket Cloud


def _cloud_event(event: str, payload: dict, **means: object) -> Event:
    repository = {"full_name": "acme/shop", "links": {"html": {"href": "https://bitbucket.org/acme/shop"}}}
    headers = {"X-Event-Key": event, "X-Request-UUID": "9b3ba4e4-bd8f", "Content-Type": "application/json"}
    expected = {"event": event, "sender": "ada", "repository": "bitbucket.org/acme/shop", **means}
    whole = {"repository": repository, "actor": {"nickname": "ada", "display_name": "Ada L."}, **payload}
    return Event(headers, whole, {"clone_url": "https://bitbucket.org/acme/shop.git", **expected})


def _cloud_ref(commit: str, name: str = "main", kind: str = "branch") -> dict:
    return {"type": kind, "name": name, "target": {"hash": commit, "message": "two\n\nwhy"}}


def _cloud_push(*changes: tuple) -> dict:
    keys = ("old", "new", "forced")
    return {"push": {"changes": [dict(zip(keys, change, strict=True)) for change in changes]}}


def _cloud_change(source: str = "acme/shop", **changes: object) -> dict:
    change = {
        "id": 7,
        "title": "Add a basket",
        "source": {
            "branch": {"name": "basket"},
            "commit": {"hash": SOURCE[:12]},
            "repository": {"full_name": source},
        },
        "destination": {
            "branch": {"name": "main"},
            "commit": {"hash": BASE[:12]},
            "repository": {"full_name": "acme/shop"},
        },
        "merge_commit": None,
        "links": {"html": {"href": "https://bitbucket.org/acme/shop/pull-requests/7"}},
        **changes,
    }
    return {"pullrequest": change}


_CLOUD_CHANGE = {**_CHANGE, "status_commit": SOURCE[:12], "base": BASE[:12]}

CLOUD_EVENTS = {
    "push": _cloud_event(
        "repo:push",
        _cloud_push((_cloud_ref(BEFORE), _cloud_ref(AFTER), False)),
        action="push",
        ref="refs/heads/main",
        title="two",
        is_default_branch=None,
        **_PUSHED,
    ),
    "forced push": _cloud_event(
        "repo:push", _cloud_push((_cloud_ref(BEFORE), _cloud_ref(AFTER), True)), action="push", is_forced=True
    ),
    "new branch": _cloud_event(
        "repo:push", _cloud_push((None, _cloud_ref(AFTER), False)), action="push", before="", head=AFTER
    ),
    "branch deleted": _cloud_event(
        "repo:push",
        _cloud_push((_cloud_ref(BEFORE), None, False)),
        action="branch_deleted",
        ref="refs/heads/main",
        head="",
        before=BEFORE,
    ),
    "tag": _cloud_event(
        "repo:push", _cloud_push((None, _cloud_ref(AFTER, "v1", "tag"), False)), action="tag", ref="refs/tags/v1"
    ),
    "push of nothing": _cloud_event("repo:push", _cloud_push(), action="other", reason="the push lists no ref"),
    "change opened": _cloud_event(
        "pullrequest:created",
        _cloud_change(),
        change_action="opened",
        head=SOURCE[:12],
        ref="refs/heads/basket",
        change_url="https://bitbucket.org/acme/shop/pull-requests/7",
        title="Add a basket",
        **_CLOUD_CHANGE,
    ),
    "change of a fork": _cloud_event(
        "pullrequest:created",
        _cloud_change("mallory/shop"),
        ref="",
        reason="from a fork: Bitbucket keeps no ref of it in this repository",
        **_CLOUD_CHANGE,
    ),
    "change updated": _cloud_event(
        "pullrequest:updated", _cloud_change(), change_action="updated", head=SOURCE[:12], **_CLOUD_CHANGE
    ),
    "change merged": _cloud_event(
        "pullrequest:fulfilled",
        _cloud_change(merge_commit={"hash": MERGE[:12]}),
        change_action="merged",
        head=MERGE[:12],
        ref="refs/heads/main",
        **_CLOUD_CHANGE,
    ),
    "change closed": _cloud_event(
        "pullrequest:rejected", _cloud_change(), change_action="closed", head=SOURCE[:12], **_CLOUD_CHANGE
    ),
    "unknown": _cloud_event(
        "pullrequest:approved", {}, action="other", reason="event 'pullrequest:approved' starts nothing"
    ),
}


def _cloud_host(fake: FakeHost, request: httpx.Request, path: str, body: dict) -> object:
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    repository = {
        "full_name": "acme/shop",
        "links": {"html": {"href": "https://bitbucket.org/acme/shop"}},
        "mainbranch": {"name": "main"},
        "is_private": False,
        "size": 420_500,
        "language": "python",
    }
    start, at = "/2.0/repositories/acme/shop", f"{request.method} {path}"
    if at == f"GET {start}":
        return repository
    if at == "GET /2.0/repositories/acme":
        return _cloud_page(fake, request, [repository] * 130)
    if at == f"POST {start}/commit/{AFTER}/statuses/build":
        fake.statuses.append(body)
        return {"key": body["key"]}
    last = path.rpartition("/")[2]
    if at in {f"GET {start}/hooks", f"GET {start}/pullrequests/7/comments"}:
        return _cloud_page(fake, request, list((fake.hooks if last == "hooks" else fake.comments).values()))
    if path == f"{start}/hooks" or path.startswith(f"{start}/hooks/"):
        number = last if last in fake.hooks else f"{{{len(fake.hooks)}}}"
        fake.hooks[number] = {**body, "uuid": number}
        return fake.hooks[number]
    if path == f"{start}/pullrequests/7/comments" or path.startswith(f"{start}/pullrequests/7/comments/"):
        if last == "900":
            return httpx.Response(403, json={"error": {"message": "You are not its author."}})
        return _collection(fake, fake.comments, request, last, body)
    return None


def _cloud_page(fake: FakeHost, request: httpx.Request, items: list) -> dict:
    page = int(request.url.params.get("page", "1"))
    return {"values": fake.page(request, items), **({"next": "there is more"} if page * 100 < len(items) else {})}


BITBUCKET_STATES = {"pending": "INPROGRESS", "success": "SUCCESSFUL", "failure": "FAILED", "error": "FAILED"}

BITBUCKET_CLOUD = Case(
    name="bitbucket_cloud",
    sign=lambda body, secret: {"X-Hub-Signature": digest(body, secret)},
    wrong=wrong_digests("X-Hub-Signature"),
    events=CLOUD_EVENTS,
    id_header="X-Request-UUID",
    api="https://api.bitbucket.org/2.0",
    repository="bitbucket.org/acme/shop",
    handle=_cloud_host,
    remote=RemoteRepository(
        repository="bitbucket.org/acme/shop",
        clone_url="https://bitbucket.org/acme/shop.git",
        web_url="https://bitbucket.org/acme/shop",
        default_branch="main",
        visibility="public",
        is_archived=False,
        size_kb=420,
        languages=(("python", 1.0),),
    ),
    owner="acme",
    states=BITBUCKET_STATES,
    state_of=lambda status: status["state"],
    summary_of=lambda status: status["description"],
    max_summary=255,
    text_of=lambda comment: comment["content"]["raw"],
    strangers_comment={"id": 900, "content": {"raw": "[//]: # (elder:gate) gotcha"}},
    address="https://ada@bitbucket.org/acme/shop.git",
)


# Bitbucket Server


def _server_repository() -> dict:
    return {
        "slug": "shop",
        "project": {"key": "ACME"},
        "public": False,
        "archived": False,
        "links": {
            "clone": [
                {"href": "ssh://git@bitbucket.corp:7999/acme/shop.git", "name": "ssh"},
                {"href": "https://ada@bitbucket.corp/scm/acme/shop.git", "name": "http"},
            ],
            "self": [{"href": "https://bitbucket.corp/projects/ACME/repos/shop/browse"}],
        },
    }


def _server_event(event: str, payload: dict, **means: object) -> Event:
    headers = {"X-Event-Key": event, "X-Request-Id": "e6b1a5b2-0f0e", "Content-Type": "application/json; charset=utf-8"}
    whole = {"eventKey": event, "actor": {"name": "ada"}, **payload}
    address = {"clone_url": "https://bitbucket.corp/scm/acme/shop.git", "repository": "bitbucket.corp/scm/acme/shop"}
    expected = {"event": event, "sender": "ada", **(address if event.startswith(("repo:refs", "pr:")) else {})}
    return Event(headers, whole, {**expected, **means})


def _server_push(before: str, after: str, ref: str = "refs/heads/main", repository: dict | None = None) -> dict:
    kind = "UPDATE" if before != ZEROS != after else "ADD" if before == ZEROS else "DELETE"
    change = {"ref": {"id": ref}, "refId": ref, "fromHash": before, "toHash": after, "type": kind}
    return {"repository": repository or _server_repository(), "changes": [change]}


def _server_change(**changes: object) -> dict:
    change = {
        "id": 7,
        "title": "Add a basket",
        "fromRef": {"id": "refs/heads/basket", "latestCommit": SOURCE, "repository": _server_repository()},
        "toRef": {"id": "refs/heads/main", "latestCommit": BASE, "repository": _server_repository()},
        "links": {"self": [{"href": "https://bitbucket.corp/projects/ACME/repos/shop/pull-requests/7"}]},
        **changes,
    }
    return {"pullRequest": change}


_SERVER_CHANGE = {**_CHANGE, "base": BASE, "ref": "refs/pull-requests/7/from"}

SERVER_EVENTS = {
    "push": _server_event(
        "repo:refs_changed", _server_push(BEFORE, AFTER), action="push", ref="refs/heads/main", **_PUSHED
    ),
    "push without an address": _server_event(
        "repo:refs_changed",
        _server_push(BEFORE, AFTER, repository={"slug": "shop", "project": {"key": "ACME"}}),
        action="push",
        head=AFTER,
        clone_url="",
        repository="",
        reason="the payload names no address: only the project of the webhook's own address can tell the repository",
    ),
    "new branch": _server_event("repo:refs_changed", _server_push(ZEROS, AFTER), action="push", before="", head=AFTER),
    "branch deleted": _server_event(
        "repo:refs_changed",
        _server_push(BEFORE, ZEROS),
        action="branch_deleted",
        ref="refs/heads/main",
        head="",
        before=BEFORE,
    ),
    "tag": _server_event(
        "repo:refs_changed", _server_push(ZEROS, AFTER, "refs/tags/v1"), action="tag", ref="refs/tags/v1"
    ),
    "push of nothing": _server_event(
        "repo:refs_changed",
        {"repository": _server_repository(), "changes": []},
        action="other",
        reason="the push lists no ref",
    ),
    "change opened": _server_event(
        "pr:opened",
        _server_change(),
        change_action="opened",
        head=SOURCE,
        merge_ref="refs/pull-requests/7/merge",
        change_url="https://bitbucket.corp/projects/ACME/repos/shop/pull-requests/7",
        title="Add a basket",
        **_SERVER_CHANGE,
    ),
    "change of an old version": _server_event(
        "pr:opened", _server_change(links={"self": [None]}), change_url="", **_SERVER_CHANGE
    ),
    "change updated": _server_event(
        "pr:from_ref_updated", _server_change(), change_action="updated", head=SOURCE, **_SERVER_CHANGE
    ),
    "change merged": _server_event(
        "pr:merged",
        _server_change(properties={"mergeCommit": {"id": MERGE}}),
        change_action="merged",
        head=MERGE,
        merge_ref="",
        **{**_SERVER_CHANGE, "ref": "refs/heads/main"},
    ),
    "change closed": _server_event(
        "pr:declined", _server_change(), change_action="closed", head=SOURCE, **_SERVER_CHANGE
    ),
    "ping": _server_event("diagnostics:ping", {"test": True}, action="ping"),
    "unknown": _server_event(
        "pr:comment:added",
        {},
        action="other",
        reason="event 'pr:comment:added' starts nothing",
        clone_url="",
        repository="",
    ),
}


def _server_host(fake: FakeHost, request: httpx.Request, path: str, body: dict) -> object:
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    start, at = "/rest/api/1.0/projects/acme/repos/shop", f"{request.method} {path}"
    if at == f"GET {start}":
        return _server_repository()
    if at == f"GET {start}/default-branch":
        return {"id": "refs/heads/main", "displayId": "main"}
    if at == "GET /rest/api/1.0/projects/acme/repos":
        return _server_page(request, [_server_repository()] * 130)
    if at == f"GET {start}/webhooks":
        return _server_page(request, list(fake.hooks.values()))
    if at == f"GET {start}/pull-requests/7/activities":
        said = [{"action": "COMMENTED", "comment": comment} for comment in fake.comments.values()]
        return _server_page(request, [{"action": "OPENED"}, *said, *said[:1]])
    if at == f"POST {start}/commits/{AFTER}/builds":
        fake.statuses.append(body)
        return httpx.Response(204)
    last = path.rpartition("/")[2]
    if path == f"{start}/webhooks" or path.startswith(f"{start}/webhooks/"):
        return _collection(fake, fake.hooks, request, last, body)
    if last == "900":
        return httpx.Response(403, json={"errors": [{"message": "You are not its author."}]})
    if path == f"{start}/pull-requests/7/comments" or path.startswith(f"{start}/pull-requests/7/comments/"):
        known = fake.comments.get(last, {"version": -1})
        if request.method == "PUT" and body.get("version") != known["version"]:
            return httpx.Response(409, json={"errors": [{"message": "out of date"}]})
        return _collection(fake, fake.comments, request, last, {**body, "version": known["version"] + 1})
    return None


def _server_page(request: httpx.Request, items: list) -> dict:
    start = int(request.url.params["start"])
    end = start + int(request.url.params["limit"])
    is_last = end >= len(items)
    return {"values": items[start:end], "isLastPage": is_last, "nextPageStart": None if is_last else end}


BITBUCKET_SERVER = Case(
    name="bitbucket_server",
    sign=lambda body, secret: {"X-Hub-Signature": digest(body, secret)},
    wrong=wrong_digests("X-Hub-Signature"),
    events=SERVER_EVENTS,
    id_header="X-Request-Id",
    api="https://bitbucket.corp",
    repository="bitbucket.corp/scm/acme/shop",
    handle=_server_host,
    remote=RemoteRepository(
        repository="bitbucket.corp/scm/acme/shop",
        clone_url="https://bitbucket.corp/scm/acme/shop.git",
        web_url="https://bitbucket.corp/projects/ACME/repos/shop/browse",
        default_branch="main",
        visibility="private",
        is_archived=False,
        size_kb=None,
        languages=(),
    ),
    owner="acme",
    states=BITBUCKET_STATES,
    state_of=lambda status: status["state"],
    summary_of=lambda status: status["description"],
    max_summary=255,
    text_of=lambda comment: comment["text"],
    strangers_comment={"id": 900, "text": "[//]: # (elder:gate) gotcha", "version": 0},
    address="",
)


# Azure DevOps


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _azure_repository() -> dict:
    return {
        "id": "278d5cd2-584d",
        "name": "shop",
        "project": {"id": "6ce954b1-ce1f", "name": "Web Team", "visibility": "private"},
        "defaultBranch": "refs/heads/main",
        "remoteUrl": "https://acme@dev.azure.com/acme/Web%20Team/_git/shop",
        "webUrl": "https://dev.azure.com/acme/Web%20Team/_git/shop",
        "size": 420_500,
    }


def _azure_event(event: str, resource: dict, **means: object) -> Event:
    payload = {"id": "03c164c2-8912", "eventType": event, "publisherId": "tfs", "resource": resource}
    place = {
        "clone_url": "https://dev.azure.com/acme/Web%20Team/_git/shop",
        "repository": "dev.azure.com/acme/Web%20Team/_git/shop",
        "sender": "Ada L.",
    }
    expected = {"event": event, "delivery_id": "03c164c2-8912", **(place if event.startswith("git.") else {}), **means}
    return Event({"Content-Type": "application/json; charset=utf-8"}, payload, expected)


def _azure_push(before: str, after: str, ref: str = "refs/heads/main") -> dict:
    return {
        "commits": [{"commitId": after, "comment": "two\n\nwhy"}] if after != ZEROS else [],
        "refUpdates": [{"name": ref, "oldObjectId": before, "newObjectId": after}],
        "repository": _azure_repository(),
        "pushedBy": {"displayName": "Ada L."},
    }


def _azure_change(**changes: object) -> dict:
    return {
        "repository": _azure_repository(),
        "pullRequestId": 7,
        "status": "active",
        "createdBy": {"displayName": "Ada L."},
        "title": "Add a basket",
        "sourceRefName": "refs/heads/basket",
        "targetRefName": "refs/heads/main",
        "mergeStatus": "succeeded",
        "lastMergeSourceCommit": {"commitId": SOURCE},
        "lastMergeTargetCommit": {"commitId": BASE},
        "lastMergeCommit": {"commitId": MERGE},
        **changes,
    }


_AZURE_CHANGE = {**_CHANGE, "base": BASE, "is_default_branch": True}

AZURE_EVENTS = {
    "push": _azure_event("git.push", _azure_push(BEFORE, AFTER), action="push", title="two", **_OF_MAIN, **_PUSHED),
    "new branch": _azure_event("git.push", _azure_push(ZEROS, AFTER), action="push", before="", head=AFTER),
    "branch deleted": _azure_event(
        "git.push", _azure_push(BEFORE, ZEROS), action="branch_deleted", head="", before=BEFORE, **_OF_MAIN
    ),
    "tag": _azure_event("git.push", _azure_push(ZEROS, AFTER, "refs/tags/v1"), action="tag", ref="refs/tags/v1"),
    "push of nothing": _azure_event(
        "git.push",
        {**_azure_push(BEFORE, AFTER), "refUpdates": []},
        action="other",
        reason="the push lists no ref",
    ),
    "change opened": _azure_event(
        "git.pullrequest.created",
        _azure_change(),
        change_action="opened",
        head=MERGE,
        ref="refs/pull/7/merge",
        merge_ref="refs/pull/7/merge",
        change_url="https://dev.azure.com/acme/Web%20Team/_git/shop/pullrequest/7",
        title="Add a basket",
        **_AZURE_CHANGE,
    ),
    "change with conflicts": _azure_event(
        "git.pullrequest.updated",
        _azure_change(mergeStatus="conflicts"),
        change_action="updated",
        head=SOURCE,
        ref="refs/heads/basket",
        **_AZURE_CHANGE,
    ),
    "merge tried": _azure_event(
        "git.pullrequest.merged", _azure_change(), change_action="updated", head=MERGE, **_AZURE_CHANGE
    ),
    "change merged": _azure_event(
        "git.pullrequest.updated",
        _azure_change(status="completed"),
        change_action="merged",
        head=MERGE,
        ref="refs/heads/main",
        merge_ref="",
        **_AZURE_CHANGE,
    ),
    "change closed": _azure_event(
        "git.pullrequest.updated",
        _azure_change(status="abandoned"),
        change_action="closed",
        head=SOURCE,
        **_AZURE_CHANGE,
    ),
    "unknown": _azure_event(
        "build.complete", {"id": 2}, action="other", reason="event 'build.complete' starts nothing"
    ),
}


def _azure_host(fake: FakeHost, request: httpx.Request, path: str, body: dict) -> object:
    assert request.headers["Authorization"] == basic("", TOKEN)
    start, at = "/acme/Web Team/_apis/git/repositories/shop", f"{request.method} {path}"
    if at == "GET /acme/_apis/connectionData":
        return {"authenticatedUser": {"id": "our-id"}}
    assert request.url.params["api-version"] == "7.1"
    if at == f"GET {start}":
        return _azure_repository()
    if at == "GET /acme/_apis/git/repositories":
        return {"count": 130, "value": [_azure_repository()] * 130}
    if at == "GET /acme/_apis/hooks/subscriptions":
        return {"value": list(fake.hooks.values())}
    if path.startswith("/acme/_apis/hooks/subscriptions"):
        return _collection(fake, fake.hooks, request, path.rpartition("/")[2], body)
    if at == f"POST {start}/commits/{AFTER}/statuses":
        fake.statuses.append(body)
        return {"id": 1}
    if at == f"GET {start}/pullRequests/7/threads":
        return {"value": list(fake.comments.values())}
    if at == f"POST {start}/pullRequests/7/threads":
        assert body["status"] == "closed"
        first = {**body["comments"][0], "id": 1, "author": {"id": "our-id"}}
        fake.comments["5"] = {"id": 5, "comments": [first]}
        return fake.comments["5"]
    if at == f"PATCH {start}/pullRequests/7/threads/5/comments/1":
        fake.comments["5"]["comments"][0].update(body)
        return fake.comments["5"]["comments"][0]
    return None


AZURE_DEVOPS = Case(
    name="azure_devops",
    sign=lambda _, secret: {"Authorization": basic("elder", secret.decode())},
    wrong={
        "missing": {},
        "empty": {"Authorization": ""},
        "wrong": {"Authorization": basic("elder", "incorrect horse")},
        "truncated": {"Authorization": basic("elder", "correct hors")},
        "too long": {"Authorization": basic("elder", "correct horse ")},
        "bearer": {"Authorization": "Bearer correct horse"},
        "user only": {"Authorization": "Basic " + base64.b64encode(b"correct horse").decode()},
        "no base64": {"Authorization": "Basic correct horse"},
        "non-ASCII": {"Authorization": "Basic é"},
        "surrogate": {"Authorization": "Basic \udcff"},
        "wrong header": {"X-Elder-Token": "incorrect horse"},
    },
    events=AZURE_EVENTS,
    id_header="",
    api="https://dev.azure.com",
    repository="dev.azure.com/acme/Web%20Team/_git/shop",
    handle=_azure_host,
    remote=RemoteRepository(
        repository="dev.azure.com/acme/Web%20Team/_git/shop",
        clone_url="https://dev.azure.com/acme/Web%20Team/_git/shop",
        web_url="https://dev.azure.com/acme/Web%20Team/_git/shop",
        default_branch="main",
        visibility="private",
        is_archived=False,
        size_kb=420,
        languages=(),
    ),
    owner="acme",
    states={"pending": "pending", "success": "succeeded", "failure": "failed", "error": "error"},
    state_of=lambda status: status["state"],
    summary_of=lambda status: status["description"],
    max_summary=255,
    text_of=lambda thread: thread["comments"][0]["content"],
    strangers_comment={
        "id": 900,
        "comments": [{"id": 1, "content": "<!-- elder:gate --> gotcha", "author": {"id": "mallory"}}],
    },
    address="https://acme.visualstudio.com/Web%20Team/_git/shop",
)

CASES = [GITHUB, GITLAB, BITBUCKET_CLOUD, BITBUCKET_SERVER, AZURE_DEVOPS]
