"""A finding becomes an issue at each host: real shapes of answers, texts that address nobody, errors that are named."""

from __future__ import annotations

import datetime as dt
import json
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from provider_cases import TOKEN

from elder_assets.audit.errors import ProviderError, ProviderUnavailable
from resources.git.providers import open_provider
from resources.git.providers.calls import Secret, open_host
from resources.git.providers.issues import Issue, OpenedIssue, html_body, in_markdown, markdown_body
from resources.git.web import Place, commit_address, file_address, form_address, place_of

SINCE = dt.datetime(2026, 2, 9, 11, 50, tzinfo=dt.UTC)
MARKER = "elder-0123456789abcdef0123"
ISSUE = Issue(
    rule="TDD001",
    message="the test `test_sum` asserts nothing",
    severity="high",
    commit="a" * 40,
    place="shop/basket.py:3",
    place_link="https://github.com/acme/shop/blob/aaa/shop/basket.py#L3",
    remedy="Assert what it returns.",
    link="https://elder.example.com/findings/7",
    marker=MARKER,
)
API = {
    "github": "https://api.github.com",
    "gitlab": "https://gitlab.com/api/v4",
    "bitbucket_cloud": "https://api.bitbucket.org/2.0",
    "bitbucket_server": "https://git.acme.example/rest/api/1.0",
    "azure_devops": "https://dev.azure.com",
}
KEYS = {
    "github": "github.com/acme/shop",
    "gitlab": "gitlab.com/acme/web/shop",
    "bitbucket_cloud": "bitbucket.org/acme/shop",
    "bitbucket_server": "git.acme.example/scm/web/shop",
    "azure_devops": "dev.azure.com/acme/Web%20Team/_git/shop",
}
CREATED = {
    "github": ("/repos/acme/shop/issues", {
        "id": 1, "node_id": "MDU6SXNzdWUx", "url": "https://api.github.com/repos/acme/shop/issues/12", "number": 12,
        "html_url": "https://github.com/acme/shop/issues/12", "state": "open", "body": f"text {MARKER}",
        "user": {"login": "elder", "id": 5},
    }),
    "gitlab": ("/api/v4/projects/acme/web/shop/issues", {
        "id": 84, "iid": 12, "project_id": 4, "state": "opened", "description": f"text {MARKER}",
        "web_url": "https://gitlab.com/acme/web/shop/-/issues/12", "author": {"id": 5, "username": "elder"},
    }),
    "bitbucket_cloud": ("/2.0/repositories/acme/shop/issues", {
        "type": "issue", "id": 12, "state": "new", "kind": "bug",
        "content": {"raw": f"text {MARKER}", "markup": "markdown", "html": ""},
        "links": {"self": {"href": "https://api.bitbucket.org/2.0/repositories/acme/shop/issues/12"},
                  "html": {"href": "https://bitbucket.org/acme/shop/issues/12/tdd001"}},
    }),
    "azure_devops": ("/acme/Web Team/_apis/wit/workitems/$Task", {
        "id": 12, "rev": 1, "fields": {"System.WorkItemType": "Task", "System.State": "New"},
        "_links": {"self": {"href": "https://dev.azure.com/acme/_apis/wit/workItems/12"},
                   "html": {"href": "https://dev.azure.com/acme/Web%20Team/_workitems/edit/12"}},
        "url": "https://dev.azure.com/acme/_apis/wit/workItems/12",
    }),
}  # fmt: skip
"""Path of the call and the answer, in the shape of the hosts' own documentation."""
ADDRESSES = {
    "github": "https://github.com/acme/shop/issues/12",
    "gitlab": "https://gitlab.com/acme/web/shop/-/issues/12",
    "bitbucket_cloud": "https://bitbucket.org/acme/shop/issues/12/tdd001",
    "azure_devops": "https://dev.azure.com/acme/Web%20Team/_workitems/edit/12",
}
with_issues = pytest.mark.parametrize("name", CREATED)


def host(name: str, respond):
    return open_host(API[name], Secret(TOKEN), transport=httpx.MockTransport(respond))


def path_of(request: httpx.Request) -> str:
    return unquote(request.url.raw_path.decode().partition("?")[0])


@with_issues
def test_an_issue_is_opened_where_the_repository_is(name: str):
    path, answer = CREATED[name]
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(201, json=answer)

    made = open_provider(name).open_issue(host(name, respond), KEYS[name], ISSUE)
    assert made == OpenedIssue(number="12", url=ADDRESSES[name])
    (call,) = asked
    assert (call.method, path_of(call)) == ("POST", path)
    sent = call.content.decode()
    for said in ("TDD001", "asserts nothing", "shop/basket.py:3", "Assert what it returns.", MARKER, "findings/7"):
        assert said in sent


def test_a_work_item_is_sent_as_a_patch_of_its_type():
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=CREATED["azure_devops"][1])

    bug = Issue(rule="A", message="b", severity="low", commit="c", marker=MARKER, kind="Bug")
    open_provider("azure_devops").open_issue(host("azure_devops", respond), KEYS["azure_devops"], bug)
    assert path_of(asked[0]) == "/acme/Web Team/_apis/wit/workitems/$Bug"
    assert asked[0].headers["Content-Type"] == "application/json-patch+json"
    assert json.loads(asked[0].content)[0] == {"op": "add", "path": "/fields/System.Title", "value": "A: b"}


