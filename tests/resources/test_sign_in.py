"""A private repository is fetched with its project's credential, by whoever fetches it, and nobody else's host sees it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from elder_assets.audit.errors import ConfigurationError
from resources.deliveries import change_requests, sweep
from resources.git import repository
from resources.git.credentials import sign_in
from resources.git.remote import RemoteHead
from resources.settings import Settings, load_settings
from resources.store import open_store
from resources.store.projects import ProjectTerms

KEY, URL = "git.example.org/shop/basket", "https://git.example.org/shop/basket"
EXPECTED = {
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "http.https://git.example.org/.extraHeader",
    "GIT_CONFIG_VALUE_0": "Authorization: Basic " + base64.b64encode(b"oauth2:tok-7").decode(),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = load_settings({"ELDER_HOME": str(tmp_path), "SHOP_TOKEN": "tok-7"})
    with open_store(made.store_url) as store:
        terms = ProjectTerms(name="basket", provider="gitlab", credential="env:SHOP_TOKEN")
        store.add_project(KEY, URL, terms, status="active", by="ann")
        store.add_repository("git.example.org/shop/open", "https://git.example.org/shop/open")
    return made


def test_git_signs_in_at_the_host_of_the_project_only(settings: Settings):
    assert sign_in(settings, KEY, URL) == EXPECTED


@pytest.mark.parametrize(
    ("key", "address"),
    [
        ("git.example.org/shop/open", "https://git.example.org/shop/open"),
        ("git.example.org/shop/none", URL),
        (KEY, "/srv/basket"),
        (KEY, "ssh://git@git.example.org/shop/basket"),
    ],
)
def test_nothing_is_carried_where_there_is_no_credential_or_no_https(settings: Settings, key: str, address: str):
    assert sign_in(settings, key, address) == {}


def test_a_laptop_without_a_store_signs_in_nowhere_and_makes_none(tmp_path: Path):
    empty = load_settings({"ELDER_HOME": str(tmp_path / "none")})
    assert sign_in(empty, KEY, URL) == {}
    assert not (tmp_path / "none").exists()


def test_a_credential_that_is_not_set_is_named(settings: Settings, tmp_path: Path):
    without = load_settings({"ELDER_HOME": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="SHOP_TOKEN"):
        sign_in(without, KEY, URL)


def test_audits_the_sweep_and_change_requests_fetch_with_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    seen: list[tuple[str, object]] = []

    def noted(name: str, result: object):
        def call(*_arguments: object, credential: object = None, **_options: object) -> object:
            seen.append((name, credential))
            return result

        return call

    def asked(_address: str, credential: dict[str, str]) -> RemoteHead:
        seen.append(("sweep", credential))
        return RemoteHead(default_branch="", commit="")

    monkeypatch.setattr(repository, "update_mirror", noted("audit", tmp_path))
    monkeypatch.setattr(sweep, "remote_head", asked)
    monkeypatch.setattr(change_requests, "update_mirror", noted("change request", tmp_path))
    monkeypatch.setattr(change_requests, "fetch_commits", noted("its refs", {}))
    monkeypatch.setattr(change_requests, "_chosen", lambda *_: None)
    with repository.open_repository(URL, settings, key=KEY):
        pass
    with open_store(settings.store_url) as store:
        number = store.repository(KEY).id
        target = store.audit_targets([number])[number]
    sweep.head_of(settings, target)
    change_requests.sides_of(settings, target, {})
    names = [name for name, credential in seen if credential == EXPECTED]
    assert names == ["audit", "sweep", "change request", "its refs", "audit"]
