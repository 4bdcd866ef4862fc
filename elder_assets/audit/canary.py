"""Which repositories a new ruler judges first. Pure: a repository's key and a share decide, nothing is kept.

A place is a repository's for good, so raising the share only adds repositories and lowering it only takes the last
ones out; share 0 is the undo.
"""

from __future__ import annotations

import hashlib

PLACES = 100
SALT = b"elder canary 1\n"
"""Another salt would put other repositories first; it stays, so that a share always means the same ones."""


def canary_place(repository: str) -> int:
    """Where a repository stands in the queue for a new ruler, 0-99, evenly spread by sha256 of its key."""
    digest = hashlib.sha256(SALT + repository.encode()).digest()
    return int.from_bytes(digest[:8], "big") * PLACES >> 64


def is_in_canary(repository: str, share_pct: int) -> bool:
    """Whether the new ruler judges a repository when it judges a share of all, 0-100 %."""
    return canary_place(repository) < share_pct
