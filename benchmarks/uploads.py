"""What an upload takes at the site and at the server, and whether its time grows with the number of findings.

    python benchmarks/uploads.py [--findings 1000 10000 30000] [--alike] [--url postgresql://...] [--profile server]

For each size a repository is made in which our own rules find that many, it is audited as a site audits it, packed, and
kept by the server's functions: once when everything is new, and once more after a commit that edits one file in ten,
takes a function out of another tenth and moves one in fifty. With `--alike` every file has the same functions, and that
commit moves all of them below another folder: the worst case for telling which finding is which. The last column is the
whole of a row for each finding, against the first size: 1.0 is linear.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from resources.audits import open_source
from resources.settings import Settings
from resources.store import Store, open_store
from resources.upload_site import audit_for
from resources.uploads import UPLOAD_SCHEMA, accept, packed, read_upload, terms_of_project, unpacked

KEY = "local/basket"
FINDINGS_A_FUNCTION = 5
FUNCTIONS_A_FILE = 12
MODULE = """def price_{n}(amount):  # noqa
    if amount is 'x{n}':
        return 1
    return amount  # type: ignore


"""
TESTS = """def test_price_{n}():
    assert (price_{n}(1), 'is right')


def test_none_{n}():
    pass


"""
T = TypeVar("T")


@dataclass
class Clocked:
    """Seconds by part of the work; `only` is the part to profile."""

    only: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    profile: cProfile.Profile = field(default_factory=cProfile.Profile)

    def run(self, name: str, work: Callable[[], T]) -> T:
        """Do a part of the work."""
        started = time.perf_counter()
        made = self.profile.runcall(work) if self.only and name.startswith(self.only) else work()
        self.seconds[name] = time.perf_counter() - started
        return made


def main() -> None:
    """Measure and print one line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--findings", type=int, nargs="+", default=[1_000, 10_000, 30_000])
    parser.add_argument("--alike", action="store_true", help="every file has the same findings, and all files move")
    parser.add_argument("--url", default="", help="an empty database; default: SQLite in a folder that goes")
    parser.add_argument("--profile", default="", help="part whose slowest functions are shown: judge, pack, server")
    options = parser.parse_args()
    parts = ("judge", "pack", "server: all new", "server: changed")
    print(f"{'findings':>8} {'packed MB':>9}", *(f"{part + ' s':>18}" for part in parts), f"{'a finding':>9}")
    first = 0.0
    for size in options.findings:
        clocked = Clocked(options.profile)
        with tempfile.TemporaryDirectory(prefix="elder-uploads-") as folder:
            found, sent = measure(Path(folder), size, options, clocked)
        each = sum(clocked.seconds.values()) / found
        first = first or each
        row = (f"{clocked.seconds[part]:>18.2f}" for part in parts)
        print(f"{found:>8,} {sent / 1e6:>9.2f}", *row, f"{each / first:>8.2f}x", flush=True)
        if options.profile:
            pstats.Stats(clocked.profile).sort_stats("cumulative").print_stats(35)


def measure(folder: Path, size: int, options: argparse.Namespace, clocked: Clocked) -> tuple[int, int]:
    """Audit, pack and keep twice; how many findings were kept and how many bytes were sent the first time."""
    work = folder / "basket"
    make_repository(work, size, is_alike=options.alike)
    site, server = Settings(home=folder / "site"), Settings(home=folder / "server")
    with open_store(options.url or server.store_url) as store:
        key = f"{KEY}-{size}"
        store.add_repository(key, str(work))
        body = sent_by(work, key, site, store, server, clocked)
        found = clocked.run("server: all new", lambda: keep(store, server, key, body))
        if options.alike:
            move(work)
        else:
            edit(work)
        again = sent_by(work, key, site, store, server, Clocked())
        clocked.run("server: changed", lambda: keep(store, server, key, again))
    return found, len(body)


def sent_by(  # noqa: PLR0917 - two sides and a clock
    work: Path, key: str, site: Settings, store: Store, server: Settings, clocked: Clocked
) -> bytes:
    """The body that a site sends of a repository's HEAD."""
    with open_source(str(work), site, key=key) as opened:
        project = next(project for project in store.projects() if project.key == key)
        terms = terms_of_project(store, server, project, opened.source.commit)
        assert terms.schema_version == UPLOAD_SCHEMA
        made = clocked.run("judge", lambda: audit_for(opened, terms, site, ref="HEAD", progress=lambda *_: None))
    return clocked.run("pack", lambda: packed(made.upload))


def keep(store: Store, server: Settings, key: str, body: bytes) -> int:
    """What the route does with a body; how many findings the repository has then."""
    upload = read_upload(unpacked(body, "gzip"))
    project = next(project for project in store.projects() if project.key == key)
    receipt = accept(store, server, project, upload, "benchmark")
    assert receipt.is_new
    return sum(len(judgement.answers) for judgement in upload.judged.judgements)


# --- the repository ----------------------------------------------------------------------------------------------


def make_repository(work: Path, size: int, *, is_alike: bool) -> None:
    """A repository of one commit in which about `size` findings are."""
    subprocess.run(["git", "init", "-q", "-b", "main", work], check=True)
    for number, functions in enumerate(_batches(-(-size // FINDINGS_A_FUNCTION))):
        for kind, text in (("shop/part{}/module_{}.py", MODULE), ("tests/part{}/test_module_{}.py", TESTS)):
            path = work / kind.format(number % 20, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            names = (n - functions.start if is_alike else n for n in functions)
            path.write_text("".join([f'"""Part {number}."""\n\n\n', *(text.format(n=n) for n in names)]))
    commit(work, "feat: add the shop")


def _batches(functions: int) -> Iterator[range]:
    for start in range(0, functions, FUNCTIONS_A_FILE):
        yield range(start, min(start + FUNCTIONS_A_FILE, functions))


def edit(work: Path) -> None:
    """Shift the lines of one file in ten, move one in fifty, and take a function out of one in ten."""
    for number, path in enumerate(sorted(work.glob("*/*/*.py"))):
        if number % 10 == 0:
            path.write_text('"""Prices."""\n\n' + path.read_text())
        if number % 10 == 5:
            path.write_text(path.read_text().split("\n\n\n", 2)[2])
        if number % 50 == 3:
            path.rename(path.with_name(f"moved_{path.name}") if "shop" in path.parts else path)
    commit(work, "refactor: move prices")


def move(work: Path) -> None:
    """Move everything below another folder."""
    (work / "src").mkdir()
    for name in ("shop", "tests"):
        (work / name).rename(work / "src" / name)
    commit(work, "refactor: move everything")


def commit(work: Path, message: str) -> None:
    """Commit everything."""
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.org")
    subprocess.run(["git", "-C", work, "add", "-A"], check=True)
    subprocess.run(["git", "-C", work, *who, "commit", "-q", "-m", message], check=True)


if __name__ == "__main__":
    main()
