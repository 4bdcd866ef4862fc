"""Bitbucket Server and Data Center.

Signature: X-Hub-Signature, `sha256=` and the HMAC of the body. Payloads:
confluence.atlassian.com/bitbucketserver/event-payload-938025882.html; older versions send no links, so that a payload
does not say which host it is of. "Test connection" sends the event diagnostics:ping. Calls:
developer.atlassian.com/server/bitbucket/rest and .../how-tos/updating-build-status-for-commits (7.4 or newer).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from elder_assets.audit.errors import ConfigurationError, ProviderError, WebhookRejected
from resources.git.providers import payloads
from resources.git.providers.calls import (
    MAX_PAGES,
    PAGE_SIZE,
    Host,
    ask,
    identifier,
    marked,
    objects,
    one_object,
    path_of_key,
    remote_address,
    segments,
    visibility_of,
    written,
)
from resources.git.providers.issues import Issue, OpenedIssue
from resources.git.providers.payloads import Record, at, commit_id, ref_name, required_commit, text
from resources.git.providers.provider import CONTEXT, ChangeAction, Delivery, RemoteRepository, State
from resources.git.providers.signatures import verify_hex_digest

MARKER = "[//]: # (elder:gate)"
"""A link definition, which Bitbucket does not show; it would show an HTML comment."""
MAX_SUMMARY = 255
MAX_COMMENT = 32_000

_API = "/rest/api/1.0"
_STATES: dict[State, str] = {
    "pending": "INPROGRESS",
    "success": "SUCCESSFUL",
    "failure": "FAILED",
    "error": "FAILED",
}
_CHANGE_ACTIONS: dict[str, ChangeAction] = {
    "pr:opened": "opened",
    "pr:from_ref_updated": "updated",
    "pr:to_ref_updated": "updated",
    "pr:modified": "updated",
    "pr:merged": "merged",
    "pr:declined": "closed",
    "pr:deleted": "closed",
}
_NO_HOST = "the payload names no address: only the project of the webhook's own address can tell the repository"


class BitbucketServer:
    """Self-hosted Bitbucket under a name that the operator maps."""

    name = "bitbucket_server"
    hosts: tuple[str, ...] = ()
    events: tuple[str, ...] = ("repo:refs_changed", *_CHANGE_ACTIONS)

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> None:
        verify_hex_digest(headers, "X-Hub-Signature", body, secrets)

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[Delivery, ...]:
        payload = payloads.decoded(headers, body)
        event = payloads.inert(payloads.header(headers, "X-Event-Key"), 100)
        start = Delivery(
            delivery_id=payloads.delivery_id(self.name, event, body, payloads.header(headers, "X-Request-Id")),
            event=event,
            action="other",
            sender=text(payload, "actor", "name"),
        )
        if event == "diagnostics:ping":
            return (replace(start, action="ping"),)
        if event == "repo:refs_changed":
            return _pushes(payload, _of_repository(start, at(payload, "repository")))
        if event in _CHANGE_ACTIONS:
            target = at(payload, "pullRequest", "toRef", "repository")
            return (_change_request(event, at(payload, "pullRequest"), _of_repository(start, target)),)
        return (replace(start, reason=f"event {event or '(none)'!r} starts nothing"),)

    def api_base(self, host_name: str) -> str:
        return f"https://{host_name}"

    def metadata(self, host: Host, repository: str) -> RemoteRepository:
        path = _path(repository)
        found = one_object(ask(host, _headers(host), "GET", path).value, path)
        try:
            branch = text(ask(host, _headers(host), "GET", f"{path}/default-branch").value, "displayId")
        except ProviderError as error:
            if error.reason != "not_found":
                raise
            branch = ""  # an empty repository has none
        return _repository(found, branch)

    def create_webhook(self, host: Host, repository: str, *, url: str, secret: str, events: Sequence[str] = ()) -> str:
        path = f"{_path(repository)}/webhooks"
        payload: Record = {
            "name": "Elder",
            "url": url,
            "active": True,
            "events": list(events or self.events),
            "configuration": {"secret": secret},
            "sslVerificationRequired": True,
        }
        known = next((identifier(hook, "id", path) for hook in _pages(host, path) if hook.get("url") == url), "")
        return identifier(written(host, _headers(host), path, known, payload).value, "id", path)

    def set_status(
        self,
        host: Host,
        repository: str,
        commit: str,
        state: State,
        *,
        summary: str,
        target_url: str,
        change_number: int | None = None,  # noqa: ARG002  Bitbucket reads the status of the commit
        context: str = CONTEXT,
    ) -> None:
        payload: Record = {
            "key": context,
            "name": context,
            "state": _STATES[state],
            "description": payloads.inert(summary, MAX_SUMMARY),
            "url": target_url or host.api,  # required by Bitbucket
        }
        ask(host, _headers(host), "POST", f"{_path(repository)}/commits/{segments(commit)}/builds", payload=payload)

    def comment(self, host: Host, repository: str, change_number: int, body: str) -> None:
        change = f"{_path(repository)}/pull-requests/{change_number}"
        path = f"{change}/comments"
        wanted = marked(MARKER, body, MAX_COMMENT)
        found = [item for item in _pages(host, f"{change}/activities") if _is_marked(item)]
        for known in {identifier(item["comment"], "id", path): item["comment"] for item in found}.values():
            payload: Record = {"text": wanted, "version": at(known, "version")}
            try:
                written(host, _headers(host), path, identifier(known, "id", path), payload)
            except ProviderError as error:
                if error.reason not in {"unauthorised", "forbidden", "not_found"}:
                    raise
                continue  # only the author may change a comment: this one is a stranger's
            return
        written(host, _headers(host), path, "", {"text": wanted})

    def open_issue(self, host: Host, repository: str, issue: Issue) -> OpenedIssue:  # noqa: ARG002  it has none
        raise ProviderError("Bitbucket Server and Data Center have no issues of their own", "no_issues")

    def find_issue(self, host: Host, repository: str, marker: str, since: datetime) -> OpenedIssue | None:  # noqa: ARG002
        return None

    def list_repositories(self, host: Host, owner: str) -> Iterator[RemoteRepository]:
        for found in _pages(host, f"{_API}/projects/{segments(owner)}/repos"):
            yield _repository(found, "")


def _headers(host: Host) -> dict[str, str]:
    return {"Authorization": f"Bearer {host.token.reveal()}"}


def _path(repository: str) -> str:
    """The API's path of a key: clone addresses end in `scm/<project>/<name>`, behind a context path or none."""
    parts = path_of_key(repository).split("/")
    if len(parts) < 3 or parts[-3] != "scm":
        raise ConfigurationError("repository", payloads.inert(repository), "a Bitbucket key: host/scm/project/name")
    return f"{_API}/projects/{segments(parts[-2])}/repos/{segments(parts[-1])}"


