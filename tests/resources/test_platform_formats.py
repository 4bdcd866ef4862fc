"""Reports that need packages of the platform: Parquet and HTML, and what is said where they are missing."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from test_bad_input import commit, folder

from elder_assets import cli
from elder_assets.audit import frames

__all__ = ["folder"]


@pytest.fixture
def run(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ELDER_HOME", str(tmp_path / "home"))
    (folder / "shop" / "torn.py").write_text("def total(prices:\n    return prices\n")
    commit(folder, "feat: torn")

    def invoke(*options: str) -> Result:
        return CliRunner().invoke(cli.elder, ["audit", str(folder), *options], standalone_mode=False)

    return invoke


def test_parquet_has_one_row_a_finding_and_the_columns_of_the_frame(run, tmp_path: Path):
    path = tmp_path / "findings.parquet"
    assert run("--format", "parquet", "--output", str(path)).return_value == 1
    content = pd.read_parquet(io.BytesIO(path.read_bytes()))
    assert list(content.columns) == [*frames.FINDINGS.names, "commit"]
    frames.validate(frames.FINDINGS, content[frames.FINDINGS.names].astype({"line": "int64"}))
    torn = content[content["rule"] == "STR001"]
    assert [(row.path, row.line, row.magic) for row in torn.itertuples()] == [("shop/torn.py", 1, "strict")]
    assert set(content["commit"]) == set(content["revision"])
    assert "shadow" not in set(content["tier"])


def test_parquet_goes_to_a_file_only(run):
    error = run("--format", "parquet").exception
    assert str(error) == "--format parquet is no text; name a file with --output"


def test_html_is_one_file(run, tmp_path: Path):
    path = tmp_path / "report.html"
    assert run("--format", "html", "--output", str(path)).return_value == 1
    text = path.read_text()
    assert text.startswith("<!doctype html>")
    assert "shop/<wbr>torn.py:1" in text
    assert [item.name for item in tmp_path.iterdir() if item.suffix == ".html"] == ["report.html"]


@pytest.mark.parametrize(("form", "package"), [("parquet", "pandas"), ("parquet", "pyarrow"), ("html", "plotly")])
def test_a_missing_package_is_named_with_what_installs_it(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, package: str
):
    run("--format", "text")  # the verdict is kept, so that nothing else is imported below
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    for module in ("elder_assets.audit.frames", "dash_app.html_report", "dash_app.report_figures"):
        if package != "pyarrow":
            monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / "report.out"
    error = run("--format", form, "--output", str(path)).exception
    assert str(error).startswith(f"--format {form} needs {package}, which is not installed; `make platform`")
    assert not path.exists()
