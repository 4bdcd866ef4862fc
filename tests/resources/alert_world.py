"""A store with a repository, a channel to a receiver on loopback, and audits that come out as a test says."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import hashlib
import hmac
import json
from pathlib import Path
from types import SimpleNamespace

import msgspec
from receivers import Receiver
from test_store import KEY, RULER, verdict

from elder_assets.audit.alerts import AlertRule
from elder_assets.audit.model import Finding, RuleOutcome, Severity, Status, Tier, Verdict
from elder_assets.audit.report import finding_json
from elder_assets.audit.scoring import score_magic
from elder_assets.audit.suppression import Suppression, apply
from resources.alerting.dispatch import Delivered, deliver, tell
from resources.secrets import Secrets
from resources.settings import Settings, load_settings
from resources.store import Store
from resources.store.findings import Observed

NOW = 1_772_452_800
"""2026-03-02T12:00:00Z, a Monday."""
KEY_TEXT = "whsec_" + base64.b64encode(b"k" * 32).decode()


_verdict = functools.cache(verdict)


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.seconds = NOW

    def __call__(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.seconds, dt.UTC)


def settings(tmp_path: Path, **more: str) -> Settings:
    return load_settings({"ELDER_HOME": str(tmp_path), "ELDER_ALERT_HOSTS": "127.0.0.1", **more})


def secrets(receiver: Receiver | None = None) -> Secrets:
    port = receiver.port if receiver else 9
    return Secrets({"PLACE": f"http://127.0.0.1:{port}/hook", "KEY": KEY_TEXT})


def finding(name: str, **changes: object) -> Finding:
    made = Finding(
        rule="STR001", severity=Severity.CRITICAL, tier=Tier.GATE, path=f"{name}.py", line=3, symbol="",
        message="torn", remedy="mend", fingerprint="v1:" + name * 64, kin="v1:" + name * 64, unit=name,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def audited(commit: str, *findings: Finding, units: int = 100) -> Verdict:
    """A verdict whose one rule has these findings."""
    outcome = RuleOutcome(
        rule="STR001", status=Status.FINDING if findings else Status.PASS, units=units, affected=len(findings)
    )
    strict = score_magic("strict", [outcome], findings, RULER)
    plain = _verdict(commit, "x = 1\n")
    return msgspec.structs.replace(plain, magics=(strict,), findings=findings, status=strict.status, score=strict.score)


def record(store: Store, made: Verdict, *held: Suppression, day: dt.date = dt.date(2026, 3, 2)) -> None:
    applied = apply(made, held, RULER, day)
    store.record(made, RULER.document(), observed=Observed(applied=applied, paths=frozenset({"a.py", "b.py"})))


def world(store: Store, *rules: AlertRule) -> None:
    """A repository of team pay, a webhook channel `chat`, and rules."""
    store.add_repository(KEY, "x")
    store.add_team("pay")
    store.assign(KEY, "pay")
    store.put_channel("chat", "webhook", "env:PLACE env:KEY")
    for rule in rules:
        store.put_rule(rule, "test")


def judge(store: Store, change: int, *findings: Finding, head: str = "b") -> None:
    """A gate of a change, failed by these findings."""
    status = Status.FAILED if findings else Status.PASSED
    sides = {"before": _verdict("a"), "after": _verdict(head)}
    result = SimpleNamespace(
        **sides, status=status, reason=f"{len(findings)} findings", failing=findings, suppressed=(),
        changes=SimpleNamespace(new=findings, fixed=()),
    )  # fmt: skip
    report = {"failing": [finding_json(one) for one in findings]}
    store.record_gate(KEY, result, report, change_number=change, title="Add a basket")


def rule(kind: str = "gate_failed", name: str = "", **more: object) -> AlertRule:
    return AlertRule(name=name or kind, kind=kind, channels=("chat",), cooldown_seconds=0, **more)


def turn(store: Store, home: Settings, receiver: Receiver, now: int) -> Delivered:
    """One tick: decide, then deliver."""
    tell(store, home, now)
    return deliver(store, home, now, secrets=secrets(receiver))


def arrived(receiver: Receiver) -> list[dict]:
    """What came, after the signature of each was checked by hand."""
    found = []
    for request in receiver.requests:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = (line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
        headers = {name.lower(): value for name, value in lines}
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{wanted}"
        found.append({"id": headers["webhook-id"], **json.loads(body)})
    return found
