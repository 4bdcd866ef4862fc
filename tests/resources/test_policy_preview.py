"""The preview of settings: equal to what an audit under the saved settings gives, and it saves nothing."""

from __future__ import annotations

import datetime as dt
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from elder_assets.audit.policy import Policy, read_policy
from elder_assets.audit.ruler import default_ruler
from elder_assets.audit.team_settings import merged
from elder_assets.team_scorecard import make_scorecard
from resources.audits import central_policy, judge_opened, open_source, plain_and_shown, terms_for, today
from resources.settings import Settings
from resources.store import Store, open_store, tables
from resources.store.findings import Observed
from resources.teams.policy_preview import Preview, preview

OWN = default_ruler()
KEY = "local/basket"
LONG = "def pick(a):\n" + "".join(
    f"{'    ' * depth}if a > {depth}:\n" for depth in range(1, 9)
) + "    " * 9 + "return a\n"  # fmt: skip
FILES = {
    "README.md": "# Basket\n\nAdds prices.\n",
    "shop/basket.py": f"def total(prices):\n    return sum(prices)\n\n\n{LONG}",
    "shop/cart.py": "<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n",
    "shop/held.py": '# elder: ignore STR013 reason="one case a line, read like a table" until=2027-03-31\n' + LONG,
    "shop/many.py": "\n\n".join(f"def f{number}(a):\n    return a + {number}\n" for number in range(30)),
    "shop/plain.py": "import os\n\n\ndef go(x):\n    try:\n        os.remove(x)\n    except Exception:\n        pass\n",
    "tests/test_basket.py": "from shop.basket import total\n\n\ndef test_total():\n    total([1, 2])\n",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Store, Settings, Path]]:
    """A team with an audited repository."""
    folder = tmp_path / "basket"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    identity = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in
                (("NAME", "Ann"), ("EMAIL", "ann@example.org"), ("DATE", "2026-11-05T10:00:00Z"))}  # fmt: skip
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "GIT_CONFIG_GLOBAL": "/dev/null", **identity}
    for arguments in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "feat: add prices")):
        subprocess.run(["git", "-C", folder, *arguments], env=environment, check=True, capture_output=True)
    settings = Settings(home=tmp_path / "home")
    with open_store(settings.store_url) as store:
        store.add_team("payments")
        store.add_repository(KEY, str(folder))
        store.assign(KEY, "payments")
        audit(store, settings, folder)
        yield store, settings, folder


def audit(store: Store, settings: Settings, folder: Path) -> None:
    """An audit of kind default under the policy that holds, as a run records it."""
    document = store.policy_for(KEY)
    with open_source(str(folder), settings, key=KEY) as opened:
        terms = terms_for(opened, central_policy(document, opened), store.approved(KEY, list(OWN.rules)))
        judged = judge_opened(opened, terms.ruler, store.last_audited_commit(KEY, other_than=opened.source.commit))
        plain, applied = plain_and_shown(judged, terms.ruler, terms.granted, today())
        paths = frozenset(entry.path for entry in opened.source.tree())
    observed = Observed(applied=applied, paths=paths, profile=terms.profile)
    store.record(plain, terms.ruler.document(), observed=observed)


def policy_now(store: Store) -> Policy | None:
    versions = store.policies("payments")
    return read_policy(versions[0].document.encode(), OWN) if versions and versions[0].document else None


def previewed(store: Store, settings: Settings, document: str) -> Preview:
    return preview(store, settings, "payments", policy_now(store), read_policy(document.encode(), OWN))


def counts(store: Store) -> dict[str, int]:
    with store._reading() as connection:
        return {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in tables.METADATA.sorted_tables
        }


