"""Alerts of other systems: who may send them, what they say, and the rows of the inbox that they become (D25).

Alertmanager's webhook, version 4 (https://prometheus.io/docs/alerting/latest/configuration/#webhook_config), by bearer
token or basic auth; and any sender that signs by Standard Webhooks
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md), whose `data` is one alert,
or `alerts` of them, in Alertmanager's form. An alert asks for a remediation by its labels, else it is a notice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import msgspec

from elder_assets.audit.errors import ConfigurationError, WebhookRejected
from resources.notifiers.webhook import sign
from resources.secrets import Secret
from resources.settings import Settings
from resources.store import Store
from resources.store.inbox import HIGH, InboxState

ALERTS_MAX = 1_000
TEXT_MAX = 1_000
"""Characters of one label or annotation."""
TOLERANCE_SECONDS = 300
"""How old a signed message may be, as the standard's own libraries have it."""
REMEDIATION, NOTICE, REFUSED, NOTHING = "remediation", "notice", "refused", "nothing"
ACTION_LABEL = "elder_action"
ACTIONS: dict[str, str] = {
    "re_audit": "repository",
    "retry_failed": "",
    "sweep": "",
    "evict_cache": "repository",
    "prune_caches": "",
    "pause_host": "host",
    "resume_host": "host",
}
"""What an alert may ask for, and the label that says of what."""
WHEN_RESOLVED = {"pause_host": "resume_host"}
Form = TypeVar("Form")
Scheme = Literal["bearer", "basic", "signed"]


