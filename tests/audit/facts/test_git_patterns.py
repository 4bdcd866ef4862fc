"""gitignore and gitattributes patterns: hand-worked cases, each of which real git confirms."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from elder_assets.audit.facts.git_patterns import AttributeRules, ignored_by, parse_ignore_file

IGNORED = [
    ("*.pyc", "a.pyc", True),
    ("*.pyc", "deep/in/a.pyc", True),
    ("*.pyc", "a.py", False),
    ("build", "build/a.py", True),
    ("build", "deep/build/a.py", True),
    ("build", "rebuild/a.py", False),
    ("/build", "build/a.py", True),
    ("/build", "deep/build/a.py", False),
    ("build/", "build/a.py", True),
    ("build/", "deep/build/a.py", True),
    ("build/", "build", False),
    ("doc/*.txt", "doc/a.txt", True),
    ("doc/*.txt", "doc/deep/a.txt", False),
    ("doc/*.txt", "deep/doc/a.txt", False),
    ("doc/**/a.txt", "doc/a.txt", True),
    ("doc/**/a.txt", "doc/x/y/a.txt", True),
    ("**/logs", "deep/in/logs/a", True),
    ("**/logs", "logs/a", True),
    ("logs/**", "logs/x/a", True),
    ("logs/**", "logs", False),
    ("a**b", "axxb", True),
    ("a**b", "ax/xb", False),
    ("?.py", "a.py", True),
    ("?.py", "ab.py", False),
    ("[ab].py", "b.py", True),
    ("[!ab].py", "b.py", False),
    ("[^ab].py", "c.py", True),
    ("[a-c]x", "bx", True),
    ("[]]x", "]x", True),
    ("[[:digit:]]x", "7x", True),
    ("[[:digit:]]x", "dx", False),
    ("[a", "[a", False),
    ("a[/]b", "a/b", False),
    ("a.py ", "a.py", True),
    ("a.py\\ ", "a.py ", True),
    ("# a.py", "# a.py", False),
    ("\\#a.py", "#a.py", True),
    ("\\!a.py", "!a.py", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "axb", False),
    ("a+b", "aab", False),
    ("a.b", "axb", False),
    ("*.log\n!keep.log", "keep.log", False),
    ("!keep.log\n*.log", "keep.log", True),
    ("logs/\n!logs/keep.log", "logs/keep.log", True),
    ("logs/*\n!logs/keep.log", "logs/keep.log", False),
    ("/*\n!/src", "src/a.py", False),
    ("/*\n!/src", "a.py", True),
    ("*", ".gitignore", True),
    ("**", "a/b", True),
    ("/", "a", False),
    ("", "a", False),
    ("foo/*", "foo/bar/a", True),
    ("foo/bar/", "foo/bar/a", True),
    ("A.py", "a.py", False),
]


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


@pytest.mark.parametrize(("patterns", "path", "ignored"), IGNORED)
def test_ignore_patterns_mean_what_git_means(patterns: str, path: str, ignored: bool, work_tree: Path):
    (work_tree / ".gitignore").write_text(patterns + "\n")
    git = subprocess.run(
        ["git", "-C", str(work_tree), "-c", "core.ignoreCase=false", "check-ignore", "-q", "--no-index", path],
        check=False,
    )
    assert (git.returncode == 0) == ignored, "the case itself is wrong"
    assert (ignored_by(path, parse_ignore_file(patterns.split("\n"))) is not None) == ignored


def test_an_ignore_file_in_a_folder_rules_below_it_and_after_those_above():
    rules = [*parse_ignore_file(["*.log"]), *parse_ignore_file(["!keep.log", "/top.txt"], "deep/")]
    assert ignored_by("keep.log", rules) is not None
    assert ignored_by("deep/keep.log", rules) is None
    assert ignored_by("deep/top.txt", rules) is not None
    assert ignored_by("deep/in/top.txt", rules) is None
    rule = ignored_by("deep/a.log", rules)
    assert rule is not None
    assert (rule.folder, rule.pattern, rule.line) == ("", "*.log", 1)


ATTRIBUTES = [
    ("*.js linguist-generated", "a/b.js", "linguist-generated", "true"),
    ("*.js linguist-generated=true", "a/b.js", "linguist-generated", "true"),
    ("*.js -linguist-generated", "a/b.js", "linguist-generated", "false"),
    ("*.js linguist-generated=false", "a/b.js", "linguist-generated", "false"),
    ("dist/** linguist-vendored", "dist/a/b.js", "linguist-vendored", "true"),
    ("dist/* linguist-vendored", "dist/a/b.js", "linguist-vendored", None),
    ("dist linguist-vendored", "dist/b.js", "linguist-vendored", None),
    ("dist/ linguist-vendored", "dist/b.js", "linguist-vendored", None),
    ("* text\n*.js -text", "a.js", "text", "false"),
    ("*.js -text\n* text", "a.js", "text", "true"),
    ("*.js text\n*.js !text", "a.js", "text", None),
    ('"a b.js" text', "a b.js", "text", "true"),
    ("/a.js text", "deep/a.js", "text", None),
    ("# *.js text", "a.js", "text", None),
    ("[attr]mine text\n*.js mine", "a.js", "mine", "true"),
    ("[ab].js text", "b.js", "text", "true"),
]


@pytest.mark.parametrize(("lines", "path", "attribute", "value"), ATTRIBUTES)
def test_attributes_mean_what_git_means(lines: str, path: str, attribute: str, value: str | None, work_tree: Path):
    (work_tree / ".gitattributes").write_text(lines + "\n")
    git = subprocess.run(
        ["git", "-C", str(work_tree), "check-attr", "-z", attribute, "--", path],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    said = {"set": "true", "unset": "false", "unspecified": None}
    stated = git.stdout.split("\0")[2]
    assert said.get(stated, stated) == value, "the case itself is wrong"
    found = AttributeRules({"": lines.split("\n")}).of(path).get(attribute)
    assert (None if found == "unspecified" else found) == value


def test_attributes_of_a_deeper_file_win():
    rules = AttributeRules({"": ["*.js text"], "deep/": ["*.js -text"]})
    assert rules.of("a.js") == {"text": "true"}
    assert rules.of("deep/a.js") == {"text": "false"}
