"""Experiments: what a file may say, what is refused and on which line, and which variants come of it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from judge_rerank import DataError, InputError, SetupError, UnknownName
from judge_rerank.core import JudgeCall
from judge_rerank.evaluation import Experiment
from judge_rerank.evaluation.experiment import schema
from judge_rerank.evaluation.matrix import Prompted, calls_of, chosen, open_tasks, planned
from judge_rerank.evaluation.preparing import prepare
from judge_rerank.strategies.spec import parse
from judge_rerank.testing import check_strategy, drive, perfect
from tests.evaluation.conftest import Written

EVAL = Path(__file__).parents[2] / "eval"

TEXT = """\
name: t
datasets:
  - path: log.jsonl
    queries: 3
    seed: 1
models: [one]
prompts:
  score: [terse, rubric]
  binary: terse
strategies:
  - score
  - binary
metrics: [nDCG@10, RR@10]
fail_under: 0.5
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("datasets:", "datasetts:", 2, "Unknown key 'datasetts'. Did you mean 'datasets'?"),
        ("queries: 3", "queries: x", 4, "datasets.0.queries: Input should be a valid integer"),
        ("queries: 3", "queries: 0", 4, "greater than or equal to 1"),
        ("seed: 1", "sed: 1", 5, "Unknown key 'sed'. Did you mean 'seed'?"),
        ("seed: 1", "no_relevant: maybe", 5, "'zero' or 'skip'"),
        ("nDCG@10", "nDGC@10", 13, "Unknown metric 'nDGC@10'. Did you mean 'nDCG@10'"),
        ("- binary", "- binry", 12, "Unknown strategy 'binry'. Did you mean 'binary'"),
        ("- binary", "- binary(batch=2)", 12, "batch"),
        ("[one]", "[{name: a, api_bas: x}]", 6, "Unknown key 'api_bas'. Did you mean 'api_base'?"),
        ("[one]", "[{name: a, api_key: sk-123}]", 6, "A key does not belong in a file"),
        ("[one]", "[{name: a, price: {input: 3}}]", 6, "Unknown key 'input'"),
        ("[one]", "[{name: a, price: fre}]", 6, "models.0.price"),
        ("score: [terse, rubric]", "scoring: [terse]", 8, "Unknown task 'scoring'. Did you mean 'score'"),
        ("fail_under: 0.5", "fail_under: {nDGC@10: 1}", 14, "Unknown metric 'nDGC@10'"),
        ("fail_under: 0.5", "fail_under: [3]", 14, "fail_under: Input should be a valid number"),
        ("fail_under: 0.5", "budget_usd: -1", 14, "budget_usd must be an amount"),
        ("fail_under: 0.5", "max_parse_failures: 2", 14, "less than or equal to 1"),
        ("name: t\n", "", 1, "'name' is missing"),
        ("name: t", "name: [t", 2, "This is not YAML"),
        ("name: t", "name: t\nname: u", 2, "'name' stands here twice"),
        (TEXT, "- a\n- b\n", 1, "not a list of 'key: value' lines"),
    ],
)
def test_what_is_wrong_with_a_file_and_where(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(DataError) as caught:
        Experiment.load(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("[terse, rubric]", "[terse, rubrik]", 8, "Unknown score prompt 'rubrik'. Did you mean 'rubric'?"),
        ("[terse, rubric]", "[terse, bad.j2]", 8, "bad.j2:8: "),
        ("[terse, rubric]", "[terse, terse]", 1, "Two variants are called 'score · terse'"),
        ("binary: terse", "setwise: terse", 9, "No strategy asks 'setwise'"),
        ("fail_under: 0.5", "baseline: score · ters", 14, "Did you mean 'score · terse'"),
        ("[one]", "[one, one]", 1, "Two variants are called 'score · terse · one'"),
    ],
)
def test_what_is_wrong_with_the_variants(tmp_path: Path, old: str, new: str, line: int, message: str) -> None:
    (tmp_path / "bad.j2").write_text(
        "---\ntask: score\nname: bad\ndescription: x\nversion: 1\n---\nuser:\n{{ query }} {{ documents[0].txt }}\n"
    )
    file = tmp_path / "x.yaml"
    file.write_text(TEXT.replace(old, new))
    with pytest.raises(InputError) as caught:
        planned(Experiment.load(file))
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert message in str(caught.value)


