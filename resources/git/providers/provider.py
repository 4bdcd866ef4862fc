"""What every git host must be able to do for Elder, and the records that it answers with.

One protocol, one module a provider. Nothing here knows a provider; `payloads.py` reads hostile payloads,
`signatures.py` checks them, `calls.py` makes bounded calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from datetime import datetime

    from resources.git.providers.calls import Host
    from resources.git.providers.issues import Issue, OpenedIssue

Action = Literal["push", "change_request", "merge_queue", "branch_deleted", "tag", "ping", "other"]
ChangeAction = Literal["", "opened", "updated", "closed", "merged", "other"]
State = Literal["pending", "success", "failure", "error"]
Visibility = Literal["public", "internal", "private"]

CONTEXT = "elder/gate"


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a verified webhook says; a text is '' where the payload does not say.

    `clone_url` and `repository` are what the payload claims. Match `repository` with a registered project and clone
    that project's own address, never the payload's.
    """

    delivery_id: str
    """The provider's id, `#2`, `#3`, ... behind it for further refs of one push; else a sha256 of the delivery."""
    event: str
    """As the provider names it."""
    action: Action
    reason: str = ""
    """Why the action is `other`, or what the payload leaves open."""
    clone_url: str = ""
    """https without credentials."""
    repository: str = ""
    """Our key, host/owner/name."""
    ref: str = ""
    """Full name. Of a change request: what to fetch for `head`, in the target repository ('' where there is none)."""
    before: str = ""
    """The commit that `ref` (a change request: its source branch) was at; '' for a new ref."""
    head: str = ""
    """The commit to audit: of a change request the merge commit where the payload has one that is current."""
    status_commit: str = ""
    """The commit that a status belongs on: of a change request the head of its source branch."""
    base: str = ""
    """Of a change request or merge queue: the commit that it is to be merged into."""
    base_ref: str = ""
    """Of a change request or merge queue: the branch that it is to be merged into, full name."""
    merge_ref: str = ""
    """Where the provider keeps an open change request merged. May be missing or old: see that a parent is
    `status_commit`, else audit `head`."""
    is_forced: bool = False
    """Whether the provider says so; most do not say."""
    is_default_branch: bool | None = None
    """Of `ref`, for a change request of `base_ref`; None where the payload does not say."""
    change_number: int | None = None
    change_url: str = ""
    change_action: ChangeAction = ""
    target_files: tuple[str, ...] = ()
    """Paths that a push lists. Providers shorten the list: good to show, not to decide what to audit."""
    sender: str = ""
    title: str = ""


class RemoteRepository(msgspec.Struct, frozen=True, kw_only=True):
    """What a host says of a repository."""

    repository: str
    clone_url: str
    web_url: str
    default_branch: str
    """Short name; '' while the repository is empty."""
    visibility: Visibility
    is_archived: bool
    size_kb: int | None
    """None where the host does not tell."""
    languages: tuple[tuple[str, float], ...] = ()
    """(name, share 0-1), largest first; () where the host does not tell."""


class GitProvider(Protocol):
    """A git host. The first two methods read webhooks and do no I/O, the others call the host.

    Calls raise ProviderError, or ProviderUnavailable where a retry may help. `repository` is our key.
    """

    name: str
    hosts: tuple[str, ...]
    """Public host names; `.example.com` stands for every host below it. () for a product that is only self-hosted."""
    events: tuple[str, ...]
    """What Elder subscribes to, as the provider names it."""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[bytes]) -> None:
        """Accept a delivery that one of the secrets vouches for; several are a rotation.

        Raises:
            WebhookRejected: 401 with a plain reason; also when no secret is configured.
        """

    def parse(self, headers: Mapping[str, str], body: bytes) -> tuple[Delivery, ...]:
        """Say what a verified delivery means: one record for each ref of a push, else one; never none.

        Raises:
            WebhookRejected: 400 or 415, naming what is wrong. An unknown event is no error but `other`.
        """

    def api_base(self, host_name: str) -> str:
        """Return where the API of a host is."""

    def metadata(self, host: Host, repository: str) -> RemoteRepository:
        """Ask what the repository is."""

    def create_webhook(self, host: Host, repository: str, *, url: str, secret: str, events: Sequence[str] = ()) -> str:
        """Create the webhook with that URL, or update it; return its id (ids with commas: one an event)."""

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
        """Set the status of a commit; the summary is shortened to what the provider takes."""

    def comment(self, host: Host, repository: str, change_number: int, body: str) -> None:
        """Write the one comment of Elder on a change request, or update it."""

    def open_issue(self, host: Host, repository: str, issue: Issue) -> OpenedIssue:
        """Open an issue; not twice by itself: where nobody knows whether it is there, ask `find_issue`.

        Raises:
            ProviderError: `no_issues` where the host has none at all, `issues_disabled` where this repository has none.
        """

    def find_issue(self, host: Host, repository: str, marker: str, since: datetime) -> OpenedIssue | None:
        """Return the oldest issue opened since then whose text holds the marker; None where there is none."""

    def list_repositories(self, host: Host, owner: str) -> Iterator[RemoteRepository]:
        """Yield the repositories of an owner that the token sees, without languages."""
