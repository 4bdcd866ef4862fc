"""Small manifests and locks of each ecosystem, worked out by hand."""

from __future__ import annotations

from elder_assets.audit.engine import collect
from elder_assets.audit.facts.extraction import MemoryFactStore
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.locks import Lock, lock
from elder_assets.audit.facts.manifests import Manifest, manifests, matches_member
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.facts.source_tree import LOCK_FILES
from elder_assets.audit.registry import catalogue
from elder_assets.audit.testing import MemorySource, only


def facts_of(files: dict[str, str]) -> RepositoryFacts:
    return collect(MemorySource(files), MemoryFactStore(), rules=only(catalogue().rule("INT009")))


def manifest_of(path: str, text: str) -> Manifest:
    (manifest,) = manifests(facts_of({path: text}))
    return manifest


def rows(manifest: Manifest) -> list[tuple[str, str, int, str, bool, bool]]:
    return [(r.name, r.spec, r.line, r.group, r.is_conditional, r.is_comparable) for r in manifest.requirements]


def lock_of(name: str, text: str) -> Lock:
    return lock(Blob(text.encode(), LOCK_FILES[name]))


def packages(found: Lock) -> list[tuple[str, str, str]]:
    return [(package.name, package.version, package.source) for package in found.packages]


# --- manifests ---------------------------------------------------------------------------------------------


def test_pep_621_and_groups():
    text = """\
[project]
name = "My.Shop"
dependencies = [
    "Requests>=2.30,<3",
    'tomli; python_version < "3.11"',
    "here @ file:///x",
]
[project.optional-dependencies]
cli = ["click"]
[dependency-groups]
test = ["pytest>=8", {include-group = "x"}]
[tool.uv.sources]
click = { git = "https://host.invalid/click" }
"""
    manifest = manifest_of("pyproject.toml", text)
    assert manifest.name == "my-shop"
    assert rows(manifest) == [
        ("requests", "<3,>=2.30", 4, "", False, True),
        ("tomli", "", 5, "", True, True),
        ("here", "", 6, "", False, False),
        ("click", "", 9, "cli", False, True),
        ("pytest", ">=8", 11, "test", False, True),
    ]
    assert manifest.overridden == {"click"}
    assert manifest.tools == {"uv"}


def test_poetry_groups():
    text = """\
[tool.poetry.dependencies]
python = "^3.11"
httpx = "^0.27"
rich = { version = "^13", optional = true }
own = { path = "../own" }
[tool.poetry.group.dev.dependencies]
numpy = [{ version = "^1", python = "<3.12" }, { version = "^2", python = ">=3.12" }]
"""
    assert rows(manifest_of("pyproject.toml", text)) == [
        ("httpx", "^0.27", 3, "", False, True),
        ("rich", "^13", 4, "", True, True),
        ("own", "", 5, "", False, False),
        ("numpy", "", 7, "dev", True, False),
    ]


def test_package_json():
    text = """\
{
  "name": "shop",
  "dependencies": {
    "a": "^1.0.0",
    "b": "workspace:*",
    "c": "github-user/repository"
  },
  "optionalDependencies": {"d": "~2.0.0"},
  "resolutions": {"**/e": "1.0.0", "f/@s/g": "2.0.0"}
}
"""
    manifest = manifest_of("package.json", text)
    assert rows(manifest) == [
        ("a", "^1.0.0", 4, "", False, True),
        ("b", "workspace:*", 5, "", False, False),
        ("c", "github-user/repository", 6, "", False, False),
        ("d", "~2.0.0", 8, "optionalDependencies", True, True),
    ]
    assert {"e", "@s/g"} <= manifest.overridden


def test_cargo_inheritance_and_renames():
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["a"]\n[workspace.dependencies]\nserde = "1.0"\n[patch.crates-io]\nrand = { git = "x" }\n',
        "a/Cargo.toml": (
            '[package]\nname = "a"\n[dependencies]\nserde = { workspace = true }\n'
            'old = { package = "new", version = "2" }\nb = { path = "../b", version = "1" }\n'
            '[target."cfg(unix)".dependencies]\nlibc = "0.2"\n'
        ),
    }
    manifest = next(m for m in manifests(facts_of(files)) if m.folder == "a")
    assert rows(manifest) == [
        ("serde", "1.0", 4, "", False, True),
        ("new", "2", 5, "", False, True),
        ("b", "1", 6, "", False, False),
        ("libc", "0.2", 8, "target dependencies", False, True),
    ]
    assert "rand" in manifest.overridden


def test_go_mod():
    text = """\
module example.org/shop

require example.org/one v1.2.3
require (
\texample.org/two/v2 v2.0.0
\texample.org/three v0.1.0 // indirect
)
replace example.org/one => ../one
"""
    manifest = manifest_of("go.mod", text)
    assert rows(manifest) == [
        ("example.org/one", "v1.2.3", 3, "", False, True),
        ("example.org/two/v2", "v2.0.0", 5, "", False, True),
    ]
    assert manifest.overridden == {"example.org/one"}


def test_gemfile():
    text = """\
source "https://rubygems.org"
gem "rails", "~> 7.1", ">= 7.1.2"
gem 'puma', require: false # fast
group :test do
  gem "rspec"
end
if ENV["X"]
  gem "pry"
end
gem "own", path: "own"
gem "late", VERSION
gem "here", "1.0" if RUBY_VERSION > "3"
"""
    assert rows(manifest_of("Gemfile", text)) == [
        ("rails", "~> 7.1, >= 7.1.2", 2, "", False, True),
        ("puma", "", 3, "", False, True),
        ("rspec", "", 5, "", False, True),
        ("pry", "", 8, "", True, True),
        ("own", "", 10, "", False, False),
        ("late", "", 11, "", False, False),
        ("here", "1.0", 12, "", True, True),
    ]


