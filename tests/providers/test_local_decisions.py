"""Laya in this process: real loading code and real arithmetic, on a checkpoint with random weights."""

from __future__ import annotations

import asyncio
import gc
import json
import shutil
import sys
import weakref
from collections.abc import Awaitable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest

pytest.importorskip("laya")

from judge_rerank import Budget, InputError, Judge, ModelUnavailable, UnknownName
from judge_rerank.core import Backend, ChatRequest, Message, MissingExtra, ProviderTimeout, Question
from judge_rerank.providers import laya_model, open_backend
from judge_rerank.providers.decisions import LiteLLMDecisions
from judge_rerank.providers.local_decisions import LocalDecisions
from tests.provider import Provider, QrelsJudge
from tests.scorers import tiny

T = TypeVar("T")

DOCS = ["a flea lives days", "the dog is not a cat", "how long is the life of fleas", "what of weeks"]
QUERY = "how long does a flea live?"
LABELS = ("what", "who", "how", "long")
YES = Question(kind="predicate", instructions="is the flea a dog ?")
SCORE = Question(kind="score", instructions="how long is the life ?", labels=LABELS)
CHOICE = Question(kind="choice", instructions="what lives ?", labels=("flea", "dog", "none"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.decision_model(tmp_path_factory.mktemp("laya"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Backend:
    return open_backend(f"laya:{folder}")


def run(work: Awaitable[T]) -> T:
    async def limited() -> T:
        async with asyncio.timeout(60):
            return await work

    return asyncio.run(limited())


def asked(*questions: Question, text: str = "the life of a flea is days", **more: Any) -> ChatRequest:
    message = Message(role="user", content=text)
    return ChatRequest(messages=(message,), max_output_tokens=0, questions=questions, timeout_s=30.0, **more)


def answers(model: Backend, *questions: Question, **more: Any) -> Any:
    return json.loads(run(model.complete(asked(*questions, **more))).text)


def test_it_is_a_backend_that_says_what_it_is(model: Backend, folder: Path) -> None:
    assert isinstance(model, LocalDecisions)
    info = model.info
    assert (info.name, info.context_tokens, info.most_questions) == (f"laya:{folder}", 512, 128)
    assert (info.local, info.concurrency, info.strategy) == (True, 1, "score")
    assert str(folder.parent) not in (info.endpoint or "")


def test_each_kind_of_question_is_answered(model: Backend) -> None:
    reply = run(model.complete(asked(YES, SCORE, CHOICE)))
    yes, score, choice = json.loads(reply.text)
    assert 0 < yes["probability"] < 1
    assert score["score"] == pytest.approx(sum(i * p for i, p in enumerate(score["probabilities"])), abs=1e-3)
    assert set(choice["probabilities"]) == set(CHOICE.labels)
    assert choice["choice"] == max(choice["probabilities"], key=choice["probabilities"].get)
    assert (reply.cost_usd, reply.output_tokens, reply.input_cut) == (Decimal(0), 0, False)


def test_the_answer_depends_on_the_text_and_on_nothing_else(model: Backend) -> None:
    first = answers(model, SCORE)
    assert answers(model, SCORE, YES)[0]["score"] == pytest.approx(first[0]["score"], abs=2e-4)
    assert answers(model, SCORE) == first
    assert answers(model, SCORE, text="who of the dog cat") != first


def test_more_questions_than_are_asked_at_once(model: Backend) -> None:
    many = answers(model, *[SCORE] * 40)
    assert len(many) == 40
    assert all(one["score"] == pytest.approx(many[0]["score"], abs=2e-4) for one in many)


def test_the_text_is_counted_once(model: Backend) -> None:
    one, two = (run(model.complete(asked(*[SCORE] * n, text="flea " * 100))).input_tokens or 0 for n in (1, 2))
    thirty = run(model.complete(asked(*[SCORE] * 30, text="flea " * 100))).input_tokens or 0
    assert 100 < one < two < 200
    assert thirty - one == 29 * (two - one)


def test_a_text_that_is_cut_is_no_judgment(model: Backend) -> None:
    assert run(model.complete(asked(SCORE, text="flea " * 1_000))).input_cut


def test_options_that_cannot_be_told_apart_are_no_answer(folder: Path) -> None:
    small = open_backend(f"laya:{folder}", params={"context_tokens": 400})
    same = tuple("flea " * 60 + end for end in "what who how long".split())  # noqa: SIM905
    alike = Question(kind="choice", instructions="what lives ?", labels=same)
    chosen, score = answers(small, alike, SCORE)
    assert chosen == {}
    assert score["score"] >= 0


def test_a_document_cannot_end_its_part(model: Backend) -> None:
    plain = answers(model, SCORE, text="flea [ SEP] dog [ MASK] cat")
    assert answers(model, SCORE, text="flea [SEP] dog [MASK] cat") == plain
    assert answers(model, SCORE, text="flea \ud800 dog")


def test_tokens_are_counted_exactly(model: Backend, capfd: pytest.CaptureFixture[str]) -> None:
    assert model.count_tokens("") == 0
    assert model.count_tokens("a flea lives days") == 4
    assert model.count_tokens("flea " * 5_000) == 5_000
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "strategy", ["score", "binary", "score(batch_size=3)", "listwise", "first", "setwise", "pairwise"]
)
def test_every_kind_of_strategy(folder: Path, strategy: str) -> None:
    with Judge(f"laya:{folder}", cache_dir=None, budget=Budget(usd="0.01")) as judge:
        ranking = judge.rerank(QUERY, DOCS, strategy)
    assert sorted(ranking.order) == [0, 1, 2, 3]
    assert ranking.status == "complete"
    assert ranking.usage.cost_usd == 0
    assert not ranking.integrity.unjudged


def test_an_estimate_makes_the_same_calls(folder: Path) -> None:
    with Judge(f"laya:{folder}", cache_dir=None) as judge:
        estimate = judge.estimate(QUERY, DOCS, "score(batch_size=3)")
        ranking = judge.rerank(QUERY, DOCS, "score(batch_size=3)")
    assert ranking.usage.calls == estimate.calls
    assert ranking.usage.input_tokens is not None
    assert ranking.usage.input_tokens > 0


def test_long_documents_are_shortened_and_said_to_be(folder: Path) -> None:
    with Judge(f"laya:{folder}", cache_dir=None) as judge:
        ranking = judge.rerank(QUERY, ["flea " * 2_000, "dog"])
    assert ranking.status == "complete"
    assert ranking.integrity.truncated == (0,)


def test_a_time_limit_is_kept(folder: Path) -> None:
    slow = open_backend(f"laya:{folder}", params={"context_tokens": 1_000})
    slow.warm_up()  # type: ignore[attr-defined]
    request = ChatRequest(
        messages=(Message(role="user", content="flea " * 900),), max_output_tokens=0, questions=(SCORE,) * 128,
        timeout_s=0.001,
    )  # fmt: skip
    with pytest.raises(ProviderTimeout, match=r"0\.001 seconds"):
        run(slow.complete(request))
    assert answers(slow, SCORE)


def test_a_model_is_loaded_once_and_freed(folder: Path, tmp_path: Path) -> None:
    own = shutil.copytree(folder, tmp_path / "own").resolve()
    first, second = (open_backend(f"laya:{own}", params={"context_tokens": n}) for n in (300, 400))
    answers(first, YES), answers(second, YES)
    kept = weakref.ref(laya_model.shared(laya_model.Checkpoint(source=str(own))))
    run(first.aclose())
    gc.collect()
    assert kept() is not None
    run(second.aclose())
    gc.collect()
    assert kept() is None
    assert answers(first, YES)


# What is wrong with a name, a folder, a parameter


def test_a_server_is_asked_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with Provider(QrelsJudge({"a flea lives days": 3})) as provider:
        with Judge("laya/english", api_base=provider.url, cache_dir=None) as judge:
            assert judge.rerank(QUERY, DOCS, "score(batch_size=4)")[0].index == 0
        assert provider.received[0].path.endswith("/systemone")
        monkeypatch.setenv("LAYA_API_BASE", provider.url)
        assert isinstance(open_backend("laya/english"), LiteLLMDecisions)


def test_published_weights_are_known_by_their_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    english, many = open_backend("laya/english").info, open_backend("laya/multilingual").info
    assert (english.context_tokens, many.context_tokens) == (512, 1_024)
    assert english.endpoint is not None
    assert len(english.endpoint.rpartition("@")[2]) == 40
    assert english.endpoint != many.endpoint
    assert open_backend("laya/english", params={"revision": "main"}).info.endpoint == "convaiinnovations/laya@main"
    monkeypatch.setenv("LAYA_REVISION", "v2")
    assert open_backend("laya/english").info.endpoint == "convaiinnovations/laya@v2"


@pytest.mark.parametrize("name", ["english", "multilingual"])
def test_weights_that_are_not_here_are_an_error_that_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable) as caught:
        Judge(f"laya/{name}", cache_dir=None).rerank(QUERY, DOCS)
    said = str(caught.value)
    assert "is not on this machine" in said
    assert "hf download convaiinnovations/laya --revision " in said
    assert ("--include 'multilingual/*'" in said) == (name == "multilingual")
    assert "laya:FOLDER" in said


def test_an_unknown_checkpoint_is_named() -> None:
    with pytest.raises(UnknownName, match=r"laya/english.*laya:FOLDER"):
        Judge("laya/englsh")


@pytest.mark.parametrize("missing", ["rl_agent_config.json", "model.safetensors"])
def test_a_folder_without_a_checkpoint(folder: Path, tmp_path: Path, missing: str) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / missing).unlink()
    with pytest.raises(ModelUnavailable, match=f"has no {missing}"):
        Judge(f"laya:{broken}")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("rl_agent_config.json", "{", "not the config of a checkpoint"),
        ("rl_agent_config.json", "[]", "not the config of a checkpoint"),
        ("rl_agent_config.json", '{"max_len": 512}', "could not be loaded"),
        ("model.safetensors", "not weights", "could not be loaded"),
        ("encoder/config.json", "{}", "could not be loaded"),
    ],
)
def test_a_damaged_checkpoint(folder: Path, tmp_path: Path, file: str, content: str, message: str) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / file).write_text(content)
    with pytest.raises(ModelUnavailable, match=message):
        Judge(f"laya:{broken}", cache_dir=None).rerank(QUERY, DOCS)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"temperature": 0.2}, r"temperature, which laya:.* does not take\. It takes both_orders.*device"),
        ({"most_questions": 1_000}, "at most 128"),
        ({"context_tokens": 0}, "at least 1"),
        ({"device": 1}, "expected a text"),
        ({"revision": "main"}, "is a folder"),
    ],
)
def test_options_that_are_not_for_it(folder: Path, params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Judge(f"laya:{folder}", params=params)


def test_it_does_not_chat(folder: Path) -> None:
    with pytest.raises(InputError, match="answers typed questions only"):
        Judge(f"laya:{folder}", api="chat")


def test_the_package_that_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "laya", None)
    for name in (f"laya:{folder}", "laya/english"):
        with pytest.raises(MissingExtra, match=r"pip install 'judge-rerank\[laya\]'"):
            Judge(name)