class Alert(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One alert, as Alertmanager writes it."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at: str = ""
    fingerprint: str = ""

    @property
    def name(self) -> str:
        """The same for the same series of labels."""
        told = msgspec.json.encode(sorted(self.labels.items()))
        return self.fingerprint[:TEXT_MAX] or hashlib.sha256(told).hexdigest()[:16]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Alertmanager's payload."""

    version: str
    alerts: list[Alert]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What one alert asks for."""

    kind: str
    """REMEDIATION, NOTICE, REFUSED or NOTHING."""
    action: str = ""
    target: str = ""
    """A repository's key, or a host."""
    reason: str = ""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one alert."""

    alert: str
    row: int
    is_new: bool
    kind: str
    reason: str


# --- who may send ----------------------------------------------------------------------------------------


def check_authorization(header: str, settings: Settings) -> None:
    """Let an Alertmanager in by `Bearer <token>` or `Basic <base64 of user:password>`.

    Raises:
        WebhookRejected: 401.
    """
    scheme, _, given = header.partition(" ")
    scheme = scheme.lower()
    if scheme == "basic":
        try:
            given = base64.b64decode(given.strip(), validate=True).decode()
        except ValueError:
            given = ""
    if scheme in {"bearer", "basic"}:
        known = _secrets(settings, "bearer" if scheme == "bearer" else "basic")
        matching = [hmac.compare_digest(secret.reveal().encode(), given.strip().encode()) for secret in known]
        if any(matching):
            return
    raise WebhookRejected(401, "no token or password vouches for it; see ELDER_ALERT_SECRETS")


def check_signature(headers: Mapping[str, str], body: bytes, settings: Settings, now: int) -> None:
    """Let a sender in that signs by Standard Webhooks, with a time that is not long ago.

    Raises:
        WebhookRejected: 401.
    """
    name, when = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    given = headers.get("webhook-signature", "").split()[:20]
    if not name or len(name) > TEXT_MAX or not when.isascii() or not when.isdigit() or len(when) > 12:
        raise WebhookRejected(401, "webhook-id, webhook-timestamp or webhook-signature is missing")
    if abs(now - int(when)) > TOLERANCE_SECONDS:
        raise WebhookRejected(401, f"the timestamp is more than {TOLERANCE_SECONDS} s away")
    wanted = [sign(secret, name, int(when), body) for secret in _secrets(settings, "signed")]
    matching = [hmac.compare_digest(one.encode(), other.encode()) for one in wanted for other in given]
    if not any(matching):
        raise WebhookRejected(401, "no secret vouches for its signature; see ELDER_ALERT_SECRETS")


def _secrets(settings: Settings, scheme: Scheme) -> list[Secret]:
    try:
        return [settings.secrets.of(reference) for name, reference in settings.alert_secrets if name == scheme]
    except ConfigurationError as error:
        raise WebhookRejected(503, f"a secret of ELDER_ALERT_SECRETS cannot be read: {error}") from error


# --- what they say ---------------------------------------------------------------------------------------


def alertmanager_alerts(body: bytes) -> list[Alert]:
    """The alerts of Alertmanager's payload.

    Raises:
        WebhookRejected: 400; it is of another form or version.
    """
    group = _decoded(body, Group)
    if group.version != "4":
        raise WebhookRejected(400, f"version {group.version[:20]!r} of the payload; allowed: 4")
    return _bounded(group.alerts)


def signed_alerts(body: bytes) -> list[Alert]:
    """The alerts of a Standard Webhooks payload: `data` is one, or has `alerts`.

    Raises:
        WebhookRejected: 400; it is of another form.
    """
    data = _decoded(body, dict[str, Any]).get("data")
    found = data.get("alerts", [data]) if isinstance(data, dict) else None
    try:
        return _bounded(msgspec.convert(found, list[Alert]))
    except msgspec.ValidationError as error:
        raise WebhookRejected(400, f"data: {error}") from error


def _decoded(body: bytes, form: type[Form]) -> Form:
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookRejected(400, f"the payload cannot be read: {str(error)[:200]}") from error


def _bounded(alerts: list[Alert]) -> list[Alert]:
    if len(alerts) > ALERTS_MAX:
        raise WebhookRejected(413, f"{len(alerts)} alerts; at most {ALERTS_MAX}")
    return [
        msgspec.structs.replace(alert, labels=_cut(alert.labels), annotations=_cut(alert.annotations))
        for alert in alerts
    ]


def _cut(texts: Mapping[str, str]) -> dict[str, str]:
    return {name[:100]: text[:TEXT_MAX] for name, text in list(texts.items())[:100]}


def wish_of(alert: Alert) -> Wish:
    """What an alert asks for, by its labels; an action that does not exist is refused by name."""
    action = alert.labels.get(ACTION_LABEL, "")
    if not action:
        return Wish(kind=NOTICE)
    if action not in ACTIONS:
        return Wish(kind=REFUSED, reason=f"{ACTION_LABEL} {action!r} does not exist; allowed: {', '.join(ACTIONS)}")
    label = ACTIONS[action]
    target = alert.labels.get(label, "").strip() if label else ""
    if label and not target:
        return Wish(kind=REFUSED, reason=f"{ACTION_LABEL} {action} needs the label {label!r}")
    if alert.status == "resolved":
        back = WHEN_RESOLVED.get(action, "")
        if not back:
            return Wish(kind=NOTHING, reason=f"{action}: the alert is resolved, nothing is to be done")
        return Wish(kind=REMEDIATION, action=back, target=target, reason="the alert is resolved")
    return Wish(kind=REMEDIATION, action=action, target=target)


def take(store: Store, provider: str, alerts: list[Alert]) -> list[Taken]:
    """Keep alerts as rows of the inbox; the same alert in the same state comes once."""
    known = {repository.key: repository.id for repository in store.repositories()}
    taken = []
    for alert in alerts:
        wish = wish_of(alert)
        is_repository = ACTIONS.get(wish.action) == "repository"
        repository = known.get(wish.target if is_repository else alert.labels.get("repository", ""))
        if is_repository and repository is None:
            wish = Wish(kind=REFUSED, action=wish.action, reason=f"repository {wish.target!r} is not registered")
        state: InboxState = "waiting" if wish.kind in {REMEDIATION, NOTICE} else "skipped"
        put = store.put_inbox(
            source="alert",
            provider=provider,
            delivery_id=f"{alert.name}:{alert.starts_at[:100]}:{alert.status}",
            action=NOTICE if wish.kind == NOTICE else REMEDIATION,
            document={"alert": msgspec.to_builtins(alert), "wish": wish.action, "target": wish.target},
            repository_id=repository,
            priority=HIGH,
            state=state,
            decision=wish.reason,
        )
        taken.append(Taken(alert=alert.name, row=put.row, is_new=put.is_new, kind=wish.kind, reason=wish.reason))
    return taken
