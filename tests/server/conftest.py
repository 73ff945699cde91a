"""A server for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.server.running import Running


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """One that takes the model's name of every client."""
    with Running(rerankers={"default": {"aliases": ["*"]}}) as running:
        yield running
