"""`auto` and `cascade`: which route, why, and what the caps leave room for; tables of one's own, and fitted ones."""

from pathlib import Path

import pytest

from judge_rerank import Auto, DefaultCascade, InputError, Judge, Passages, Price, Route, Routes, Unchanged
from judge_rerank.cli import run
from judge_rerank.core import HOSTED_STRATEGY, Circumstances
from judge_rerank.core.errors import DataError
from judge_rerank.evaluation.matrix import Prompted
from judge_rerank.routing import LABELS, Rule, Rules
from judge_rerank.routing.auto import CASCADES, ClassIs, prefilter, resolved
from judge_rerank.routing.routes import DEFAULT
from judge_rerank.strategies import parse
from judge_rerank.testing import FakeBackend, check_strategy

FACT, COMPARISON = "who wrote Dune?", "Which of the two directors of Dune was born first, Lynch or Villeneuve?"
DOCS = [f"document {number} about Dune" for number in range(30)]


def judge(*, local: bool = False, **options: object) -> Judge:
    ranking = FakeBackend(lambda request: '{"score": 5, "relevant": true, "ranking": []}', local=local)
    return Judge(ranking, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["hosted", "local", "none"])
def test_conformance(kind: str) -> None:
    """What a small judge adds to is not its own order alone, so only the others have to find the ideal."""
    top = 10 if kind != "local" else 0
    circumstances = Circumstances(judge=kind)  # type: ignore[arg-type]
    for strategy in (Auto(), DefaultCascade(), Auto() % 40, Auto() >> Unchanged(), Passages(strategy=DefaultCascade())):
        check_strategy(strategy, ideal_top=top, circumstances=circumstances)


def test_every_query_has_a_route() -> None:
    for label in (*LABELS, "of my own"):
        for kind in ("hosted", "local", "none"):
            for n in (1, 20, 21, 101, 5000):
                route = Routes().choose(label, kind, n)  # type: ignore[arg-type]
                assert route in DEFAULT
                assert resolved(route.strategies[-1]).name == prefilter()


@pytest.mark.slow
def test_the_ranking_says_which_route_and_why() -> None:
    ranking = judge().rerank(FACT, DOCS, "auto")
    assert ranking.notes[0].startswith("auto: a factual query (")
    assert f"{prefilter()} % 20 >> listwise" in ranking.notes[0]
    assert HOSTED_STRATEGY in judge().rerank(COMPARISON, DOCS, "auto").notes[0]
    assert "auto: a factual" in judge(local=True).rerank(FACT, DOCS, "auto").notes[0]
    assert "stage(binary, fuse=0.5)" in judge(local=True).rerank(FACT, DOCS, "auto").notes[0]
    assert len(ranking) == len(DOCS)


def test_without_an_llm_the_best_scorer_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    ranking = Judge().rerank("document 7", DOCS, "auto")
    assert ranking[0].index == 7
    assert "no LLM is set up" in ranking.notes[0]
    assert Judge().rerank("document 7", DOCS, "cascade").notes == (f"cascade: {prefilter()}",)


def test_caps_and_deadline_make_it_modest() -> None:
    prices = {"fake": Price(input_usd_per_mtok=1, output_usd_per_mtok=1)}
    poor = judge(prices=prices).rerank(FACT, DOCS, "auto", max_usd="0.000001")
    assert poor.usage.calls == 0
    assert f"{prefilter()} % 20 >> listwise would exceed the cap max_usd" in poor.notes[0]
    assert poor.status == "complete"
    hurried = judge().rerank(FACT, DOCS, "auto", deadline_s=1)
    assert "would exceed the deadline" in hurried.notes[0]
    capped = judge()
    with capped.limit(calls=1):
        assert "listwise" in capped.rerank(FACT, DOCS, "auto").notes[0]


@pytest.mark.parametrize(
    "strategy",
    [
        "cascade % 5",
        "auto % 5",
        "auto >> none",
        "bm25 % 20 >> auto",
        "stage(cascade, fuse=0.5)",
        "passages(strategy=cascade)",
        "passages(strategy=auto % 5)",
        "hybrid({'auto': 1, 'bm25': 1})",
        "self-consistent(strategy=auto, n=1)",
        "self-consistent(strategy='auto % 10', n=1, head=None)",
        Passages(strategy=DefaultCascade(), max_tokens=20),
        Prompted(strategy=parse("auto % 5"), prompts={"score": "rubric"}),
    ],
    ids=lambda strategy: strategy if isinstance(strategy, str) else type(strategy).__name__,
)
def test_who_judges_is_known_at_any_depth(strategy: object) -> None:
    """A local judge is asked yes or no of the best, and not for an order, wherever the strategy that chooses stands."""
    docs = [f"{text}. " + "More of the same in many words. " * 20 for text in DOCS]
    estimate = judge(local=True).estimate(FACT, docs, strategy)  # type: ignore[arg-type]
    backend = FakeBackend(lambda request: "yes", local=True)
    ranking = Judge(backend).rerank(FACT, docs, strategy)  # type: ignore[arg-type]
    assert {request.subject.task for request in backend.requests if request.subject} == {"binary"}
    assert ranking.usage.calls == estimate.calls > 0


