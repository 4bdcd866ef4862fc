"""The files of an audited commit as the store keeps them for the map of a repository."""

from __future__ import annotations

from elder_assets.audit.facts.hotspots import hotspots
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import CODE_CLASSES
from resources.store.findings import FileNow


def files_of(facts: RepositoryFacts) -> tuple[FileNow, ...]:
    """Files that people wrote, with what makes some of them hotspots."""
    hot = {spot.path: spot for spot in facts.derive(hotspots)}
    found = []
    for file in facts.files:
        spot = hot.get(file.path)
        if file.file_class in CODE_CLASSES:
            known = (
                {} if spot is None else {"changes": spot.changes, "cognitive": spot.cognitive, "authors": spot.authors}
            )
            found.append(FileNow(path=file.path, size_bytes=file.size, **known))
    return tuple(found)
