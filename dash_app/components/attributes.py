"""`aria-*` and `data-*` attributes, which Python cannot name as arguments."""

from __future__ import annotations

from typing import Any


def attributes(**values: Any) -> dict[str, Any]:
    """`aria_label=...` as `aria-label`, `data_path=...` as `data-path`; what is None is left out."""
    return {name.replace("_", "-"): value for name, value in values.items() if value is not None}
