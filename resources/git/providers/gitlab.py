"""GitLab, public and self-managed.

Proof of origin: the secret token in X-Gitlab-Token, or a signing token (`whsec_` and base64), with which GitLab signs
`{webhook-id}.{webhook-timestamp}.{body}` as Standard Webhooks has it
(docs.gitlab.com/user/project/integrations/webhooks, gitlab-org/gitlab merge request 230944; standardwebhooks.com).
Payloads: docs.gitlab.com/user/project/integrations/webhook_events. Pipelines of merge trains run on
`refs/merge-requests/N/train`, which GitLab's own tests show, its pages do not. Calls: docs.gitlab.com/api/rest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote, unquote

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
from resources.git.providers.provider import CONTEXT, ChangeAction, Delivery, RemoteRepository, State
from resources.git.providers.signatures import configured, is_any_equal, only_header

MARKER = "<!-- elder:gate -->"
MAX_SUMMARY = 250
MAX_COMMENT = 900_000
SIGNED_SECONDS = 300.0
"""How old or how far ahead a signature may be; the tolerance that Standard Webhooks names."""
MAX_SIGNATURES = 10
MIN_KEY_BYTES = 24
"""Standard Webhooks asks for 24 to 64; GitLab makes 32."""

_SIGNING = b"whsec_"
_TRAIN = re.compile(r"refs/merge-requests/\d+/train")
_RUNNING = frozenset({"created", "pending", "preparing", "running", "waiting_for_resource"})
_STATES: dict[State, str] = {"pending": "pending", "success": "success", "failure": "failed", "error": "failed"}
_CHANGE_ACTIONS: dict[str, ChangeAction] = {
    "open": "opened",
    "reopen": "opened",
    "update": "updated",
    "close": "closed",
    "merge": "merged",
}
_STATE_ACTIONS: dict[str, ChangeAction] = {
    "opened": "updated",
    "reopened": "opened",
    "closed": "closed",
    "merged": "merged",
}
"""System hooks give a state in place of an action."""


class GitLab:
    """gitlab.com, and self-managed GitLab under a name that the operator maps."""

    name = "gitlab"
    hosts: tuple[str, ...] = ("gitlab.com",)
    events: tuple[str, ...] = ("push_events", "tag_push_events", "merge_requests_events", "pipeline_events")

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> None:
        usable = configured(secrets)
        keys = [_signing_key(secret) for secret in usable if secret.startswith(_SIGNING)]
        tokens = [secret for secret in usable if not secret.startswith(_SIGNING)]
        if keys and (not tokens or payloads.header(headers, "webhook-signature")):
            _verify_signature(headers, body, keys, self.clock())
            return
        given = only_header(headers, "X-Gitlab-Token").encode("utf-8", "surrogatepass")
        if not is_any_equal(given, tokens):
            raise WebhookRejected(401, "X-Gitlab-Token is not the configured secret")

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[Delivery, ...]:
        payload = payloads.decoded(headers, body)
        event = text(payload, "object_kind") or text(payload, "event_name")
        offered = [payloads.header(headers, name) for name in ("Idempotency-Key", "webhook-id", "X-Gitlab-Event-UUID")]
        address = at(payload, "project", "git_http_url")
        clone_url, repository = payloads.repository_at(address) if isinstance(address, str) else ("", "")
        start = Delivery(
            delivery_id=payloads.delivery_id(self.name, event, body, *offered),
            event=event,
            action="other",
            clone_url=clone_url,
            repository=repository,
            sender=text(payload, "user_username") or text(payload, "user", "username"),
        )
        return (_read(event, payload, start),)

    def api_base(self, host_name: str) -> str:
        return f"https://{host_name}/api/v4"

    def metadata(self, host: Host, repository: str) -> RemoteRepository:
        path = _project(repository)
        found = one_object(ask(host, _headers(host), "GET", path, query={"statistics": "true"}).value, path)
        shares = one_object(ask(host, _headers(host), "GET", f"{path}/languages").value, path)
        return _repository(found, languages_of(shares))

    def create_webhook(self, host: Host, repository: str, *, url: str, secret: str, events: Sequence[str] = ()) -> str:
        path = f"{_project(repository)}/hooks"
        kind = "signing_token" if secret.startswith(_SIGNING.decode()) else "token"
        payload: Record = {"url": url, kind: secret, "enable_ssl_verification": True}
        payload |= dict.fromkeys(events or self.events, True)
        hooks = numbered_pages(host, _headers(host), path)
        known = next((identifier(hook, "id", path) for hook in hooks if hook.get("url") == url), "")
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
        change_number: int | None = None,  # noqa: ARG002  GitLab reads the status of the commit
        context: str = CONTEXT,
    ) -> None:
        payload: Record = {
            "state": _STATES[state],
            "name": context,
            "description": payloads.inert(summary, MAX_SUMMARY),
        }
        if target_url:
            payload["target_url"] = target_url
        path = f"{_project(repository)}/statuses/{segments(commit)}"
        try:
            ask(host, _headers(host), "POST", path, payload=payload)
        except ProviderError as error:
            # GitLab answers 400 when the status is in that state already
            if error.reason != "invalid" or "Cannot transition status" not in str(error):
                raise

    def comment(self, host: Host, repository: str, change_number: int, body: str) -> None:
        path = f"{_project(repository)}/merge_requests/{change_number}/notes"
        payload: Record = {"body": marked(MARKER, body, MAX_COMMENT)}
        written(host, _headers(host), path, _own_note(host, path), payload)

    def open_issue(self, host: Host, repository: str, issue: Issue) -> OpenedIssue:
        path = f"{_project(repository)}/issues"
        payload: Record = {"title": issue.title, "description": markdown_body(issue)}
        try:
            answer = ask(host, _headers(host), "POST", path, payload=payload)
        except ProviderError as error:
            # GitLab refuses both alike: a token that may not, and a project without issues
            if error.reason in {"forbidden", "not_found"} and _is_without_issues(host, repository):
                raise issues_disabled(repository) from error
            raise
        return _issue(answer.value, path)

    def find_issue(self, host: Host, repository: str, marker: str, since: datetime) -> OpenedIssue | None:
        path = f"{_project(repository)}/issues"
        query = {
            "scope": "all",
            "created_after": f"{since:%Y-%m-%dT%H:%M:%SZ}",
            "order_by": "created_at",
            "sort": "asc",
        }
        for found in numbered_pages(host, _headers(host), path, query):
            if marker in str(found.get("description")):
                return _issue(found, path)
        return None

    def list_repositories(self, host: Host, owner: str) -> Iterator[RemoteRepository]:
        name = _whole(owner)
        path, query = f"/groups/{name}/projects", {"include_subgroups": "true", "order_by": "id"}
        try:
            ask(host, _headers(host), "GET", f"/groups/{name}", query={"with_projects": "false"})
        except ProviderError as error:
            if error.reason != "not_found":
                raise
            path, query = f"/users/{name}/projects", {"order_by": "id"}
        for found in numbered_pages(host, _headers(host), path, query):
            yield _repository(found, ())


def _signing_key(secret: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(_SIGNING), validate=True)
    except binascii.Error as error:
        raise WebhookRejected(401, "the configured signing token is not of the form whsec_ and base64") from error
    if len(key) < MIN_KEY_BYTES:
        raise WebhookRejected(401, f"the configured signing token has fewer than {MIN_KEY_BYTES} bytes")
    return key


def _verify_signature(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: float) -> None:
    found_id, sent = only_header(headers, "webhook-id"), only_header(headers, "webhook-timestamp")
    given = only_header(headers, "webhook-signature").split(" ")
    if not re.fullmatch(r"[0-9]{1,12}", sent) or abs(now - int(sent)) > SIGNED_SECONDS:
        raise WebhookRejected(401, f"webhook-timestamp is not within {SIGNED_SECONDS:.0f} seconds of our clock")
    if len(given) > MAX_SIGNATURES or not found_id.isascii():
        raise WebhookRejected(401, f"webhook-id is not ASCII, or more than {MAX_SIGNATURES} signatures")
    content = b".".join((found_id.encode(), sent.encode(), body))
    digests = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)) for key in keys]
    expected = [b"v1," + digest for digest in digests]
    results = [is_any_equal(one.encode("utf-8", "surrogatepass"), expected) for one in given]
    if not any(results):
        raise WebhookRejected(401, "webhook-signature does not fit the body under the configured signing token")


def _read(event: str, payload: Record, start: Delivery) -> Delivery:
    reader = {
        "push": _push,
        "tag_push": _push,
        "merge_request": _change_request,
        "pipeline": _train,
    }.get(event)
    if reader is None:
        return replace(start, reason=f"event {event or '(none)'!r} starts nothing")
    if not start.repository:
        raise WebhookRejected(400, "project.git_http_url is missing")
    return reader(payload, start)


def _push(payload: Record, start: Delivery) -> Delivery:
    ref, head = ref_name(payload, "ref"), commit_id(payload, "after")
    action, reason = payloads.push_action(ref, head)
    commits = payloads.records(payload, "commits")
    return replace(
        start,
        action=action,
        reason=reason,
        ref=ref,
        before=commit_id(payload, "before"),
        head=head,
        status_commit=head,
        is_default_branch=_is_default(payload, ref),
        target_files=payloads.listed_files(commits),
        title=payloads.first_line(commits, -1, "message"),
    )


def _change_request(payload: Record, start: Delivery) -> Delivery:
    change = at(payload, "object_attributes")
    number, told = payloads.number(change, "iid"), text(change, "action")
    if number is None:
        raise WebhookRejected(400, "object_attributes.iid is missing")
    meaning = _CHANGE_ACTIONS.get(told, "other") if told else _STATE_ACTIONS.get(text(change, "state"), "other")
    if told == "update" and not _is_code_changed(payload):
        meaning = "other"
    source = required_commit(change, "last_commit", "id")
    merge = commit_id(change, "merge_commit_sha") or commit_id(change, "squash_commit_sha")
    merge = merge if meaning == "merged" else ""
    base_ref = ref_name(change, "target_branch", prefix="refs/heads/")
    return replace(
        start,
        action="other" if meaning == "other" else "change_request",
        reason=f"{told or '(none)'!r} changes no code" if meaning == "other" else "",
        ref=base_ref if merge else f"refs/merge-requests/{number}/head",
        before=commit_id(change, "oldrev"),
        head=merge or source,
        status_commit=source,
        base_ref=base_ref,
        merge_ref="" if meaning in {"closed", "merged"} else f"refs/merge-requests/{number}/merge",
        is_default_branch=_is_default(payload, base_ref),
        change_number=number,
        change_url=payloads.web_address(change, "url"),
        change_action=meaning,
        title=payloads.first_line(change, "title"),
    )


def _is_code_changed(payload: Record) -> bool:
    """Whether an update pushed commits, changed the target, or left the draft state."""
    changes = at(payload, "changes")
    is_elsewhere = isinstance(changes, dict) and ("target_branch" in changes or "draft" in changes)
    return bool(commit_id(payload, "object_attributes", "oldrev")) or is_elsewhere


def _train(payload: Record, start: Delivery) -> Delivery:
    pipeline = at(payload, "object_attributes")
    ref = text(pipeline, "ref")
    if not _TRAIN.fullmatch(ref) or text(pipeline, "status") not in _RUNNING:
        return replace(start, reason="a pipeline that is no starting merge train")
    head = required_commit(pipeline, "sha")
    base_ref = ref_name(payload, "merge_request", "target_branch", prefix="refs/heads/")
    return replace(
        start,
        action="merge_queue",
        ref=ref,
        head=head,
        status_commit=head,
        base_ref=base_ref,
        is_default_branch=_is_default(payload, base_ref),
        change_number=payloads.number(payload, "merge_request", "iid"),
        change_url=payloads.web_address(payload, "merge_request", "url"),
        title=payloads.first_line(payload, "merge_request", "title"),
    )


def _is_default(payload: Record, ref: str) -> bool | None:
    return payloads.is_default(ref, text(payload, "project", "default_branch", limit=payloads.MAX_REF))


def _headers(host: Host) -> dict[str, str]:
    return {"PRIVATE-TOKEN": host.token.reveal()}


def _whole(path: str) -> str:
    """A path as one URL segment, as GitLab wants it."""
    return quote(unquote(segments(path)), safe="")


def _project(repository: str) -> str:
    return f"/projects/{_whole(path_of_key(repository))}"


def _own_note(host: Host, path: str) -> str:
    """The id of our note; a maintainer's token could change those of others, so the author counts."""
    notes = numbered_pages(host, _headers(host), path, {"sort": "asc", "order_by": "created_at"})
    found = [note for note in notes if str(note.get("body")).startswith(MARKER)]
    if not found:
        return ""
    me = payloads.number(ask(host, _headers(host), "GET", "/user").value, "id")
    mine = [note for note in found if me is not None and payloads.number(note, "author", "id") == me]
    return identifier(mine[0], "id", path) if mine else ""


def _repository(found: Record, languages: tuple[tuple[str, float], ...]) -> RemoteRepository:
    clone_url, key = remote_address(at(found, "http_url_to_repo"))
    size = payloads.number(found, "statistics", "repository_size")
    return RemoteRepository(
        repository=key,
        clone_url=clone_url,
        web_url=payloads.web_address(found, "web_url"),
        default_branch=text(found, "default_branch", limit=payloads.MAX_REF),
        visibility=visibility_of(text(found, "visibility"), is_public=False),
        is_archived=at(found, "archived") is True,
        size_kb=None if size is None else size // 1000,
        languages=languages,
    )


def _issue(value: object, path: str) -> OpenedIssue:
    return opened_issue(identifier(value, "iid", path), payloads.web_address(value, "web_url"), path)


def _is_without_issues(host: Host, repository: str) -> bool:
    project = ask(host, _headers(host), "GET", _project(repository)).value
    return at(project, "issues_access_level") == "disabled" or at(project, "issues_enabled") is False
