"""One audit key, one result: cold, warm, after a push, as a point of the past, with a cache that was hurt or shared."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from pathlib import Path

import msgspec
import pytest

from elder_assets.audit.history import walk_weeks, weeks_of
from elder_assets.audit.judgement import Judged, Point, point_of
from resources.audits import judge_opened, open_source, ruler_for
from resources.settings import load_settings

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
DAY = 86_400
START = 1_767_600_000  # Monday 2026-01-05 08:00 UTC
ROOT = Path(__file__).parents[2]


def token(body: str) -> str:
    """A made-up GitHub token with a right checksum."""
    value, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        digits = BASE62[value % 62] + digits
        value //= 62
    return "ghp_" + body + digits


class Shop:
    """A repository that grows by one step a week."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.time = START
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org", "GIT_AUTHOR_DATE": f"{self.time} +0000",
            "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.org",
            "GIT_COMMITTER_DATE": f"{self.time} +0000",
        }  # fmt: skip
        done = subprocess.run(
            ["git", "-C", self.folder, *arguments], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, message: str, files: dict[str, str | None], days: float = 7) -> str:
        self.time += int(days * DAY)
        for path, content in files.items():
            target = self.folder / path
            if content is None:
                target.unlink()
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def basket(number: int) -> str:
    lines = "".join(f"    if prices[{index}] > {number}:\n        return {index}\n" for index in range(5))
    return f"def total{number}(prices):\n{lines}    try:\n        return sum(prices)\n    except Exception:\n        pass\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    made = Shop(tmp_path_factory.mktemp("shops") / "shop")
    made.commit("feat: open the shop", {
        "README.md": "# Shop\n\nSee [the guide](docs/guide.md).\n",
        "shop/basket.py": basket(1),
        "tests/test_basket.py": "def test_total():\n    assert True\n",
        "package.json": '{"name": "shop", "main": "missing.js"}\n',
        ".github/workflows/ci.yml": "on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n"
        "      - uses: some/action@main\n      - run: pytest || true\n",
    })  # fmt: skip
    made.commit("feat: pay", {"shop/pay.py": f"TOKEN = '{token('zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ')}'\n", "a.js": "f(\n"})
    made.commit("fix: no token", {"shop/pay.py": "import os\nTOKEN = os.environ['TOKEN']\n"})
    made.git("checkout", "-q", "-b", "side")
    made.commit("wip", {"shop/card.py": basket(2), "docs/guide.md": "# Guide\n"}, days=2)
    made.git("checkout", "-q", "main")
    made.commit("feat: more", {"shop/basket.py": basket(3), ".mailmap": "Ann Smith <ann@example.org>\n"}, days=2)
    made.git("merge", "-q", "--no-ff", "-m", "Merge side", "side")
    made.git("mv", "shop/card.py", "shop/cards.py")
    made.commit("refactor: rename", {".gitattributes": "shop/pay.py linguist-vendored\n"}, days=7)
    made.commit(
        "test: it", {"tests/test_basket.py": "from shop import basket\n\ndef test_total():\n    pass\n"}, days=21
    )
    return made


def judged(home: Path, target: Path, ref: str = "HEAD") -> Judged:
    with open_source(str(target), load_settings({"ELDER_HOME": str(home)}), ref) as opened:
        return judge_opened(opened, ruler_for(opened.facts))


def plain(found: Judged | Point) -> bytes:
    """What must be equal: everything but durations."""
    if isinstance(found, Judged):
        judgements = tuple(msgspec.structs.replace(judgement, duration_ms=0.0) for judgement in found.judgements)
        found = msgspec.structs.replace(found, judgements=judgements)
    return msgspec.json.encode(found)


def points(home: Path, target: Path) -> dict[str, Point]:
    with open_source(str(target), load_settings({"ELDER_HOME": str(home)})) as opened:
        weeks = weeks_of(opened.source.first_parents(), 52)
        walked = walk_weeks(opened.source, opened.facts, ruler_for(opened.facts), weeks)
        return {point.point.commit: point.point for point in walked}


def first_parents(shop: Shop) -> list[str]:
    return shop.git("rev-list", "--first-parent", "--reverse", "HEAD").split()


