"""INT007: what is declared and there, declared and not there, and what cannot be known."""

from __future__ import annotations

import pytest

from elder_assets.audit.testing import MemorySource, run_rule

APP = {"shop/__init__.py": "", "shop/cli.py": "def run(): ...\nif True:\n    other = run\n", "shop/sub/x.py": "a = 1\n"}
SCRIPT = '[project]\nname = "shop"\n[project.scripts]\ns = "{}"\n'


def problems(files: dict[str, str], **source) -> list[str]:
    outcome, findings = run_rule("INT007", MemorySource(files, **source))
    assert outcome.status.value in {"finding", "pass", "not applicable"}, outcome.reason
    return [f"{finding.path}:{finding.line} {finding.message.partition(', but ')[2]}" for finding in findings]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("shop.cli:run", []),
        ("shop.cli:other", []),
        ("shop.cli:run.attribute [extra]", []),
        ("shop.sub.x:a", []),
        ("uvicorn:main", []),
        ("shop:cli", []),
        ("shop.cli:main", ["pyproject.toml:4 shop/cli.py has no 'main'"]),
        ("shop.commands:main", ["pyproject.toml:4 there is no module shop.commands"]),
    ],
)
def test_console_scripts(target: str, expected: list[str]):
    assert problems({"pyproject.toml": SCRIPT.format(target), **APP}) == expected


def test_source_roots_stars_and_lazy_modules_resolve():
    files = {
        "pyproject.toml": SCRIPT.format("shop.cli:main"),
        "src/shop/__init__.py": "",
        "src/shop/cli.py": "from shop.x import *\n",
    }
    assert problems(files) == []
    files["src/shop/cli.py"] = "def __getattr__(name): ...\n"
    assert problems(files) == []


def test_poetry_setup_cfg_and_setup_py():
    assert problems(
        {"pyproject.toml": '[tool.poetry]\nname = "shop"\n[tool.poetry.scripts]\ns = "shop.cli:main"\n', **APP}
    )
    cfg = "[metadata]\nname = shop\n[options.entry_points]\nconsole_scripts =\n    a = shop.cli:run\n    b = shop.cli:main\n"
    assert problems({"setup.cfg": cfg, **APP}) == ["setup.cfg:6 shop/cli.py has no 'main'"]
    script = 'from setuptools import setup\nsetup(\n    entry_points={\n        "console_scripts": ["s=shop.cli:main", "r = shop.cli:run"],\n    },\n)\n'
    assert problems({"setup.py": script, **APP}) == ["setup.py:4 shop/cli.py has no 'main'"]


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ('{"main": "lib"}', []),
        ('{"main": "./lib/basket"}', []),
        ('{"bin": {"shop": "cli.js"}}', ["package.json:1 there is no cli.js"]),
        ('{"main": "index.js"}', ["package.json:1 there is no index.js"]),
        ('{"main": "index.js", "private": true}', []),
        ('{"main": "dist/index.js", "scripts": {"build": "tsc"}}', []),
        ('{"main": "src/gone.ts", "scripts": {"build": "tsc"}}', []),
        ('{"main": "lib/gone.ts", "scripts": {"build": "tsc"}}', ["package.json:1 there is no lib/gone.ts"]),
        ('{"exports": {".": {"import": "./lib/index.js", "require": "./lib/gone.cjs"}, "./x/*": "./x/*.js"}}', ["package.json:1 there is no lib/gone.cjs"]),
        ('{"main": "expo/AppEntry", "dependencies": {"expo": "1"}}', []),
        ('{"main": "made.js"}', []),
    ],
)  # fmt: skip
def test_npm_entries(package: str, expected: list[str]):
    files = {"package.json": package, "lib/index.js": "", "lib/basket.js": "", ".gitignore": "/made.js\n"}
    assert problems(files) == expected


def test_workspace_members():
    files = {
        "package.json": '{"workspaces": ["packages/*", "apps/*", "!apps/x", "{a,b}"]}',
        "packages/a/package.json": "{}",
    }
    assert problems(files) == ["package.json:1 no folder of that name holds a package.json"]
    cargo = {
        "Cargo.toml": '[workspace]\nmembers = [\n  "a",\n  "b",\n]\n',
        "a/Cargo.toml": '[lib]\npath = "src/gone.rs"\n',
    }
    assert problems(cargo) == [
        "Cargo.toml:4 no folder of that name holds a Cargo.toml",
        "a/Cargo.toml:2 there is no a/src/gone.rs",
    ]
    work = {"go.work": "go 1.22\n\nuse (\n\t./a\n\t./b\n)\n", "a/go.mod": "module a\n"}
    assert problems(work) == ["go.work:5 no folder of that name holds a go.mod"]


def test_what_lies_in_a_submodule_or_behind_a_link_is_let_pass():
    files = {"package.json": '{"workspaces": ["sub", "linked"], "main": "sub/index.js"}'}
    assert problems(files, submodules={"sub": "1" * 40}, links={"linked": "elsewhere"}) == []


def test_serverless_handlers():
    yml = "provider:\n  runtime: python3.12\nfunctions:\n  a:\n    handler: shop/cli.run\n  b:\n    handler: shop.gone.run\n  c:\n    handler: wsgi_handler.handler\n"
    assert problems({"serverless.yml": yml, **APP}) == ["serverless.yml:7 there is no shop/gone of any language"]


def test_container_scripts_only_where_the_tree_is_copied():
    gone = ["Dockerfile:4 no file of the repository is called start.sh"]
    assert problems({"Dockerfile": 'FROM x\nWORKDIR /app\nCOPY . .\nENTRYPOINT ["./start.sh"]\n'}) == gone
    assert problems({"Dockerfile": 'FROM x\nCOPY run.sh /\nENTRYPOINT ["/start.sh"]\n'}) == []
    assert (
        problems({"Dockerfile": 'FROM x\nWORKDIR /app\nCOPY . .\nRUN make start.sh\nENTRYPOINT ["./start.sh"]\n'}) == []
    )
    assert problems({"Dockerfile": "FROM x\nWORKDIR /app\nCOPY . .\nCMD python /opt/start.py\n"}) == []
    assert problems({"Dockerfile": "FROM x\nCOPY . .\nCMD bash start.sh\n", "bin/start.sh": ""}) == []
