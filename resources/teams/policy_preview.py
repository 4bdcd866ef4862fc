"""What another policy would make of a team's repositories: scored again from what is kept, nothing is saved.

Three ways, the first that can give the very result of a later audit of the same commit:
- other weights: the kept scores of the magics are weighed anew;
- other severities or tiers: the kept findings and outcomes are scored anew;
- other limits: the rules judge again by the kept facts of this machine; a file without facts is never read.
A repository for which none can is named with the reason, and counts for no difference.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal

import msgspec

from elder_assets.audit.canary import is_in_canary
from elder_assets.audit.errors import ElderError, SourceError
from elder_assets.audit.judgement import Answer, Judged, Judgement, Weighed, limits_of, verdict_of
from elder_assets.audit.levels import Current, level_of, team_level, weighted_score
from elder_assets.audit.model import Coverage, MagicResult, Severity, Snapshot, Status, Tier, Verdict
from elder_assets.audit.policy import GateTerms, Policy, gate_terms, levels_of, ruler_under
from elder_assets.audit.ruler import Ruler, default_ruler, load_ruler
from elder_assets.audit.scoring import rounded, score_overall
from elder_assets.audit.suppression import Suppression
from elder_assets.audit.team_settings import Change, changes
from resources.audits import judge_opened, open_source, show, terms_for
from resources.git.address import is_address
from resources.git.mirror import mirror_with
from resources.settings import Settings
from resources.store import Store
from resources.teams.standings import standings

SECONDS_MAX = 8.0
"""After so long what is left is named as not tried; chosen by us: longer than people wait for a page."""
GATE_DAYS = 30
GATES_MAX = 200
"""Newest changes of the last days whose gates are looked at."""
SHOWN_CHANGE_MIN = 0.05


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """A repository under one policy."""

    status: str
    score: float | None
    level: str
    missing: str
    """What the next level asks for."""
    magics: dict[str, float | None]


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """A part of what moves a repository."""

    kind: Literal["weights", "rules", "levels"]
    names: tuple[str, ...]
    """Magics whose weight differs, or codes of the rules that judge differently."""
    points: float


class Previewed(msgspec.Struct, frozen=True, kw_only=True):
    """One repository before and after."""

    repository: str
    before: Side
    after: Side
    causes: tuple[Cause, ...] = ()
    """What moved it; the points of all add up to the change."""
    unknown: str = ""
    """Why `after` is not known: then it is as before."""

    @property
    def change(self) -> float | None:
        """Points; None where one side has no score."""
        if self.before.score is None or self.after.score is None:
            return None
        return round(self.after.score - self.before.score, 1)


class GateMoved(msgspec.Struct, frozen=True, kw_only=True):
    """A change that passed its gate, and would fail it."""

    id: int
    repository: str
    change_number: int | None
    title: str
    reason: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What would differ."""

    team: str
    version: int
    """Of the policy that it is compared with; 0 = none."""
    changes: tuple[Change, ...]
    repositories: tuple[Previewed, ...]
    """All of the team's, those that move most first."""
    gates: tuple[GateMoved, ...]
    mean_before: float | None
    mean_after: float | None
    levels_before: dict[str, int]
    levels_after: dict[str, int]
    level_before: str
    """Of the team."""
    level_after: str
    duration_ms: float

    @property
    def moved(self) -> tuple[Previewed, ...]:
        """Repositories that change level or verdict."""
        return tuple(
            one
            for one in self.repositories
            if (one.before.level, one.before.status) != (one.after.level, one.after.status)
        )


class _Scored(msgspec.Struct, frozen=True, kw_only=True):
    """A repository as a ruler and its suppressions leave it."""

    status: Status
    score: Fraction | None
    magics: Mapping[str, tuple[Status, str, Fraction | None, int]]
    """Magic to status, reason, score and open findings."""
    critical: int
    high: int


class _Unknown(Exception):
    """A repository cannot be scored again from what is kept; says why."""


