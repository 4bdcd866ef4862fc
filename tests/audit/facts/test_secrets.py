"""Secrets: what is one, what only looks like one, and that no text of one is kept.

Tokens are put together at run time, so that no scanner trips over this file.
"""

from __future__ import annotations

import base64
import random
import zlib

import msgspec
import pytest

from elder_assets.audit.facts import secrets as module
from elder_assets.audit.facts.grammars import Blob
from elder_assets.audit.facts.secrets import DETECTORS, PRIVATE_KEY, find_secrets, redact, secrets

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BASE62 = "0123456789" + LETTERS + LETTERS.lower()
HEX = "0123456789abcdef"
RANDOM = random.Random(20231114)  # noqa: S311 - tokens for tests, the same in every run


def drawn(alphabet: str, size: int) -> str:
    """Random characters that hold no word by accident."""
    while True:
        text = "".join(RANDOM.choice(alphabet) for _ in range(size))
        if not module._is_made_up(text.encode()):
            return text


def base62(value: int) -> str:
    """Six digits of base 62, most significant first, as GitHub published them (2021)."""
    digits = ""
    for _ in range(6):
        digits = BASE62[value % 62] + digits
        value //= 62
    return digits


def checked(prefix: str) -> str:
    body = drawn(BASE62, 30)
    return prefix + body + base62(zlib.crc32(body.encode()))


def der_key(size: int = 1190) -> bytes:
    return b"\x30\x82" + size.to_bytes(2, "big") + RANDOM.randbytes(size)


def pem(label: str, body: bytes, line_end: str = "\n") -> str:
    text = base64.b64encode(body).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    marks = [f"-----{word} {label}PRIVATE " + "KEY-----" for word in ("BEGIN", "END")]
    return line_end.join([marks[0], *lines, marks[1]])


def openssh() -> bytes:
    return b"openssh-key-v1\0\0\0\0\x04none\0\0\0\x04none" + RANDOM.randbytes(380)


def macaroon() -> str:
    raw = b"\x02\x01\x08pypi.org\x02" + RANDOM.randbytes(90)
    return "pypi-" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


TRUE = {
    "private key": pem("RSA ", der_key()),
    "private key, PKCS 8": pem("", der_key()),
    "private key, in a string": '"' + pem("EC ", b"\x30\x76" + RANDOM.randbytes(0x76), "\\n") + '"',
    "private key, OpenSSH": pem("OPENSSH ", openssh()),
    "Google service account key": '{"type": "service_account", "private_key": "' + pem("", der_key(), "\\n") + '"}',
    "AWS secret access key": "id = 'AKIA" + drawn(LETTERS + "234567", 16) + "'\nkey = '" + drawn(BASE62, 39) + "/'",
    "GitHub token": checked("ghp_"),
    "npm token": checked("npm_"),
    "PyPI token": macaroon(),
    "GitHub fine-grained token": "github_" + "pat_" + drawn(BASE62, 22) + "_" + drawn(BASE62, 59),
    "GitLab token": "glpat-" + drawn(BASE62, 20),
    "Slack bot token": "xoxb-" + "2345678901-9876543210-" + drawn(BASE62, 24),
    "Slack user token": "xoxp-" + "2345678901-9876543210-8765432109-" + drawn(HEX, 32),
    "Slack webhook": "https://hooks.slack.com/" + "services/T02AB3CD4/B05EF6GH7/" + drawn(BASE62, 24),
    "Stripe live key": "sk_" + "live_" + drawn(BASE62, 24),
    "Google API key": "AIza" + drawn(BASE62, 35),
    "Azure storage key": "AccountKey=" + base64.b64encode(RANDOM.randbytes(64)).decode(),
    "SendGrid key": "SG." + drawn(BASE62, 22) + "." + drawn(BASE62, 43),
    "Twilio auth token": "AC" + drawn(HEX, 32) + "\nauth_token = '" + drawn(HEX, 32) + "'",
    "Mailgun key": "mailgun: key-" + drawn(HEX, 32),
    "Mailchimp key": "mailchimp: " + drawn(HEX, 32) + "-us12",
    "Shopify token": "shpat_" + drawn(HEX, 32),
    "DigitalOcean token": "dop_" + "v1_" + drawn(HEX, 64),
    "Hugging Face token": "hf_" + drawn(LETTERS + LETTERS.lower(), 34),
    "OpenAI key": "sk-" + drawn(BASE62, 20) + "T3Blbk" + "FJ" + drawn(BASE62, 20),
    "Anthropic key": "sk-ant-" + "api03-" + drawn(BASE62, 93) + "AA",
    "Telegram bot token": "1928374650:AA" + drawn(BASE62, 33),
    "Discord webhook": "https://discord.com/" + "api/webhooks/928374650192837465/" + drawn(BASE62, 68),
    "Square token": "sq0atp-" + drawn(BASE62, 22),
    "Databricks token": "dapi" + drawn(HEX, 32),
    "Linear key": "lin_" + "api_" + drawn(BASE62, 40),
    "New Relic key": "NRAK-" + drawn(LETTERS + "0123456789", 27),
    "Pulumi token": "pul-" + drawn(HEX, 40),
    "RubyGems key": "rubygems_" + drawn(HEX, 48),
    "Docker Hub token": "dckr_" + "pat_" + drawn(BASE62, 27),
}


