"""From two stored snapshots to what moved a score: pure functions; the arithmetic is that of audit/comparison.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

import msgspec

from elder_assets.audit.comparison import OVERALL, Difference, compare
from elder_assets.audit.judgement import Point, Tally, limits_of, score_point
from elder_assets.audit.model import Status
from elder_assets.audit.registry import MAGIC_ORDER
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.scoring import rounded

Unsplit = Literal["", "not kept", "other limits"]
"""Why a difference cannot be split: '' = it can; the outcomes do not give the stored score; or limits changed and the
later commit was never judged by the earlier ones."""
RULES_SHOWN = 12


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """Differences by magic, in the order of reports, the whole ('') first."""

    differences: dict[str, Difference]
    unsplit: Unsplit = ""


def point_of(row: Mapping[str, Any], ruler: Ruler) -> Point | None:
    """A stored snapshot in numbers; None unless they give exactly the score that was stored.

    Args:
        row: of `OperationsPages.tallied`.
        ruler: under which it was stored.
    """
    if any(outcome["rule"] not in ruler.rules for outcome in row["outcomes"]):
        return None
    point = Point(
        commit=row["commit"] or "",
        as_of=row["as_of_seconds"],
        eligible=row["eligible_files"],
        analysed=row["analysed_files"],
        has_code=not (row["status"] == Status.NOT_APPLICABLE and row["reason"] == "no code"),
        magics=tuple(magic for magic in MAGIC_ORDER if magic in {outcome["magic"] for outcome in row["outcomes"]}),
        tallies=tuple(_tally(outcome, row["severities"], ruler) for outcome in row["outcomes"]),
    )
    return point if row["outcomes"] and score_point(point, ruler).score == exact(row["score_exact"]) else None


def _tally(outcome: Mapping[str, Any], severities: Mapping[str, set[str]], ruler: Ruler) -> Tally:
    measure, rule = ruler.rules[outcome["rule"]], outcome["rule"]
    present = {"" if one == str(measure.severity) else one for one in severities.get(rule, ())}
    name = ",".join(sorted(present))
    return Tally(
        rule=rule,
        magic=outcome["magic"],
        severity=measure.severity,
        limits=measure.limits,
        status=Status(outcome["status"]),
        reason=outcome["reason"],
        units=outcome["units"],
        affected={name: outcome["affected"]} if outcome["affected"] or present else {},
        findings={},
    )


def exact(text: str | None) -> Fraction | None:
    """A score as it is stored."""
    return None if text is None else Fraction(text)


def split(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    old: Ruler,
    new: Ruler,
    after_under_old: Mapping[str, Any] | None = None,
) -> Split:
    """What moved the score between two stored snapshots.

    Args:
        before: the earlier one, of `OperationsPages.tallied`.
        after: the later one.
        old: ruler of the earlier one.
        new: ruler of the later one.
        after_under_old: the later commit judged under the old ruler, where it was.
    """
    first, last = point_of(before, old), point_of(after, new)
    if first is None or last is None:
        return Split(differences=_whole_only(before, after), unsplit="not kept")
    if old == new:
        return Split(differences=_ordered(compare(first, last, old)))
    between = point_of(after_under_old, old) if after_under_old is not None else None
    if between is None:
        if _changed_limits(old, new):
            return Split(differences=_whole_only(before, after), unsplit="other limits")
        between = _within(last, old)
    return Split(differences=_ordered(compare(first, between, old, new_ruler=new, after_under_new=last)))


def _changed_limits(old: Ruler, new: Ruler) -> bool:
    mine, theirs = limits_of(old), limits_of(new)
    shared = mine.keys() & theirs.keys()
    is_same_code = all(old.rules[code].version == new.rules[code].version for code in shared)
    return not is_same_code or mine.keys() != shared or any(mine[code] != theirs[code] for code in shared)


def _within(point: Point, ruler: Ruler) -> Point:
    """A point without what a ruler does not know."""
    return msgspec.structs.replace(
        point,
        magics=tuple(magic for magic in point.magics if magic in ruler.weights),
        tallies=tuple(tally for tally in point.tallies if tally.rule in ruler.rules),
    )


def _whole_only(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Difference]:
    names = [OVERALL, *(magic for magic in MAGIC_ORDER if magic in before["scores"] or magic in after["scores"])]
    sides = [{OVERALL: row["score_exact"], **row["scores"]} for row in (before, after)]
    return {
        name: Difference(
            before=exact(sides[0].get(name)), after=exact(sides[1].get(name)), code=None, scope=None, ruler=None
        )
        for name in names
    }


def _ordered(differences: Mapping[str, Difference]) -> dict[str, Difference]:
    return {name: differences[name] for name in (OVERALL, *MAGIC_ORDER) if name in differences}


def steps(difference: Difference) -> list[tuple[str, float, float]]:
    """(name, from, to) in tenths: before, then code, scope and ruler one on the other, then after."""
    before, after, parts = rounded(difference.before), rounded(difference.after), difference.shown()
    if before is None or after is None:
        return []
    if parts is None:
        return [("before", before, before), ("after", after, after)]
    level, found = before, [("before", before, before)]
    for name in ("code", "scope", "ruler"):
        found.append((name, level, round(level + parts[name], 1)))
        level = found[-1][2]
    return [*found, ("after", after, after)]


def changed_rules(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rules that came out differently, largest change first: rule, before, after (affected, units), change.

    A rule that looked at more or fewer units and found the same is left out; one that was not asked has None.
    """
    sides = [{outcome["rule"]: outcome for outcome in row["outcomes"]} for row in (before, after)]
    found = []
    for rule in sorted(sides[0].keys() | sides[1].keys()):
        then, now = sides[0].get(rule), sides[1].get(rule)
        counts = [(one["affected"], one["units"]) if one and one["units"] else None for one in (then, now)]
        change = (counts[1][0] if counts[1] else 0) - (counts[0][0] if counts[0] else 0)
        if not change and (counts[0] is None) == (counts[1] is None):
            continue
        found.append({"rule": rule, "before": counts[0], "after": counts[1], "change": change})
    return sorted(found, key=lambda row: (-abs(row["change"]), row["rule"]))


def changed_measures(old: Ruler, new: Ruler) -> list[tuple[str, str, str, str]]:
    """(rule, what, before, after) of everything that judges differently; '' for a rule that one ruler lacks."""
    found = [
        (magic, "weight", str(old.weights.get(magic, "")), str(new.weights.get(magic, "")))
        for magic in sorted(old.weights.keys() | new.weights.keys())
        if old.weights.get(magic) != new.weights.get(magic)
    ]
    for code in sorted(old.rules.keys() | new.rules.keys()):
        then, now = old.rules.get(code), new.rules.get(code)
        for what in ("severity", "tier", "version"):
            left, right = ("" if one is None else str(getattr(one, what)) for one in (then, now))
            if left != right:
                found.append((code, what, left, right))
        limits: Sequence[dict[str, int]] = [{} if one is None else one.limits for one in (then, now)]
        for name in sorted(limits[0].keys() | limits[1].keys()):
            if limits[0].get(name) != limits[1].get(name):
                found.append((code, name, str(limits[0].get(name, "")), str(limits[1].get(name, ""))))
    return found
