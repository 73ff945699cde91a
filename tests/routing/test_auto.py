"""`auto` and `cascade`: which route, why, and what the caps leave room for; tables of one's own, and fitted ones."""

import json
from pathlib import Path

import pytest

from judge_rerank import Auto, DefaultCascade, InputError, Judge, Passages, Price, Route, Routes, Unchanged
from judge_rerank.cli import run
from judge_rerank.core import Circumstances, Document, Query
from judge_rerank.core.errors import DataError
from judge_rerank.evaluation.datasets import Dataset, Topic
from judge_rerank.evaluation.matrix import Prompted
from judge_rerank.evaluation.tuning import fit_routes, tune
from judge_rerank.routing import LABELS, Rule, Rules, TrainedClassifier
from judge_rerank.routing.auto import CASCADES, ClassIs, prefilter, resolved
from judge_rerank.routing.routes import DEFAULT
from judge_rerank.strategies import parse
from judge_rerank.testing import FakeBackend, SimulatedJudge, check_strategy

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


def test_the_ranking_says_which_route_and_why() -> None:
    ranking = judge().rerank(FACT, DOCS, "auto")
    assert ranking.notes[0].startswith("auto: a factual query (")
    assert f"{prefilter()} % 20 >> listwise" in ranking.notes[0]
    assert "joint" in judge().rerank(COMPARISON, DOCS, "auto").notes[0]
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
    hurried = judge(max_tokens_per_doc=40).rerank(FACT, docs, strategy, deadline_s=1)
    assert (hurried.usage.calls, hurried.status) == (0, "complete")


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
        ("[]", "A list of routes"),
        ("- {strategies: 5}", "route 1: strategies has to be a list"),
        ("- {label: x}", "route 1: strategies has to be a list"),
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


def collection(n: int = 24) -> Dataset:
    """Half the answers share words with their query; the others are known to the judge alone."""
    topics, grades = [], {}
    for number in range(n):
        query = f"who made thing{number}?" if number % 2 else f"explain in detail why thing{number} works as it does"
        words = query if number % 3 else "something else"
        docs = [Document(id=f"d{number}-{i}", text=words if i == 2 else f"filler {i} thing{number}") for i in range(6)]
        topics.append(Topic(query=Query(id=f"q{number}", text=query), candidates=tuple(docs)))
        grades[f"q{number}"] = {f"d{number}-2": 1.0}
    return Dataset(name="made up", topics=tuple(topics), grades=grades)


def test_tuned_weights_find_the_signal_that_knows() -> None:
    data = collection()
    found = tune(Judge(SimulatedJudge(data.grades)), data, ["bm25", "score"], metric="nDCG@10")
    assert found.alone["score"] == pytest.approx(1.0)
    assert found.alone["bm25"] < 1
    assert found.held_out == pytest.approx(found.fitted) == pytest.approx(1.0)
    assert found.weights["score"] >= 0.5
    assert sum(found.weights.values()) == pytest.approx(1)
    with pytest.raises(InputError, match="two to 4"):
        tune(Judge(SimulatedJudge(data.grades)), data, ["bm25"])
    with pytest.raises(DataError, match="too few"):
        tune(Judge(SimulatedJudge(data.grades)), collection(4), ["bm25", "first-stage"])


def test_a_class_departs_from_its_route_only_where_the_data_prove_it() -> None:
    data = collection(48)
    blind = Routes([Route(strategies=("none",))])
    fitted, found = fit_routes(
        Judge(SimulatedJudge(data.grades)), data, ["bm25", "score"], TrainedClassifier(), routes=blind, kind="local"
    )
    taken = {row.label: row.strategy for row in found if row.chosen}
    assert set(taken.values()) <= {"bm25", "score"}
    assert len(taken) == 2
    assert fitted.choose("factual", "local", 6).strategies[0] == taken["factual"]
    assert "fitted on" in fitted.choose("factual", "local", 6).why
    best = Routes((Route(strategies=("score",)),))
    same, found = fit_routes(
        Judge(SimulatedJudge(data.grades)), data, ["bm25"], TrainedClassifier(), routes=best, kind="local"
    )
    assert same == best
    assert {row.strategy for row in found if row.chosen} == {"score"}


def test_what_is_measured_are_the_strategies_with_their_options() -> None:
    """Windows of three, though `listwise` alone would take all six documents at once; and a stage with a condition."""
    data = collection()
    judge, routes = SimulatedJudge(data.grades), Routes((Route(strategies=("none",)),))
    asked = ["listwise(window_size=3, stride=1)", "bm25 % 5 >> stage(bm25, when=unsure(margin=0.2))"]
    _, found = fit_routes(Judge(judge), data, asked, TrainedClassifier(), routes=routes, kind="local")
    assert {row.strategy for row in found} == {"none", *asked}
    assert {len(request.subject.candidates) for request in judge.requests if request.subject} == {3}


def test_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    monkeypatch.setenv("COLUMNS", "200")
    data = tmp_path / "log.jsonl"
    made = collection()
    with data.open("w") as lines:
        for topic in made.topics:
            graded = [
                {"id": d.id, "text": d.text, "grade": int(made.grades[topic.id].get(d.id or "", 0))}
                for d in topic.candidates
            ]
            lines.write(json.dumps({"id": topic.id, "query": topic.query.text, "candidates": graded}) + "\n")
    assert run(["routes"]) == 0
    assert "no LLM is set up" in capsys.readouterr().out
    assert run(["routes", "--format", "yaml"]) == 0
    (tmp_path / "mine.yaml").write_text(capsys.readouterr().out)
    assert run(["routes", "--file", str(tmp_path / "mine.yaml")]) == 0
    assert run(["tune", "--data", str(data), "--signal", "bm25", "--signal", "first-stage"]) == 0
    out = capsys.readouterr().out
    assert "on queries not seen" in out
    assert '-s "hybrid({' in out
    assert run(["routes", "fit", "--data", str(data), "-s", "none", "-o", str(tmp_path / "fitted.yaml")]) == 0
    assert "taken" in capsys.readouterr().out
    assert Routes.load(tmp_path / "fitted.yaml")
    stage = "bm25 % 5 >> stage(bm25, when=unsure)"
    assert run(["routes", "fit", "--data", str(data), "-s", stage, "-o", str(tmp_path / "fitted.yaml")]) == 0
    assert stage in capsys.readouterr().out.replace("\n", " ")
    assert run(["routes", "fit", "--data", str(data), "-s", "nnoe", "-o", str(tmp_path / "fitted.yaml")]) == 2
    assert "Did you mean 'none'" in capsys.readouterr().err
