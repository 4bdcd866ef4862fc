"""Every provider accepts its own webhooks and no others, and says the same facts of them."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_cases import AFTER, CASES, NOW, SECRET, Case

from elder_assets.audit.errors import WebhookRejected
from resources.git.providers import open_provider

EVENTS = [pytest.param(case, event, id=f"{case.name}: {name}") for case in CASES for name, event in case.events.items()]
WRONG = [pytest.param(case, bad, id=f"{case.name}: {name}") for case in CASES for name, bad in case.wrong.items()]
every_provider = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def provider_of(case: Case):
    provider = open_provider(case.name)
    provider.clock = lambda: NOW
    return provider


def push_of(case: Case) -> tuple[dict[str, str], bytes]:
    event = case.events["push"]
    return event.headers, json.dumps(event.payload).encode()


@every_provider
@pytest.mark.parametrize("spell", [str, str.lower, str.upper], ids=["as documented", "lower case", "upper case"])
def test_the_right_signature_is_accepted_in_any_case_of_the_header(case, spell):
    headers, body = push_of(case)
    signed = {spell(name): value for name, value in {**headers, **case.sign(body, SECRET)}.items()}
    assert provider_of(case).verify(signed, body, [SECRET]) is None


@pytest.mark.parametrize(("case", "wrong"), WRONG)
def test_a_wrong_signature_is_refused_with_401_and_a_reason_without_the_secret(case, wrong):
    headers, body = push_of(case)
    with pytest.raises(WebhookRejected) as refused:
        provider_of(case).verify({**headers, **wrong}, body, [SECRET])
    assert refused.value.status == 401
    assert len(refused.value.reason) > 10
    assert SECRET.decode() not in refused.value.reason


@every_provider
def test_during_a_rotation_either_secret_is_accepted(case):
    headers, body = push_of(case)
    for secret in (SECRET, b"the next one"):
        provider_of(case).verify({**headers, **case.sign(body, secret)}, body, [b"the next one", SECRET])


@every_provider
@pytest.mark.parametrize("secrets", [[], [b""]], ids=["none", "empty"])
def test_without_a_configured_secret_nothing_is_accepted(case, secrets):
    headers, body = push_of(case)
    for key in (b"", SECRET):
        with pytest.raises(WebhookRejected) as refused:
            provider_of(case).verify({**headers, **case.sign(body, key)}, body, secrets)
        assert refused.value.status == 401


@every_provider
def test_the_signature_of_another_secret_is_refused(case):
    headers, body = push_of(case)
    with pytest.raises(WebhookRejected):
        provider_of(case).verify({**headers, **case.sign(body, b"guessed")}, body, [SECRET])


@every_provider
def test_a_signature_that_is_there_twice_is_refused(case):
    headers, body = push_of(case)
    signed = case.sign(body, SECRET)
    twice = {**headers, **signed, **{name.lower(): value for name, value in signed.items()}}
    joined = {**headers, **{name: f"{value}, {value}" for name, value in signed.items()}}
    for bad in (twice, joined):
        with pytest.raises(WebhookRejected) as refused:
            provider_of(case).verify(bad, body, [SECRET])
        assert refused.value.status == 401


@pytest.mark.parametrize(("case", "event"), EVENTS)
def test_an_event_means_what_its_provider_documents(case, event):
    found = provider_of(case).parse(event.headers, json.dumps(event.payload).encode())[0]
    assert {name: getattr(found, name) for name in event.means} == event.means


def several_refs(case: Case) -> tuple[dict[str, str], dict]:
    """A push of a branch and a tag at once, where the provider sends them in one delivery."""
    push, tag = case.events["push"].payload, case.events["tag"].payload
    if case.name == "bitbucket_cloud":
        push = {**push, "push": {"changes": push["push"]["changes"] + tag["push"]["changes"]}}
    elif case.name == "bitbucket_server":
        push = {**push, "changes": push["changes"] + tag["changes"]}
    elif case.name == "azure_devops":
        updates = push["resource"]["refUpdates"] + tag["resource"]["refUpdates"]
        push = {**push, "resource": {**push["resource"], "refUpdates": updates}}
    return case.events["push"].headers, push


@pytest.mark.parametrize("case", CASES[2:], ids=lambda case: case.name)
def test_every_ref_of_a_push_is_a_delivery_of_its_own(case):
    headers, payload = several_refs(case)
    found = provider_of(case).parse(headers, json.dumps(payload).encode())
    assert [(one.action, one.ref) for one in found] == [("push", "refs/heads/main"), ("tag", "refs/tags/v1")]
    assert found[1].delivery_id == found[0].delivery_id + "#2"


@every_provider
@pytest.mark.parametrize("fact", ["push", "branch deleted", "tag", "change opened", "change merged", "unknown"])
def test_every_provider_states_the_common_facts(case, fact):
    assert fact in case.events


@every_provider
def test_a_delivery_sent_again_has_the_same_id_and_another_one_has_another(case):
    headers, body = push_of(case)
    parse = provider_of(case).parse
    other = {**json.loads(body), "id": "another-id"}
    other_headers = {**headers, **({case.id_header: "another-id"} if case.id_header else {})}
    first, again = parse(headers, body)[0], parse(dict(headers), bytes(body))[0]
    assert first == again
    assert parse(other_headers, json.dumps(other).encode())[0].delivery_id == "another-id"
    assert first.delivery_id not in {"", "another-id"}


@every_provider
def test_without_a_usable_id_equal_deliveries_share_a_digest(case):
    headers, body = push_of(case)
    for bad in ("", "with blank", "x" * 300, "é"):
        changed = {**headers, **({case.id_header: bad} if case.id_header else {})}
        payload = {**json.loads(body), "id": bad}
        first, again = (provider_of(case).parse(changed, json.dumps(payload).encode())[0] for _ in range(2))
        other = provider_of(case).parse(changed, json.dumps({**payload, "more": 1}).encode())[0]
        assert first.delivery_id == again.delivery_id != other.delivery_id
        assert len(first.delivery_id) == 64


@every_provider
@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json; charset=utf-8", 0), ("", 0), ("text/plain", 415), ("multipart/form-data; boundary=x", 415)],
)
def test_only_json_is_read(case, kind, status):
    headers, body = push_of(case)
    headers = {**headers, "Content-Type": kind}
    if not status:
        assert provider_of(case).parse(headers, body)[0].head == AFTER
        return
    with pytest.raises(WebhookRejected) as refused:
        provider_of(case).parse(headers, body)
    assert refused.value.status == status


@every_provider
@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"7", b'"\\ud800"', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused_with_400(case, body):
    with pytest.raises(WebhookRejected) as refused:
        provider_of(case).parse(case.events["push"].headers, body)
    assert refused.value.status == 400
    assert len(refused.value.reason) < 300


def places(value: object, path: tuple = ()) -> list[tuple]:
    """All paths of a payload."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, item in inner for deeper in places(item, (*path, key)))]


