"""The catalogue refuses loudly; every test loads a small package of its own from a temporary folder."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from elder_assets.audit.errors import CatalogueError
from elder_assets.audit.former_codes import FORMER_CODES
from elder_assets.audit.model import Severity, Tier
from elder_assets.audit.registry import Catalogue, catalogue, load_catalogue

MAGIC = 'from elder_assets.audit.registry import Magic\nMAGIC = Magic("{name}", "{prefix}", "T", "Q?")\n'
RULE = """
from elder_assets.audit.model import Severity, Tier
from elder_assets.audit.registry import file_rule

@file_rule(code="{code}", severity=Severity.LOW, tier=Tier.GATE, unit="file", reads=())
def check(file{limits}):
    \"\"\"Flag nothing.\"\"\"
    yield from ()
"""

Load = Callable[[dict[str, str]], Catalogue]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.syspath_prepend(str(tmp_path))

    def build(files: dict[str, str]) -> Catalogue:
        package = f"magics_{abs(hash(str(sorted(files.items()))))}"
        for name, text in {"__init__.py": "", **files}.items():
            path = tmp_path / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        return load_catalogue(package, [str(tmp_path / package)])

    yield build
    for name in [name for name in sys.modules if name.startswith("magics_")]:
        del sys.modules[name]


def magic(name: str = "git", prefix: str = "GIT") -> str:
    return MAGIC.format(name=name, prefix=prefix)


def rule(code: str = "GIT001", limits: str = "") -> str:
    return RULE.format(code=code, limits=limits)


def test_a_rule_is_named_after_its_file(load: Load):
    loaded = load({"git/__init__.py": magic(), "git/lost_commit.py": rule()})
    assert [(r.code, r.name, r.magic, r.tier) for r in loaded.rules] == [("GIT001", "lost-commit", "git", Tier.GATE)]


def test_keyword_only_integers_are_limits(load: Load):
    loaded = load({"git/__init__.py": magic(), "git/lost.py": rule(limits=", *, lines_max: int = 100")})
    assert loaded.rules[0].limits == {"lines_max": 100}


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        pytest.param({"git/a.py": rule(), "git/b.py": rule()}, "rule code used twice: GIT001", id="code twice"),
        pytest.param({"git/a.py": rule("TDD001")}, "is not GIT and three digits", id="foreign prefix"),
        pytest.param({"git/a.py": rule("GIT1")}, "is not GIT and three digits", id="short code"),
        pytest.param({"git/a.py": "import no_such_module_at_all"}, "does not load", id="import error"),
        pytest.param({"git/a.py": "def f(:\n"}, "does not load", id="syntax error"),
        pytest.param({"git/a.py": "x = 1"}, "must hold one rule, holds 0", id="no rule"),
        pytest.param({"git/a.py": rule(limits=", *, x='y'")}, "limits must be keyword-only integers", id="limit"),
        pytest.param({"flow/__init__.py": "", "flow/a.py": rule("FLW001")}, "no MAGIC", id="no magic"),
        pytest.param({"old/__init__.py": magic("old"), "old/a.py": rule()}, "magic prefix used twice", id="prefix"),
    ],
)
def test_a_broken_catalogue_does_not_load_at_all(load: Load, files: dict[str, str], reason: str):
    with pytest.raises(CatalogueError, match=reason):
        load({"git/__init__.py": magic(), **files})


def test_the_real_catalogue_has_eight_magics_and_every_rule_in_its_place():
    real = catalogue()
    assert [m.name for m in real.magics] == [
        "integrity", "tdd", "flow", "sages", "git", "servant", "strict", "predictive",
    ]  # fmt: skip
    prefixes = {m.name: m.prefix for m in real.magics}
    assert all(r.code.startswith(prefixes[r.magic]) for r in real.rules)
    assert all(isinstance(r.severity, Severity) for r in real.rules)


BORN = 'code="{code}", birth_code="{born}"'


def test_a_renamed_rule_loads_when_the_table_leads_from_its_birth_code(load: Load, monkeypatch: pytest.MonkeyPatch):
    renamed = rule("GIT009").replace('code="GIT009"', BORN.format(code="GIT009", born="GIT001"))
    files = {"git/__init__.py": magic(), "git/lost.py": renamed}
    with pytest.raises(CatalogueError, match="GIT009 was born as GIT001, which FORMER_CODES does not say"):
        load(files)
    monkeypatch.setitem(FORMER_CODES, "GIT001", "GIT009")
    assert [(r.code, r.birth_code) for r in load(files).rules] == [("GIT009", "GIT001")]


def test_a_retired_code_is_never_used_again(load: Load, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(FORMER_CODES, "GIT001", "GIT009")
    with pytest.raises(CatalogueError, match="a retired rule code is used again: GIT001"):
        load({"git/__init__.py": magic(), "git/lost.py": rule("GIT001")})
