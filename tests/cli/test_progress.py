"""Progress where there is no terminal to show a bar."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest

from judge_rerank.cli import progress
from judge_rerank.cli.progress import Bar
from judge_rerank.core import Query
from judge_rerank.engine import Progress


def test_without_a_terminal_a_line_now_and_then_reports_the_calls(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "judge_rerank")
    query = Query(text="q")
    news = [
        Progress(query=query, round=1, calls=done, round_calls=3, round_done=done, cost_usd=Decimal("0.01") * done)
        for done in (1, 2, 3)
    ]
    with Bar(None) as bar:
        for each in news:
            bar.update(each)
        assert not caplog.messages, "it has only begun"
        monkeypatch.setattr(progress, "_LINE_EVERY_S", 0)
        bar.update(news[-1])
    assert caplog.messages == ["judging, round 1, $0.030: 3 calls done"]
