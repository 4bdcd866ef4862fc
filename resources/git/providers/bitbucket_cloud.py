"""Bitbucket Cloud.

Signature: X-Hub-Signature, `sha256=` and the HMAC of the body
(support.atlassian.com/bitbucket-cloud/docs/manage-webhooks). Payloads:
support.atlassian.com/bitbucket-cloud/docs/event-payloads; commits of pull requests are shortened there to twelve
digits, and the source branch of a fork has no ref in the target. Calls:
developer.atlassian.com/cloud/bitbucket/rest.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from elder_assets.audit.errors import ProviderError, WebhookRejected
from resources.git.providers import payloads
from resources.git.providers.calls import (
    MAX_PAGES,
    Host,
    ask,
    identifier,
    issues_disabled,
    marked,
    objects,
    one_object,
    opened_issue,
    path_of_key,
    remote_address,
    segments,
    visibility_of,
    written,
)
from resources.git.providers.issues import Issue, OpenedIssue, markdown_body
from resources.git.providers.payloads import Record, at, commit_id, ref_name, required_commit, text
from resources.git.providers.provider import CONTEXT, ChangeAction, Delivery, RemoteRepository, State
from resources.git.providers.signatures import verify_hex_digest

MARKER = "[//]: # (elder:gate)"
"""A link definition, which Bitbucket does not show; it would show an HTML comment."""
MAX_SUMMARY = 255
MAX_COMMENT = 32_000
MAX_KEY = 40

_FULL_NAME = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}", re.ASCII)
_STATES: dict[State, str] = {
    "pending": "INPROGRESS",
    "success": "SUCCESSFUL",
    "failure": "FAILED",
    "error": "FAILED",
}
_CHANGE_ACTIONS: dict[str, ChangeAction] = {
    "pullrequest:created": "opened",
    "pullrequest:updated": "updated",
    "pullrequest:fulfilled": "merged",
    "pullrequest:rejected": "closed",
}


class BitbucketCloud:
    """bitbucket.org."""

    name = "bitbucket_cloud"
    hosts: tuple[str, ...] = ("bitbucket.org",)
    events: tuple[str, ...] = ("repo:push", *_CHANGE_ACTIONS)

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> None:
        verify_hex_digest(headers, "X-Hub-Signature", body, secrets)

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[Delivery, ...]:
        payload = payloads.decoded(headers, body)
        event = payloads.inert(payloads.header(headers, "X-Event-Key"), 100)
        address = _address(at(payload, "repository"))
        clone_url, repository = payloads.repository_at(address) if address else ("", "")
        start = Delivery(
            delivery_id=payloads.delivery_id(self.name, event, body, payloads.header(headers, "X-Request-UUID")),
            event=event,
            action="other",
            clone_url=clone_url,
            repository=repository,
            sender=text(payload, "actor", "nickname") or text(payload, "actor", "display_name"),
        )
        if event not in self.events:
            return (replace(start, reason=f"event {event or '(none)'!r} starts nothing"),)
        if not repository:
            raise WebhookRejected(400, "repository.full_name is missing, or no workspace/name")
        return _pushes(payload, start) if event == "repo:push" else (_change_request(event, payload, start),)

    def api_base(self, host_name: str) -> str:
        return f"https://api.{host_name}/2.0"

    def metadata(self, host: Host, repository: str) -> RemoteRepository:
        path = _path(repository)
        return _repository(one_object(ask(host, _headers(host), "GET", path).value, path))

    def create_webhook(self, host: Host, repository: str, *, url: str, secret: str, events: Sequence[str] = ()) -> str:
        path = f"{_path(repository)}/hooks"
        payload: Record = {
            "description": "Elder",
            "url": url,
            "active": True,
            "secret": secret,
            "events": list(events or self.events),
        }
        known = next((identifier(hook, "uuid", path) for hook in _pages(host, path) if hook.get("url") == url), "")
        return identifier(written(host, _headers(host), path, known, payload).value, "uuid", path)

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
            "key": context[:MAX_KEY],
            "name": context,
            "state": _STATES[state],
            "description": payloads.inert(summary, MAX_SUMMARY),
            # required by Bitbucket
            "url": target_url or f"https://bitbucket.org/{segments(path_of_key(repository))}",
        }
        path = f"{_path(repository)}/commit/{segments(commit)}/statuses/build"
        ask(host, _headers(host), "POST", path, payload=payload)

    def comment(self, host: Host, repository: str, change_number: int, body: str) -> None:
        path = f"{_path(repository)}/pullrequests/{change_number}/comments"
        payload: Record = {"content": {"raw": marked(MARKER, body, MAX_COMMENT)}}
        for item in [item for item in _pages(host, path) if _is_marked(item)]:
            try:
                written(host, _headers(host), path, identifier(item, "id", path), payload)
            except ProviderError as error:
                if error.reason not in {"forbidden", "not_found"}:
                    raise
                continue  # only the author may change a comment: this one is a stranger's
            return
        written(host, _headers(host), path, "", payload)

    def open_issue(self, host: Host, repository: str, issue: Issue) -> OpenedIssue:
        path = f"{_path(repository)}/issues"
        payload: Record = {"title": issue.title, "content": {"raw": markdown_body(issue)}, "kind": "bug"}
        try:
            answer = ask(host, _headers(host), "POST", path, payload=payload)
        except ProviderError as error:
            if error.reason in {"not_found", "gone"} and _is_without_issues(host, repository):
                raise issues_disabled(repository) from error
            raise
        return _issue(answer.value, path)

    def find_issue(self, host: Host, repository: str, marker: str, since: datetime) -> OpenedIssue | None:
        path = f"{_path(repository)}/issues"
        query = {"q": f"created_on >= {since:%Y-%m-%dT%H:%M:%S+00:00}", "sort": "created_on"}
        for found in _pages(host, path, query):
            if marker in str(at(found, "content", "raw")):
                return _issue(found, path)
        return None

    def list_repositories(self, host: Host, owner: str) -> Iterator[RemoteRepository]:
        for found in _pages(host, f"/repositories/{segments(owner)}"):
            yield _repository(found)


def _headers(host: Host) -> dict[str, str]:
    """An access token goes as Bearer, `user:token` as Basic."""
    token = host.token.reveal()
    if ":" in token:
        return {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()}
    return {"Authorization": f"Bearer {token}"}


def _address(repository: object) -> str:
    """From the name, not from a link: the links of the documented examples lead to the API's host."""
    name = at(repository, "full_name")
    is_name = isinstance(name, str) and _FULL_NAME.fullmatch(name) is not None
    return f"https://bitbucket.org/{name}.git" if is_name else ""


