"""GIT006."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.secrets import LIMITED_KINDS, PRIVATE_KEY, is_demonstration, secrets, with_article
from elder_assets.audit.model import Checked, Found, NotAvailable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule


@repository_rule(
    code="GIT006",
    severity=Severity.CRITICAL,
    tier=Tier.GATE,
    unit="path",
    cwe=798,
    reads=(secrets,),
    evidence="H",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a secret that an earlier commit holds and the audited tree no longer does.

    Why: deleting a line does not delete it from the history; every clone still carries the secret.
    Remedy: revoke the secret at its provider; rewriting the history is optional once it is worthless.
    Source: CWE-798; token formats as the providers document them.
    Limits: the same detectors as STR010. Paths of tests, examples, documentation, vendored and generated files, and
        kinds that may be public by design, are passed over. Units are the paths that ever were.
    """
    if facts.history.unavailable:
        yield NotAvailable(facts.history.unavailable)
        return
    is_shown = is_demonstration(facts.snapshot.repository)
    known = {candidate.digest for _, found in facts.each(secrets) for candidate in found.candidates}
    in_tree = {entry.oid for entry in facts.entries}
    yield Checked(facts.history_secrets.paths)
    for held in facts.history_secrets.held:
        if held.oid in in_tree:
            continue
        for candidate in held.secrets.candidates:
            if candidate.kind in LIMITED_KINDS or (is_shown and candidate.kind == PRIVATE_KEY):
                continue
            if candidate.digest not in known:
                known.add(candidate.digest)
                yield Found(
                    path=held.path,
                    tokens=candidate.tokens,
                    unit=held.path,
                    message=f"the history still holds {with_article(candidate.kind)}: line {candidate.line} of this "
                    f"file as commit {held.commit[:12]} left it (blob {held.oid[:12]})",
                )
