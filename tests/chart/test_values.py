"""Values, schema, documentation and templates of the chart say the same. Needs no tool."""

from __future__ import annotations

import importlib.util
import json
import re
from typing import Any

import jsonschema
import pytest
import yaml
from rendered_chart import CHART, ROOT, VALUES

spec = importlib.util.spec_from_file_location("chart_tool", ROOT / "tools" / "chart.py")
chart = importlib.util.module_from_spec(spec)
spec.loader.exec_module(chart)
TEXT = (CHART / "values.yaml").read_text()
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
ONE_OF_EACH = {
    "development", "staging", "preproduction", "production", "disaster-recovery", "existing-dagster",
    "eks", "gke", "aks", "rolling", "blue-green", "canary",
}  # fmt: skip


def paths(values: dict[str, Any], prefix: str = "") -> set[str]:
    """Dotted paths of the documented leaves."""
    documented = chart.documented(TEXT)
    found = set()
    for name, value in values.items():
        path = f"{prefix}{name}"
        found |= {path} if path in documented or not isinstance(value, dict) else paths(value, f"{path}.")
    return found


def test_schema_and_readme_are_what_the_values_say():
    assert chart.schema(TEXT) == SCHEMA, "run make docs"
    page = (CHART / "README.md").read_text()
    assert chart.readme(page, TEXT) == page, "run make docs"


def test_every_value_is_explained_in_full_sentences():
    documented = chart.documented(TEXT)
    assert paths(yaml.safe_load(TEXT)) == set(documented)
    for path, (said, _rules) in documented.items():
        assert re.fullmatch(r"[A-Z].{9,}\.", said), (path, said)


def test_the_defaults_and_every_values_file_keep_the_schema():
    assert set(VALUES) == ONE_OF_EACH
    jsonschema.validate(yaml.safe_load(TEXT), SCHEMA)
    for name in VALUES:
        jsonschema.validate(yaml.safe_load((CHART / "values" / f"{name}.yaml").read_text()), SCHEMA)


@pytest.mark.parametrize(
    "values",
    [
        {"webserver": {"replcas": 2}},
        {"nonsense": 1},
        {"monitoring": {"serviceMonitor": {"on": True}}},
        {"daemon": {"replicas": 2}},
        {"canary": {"share": 33}},
        {"database": {"port": "5432"}},
        {"image": {"digest": "latest"}},
        {"audits": {"keepSeconds": 60}},
        {"settings": {"ELDER_DATABASE_URL": "postgresql://elsewhere"}},
        {"settings": {"ELDER_SECRET_KEY": "in plain text in a ConfigMap"}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_is_not_allowed_is_refused(values: dict[str, Any]):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, SCHEMA)


def test_templates_use_every_value_and_none_that_is_unknown():
    templates = "\n".join(path.read_text() for path in (CHART / "templates").rglob("*.*"))
    used = set(re.findall(r"\.Values\.([A-Za-z]\w*(?:\.[A-Za-z]\w*)*)", templates))
    known = set(chart.documented(TEXT))
    groups = {path.rpartition(".")[0] for path in known} | {path.partition(".")[0] for path in known}
    for path in used:
        is_part = any(path.startswith(f"{value}.") for value in known)
        assert path in known | groups or is_part, path
    whole = {group for group in groups if group in used}  # handed to a template as a whole
    for path in known:
        assert any(path == use or (path.startswith(f"{use}.") and use in whole) for use in used) or (
            path.rpartition(".")[2] in templates
        ), path


def test_no_values_file_holds_a_secret():
    for name in VALUES:
        text = (CHART / "values" / f"{name}.yaml").read_text().lower()
        assert not re.search(r"password\s*:|token\s*:|secret_key", text), name
