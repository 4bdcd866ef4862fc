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


SETUP = {"setup.py": "from setuptools import setup\nsetup()\n", "README.md": "# Shop\n", **APP}


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("include README.md\n", []),
        ("include README\n", ["MANIFEST.in:1 there is no README"]),
        ("# first\ninclude README.md \\\n    NOTICE  # both\n", ["MANIFEST.in:2 there is no NOTICE"]),
        ("include *.vel\nglobal-exclude *.pyc\nexclude NOTICE\nprune gone\n", []),
        ("include shop/*.txt\n", []),
        ("include gone/*.txt\n", ["MANIFEST.in:1 there is no gone"]),
        ("recursive-include shop *\nrecursive-include gone *\n", ["MANIFEST.in:2 there is no gone"]),
        ("graft shop\ngraft gone/\n", ["MANIFEST.in:2 there is no gone"]),
        ("include AUTHORS ChangeLog shop/_version.py shop/fast.c dist/x made.txt\n", []),
        ("include ../LICENSE /etc/passwd $HOME/x\n", []),
    ],
)
def test_a_source_list_names_files_that_are_there(lines: str, expected: list[str]):
    assert problems({"MANIFEST.in": lines, ".gitignore": "made.txt\n", **SETUP}) == expected


def test_a_source_list_may_name_what_a_script_makes():
    assert (
        problems({"MANIFEST.in": "include README.txt\n", **SETUP, "Makefile": "README.txt:\n\tpandoc README.md\n"})
        == []
    )
    assert problems({"MANIFEST.in": "include NOTICE\n", "README.md": "# Shop\n"}) == []  # no Python package here


def test_a_file_that_is_left_out_is_medium_and_one_that_stops_the_build_high():
    files = {
        "MANIFEST.in": "include NOTICE\n",
        "pyproject.toml": '[project]\nname = "shop"\nreadme = "gone.md"\n',
        **SETUP,
    }
    _, findings = run_rule("INT007", MemorySource(files))
    assert [(f.path, f.line, f.severity.value) for f in findings] == [
        ("MANIFEST.in", 1, "medium"),
        ("pyproject.toml", 3, "high"),
    ]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('[project]\nname = "shop"\nreadme = "README.md"\n', []),
        ('[project]\nreadme = {file = "docs/README.md", content-type = "text/markdown"}\n', ["docs/README.md"]),
        ('[project]\nreadme = {text = "words"}\n', []),
        ('[tool.poetry]\nreadme = ["README.md", "gone.md"]\n', ["gone.md"]),
        ('[tool.poetry]\npackages = [{include = "shop"}, {include = "cart", from = "src"}]\n', ["src/cart"]),
        (
            '[tool.setuptools.package-data]\nshop = ["py.typed", "*.txt", "words/*.txt"]\n',
            ["shop/py.typed", "shop/words"],
        ),
        ('[tool.setuptools.package-data]\n"*" = ["py.typed"]\nother = ["py.typed"]\n', []),
        ('[tool.hatch.build.targets.wheel]\npackages = ["src/shop", "shop"]\n', ["src/shop"]),
        ('[tool.hatch.build.targets.wheel.force-include]\n"gone.txt" = "shop/gone.txt"\n', ["gone.txt"]),
    ],
)
def test_a_pyproject_names_files_that_are_there(table: str, expected: list[str]):
    found = problems({"pyproject.toml": table, "README.md": "# Shop\n", **APP})
    assert [item.partition("there is no ")[2] for item in found] == expected


def test_a_setup_cfg_names_files_that_are_there():
    cfg = "[metadata]\nlong_description = file: README.md, NEWS.md\n[options.package_data]\nshop =\n    words.txt\n    py.typed\n"
    assert problems({"setup.cfg": cfg, "README.md": "# Shop\n", "shop/words.txt": "", **APP}) == [
        "setup.cfg:2 there is no NEWS.md",
        "setup.cfg:6 there is no shop/py.typed",
    ]


POM = """<?xml version="1.0"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <!-- <module>old</module> -- and more -->
  <modules>
    <module>shop</module>
    <module>gone</module>
    <module>../beside</module>
    <module>${name}</module>
    <module>cart/pom-eight.xml</module>
    <module>groovy</module>
  </modules>
  <profiles><profile><modules><module>rare</module></modules></profile></profiles>
  <build><plugins><plugin><configuration><modules><module>com.shop.Page</module></modules></configuration></plugin></plugins></build>
</project>
"""


def test_maven_modules():
    files = {"pom.xml": POM, "shop/pom.xml": "<project/>", "groovy/pom.groovy": "", "cart/pom-eight.xml": "<project/>"}
    assert problems(files) == ["pom.xml:6 there is no gone/pom.xml"]
    assert problems({**files, "gone/notes.txt": ""}) == ["pom.xml:6 there is no gone/pom.xml"]
    assert problems(files, submodules={"gone": "1" * 40}) == []
    bomb = '<!DOCTYPE p [<!ENTITY a "aa">]>\n<project><modules><module>&a;</module></modules></project>'
    assert problems({"pom.xml": bomb}) == []


SAM = """Transform: AWS::Serverless-2016-10-31
Resources:
  Total:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: {}
      Handler: app.total
"""


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("src/", []),
        (".", []),
        ("source/", ["template.yaml:6 there is no source"]),
        ("s3://bucket/code.zip", []),
        ("target/shop.jar", []),
        (".aws-sam/build/Total", []),
        ("!Sub '${Folder}/src'", []),
        ("{Bucket: b, Key: k}", []),
    ],
)
def test_sam_functions(uri: str, expected: list[str]):
    assert problems({"template.yaml": SAM.format(uri), "src/app.py": "def total(event, context): ...\n"}) == expected


def test_a_template_of_plain_cloudformation_is_none_of_ours():
    assert problems({"template.yaml": SAM.format("source/").replace("AWS::Serverless-2016-10-31", "Own::Macro")}) == []