def test_a_mapping_is_refused_with_the_same_words() -> None:
    values = yaml.safe_load(TEXT)
    assert Experiment.parse(values).metrics == ["nDCG@10", "RR@10"]
    with pytest.raises(InputError, match=r"models\.0\.api_bas: Unknown key 'api_bas'"):
        Experiment.parse(values | {"models": [{"name": "a", "api_bas": "x"}]})


def test_the_schema_is_the_one_beside_the_experiments_and_accepts_them() -> None:
    assert json.loads((EVAL / "experiment.schema.json").read_text()) == schema()
    for text in (TEXT, *(file.read_text() for file in EVAL.glob("*.yaml"))):
        jsonschema.validate(yaml.safe_load(text), schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(TEXT.replace("seed: 1", "sed: 1")), schema())


def test_the_experiment_on_prompts_has_four_of_each() -> None:
    variants = planned(Experiment.load(EVAL / "prompt_variants.yaml"))
    assert [each.variant.reference for each in variants[:2]] == ["first-stage", "ideal"]
    tasks = [next(iter(each.variant.prompts)) for each in variants[2:]]
    assert {task: tasks.count(task) for task in tasks} == {"score": 4, "binary": 4}


def test_a_prompt_multiplies_only_the_strategies_that_ask_its_task(written: Written) -> None:
    strategies = ["score", "listwise", "score(prompt='terse', explain=True)", "bm25 % 3 >> score >> listwise"]
    experiment = Experiment.load(
        written(
            prompts={"score": ["terse", "rubric"]}, strategies=strategies, models=["a", {"name": "b", "label": "B"}]
        )
    )
    assert [each.variant.name for each in planned(experiment)][2:] == [
        "score · terse · a",
        "score · rubric · a",
        "score · terse · B",
        "score · rubric · B",
        "listwise · a",
        "listwise · B",
        "score(prompt='terse', explain=True) · a",
        "score(prompt='terse', explain=True) · B",
        "bm25 % 3 >> score >> listwise · terse · a",
        "bm25 % 3 >> score >> listwise · rubric · a",
        "bm25 % 3 >> score >> listwise · terse · B",
        "bm25 % 3 >> score >> listwise · rubric · B",
    ]
    assert open_tasks(calls_of(parse("bm25 % 3 >> score >> listwise"))) == ["score", "listwise"]


def test_a_strategy_that_asks_no_judge_is_there_once_and_needs_none(written: Written) -> None:
    free = ["none", "bm25 % 5", "hybrid({'bm25': 0.5, 'first-stage': 0.5})"]
    variants = planned(Experiment.load(written(prompts={}, strategies=[*free, "listwise"], models=["a", "b"])))[2:]
    assert [each.variant.name for each in variants] == [*free, "listwise · a", "listwise · b"]
    assert [each.variant.model for each in variants] == ["", "", "", "a", "b"]
    alone = planned(Experiment.load(written(prompts={}, strategies=free, models=[])))
    assert [each.variant.name for each in alone[2:]] == free
    with pytest.raises(InputError, match=r"yaml:\d+: 'listwise' asks a judge. Name at least one under 'models'"):
        planned(Experiment.load(written(prompts={}, strategies=["none", "listwise"], models=[])))


