"""Registration: from an address to a settled project, or to a clear reason why not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from elder_assets.audit.errors import ConfigurationError, Conflict, RepositoryNotFound, SourceRefused
from resources.git.remote import credential_environment, remote_head
from resources.registry import add_known, ask_first_audit, check_host, normalised, recommended, settle
from resources.secrets import Secret
from resources.settings import Settings
from resources.store import Store, open_store
from resources.store.projects import Project, ProjectTerms


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def store(settings: Settings):
    with open_store(settings.store_url) as opened:
        yield opened


def remote(tmp_path: Path, *, with_commit: bool = True) -> str:
    """A bare repository with a Python file, a YAML file and one commit: its file:// address."""
    bare = tmp_path / "shop.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "trunk", bare], check=True)
    if with_commit:
        script = (
            b"blob\nmark :1\ndata 32\nprint('a')\nprint('b')\nprint('')\nblob\nmark :2\ndata 6\non: x\n"
            b"commit refs/heads/trunk\ncommitter A <a@example.com> 1700000000 +0000\ndata 1\nx\n"
            b"M 100644 :1 shop/basket.py\nM 100644 :2 .github/workflows/ci.yml\n\n"
        )
        subprocess.run(["git", "--git-dir", bare, "fast-import", "--quiet"], input=script, check=True)
    return f"file://{bare}"


def pending(store: Store, url: str) -> Project:
    return store.add_project("git.example.com/a/shop", url, ProjectTerms(name="shop"), by="ann")


def told(store: Store, project: Project) -> list[str]:
    return [event["document"]["stage"] for event in store.live_events_after(0, 100, project.id)]


def test_a_readable_repository_is_looked_over_and_its_first_audit_is_queued(
    store: Store, settings: Settings, tmp_path: Path
):
    project = pending(store, remote(tmp_path))
    settled = settle(store, settings, project.id, protocols=("file",))
    assert (settled.status, settled.default_branch) == ("active", "trunk")
    look = settled.first_look
    assert (look["files"], look["bytes"], look["commits"]) == (2, 38, 1)
    assert look["languages"] == [["python", 1.0]]
    assert look["ci"] == ["GitHub Actions"]
    assert look["recommended"]["tier"] == {"value": "micro", "reason": "2 files"}
    assert look["recommended"]["profile"]["value"] == "startup"
    assert look["expected_because"] == "no audit was measured yet"
    (row,) = store.waiting_inbox(10)
    assert (row.action, row.repository_id, row.source) == ("audit", project.id, "registration")
    assert told(store, project) == ["access", "first_look", "registered"]


def test_a_project_whose_audits_come_by_upload_is_active_at_once_and_nobody_is_asked(store: Store, settings: Settings):
    terms = ProjectTerms(name="far", settings={"uploads_only": True})
    project = store.add_project("git.nowhere.example/a/far", "https://git.nowhere.example/a/far", terms)
    assert settle(store, settings, project.id).status == "active"
    assert store.waiting_inbox(10) == []


def test_settling_twice_queues_one_audit(store: Store, settings: Settings, tmp_path: Path):
    project = pending(store, remote(tmp_path))
    settle(store, settings, project.id, protocols=("file",))
    store.settle_project(project.id, status="pending")  # as a crash before the last step would leave it
    settle(store, settings, project.id, protocols=("file",))
    assert len(store.waiting_inbox(10)) == 1
    assert ask_first_audit(store, project.id) == store.waiting_inbox(10)[0].id


@pytest.mark.parametrize(
    ("is_there", "reason"), [(True, "the repository has no commits yet"), (False, "there is no such repository")]
)
def test_a_repository_that_cannot_be_audited_is_refused_with_the_reason(
    store: Store, settings: Settings, tmp_path: Path, is_there: bool, reason: str
):
    url = remote(tmp_path, with_commit=False) if is_there else f"file://{tmp_path}/nothing.git"
    settled = settle(store, settings, pending(store, url).id, protocols=("file",))
    assert settled.status == "refused"
    assert settled.reason.startswith(reason)
    assert store.waiting_inbox(10) == []


