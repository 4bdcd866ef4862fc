"""A process that records audits one after the other and says each that was acknowledged; the tests kill it.

    python recorder.py URL FIRST LAST

Prints `done <number>` after each that the store took. Numbers become commits.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "resources")]

from shared_audits import FINDINGS, KEY, RULER, observed, verdict  # noqa: E402

from resources.store import open_store  # noqa: E402


def main() -> None:
    url, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with open_store(url) as store:
        store.add_repository(KEY, "x")
        print("ready", flush=True)
        for number in range(first, last):
            given = verdict(number)
            store.record(given, RULER.document(), run_id=f"run-{number}", observed=observed(given))
            print(f"done {number} {FINDINGS}", flush=True)


if __name__ == "__main__":
    main()
