"""What the adapters share: a judge, its strategy and options, and what a ranking says beside its order.

Every adapter takes `judge` (a `Judge`, or the arguments of one as a mapping) or `model` (whatever `Judge` takes, or a
model of the framework), `strategy`, `top_n`, and the other options of `Judge.rerank`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from judge_rerank import Budget, InputError, Judge, MissingExtra, Ranking, RankKeywords, RankOptions
from judge_rerank.strategies import parse

if TYPE_CHECKING:
    from judge_rerank.core import DocumentsLike, Query, Strategy

T = TypeVar("T")
Wrap = Callable[[Any], Any]
"""Makes a backend of a model that is the framework's; gives back what is none."""


@contextmanager
def installed(framework: str, extra: str) -> Generator[None]:
    """Imports of a framework inside the block; where one fails, the message has what to install.

    Raises:
        MissingExtra: the framework is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise MissingExtra(f"The adapter for {framework}", extra, error.name or framework) from None


class SharedJudge:
    """The judge of an adapter: the caller's own, or one that is built when it is first needed.

    Copies of an adapter share it. It can be pickled where it was named by its arguments; a live judge cannot.

    Args:
        judge: a `Judge`, or the arguments of one: `{"model": ..., "budget": {"usd": "2.00"}}`.
        model: the model alone.
        wrap: makes a backend of the framework's own models.

    Raises:
        InputError: both are given, or `judge` is something else.
    """

    def __init__(self, judge: Judge | Mapping[str, Any] | None, model: Any, wrap: Wrap | None = None) -> None:
        if judge is not None and model is not None:
            raise InputError("Both judge and model are given; give the judge, or the model that one is made of.")
        if judge is not None and not isinstance(judge, (Judge, Mapping)):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"judge is {type(judge).__name__}; expected a Judge, or a mapping of its arguments.")
        self.given = (judge, model)
        self._wrap = wrap
        self._judge = judge if isinstance(judge, Judge) else None
        self._lock = threading.Lock()

    @property
    def judge(self) -> Judge:
        """The judge.

        Raises:
            InputError: there is no such argument of `Judge`, or its value cannot be used.
            SetupError: the model is not on this machine, or a package is missing.
        """
        with self._lock:
            if self._judge is None:
                self._judge = self._built()
            return self._judge

    def close(self) -> None:
        """Close the judge if it was built here."""
        with self._lock:
            if self._judge is not None and self._judge is not self.given[0]:
                self._judge.close()

    def _built(self) -> Judge:
        judge, model = self.given
        given: dict[str, Any] = {"model": model} if judge is None else dict(cast("Mapping[str, Any]", judge))
        if isinstance(given.get("budget"), Mapping):
            given["budget"] = _made(Budget, given["budget"])
        if self._wrap is not None:
            asked: Any = given.get("model")
            several = cast("list[Any]", asked) if isinstance(asked, list) else None
            given["model"] = self._wrap(asked) if several is None else [self._wrap(each) for each in several]
        return _made(Judge, given)

    def __deepcopy__(self, memo: object) -> SharedJudge:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.given, self._wrap)


def _made(kind: Callable[..., T], arguments: Mapping[str, Any]) -> T:
    """A judge or a budget of its arguments, whose names nobody has checked.

    Raises:
        InputError: there is no such argument, or its value cannot be used.
    """
    try:
        signature(kind).bind(**arguments)
    except TypeError as error:
        raise InputError(f"The arguments of {kind.__name__} cannot be used: {error}.") from None
    return kind(**arguments)


class Arguments(RankKeywords, total=False):
    """The arguments that every adapter has: those of `SharedJudge`, the strategy, and the options of `Judge.rerank`."""

    judge: Judge | Mapping[str, Any] | SharedJudge | None
    model: Any
    strategy: str | Strategy | None


class Reranking:
    """A judge with the strategy and the options that an adapter was given, checked. Options that are None are left out.

    Raises:
        InputError: an option or the strategy cannot be used.
        UnknownName: there is no option, or no strategy, of that name.
    """

    def __init__(self, **arguments: Unpack[Arguments]) -> None:
        given: dict[str, Any] = dict(arguments)
        judge, model = given.pop("judge", None), given.pop("model", None)
        self.shared = judge if isinstance(judge, SharedJudge) else SharedJudge(judge, model)
        self.strategy: str | Strategy | None = given.pop("strategy", None)
        self.options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        RankOptions.of(cast("Any", self.options))
        if isinstance(self.strategy, str):
            parse(self.strategy)

    def built(self) -> Self:
        """Itself with its judge built, so that what is wrong with it is said at once."""
        _ = self.judge
        return self

    @property
    def judge(self) -> Judge:
        """The judge, built if this is the first use."""
        return self.shared.judge

    def rerank(self, query: str | Query, docs: DocumentsLike, *, top_n: int | None = None) -> Ranking:
        """`Judge.rerank`; `top_n` comes before that of the options."""
        return self.judge.rerank(query, docs, self.strategy, **self._options(top_n))

    async def arerank(self, query: str | Query, docs: DocumentsLike, *, top_n: int | None = None) -> Ranking:
        """`Judge.arerank`; the ranking is awaited, and no thread of the caller's waits for it."""
        return await self.judge.arerank(query, docs, self.strategy, **self._options(top_n))

    def rerank_many(self, queries: Sequence[Query], docs: Sequence[DocumentsLike]) -> list[Ranking]:
        """`Judge.rerank_many`: all queries side by side, each with its documents."""
        return self.judge.rerank_many(list(zip(queries, docs, strict=True)), self.strategy, **self.options)

    def written(self) -> dict[str, Any]:
        """The arguments of the adapter as plain values.

        Raises:
            InputError: there is an object among them that a file cannot hold.
        """
        judge, model = self.shared.given
        spec = getattr(self.strategy, "spec", self.strategy)
        given = {"judge": judge, "model": model, "strategy": spec, **self.options}
        return {name: plain(value, name) for name, value in given.items() if value is not None}

    def _options(self, top_n: int | None) -> dict[str, Any]:
        return self.options if top_n is None else {**self.options, "top_n": top_n}


