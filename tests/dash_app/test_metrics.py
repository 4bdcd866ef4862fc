"""The figure that the self-watch gets of the API."""

from __future__ import annotations

import pytest

from dash_app.metrics import p95


@pytest.mark.parametrize(("count", "value"), [(1, 1), (2, 2), (19, 19), (20, 19), (100, 95)])
def test_95_of_100_answers_are_no_slower(count, value):
    assert p95([float(n) for n in range(count, 0, -1)]) == value
