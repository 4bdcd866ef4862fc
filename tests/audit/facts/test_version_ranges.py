"""Ranges by the documents of each ecosystem: node-semver's README, the Cargo book, PEP 440, Poetry, RubyGems."""

from __future__ import annotations

import pytest

from elder_assets.audit.facts.version_ranges import (
    cargo_satisfies,
    gem_satisfies,
    npm_satisfies,
    poetry_satisfies,
    python_satisfies,
)


@pytest.mark.parametrize(
    ("version", "spec", "expected"),
    [
        ("1.2.3", "", True),
        ("1.2.3", "*", True),
        ("1.2.3-alpha", "*", False),
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "v1.2.3", True),
        ("1.2.3+build.5", "=1.2.3", True),
        ("1.2.4", "1.2.3", False),
        # caret: the leftmost number that is not zero stays
        ("1.9.9", "^1.2.3", True),
        ("2.0.0", "^1.2.3", False),
        ("0.2.9", "^0.2.3", True),
        ("0.3.0", "^0.2.3", False),
        ("0.0.4", "^0.0.3", False),
        ("0.0.9", "^0.0.x", True),
        ("0.9.0", "^0.x", True),
        ("1.2.3-beta.4", "^1.2.3-beta.2", True),
        ("1.2.4-beta.2", "^1.2.3-beta.2", False),
        ("2.0.0-rc.1", "^1.2.3", False),
        # tilde
        ("1.2.9", "~1.2.3", True),
        ("1.3.0", "~1.2.3", False),
        ("1.9.0", "~1", True),
        ("1.3.0", "~1.2", False),
        # hyphen and x-ranges
        ("2.3.9", "1.2.3 - 2.3", True),
        ("2.4.0", "1.2.3 - 2.3", False),
        ("2.3.5", "1.2.3 - 2.3.4", False),
        ("1.5.0", "1.x", True),
        ("1.2.9", "1.2.*", True),
        ("2.0.0", "1.X", False),
        # several
        ("1.5.0", ">=1.2.0 <2.0.0", True),
        ("2.0.0", ">= 1.2.0 < 2.0.0", False),
        ("3.1.0", "^1.0.0 || ^3.0.0", True),
        ("2.1.0", "^1.0.0||^3.0.0", False),
        ("2.0.0", ">1", True),
        ("1.9.0", ">1", False),
        ("1.2.9", "<=1.2", True),
        # what no version answers
        ("1.2.3", "latest", None),
        ("1.2.3", "workspace:*", None),
        ("1.2.3", "npm:other@^1.0.0", None),
        ("1.2.3", "git+ssh://host/x.git", None),
        ("1.2.3", "file:../x", None),
        ("next", "^1.0.0", None),
    ],
)
def test_npm(version: str, spec: str, expected: bool | None):
    assert npm_satisfies(version, spec) is expected


@pytest.mark.parametrize(
    ("version", "spec", "expected"),
    [
        ("1.9.0", "1.2.3", True),
        ("2.0.0", "1.2.3", False),
        ("0.2.9", "0.2", True),
        ("0.3.0", "0.2", False),
        ("0.9.0", "0", True),
        ("1.2.9", "=1.2", True),
        ("1.2.3", "=1.2.4", False),
        ("1.2.9", "~1.2.3", True),
        ("1.3.0", ">=1.2, <1.3", False),
        ("1.5.0", ">= 1.2, < 1.8", True),
        ("1.5.0", "*", True),
        ("1.5.0", "1.*", True),
        ("1.0.0-alpha.2", "1.0.0-alpha.1", True),
        ("1.0.0", "nonsense", None),
    ],
)
def test_cargo(version: str, spec: str, expected: bool | None):
    assert cargo_satisfies(version, spec) is expected


@pytest.mark.parametrize(
    ("version", "spec", "expected"),
    [
        ("2.31.0", "^2.28", True),
        ("3.0.0", "^2.28", False),
        ("0.3.0", "^0.2.1", False),
        ("0.0.4", "^0.0.3", False),
        ("0.9", "^0", True),
        ("1.2.9", "~1.2.3", True),
        ("1.9", "~1", True),
        ("2.0", "~1", False),
        ("1.2.7", "1.2.*", True),
        ("1.2.7", "==1.2.*", True),
        ("1.2.7", "1.2.7", True),
        ("1.2.8", "1.2.7", False),
        ("4.1", ">=1,<2 || >=4", True),
        ("2.0.0rc1", "^2.0.0b1", True),
        ("1.0", "*", True),
        ("1.0", "~=1.0", True),
        ("1.0", "@latest", None),
    ],
)
def test_poetry(version: str, spec: str, expected: bool | None):
    assert poetry_satisfies(version, spec) is expected


def test_python_takes_locked_pre_releases_and_local_versions():
    assert python_satisfies("2.0rc1", ">=1.0") is True
    assert python_satisfies("2.1.0+cpu", "==2.1.0") is True
    assert python_satisfies("1.4", ">=1.5,<2") is False
    assert python_satisfies("1.4", "nonsense") is None


@pytest.mark.parametrize(
    ("version", "requirements", "expected"),
    [
        ("1.9.0", ["~> 1.2"], True),
        ("2.0.0", ["~> 1.2"], False),
        ("1.2.9", ["~> 1.2.3"], True),
        ("1.3.0", ["~> 1.2.3"], False),
        ("1.10.0", [">= 1.9", "< 2"], True),
        ("1.0.0", ["= 1.0"], True),
        ("1.0.0", ["!= 1.0"], False),
        ("2.0.0.rc1", ["~> 1.9"], False),
        ("2.0.0.rc1", [">= 2.0.0.beta1"], True),
        ("2.0.0.rc1", [">= 2.0.0"], False),
        ("1.0.0", ["#{version}"], None),
    ],
)
def test_gems(version: str, requirements: list[str], expected: bool | None):
    assert gem_satisfies(version, requirements) is expected
