"""Settings come from the environment, once, and refuse what is not allowed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from elder_assets.audit.errors import ConfigurationError
from resources.settings import load_settings

ROOT = Path(__file__).parent.parent.parent


def test_the_store_is_a_file_in_the_home_by_default():
    assert load_settings({"ELDER_HOME": "/srv/elder"}).store_url == "sqlite:////srv/elder/elder.db"


def test_another_database_replaces_it():
    settings = load_settings({"ELDER_HOME": "/srv/elder", "ELDER_DATABASE_URL": "postgresql:///elder"})
    assert settings.store_url == "postgresql:///elder"


@pytest.mark.parametrize(
    "environment",
    [
        {"ELDER_MAX_CONCURRENT_RUNS": "0"},
        {"ELDER_MAX_CONCURRENT_RUNS": "two"},
        {"ELDER_DAGSTER_PORT": "65536"},
        {"ELDER_KUBERNETES_NAMESPACE": "elder"},
    ],
    ids=["no-run", "word", "port", "namespace-without-image"],
)
def test_a_value_that_is_not_allowed_is_refused(environment: dict[str, str]):
    with pytest.raises(ConfigurationError):
        load_settings(environment)


def test_the_documentation_lists_every_setting():
    read = set(re.findall(r"ELDER_[A-Z_]+", (ROOT / "resources" / "settings.py").read_text()))
    read = {name for name in read if not name.endswith("_")}
    documented = set(re.findall(r"ELDER_[A-Z_]+", (ROOT / "docs" / "settings.md").read_text()))
    assert read == documented