def preview(
    store: Store, settings: Settings, team: str, before: Policy | None, after: Policy, *, version: int = 0
) -> Preview:
    """Score a team's repositories under another policy, and compare with the one that holds.

    Args:
        store: where results are kept.
        settings: where facts and mirrors are.
        team: its key.
        before: the central policy that holds; None where each repository's own file judges.
        after: the central policy to try.
        version: of the policy that holds.

    Raises:
        UnknownRecord: there is no such team.
    """
    started = time.perf_counter()
    own = default_ruler()
    work = _Work(store, settings, team, own, started + SECONDS_MAX)
    repositories = [work.previewed(item, before, after) for item in work.current]
    repositories.sort(key=lambda one: (-abs(one.change or 0.0), one.repository))
    sides = [[one.before for one in repositories], [one.after for one in repositories]]
    means = [_mean(side.score for side in part) for part in sides]
    shares = [
        (policy.scorecard.repositories if policy else Policy(version=1).scorecard.repositories)
        for policy in (before, after)
    ]
    levels = [team_level([side.level for side in part], share) for part, share in zip(sides, shares, strict=True)]
    return Preview(
        team=team,
        version=version,
        changes=tuple(changes(before or Policy(version=1), after, own)),
        repositories=tuple(repositories),
        gates=tuple(_gates(store, team, before, after, own)),
        mean_before=means[0],
        mean_after=means[1],
        levels_before=dict(Counter(side.level for side in sides[0])),
        levels_after=dict(Counter(side.level for side in sides[1])),
        level_before=levels[0],
        level_after=levels[1],
        duration_ms=(time.perf_counter() - started) * 1000,
    )


