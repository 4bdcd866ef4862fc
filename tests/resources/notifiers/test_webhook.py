"""The signed webhook: the published vector, ids that stay the same, and a body for machines."""

from __future__ import annotations

import base64

import msgspec
import pytest
from receivers import Receiver, http
from test_notifier_conformance import KEY, NOW, message, opened

from elder_assets.audit.alerts import digest
from elder_assets.audit.errors import ConfigurationError
from resources.notifiers.messages import render_digest
from resources.notifiers.notifier import open_notifier
from resources.notifiers.webhook import body, message_id, sign
from resources.outbound import Boundary
from resources.secrets import Secret, Secrets


def test_a_signature_is_that_of_the_published_vector():
    """Vector of the reference libraries of standard-webhooks."""
    made = sign(Secret(KEY), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


def test_a_delivery_tried_again_has_the_same_id_and_verifies():
    receiver = Receiver(http(200))
    notifier = opened("webhook", receiver.port)
    assert notifier.send(message()) == notifier.send(message())
    first, second = receiver.requests
    assert headers_of(first)["webhook-id"] == headers_of(second)["webhook-id"] == message_id(message().key)
    payload = first.partition(b"\r\n\r\n")[2]
    given = headers_of(first)
    assert given["webhook-timestamp"] == str(int(NOW))
    assert given["webhook-signature"] == sign(Secret(KEY), given["webhook-id"], int(NOW), payload)
    receiver.close()


def test_two_secrets_give_two_signatures():
    receiver = Receiver(http(204))
    other = "whsec_" + base64.b64encode(b"n" * 24).decode()
    secrets = Secrets({"OLD": KEY, "NEW": other})
    boundary = Boundary(allowed_hosts=frozenset({f"127.0.0.1:{receiver.port}"}))
    address = f"http://127.0.0.1:{receiver.port}/hook env:NEW env:OLD"
    open_notifier("webhook", address, secrets, boundary=boundary, clock=lambda: NOW).send(message())
    given = headers_of(receiver.requests[0])
    payload = receiver.requests[0].partition(b"\r\n\r\n")[2]
    assert given["webhook-signature"].split(" ") == [
        sign(Secret(key), given["webhook-id"], int(NOW), payload) for key in (other, KEY)
    ]
    receiver.close()


def test_the_body_holds_the_words_and_the_numbers():
    made = msgspec.json.decode(body(message()))
    assert (made["type"], made["timestamp"]) == ("elder.gate_failed", "2026-03-02T12:00:00Z")
    assert made["data"]["title"] == "Gate failed: host/owner/shop"
    (notice,) = made["data"]["notices"]
    assert (notice["severity"], notice["event"]["found"], notice["event"]["after"]) == ("warning", 5, "failed")


def test_a_digest_of_hundreds_says_how_many_it_left_out():
    (notice,) = message().notices
    many = digest([msgspec.structs.replace(notice, key=f"k{n}") for n in range(300)])
    made = msgspec.json.decode(body(render_digest(many, "en")))
    assert (made["type"], len(made["data"]["notices"]), made["data"]["notices_omitted"]) == ("elder.digest", 50, 250)
    assert len(made["data"]["items"]) + made["data"]["items_omitted"] == 300


@pytest.mark.parametrize(
    "secret",
    [
        "whsec_",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_not base64!",
        "пароль",
    ],
)
def test_a_signing_secret_of_another_form_is_refused_without_repeating_it(secret):
    with pytest.raises(ConfigurationError) as refused:
        open_notifier("webhook", "https://example.org/x env:KEY", Secrets({"KEY": secret}))
    assert secret.removeprefix("whsec_") == "" or secret.removeprefix("whsec_") not in str(refused.value)