def replaced(value: object, path: tuple, new: object) -> object:
    """The payload with another value at one place."""
    if not path:
        return new
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


HOSTILE = [
    None,
    "",
    7,
    -1,
    True,
    [],
    {},
    [None],
    "x" * 5000,
    "--upload-pack=x",
    "../..",
    "a\x00b\n",
    "https://u:p@h/x",
    "é\u202e",
]


@pytest.mark.parametrize(("case", "event"), EVENTS)
def test_a_payload_broken_at_any_one_place_is_read_or_refused_and_stays_inert(case, event):
    provider = provider_of(case)
    for path in places(event.payload):
        for value in HOSTILE:
            broken = json.dumps(replaced(event.payload, path, value)).encode()
            found = read_or_refused(provider, event.headers, broken)
            if isinstance(found, WebhookRejected):
                assert found.status == 400
                assert "u:p@" not in found.reason
                continue
            for one in found:
                assert_inert(one)


def read_or_refused(provider, headers: dict[str, str], body: bytes):
    """What parse returns, or the one error that it may raise."""
    try:
        return provider.parse(headers, body)
    except WebhookRejected as refused:
        return refused


def assert_inert(delivery) -> None:
    texts = [delivery.title, delivery.sender, delivery.event, delivery.reason, *delivery.target_files]
    assert all(text.isprintable() and len(text) <= 1000 for text in texts)
    assert delivery.ref == "" or delivery.ref.startswith("refs/")
    assert all(set(commit) <= set("0123456789abcdef") for commit in (delivery.head, delivery.before, delivery.base))
    assert "@" not in delivery.clone_url
    assert delivery.clone_url == "" or delivery.clone_url.startswith("https://")
    assert "u:p@" not in delivery.change_url


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@every_provider
@settings(max_examples=60, deadline=None, derandomize=True)
@given(raw=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), name=st.text(max_size=30))
def test_arbitrary_bytes_are_read_or_refused(case, raw, name):
    for event in case.events.values():
        headers = {key: name if "event" in key.lower() else value for key, value in event.headers.items()}
        for sent in (event.headers, headers):
            found = read_or_refused(provider_of(case), sent, raw)
            assert found
            assert not isinstance(found, WebhookRejected) or found.status in {400, 415}


@every_provider
@settings(max_examples=60, deadline=None, derandomize=True)
@given(value=st.text(max_size=100), raw=st.binary(max_size=50))
def test_arbitrary_signatures_are_refused(case, value, raw):
    for name in case.sign(b"", SECRET):
        with pytest.raises(WebhookRejected):
            provider_of(case).verify({name: value}, raw, [SECRET])


def test_github_also_sends_forms():
    headers, body = push_of(CASES[0])
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    assert open_provider("github").parse(form, b"payload=" + quote(body).encode())[0].head == AFTER
    for bad in (b"", b"other=1", b"payload=%7B%7D&payload=%7B%7D", b"payload=%ff", b"\xff", b"&".join([b"a=1"] * 50)):
        with pytest.raises(WebhookRejected) as refused:
            open_provider("github").parse(form, bad)
        assert refused.value.status == 400
