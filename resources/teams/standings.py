"""How a team's repositories stand now, from the results store: what levels are decided on."""

from __future__ import annotations

from collections import defaultdict

from elder_assets.audit.levels import Current
from resources.store import Store


def standings(store: Store, team: str) -> list[Current]:
    """How the team's repositories stand now, in order of key; those that were never audited too."""
    latest = {row["repository"]: row for row in store.latest_rows(team)}
    failing = store.failing()
    magics: dict[str, dict[str, tuple[str, str, float | None, int]]] = defaultdict(dict)
    for magic in store.team_magics(team):
        magics[magic["repository"]][magic["magic"]] = (
            magic["status"], magic["reason"], magic["score"], magic["findings"]
        )  # fmt: skip
    found = []
    for repository in store.repositories_of(team):
        row, failure = latest.get(repository.key), failing.get(repository.id, {})
        eligible = row["eligible_files"] if row else 0
        found.append(
            Current(
                repository=repository.key,
                status=row["status"] if row else "error",
                reason=row["reason"] if row else "never audited",
                score=row["score"] if row else None,
                magics=magics[repository.key],
                coverage_pct=round(100 * row["analysed_files"] / eligible, 1) if row and eligible else None,
                open=row["open"] if row else 0,
                critical=row["critical"] if row else 0,
                high=row["high"] if row else 0,
                audited_at=row["audited_at"] if row else None,
                failing_since=failure.get("since"),
                failure=failure.get("reason", ""),
            )
        )
    return found
