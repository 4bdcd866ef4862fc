"""Receiving webhooks: find the secret, verify the raw bytes, read, match a registered repository, store; then answer.

Nothing here speaks HTTP; `dash_app/api/webhooks.py` does. What a delivery leads to, the inbox sensor decides.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from elder_assets.audit.errors import ConfigurationError, RepositoryNotFound, WebhookRejected
from resources.git.providers.payloads import inert
from resources.git.providers.provider import Delivery, GitProvider
from resources.git.providers.registry import open_provider, provider_names
from resources.observability.logs import about
from resources.observability.tracing import CARRIED, span
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import HIGH, NORMAL, AuditTarget, Put

LOG = logging.getLogger("elder.webhooks")
OK, ACCEPTED = 200, 202
URGENT_ACTIONS = frozenset({"change_request", "merge_queue"})
KEY_FILE = "server.key"


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer to a delivery that is stored."""

    status: int
    """200: nothing is to be done, or it was seen before; 202: it waits, or was stored and starts nothing."""
    detail: str
    deliveries: tuple[int, ...]
    """Numbers of its inbox rows."""


def receive(  # noqa: PLR0917 - a request is all of these
    store: Store,
    settings: Settings,
    provider_name: str,
    headers: Mapping[str, str],
    body: bytes,
    project_id: int | None = None,
) -> Received:
    """Verify a delivery and keep everything that it says, before it is answered.

    Args:
        store: holds projects and the inbox.
        settings: name the secrets.
        provider_name: of the path that it came to.
        headers: of the request.
        body: the raw bytes.
        project_id: of the path of a project's own webhook; None for a webhook that serves many repositories.

    Raises:
        WebhookRejected: 404 for an unknown provider or project, 401 where no secret vouches for it, 400 or 415 where it
            cannot be read.
        StoreError: it could not be kept; the host sends it again.
    """
    if provider_name not in provider_names():
        raise WebhookRejected(404, f"there is no provider {inert(provider_name, 40)!r}; known: {_named()}")
    provider = open_provider(provider_name)
    project = None if project_id is None else _project(store, provider_name, project_id)
    with span(settings, "delivery", parent="", provider=provider_name, bytes=len(body)) as traced:
        provider.verify(headers, body, _secrets_for(store, settings, provider, project))
        deliveries = provider.parse(headers, body)
        kept = [_keep(store, provider_name, delivery, project, traced.carried) for delivery in deliveries]
        for delivery, (put, said) in zip(deliveries, kept, strict=True):
            with about(delivery=put.row, repository=delivery.repository):
                known = said if put.is_new else "seen before"
                LOG.info("%s from %s: %s", delivery.action, provider_name, known)
        traced.set(delivery=kept[0][0].row if kept else None, deliveries=len(kept))
    numbers = tuple(put.row for put, _ in kept)
    if not any(put.is_new for put, _ in kept):
        return Received(status=OK, detail="seen before", deliveries=numbers)
    if all(delivery.action == "ping" for delivery in deliveries):
        return Received(status=OK, detail="ping", deliveries=numbers)
    return Received(
        status=ACCEPTED, detail="; ".join(dict.fromkeys(said for _, said in kept))[:500], deliveries=numbers
    )


def _named() -> str:
    return ", ".join(provider_names())


def _project(store: Store, provider_name: str, project_id: int) -> AuditTarget:
    found = store.audit_targets([project_id]).get(project_id)
    if found is None or found.is_removed or found.provider not in {"", provider_name}:
        raise WebhookRejected(404, f"there is no project {project_id} of {provider_name}")
    return found


# --- secrets ---------------------------------------------------------------------------------------------


def _secrets_for(store: Store, settings: Settings, provider: GitProvider, project: AuditTarget | None) -> list[bytes]:
    if project is not None:
        version = store.webhook_secret_version(project.id)
        return [webhook_secret(settings, project.id, version).encode()]
    references = [reference for name, reference in settings.webhook_secrets if name == provider.name]
    try:
        return [settings.secrets.of(reference).reveal().encode() for reference in references]
    except ConfigurationError as error:
        raise WebhookRejected(401, "the secret of this webhook cannot be read; see the settings") from error


def webhook_secret(settings: Settings, project_id: int, version: int) -> str:
    """The secret of a project's webhook; it is derived anew each time and kept nowhere. Another version is another."""
    return hmac.digest(server_key(settings), f"webhook:{project_id}:{version}".encode(), hashlib.sha256).hex()


def server_key(settings: Settings) -> bytes:
    """What secrets are derived from: the setting, else a file of the home that is made once and is its owner's alone.

    Raises:
        ConfigurationError: the file is empty or cut short.
    """
    if settings.secret_key is not None:
        return settings.secret_key.reveal().encode()
    path = settings.home / KEY_FILE
    if not path.exists():
        _make_key(path)
    found = path.read_bytes().strip()
    if len(found) < 64:
        raise ConfigurationError(KEY_FILE, f"{len(found)} bytes", "64 hexadecimal digits")
    return found


def _make_key(path: Path) -> None:
    """Write a new key under another name and give it its own: of several processes one wins, none reads half a key."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{KEY_FILE}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first; its key holds
    finally:
        draft.unlink()


# --- keeping ---------------------------------------------------------------------------------------------


def _keep(
    store: Store, provider_name: str, delivery: Delivery, project: AuditTarget | None, carried: str
) -> tuple[Put, str]:
    """Store one delivery; its row, and what is said about it."""
    repository_id, reason = _matched(store, delivery, project)
    if delivery.action == "ping":
        reason = "a ping: the webhook works"
    put = store.put_inbox(
        source="webhook",
        provider=provider_name,
        delivery_id=delivery.delivery_id,
        action=delivery.action,
        document=msgspec.to_builtins(delivery) | ({CARRIED: carried} if carried else {}),
        repository_id=repository_id,
        priority=HIGH if delivery.action in URGENT_ACTIONS else NORMAL,
        state="skipped" if reason else "waiting",
        decision=reason,
    )
    return put, reason or "stored"


def _matched(store: Store, delivery: Delivery, project: AuditTarget | None) -> tuple[int | None, str]:
    """The registered repository that a delivery is about, or why there is none. The payload's address is never used."""
    named = delivery.repository
    if project is not None:
        if named and named.lower() != project.key.lower() and _id_of(store, named) != project.id:
            return project.id, f"the webhook is of {project.key}, its delivery names {named}"
        return project.id, ""
    if not named:
        return None, "" if delivery.action == "ping" else "the delivery names no repository"
    found = _id_of(store, named)
    return (found, "") if found is not None else (None, f"{named} is not registered")


def _id_of(store: Store, key: str) -> int | None:
    """The id of a registered repository: by its key or a former one, else by its key in another case.

    Every provider of ours takes names in any case (docs/providers.md); two keys that differ only so are told apart.
    """
    try:
        found = store.repository(key)
    except RepositoryNotFound:
        near = [known for known in store.repositories() if known.key.lower() == key.lower()]
        return near[0].id if len(near) == 1 else None
    return None if found.removed_at is not None else found.id