LISTED = {
    "github": lambda found: [{**found, "number": 11, "body": None}, found],
    "gitlab": lambda found: [{**found, "iid": 11, "description": "another"}, found],
    "bitbucket_cloud": lambda found: {"values": [{**found, "id": 11, "content": {"raw": ""}}, found]},
}


@with_issues
def test_an_issue_that_was_opened_before_a_crash_is_found_by_its_marker(name: str):
    asked: list[httpx.Request] = []

    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        if name == "azure_devops":
            is_query = request.method == "POST"
            return httpx.Response(200, json={"workItems": [{"id": 12}]} if is_query else CREATED[name][1])
        return httpx.Response(200, json=LISTED[name](CREATED[name][1]))

    found = open_provider(name).find_issue(host(name, respond), KEYS[name], MARKER, SINCE)
    assert found == OpenedIssue(number="12", url=ADDRESSES[name])
    assert "2026-02-09" in f"{unquote(str(asked[0].url))}{asked[0].content.decode()}"


@with_issues
def test_an_issue_that_is_not_there_is_not_found(name: str):
    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json={"workItems": [], "values": []} if name in {"azure_devops", "bitbucket_cloud"} else []
        )

    assert open_provider(name).find_issue(host(name, respond), KEYS[name], MARKER, SINCE) is None


def switched_off(name: str):
    """What each host answers where issues are off: the refusal, then the repository."""

    def respond(request: httpx.Request) -> httpx.Response:
        if name == "github":
            return httpx.Response(410, json={"message": "Issues has been disabled in this repository."})
        if name == "gitlab":
            is_post = request.method == "POST"
            project = {"id": 4, "issues_enabled": False, "issues_access_level": "disabled"}
            return (
                httpx.Response(403, json={"message": "403 Forbidden"}) if is_post else httpx.Response(200, json=project)
            )
        if request.method == "POST":
            told = {"type": "error", "error": {"message": "Repository has no issue tracker."}}
            return httpx.Response(404, json=told)
        return httpx.Response(200, json={"type": "repository", "has_issues": False})

    return respond


@pytest.mark.parametrize("name", ["github", "gitlab", "bitbucket_cloud"])
def test_issues_that_are_switched_off_are_named_as_such(name: str):
    with pytest.raises(ProviderError, match="has its issues switched off at the host") as caught:
        open_provider(name).open_issue(host(name, switched_off(name)), KEYS[name], ISSUE)
    assert caught.value.reason == "issues_disabled"


def test_a_type_of_work_item_that_the_process_lacks_is_told_in_the_hosts_words():
    told = {"$id": "1", "message": "VS402323: Work item type Task does not exist in project Web Team."}
    with pytest.raises(ProviderError, match="VS402323") as caught:
        open_provider("azure_devops").open_issue(
            host("azure_devops", lambda _: httpx.Response(404, json=told)), KEYS["azure_devops"], ISSUE
        )
    assert caught.value.reason == "not_found"


def test_a_host_without_issues_says_so():
    with pytest.raises(ProviderError, match="have no issues of their own") as caught:
        open_provider("bitbucket_server").open_issue(
            host("bitbucket_server", lambda _: httpx.Response(500)), KEYS["bitbucket_server"], ISSUE
        )
    assert caught.value.reason == "no_issues"


@with_issues
def test_a_token_that_may_not_open_issues_is_named_and_never_shown(name: str):
    def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            return httpx.Response(403, json={"message": f"Resource not accessible by {TOKEN}"})
        return httpx.Response(200, json={"issues_access_level": "enabled", "has_issues": True})

    with pytest.raises(ProviderError, match="the token may not do this") as caught:
        open_provider(name).open_issue(host(name, respond), KEYS[name], ISSUE)
    assert caught.value.reason == "forbidden"
    assert TOKEN not in str(caught.value)


@with_issues
def test_a_host_that_is_away_may_be_asked_again(name: str):
    with pytest.raises(ProviderUnavailable):
        open_provider(name).open_issue(host(name, lambda _: httpx.Response(503)), KEYS[name], ISSUE)


@with_issues
@pytest.mark.parametrize("address", ["javascript:alert(1)", "", None, "https://a:b@c/"])
def test_an_address_that_is_no_web_address_is_garbage(name: str, address: object):
    links = {"html": {"href": address}}
    answer = {"number": 1, "iid": 1, "id": 1, "html_url": address, "web_url": address, "links": links, "_links": links}
    with pytest.raises(ProviderError) as caught:
        open_provider(name).open_issue(host(name, lambda _: httpx.Response(201, json=answer)), KEYS[name], ISSUE)
    assert caught.value.reason == "garbage"


# --- texts -------------------------------------------------------------------------------------------------

HOSTILE = (
    "@everyone #1 !2 ~bug GH-3 https://evil.example www.evil.example <img src=x onerror=alert(1)> [a](b) **c** :bug:"
)


