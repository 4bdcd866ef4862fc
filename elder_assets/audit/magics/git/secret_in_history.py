"""GIT006."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.secrets import LIMITED_KINDS, is_on_purpose, secrets, with_article
from elder_assets.audit.facts.source_tree import class_of_path
from elder_assets.audit.model import Checked, FileClass, Found, NotAvailable, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule

_OPEN = (FileClass.PRODUCTION, FileClass.CONFIG)


@repository_rule(
    code="GIT006",
    severity=Severity.CRITICAL,
    tier=Tier.GATE,
    unit="file",
    cwe=798,
    reads=(secrets,),
    history_reads=(secrets,),
    evidence="H",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a secret that an earlier commit holds and the audited tree no longer does.

    Why: deleting a line does not delete it from the history; every clone still carries the secret.
    Remedy: revoke the secret at its provider; rewriting the history is optional once it is worthless.
    Source: CWE-798; token formats as the providers document them.
    Limits: the same detectors as STR010. Paths of tests, examples, documentation, vendored and generated files, and
        kinds that may be public by design, are passed over; so are blobs whose path is not known.
    """
    if facts.history.unavailable:
        yield NotAvailable(facts.history.unavailable)
        return
    known = {candidate.digest for _, found in facts.each(secrets) for candidate in found.candidates}
    yield Checked(len({blob.path for blob, _ in facts.each_in_history(secrets) if _is_open(blob.path)}))
    for blob, found in sorted(facts.each_in_history(secrets), key=lambda row: (row[0].path, row[0].size, row[0].oid)):
        for candidate in found.candidates if _is_open(blob.path) else ():
            if candidate.kind not in LIMITED_KINDS and candidate.digest not in known:
                known.add(candidate.digest)
                yield Found(
                    path=blob.path,
                    tokens=candidate.tokens,
                    unit=blob.path,
                    message=f"the history still holds {with_article(candidate.kind)}: "
                    f"line {candidate.line} of this file as blob {blob.oid[:12]}",
                )


def _is_open(path: str) -> bool:
    return path != "" and class_of_path(path) in _OPEN and not is_on_purpose(path)
