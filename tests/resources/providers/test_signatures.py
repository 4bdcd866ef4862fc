"""Signatures that the providers and standards publish, so that our own signing proves nothing alone."""

from __future__ import annotations

import pytest
from provider_cases import basic

from elder_assets.audit.errors import WebhookRejected
from resources.git.providers import open_provider
from resources.git.providers.gitlab import GitLab

PUBLISHED_SECRET = b"It's a Secret to Everybody"


def test_githubs_published_example_is_accepted():
    # docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries, "Testing the webhook payload validation"
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"X-Hub-Signature-256": f"sha256={digest}"}
    open_provider("github").verify(headers, b"Hello, World!", [PUBLISHED_SECRET])
    with pytest.raises(WebhookRejected):
        open_provider("github").verify(headers, b"Hello, World?", [PUBLISHED_SECRET])


def test_bitbuckets_published_example_is_accepted():
    # support.atlassian.com/bitbucket-cloud/docs/manage-webhooks, "Examples"
    digest = "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"
    headers = {"X-Hub-Signature": f"sha256={digest}"}
    for name in ("bitbucket_cloud", "bitbucket_server"):
        open_provider(name).verify(headers, b"Hello World!", [PUBLISHED_SECRET])
        with pytest.raises(WebhookRejected):
            open_provider(name).verify(headers, b"Hello, World!", [PUBLISHED_SECRET])


# The example of the Standard Webhooks specification, whose scheme GitLab's signing tokens follow
SIGNING_TOKEN = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SIGNED_BODY = b'{"test": 2432232314}'
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def gitlab(now: float = 1614265330.0):
    return GitLab(clock=lambda: now)


def refused(
    headers: dict[str, str], secrets: list[bytes], *, body: bytes = SIGNED_BODY, now: float = 1614265330.0
) -> str:
    with pytest.raises(WebhookRejected) as error:
        gitlab(now).verify(headers, body, secrets)
    assert error.value.status == 401
    return error.value.reason


def test_the_standards_published_example_is_accepted_by_gitlab():
    gitlab().verify(SIGNED, SIGNED_BODY, [SIGNING_TOKEN])
    gitlab().verify({name.upper(): value for name, value in SIGNED.items()}, SIGNED_BODY, [b"a-token", SIGNING_TOKEN])


def test_one_of_several_signatures_is_enough():
    several = {**SIGNED, "webhook-signature": "v1,AAAA v1a,BBBB " + SIGNED["webhook-signature"]}
    gitlab().verify(several, SIGNED_BODY, [SIGNING_TOKEN])
    refused({**SIGNED, "webhook-signature": "v1,AAAA " * 20 + SIGNED["webhook-signature"]}, [SIGNING_TOKEN])


@pytest.mark.parametrize("now", [1614265330.0 - 301, 1614265330.0 + 301])
def test_an_old_signature_is_a_replay(now):
    assert "300 seconds" in refused(SIGNED, [SIGNING_TOKEN], now=now)
    gitlab(now=1614265330.0 + 299).verify(SIGNED, SIGNED_BODY, [SIGNING_TOKEN])


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_other"},
        {"webhook-id": "é"},
        {"webhook-timestamp": "1614265331"},
        {"webhook-timestamp": "1614265330.0"},
        {"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"},
        {"webhook-timestamp": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
        {"webhook-signature": "v1,\udcff"},
    ],
)
def test_a_changed_part_of_a_signed_delivery_is_refused(changed):
    refused({**SIGNED, **changed}, [SIGNING_TOKEN])
    refused(SIGNED, [SIGNING_TOKEN], body=SIGNED_BODY + b" ")


def test_where_only_a_signing_token_is_configured_a_plain_token_is_not_enough():
    assert "webhook-id is missing" in refused({"X-Gitlab-Token": SIGNING_TOKEN.decode()}, [SIGNING_TOKEN])


def test_a_wrong_signature_is_not_saved_by_a_right_token():
    wrong = {**SIGNED, "webhook-signature": "v1,AAAA", "X-Gitlab-Token": "a-token"}
    refused(wrong, [SIGNING_TOKEN, b"a-token"])
    gitlab().verify({"X-Gitlab-Token": "a-token"}, SIGNED_BODY, [SIGNING_TOKEN, b"a-token"])


@pytest.mark.parametrize("token", [b"whsec_", b"whsec_!!", b"whsec_c2hvcnQ="])
def test_a_signing_token_that_is_no_key_accepts_nothing(token):
    assert "configured signing token" in refused(SIGNED, [token])


def test_azure_accepts_the_header_and_a_secret_configured_with_its_user():
    provider = open_provider("azure_devops")
    provider.verify({"x-elder-token": "correct horse"}, b"", [b"correct horse"])
    provider.verify({"Authorization": basic("elder", "pw")}, b"", [b"elder:pw"])
    for headers in (
        {"Authorization": basic("mallory", "pw")},
        {"X-Elder-Token": "pw", "Authorization": basic("e", "no")},
    ):
        with pytest.raises(WebhookRejected):
            provider.verify(headers, b"", [b"elder:pw"])
