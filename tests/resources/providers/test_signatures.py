"""Signatures that the providers and standards publish, so that our own signing proves nothing alone."""

from __future__ import annotations

import pytest

from elder_assets.audit.errors import WebhookRejected
from resources.git.providers import open_provider

PUBLISHED_SECRET = b"It's a Secret to Everybody"


def test_githubs_published_example_is_accepted():
    # docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries, "Testing the webhook payload validation"
    digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    headers = {"X-Hub-Signature-256": f"sha256={digest}"}
    open_provider("github").verify(headers, b"Hello, World!", [PUBLISHED_SECRET])
    with pytest.raises(WebhookRejected):
        open_provider("github").verify(headers, b"Hello, World?", [PUBLISHED_SECRET])