def plain(value: Any, name: str) -> Any:
    """A value that JSON and YAML hold as it is.

    Raises:
        InputError: it is another kind of object, or a key, which has no place in a file.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(item, f"{name}.{key}") for key, item in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, name) for item in cast("Sequence[Any]", value)]
    if name.endswith(".api_key"):
        raise InputError(f"{name} would be written into a file; let the provider's environment variable hold the key.")
    if isinstance(value, (Decimal, Path)):
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise InputError(
        f"{name} is a live {type(value).__name__}, which cannot be written. Name it: model='openai/gpt-6-luna', "
        "or judge={'model': ..., 'budget': {'usd': '2.00'}}."
    )


def placed(ranking: Ranking, given: Sequence[T]) -> Iterator[tuple[T, float | None, dict[str, Any]]]:
    """What was given, best first, with its score and what its metadata says beside it: `rank`, `index` and `status`,
    and the reasons if the ranking is partial."""
    reasons = {} if ranking.status == "complete" else {"reasons": list(ranking.reasons)}
    for result in ranking:
        said = {"rank": result.rank, "index": result.index, "status": ranking.status, **reasons}
        yield given[result.index], result.relevance_score, said


def summary(ranking: Ranking) -> dict[str, Any]:
    """What there is to say of a whole ranking, in plain types: strategy, model, status, reasons, notes and usage."""
    whole = ranking.to_dict()
    return {name: whole[name] for name in ("strategy", "model", "status", "reasons", "notes", "usage")}


def numbers(ranking: Ranking) -> list[float]:
    """A score for every result, for a framework that cannot do without: 0 for what has none; the scores never rise.

    For an order without scores, the options have to ask for them (`scores="rank"`).
    """
    found: list[float] = []
    for result in ranking:
        score = result.relevance_score or 0.0
        found.append(min(score, found[-1]) if found else score)
    return found
