"""STR010: a secret gates where it opens something, and nothing of it is in a message."""

from __future__ import annotations

import zlib

import pytest

from elder_assets.audit.model import Severity, Status
from elder_assets.audit.testing import MemorySource, run_rule

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def token(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        digits = BASE62[value % 62] + digits
        value //= 62
    return "ghp_" + body + digits


TOKEN = token("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ")


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("deploy/settings.py", Severity.CRITICAL),
        (".github/workflows/release.yml", Severity.CRITICAL),
        ("tests/test_login.py", Severity.INFO),
        ("docs/setup.md", Severity.INFO),
        ("config/dev/settings.py", Severity.INFO),
    ],
)
def test_a_token_gates_where_it_opens_something(path: str, severity: Severity):
    outcome, findings = run_rule("STR010", MemorySource({path: f"token: {TOKEN}\n"}))
    assert [(f.path, f.line, f.severity) for f in findings] == [(path, 1, severity)]
    assert outcome.status is Status.FINDING
    assert TOKEN not in repr(findings)
