"""`elder gate` on a real repository: what a change brings, and the two failures of other products."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from test_same_result import Shop, basket

from elder_assets.audit import engine, judgement, registry
from elder_assets.audit.gate import GateResult
from elder_assets.audit.gate_report import to_gate_markdown
from elder_assets.audit.model import Checked, Outcome, Severity, Status, Tier
from elder_assets.audit.registry import Catalogue, catalogue
from elder_assets.audit.ruler import default_ruler
from elder_assets.cli import elder
from resources import audits
from resources.audits import gate_change, today
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


def rules_of(result: GateResult) -> set[str]:
    """Rules with a finding on the base that is still there."""
    return {pair.before.rule for pair in result.changes.existing}


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
    """Stricter in tier, severity and limit: the code of the base is too complex only by the new limit."""
    ruler = default_ruler()
    rules = {
        code: msgspec.structs.replace(
            measure, tier=Tier.GATE, severity=Severity.CRITICAL, limits=dict.fromkeys(measure.limits, 1)
        )
        for code, measure in ruler.rules.items()
    }
    file = tmp_path / "strict.json"
    file.write_bytes(msgspec.structs.replace(ruler, rules=rules).document())
    shop.commit("feat: more", {"shop/more.py": "MORE = 1\n"})
    assert "STR013" not in rules_of(gate_change(str(shop.folder), load_settings(), "main"))
    result = run(shop, "--ruler", str(file))
    assert result.return_value == 0, result.output


def silent(*_: object, **__: object) -> Iterator[Outcome]:
    """A rule that does not find yet what it finds today."""
    yield Checked(1)


@pytest.mark.parametrize("is_there", [False, True], ids=["added", "finds more"])
def test_a_rule_of_a_newer_elder_fails_no_untouched_code(shop: Shop, monkeypatch: pytest.MonkeyPatch, is_there: bool):
    """An older Elder, which did not have the rule or found less by it, judged the base and kept what it said."""
    with monkeypatch.context() as older:
        whole = catalogue()
        rest = [rule for rule in whole.rules if rule.code != "STR001"]
        early = [msgspec.structs.replace(whole.rule("STR001"), check=silent)] if is_there else []
        known = Catalogue(whole.magics, tuple(sorted([*rest, *early], key=lambda rule: rule.code)))
        for module in (engine, registry):
            older.setattr(module, "catalogue", lambda: known)
        for module in (audits, judgement):
            older.setattr(module, "code_digest", lambda: "0" * 64)
        assert "STR001" not in rules_of(gate_change(str(shop.folder), load_settings(), "main"))
    shop.commit("docs: say more", {"README.md": "# Shop\n\nRun it today.\n"})
    result = gate_change(str(shop.folder), load_settings(), "main")
    assert "STR001" in rules_of(result)
    assert (result.status, result.changes.new) == (Status.PASSED, ())


def test_an_edited_command_of_a_step_that_could_never_fail_is_not_new(shop: Shop):
    """The line is written anew, the step is the same; another step that cannot fail is new."""
    steps = "on: pull_request\njobs:\n  test:\n    steps:\n      - name: Tests\n        run: pytest {} || true\n"
    path = ".github/workflows/ci.yml"
    shop.git("checkout", "-q", "main")
    shop.commit("ci: test", {path: steps.format("")})
    shop.git("checkout", "-q", "-B", "change")
    shop.commit("ci: say less", {path: steps.format("--tb=short")})
    result = gate_change(str(shop.folder), load_settings(), "main")
    assert "FLW004" in rules_of(result)
    assert "FLW004" not in {finding.rule for finding in result.changes.new}
    shop.commit(
        "ci: lint", {path: steps.format("--tb=short") + "      - name: Lint\n        run: ruff check || true\n"}
    )
    result = gate_change(str(shop.folder), load_settings(), "main")
    assert [finding.message.partition(" (")[0] for finding in result.failing] == ["Step 'Lint'"]


def test_branches_without_a_common_commit_are_refused(shop: Shop):
    shop.git("checkout", "-q", "--orphan", "alone")
    shop.commit("feat: alone", {})
    result = CliRunner().invoke(elder, ["gate", str(shop.folder), "--base", "main"])
    assert "no commit in common" in str(result.exception)


def test_a_history_with_a_lost_object_is_not_called_rewritten(shop: Shop):
    """A partial mirror: what a commit changed cannot be read, but which commits there are can."""
    shop.commit("feat: more", {"shop/more.py": "def more(prices):\n    return len(prices)\n"})
    lost = shop.git("rev-parse", "HEAD:shop")
    shop.commit("feat: most", {"shop/most.py": "def most(prices):\n    return max(prices)\n"})
    (shop.folder / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    result = gate_change(str(shop.folder), load_settings(), "main")
    assert "GIT007" not in {finding.rule for finding in result.changes.new}


def test_markdown_holds_what_a_reviewer_needs_and_no_markup_of_the_repository(shop: Shop):
    shop.commit("feat: odd", {"shop/<b>|@all`.py": TORN})
    result = gate_change(str(shop.folder), load_settings(), "main")
    text = to_gate_markdown(result)
    assert text.startswith("## Elder: failed")
    assert "<b>" not in text
    assert "|@all" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| **STR001**")]
    assert row.replace("\\|", "").count("|") == 4


# --- the policy and suppressions -------------------------------------------------------------------------

ENTERPRISE = "version: 1\nprofile: enterprise\n"
LONG_AGO = 'elder: ignore STR001 reason="a template of ours" until=2020-01-01'
IN_FORCE = f'elder: ignore STR001 reason="a template of ours" until={today() + dt.timedelta(days=30)}'
DEAD_LINK = "# Shop\n\nRun it, see [how](docs/none.md).\n"


def on_main(shop: Shop, files: dict[str, str]) -> None:
    shop.git("checkout", "-q", "main")
    shop.commit("chore: set up", files)
    shop.git("checkout", "-q", "-B", "change")


def test_the_policy_of_the_base_says_what_fails(shop: Shop):
    shop.commit("docs: link", {"README.md": DEAD_LINK})
    assert run(shop).return_value == 0
    shop.git("checkout", "-q", "main")
    on_main(shop, {"elder.yaml": ENTERPRISE})
    shop.commit("docs: link", {"README.md": DEAD_LINK})
    assert run(shop).return_value == 1
    assert document(shop)["terms"] == {"fails_from": "low", "new_suppressions": "refused"}


def test_a_change_cannot_lower_its_own_gate(shop: Shop):
    lowered = (
        "version: 1\nrules: {STR001: {severity: info}}\n"
        f"suppressions: [{{rule: STR001, path: '**', reason: 'all of it, please', until: {today()}}}]\n"
    )
    shop.commit("feat: pay", {"shop/pay.py": TORN.replace("total", "pay"), "elder.yaml": lowered})
    assert run(shop).return_value == 1


def test_a_change_that_breaks_its_policy_is_bad_input(shop: Shop):
    shop.commit("chore: policy", {"elder.yaml": "version: 1\nprofil: startup\n"})
    result = CliRunner().invoke(elder, ["gate", str(shop.folder), "--base", "main"])
    assert "did you mean 'profile'?" in str(result.exception)


def test_a_broken_policy_of_the_base_is_named_and_the_built_in_one_judges(shop: Shop):
    on_main(shop, {"elder.yaml": "version: 1\nprofil: startup\n"})
    shop.commit("feat: pay", {"shop/pay.py": TORN.replace("total", "pay")})
    result = run(shop)
    assert result.return_value == 1
    assert "suppression malformed: elder.yaml: it is not used" in result.stdout


def test_a_new_finding_may_be_suppressed_with_reason_and_end_and_is_named(shop: Shop):
    shop.commit("feat: pay", {"shop/pay.py": f"# {IN_FORCE}\n" + TORN.replace("total", "pay")})
    result = run(shop)
    assert result.return_value == 0, result.output
    assert "suppressed: STR001  shop/pay.py" in result.stdout
    assert "a template of ours" in result.stdout


@pytest.mark.parametrize("comment", [LONG_AGO, "elder: ignore STR001", "elder: ignore"])
def test_an_expired_or_malformed_suppression_lets_the_finding_fail(shop: Shop, comment: str):
    shop.commit("feat: pay", {"shop/pay.py": f"# {comment}\n" + TORN.replace("total", "pay")})
    result = run(shop)
    assert result.return_value == 1
    assert "suppression " in result.stdout
    assert "shop/pay.py:1" in result.stdout


def test_an_enterprise_refuses_suppressions_that_a_change_brings_and_keeps_those_that_move(shop: Shop):
    held = f"# {IN_FORCE}\n" + TORN.replace("total", "old")
    on_main(shop, {"elder.yaml": ENTERPRISE, "shop/old.py": held})
    shop.git("mv", "shop/old.py", "shop/moved.py")
    shop.commit("refactor: move", {})
    assert run(shop).return_value == 0
    shop.commit("feat: pay", {"shop/pay.py": held.replace("old", "pay")})
    result = run(shop)
    assert result.return_value == 1
    assert "the policy lets no change bring its own suppression" in result.stdout


def test_an_audit_shows_what_is_suppressed_and_what_has_ended(shop: Shop):
    shop.commit("fix: hold", {"shop/torn.py": f"# {IN_FORCE}\n{TORN}", "shop/more.py": f"# {LONG_AGO}\n{TORN}"})
    result = CliRunner().invoke(elder, ["audit", str(shop.folder), "--format", "json"], standalone_mode=False)
    report = msgspec.json.decode(result.stdout)
    assert [item["path"] for item in report["suppressed"]] == ["shop/torn.py"]
    assert report["suppressed"][0]["suppression"]["origin"] == "comment"
    assert [f["path"] for f in report["findings"] if f["rule"] == "STR001"] == ["shop/more.py"]
    problems = {(item["kind"], item["place"]) for item in report["suppression_problems"]}
    assert problems == {("expired", "shop/more.py:1"), ("beyond 5 %", "STR001")}
    again = CliRunner().invoke(elder, ["audit", str(shop.folder), "--format", "json"], standalone_mode=False)
    assert msgspec.json.decode(again.stdout)["suppressed"] == report["suppressed"]  # from what was judged before
