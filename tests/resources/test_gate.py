"""`elder gate` on a real repository: what a change brings, and the two failures of other products."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from test_same_result import Shop, basket

from elder_assets.audit.gate import gate
from elder_assets.audit.gate_report import to_gate_markdown
from elder_assets.audit.model import Severity, Tier
from elder_assets.audit.ruler import default_ruler
from elder_assets.cli import elder
from resources.audits import gate_change
from resources.settings import load_settings

TORN = "def total(prices:\n    return sum(prices)\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop with a file on `main` that cannot be parsed, and a branch `change`."""
    monkeypatch.setenv("ELDER_HOME", str(tmp_path / "home"))
    made = Shop(tmp_path / "shop")
    made.commit("feat: open", {"shop/basket.py": basket(1), "shop/torn.py": TORN, "README.md": "# Shop\n\nRun it.\n"})
    made.git("checkout", "-q", "-b", "change")
    return made


def run(shop: Shop, *arguments: str) -> Result:
    return CliRunner().invoke(elder, ["gate", str(shop.folder), "--base", "main", *arguments], standalone_mode=False)


def document(shop: Shop) -> dict:
    return msgspec.json.decode(run(shop, "--format", "json").stdout)


def test_an_old_defect_fails_nobody(shop: Shop):
    shop.commit("feat: more", {"shop/more.py": "def more(prices):\n    return len(prices)\n"})
    result = run(shop)
    assert result.return_value == 0, result.output
    assert document(shop)["existing"] > 0
    assert document(shop)["failing"] == []


def test_a_new_defect_fails_and_is_named(shop: Shop):
    shop.commit("feat: pay", {"shop/pay.py": TORN.replace("total", "pay")})
    result = run(shop)
    assert result.return_value == 1
    assert "fails the gate: STR001" in result.stdout
    assert "shop/pay.py" in result.stdout
    assert [finding["path"] for finding in document(shop)["failing"]] == ["shop/pay.py"]


def test_a_moved_file_with_an_old_defect_passes(shop: Shop):
    shop.git("mv", "shop/torn.py", "shop/moved.py")
    shop.commit("refactor: move", {})
    assert run(shop).return_value == 0
    assert document(shop)["new"] == []


def test_a_defect_that_was_fixed_on_the_base_and_is_put_back_fails(shop: Shop):
    shop.git("checkout", "-q", "main")
    shop.commit("fix: mend", {"shop/torn.py": "def total(prices):\n    return sum(prices)\n"})
    shop.git("checkout", "-q", "-B", "change")
    shop.commit("feat: back", {"shop/torn.py": TORN})
    assert run(shop).return_value == 1


def test_what_others_landed_meanwhile_counts_for_nobody(shop: Shop):
    shop.commit("feat: more", {"shop/more.py": "def more(prices):\n    return len(prices)\n"})
    shop.git("checkout", "-q", "main")
    shop.commit("fix: mend", {"shop/torn.py": "def total(prices):\n    return sum(prices)\n"})
    shop.git("checkout", "-q", "change")
    assert run(shop).return_value == 0
    assert document(shop)["fixed"] == []


def test_a_rule_that_becomes_stricter_fails_no_untouched_code(tmp_path: Path, shop: Shop):
    ruler = default_ruler()
    rules = {
        code: msgspec.structs.replace(measure, tier=Tier.GATE, severity=Severity.CRITICAL)
        for code, measure in ruler.rules.items()
    }
    file = tmp_path / "strict.json"
    file.write_bytes(msgspec.structs.replace(ruler, rules=rules).document())
    shop.commit("docs: say more", {"README.md": "# Shop\n\nRun it today.\n"})
    result = run(shop, "--ruler", str(file))
    assert result.return_value == 0, result.output


def test_two_rulers_cannot_be_gated(shop: Shop):
    result = gate_change(str(shop.folder), load_settings(), "main")
    with pytest.raises(ValueError, match="one ruler"):
        gate(result.before, msgspec.structs.replace(result.after, ruler="0" * 64))


def test_branches_without_a_common_commit_are_refused(shop: Shop):
    shop.git("checkout", "-q", "--orphan", "alone")
    shop.commit("feat: alone", {})
    result = CliRunner().invoke(elder, ["gate", str(shop.folder), "--base", "main"])
    assert "no commit in common" in str(result.exception)


def test_markdown_holds_what_a_reviewer_needs_and_no_markup_of_the_repository(shop: Shop):
    shop.commit("feat: odd", {"shop/<b>|@all`.py": TORN})
    result = gate_change(str(shop.folder), load_settings(), "main")
    text = to_gate_markdown(result)
    assert text.startswith("## Elder: failed")
    assert "<b>" not in text
    assert "|@all" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| **STR001**")]
    assert row.replace("\\|", "").count("|") == 4