def test_workspace_patterns():
    assert matches_member("packages/*", "packages/a")
    assert not matches_member("packages/*", "packages/a/b")
    assert matches_member("packages/**", "packages/a/b")
    assert matches_member("./app/", "app")


# --- locks -------------------------------------------------------------------------------------------------


def test_npm_locks_of_both_shapes():
    old = '{"lockfileVersion": 1, "dependencies": {"a": {"version": "1.0.0"}, "b": {"version": "git+ssh://x#1"}}}'
    assert packages(lock_of("package-lock.json", old)) == [
        ("node_modules/a", "1.0.0", ""),
        ("node_modules/b", "", "git"),
    ]
    new = (
        '{"lockfileVersion": 3, "packages": {"": {}, "packages/x": {}, "node_modules/x": {"link": true},'
        ' "node_modules/y": {"name": "z", "version": "2.0.0"}, "packages/x/node_modules/a": {"version": "3.0.0"}}}'
    )
    found = lock_of("package-lock.json", new)
    assert [importer.folder for importer in found.importers] == [".", "packages/x"]
    assert packages(found) == [
        ("node_modules/x", "", "link"),
        ("node_modules/y", "2.0.0", "alias"),
        ("packages/x/node_modules/a", "3.0.0", ""),
    ]


def test_yarn_locks_of_both_kinds():
    classic = '# yarn lockfile v1\n\n\n"@s/a@^1.0.0", "@s/a@^1.1.0":\n  version "1.2.0"\n\nb@2.x:\n  version "2.1.0"\n'
    assert packages(lock_of("yarn.lock", classic)) == [
        ("@s/a", "1.2.0", "^1.0.0"), ("@s/a", "1.2.0", "^1.1.0"), ("b", "2.1.0", "2.x"),
    ]  # fmt: skip
    berry = (
        '__metadata:\n  version: 8\n\n"a@npm:^1.0.0, a@npm:^1.1.0":\n  version: 1.2.0\n  resolution: "a@npm:1.2.0"\n'
    )
    assert packages(lock_of("yarn.lock", berry)) == [("a", "1.2.0", "^1.0.0"), ("a", "1.2.0", "^1.1.0")]


def test_pnpm_locks_old_and_new():
    old = "lockfileVersion: 5.4\nspecifiers:\n  a: ^1.0.0\ndependencies:\n  a: 1.2.0_react@18.0.0\npackages:\n  /a/1.2.0: {}\n"
    new = (
        "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      a:\n        specifier: ^1.0.0\n"
        "        version: 1.2.0(react@18.0.0)\n  packages/x:\n    devDependencies:\n      own:\n"
        "        specifier: workspace:*\n        version: link:../own\npackages:\n  a@1.2.0: {}\n"
    )
    (only_one,) = lock_of("pnpm-lock.yaml", old).importers
    first, second = lock_of("pnpm-lock.yaml", new).importers
    assert [(d.name, d.specifier, d.version) for d in only_one.dependencies] == [("a", "^1.0.0", "1.2.0")]
    assert [(d.name, d.specifier, d.version) for d in first.dependencies] == [("a", "^1.0.0", "1.2.0")]
    assert second.folder == "packages/x"
    assert [(d.specifier, d.version) for d in second.dependencies] == [("workspace:*", "")]


def test_package_tables():
    uv = (
        'version = 1\n[[package]]\nname = "shop"\nsource = { editable = "." }\ndependencies = [{ name = "x" }]\n\n'
        '[[package]]\nname = "x"\nversion = "1.0"\nsource = { registry = "https://host.invalid" }\n'
    )
    assert packages(lock_of("uv.lock", uv)) == [("shop", "", "path:."), ("x", "1.0", "registry")]
    poetry = (
        '[[package]]\nname = "A"\nversion = "1.0"\n[package.dependencies]\nname = "2"\n\n'
        '[[package]]\nname = "b"\nversion = "2.0"\n[package.source]\ntype = "git"\n'
    )
    assert packages(lock_of("poetry.lock", poetry)) == [("A", "1.0", ""), ("b", "2.0", "other")]
    assert lock_of("pdm.lock", '[metadata]\ngroups = ["default", "dev"]\n').groups == ("default", "dev")


def test_go_sums_and_gemfile_locks():
    sums = "example.org/a v1.0.0 h1:x=\nexample.org/a v1.0.0/go.mod h1:y=\nexample.org/b v2.0.0/go.mod h1:z=\n"
    assert packages(lock_of("go.sum", sums)) == [("example.org/a", "v1.0.0", ""), ("example.org/b", "v2.0.0", "")]
    gems = (
        "GIT\n  remote: x\n  specs:\n    own (0.1)\n\nGEM\n  remote: y\n  specs:\n    nokogiri (1.15.0-x86_64-linux)\n"
        "      racc (~> 1.4)\n\nDEPENDENCIES\n  nokogiri (~> 1.15)\n  own!\n"
    )
    found = lock_of("Gemfile.lock", gems)
    assert packages(found) == [("own", "0.1", "git"), ("nokogiri", "1.15.0", "")]
    assert [d.name for d in found.importers[0].dependencies] == ["nokogiri", "own"]
