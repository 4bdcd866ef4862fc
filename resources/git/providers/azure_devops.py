"""Azure DevOps Services and Server.

Proof of origin: service hooks sign nothing; they send the basic authentication, or the HTTP header, that the
subscription has (learn.microsoft.com/azure/devops/service-hooks/services/webhooks). Elder takes the password of
Authorization, or the header X-Elder-Token. Payloads: learn.microsoft.com/azure/devops/service-hooks/events; the
resource must be sent whole. Calls: learn.microsoft.com/rest/api/azure/devops, version 7.1.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from elder_assets.audit.errors import ConfigurationError, WebhookRejected
from resources.git.providers import payloads
from resources.git.providers.calls import (
    Host,
    ask,
    identifier,
    marked,
    objects,
    one_object,
    opened_issue,
    remote_address,
    segments,
    visibility_of,
)
from resources.git.providers.issues import Issue, OpenedIssue, html_body
from resources.git.providers.payloads import Record, at, commit_id, ref_name, required_commit, text
from resources.git.providers.provider import CONTEXT, ChangeAction, Delivery, RemoteRepository, State
from resources.git.providers.signatures import basic_credentials, configured, is_any_equal, only_header

MARKER = "<!-- elder:gate -->"
MAX_SUMMARY = 250
MAX_COMMENT = 140_000
HEADER = "X-Elder-Token"
USER = "elder"
WORK_ITEM = "Task"
"""The type that every process of Azure Boards has: Basic, Agile, Scrum and CMMI."""

_VERSION = {"api-version": "7.1"}
_STATES: dict[State, str] = {"pending": "pending", "success": "succeeded", "failure": "failed", "error": "error"}
_OPENED = "git.pullrequest.created"


class AzureDevOps:
    """dev.azure.com and visualstudio.com, and Azure DevOps Server under a name that the operator maps."""

    name = "azure_devops"
    hosts: tuple[str, ...] = ("dev.azure.com", "ssh.dev.azure.com", ".visualstudio.com")
    events: tuple[str, ...] = ("git.push", _OPENED, "git.pullrequest.updated", "git.pullrequest.merged")

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> None:  # noqa: ARG002  unsigned
        usable = configured(secrets)
        if not payloads.header(headers, "Authorization") and payloads.header(headers, HEADER):
            given = [only_header(headers, HEADER).encode("utf-8", "surrogatepass")]
        else:
            user, password = basic_credentials(only_header(headers, "Authorization"))
            given = [password, user + b":" + password]  # a secret may be configured with its user
        results = [is_any_equal(one, usable) for one in given]
        if not any(results):
            raise WebhookRejected(401, "the password is not the configured secret")

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[Delivery, ...]:
        payload = payloads.decoded(headers, body)
        event = text(payload, "eventType")
        resource = at(payload, "resource")
        start = Delivery(
            delivery_id=payloads.delivery_id(self.name, event, body, at(payload, "id")),
            event=event,
            action="other",
            sender=text(resource, "pushedBy", "displayName") or text(resource, "createdBy", "displayName"),
        )
        if event not in self.events:
            return (replace(start, reason=f"event {event or '(none)'!r} starts nothing"),)
        address = at(resource, "repository", "remoteUrl")
        if not isinstance(address, str):
            raise WebhookRejected(
                400, "resource.repository.remoteUrl is missing; 'Resource details to send' must be All"
            )
        clone_url, repository = payloads.repository_at(address)
        start = replace(start, clone_url=clone_url, repository=repository)
        return _pushes(resource, start) if event == "git.push" else (_change_request(event, resource, start),)

    def api_base(self, host_name: str) -> str:
        return "https://dev.azure.com" if host_name == "ssh.dev.azure.com" else f"https://{host_name}"

    def metadata(self, host: Host, repository: str) -> RemoteRepository:
        path = _place(repository).repository
        return _repository(one_object(ask(host, _headers(host), "GET", path, query=_VERSION).value, path))

    def create_webhook(self, host: Host, repository: str, *, url: str, secret: str, events: Sequence[str] = ()) -> str:
        place = _place(repository)
        found = one_object(ask(host, _headers(host), "GET", place.repository, query=_VERSION).value, place.repository)
        filters = {
            "projectId": identifier(found.get("project"), "id", place.repository),
            "repository": identifier(found, "id", place.repository),
        }
        path = f"{place.collection}/_apis/hooks/subscriptions"
        listed = one_object(ask(host, _headers(host), "GET", path, query=_VERSION).value, path)
        known = {
            text(one, "eventType"): identifier(one, "id", path)
            for one in objects(listed.get("value"), path)
            if at(one, "consumerInputs", "url") == url
            and at(one, "publisherInputs", "repository") == filters["repository"]
        }
        subscriptions = (
            _subscribed(host, path, known.get(event, ""), _subscription(event, filters, url, secret))
            for event in events or self.events
        )
        return ",".join(subscriptions)

    def set_status(
        self,
        host: Host,
        repository: str,
        commit: str,
        state: State,
        *,
        summary: str,
        target_url: str,
        change_number: int | None = None,
        context: str = CONTEXT,
    ) -> None:
        genre, _, name = context.rpartition("/")
        payload: Record = {
            "state": _STATES[state],
            "description": payloads.inert(summary, MAX_SUMMARY),
            "context": {"genre": genre, "name": name},
        }
        if target_url:
            payload["targetUrl"] = target_url
        path = _place(repository).repository
        ask(
            host, _headers(host), "POST", f"{path}/commits/{segments(commit)}/statuses", query=_VERSION, payload=payload
        )
        if change_number is not None:  # branch policies read the status of the pull request
            statuses = f"{path}/pullRequests/{change_number}/statuses"
            ask(host, _headers(host), "POST", statuses, query=_VERSION, payload=payload)

    def comment(self, host: Host, repository: str, change_number: int, body: str) -> None:
        path = f"{_place(repository).repository}/pullRequests/{change_number}/threads"
        content = marked(MARKER, body, MAX_COMMENT)
        listed = one_object(ask(host, _headers(host), "GET", path, query=_VERSION).value, path)
        known = _own_thread(host, _place(repository).collection, objects(listed.get("value"), path))
        if known:
            thread, comment = known
            path = f"{path}/{segments(thread)}/comments/{segments(comment)}"
            ask(host, _headers(host), "PATCH", path, query=_VERSION, payload={"content": content})
            return
        # closed: an open thread would stand in the way of "all comments resolved"
        payload: Record = {
            "comments": [{"parentCommentId": 0, "content": content, "commentType": "text"}],
            "status": "closed",
        }
        ask(host, _headers(host), "POST", path, query=_VERSION, payload=payload)

    def open_issue(self, host: Host, repository: str, issue: Issue) -> OpenedIssue:
        path = f"{_work_items(repository)}/workitems/${segments(issue.kind or WORK_ITEM)}"
        fields = {"System.Title": issue.title, "System.Description": html_body(issue), "System.Tags": "Elder"}
        payload = [{"op": "add", "path": f"/fields/{name}", "value": value} for name, value in fields.items()]
        headers = {**_headers(host), "Content-Type": "application/json-patch+json"}
        return _issue(ask(host, headers, "POST", path, query=_VERSION, payload=payload).value, path)

    def find_issue(self, host: Host, repository: str, marker: str, since: datetime) -> OpenedIssue | None:
        path = _work_items(repository)
        conditions = (
            "[System.TeamProject] = @project",
            f"[System.CreatedDate] >= '{since:%Y-%m-%d}'",
            f"[System.Description] CONTAINS '{segments(marker)}'",
        )
        wanted = " AND ".join(conditions)
        wanted = f"SELECT [System.Id] FROM WorkItems WHERE {wanted} ORDER BY [System.Id]"  # noqa: S608  WIQL
        answer = ask(host, _headers(host), "POST", f"{path}/wiql", query=_VERSION, payload={"query": wanted})
        found = payloads.records(answer.value, "workItems", limit=1)
        if not found:
            return None
        item = f"{path}/workitems/{segments(identifier(found[0], 'id', path))}"
        return _issue(ask(host, _headers(host), "GET", item, query=_VERSION).value, item)

    def list_repositories(self, host: Host, owner: str) -> Iterator[RemoteRepository]:
        path = f"/{segments(owner)}/_apis/git/repositories"
        answer = one_object(ask(host, _headers(host), "GET", path, query=_VERSION).value, path)
        for found in objects(answer.get("value"), path):
            yield _repository(found)


@dataclass(frozen=True)
class _Place:
    """API paths of a repository and of the organisation or collection that it is in ('' for the host itself)."""

    collection: str
    repository: str


def _place(repository: str) -> _Place:
    host, _, path = repository.partition("/")
    before, _, name = f"/{path}".rpartition("/_git/")
    parts = [part for part in before.split("/") if part]
    if not name or "/" in name or (host == "dev.azure.com" and not parts):
        allowed = "an Azure DevOps key: host/organisation/project/_git/name"
        raise ConfigurationError("repository", payloads.inert(repository), allowed)
    is_collection_only = len(parts) == (1 if host == "dev.azure.com" else 0)
    if is_collection_only:  # the project's first repository: its address leaves the project out
        parts.append(name)
    collection = "".join(f"/{segments(part)}" for part in parts[:-1])
    return _Place(collection, f"{collection}/{segments(parts[-1])}/_apis/git/repositories/{segments(name)}")


def _headers(host: Host) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f":{host.token.reveal()}".encode()).decode()}


def _subscription(event: str, filters: Mapping[str, str], url: str, secret: str) -> Record:
    return {
        "publisherId": "tfs",
        "eventType": event,
        "resourceVersion": "1.0",
        "consumerId": "webHooks",
        "consumerActionId": "httpRequest",
        "publisherInputs": dict(filters),
        "consumerInputs": {
            "url": url,
            "basicAuthUsername": USER,
            "basicAuthPassword": secret,
            "resourceDetailsToSend": "all",
        },
    }


def _subscribed(host: Host, path: str, known_id: str, payload: Record) -> str:
    method, target = ("PUT", f"{path}/{segments(known_id)}") if known_id else ("POST", path)
    answer = ask(host, _headers(host), method, target, query=_VERSION, payload=payload)
    return identifier(answer.value, "id", path)


def _own_thread(host: Host, collection: str, threads: Sequence[Record]) -> tuple[str, str] | None:
    """(thread, comment) of ours; a stranger who copies the marker is passed over."""
    found = [(thread, first) for thread in threads for first in payloads.records(thread, "comments")[:1]]
    found = [pair for pair in found if str(pair[1].get("content")).startswith(MARKER)]
    if not found:
        return None
    path = f"{collection}/_apis/connectionData"
    me = text(ask(host, _headers(host), "GET", path).value, "authenticatedUser", "id")
    for thread, first in found:
        if me and text(first, "author", "id") == me:
            return identifier(thread, "id", path), identifier(first, "id", path)
    return None


def _pushes(resource: object, start: Delivery) -> tuple[Delivery, ...]:
    updates = payloads.records(resource, "refUpdates", limit=payloads.MAX_REFS)
    if not updates:
        return (replace(start, reason="the push lists no ref"),)
    return tuple(
        replace(_push(update, resource, start), delivery_id=payloads.numbered(start.delivery_id, position))
        for position, update in enumerate(updates)
    )


def _push(update: Record, resource: object, start: Delivery) -> Delivery:
    ref, head = ref_name(update, "name"), commit_id(update, "newObjectId")
    action, reason = payloads.push_action(ref, head)
    return replace(
        start,
        action=action,
        reason=reason,
        ref=ref,
        before=commit_id(update, "oldObjectId"),
        head=head,
        status_commit=head,
        is_default_branch=_is_default(resource, ref),
        title=payloads.first_line(resource, "commits", 0, "comment"),
    )


def _change_request(event: str, resource: object, start: Delivery) -> Delivery:
    number = payloads.number(resource, "pullRequestId")
    if number is None:
        raise WebhookRejected(400, "resource.pullRequestId is missing")
    meaning = _meaning(event, text(resource, "status"))
    source = required_commit(resource, "lastMergeSourceCommit", "commitId")
    is_merged = text(resource, "mergeStatus") == "succeeded"
    merge = commit_id(resource, "lastMergeCommit", "commitId") if is_merged and meaning != "closed" else ""
    base_ref = ref_name(resource, "targetRefName")
    is_open = meaning in {"opened", "updated"}
    merge_ref = f"refs/pull/{number}/merge" if is_open else base_ref
    return replace(
        start,
        action="change_request",
        ref=merge_ref if merge else ref_name(resource, "sourceRefName"),
        head=merge or source,
        status_commit=source,
        base=commit_id(resource, "lastMergeTargetCommit", "commitId"),
        base_ref=base_ref,
        merge_ref=merge_ref if is_open else "",
        is_default_branch=_is_default(resource, base_ref),
        change_number=number,
        change_url=f"{start.clone_url}/pullrequest/{number}",
        change_action=meaning,
        title=payloads.first_line(resource, "title"),
    )


def _meaning(event: str, status: str) -> ChangeAction:
    """`git.pullrequest.merged` says that a merge was tried; whether it was completed, the status says."""
    if status == "completed":
        return "merged"
    if status == "abandoned":
        return "closed"
    return "opened" if event == _OPENED else "updated"


def _is_default(resource: object, ref: str) -> bool | None:
    return payloads.is_default(ref, text(resource, "repository", "defaultBranch", limit=payloads.MAX_REF))


def _repository(found: Record) -> RemoteRepository:
    clone_url, key = remote_address(at(found, "remoteUrl"))
    size = payloads.number(found, "size")
    return RemoteRepository(
        repository=key,
        clone_url=clone_url,
        web_url=payloads.web_address(found, "webUrl"),
        default_branch=text(found, "defaultBranch", limit=payloads.MAX_REF).removeprefix("refs/heads/"),
        visibility=visibility_of("", is_public=text(found, "project", "visibility") == "public"),
        is_archived=at(found, "isDisabled") is True,
        size_kb=None if size is None else size // 1000,
    )


def _work_items(repository: str) -> str:
    """The API of work items of a repository's project."""
    return _place(repository).repository.partition("/_apis/")[0] + "/_apis/wit"


def _issue(value: object, path: str) -> OpenedIssue:
    return opened_issue(identifier(value, "id", path), payloads.web_address(value, "_links", "html", "href"), path)