@pytest.mark.parametrize(
    "strategy", ["auto % 5", "bm25 % 25 >> auto", "passages(strategy=auto)", "hybrid({'auto': 1, 'bm25': 1})"]
)
def test_caps_and_deadline_are_known_at_any_depth(strategy: str) -> None:
    prices = {"fake": Price(input_usd_per_mtok=1, output_usd_per_mtok=1)}
    docs = [f"{text}. " + "More of the same in many words. " * 20 for text in DOCS]
    poor = judge(prices=prices, max_tokens_per_doc=40).rerank(FACT, docs, strategy, max_usd="0.000001")
    assert (poor.usage.calls, poor.status) == (0, "complete")
    hurried = judge(max_tokens_per_doc=40).rerank(FACT, docs, strategy, deadline_s=1.9)
    assert hurried.usage.calls == 0


def test_what_fits_is_reckoned_for_the_candidates_at_hand() -> None:
    """One call compares the five that are left; all thirty would not fit into one comparison of the cap's calls."""
    capped = judge()
    with capped.limit(calls=1):
        assert capped.rerank(FACT, DOCS, "bm25 % 5 >> auto").usage.calls == 1


def test_a_route_cannot_lead_to_a_strategy_that_chooses_again_at_any_depth() -> None:
    for text in ("auto", "cascade % 5", "bm25 % 5 >> auto", "passages(strategy=auto)", "hybrid({'auto % 3': 1})"):
        with pytest.raises(InputError, match="chooses again"):
            Auto(Routes((Route(strategies=(text,)),)))


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    table = Routes().with_row(Route(label="code", strategies=("score",), why="we measured it"))
    table.save(tmp_path / "routes.yaml")
    assert Routes.load(tmp_path / "routes.yaml") == table
    rules = Rules([Rule(label="code", contains=("def ",))])
    ranking = judge().rerank("def rank(", DOCS[:3], Auto(str(tmp_path / "routes.yaml"), classifier=rules))
    assert "a code query" in ranking.notes[0]
    assert "so score: we measured it" in ranking.notes[0]
    assert parse(f"auto('{tmp_path}/routes.yaml')").name == "auto"
    assert table.labels() == ("code", "complex", "factual")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "Expected a list of routes"),
        ("- {strategies: 5}", "route 1: strategies must be a list"),
        ("- {label: x}", "route 1: strategies must be a list"),
        ("- {strategies: [score], jugde: local}", "route 1: expected a mapping with label"),
        ("- {strategies: [score], judge: cheap}", "route 1: .*hosted, local, none or any"),
        ("- {strategies: [score], most: 0}", "at least 1"),
        ("{", "not YAML"),
    ],
)
def test_tables_that_cannot_be(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "routes.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        Routes.load(tmp_path / "routes.yaml")


def test_routes_that_lead_nowhere() -> None:
    with pytest.raises(InputError, match="Unknown strategy 'scoer'"):
        Auto(Routes([Route(strategies=("scoer",))]))
    with pytest.raises(InputError, match="chooses again"):
        Auto(Routes([Route(strategies=("auto",))]))
    with pytest.raises(DataError):
        Auto("missing.yaml")


def test_the_class_as_a_condition() -> None:
    cascade = parse("bm25 >> stage(score, when=class-is('complex'))")
    assert judge().rerank(FACT, DOCS[:3], cascade).notes == ("score was skipped, because not a complex query",)
    assert judge().rerank(COMPARISON, DOCS[:3], cascade).notes == ()
    assert str(ClassIs("complex")) == "a complex query"
    assert set(CASCADES) == {"hosted", "local", "none"}


def test_on_the_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["routes"]) == 0
    assert "no LLM is set up" in capsys.readouterr().out
    assert run(["routes", "--format", "yaml"]) == 0
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out)
    assert run(["routes", "--file", str(tmp_path / "mine.yaml")]) == 0
