"""One identity: the spec string of everything that may stand in one gives the same thing again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from judge_rerank import (
    BM25,
    Adaptive,
    Auto,
    Binary,
    Blitz,
    Cascade,
    ClassIs,
    ColBERT,
    CrossEncoder,
    DefaultCascade,
    Embedding,
    EmbeddingAPI,
    First,
    FlashRank,
    Hybrid,
    InputError,
    Joint,
    Judge,
    JudgeClassifier,
    Listwise,
    Pairwise,
    Partition,
    Passages,
    RerankAPI,
    Route,
    Routes,
    Rule,
    Rules,
    Score,
    SelfConsistent,
    Setwise,
    Stage,
    Tournament,
    TrainedClassifier,
    Unchanged,
    Unsure,
)
from judge_rerank.core import Candidates, Ordering, Plan, Query, Strategy, spec_of
from judge_rerank.scorers import CorpusStatistics
from judge_rerank.strategies import Composable, parse, strategy_names
from judge_rerank.testing import FakeBackend, drive, perfect

texts = st.text(max_size=12).filter(lambda text: "://" not in text)
names = st.none() | texts
floats = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(1, 10**6)
seeds = st.none() | st.integers()
asking: dict[str, Any] = {"prompt": names, "explain": st.booleans(), "model": names}
comparing: dict[str, Any] = asking | {"shuffle": seeds}


def built(cls: Callable[..., Any], **options: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The class with any of these options given, and without those that it refuses together."""

    def attempt(given: Mapping[str, Any]) -> Any:
        try:
            return cls(**given)
        except InputError:
            return None

    return st.fixed_dictionaries({}, optional=options).map(attempt).filter(lambda made: made is not None)


params = st.dictionaries(
    st.sampled_from(["top_p", "user", "truncate", "extra"]),
    st.recursive(st.none() | st.booleans() | st.integers() | floats | texts, lambda inner: st.lists(inner, max_size=2)),
    max_size=3,
)
models = st.text("abcdefgh-/.", min_size=1, max_size=20)
leaves = st.one_of(
    built(Binary, batch_size=counts, **asking),
    built(Score, batch_size=counts, **asking),
    built(Listwise, window_size=st.integers(2, 40), stride=st.integers(1, 20), passes=counts, **comparing),
    built(First, window_size=st.integers(10, 26), **(comparing | {"explain": st.just(value=False)})),
    built(Adaptive, window_size=st.integers(2, 40), top=counts, calls=st.none() | counts, tokens=st.none() | counts),
    built(Blitz, group_size=st.integers(2, 40), top=counts, **comparing),
    built(Joint, replicas=counts, aggregate=st.sampled_from(["winrate", "pagerank"]), settle=st.booleans()),
    built(Pairwise, method=st.sampled_from(["allpair", "heapsort", "sliding"]), k=counts, **asking),
    built(Partition, window_size=st.integers(2, 40), top=st.integers(1, 39), **comparing),
    built(Setwise, method=st.sampled_from(["heapsort", "insertion"]), c=st.integers(2, 25), k=counts, **comparing),
    built(Tournament, window_size=st.integers(2, 40), top=st.integers(0, 20), replicas=counts, seed=st.integers()),
    built(Unchanged),
    built(DefaultCascade),
    built(BM25, k1=st.floats(0, 5) | st.integers(0, 5), b=st.floats(0, 1) | st.integers(0, 1)),
    built(
        Embedding,
        model=models,
        backend=st.sampled_from(["auto", "torch", "onnx"]),
        query_prefix=texts,
        max_length=st.none() | counts,
        vector_key=names,
    ),
    built(CrossEncoder, model=models, backend=st.sampled_from(["torch", "onnx"]), label=st.none() | counts),
    built(ColBERT, model=models, memory=counts),
    built(FlashRank, model=models, folder=names),
    st.builds(RerankAPI, models, params=params, batch_size=counts, api_base=st.none() | st.just("http://host:8000/v1")),
    st.builds(EmbeddingAPI, models, params=params, dimensions=st.none() | counts, query_prefix=texts),
)
rules = st.builds(
    Rule,
    label=st.sampled_from(["code", "what is"]),
    contains=st.lists(st.sampled_from(["def", "it's", 'a "b"', "x-y"]), min_size=1, max_size=2),
    min_words=st.none() | counts,
)
classifiers = st.one_of(st.builds(TrainedClassifier), st.builds(Rules, st.lists(rules, min_size=1, max_size=2)))
rows = st.builds(
    Route,
    label=st.sampled_from(["any", "factual"]),
    judge=st.sampled_from(["any", "local"]),
    most=st.none() | counts,
    strategies=st.lists(st.sampled_from(["score", "bm25 % 5 >> listwise", "{prefilter}"]), min_size=1, max_size=2),
    why=texts,
)
conditions = st.one_of(
    built(Unsure, margin=st.floats(0.001, 1) | st.just(1), top=counts),
    st.builds(ClassIs, st.sampled_from(["factual", "it's"]), classifier=classifiers),
)
autos = built(Auto, routes=st.builds(Routes, st.lists(rows, max_size=2)), classifier=classifiers)


# Composites, whose repr is their name: Hypothesis warns of the repr of the rest.
@st.composite
def leaf(draw: st.DrawFn) -> Any:
    return draw(leaves | autos)


@st.composite
def condition(draw: st.DrawFn) -> Any:
    return draw(conditions)


@st.composite
def wrapped(draw: st.DrawFn, inner: st.SearchStrategy[Any]) -> Any:
    weight, keep = st.none() | st.floats(0.01, 0.99), st.none() | st.just(7)
    signals = inner | inner.map(spec_of) | st.just("first-stage")
    kinds: list[st.SearchStrategy[Any]] = [
        st.builds(Stage, strategy=inner, keep=keep, fuse=weight, when=st.none() | condition()),
        st.lists(inner, min_size=1, max_size=3).map(_cascade),
        built(Passages, strategy=inner, aggregate=st.sampled_from(["max", "top2", "first"]), overlap_tokens=counts),
        built(SelfConsistent, strategy=inner, n=counts, head=st.none() | st.integers(2, 99), seed=st.integers()),
        built(
            Hybrid,
            weights=st.dictionaries(signals, st.floats(0, 9) | counts, min_size=1, max_size=3),
            norm=st.sampled_from(["zscore", "minmax", "rank", "rrf"]),
        ),
    ]
    return draw(kinds[draw(st.integers(0, len(kinds) - 1))])


def _cascade(stages: list[Strategy]) -> Strategy:
    try:
        return Cascade(stages)
    except InputError:  # it keeps more than it gets
        return Cascade(stages[:1])


strategies = st.recursive(leaf(), wrapped, max_leaves=5)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(strategies)
def test_a_spec_string_gives_the_strategy_again(strategy: Strategy) -> None:
    spec = spec_of(strategy)
    again = parse(spec)
    assert again == strategy
    assert spec_of(again) == spec
    assert hash(again) == hash(strategy)
