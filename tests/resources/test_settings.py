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
        {"ELDER_SECRET_KEY": "short"},
        {"ELDER_WEBHOOK_SECRETS": "github"},
        {"ELDER_CANARY_SHARE": "10"},
        {"ELDER_CANARY_SHARE": "101", "ELDER_CANARY_RULER": "/etc/elder/ruler.json"},
        {"ELDER_PUBLIC_URL": "https://ann:pw@elder.example.org"},
        {"ELDER_DATABASE_URL": "postgres://db/elder"},
        {"ELDER_DATABASE_URL": "db.example.org"},
        {"ELDER_DATABASE_URL": "postgresql://db:port/elder"},
    ],
    ids=[
        "no-run",
        "word",
        "port",
        "namespace-without-image",
        "short-key",
        "secret-alone",
        "share-without-ruler",
        "share",
        "url-with-password",
        "database-of-another-kind",
        "database-without-scheme",
        "database-port",
    ],
)
def test_a_value_that_is_not_allowed_is_refused(environment: dict[str, str]):
    with pytest.raises(ConfigurationError):
        load_settings(environment)


def test_the_documentation_lists_every_setting():
    read = set(re.findall(r"ELDER_[A-Z_]+", (ROOT / "resources" / "settings.py").read_text()))
    read = {name for name in read if not name.endswith("_")}
    documented = set(re.findall(r"ELDER_[A-Z_]+", (ROOT / "docs" / "settings.md").read_text()))
    assert read == documented


def test_lists_of_hosts_and_references_are_read():
    settings = load_settings(
        {
            "ELDER_WEBHOOK_SECRETS": "GitHub=env:A, github=env:B",
            "ELDER_GIT_HOSTS": "git.example.org=gitlab",
            "ELDER_ALLOWED_HOSTS": "127.0.0.1,",
            "ELDER_PUBLIC_URL": "https://elder.example.org/",
        }
    )
    assert settings.webhook_secrets == (("github", "env:A"), ("github", "env:B"))
    assert settings.git_hosts == (("git.example.org", "gitlab"),)
    assert settings.allowed_hosts == ("127.0.0.1",)
    assert settings.public_url == "https://elder.example.org"


def test_a_secret_in_a_wrong_setting_is_not_repeated():
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"ELDER_WEBHOOK_SECRETS": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://elder@db/elder",
        "postgresql+psycopg2://elder:p%40ss@db:5432/elder?sslmode=require",
        "postgresql://elder@[::1]:5432/elder",
        "postgresql:///elder?host=/run/postgresql",
        "sqlite:////var/lib/elder/elder.db",
    ],
)
def test_addresses_of_databases_are_taken_as_they_are(address: str):
    assert load_settings({"ELDER_DATABASE_URL": f" {address}\n"}).database_url == address


def test_a_password_that_splits_the_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigurationError, match="PGPASSWORD") as caught:
        load_settings({"ELDER_DATABASE_URL": "postgresql://elder:hunt@er2@db/elder"})
    assert "hunt" not in str(caught.value)
    assert "er2" not in str(caught.value)
