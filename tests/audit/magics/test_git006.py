"""GIT006: a secret that left the tree is found once; one that is still there is STR010's."""

from __future__ import annotations

import zlib

from elder_assets.audit.facts.commit_log import Commit, History
from elder_assets.audit.model import Severity, Status
from elder_assets.audit.testing import AS_OF, MemorySource, run_rule

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HISTORY = History((Commit("1" * 40, (), "ann", "ann@shop", AS_OF, "ann", "ann@shop", AS_OF, "feat: open the shop"),))


def token(body: str) -> str:
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        digits = BASE62[value % 62] + digits
        value //= 62
    return "ghp_" + body + digits


TOKEN = token("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ")
OTHER = token("kJ7vLq2RsW9yXb4NmT6hGd3PfZc8Ba")


def test_a_secret_that_left_the_tree_is_found_once_in_the_history():
    source = MemorySource(
        {"deploy/settings.py": "token = os.environ['TOKEN']\n"},
        history=HISTORY,
        history_files={"deploy/settings.py": f"token = '{TOKEN}'\n", "deploy/old.py": f"a = 1\ntoken = '{TOKEN}'\n"},
    )
    _, findings = run_rule("GIT006", source)
    assert [(f.path, f.severity) for f in findings] == [("deploy/old.py", Severity.CRITICAL)]
    assert "GitHub token" in findings[0].message
    assert TOKEN not in repr(findings)


def test_a_secret_that_is_still_in_the_tree_is_str010s():
    source = MemorySource(
        {"deploy/settings.py": f"import os\ntoken = '{TOKEN}'\n"},
        history=HISTORY,
        history_files={"deploy/settings.py": f"token = '{TOKEN}'\n"},
    )
    assert run_rule("GIT006", source)[1] == []


def test_test_and_example_paths_of_the_history_are_passed_over():
    history_files = {"tests/login.py": f"'{TOKEN}'\n", "examples/a.py": f"'{OTHER}'\n"}
    outcome, findings = run_rule("GIT006", MemorySource({"a.py": ""}, history=HISTORY, history_files=history_files))
    assert findings == []
    assert outcome.status is Status.NOT_APPLICABLE


def test_without_a_history_git006_is_not_available():
    outcome, _ = run_rule("GIT006", MemorySource({"a.py": ""}))
    assert outcome.status is Status.NOT_AVAILABLE
