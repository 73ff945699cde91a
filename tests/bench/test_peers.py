"""The judge of the comparison with other rerankers: it finds documents by their text and answers in every form."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from judge_rerank import Judge
from tests.provider import Asked, Provider

BENCH = Path(__file__).parents[2] / "eval" / "bench" / "qrels_judge.py"
TEXTS = ["Dune is a film.", "Dune is a film. It is long, and set on a planet of sand.", "A dune is a hill.", "Frank."]
GRADES = [1.0, 2.0, 0.0, 3.0]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_qrels_judge", BENCH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def topic(bench: ModuleType) -> Any:
    return bench.Topic(query="what is dune", texts=TEXTS, grades=GRADES)


def said(judge: Any, prompt: str, **options: Any) -> str:
    return judge(Asked(wire="openai", model="m", system="", prompt=f"What is Dune?\n{prompt}", **options)).text


SHOWN = f"[1] {TEXTS[2]}\n[2] {TEXTS[1]}\n[3] {TEXTS[0]}"


def test_texts_are_found_in_the_order_shown(bench: ModuleType, topic: Any) -> None:
    reader = bench.PromptReader([topic])
    assert reader.read(f"What is dune? {SHOWN}") == (topic, [2, 1, 0])
    assert reader.read(f"What is dune? [1] {TEXTS[1]}") == (topic, [1]), "a text within another was not shown"
    assert reader.read("another question") == (None, [])


@pytest.mark.parametrize(
    ("prompt", "options", "answer"),
    [
        ("such as [1] > [2]", {}, "[2] > [3] > [1]"),
        ('JSON: {"ranking": [...]}', {}, {"ranking": [2, 3, 1]}),
        ("", {"schema": {"properties": {"ranking": {}}}}, {"ranking": [2, 3, 1]}),
        ("", {"schema": {"properties": {"ranked_document_ids": {}}}}, {"ranked_document_ids": [1, 2, 0]}),
        ('select the most relevant 2 candidate documents: {"selected": [1]}', {}, {"selected": [2, 3]}),
        ('{"winner": "A"}', {}, {"winner": "B"}),
        ("Output only the passage label", {}, "Passage B"),
        ("Doc: 9, Relevance: 7", {}, "Doc: 2, Relevance: 7\nDoc: 3, Relevance: 4"),
        ("", {"top_logprobs": 20}, "B"),
    ],
)
def test_it_answers_in_the_form_that_is_asked_for(
    bench: ModuleType, topic: Any, prompt: str, options: dict[str, Any], answer: Any
) -> None:
    judge = bench.QrelsJudge([topic], noise=0.0)
    found = said(judge, f"{SHOWN}\n{prompt}", **options)
    assert (json.loads(found) if isinstance(answer, dict) else found) == answer
    log = judge.logs["what is dune"]
    assert log.calls == 1
    assert {0, 1} <= log.stated <= {0, 1, 2}
    assert log.input_tokens > log.output_tokens > 0


def test_the_words_around_documents_change_nothing(bench: ModuleType, topic: Any) -> None:
    judge = bench.QrelsJudge([topic], noise=3.0, seed=5)
    assert said(judge, f"Rank.\n{SHOWN}") == said(judge, f"Please order:\n{SHOWN}\nThank you.")


def test_slips_are_refusals_and_damaged_orders(bench: ModuleType, topic: Any) -> None:
    judge = bench.QrelsJudge([topic], noise=0.0, slips=1.0)
    replies = {said(judge, f"{SHOWN}\n[4] {TEXTS[3]}\nattempt {attempt}") for attempt in range(40)}
    assert replies == {
        "I'm sorry, but I can't help with ranking these passages.",
        "[4] > [2] > [3]",
        "[4] > [4] > [3] > [1] > [904]",
        "Here are the 4 passages ranked:\n[4] > [2] > [3] > [1]",
    }


@pytest.mark.parametrize("strategy", ["listwise", "first", "setwise", "blitz"])
def test_this_package_is_judged_by_it(bench: ModuleType, topic: Any, strategy: str) -> None:
    judged = bench.QrelsJudge([topic], noise=0.0)
    with (
        Provider(judged) as provider,
        Judge("openai/test", api_base=f"{provider.url}/v1", api_key="sk-loopback", cache_dir=None) as judge,
    ):
        ranking = judge.rerank("what is dune", TEXTS[:3], strategy)
    assert list(ranking.order) == [1, 0, 2]
    assert judged.logs["what is dune"].calls == ranking.usage.calls
