"""Where a call is made ready to send: in the event loop where that is quick, else in a thread."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from judge_rerank.core import Candidate, Document, JudgeCall, Query
from judge_rerank.engine.preparing import Preparer


class Noting:
    """A renderer that notes whether it works in the event loop's thread."""

    def __init__(self) -> None:
        self.here: list[bool] = []

    def prepare(self, call: JudgeCall) -> Any:
        self.here.append(threading.current_thread() is threading.main_thread())


def call(chars: int, *, task: str = "score") -> JudgeCall:
    candidate = Candidate(index=0, document=Document(text="x" * chars))
    return JudgeCall(task=task, query=Query(text="q"), candidates=(candidate,))


def prepared(*calls: JudgeCall, slow: bool = False) -> list[bool]:
    noting: Any = Noting()
    preparer = Preparer(renderer=noting, slow=slow)

    async def work() -> None:
        for each in calls:
            await preparer.prepare(each)

    asyncio.run(work())
    return noting.here


def test_the_first_call_of_a_task_loads_its_template_in_a_thread():
    assert prepared(call(10), call(10), call(10, task="binary"), call(10)) == [False, True, False, True]


def test_long_documents_are_counted_in_a_thread():
    assert prepared(call(10), call(100_000), call(10)) == [False, False, True]


def test_a_model_in_this_process_counts_in_a_thread():
    assert prepared(call(10), call(10), slow=True) == [False, False]