def test_instructions_are_compared_as_prompts_are(written: Written) -> None:
    strategies: list[object] = [
        "score",
        "bm25 % 5",
        {"strategy": "listwise", "instruction": "", "criteria": {"b": 2}},
        {"strategy": "listwise", "instruction": "own", "fields": ["date"], "label": "own one"},
    ]
    experiment = Experiment.load(
        written(
            prompts={"score": ["terse", "rubric"]},
            strategies=strategies,
            instructions=["", "prefer what states numbers over opinions"],
            criteria="a:1",
        )
    )
    found = {each.variant.name: each.variant for each in planned(experiment)[2:]}
    assert list(found) == [
        "score · terse",
        "score · rubric",
        'score · terse · "prefer what states numbers over opinions"',
        'score · rubric · "prefer what states numbers over opinions"',
        "bm25 % 5",
        "listwise",
        "own one",
    ]
    assert found["score · terse"].wishes == {"criteria": "a:1"}
    assert found["bm25 % 5"].wishes == {}
    assert found["listwise"].wishes == {"criteria": "b:2"}
    assert found["own one"].wishes == {"instruction": "own", "criteria": "a:1", "fields": ["date"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"instructions": [" "]}, "instruction is only white space"),
        ({"criteria": {"a": 0}}, "sum to nothing"),
        ({"strategies": [{"strategy": "score", "criteria": {"a": -1}}]}, "'a' is -1"),
        ({"strategies": [{"strategy": "scor"}]}, "Did you mean 'score'"),
        ({"strategies": [{"strategy": "score", "instructon": "x"}]}, "Did you mean 'instruction'"),
    ],
)
def test_wishes_that_cannot_be_used(written: Written, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Experiment.load(written(**changes))


def test_only_some_variants(written: Written) -> None:
    variants = planned(Experiment.load(written()))

    def names(*only: str) -> list[str]:
        return [each.variant.name for each in chosen(variants, only)][2:]

    assert names() == ["score · terse", "score · rubric", "listwise"]
    assert names("rubric", "list*") == ["score · rubric", "listwise"]
    with pytest.raises(UnknownName, match="Unknown variant 'setwise'"):
        names("setwise")


def test_a_prompted_strategy_is_the_strategy_with_other_prompts() -> None:
    strategy = Prompted(strategy=parse("score >> listwise(window_size=5, stride=3)"), prompts={"score": "rubric"})
    check_strategy(strategy)
    calls = drive(strategy, ["a", "b", "c"], perfect([0.1, 0.9, 0.5])).calls
    assert {(call.task, call.prompt) for call in calls} == {("score", "rubric"), ("listwise", None)}
    own = Prompted(strategy=parse("score(prompt='terse')"), prompts={"score": "rubric"})
    assert {call.prompt for call in drive(own, ["a"], perfect([1.0])).calls} == {"terse"}


class _Narrow:
    """Room for as many documents as the prompt's name has letters."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        return min(at_most, len(call.prompt or ""))

    def group(self, call: JudgeCall) -> int:
        return 1

    def per_document(self, model: str | None = None) -> int:
        return 100

    def tokens(self, text: str, model: str | None = None) -> int:
        return len(text)


def test_how_much_fits_is_asked_with_the_prompt_that_is_sent() -> None:
    from judge_rerank.core import Candidate, Candidates, Document, Query

    candidates = Candidates((Candidate(index=i, document=Document(text=str(i))) for i in range(9)), limits=_Narrow())
    strategy = Prompted(strategy=parse("listwise(window_size=9, stride=4)"), prompts={"listwise": "four"})
    (call,) = next(strategy.plan(Query(text="q"), candidates))
    assert len(call.candidates) == 4


def test_a_key_comes_from_the_environment(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment.load(written(models=[{"name": "a", "api_key": "${SOME_KEY}"}, {"name": "b"}]))
    with pytest.raises(SetupError, match=r"\$SOME_KEY, which is not set"):
        experiment.models[0].key()
    monkeypatch.setenv("SOME_KEY", "secret")
    assert [model.key() for model in experiment.models] == ["secret", None]
    assert "secret" not in repr(experiment)


def test_what_is_wrong_with_the_data_is_said_with_the_line_of_the_dataset(written: Written, log: Path) -> None:
    with pytest.raises(DataError, match=r"experiment\.yaml:3: .*nothing\.jsonl: There is no such file"):
        prepare(Experiment.load(written(datasets=[{"path": "nothing.jsonl"}])))
    with pytest.raises(DataError, match=r"experiment\.yaml:\d: Two datasets are called 'log'"):
        prepare(Experiment.load(written(datasets=[{"path": log.name}, {"path": log.name}])))
    one = prepare(Experiment.load(written(datasets=[{"path": log.name, "queries": 1}])))
    assert one.datasets[0].info.queries == 1
    assert one.results == 3
    with pytest.raises(InputError, match="limit is 0"):
        prepare(Experiment.load(written()), limit=0)


def test_one_strategy_written_in_two_ways_is_one_variant(written: Written) -> None:
    with pytest.raises(InputError, match="are the same strategy, written in two ways"):
        planned(Experiment.load(written(prompts={}, strategies=["listwise", "listwise(window_size=20)"])))
