"""Every object fits the API of the oldest and the newest Kubernetes that the chart supports; nothing is misspelt."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema
import pytest
import referencing
import referencing.jsonschema
from rendered_chart import MISSING, OPERATOR, TOOLS, VALUES, Render, instance_of
from test_requirements import made_job

from resources.runs.tiers import TIERS, run_tags


@functools.cache
def registry(version: str) -> referencing.Registry[Any]:
    @functools.cache
    def load(uri: str) -> referencing.Resource[Any]:
        content = json.loads((TOOLS / "schemas" / version / uri.rpartition("/")[2]).read_text())
        return referencing.Resource.from_contents(content, referencing.jsonschema.DRAFT7)

    return referencing.Registry(retrieve=load)


@functools.cache
def validator(name: str, version: str) -> jsonschema.Draft7Validator:
    schema = json.loads((TOOLS / "schemas" / version / f"{name}.json").read_text())
    return jsonschema.Draft7Validator(schema, registry=registry(version))


def problems(one: dict[str, Any], version: str) -> list[str]:
    """What a strict schema says against an object."""
    group, _, api = one["apiVersion"].rpartition("/")
    name = "-".join(part for part in (one["kind"].lower(), group.partition(".")[0], api) if part)
    schema = json.loads((TOOLS / "schemas" / version / f"{name}.json").read_text())
    validator = jsonschema.Draft7Validator(schema, registry=registry(version))
    return [
        f"{one['kind']} {one['metadata']['name']} {e.json_path}: {e.message[:200]}" for e in validator.iter_errors(one)
    ]


@pytest.fixture(params=["1.28", "1.37"])
def version(request: pytest.FixtureRequest) -> str:
    if not (TOOLS / "schemas" / request.param).exists():
        pytest.skip(MISSING)
    return request.param


@pytest.mark.parametrize("name", VALUES)
def test_every_object_fits_the_api(render: Render, version: str, name: str):
    objects = render(name, sets=("probe.enabled=true", "probe.repository=a/b/c"), kubernetes=version)
    ours = [one for one in objects if one["apiVersion"] != OPERATOR]
    assert len(ours) > 10
    assert [problem for one in ours for problem in problems(one, version)] == []


@pytest.mark.parametrize("tier", [tier.name for tier in TIERS])
def test_the_jobs_of_runs_fit_it_too(render: Render, version: str, tier: str):
    assert problems(made_job(instance_of(render("production")), run_tags(tier)), version) == []


def test_a_misspelt_key_would_be_found(render: Render, version: str):
    one = next(one for one in render() if one["kind"] == "Deployment")
    one["spec"]["template"]["spec"]["containers"][0]["securtyContext"] = {}
    assert len(problems(one, version)) == 1