DOCUMENTS = {
    "weights": "version: 1\nprofile: enterprise\n",
    "own weights": "version: 1\nweights: {tdd: 7, integrity: 0, strict: 3}\n",
    "a severity": "version: 1\nrules: {INT001: {severity: low}, TDD001: {severity: high}}\n",
    "a tier": "version: 1\nprofile: startup\nrules: {INT001: {tier: advise}}\n",
    "a limit": "version: 1\nrules: {STR013: {limits: {cognitive_max: 60}, severity: high}}\n",
    "levels": "version: 1\nscorecard: {levels: {bronze: {score: 20}, silver: {score: 30}, gold: {score: 99}}}\n",
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_what_a_preview_says_is_what_an_audit_under_the_saved_settings_gives(world, document: str):
    store, settings, folder = world
    (one,) = previewed(store, settings, document).repositories
    assert one.unknown == ""
    store.set_policy("payments", document, "ann", "to see")
    audit(store, settings, folder)
    (row,) = store.latest_rows("payments")
    content = make_scorecard(store, "payments", store.now())
    (whole,) = content[(content["magic"] == "") & (content["repository"] == KEY)].tail(1).to_dict("records")
    magics = {magic["magic"]: magic["score"] for magic in store.team_magics("payments")}
    assert (one.after.status, one.after.score, one.after.magics) == (row["status"], whole["score"], magics)
    assert (one.after.level, one.after.missing) == (whole["level"], whole["missing"])
    assert one.after.score == pytest.approx(row["score"], abs=0.11)  # the scorecard weighs rounded scores of magics
    (again,) = previewed(store, settings, document).repositories
    assert (again.before, again.after) == (one.after, one.after)


@pytest.mark.parametrize("first", DOCUMENTS)
@pytest.mark.parametrize("second", ["weights", "a tier", "a limit"])
def test_the_preview_holds_from_any_settings_to_any_other(world, first: str, second: str):
    store, settings, folder = world
    store.set_policy("payments", DOCUMENTS[first], "ann")
    audit(store, settings, folder)
    (one,) = previewed(store, settings, DOCUMENTS[second]).repositories
    store.set_policy("payments", DOCUMENTS[second], "ann")
    audit(store, settings, folder)
    magics = {magic["magic"]: magic["score"] for magic in store.team_magics("payments")}
    assert (one.unknown, one.after.magics, one.after.status) == ("", magics, store.latest_rows("payments")[0]["status"])


def test_a_preview_changes_no_row(world):
    store, settings, _ = world
    before = counts(store)
    for document in DOCUMENTS.values():
        previewed(store, settings, document)
    assert counts(store) == before


def test_the_same_settings_move_nothing(world):
    store, settings, folder = world
    store.set_policy("payments", DOCUMENTS["a severity"], "ann")
    audit(store, settings, folder)
    found = previewed(store, settings, DOCUMENTS["a severity"])
    assert (found.changes, found.moved, found.gates) == ((), (), ())
    assert found.mean_before == found.mean_after
    assert found.repositories[0].causes == ()


def test_what_moved_a_repository_is_said_with_its_points(world):
    store, settings, _ = world
    found = previewed(store, settings, "version: 1\nweights: {integrity: 9}\nrules: {STR001: {severity: low}}\n")
    (one,) = found.repositories
    assert [(cause.kind, cause.names) for cause in one.causes] == [("weights", ("integrity",)), ("rules", ("STR001",))]
    assert sum(cause.points for cause in one.causes) == pytest.approx(one.change)
    assert {change.key: (change.before, change.after) for change in found.changes} == {
        "weights.integrity": ("1", "9"),
        "rules.STR001.severity": ("", "low"),
    }


def test_a_limit_is_not_previewed_where_files_would_have_to_be_read(world):
    store, settings, _ = world
    for file in settings.home.rglob("*.db*"):
        if "facts" in str(file.parent):
            file.unlink()
    (one,) = previewed(store, settings, DOCUMENTS["a limit"]).repositories
    assert "are not on this machine; the next audit tells" in one.unknown
    assert one.before == one.after


def test_a_suppression_that_has_ended_shows_again_in_the_preview(world):
    store, settings, folder = world
    lowered = "version: 1\nrules: {STR001: {severity: low}}\n"  # else its cap hides the others
    store.set_policy("payments", lowered, "ann")
    audit(store, settings, folder)
    later = dt.datetime(2027, 4, 2, tzinfo=dt.UTC)
    with open_store(settings.store_url, clock=lambda: later) as tomorrow:
        (one,) = previewed(tomorrow, settings, lowered).repositories
    (row,) = store.latest_rows("payments")
    assert row["suppressed"] == 1
    assert one.after.magics["strict"] < {m["magic"]: m["score"] for m in store.team_magics("payments")}["strict"]


OWNERLESS = {"rule": "SRV001", "severity": "medium", "tier": "gate", "fingerprint": "v1:1"}
COMMENTED = {**OWNERLESS, "fingerprint": "v1:2", "suppression": {"origin": "comment"}}


def judged(store: Store, number: int, new: list[dict], suppressed: list[dict], status: str = "passed") -> None:
    """A gate under the built-in policy, as a run records it."""
    side = SimpleNamespace(snapshot=SimpleNamespace(commit=f"{number}" * 40), ruler=OWN.digest)
    result = SimpleNamespace(
        before=side, after=side, status=SimpleNamespace(value=status), reason="", failing=(), suppressed=suppressed,
        changes=SimpleNamespace(new=new, fixed=()),
    )  # fmt: skip
    terms = {"fails_from": "high", "new_suppressions": "allowed"}
    report = {"new": new, "suppressed": suppressed, "terms": terms}
    store.record_gate(KEY, result, report, change_number=number, title=f"change {number}")


@pytest.mark.parametrize(
    ("document", "failing"),
    [
        ("version: 1\n", []),
        ("version: 1\ngate: {fails_from: medium}\n", [1]),
        ("version: 1\nrules: {SRV001: {severity: high}}\n", [1]),
        ("version: 1\ngate: {fails_from: medium}\nrules: {SRV001: {tier: advise}}\n", []),
        ("version: 1\nprofile: enterprise\n", [1, 2]),  # it refuses the comment that change 2 brings
    ],
)
def test_changes_that_passed_and_would_fail_are_named(world, document: str, failing: list[int]):
    store, settings, _ = world
    judged(store, 3, [OWNERLESS], [], "failed")  # fails already
    judged(store, 2, [COMMENTED], [COMMENTED])
    judged(store, 1, [], [])
    judged(store, 1, [OWNERLESS], [])  # the last look at a change counts
    found = previewed(store, settings, document)
    assert sorted(gate.change_number for gate in found.gates) == failing
    assert all("SRV001" in gate.reason for gate in found.gates)


def test_settings_that_are_changed_keep_what_the_policy_says_beside_them():
    held = "suppressions:\n- {rule: SAG002, path: docs/**, reason: written by hand for now, until: 2027-03-31}\n"
    policy = read_policy(f"version: 1\nteam: payments\n{held}".encode(), OWN)
    changed = merged(policy, {"profile": "startup"}, OWN)
    assert (changed.profile, changed.suppressions, changed.team) == ("startup", policy.suppressions, "payments")
