"""Ruff as an extractor: what is kept, what is refused, and that one bad blob takes no other along."""

from __future__ import annotations

import sys

import pytest

from elder_assets.audit.facts import python_lint as module
from elder_assets.audit.facts.extraction import MemoryFactStore, Refused
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.python_lint import PythonLint, python_lint
from elder_assets.audit.facts.repository_facts import TreeCollector
from elder_assets.audit.testing import MemorySource


def lint(source: str | bytes) -> PythonLint:
    data = source.encode() if isinstance(source, str) else source
    return python_lint(Blob(data, "python"))


def codes(source: str) -> list[tuple[str, int]]:
    return [(mark.code, mark.line) for mark in lint(source).marks]


def test_a_file_without_faults_has_no_facts():
    assert lint("def total(prices):\n    return sum(prices)\n") == PythonLint()


def test_a_syntax_error_at_the_end_is_placed_at_the_last_line_with_text():
    (fault, *_) = lint("total = sum(\n    prices\n\n\n").faults
    assert fault.line == 2


@pytest.mark.parametrize(
    "source",
    [
        'print "tea"\n',
        "try:\n    pass\nexcept ValueError, error:\n    pass\n",
        "raise ValueError, 'tea'\n",
        "mode = 0755\n",
        "if a <> b:\n    pass\n",
        'exec "tea" in scope\n',
        "raise found[0], found[1], found[2]\n",
        "def start(self, async):\n    pass\n",
    ],
)
def test_python_2_is_recognised(source: str):
    assert lint(source).is_python2


def test_a_broken_python_3_file_is_not_python_2():
    assert not lint("def total(prices:\n    return prices\n").is_python2


def test_the_newest_syntax_is_no_error():
    assert lint("type Price = int\n\ndef f[T](x: T) -> T:\n    match x:\n        case 1: return x\n").faults == ()


def test_bytes_in_a_declared_encoding_are_decoded():
    assert lint(b"# -*- coding: latin-1 -*-\nname = 'caf\xe9'\n") == PythonLint()


def test_bytes_in_no_declared_encoding_are_a_fault_with_their_line():
    (fault,) = lint(b"a = 1\nname = 'caf\xe9'\n").faults
    assert (fault.line, "not utf-8" in fault.message) == (2, True)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        pytest.param("A = {'t': 1, 't': 2}\n", [("F601", 1)], id="key twice, other value"),
        pytest.param("A = {'t': 1, 't': 1}\n", [], id="key twice, same value"),
        pytest.param("import re\nre.sub('a', 'b', c, re.I)\n", [("B034", 2)], id="flag as count"),
        pytest.param("import re\nre.sub('a', 'b', c, 1)\n", [], id="count as count"),
        pytest.param("'{} of'.format(a, b)\n", [("F523", 1)], id="argument dropped"),
        pytest.param("'{1}'.format(a, b)\n", [], id="argument passed over by number"),
        pytest.param("x is not x\n", [("B015", 1), ("PLR0124", 1)], id="compared with itself"),
        pytest.param("y = x != x\n", [], id="the NaN test"),
        pytest.param("import logging\nlogging.info('a %s', b, c)\n", [("PLE1205", 2)], id="logging"),
        pytest.param("from loguru import logger\nlogger.info('a {}', b)\n", [], id="another logger"),
    ],
)
def test_a_mark_gets_its_second_look(source: str, expected: list[tuple[str, int]]):
    assert codes(source) == expected


def test_lines_are_counted_as_git_counts_them():
    assert codes("a = '''\r'''\nassert (a, 'b')\n") == [("F631", 2)]


def test_tokens_hold_no_secret():
    key = "dapi" + "7c1e9f3b5a2d8046" + "e1b7d93f5c08a264"
    (mark,) = lint(f"A = {{'{key}': 1, '{key}': 2}}\n").marks
    assert "*" in mark.tokens
    assert key not in mark.tokens


def test_a_tool_that_fails_is_a_reason_and_not_silence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("ruff.find_ruff_bin", lambda: sys.executable)
    (record,) = python_lint.batch([Blob(b"a = 1\n", "python")])
    assert isinstance(record, Refused)
    assert "ruff ended with code" in record.reason


def test_one_blob_that_fails_takes_no_other_along(monkeypatch: pytest.MonkeyPatch):
    run = module._run_ruff

    def fragile(texts: dict[int, str]) -> object:
        if any("hostile" in text for text in texts.values()):
            raise module.RuffFailed("crashed")
        return run(texts)

    monkeypatch.setattr(module, "_run_ruff", fragile)
    records = python_lint.batch([Blob(text, "python") for text in (b"a = (\n", b"hostile = 1\n", b"b = 1\n")])
    assert [type(record) for record in records] == [PythonLint, Refused, PythonLint]


def test_a_batch_runs_once_for_a_tree_and_a_failure_is_in_the_coverage(monkeypatch: pytest.MonkeyPatch):
    runs: list[int] = []
    run = module._run_ruff

    def counted(texts: dict[int, str]) -> object:
        runs.append(len(texts))
        return run(texts)

    monkeypatch.setattr(module, "_run_ruff", counted)
    source = MemorySource({"a.py": "a = 1\n", "b.py": "b = (\n", "c/a.py": "a = 1\n"})
    store = MemoryFactStore()
    facts = TreeCollector(source, store, [python_lint]).collect()
    assert runs == [2]
    assert [file.path for file, read in facts.each(python_lint) if read.faults] == ["b.py"]
    TreeCollector(source, store, [python_lint]).collect()
    assert runs == [2]

    def broken(_texts: dict[int, str]) -> object:
        raise module.RuffFailed("ruff does not start")

    monkeypatch.setattr(module, "_run_ruff", broken)
    coverage = TreeCollector(source, MemoryFactStore(), [python_lint]).collect().coverage
    assert {skipped.path for skipped in coverage.skipped} == {"a.py", "b.py", "c/a.py"}
    assert "ruff does not start" in coverage.skipped[0].reason
