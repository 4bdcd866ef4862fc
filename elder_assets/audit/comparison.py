"""Why two scores differ: changed code, changed scope, changed ruler; the three parts add up exactly (decision D16).

In this order: first the rules that judged both snapshots take their new pass rates (code), then rules that judge only
one of them leave or come (scope: a language, a manifest or a history appeared or went), then the ruler is exchanged.
Unrounded fractions; shown in tenths, rounded by largest remainder so that the shown parts add up to the shown whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

import msgspec

from elder_assets.audit.judgement import Point, score_point
from elder_assets.audit.ruler import Ruler
from elder_assets.audit.scoring import JUDGED

OVERALL = ""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One score before and after, in points of 100, and what moved it; the parts are None where a score is missing."""

    before: Fraction | None
    after: Fraction | None
    code: Fraction | None
    scope: Fraction | None
    ruler: Fraction | None

    def shown(self) -> dict[str, float] | None:
        """The parts in tenths; they add up to the difference in tenths. None where there are none."""
        if self.before is None or self.after is None or self.code is None:
            return None
        parts = {"code": self.code, "scope": self.scope or Fraction(0), "ruler": self.ruler or Fraction(0)}
        tenths = {name: math.floor(part * 10) for name, part in parts.items()}
        left = round((self.after - self.before) * 10) - sum(tenths.values())
        by_remainder = sorted(parts, key=lambda name: (tenths[name] - parts[name] * 10, name))
        for name in by_remainder[:left]:
            tenths[name] += 1
        return {name: value / 10 for name, value in tenths.items()}


def compare(
    before: Point, after: Point, ruler: Ruler, *, new_ruler: Ruler | None = None, after_under_new: Point | None = None
) -> dict[str, Difference]:
    """Differences by magic, and of the whole under ''.

    Args:
        before: the earlier point, judged by the limits of `ruler`.
        after: the later point, judged by the same limits.
        ruler: what scored the earlier point.
        new_ruler: what scored the later one, when it is another.
        after_under_new: the later point judged by the limits of `new_ruler`, when they differ.
    """
    stages = [
        _scores(before, ruler),
        _scores(_same_scope(before, after), ruler),
        _scores(after, ruler),
        _scores(after_under_new or after, new_ruler or ruler),
    ]
    names = dict.fromkeys(name for stage in stages for name in stage)
    return {name: _difference([stage.get(name) for stage in stages]) for name in names}


def _scores(point: Point, ruler: Ruler) -> Mapping[str, Fraction | None]:
    scored = score_point(point, ruler)
    return {OVERALL: scored.score, **{magic.magic: magic.score for magic in scored.magics}}


def _same_scope(before: Point, after: Point) -> Point:
    """The later pass rates of the rules that judged both; the others as they were."""
    now = {tally.rule: tally for tally in after.tallies}
    tallies = []
    for tally in before.tallies:
        later = now.get(tally.rule)
        is_in_both = later is not None and later.status in JUDGED and tally.status in JUDGED
        tallies.append(later if later is not None and is_in_both else tally)
    return msgspec.structs.replace(before, tallies=tuple(tallies))


def _difference(scores: list[Fraction | None]) -> Difference:
    before, same_scope, same_ruler, after = scores
    if before is None or same_scope is None or same_ruler is None or after is None:
        return Difference(before=before, after=after, code=None, scope=None, ruler=None)
    return Difference(
        before=before,
        after=after,
        code=same_scope - before,
        scope=same_ruler - same_scope,
        ruler=after - same_ruler,
    )