def _path(repository: str) -> str:
    return f"/repositories/{segments(path_of_key(repository))}"


def _pages(host: Host, path: str, query: Mapping[str, str] | None = None) -> Iterator[Record]:
    for page in range(1, MAX_PAGES + 1):
        wanted: dict[str, str | int] = {**(query or {}), "pagelen": 100, "page": page}
        answer = one_object(ask(host, _headers(host), "GET", path, query=wanted).value, path)
        yield from objects(answer.get("values"), path)
        if not answer.get("next"):
            return
    raise ProviderError(f"{payloads.inert(path)}: more than {MAX_PAGES} pages", "too_large")


def _is_marked(item: Record) -> bool:
    raw = at(item, "content", "raw")
    return isinstance(raw, str) and raw.startswith(MARKER) and at(item, "deleted") is not True


def _pushes(payload: Record, start: Delivery) -> tuple[Delivery, ...]:
    changes = payloads.records(payload, "push", "changes", limit=payloads.MAX_REFS)
    if not changes:
        return (replace(start, reason="the push lists no ref"),)
    default = text(payload, "repository", "mainbranch", "name", limit=payloads.MAX_REF)
    return tuple(
        replace(_push(change, start, default), delivery_id=payloads.numbered(start.delivery_id, position))
        for position, change in enumerate(changes)
    )


def _push(change: Record, start: Delivery, default: str) -> Delivery:
    side = "new" if isinstance(at(change, "new"), dict) else "old"
    prefix = "refs/tags/" if text(change, side, "type") == "tag" else "refs/heads/"
    ref, head = ref_name(change, side, "name", prefix=prefix), ""
    if side == "new":
        head = required_commit(change, "new", "target", "hash")
    action, reason = payloads.push_action(ref, head)
    return replace(
        start,
        action=action,
        reason=reason,
        ref=ref,
        before=commit_id(change, "old", "target", "hash"),
        head=head,
        status_commit=head,
        is_forced=at(change, "forced") is True and bool(head),
        is_default_branch=payloads.is_default(ref, default),
        title=payloads.first_line(change, "new", "target", "message"),
    )


def _change_request(event: str, payload: Record, start: Delivery) -> Delivery:
    change = at(payload, "pullrequest")
    number = payloads.number(change, "id")
    if number is None:
        raise WebhookRejected(400, "pullrequest.id is missing")
    meaning = _CHANGE_ACTIONS[event]
    source = required_commit(change, "source", "commit", "hash", is_short_allowed=True)
    merge = commit_id(change, "merge_commit", "hash", is_short_allowed=True) if meaning == "merged" else ""
    base_ref = ref_name(change, "destination", "branch", "name", prefix="refs/heads/")
    is_fork = at(change, "source", "repository", "full_name") != at(change, "destination", "repository", "full_name")
    return replace(
        start,
        action="change_request",
        reason="from a fork: Bitbucket keeps no ref of it in this repository" if is_fork else "",
        ref=base_ref
        if merge
        else ""
        if is_fork
        else ref_name(change, "source", "branch", "name", prefix="refs/heads/"),
        head=merge or source,
        status_commit=source,
        base=commit_id(change, "destination", "commit", "hash", is_short_allowed=True),
        base_ref=base_ref,
        is_default_branch=payloads.is_default(base_ref, text(payload, "repository", "mainbranch", "name")),
        change_number=number,
        change_url=payloads.web_address(change, "links", "html", "href"),
        change_action=meaning,
        title=payloads.first_line(change, "title"),
    )


def _repository(found: Record) -> RemoteRepository:
    clone_url, key = remote_address(_address(found))
    size, language = payloads.number(found, "size"), text(found, "language")
    return RemoteRepository(
        repository=key,
        clone_url=clone_url,
        web_url=payloads.web_address(found, "links", "html", "href"),
        default_branch=text(found, "mainbranch", "name", limit=payloads.MAX_REF),
        visibility=visibility_of("", is_public=at(found, "is_private") is False),
        is_archived=False,
        size_kb=None if size is None else size // 1000,
        languages=((language, 1.0),) if language else (),
    )


def _issue(value: object, path: str) -> OpenedIssue:
    return opened_issue(identifier(value, "id", path), payloads.web_address(value, "links", "html", "href"), path)


def _is_without_issues(host: Host, repository: str) -> bool:
    return at(ask(host, _headers(host), "GET", _path(repository)).value, "has_issues") is False
