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

CASES = [GITHUB]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
