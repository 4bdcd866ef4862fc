"""GitHub and GitHub Enterprise Server.

Signature: X-Hub-Signature-256, HMAC-SHA256 of the body in hexadecimal; the older SHA-1 header is not looked at
(docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries). Payloads:
docs.github.com/en/webhooks/webhook-events-and-payloads. Calls: docs.github.com/en/rest, version 2022-11-28.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from elder_assets.audit.errors import ProviderError, WebhookRejected
from resources.git.providers import payloads
from resources.git.providers.calls import (
    Host,
    ask,
    identifier,
    issues_disabled,
    languages_of,
    marked,
    numbered_pages,
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
from resources.git.providers.provider import CONTEXT, Action, ChangeAction, Delivery, RemoteRepository, State
from resources.git.providers.signatures import verify_hex_digest

MARKER = "<!-- elder:gate -->"
MAX_SUMMARY = 140
MAX_COMMENT = 65_000

_CHANGE_ACTIONS: dict[str, ChangeAction] = {
    "opened": "opened",
    "reopened": "opened",
    "ready_for_review": "updated",
    "synchronize": "updated",
    "edited": "updated",
    "closed": "closed",
}


class GitHub:
    """github.com, and GitHub Enterprise Server under a name that the operator maps."""

    name = "github"
    hosts: tuple[str, ...] = ("github.com", ".ghe.com")
    events: tuple[str, ...] = ("push", "pull_request", "merge_group")

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> None:
        verify_hex_digest(headers, "X-Hub-Signature-256", body, secrets)

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[Delivery, ...]:
        payload = payloads.decoded(headers, body, form_field="payload")
        event = payloads.inert(payloads.header(headers, "X-GitHub-Event"), 100)
        found_id = payloads.delivery_id(self.name, event, body, payloads.header(headers, "X-GitHub-Delivery"))
        address = at(payload, "repository", "clone_url")
        clone_url, repository = payloads.repository_at(address) if isinstance(address, str) else ("", "")
        start = Delivery(
            delivery_id=found_id,
            event=event,
            action="other",
            clone_url=clone_url,
            repository=repository,
            sender=text(payload, "sender", "login"),
        )
        return (_read(event, payload, start),)

    def api_base(self, host_name: str) -> str:
        if host_name == "github.com" or host_name.endswith(".ghe.com"):
            return f"https://api.{host_name}"
        return f"https://{host_name}/api/v3"

    def metadata(self, host: Host, repository: str) -> RemoteRepository:
        path = f"/repos/{segments(path_of_key(repository))}"
        found = one_object(ask(host, _headers(host), "GET", path).value, path)
        sizes = one_object(ask(host, _headers(host), "GET", f"{path}/languages").value, path)
        return _repository(found, languages_of(sizes))

    def create_webhook(self, host: Host, repository: str, *, url: str, secret: str, events: Sequence[str] = ()) -> str:
        path = f"/repos/{segments(path_of_key(repository))}/hooks"
        payload: Record = {
            "name": "web",
            "active": True,
            "events": list(events or self.events),
            "config": {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"},
        }
        hooks = numbered_pages(host, _headers(host), path)
        known = next((identifier(hook, "id", path) for hook in hooks if at(hook, "config", "url") == url), "")
        answer = written(host, _headers(host), path, known, payload, method="PATCH")
        return identifier(answer.value, "id", path)

    def set_status(
        self,
        host: Host,
        repository: str,
        commit: str,
        state: State,
        *,
        summary: str,
        target_url: str,
        change_number: int | None = None,  # noqa: ARG002  GitHub reads the status of the commit
        context: str = CONTEXT,
    ) -> None:
        path = f"/repos/{segments(path_of_key(repository))}/statuses/{segments(commit)}"
        payload: Record = {"state": state, "description": payloads.inert(summary, MAX_SUMMARY), "context": context}
        if target_url:
            payload["target_url"] = target_url
        ask(host, _headers(host), "POST", path, payload=payload)

    def comment(self, host: Host, repository: str, change_number: int, body: str) -> None:
        issues = f"/repos/{segments(path_of_key(repository))}/issues"
        payload: Record = {"body": marked(MARKER, body, MAX_COMMENT)}
        path = f"{issues}/{change_number}/comments"
        found = _own_comment(host, path)
        if found:
            ask(host, _headers(host), "PATCH", f"{issues}/comments/{segments(found)}", payload=payload)
        else:
            ask(host, _headers(host), "POST", path, payload=payload)

    def open_issue(self, host: Host, repository: str, issue: Issue) -> OpenedIssue:
        path = f"/repos/{segments(path_of_key(repository))}/issues"
        payload: Record = {"title": issue.title, "body": markdown_body(issue)}
        try:
            answer = ask(host, _headers(host), "POST", path, payload=payload)
        except ProviderError as error:
            if error.reason == "gone":
                raise issues_disabled(repository) from error
            raise
        return _issue(answer.value, path)

    def find_issue(self, host: Host, repository: str, marker: str, since: datetime) -> OpenedIssue | None:
        path = f"/repos/{segments(path_of_key(repository))}/issues"
        # the list, not the search: that one learns of a new issue later
        query = {"state": "all", "since": f"{since:%Y-%m-%dT%H:%M:%SZ}", "sort": "created", "direction": "asc"}
        for found in numbered_pages(host, _headers(host), path, query):
            if marker in str(found.get("body")):
                return _issue(found, path)
        return None

    def list_repositories(self, host: Host, owner: str) -> Iterator[RemoteRepository]:
        name = segments(owner)
        try:
            ask(host, _headers(host), "GET", f"/orgs/{name}")
            path = f"/orgs/{name}/repos"
        except ProviderError as error:
            if error.reason != "not_found":
                raise
            path = f"/users/{name}/repos"
        for found in numbered_pages(host, _headers(host), path):
            yield _repository(found, ())


def _headers(host: Host) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {host.token.reveal()}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }


def _read(event: str, payload: Record, start: Delivery) -> Delivery:
    reader = {
        "push": _push,
        "pull_request": _change_request,
        "merge_group": _merge_group,
        "delete": _delete,
        "ping": _ping,
    }.get(event)
    if reader is None:
        return replace(start, reason=f"event {event or '(none)'!r} starts nothing")
    if event != "ping" and not start.repository:
        raise WebhookRejected(400, "repository.clone_url is missing")
    return reader(payload, start)


def _ping(payload: Record, start: Delivery) -> Delivery:
    return replace(start, action="ping", title=text(payload, "zen"))


def _push(payload: Record, start: Delivery) -> Delivery:
    ref, head = ref_name(payload, "ref"), commit_id(payload, "after")
    action, reason = payloads.push_action(ref, head)
    return replace(
        start,
        action=action,
        reason=reason,
        ref=ref,
        before=commit_id(payload, "before"),
        head=head,
        status_commit=head,
        is_forced=at(payload, "forced") is True,
        is_default_branch=_is_default(payload, ref),
        target_files=payloads.listed_files(payloads.records(payload, "commits")),
        title=payloads.first_line(payload, "head_commit", "message"),
    )


def _delete(payload: Record, start: Delivery) -> Delivery:
    is_branch = text(payload, "ref_type") == "branch"
    ref = ref_name(payload, "ref", prefix="refs/heads/" if is_branch else "refs/tags/")
    action: Action = "branch_deleted" if is_branch else "tag"
    return replace(start, action=action, ref=ref, is_default_branch=_is_default(payload, ref))


def _change_request(payload: Record, start: Delivery) -> Delivery:
    change = at(payload, "pull_request")
    number = payloads.number(change, "number")
    if number is None:
        raise WebhookRejected(400, "pull_request.number is missing")
    told = text(payload, "action")
    source = required_commit(change, "head", "sha")
    merge = _merge_commit(change, told)
    base_ref = ref_name(change, "base", "ref", prefix="refs/heads/")
    meaning = "merged" if at(change, "merged") is True and told == "closed" else _CHANGE_ACTIONS.get(told, "other")
    is_code = meaning != "other"
    return replace(
        start,
        action="change_request" if is_code else "other",
        reason="" if is_code else f"{told or '(none)'!r} changes no code",
        ref=base_ref if meaning == "merged" else f"refs/pull/{number}/{'merge' if merge else 'head'}",
        before=commit_id(payload, "before"),
        head=merge or source,
        status_commit=source,
        base=commit_id(change, "base", "sha"),
        base_ref=base_ref,
        merge_ref="" if told == "closed" else f"refs/pull/{number}/merge",
        is_default_branch=_is_default(payload, base_ref),
        change_number=number,
        change_url=payloads.web_address(change, "html_url"),
        change_action=meaning,
        title=payloads.first_line(change, "title"),
    )


def _merge_commit(change: object, told: str) -> str:
    """The merge commit, unless it may still be that of the commits before: GitHub computes it after the event."""
    if at(change, "mergeable") is not True and at(change, "merged") is not True and told in {"synchronize", "edited"}:
        return ""
    if told == "closed" and at(change, "merged") is not True:
        return ""
    return commit_id(change, "merge_commit_sha")


def _merge_group(payload: Record, start: Delivery) -> Delivery:
    group, told = at(payload, "merge_group"), text(payload, "action")
    is_asked = told == "checks_requested"
    head, base_ref = required_commit(group, "head_sha"), ref_name(group, "base_ref", prefix="refs/heads/")
    return replace(
        start,
        action="merge_queue" if is_asked else "other",
        reason="" if is_asked else f"merge group {told or '(none)'!r} asks for no check",
        ref=ref_name(group, "head_ref", prefix="refs/heads/"),
        head=head,
        status_commit=head,
        base=commit_id(group, "base_sha"),
        base_ref=base_ref,
        is_default_branch=_is_default(payload, base_ref),
        title=payloads.first_line(group, "head_commit", "message"),
    )


def _is_default(payload: Record, ref: str) -> bool | None:
    return payloads.is_default(ref, text(payload, "repository", "default_branch", limit=payloads.MAX_REF))


def _own_comment(host: Host, path: str) -> str:
    """The id of our comment; a stranger who copies the marker into one of theirs is passed over."""
    found = [item for item in numbered_pages(host, _headers(host), path) if _is_marked(item)]
    if not found:
        return ""
    try:
        me = text(ask(host, _headers(host), "GET", "/user").value, "login")
    except ProviderError as error:
        if error.reason not in {"forbidden", "not_found"}:
            raise
        me = ""  # the token of an app, which is no user
    for item in found:
        is_mine = text(item, "user", "login") == me if me else text(item, "user", "type") == "Bot"
        if is_mine:
            return identifier(item, "id", path)
    return ""


def _is_marked(item: Record) -> bool:
    body = at(item, "body")
    return isinstance(body, str) and body.startswith(MARKER)


def _repository(found: Record, languages: tuple[tuple[str, float], ...]) -> RemoteRepository:
    clone_url, key = remote_address(at(found, "clone_url"))
    visibility = text(found, "visibility")
    return RemoteRepository(
        repository=key,
        clone_url=clone_url,
        web_url=payloads.web_address(found, "html_url"),
        default_branch=text(found, "default_branch", limit=payloads.MAX_REF),
        visibility=visibility_of(visibility, is_public=at(found, "private") is False),
        is_archived=at(found, "archived") is True,
        size_kb=payloads.number(found, "size"),
        languages=languages,
    )


def _issue(value: object, path: str) -> OpenedIssue:
    return opened_issue(identifier(value, "number", path), payloads.web_address(value, "html_url"), path)
