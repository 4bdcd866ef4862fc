"""STR010."""

from __future__ import annotations

from collections.abc import Iterator

from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.secrets import (
    LIMITED_KINDS,
    PRIVATE_KEY,
    is_demonstration,
    is_on_purpose,
    secrets,
    with_article,
)
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, Tier
from elder_assets.audit.registry import repository_rule

_OPEN = (FileClass.PRODUCTION, FileClass.CONFIG)


@repository_rule(
    code="STR010",
    severity=Severity.CRITICAL,
    tier=Tier.GATE,
    unit="file",
    cwe=798,
    reads=(secrets,),
    example_path="deploy/settings.py",
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a secret of a known provider that is committed.

    Why: whoever can read the repository, or ever could, can use it.
    Remedy: revoke the secret at its provider first, then read it from the environment or a secret store.
    Source: CWE-798; token formats as the providers document them.
    Limits: only secrets whose structure can be checked (prefix, length, alphabet, checksum, decoded key); passwords
        are out of scope. In tests, examples, documentation, and in repositories whose name says that they demonstrate,
        a token is told as INFO and a private key not at all;
        a key that may be public by design (Google API keys) is INFO too.

    Okay: TOKEN = os.environ["GITHUB_TOKEN"]

    Okay: AWS_ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
    """
    is_shown = is_demonstration(facts.snapshot.repository)
    for file, found in facts.each(secrets, *_OPEN, FileClass.TEST, FileClass.EXAMPLE, FileClass.DOCS):
        yield Checked()
        is_open = file.file_class in _OPEN and not is_on_purpose(file.path)
        for candidate in found.candidates:
            if candidate.kind == PRIVATE_KEY and (is_shown or not is_open):
                continue
            is_told_only = is_shown or not is_open or candidate.kind in LIMITED_KINDS
            yield Found(
                path=file.path,
                line=candidate.line,
                tokens=candidate.tokens,
                unit=file.path,
                severity=Severity.INFO if is_told_only else None,
                message=f"{with_article(candidate.kind)} is committed here",
            )