def test_words_of_a_repository_address_nobody_and_refer_to_nothing():
    shown = in_markdown(HOSTILE)
    for live in ("@everyone", "#1", "!2", "~bug", "GH-3", "https://", "www.evil", "<img", "[a](b)", "**c**", ":bug:"):
        assert live not in shown
    assert shown.replace("\u2060", "").startswith("@everyone #1 !2 ~bug GH-3 https://evil.example")


def test_code_stays_code_whatever_it_holds():
    assert in_markdown("call `a_b(@me)` now") == "call `a_b(@me)` now"
    assert in_markdown("my_function is __init__") == "my\\_function is \\_\\_init\\_\\_"


def test_no_line_of_a_body_begins_with_words_of_the_repository():
    issue = Issue(
        rule="X", message="/close\n/assign @me", severity="low", commit="c", place="/close\n/label ~x:1", marker=MARKER,
        remedy="\n/shrug",
    )  # fmt: skip
    lines = [line for line in markdown_body(issue).split("\n") if line]
    assert all(line.startswith(("**", "<sub>Opened from Elder, elder-")) for line in lines)


def test_a_path_of_backticks_does_not_leave_its_code():
    issue = Issue(rule="X", message="m", severity="low", commit="c", place="a``` @me ```b", marker=MARKER)
    assert "**Place:** ````a``` @me ```b```` at commit" in markdown_body(issue)


def test_html_holds_no_markup_of_the_repository():
    issue = Issue(
        rule="X", message=HOSTILE, severity="low", commit="c", place='"><script>', marker=MARKER,
        place_link='https://h/"onclick="x',
    )  # fmt: skip
    shown = html_body(issue)
    assert "<script" not in shown
    assert "<img" not in shown
    assert '"onclick' not in shown


def test_a_title_is_one_short_line():
    issue = Issue(rule="X", message="a\nb `c` " + "d" * 500, severity="low", commit="c", marker=MARKER)
    assert issue.title.startswith("X: a b c ddd")
    assert len(issue.title) <= 200


# --- addresses ---------------------------------------------------------------------------------------------

ROOTS = {
    "github": "https://github.com/acme/shop",
    "gitlab": "https://gitlab.com/acme/web/shop",
    "bitbucket_cloud": "https://bitbucket.org/acme/shop",
    "bitbucket_server": "https://git.acme.example/projects/web/repos/shop",
    "azure_devops": "https://dev.azure.com/acme/Web%20Team/_git/shop",
}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("github", "/blob/abc/a%20b/c.py#L7"),
        ("gitlab", "/-/blob/abc/a%20b/c.py#L7"),
        ("bitbucket_cloud", "/src/abc/a%20b/c.py#lines-7"),
        ("bitbucket_server", "/browse/a%20b/c.py?at=abc#7"),
        ("azure_devops", "?path=/a%20b/c.py&version=GCabc&line=7&lineEnd=7&lineStartColumn=1&lineEndColumn=200"),
    ],
)
def test_a_line_at_a_commit_is_found_at_its_host(name: str, shown: str):
    place = place_of(name, f"https://{KEYS[name]}")
    assert place == Place(provider=name, root=ROOTS[name])
    assert file_address(place, "abc", "a b/c.py", 7) == ROOTS[name] + shown
    assert commit_address(place, "abc").startswith(f"{ROOTS[name]}/")


@pytest.mark.parametrize(
    ("name", "form", "title"),
    [
        ("github", "/acme/shop/issues/new", "title"),
        ("gitlab", "/acme/web/shop/-/issues/new", "issue[title]"),
        ("bitbucket_cloud", "/acme/shop/issues/new", "title"),
        ("azure_devops", "/acme/Web%20Team/_workitems/create/Task", "[System.Title]"),
    ],
)
def test_the_form_of_a_new_issue_is_filled_in(name: str, form: str, title: str):
    parts = urlsplit(form_address(place_of(name, f"https://{KEYS[name]}"), "a & b", "text"))
    assert parts.path == form
    assert parse_qs(parts.query)[title] == ["a & b"]


def test_a_form_that_would_be_too_long_has_the_title_alone():
    address = form_address(place_of("github", "https://github.com/a/b"), "t", "x" * 9_000)
    assert address == "https://github.com/a/b/issues/new?title=t"


def test_the_first_repository_of_an_azure_project_has_its_projects_form():
    address = form_address(place_of("azure_devops", "https://dev.azure.com/acme/_git/shop"), "t", "")
    assert urlsplit(address).path == "/acme/shop/_workitems/create/Task"


@pytest.mark.parametrize(("name", "url"), [("bitbucket_server", f"https://{KEYS['bitbucket_server']}"), ("", "/srv/x")])
def test_a_host_without_a_form_has_no_address_of_one(name: str, url: str):
    assert form_address(place_of(name, url), "t", "b") == ""


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://a@b/c", "ftp://x/y", "https://[", "https:// x\n"])
def test_an_address_that_the_host_told_is_taken_only_when_it_is_a_web_address(address: str):
    assert place_of("github", "https://github.com/a/b", address).root == "https://github.com/a/b"