def _mean(scores: Iterable[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return round(sum(known) / len(known), 1) if known else None


class _Work:
    """What one preview reads once for all repositories."""

    def __init__(self, store: Store, settings: Settings, team: str, own: Ruler, deadline: float) -> None:
        self._store, self._settings, self._own, self._deadline = store, settings, own, deadline
        self._now = store.now()
        self.current = standings(store, team)
        self._rows = {row["repository"]: row for row in store.latest_rows(team)}
        self._urls = {known.key: known.url for known in store.repositories_of(team)}
        self._magics: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        for magic in store.team_magics(team):
            self._magics[magic["repository"]][magic["magic"]] = magic
        self._rulers: dict[str, Ruler] = {}

    def previewed(self, item: Current, before: Policy | None, after: Policy) -> Previewed:
        """One repository under both policies."""
        row = self._rows.get(item.repository)
        if row is None or item.failing_since is not None:
            sides = [self._side(item, item.status, None, policy) for policy in (before, after)]
            return Previewed(repository=item.repository, before=sides[0], after=sides[1])
        try:
            old = self._ruler(row) if before is None else self._under(item.repository, before)
            new = self._under(item.repository, after)
            then, now = self._scored(row, old, before), self._scored(row, new, after)
        except _Unknown as error:
            as_is, after_levels = (self._side(item, item.status, item.score, policy) for policy in (before, after))
            if before is not None and ruler_under(self._own, before) == ruler_under(self._own, after):
                return Previewed(repository=item.repository, before=as_is, after=after_levels)  # only levels differ
            return Previewed(repository=item.repository, before=as_is, after=as_is, unknown=str(error))
        sides = [self._of(item, scored, policy) for scored, policy in ((then, before), (now, after))]
        return self._compared(item, row, (old, new), sides, after)

    def _compared(
        self, item: Current, row: Mapping[str, Any], rulers: tuple[Ruler, Ruler], sides: Sequence[Side], after: Policy
    ) -> Previewed:
        causes = self._causes(row, *rulers, sides, after) if sides[0] != sides[1] else ()
        return Previewed(repository=item.repository, before=sides[0], after=sides[1], causes=causes)

    # --- rulers --------------------------------------------------------------------------------------------

    def _ruler(self, row: Mapping[str, Any]) -> Ruler:
        """The ruler that judged a repository last."""
        digest = row["ruler"]
        if digest not in self._rulers:
            self._rulers[digest] = msgspec.json.decode(self._store.ruler_document(digest), type=Ruler)
        return self._rulers[digest]

    def _under(self, repository: str, policy: Policy) -> Ruler:
        """The ruler that a policy gives a repository; a ruler under trial stands under it as in an audit."""
        file = self._settings.canary_ruler
        if file is None or not is_in_canary(repository, self._settings.canary_share):
            return ruler_under(self._own, policy)
        try:
            return ruler_under(load_ruler(file.read_bytes(), str(file), self._own), policy)
        except (OSError, ElderError) as error:
            raise _Unknown(f"the ruler under trial cannot be read: {error}") from error

    # --- scoring -------------------------------------------------------------------------------------------

    def _scored(self, row: Mapping[str, Any], ruler: Ruler, policy: Policy | None) -> _Scored:
        """A repository's last commit under the ruler of a policy.

        Raises:
            _Unknown: it cannot be told from what is kept.
        """
        if row["status"] == Status.ERROR.value:
            raise _Unknown(f"its last audit is incomplete: {row['reason']}")
        judged_by = self._ruler(row)
        is_current = (
            all(
                code in judged_by.rules and judged_by.rules[code].version == rule.version
                for code, rule in ruler.rules.items()
            )
            and judged_by.rules.keys() == ruler.rules.keys()
        )
        if not is_current or limits_of(judged_by) != limits_of(ruler):
            return self._from_facts(row, ruler, policy)
        held = self._store.suppressed_findings(row["repository_id"]) if row["suppressed"] else []
        has_ended = any((one["suppression"] or {}).get("until", "") < self._now.date().isoformat() for one in held)
        if judged_by.rules == ruler.rules and not has_ended:
            return self._weighed(row, ruler)
        if self._is_clamped(judged_by, ruler):
            return self._from_facts(row, ruler, policy)
        stored = self._store.judged_snapshot(row["snapshot_id"])
        judged = _judged(stored, judged_by, self._own)
        if verdict_of(judged, judged_by).score != (Fraction(exact) if (exact := stored["score_exact"]) else None):
            return self._from_facts(row, ruler, policy)  # what was kept does not give the score that was kept
        return self._from_findings(judged, ruler, held)

    def _is_clamped(self, old: Ruler, new: Ruler) -> bool:
        """Whether the kept severities no longer say how far each finding was from its rule's own severity."""
        return any(
            measure.severity != self._own.rules[code].severity and measure.severity != new.rules[code].severity
            for code, measure in old.rules.items()
        )

    def _weighed(self, row: Mapping[str, Any], ruler: Ruler) -> _Scored:
        """Other weights over the kept scores of the magics."""
        kept = self._magics[row["repository"]]
        results = [
            MagicResult(
                magic=magic["magic"],
                status=Status(magic["status"]),
                reason=magic["reason"],
                score=None if magic["score_exact"] is None else Fraction(magic["score_exact"]),
                weight_share=Fraction(magic["weight_share"]),
                outcomes=(),
                duration_ms=0.0,
            )
            for magic in kept.values()
        ]
        present = [Weighed("", Severity.CRITICAL, Tier.GATE)] if row["critical"] else []
        status, score = Status(row["status"]), None
        if not (status is Status.NOT_APPLICABLE and row["reason"] == "no code"):
            status, _, score = score_overall(results, present, ruler.weights)
        magics = {
            result.magic: (result.status, result.reason, result.score, kept[result.magic]["findings"])
            for result in results
        }
        return _Scored(status=status, score=score, magics=magics, critical=row["critical"], high=row["high"])

    def _from_findings(self, judged: Judged, new: Ruler, held: Sequence[Mapping[str, Any]]) -> _Scored:
        """Other severities and tiers over the kept findings."""
        granted = [
            Suppression(
                rules=(one["rule"],),
                reason=one["suppression"]["reason"],
                until=dt.date.fromisoformat(one["suppression"]["until"]),
                origin="comment",
                path=one["path"],
                fingerprint=one["fingerprint"],
            )
            for one in held
            if one["suppression"]
        ]
        return _of_verdict(show(judged, new, granted, self._now.date()).verdict)

    def _from_facts(self, row: Mapping[str, Any], ruler: Ruler, policy: Policy | None) -> _Scored:
        """Other limits: the rules judge again by facts; whatever would have to be read first is not read."""
        if time.perf_counter() > self._deadline:
            raise _Unknown(f"not tried: the preview ends after {SECONDS_MAX:.0f} seconds")
        repository, commit = row["repository"], row["commit"]
        url = self._urls[repository]
        try:
            if is_address(url) and mirror_with(commit, repository, self._settings.mirrors) is None:
                raise _Unknown("its mirror is not on this machine; the next audit tells")
            opening = open_source(url, self._settings, commit, key=repository, is_fetched=True)
            with opening as opened:
                approved = self._store.approved(repository, list(self._own.rules))
                granted = terms_for(opened, policy, approved).granted
                baseline = self._store.snapshot_baseline(row["snapshot_id"])
                judged = judge_opened(opened, ruler, baseline or None, progress=self._refuse_to_read)
        except SourceError as error:
            raise _Unknown(f"it cannot be read here: {error}") from error
        return _of_verdict(show(judged, ruler, granted, self._now.date()).verdict)

    def _refuse_to_read(self, stage: str, _done: int, total: int) -> None:
        if stage == "files" and total:
            raise _Unknown(f"facts of {total} files are not on this machine; the next audit tells")
        if time.perf_counter() > self._deadline:
            raise _Unknown(f"not finished: the preview ends after {SECONDS_MAX:.0f} seconds")

    # --- sides ---------------------------------------------------------------------------------------------

    def _of(self, item: Current, scored: _Scored, policy: Policy | None) -> Side:
        item = msgspec.structs.replace(item, magics=_plain_magics(scored), critical=scored.critical, high=scored.high)
        return self._side(item, scored.status.value, rounded(scored.score), policy)

    def _side(self, item: Current, status: str, score: float | None, policy: Policy | None) -> Side:
        """A repository as the scorecard shows it: where the team has a policy, by its weights."""
        if policy is not None and score is not None:
            score = weighted_score(item.magics, ruler_under(self._own, policy).weights)
        level, missing = level_of(item, score, levels_of(policy or Policy(version=1)), self._now)
        magics = {name: value for name, (_, _, value, _) in item.magics.items()}
        return Side(status=status, score=score, level=level, missing=missing, magics=magics)

    def _causes(
        self, row: Mapping[str, Any], old: Ruler, new: Ruler, sides: Sequence[Side], after: Policy
    ) -> tuple[Cause, ...]:
        """What moved a repository: weights first, then rules, each with its points."""
        found = []
        between = sides[0].score
        if old.weights != new.weights:
            scored = self._scored(row, msgspec.structs.replace(old, weights=new.weights), after)
            between = weighted_score(_plain_magics(scored), new.weights)
            heavier = [magic for magic, weight in new.weights.items() if weight != old.weights[magic]]
            found.append(Cause(kind="weights", names=tuple(heavier), points=_points(sides[0].score, between)))
        if old.rules != new.rules:
            moved = [code for code, measure in new.rules.items() if measure != old.rules.get(code)]
            found.append(Cause(kind="rules", names=tuple(moved), points=_points(between, sides[1].score)))
        if sides[0].level != sides[1].level and sides[0].score == sides[1].score:
            found.append(Cause(kind="levels", names=(), points=0.0))
        return tuple(cause for cause in found if cause.points or cause.kind == "levels")


def _plain_magics(scored: _Scored) -> dict[str, tuple[str, str, float | None, int]]:
    """Magics as levels are decided on."""
    return {
        name: (status.value, reason, rounded(score), findings)
        for name, (status, reason, score, findings) in scored.magics.items()
    }


def _points(before: float | None, after: float | None) -> float:
    return 0.0 if before is None or after is None else round(after - before, 1)


def _of_verdict(shown: Verdict) -> _Scored:
    gating = [finding.severity for finding in shown.findings if finding.tier is Tier.GATE]
    magics = {magic.magic: (magic.status, magic.reason, magic.score, 0) for magic in shown.magics}
    return _Scored(
        status=shown.status,
        score=shown.score,
        magics=magics,
        critical=gating.count(Severity.CRITICAL),
        high=gating.count(Severity.HIGH),
    )


def _judged(row: Mapping[str, Any], old: Ruler, own: Ruler) -> Judged:
    """What the rules said about a stored snapshot, before it was weighed."""
    answers: dict[str, list[Answer]] = defaultdict(list)
    for finding in row["findings"]:
        severity = Severity(finding["severity"])
        moved = severity.rank - old.rules[finding["rule"]].severity.rank
        declared = own.rules[finding["rule"]].severity
        answers[finding["rule"]].append(
            Answer(
                message="",
                path=finding["path"],
                line=finding["line"],
                symbol="",
                severity=None
                if not moved
                else Severity.INFO
                if severity is Severity.INFO
                else list(Severity)[declared.rank + moved],
                remedy="",
                fingerprint=finding["fingerprint"],
                unit=finding["unit"],
                kin="",
            )
        )
    judgements = tuple(
        Judgement(
            rule=outcome["rule"],
            name="",
            magic=outcome["magic"],
            severity=own.rules[outcome["rule"]].severity,
            remedy="",
            limits=old.rules[outcome["rule"]].limits,
            status=Status(outcome["status"]),
            reason=outcome["reason"],
            units=outcome["units"],
            answers=tuple(answers[outcome["rule"]]),
            duration_ms=0.0,
        )
        for outcome in row["outcomes"]
    )
    return Judged(
        snapshot=Snapshot(
            repository=row["repository"], commit=row["commit"], tree=row["tree"], as_of=row["as_of_seconds"]
        ),
        baseline=row["baseline"] or None,
        coverage=Coverage(eligible=row["eligible_files"], analysed=row["analysed_files"]),
        has_code=not (row["status"] == Status.NOT_APPLICABLE.value and row["reason"] == "no code"),
        magics=tuple(dict.fromkeys(outcome["magic"] for outcome in row["outcomes"])),
        judgements=judgements,
    )


# --- gates -----------------------------------------------------------------------------------------------


def _gates(store: Store, team: str, before: Policy | None, after: Policy, own: Ruler) -> list[GateMoved]:
    """Changes of the last days that passed, and would fail."""
    old = ruler_under(own, before) if before else own
    new = ruler_under(own, after)
    since = store.now() - dt.timedelta(days=GATE_DAYS)
    found = []
    for gate in store.newest_gates(team, since, GATES_MAX):
        if gate["status"] == Status.PASSED.value and (reason := _fails(gate["report"], before, after, (old, new))):
            found.append(
                GateMoved(
                    reason=reason, **{name: gate[name] for name in GateMoved.__struct_fields__ if name != "reason"}
                )
            )
    return found


def _fails(report: Mapping[str, Any], before: Policy | None, after: Policy, rulers: tuple[Ruler, Ruler]) -> str:
    """Why a change that passed would fail; '' where it would not."""
    terms = _terms(report.get("terms", {}), before, after)
    held = {one.get("fingerprint") for one in report.get("suppressed", ())}
    failing = [
        finding["rule"]
        for finding in report.get("new", ())
        if finding.get("fingerprint") not in held and _is_failing(finding, terms, rulers)
    ]
    if failing:
        rules = ", ".join(
            f"{rule} ({number})" if number > 1 else rule for rule, number in sorted(Counter(failing).items())
        )
        return f"new and from {terms.fails_from} up: {rules}"
    if terms.new_suppressions == "refused":
        own = [
            one["rule"]
            for one in report.get("suppressed", ())
            if one.get("suppression", {}).get("origin") == "comment" and _is_failing(one, terms, rulers)
        ]
        if own and report.get("terms", {}).get("new_suppressions") != "refused":
            return f"it brings its own suppressions of {', '.join(sorted(set(own)))}, which would be refused"
    return ""


def _is_failing(finding: Mapping[str, Any], terms: GateTerms, rulers: tuple[Ruler, Ruler]) -> bool:
    old, new = (ruler.rules.get(finding["rule"]) for ruler in rulers)
    if new is None or old is None or new.tier is not Tier.GATE:
        return False
    severity = Severity(finding["severity"])
    rank = min(max(severity.rank + new.severity.rank - old.severity.rank, 0), Severity.INFO.rank)
    return (severity.rank if severity is Severity.INFO else rank) <= terms.fails_from.rank


def _terms(recorded: Mapping[str, Any], before: Policy | None, after: Policy) -> GateTerms:
    """What would fail the change: the stricter of the new policy and of the repository's own file.

    The file's own terms show where they were stricter than the policy that held.
    """
    terms = gate_terms(Policy(version=1), after)
    held = gate_terms(Policy(version=1), before)
    lowest = Severity(recorded.get("fails_from", held.fails_from))
    if lowest.rank > held.fails_from.rank and lowest.rank > terms.fails_from.rank:
        terms = msgspec.structs.replace(terms, fails_from=lowest)
    if recorded.get("new_suppressions") == "refused" and held.new_suppressions != "refused":
        terms = msgspec.structs.replace(terms, new_suppressions="refused")
    return terms