def _pages(host: Host, path: str) -> Iterator[Record]:
    start = 0
    for _ in range(MAX_PAGES):
        query = {"limit": PAGE_SIZE, "start": start}
        answer = one_object(ask(host, _headers(host), "GET", path, query=query).value, path)
        yield from objects(answer.get("values"), path)
        following = payloads.number(answer, "nextPageStart")
        if answer.get("isLastPage") is not False or following is None:
            return
        start = following
    raise ProviderError(f"{payloads.inert(path)}: more than {MAX_PAGES} pages", "too_large")


def _is_marked(item: Record) -> bool:
    return item.get("action") == "COMMENTED" and str(at(item, "comment", "text")).startswith(MARKER)


def _clone_address(repository: object) -> str:
    links = payloads.records(repository, "links", "clone")
    return next((str(link.get("href")) for link in links if text(link, "name") in {"http", "https"}), "")


def _of_repository(start: Delivery, found: object) -> Delivery:
    address = _clone_address(found)
    if not address:
        if not text(found, "slug"):
            raise WebhookRejected(400, "repository.slug is missing")
        return replace(start, reason=_NO_HOST)
    clone_url, repository = payloads.repository_at(address)
    return replace(start, clone_url=clone_url, repository=repository)


def _pushes(payload: Record, start: Delivery) -> tuple[Delivery, ...]:
    changes = payloads.records(payload, "changes", limit=payloads.MAX_REFS)
    if not changes:
        return (replace(start, reason="the push lists no ref"),)
    return tuple(
        replace(_push(change, start), delivery_id=payloads.numbered(start.delivery_id, position))
        for position, change in enumerate(changes)
    )


def _push(change: Record, start: Delivery) -> Delivery:
    ref, head = ref_name(change, "ref", "id"), commit_id(change, "toHash")
    action, reason = payloads.push_action(ref, head)
    return replace(
        start,
        action=action,
        reason=reason or start.reason,
        ref=ref,
        before=commit_id(change, "fromHash"),
        head=head,
        status_commit=head,
    )


def _change_request(event: str, change: object, start: Delivery) -> Delivery:
    number = payloads.number(change, "id")
    if number is None:
        raise WebhookRejected(400, "pullRequest.id is missing")
    meaning = _CHANGE_ACTIONS[event]
    source = required_commit(change, "fromRef", "latestCommit")
    merge = commit_id(change, "properties", "mergeCommit", "id") if meaning == "merged" else ""
    base_ref = ref_name(change, "toRef", "id")
    return replace(
        start,
        action="change_request",
        ref=base_ref if merge else f"refs/pull-requests/{number}/from",
        head=merge or source,
        status_commit=source,
        base=commit_id(change, "toRef", "latestCommit"),
        base_ref=base_ref,
        merge_ref="" if meaning in {"merged", "closed"} else f"refs/pull-requests/{number}/merge",
        change_number=number,
        change_url=payloads.web_address(change, "links", "self", 0, "href"),
        change_action=meaning,
        title=payloads.first_line(change, "title"),
    )


def _repository(found: Record, branch: str) -> RemoteRepository:
    clone_url, key = remote_address(_clone_address(found))
    return RemoteRepository(
        repository=key,
        clone_url=clone_url,
        web_url=payloads.web_address(found, "links", "self", 0, "href"),
        default_branch=branch,
        visibility=visibility_of("", is_public=at(found, "public") is True),
        is_archived=at(found, "archived") is True,
        size_kb=None,
    )
