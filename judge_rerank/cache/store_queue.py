"""What is asked of a store, done by one thread: what arrives while it works is done together, as the next batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from judge_rerank.cache.store import Replies
from judge_rerank.core import ChatReply

T = TypeVar("T")

_BATCH = 256


@dataclass(kw_only=True, slots=True, eq=False)
class _Turn:
    """Something asked by a coroutine, about one key."""

    key: str
    token: str
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


@dataclass(kw_only=True, slots=True, eq=False)
class _Claim(_Turn):
    """A turn that begins."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Completion(_Turn):
    """A turn that ends, with what it leaves."""

    reply: ChatReply | None


@dataclass(kw_only=True, slots=True, eq=False)
class _Job:
    """Anything else; done by itself."""

    work: Callable[[Replies], Any]
    future: Future[Any] = field(default_factory=Future[Any])


_Asked: TypeAlias = _Claim | _Completion | _Job
_Answer: TypeAlias = tuple[asyncio.Future[Any], Any]


class StoreQueue:
    """The one thread that uses a store, and what waits for it.

    What is asked about one key is done in the order in which it came. Claims and completions of different keys that
    wait at the same moment are done together.

    Args:
        store: what is asked.
        executor: has the thread.
    """

    def __init__(self, store: Replies, executor: Executor) -> None:
        self._store, self._executor = store, executor
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []
        self._at_work = False

    def claim(self, key: str, token: str) -> asyncio.Future[ChatReply | bool]:
        """The reply if it is there, else whether the caller is the one to ask."""
        claim = _Claim(key=key, token=token)
        self._put(claim)
        return claim.answer

    def complete(self, key: str, token: str, reply: ChatReply | None) -> asyncio.Future[None]:
        """End a turn; done when the reply is stored, if there is one, and the next may ask."""
        completion = _Completion(key=key, token=token, reply=reply)
        self._put(completion)
        return completion.answer

    def submit(self, work: Callable[[Replies], T]) -> Future[T]:
        """Do anything with the store, after what was asked before."""
        job = _Job(work=work)
        self._put(job)
        return job.future

    def close(self) -> None:
        """Do what waits, and close the store."""
        self.submit(lambda store: store.close()).result()

    def _put(self, asked: _Asked) -> None:
        with self._lock:
            if not self._at_work:
                self._executor.submit(self._work)
                self._at_work = True
            self._waiting.append(asked)

    def _work(self) -> None:
        while True:
            with self._lock:
                waiting, self._waiting = self._waiting, []
                if not waiting:
                    self._at_work = False
                    return
            for batch in _batches(waiting):
                self._perform(batch)

    def _perform(self, batch: Sequence[_Asked]) -> None:
        for job in (each for each in batch if isinstance(each, _Job)):
            if job.future.set_running_or_notify_cancel():
                try:
                    job.future.set_result(job.work(self._store))
                except BaseException as error:
                    job.future.set_exception(error)
        _answer([each for each in batch if isinstance(each, _Completion)], self._complete)
        _answer([each for each in batch if isinstance(each, _Claim)], self._claim)

    def _complete(self, ended: Sequence[_Completion]) -> Iterator[_Answer]:
        self._store.complete_all([(each.key, each.token, each.reply) for each in ended])
        yield from ((each.answer, None) for each in ended)

    def _claim(self, claims: Sequence[_Claim]) -> Iterator[_Answer]:
        found = self._store.claim_all({each.key: each.token for each in claims})
        yield from ((each.answer, found[each.key]) for each in claims)


def _batches(waiting: Sequence[_Asked]) -> Iterator[Sequence[_Asked]]:
    """What can be done together: a job by itself, and of each key only one thing."""
    batch: list[_Asked] = []
    keys: set[str] = set()
    for asked in waiting:
        alone = isinstance(asked, _Job)
        if batch and (alone or asked.key in keys or len(batch) == _BATCH):
            yield batch
            batch, keys = [], set()
        if alone:
            yield [asked]
        else:
            batch.append(asked)
            keys.add(asked.key)
    if batch:
        yield batch


_Asking = TypeVar("_Asking", bound=_Turn)


def _answer(turns: Sequence[_Asking], work: Callable[[Sequence[_Asking]], Iterator[_Answer]]) -> None:
    """Do the work and tell each coroutine in its own event loop, all of one loop at once."""
    if not turns:
        return
    try:
        answers = list(work(turns))
    except BaseException as error:
        answers = [(each.answer, error) for each in turns]
    for loop in {answer.get_loop() for answer, _ in answers}:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_tell, [each for each in answers if each[0].get_loop() is loop])


def _tell(answers: Sequence[_Answer]) -> None:
    for future, result in answers:
        if future.done():  # who asked was cancelled
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