@pytest.fixture(scope="module")
def cold(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Commit to what an audit with an empty home says."""
    return {
        commit: plain(judged(tmp_path_factory.mktemp("home"), shop.folder, commit)) for commit in first_parents(shop)
    }


def test_the_repository_of_this_test_has_findings_of_many_rules_and_a_secret_in_its_past(cold: dict[str, bytes]):
    newest = msgspec.json.decode(list(cold.values())[-1], type=Judged)
    found = {judgement.rule for judgement in newest.judgements if judgement.answers}
    assert {"GIT006", "INT007", "TDD003", "FLW004", "FLW010"} <= found


def test_warm_equals_cold(tmp_path: Path, shop: Shop, cold: dict[str, bytes]):
    head = shop.git("rev-parse", "HEAD")
    assert plain(judged(tmp_path, shop.folder)) == plain(judged(tmp_path, shop.folder)) == cold[head]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_audit_after_others_equals_a_cold_one_in_any_order(
    tmp_path: Path, shop: Shop, cold: dict[str, bytes], seed: int
):
    commits = first_parents(shop)
    if seed:
        random.Random(seed).shuffle(commits)  # noqa: S311 - chooses an order
    for commit in commits:
        assert plain(judged(tmp_path, shop.folder, commit)) == cold[commit]


def test_a_point_of_the_past_equals_a_cold_audit_of_its_commit(tmp_path: Path, shop: Shop, cold: dict[str, bytes]):
    for is_after_an_audit in (False, True):
        home = tmp_path / str(is_after_an_audit)
        if is_after_an_audit:
            judged(home, shop.folder)
        found = points(home, shop.folder)
        assert len(found) == 5  # the third week holds three commits of the line
        for commit, point in found.items():
            assert plain(point) == plain(point_of(msgspec.json.decode(cold[commit], type=Judged)))


def test_points_stay_the_same_when_history_goes_on(tmp_path: Path, shop: Shop):
    copy = Shop.__new__(Shop)
    copy.folder, copy.time = tmp_path / "shop", shop.time
    subprocess.run(["git", "clone", "-q", shop.folder, copy.folder], check=True)
    before = points(tmp_path / "home", copy.folder)
    copy.commit("feat: later", {"shop/later.py": basket(9), ".mailmap": "Other Name <ann@example.org>\n"})
    after = points(tmp_path / "fresh", copy.folder)
    assert {commit: plain(after[commit]) for commit in before} == {c: plain(point) for c, point in before.items()}


def test_a_force_push_leaves_no_trace(tmp_path: Path, shop: Shop, cold: dict[str, bytes]):
    copy = Shop.__new__(Shop)
    copy.folder, copy.time = tmp_path / "shop", shop.time
    subprocess.run(["git", "clone", "-q", shop.folder, copy.folder], check=True)
    head = copy.git("rev-parse", "HEAD")
    secret = token("kJ7vLq2RsW9yXb4NmT6hGd3PfZc8Ba")
    copy.commit("wip", {"shop/lost.py": f"KEY = '{secret}'\n"})
    copy.commit("wip again", {"shop/lost.py": None})
    lost = judged(tmp_path / "home", copy.folder)
    assert "shop/lost.py" in plain(lost).decode()
    copy.git("reset", "-q", "--hard", head)
    assert plain(judged(tmp_path / "home", copy.folder)).replace(b'"local/shop"', b"") == cold[head].replace(
        b'"local/shop"', b""
    )


def test_a_head_of_old_that_was_cleaned_away_does_not_hide_the_history(tmp_path: Path, shop: Shop):
    copy = Shop.__new__(Shop)
    copy.folder, copy.time = tmp_path / "shop", shop.time
    subprocess.run(["git", "clone", "-q", shop.folder, copy.folder], check=True)
    head = copy.git("rev-parse", "HEAD")
    copy.commit("feat: lost", {"shop/lost.py": basket(7)})
    judged(tmp_path / "home", copy.folder)
    copy.git("reset", "-q", "--hard", head)
    copy.commit("feat: other", {"shop/other.py": basket(8)})
    copy.git("reflog", "expire", "--expire=now", "--all")
    copy.git("gc", "-q", "--prune=now")
    found = judged(tmp_path / "home", copy.folder)
    assert plain(found) == plain(judged(tmp_path / "fresh", copy.folder))
    assert not [judgement for judgement in found.judgements if "cannot read the history" in judgement.reason]


STATEMENTS = (
    ("SELECT oid, variant, payload FROM fact", "UPDATE fact SET payload = ? WHERE oid = ? AND variant = ?"),
    ("SELECT kind, key, payload FROM record", "UPDATE record SET payload = ? WHERE kind = ? AND key = ?"),
)


def hurt(home: Path, seed: int) -> int:
    """Change bytes in every third row of the cache; how many rows there were."""
    chance, rows = random.Random(seed), 0  # noqa: S311 - chooses bytes
    for file in (home / "facts").rglob("*.db"):
        with sqlite3.connect(file) as connection:
            for read, write in STATEMENTS:
                for first, second, payload in connection.execute(read).fetchall():
                    rows += 1
                    if chance.random() < 0.33 and payload:
                        place = chance.randrange(len(payload))
                        bad = payload[:place] + bytes([payload[place] ^ 0x5A]) + payload[place + 1 :]
                        connection.execute(write, (bad, first, second))
    return rows


@pytest.mark.parametrize("seed", range(6))
def test_a_poisoned_cache_changes_no_result(tmp_path: Path, shop: Shop, cold: dict[str, bytes], seed: int):
    commits = first_parents(shop)
    for commit in commits[:-1]:
        judged(tmp_path, shop.folder, commit)
    points(tmp_path, shop.folder)
    assert hurt(tmp_path, seed) > 20
    assert plain(judged(tmp_path, shop.folder)) == cold[commits[-1]]
    for commit, point in points(tmp_path, shop.folder).items():
        assert plain(point) == plain(point_of(msgspec.json.decode(cold[commit], type=Judged)))


def test_a_cache_that_is_no_database_is_started_anew(tmp_path: Path, shop: Shop, cold: dict[str, bytes]):
    judged(tmp_path, shop.folder)
    for file in (tmp_path / "facts").rglob("*.db"):
        file.write_bytes(b"no database" * 1000)
    assert plain(judged(tmp_path, shop.folder)) == cold[shop.git("rev-parse", "HEAD")]


def command(home: Path, *arguments: str | Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "ELDER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "elder_assets", *arguments], env=environment, stdout=subprocess.PIPE)


@pytest.mark.parametrize("seconds", [0.5, 0.9, 1.4])
def test_a_killed_backfill_goes_on_and_ends_right(tmp_path: Path, shop: Shop, cold: dict[str, bytes], seconds: float):
    process = command(tmp_path, "history", shop.folder, "--quiet")
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for commit, point in points(tmp_path, shop.folder).items():
        assert plain(point) == plain(point_of(msgspec.json.decode(cold[commit], type=Judged)))


def test_audits_of_one_repository_at_once_agree(tmp_path: Path, shop: Shop, cold: dict[str, bytes]):
    running = [command(tmp_path, "audit", shop.folder, "--format", "json", "--quiet") for _ in range(3)]
    running.append(command(tmp_path, "history", shop.folder, "--format", "json", "--quiet"))
    outputs = [process.communicate()[0] for process in running]
    findings = [msgspec.json.decode(output)["findings"] for output in outputs[:3]]
    assert findings[0] == findings[1] == findings[2] != []
    assert [process.returncode for process in running[:3]] == [1, 1, 1]
    assert running[3].returncode == 0
    assert plain(judged(tmp_path, shop.folder)) == cold[shop.git("rev-parse", "HEAD")]


def test_a_cache_of_another_schema_is_started_anew(tmp_path: Path, shop: Shop, cold: dict[str, bytes]):
    file = tmp_path / "facts" / "local" / "shop.db"
    file.parent.mkdir(parents=True)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE fact (key BLOB NOT NULL PRIMARY KEY, digest BLOB, payload BLOB)")
    assert plain(judged(tmp_path, shop.folder)) == cold[shop.git("rev-parse", "HEAD")]
