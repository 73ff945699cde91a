"""One identity: the spec string of everything that may stand in one gives the same thing again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    built(Binary, batch_size=counts, anchor=st.booleans(), **comparing),
    built(Score, batch_size=counts, anchor=st.booleans(), **comparing),
    built(Listwise, window_size=st.integers(2, 40), stride=st.integers(1, 20), passes=counts, **comparing),
    built(First, window_size=st.integers(10, 26), **(comparing | {"explain": st.just(value=False)})),
    built(Adaptive, window_size=st.integers(2, 40), top=counts, calls=st.none() | counts, tokens=st.none() | counts),
    built(Blitz, group_size=st.integers(2, 40), top=counts, **comparing),
    built(Joint, replicas=counts, aggregate=st.sampled_from(["winrate", "pagerank"]), refine=st.booleans()),
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


@pytest.mark.parametrize(
    "name", [name for name in strategy_names() if name not in {"api", "embedding-api", "distilled"}]
)
def test_a_bare_name_is_the_spec_string_of_what_it_makes(name: str) -> None:
    assert spec_of(parse(name)) == name


@pytest.mark.parametrize(
    ("strategy", "spec"),
    [
        (Score(batch_size=8, explain=True), "score(explain=True, batch_size=8)"),
        (BM25(k1=2, b=1), "bm25(k1=2.0, b=1.0)"),
        (BM25(k1=1.2), "bm25"),
        (Unchanged() % 5 >> Score() % 3, "none % 5 >> score % 3"),
        (Stage(strategy=Score() % 5, keep=3), "stage(score % 5) % 3"),
        (Stage(strategy=BM25() >> Score(), keep=3), "stage(bm25 >> score) % 3"),
        (Stage(strategy=Score(), fuse=0.5, when=Unsure(margin=1)), "stage(score, fuse=0.5, when=unsure(margin=1.0))"),
        (Cascade((Score(),)), "stages([score])"),
        (Stage(strategy=Score(), when=ClassIs("it's")), """stage(score, when=class-is(label="it's"))"""),
        (
            Hybrid({Score(batch_size=2): 1, "bm25": 3, "joint": 0}),
            "hybrid(weights={'bm25': 3.0, 'score(batch_size=2)': 1.0})",
        ),
        (RerankAPI("a/b", params={"b": 1, "a": [None, "x"]}), "api(model='a/b', params={'a': [None, 'x'], 'b': 1})"),
        (Auto(Routes([Route(strategies=("score",))])), "auto(routes=routes(rows=(route(strategies=('score',)),)))"),
        (Passages(strategy=BM25() % 5 >> Score()), "passages(strategy=bm25 % 5 >> score)"),
    ],
    ids=str,
)
def test_spec_strings_are_canonical(strategy: Strategy, spec: str) -> None:
    assert spec_of(strategy) == spec
    assert parse(spec) == strategy


def test_equal_hybrids_have_equal_specs_and_different_signals_of_one_name_both_count() -> None:
    assert Hybrid({"bm25": 1, "score": 2}) == Hybrid({Score(): 2.0, BM25(): 1.0})
    two = Hybrid({Score(): 1, Score(prompt="terse"): 1})
    assert len(drive(two, ["a", "b"], perfect([0.1, 0.9])).calls) == 4
    with pytest.raises(InputError, match="'bm25' appears in the hybrid twice"):
        Hybrid({"bm25": 1, BM25(): 2})


def test_keys_stand_in_no_spec_string() -> None:
    headers = {"extra_headers": {"Authorization": "Bearer abcdef123456"}, "api_key": "abcdef123456", "top_p": 1}
    api = RerankAPI("a/b", api_key="sk-abcdef1234567890123", params=headers, api_base="https://me:abcdef123456@host/v1")
    spec = (Hybrid({api: 1, "bm25": 1}) >> Passages(strategy=api)).spec
    assert "abcdef" not in spec
    assert "https://host/v1" in spec
    assert parse("api('a/b', api_base='https://host/v1')") == RerankAPI("a/b", api_key="k", api_base="https://host/v1")


def test_a_table_in_a_file_is_named_by_its_file(tmp_path: Path) -> None:
    Routes().save(tmp_path / "routes.yaml")
    strategy = Auto(str(tmp_path / "routes.yaml")) % 5
    assert strategy.spec == f"auto(routes={str(tmp_path / 'routes.yaml')!r}) % 5"
    assert parse(strategy.spec) == strategy


class Plain:
    """A strategy of somebody else's, which knows nothing of spec strings."""

    name = "theirs(k=3)"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        yield from ()
        return Ordering(order=tuple(candidate.index for candidate in candidates))