@pytest.mark.parametrize("name", TRUE)
def test_a_secret_is_found_and_blanked(name: str):
    data = f"# settings\nvalue = {TRUE[name]}\n".encode()
    (candidate, *rest) = find_secrets(data)
    assert rest == []
    assert candidate.kind == name.partition(",")[0]
    secret = data[candidate.start : candidate.end]
    assert secret not in redact(data)
    assert len(redact(data)) == len(data)
    assert redact(data).count(b"\n") == data.count(b"\n")
    stored = msgspec.json.encode(secrets(Blob(data, "text")))
    assert not any(word in stored for word in secret.split() if len(word) >= 16)


def test_there_are_more_than_25_kinds_and_each_has_a_literal():
    assert len({detector.kind for detector in DETECTORS}) > 25
    assert all(detector.literals for detector in DETECTORS)


FALSE = {
    "AWS's documented example": "AKIAIOSFODNN7" + "EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
    "an access key id alone": "AKIA" + drawn(LETTERS + "234567", 16),
    "an id beside a hash": "AKIA" + drawn(LETTERS + "234567", 16) + " " + drawn(HEX, 40),
    "a wrong checksum": "ghp_" + drawn(BASE62, 36),
    "a placeholder": "ghp_" + "x" * 36,
    "a sequence": "glpat-" + BASE62[10:30],
    "repeated halves": "dapi" + "1f2e3d4c5b6a7988" * 2,
    "a test key of Stripe": "sk_" + "test_" + drawn(BASE62, 24),
    "inside a longer word": "dapi" + drawn(HEX, 40),
    "the storage emulator": "AccountKey=Eby8vdM02xNOcqFlqUwJ"
    "PLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "an encrypted key": pem("RSA ", der_key()).replace("KEY-----\n", "KEY-----\nProc-Type: 4," + "ENCRYPTED\n\n", 1),
    "an encrypted OpenSSH key": pem("OPENSSH ", openssh().replace(b"\x04none", b"\x0aaes256-ctr", 1)),
    "a key cut short": pem("RSA ", der_key()[:-300]),
    "a key that is no base64": "-----BEGIN PRIVATE " + "KEY-----\n...\n-----END PRIVATE " + "KEY-----",
    "the mark alone": 'MARK = "-----BEGIN PRIVATE ' + 'KEY-----"',
    "a Mailchimp-like name": drawn(HEX, 32) + "-us12",
}


@pytest.mark.parametrize("name", FALSE)
def test_what_only_looks_like_a_secret_is_none(name: str):
    assert find_secrets(f"value = '{FALSE[name]}'\n".encode()) == ()


def test_the_kind_of_a_key_among_other_things_is_its_own():
    assert find_secrets(TRUE["private key"].encode())[0].kind == PRIVATE_KEY


@pytest.mark.parametrize("kind", sorted(TRUE))
def test_a_secret_is_found_wherever_it_stands(kind: str):
    filler = "\n".join(f"line {number} = {number * 7919 % 1000}" for number in range(400))
    alone = [candidate.kind for candidate in find_secrets(TRUE[kind].encode())]
    for text in (
        filler + "\n" + TRUE[kind],
        TRUE[kind] + "\n" + filler,
        filler.replace("line 200", TRUE[kind] + "\nline"),
    ):
        assert [candidate.kind for candidate in secrets(Blob(text.encode(), "text")).candidates] == alone != []
