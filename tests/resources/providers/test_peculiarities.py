"""What one provider does unlike the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from provider_cases import AFTER, AZURE_DEVOPS, BITBUCKET_CLOUD, GITHUB, GITLAB, TOKEN, FakeHost, basic

from elder_assets.audit.errors import ConfigurationError, ProviderError
from resources.git.providers import open_provider
from resources.git.providers.calls import Secret, open_host

ROOT = Path(__file__).parents[3]


def host_of(api: str, respond, token: str = TOKEN):
    return open_host(api, Secret(token), transport=httpx.MockTransport(respond))


def set_status(name: str, host, repository: str, **more: object) -> None:
    open_provider(name).set_status(host, repository, AFTER, "success", summary="ok", target_url="", **more)


def test_gitlab_answers_400_for_a_status_that_is_set_already():
    said = "Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition)"
    host = host_of(GITLAB.api, lambda _: httpx.Response(400, json={"message": said}))
    set_status("gitlab", host, GITLAB.repository)
    other = host_of(GITLAB.api, lambda _: httpx.Response(400, json={"message": "sha is invalid"}))
    with pytest.raises(ProviderError, match="sha is invalid"):
        set_status("gitlab", other, GITLAB.repository)


def test_gitlab_gets_a_signing_token_as_such():
    fake = FakeHost(GITLAB.handle)
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    open_provider("gitlab").create_webhook(
        host_of(GITLAB.api, fake), GITLAB.repository, url="https://elder.example.com/w", secret=secret
    )
    (hook,) = fake.hooks.values()
    assert hook["signing_token"] == secret
    assert "token" not in hook


def test_azure_shows_a_page_to_sign_in_at_for_a_wrong_token():
    host = host_of(AZURE_DEVOPS.api, lambda _: httpx.Response(203, html="<html>Sign In</html>"))
    with pytest.raises(ProviderError) as refused:
        open_provider("azure_devops").metadata(host, AZURE_DEVOPS.repository)
    assert refused.value.reason == "unauthorised"


def test_azure_policies_read_the_status_of_the_pull_request():
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"id": 1})

    set_status("azure_devops", host_of(AZURE_DEVOPS.api, respond), AZURE_DEVOPS.repository, change_number=7)
    start = "/acme/Web Team/_apis/git/repositories/shop"
    assert asked == [f"{start}/commits/{AFTER}/statuses", f"{start}/pullRequests/7/statuses"]


@pytest.mark.parametrize(
    ("repository", "path"),
    [
        ("dev.azure.com/acme/web/_git/shop", "/acme/web/_apis/git/repositories/shop"),
        ("dev.azure.com/acme/_git/shop", "/acme/shop/_apis/git/repositories/shop"),
        ("acme.visualstudio.com/web/_git/shop", "/web/_apis/git/repositories/shop"),
        ("acme.visualstudio.com/_git/shop", "/shop/_apis/git/repositories/shop"),
        ("tfs.corp/tfs/Default/web/_git/shop", "/tfs/Default/web/_apis/git/repositories/shop"),
    ],
)
def test_azure_addresses_of_every_age_lead_to_the_api(repository, path):
    asked: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404)

    with pytest.raises(ProviderError):
        open_provider("azure_devops").metadata(host_of("https://host.example.com", respond), repository)
    assert asked == [path]


@pytest.mark.parametrize(
    "repository", ["dev.azure.com/acme/web/shop", "dev.azure.com/_git/shop", "ssh.dev.azure.com/v3/a/b/c"]
)
def test_an_azure_key_of_another_form_says_what_is_allowed(repository):
    with pytest.raises(ConfigurationError, match="_git"):
        open_provider("azure_devops").metadata(host_of(AZURE_DEVOPS.api, FakeHost(AZURE_DEVOPS.handle)), repository)


def test_bitbucket_takes_a_user_with_its_token():
    seen: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(404)

    with pytest.raises(ProviderError):
        open_provider("bitbucket_cloud").metadata(
            host_of(BITBUCKET_CLOUD.api, respond, "ada:pw"), BITBUCKET_CLOUD.repository
        )
    assert seen == [basic("ada", "pw")]


def test_the_token_of_a_github_app_finds_its_comment_though_it_is_no_user():
    fake = FakeHost(GITHUB.handle)
    fake.comments["900"] = dict(GITHUB.strangers_comment)
    fake.comments["901"] = {
        "id": 901,
        "body": "<!-- elder:gate --> old",
        "user": {"login": "elder[bot]", "type": "Bot"},
    }

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, json={}) if request.url.path == "/user" else fake(request)

    open_provider("github").comment(host_of(GITHUB.api, respond), GITHUB.repository, 7, "new verdict")
    assert "new verdict" in fake.comments["901"]["body"]
    assert set(fake.comments) == {"900", "901"}


@pytest.mark.parametrize(
    ("name", "host", "api"),
    [
        ("github", "github.com", "https://api.github.com"),
        ("github", "git.corp", "https://git.corp/api/v3"),
        ("gitlab", "git.corp", "https://git.corp/api/v4"),
        ("bitbucket_cloud", "bitbucket.org", "https://api.bitbucket.org/2.0"),
        ("bitbucket_server", "git.corp", "https://git.corp"),
        ("azure_devops", "dev.azure.com", "https://dev.azure.com"),
        ("azure_devops", "acme.visualstudio.com", "https://acme.visualstudio.com"),
    ],
)
def test_the_api_of_a_host_is_where_its_provider_has_it(name, host, api):
    assert open_provider(name).api_base(host) == api


def test_choosing_a_provider_and_reading_webhooks_needs_no_http_client():
    script = (
        "import sys; sys.modules['httpx'] = None\n"
        "from resources.git.providers import open_provider, provider_for\n"
        "name = provider_for('https://gitlab.com/acme/shop', {})\n"
        "print(open_provider(name).parse({}, b'{}')[0].action)"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "other", result.stderr
