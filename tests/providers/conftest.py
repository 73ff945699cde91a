"""For tests of providers: no key and no address from outside, and nothing learnt from the test before."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from judge_rerank.providers.features import forget_features
from tests.provider import Provider, QrelsJudge


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL"))]:
        monkeypatch.delenv(name)
    forget_features()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(QrelsJudge({"alpha": 3, "beta": 0})) as running:
        yield running
