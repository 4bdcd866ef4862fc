"""Regular expressions that are compiled when they are first used.

The core has more than two hundred; compiling them is a third of its start, and most audits after a push need few.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Lazy:
    """Stands for a compiled pattern; its first use puts the pattern's own methods in its place."""

    def __init__(self, text: str | bytes, flags: int) -> None:
        self._lazy = (text, flags)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        compiled: re.Pattern[Any] = re.compile(*self._lazy)
        for method in ("search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split"):
            self.__dict__[method] = getattr(compiled, method)
        for value in ("pattern", "flags", "groups", "groupindex"):
            self.__dict__[value] = getattr(compiled, value)
        return self.__dict__[name]


def regex(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """A regular expression, compiled at its first use. A wrong one is found by `tests/audit/test_patterns.py`."""
    return cast("re.Pattern[AnyStr]", _Lazy(text, flags))
