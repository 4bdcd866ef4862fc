"""The catalogue as a snapshot: a lost, renamed or re-rated rule shows in review."""

from __future__ import annotations

import json
import os
from pathlib import Path

from elder_assets.audit.registry import catalogue

SNAPSHOT = Path(__file__).parent / "__snapshots__" / "catalogue.json"


def test_the_catalogue_is_that_of_the_snapshot():
    described = {
        rule.code: [rule.birth_code, rule.name, rule.magic, rule.severity, rule.tier, rule.unit]
        for rule in catalogue().rules
    }
    if os.environ.get("UPDATE_SNAPSHOTS"):
        lines = [f"  {json.dumps(code)}: {json.dumps(row)}" for code, row in described.items()]
        SNAPSHOT.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    assert described == json.loads(SNAPSHOT.read_text()), "UPDATE_SNAPSHOTS=1 writes it anew; read the diff"
