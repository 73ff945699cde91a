"""Requests that were made from the server's own description, and hostile ones: never a fault of the server."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode

from tests.server.hostile import hostile
from tests.server.running import Running

_SECONDS = 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["fits", "does not fit"])
def test_requests_made_from_the_description(server: Running, mode: GenerationMode) -> None:
    """Every operation, as schemathesis makes its requests, with all of its checks."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == 9
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and operation.method == "get":
            continue

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
        def send(case: Any) -> None:
            case.call_and_validate(timeout=30)

        send()


@pytest.mark.slow
def test_hostile_bodies(server: Running) -> None:
    """As many as fit into the time: JSON of odd types, depths, numbers and texts, and what is no JSON."""
    chance, statuses = random.Random(7), dict[int, int]()
    end = time.monotonic() + _SECONDS
    with httpx.Client(base_url=server.url, timeout=30) as client:
        while time.monotonic() < end:
            path, body = hostile(chance)
            reply = client.post(path, content=body)
            statuses[reply.status_code] = statuses.get(reply.status_code, 0) + 1
            assert reply.status_code < 500, body[:500]
            json.loads(reply.content)
    assert set(statuses) <= {200, 400, 404, 413, 422}
    assert {200, 400, 422} <= set(statuses)
