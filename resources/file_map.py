"""The files of an audited commit as the store keeps them for the map of a repository."""

from __future__ import annotations

import msgspec

from elder_assets.audit.facts.hotspots import hotspots
from elder_assets.audit.facts.owners import declared_owners
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import CODE_CLASSES
from resources.store.findings import FileNow


def files_of(facts: RepositoryFacts) -> tuple[FileNow, ...]:
    """Files that people wrote, with what makes some of them hotspots."""
    hot = {spot.path: spot for spot in facts.derive(hotspots)}
    declared = facts.derive(declared_owners)
    found = []
    for file in facts.files:
        spot = hot.get(file.path)
        if file.file_class in CODE_CLASSES:
            made = FileNow(path=file.path, size_bytes=file.size)
            if spot is not None:
                made = msgspec.structs.replace(
                    made,
                    changes=spot.changes,
                    cognitive=spot.cognitive,
                    authors=spot.authors,
                    main_share=spot.main_share,
                    declared_owners=declared.of(file.path),
                )
            found.append(made)
    return tuple(found)
