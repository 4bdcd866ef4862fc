"""INT009: each ecosystem once right, once wrong, and what cannot be compared."""

from __future__ import annotations

import pytest

from elder_assets.audit.testing import MemorySource, run_rule


def messages(files: dict[str, str]) -> list[str]:
    outcome, findings = run_rule("INT009", MemorySource(files))
    assert outcome.status.value in {"finding", "pass", "not applicable"}, outcome.reason
    return [finding.message for finding in findings]


UV = 'version = 1\n[[package]]\nname = "shop"\nsource = {{ virtual = "." }}\n\n[[package]]\nname = "{}"\nversion = "{}"\n'
POETRY = '[tool.poetry.dependencies]\nhttpx = "^0.27"\n'
CARGO = '[package]\nname = "shop"\n[dependencies]\nserde = "1.0.100"\n'
CARGO_LOCK = (
    '[[package]]\nname = "shop"\nversion = "0.1.0"\n\n[[package]]\nname = "{}"\nversion = "{}"\nsource = "registry+x"\n'
)
PNPM = "importers:\n  .:\n    dependencies:\n      {}:\n        specifier: ^1.0.0\n        version: {}\npackages:\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"pyproject.toml": '[project]\nname = "shop"\ndependencies = ["requests>=2.30"]\n', "uv.lock": UV.format("requests", "2.28.1")},
            ["requests (>=2.30) is declared, but uv.lock holds 2.28.1"],
        ),
        ({"pyproject.toml": POETRY, "poetry.lock": '[[package]]\nname = "httpx"\nversion = "0.28.0"\n'}, ["httpx (^0.27) is declared, but poetry.lock holds 0.28.0"]),
        ({"pyproject.toml": POETRY, "poetry.lock": '[[package]]\nname = "rich"\nversion = "1.0"\n'}, ["httpx (^0.27) is declared, but poetry.lock does not hold it"]),
        ({"Cargo.toml": CARGO, "Cargo.lock": CARGO_LOCK.format("serde", "1.0.99")}, ["serde (1.0.100) is declared, but Cargo.lock holds 1.0.99"]),
        ({"package.json": '{"dependencies": {"a": "^1.1.0"}}', "pnpm-lock.yaml": PNPM.format("a", "1.0.0")}, ["a (^1.1.0) is declared, but pnpm-lock.yaml holds 1.0.0"]),
        ({"package.json": '{"dependencies": {"b": "^1.1.0"}}', "pnpm-lock.yaml": PNPM.format("a", "1.0.0")}, ["b (^1.1.0) is declared, but pnpm-lock.yaml does not hold it"]),
        ({"package.json": '{"dependencies": {"a": "^2.0.0"}}', "yarn.lock": 'a@^1.0.0:\n  version "1.0.0"\n'}, ["a (^2.0.0) is declared, but yarn.lock holds 1.0.0"]),
        (
            {"go.mod": "module x.org/s\nrequire x.org/a v1.1.0\n", "go.sum": "x.org/a v1.0.0 h1:x=\n"},
            ["x.org/a (v1.1.0) is declared, but go.sum has no sum for this version"],
        ),
        (
            {"Gemfile": 'gem "rails", "~> 7.1"\n', "Gemfile.lock": "GEM\n  specs:\n    rails (7.0.8)\n\nDEPENDENCIES\n  rails (~> 7.0)\n"},
            ["rails (~> 7.1) is declared, but Gemfile.lock holds 7.0.8"],
        ),
    ],
    ids=["uv", "poetry range", "poetry missing", "cargo", "pnpm range", "pnpm missing", "yarn", "go", "bundler"],
)  # fmt: skip
def test_a_disagreement_is_found(files: dict[str, str], expected: list[str]):
    assert messages(files) == expected


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": '[project]\nname = "shop"\ndependencies = ["Requests[socks]>=2.30"]\n', "uv.lock": UV.format("requests", "2.31.0")},
        {"pyproject.toml": '[project]\nname = "shop"\ndependencies = ["x; sys_platform == \'win32\'"]\n', "uv.lock": UV.format("y", "1")},
        {"pyproject.toml": '[project]\nname = "other"\ndependencies = ["x"]\n', "sub/uv.lock": UV.format("y", "1")},
        {"Cargo.toml": CARGO, "Cargo.lock": CARGO_LOCK.format("serde", "1.0.200")},
        {"package.json": '{"dependencies": {"a": "workspace:*", "b": "latest"}}', "package-lock.json": '{"packages": {"": {}, "node_modules/b": {"version": "9.0.0"}}}'},
        {"package.json": '{"dependencies": {"a": "^2.0.0"}, "overrides": {"a": "1.0.0"}}', "package-lock.json": '{"packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}'},
        {"package.json": '{"dependencies": {"a": "^1.0.0"}}', "pnpm-lock.yaml": PNPM.format("a", "2.0.0")},
        {"package.json": '{"workspaces": ["packages/*"]}', "packages/p/package.json": '{"name": "p"}', "packages/q/package.json": '{"dependencies": {"p": "^3.0.0"}}', "yarn.lock": 'z@^1.0.0:\n  version "1.0.0"\n'},
        {"go.mod": "module x.org/s\nrequire x.org/a v1.1.0\nreplace x.org/a => ../a\n", "go.sum": ""},
        {"Gemfile": 'if ENV["X"]\n  gem "pry"\nend\n', "Gemfile.lock": "GEM\n\nDEPENDENCIES\n  rails\n"},
        {"examples/package.json": '{"dependencies": {"a": "^2.0.0"}}', "examples/package-lock.json": '{"packages": {"": {}}}'},
    ],
    ids=["uv", "marker", "other project", "cargo", "no ranges", "override", "locked specifier", "workspace", "replace", "if", "example"],
)  # fmt: skip
def test_what_agrees_or_cannot_be_compared_passes(files: dict[str, str]):
    assert messages(files) == []