@dataclass(frozen=True)
class Mine(Composable):
    """One with a base class of ours and an option, and without a name that is registered."""

    k: int = 3

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        yield from ()
        return Ordering(order=tuple(candidate.index for candidate in candidates))


class Better(Score):
    """A class of its own, under a name that another one has."""

    name = "score"  # type: ignore[assignment]


def test_what_has_no_registered_name_is_identified_all_the_same() -> None:
    assert spec_of(Plain()) == "theirs(k=3)"
    assert Judge(FakeBackend("")).rerank("q", ["a", "b"], Plain()).strategy == "theirs(k=3)"
    assert Mine(k=4).spec == "mine(k=4)"
    assert (BM25() >> Mine()).spec == "bm25 >> mine"
    assert Better(batch_size=3).spec == "<tests.strategies.test_identity.Better(batch_size=3)>"
    with pytest.raises(InputError, match="cannot be read"):
        parse(Better().spec)


def test_what_no_spec_string_can_make_is_named() -> None:
    judge = Judge(FakeBackend(""))
    one, other = (Auto(classifier=JudgeClassifier(judge=judge, labels=("a", label))) for label in ("b", "c"))
    assert one.spec != other.spec
    assert "JudgeClassifier" in one.spec
    words, more = CorpusStatistics.of(["a b"]), CorpusStatistics.of(["a b c"])
    assert BM25(statistics=words).spec != BM25(statistics=more).spec
    assert BM25(statistics=words).spec == BM25(statistics=CorpusStatistics.of(["a b"])).spec
    assert "len" in Embedding(vector_key="v", query_vector=len).spec  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("score(batch_size='8')", "batch_size='8' of strategy 'score' is str; expected int"),
        ("score(batch_size=2.5)", "is float; expected int"),
        ("score(batch_size=True)", "is bool; expected int"),
        ("score(prompt=3)", r"prompt=3 of strategy 'score' is int; expected str \| None"),
        ("bm25(method='lucen')", "method is 'lucen'; strategy 'bm25' takes 'lucene', 'robertson'"),
        ("embedding(backend='gpu')", "backend is 'gpu'; strategy 'embedding' takes 'auto', 'torch', 'onnx'"),
        ("joint(aggregate=3)", "aggregate=3 of strategy 'joint' is int; expected 'winrate', 'pagerank'"),
        ("stage(score, when=3)", "is int; expected Condition"),
        ("stage(score, when=unsure(top='1'))", "of condition 'unsure' is str; expected int"),
        ("auto(classifier=nobody)", "Unknown value of classifier 'nobody'"),
        ("auto(routes=3)", "is int"),
        ("hybrid(weights=3)", "is int"),
        ("hybrid(weights=[1])", "is list"),
        ("passages(strategy=3)", "cannot be read"),
        ("stage(score, 5)", "cannot be read"),
        ("score(**{'batch_size': 3})", "cannot be read|Unknown option"),
        ("a" * 30_000, "at most 20,000"),
        ("stage(" * 2000 + "score" + ")" * 2000, "cannot be read"),
    ],
)
def test_options_of_another_type_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse(spec)


def test_a_long_cascade_is_read_at_once() -> None:
    assert len(parse(" >> ".join(["bm25"] * 2_000)).stages) == 2_000  # type: ignore[attr-defined]