def test_a_missing_credential_is_a_reason_too(store: Store, settings: Settings, tmp_path: Path):
    terms = ProjectTerms(name="shop", credential="env:NOT_SET")
    project = store.add_project("git.example.com/a/shop", remote(tmp_path), terms)
    settled = settle(store, settings, project.id, protocols=("file",))
    assert settled.status == "refused"
    assert "env:NOT_SET" in settled.reason


@pytest.mark.parametrize("address", ["https://127.0.0.1/a/b", "https://localhost/a/b", "ssh://git@10.0.0.8/a/b"])
def test_an_address_inside_the_network_is_refused_unless_the_operator_named_it(tmp_path: Path, address: str):
    with pytest.raises(SourceRefused, match="not a public address"):
        check_host(Settings(home=tmp_path), address)
    named = address.split("//")[1].split("/", maxsplit=1)[0].rpartition("@")[2]
    check_host(Settings(home=tmp_path, git_hosts=((named, "gitlab"),)), address)


def test_a_credential_goes_to_its_host_alone_and_not_into_arguments():
    given = credential_environment("https://git.example.com/a/b", "gitlab", Secret("hunter2"))
    assert given["GIT_CONFIG_KEY_0"] == "http.https://git.example.com/.extraHeader"
    assert "hunter2" not in str(given)  # it is encoded, as basic authentication asks
    assert credential_environment("ssh://git@example.com/a/b", "gitlab", Secret("x")) == {}
    assert credential_environment("https://git.example.com/a/b", "gitlab", None) == {}


def test_the_head_of_a_remote_is_its_branch_and_commit(tmp_path: Path):
    head = remote_head(remote(tmp_path), protocols=("file",))
    assert head.default_branch == "trunk"
    assert len(head.commit) == 40


def test_a_remote_that_is_gone_or_may_not_be_asked_is_said(tmp_path: Path):
    address = remote(tmp_path)
    with pytest.raises(RepositoryNotFound, match="no such repository"):
        remote_head(f"{address}-gone", protocols=("file",))
    with pytest.raises(RepositoryNotFound, match="not allowed"):
        remote_head(address)


@pytest.mark.parametrize(
    ("tags", "commits", "profile"),
    [(("PCI",), 9_000, "enterprise"), ((), 9_000, "default"), ((), 20, "startup")],
)
def test_a_recommendation_says_why(tags: tuple[str, ...], commits: int, profile: str):
    said = recommended(5_000, commits, ProjectTerms(name="x", compliance_tags=tags), None)
    assert said["profile"]["value"] == profile
    assert said["profile"]["reason"]
    assert said["tier"] == {"value": "medium", "reason": "5000 files"}


def test_addresses_have_one_form():
    assert normalised("https://GitHub.com/a/B/?x=1#y") == "https://github.com/a/B"
    assert normalised("git@github.com:a/b.git") == "git@github.com:a/b.git"


def test_a_path_is_no_address_for_the_api(store: Store, settings: Settings, tmp_path: Path):
    from resources.registry import register

    with pytest.raises(SourceRefused):
        register(store, settings, str(tmp_path), ProjectTerms(name="x"), by="ann")
    with pytest.raises(ConfigurationError):
        register(store, settings, "https://github.com/a/b", ProjectTerms(name="x", credential="secret"), by="ann")


def test_two_folders_of_one_name_are_two_repositories(store: Store, settings: Settings):
    add_known(store, settings, "local/shop", "/srv/a/shop")
    with pytest.raises(Conflict, match=r"local/shop is registered already, for /srv/a/shop; .* names another"):
        add_known(store, settings, "local/shop", "/srv/b/shop")
    add_known(store, settings, "local/b-shop", "/srv/b/shop")
    add_known(store, settings, "local/shop", "/srv/a/shop")  # again changes nothing
    known = {repository.key: repository.url for repository in store.repositories()}
    assert known == {"local/shop": "/srv/a/shop", "local/b-shop": "/srv/b/shop"}


def test_two_spellings_of_an_address_are_one_repository(store: Store, settings: Settings):
    add_known(store, settings, "github.com/octo/shop", "https://github.com/octo/shop")
    add_known(store, settings, "github.com/octo/shop", "git@github.com:octo/shop.git")
    assert [repository.url for repository in store.repositories()] == ["git@github.com:octo/shop.git"]
