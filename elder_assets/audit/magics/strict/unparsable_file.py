"""STR001."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from elder_assets.audit.facts.config_syntax import config_syntax
from elder_assets.audit.facts.documents import document, text_lines
from elder_assets.audit.facts.python_lint import PythonLint, python_lint
from elder_assets.audit.facts.repository_facts import RepositoryFacts
from elder_assets.audit.model import Checked, FileClass, Found, Outcome, Severity, SourceFile, Tier
from elder_assets.audit.patterns import regex
from elder_assets.audit.registry import repository_rule

PYTHON2_SHARE = 0.2
"""From this share of Python 2 files on, a top folder is a tree of Python 2; chosen by us."""


@repository_rule(
    code="STR001",
    severity=Severity.CRITICAL,
    tier=Tier.GATE,
    unit="file",
    reads=(python_lint, config_syntax, document, text_lines),
)
def check(facts: RepositoryFacts) -> Iterator[Outcome]:
    """Flag a Python file that no Python can parse, or a configuration file that its reader must refuse.

    Why: the file cannot be imported or read at all; whoever needs it fails.
    Remedy: repair the syntax at the line named, or delete the file if nothing needs it.
    Source: The Python Language Reference, 10; RFC 8259; TOML 1.0; YAML 1.2; XML 1.0.
    Limits: read by the newest grammar. Exempt are templates, files and folders whose names say that they are
        broken on purpose, test data, and trees of Python 2. Other languages are not judged here.

    Bad:
        def total(prices):
            return sum(prices #~

    Bad:
        path: package.json
        {
          "name": "shop",
          "version": "1.0.0"
          "private": true #~
        }

    Bad:
        path: .github/workflows/test.yml
        on: push
        jobs:
          test:
            - run: make test
           steps: [] #~

    Okay: def total(prices): return sum(prices)

    Okay:
        path: tests/fixtures/broken_syntax.py
        def total(

    Okay:
        path: shop/basket.py
        print "a total of", 12

    Okay:
        path: shop/part.py
        # Methods that the build puts into a class.
            def total(self):
                return 1

    Okay:
        path: shapes.xml
        <!---- shapes -- of all kinds ---->
        <shapes/>

    Okay:
        path: tsconfig.json
        {
          // strict from the start
          "compilerOptions": {"strict": true,},
        }
    """
    yield from _judge_python(facts)
    yield from _judge_configuration(facts)


# --- Python ----------------------------------------------------------------------------------------------

_BROKEN_ON_PURPOSE = regex(
    r"(?:^|[/_.-])(?:bad|invalid|broken|malformed|corrupt(?:ed)?|error|errors|fail|failing|failure|syntax[_-]?errors?"
    r"|unparsable|wrong|nonparsable|not[_-]?valid)(?:[/_.-]|$|syntax|config|data|file|json|yaml|toml|xml)",
    re.IGNORECASE,
)
_TEST_DATA = regex(
    r"(?:^|/)(?:fixtures?|test[_-]?data|data|samples?|snippets?|cases|inputs?|resources|snapshots?|corpus|fuzz\w*"
    r"|__fixtures__|golden|expected|stubs?|mocks?|files|assets|test[_-]?(?:pkg|package|module|project|app)s?[\w-]*)/",
    re.IGNORECASE,
)
_TEMPLATE_PATH = regex(
    r"\{\{|\{%|__\w+__/|(?:^|/)(?:[\w-]*templates?[\w-]*|cookiecutter[\w.-]*|skel(?:eton)?)/|\.(?:tpl|j2|jinja2?|tmpl|mako)\b",
    re.IGNORECASE,
)
_PYTHON2_PATH = regex(r"(?:^|[/_.-])(?:py(?:thon)?[_-]?2(?:\.?\d)?)(?:[/_.-]|$)|[_-]py2\.", re.IGNORECASE)


def _is_exempt(file: SourceFile) -> bool:
    if _TEMPLATE_PATH.search(file.path) or _BROKEN_ON_PURPOSE.search(file.path):
        return True
    return file.file_class is FileClass.TEST and _TEST_DATA.search(file.path) is not None


def _judge_python(facts: RepositoryFacts) -> Iterator[Outcome]:
    classes = (FileClass.PRODUCTION, FileClass.TEST, FileClass.CONFIG)
    read = [(file, lint) for file, lint in facts.each(python_lint, *classes) if not _is_exempt(file)]
    old = _python2_folders({file.path: lint for file, lint in read}, declared=_declares_python2(facts))
    for file, lint in read:
        if not lint.faults:
            yield Checked()
            continue
        if lint.is_template or (lint.is_python2 and (_top(file.path) in old or _PYTHON2_PATH.search(file.path))):
            continue
        yield Checked()
        fault = lint.faults[0]
        reading = _lowered(fault.message) + (" (only an old Python reads this)" if lint.is_python2 else "")
        yield Found(
            path=file.path, line=fault.line, tokens=fault.tokens, message=f"this file cannot be parsed: {reading}"
        )


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:] if message[1:2].islower() else message


def _top(path: str) -> str:
    return path.partition("/")[0] if "/" in path else ""


def _python2_folders(read: Mapping[str, PythonLint], *, declared: bool) -> set[str]:
    """Top folders ('' for files at the root) whose Python files are, to a fair share, Python 2."""
    every = Counter(_top(path) for path in read)
    old = Counter(_top(path) for path, lint in read.items() if lint.is_python2 or lint.speaks_python2)
    if declared or old.total() >= PYTHON2_SHARE * every.total():
        return set(every)
    return {folder for folder, count in old.items() if count >= PYTHON2_SHARE * every[folder]}


_DECLARES_PYTHON2 = regex(
    r"Programming Language :: Python :: 2|python_requires\s*=\s*['\"]?[^,'\"\n]*[>=~]=?\s*2\.|\bpy2[67]\b"
    r"|requires-python\s*=\s*['\"][^'\"]*[>=~]=?\s*2\."
)


def _declares_python2(facts: RepositoryFacts) -> bool:
    for file in facts.named("setup.py"):
        found = facts.read(text_lines, file)
        if found is not None and any(_DECLARES_PYTHON2.search(line) for line in found.lines):
            return True
    for file in facts.named("setup.cfg", "pyproject.toml", "tox.ini"):
        parsed = facts.read(document, file)
        if parsed is None or parsed.root is None:
            continue
        for path, node in parsed.root.walk():
            if isinstance(node.value, str) and _DECLARES_PYTHON2.search(f"{path[-1] if path else ''}='{node.value}"):
                return True
    return False


# --- configuration ---------------------------------------------------------------------------------------


_STRICT_JSON = frozenset({"package.json", "composer.json", "bower.json", "lerna.json"})
"""Their readers refuse comments and trailing commas; elsewhere we assume a generous reader."""
_NOT_JSON = regex(r"(?:^|/)\.[\w-]+$|\.(?:json5|hjson)$")
"""`.eslintrc` and its like may be YAML or JSON5."""


def _judge_configuration(facts: RepositoryFacts) -> Iterator[Outcome]:
    for file, read in facts.each(config_syntax, FileClass.CONFIG):
        if read.exemption or _is_exempt(file) or (read.format == "JSON" and _NOT_JSON.search(file.path)):
            continue
        yield Checked()
        if read.error and (read.is_strict or file.name in _STRICT_JSON):
            yield Found(
                path=file.path,
                line=read.line,
                tokens=read.tokens,
                severity=Severity.HIGH,
                message=f"this {read.format} file cannot be parsed: {read.error}",
            )
