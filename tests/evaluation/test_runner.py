"""Running an experiment: every query once, whatever ends it; the same numbers, and nothing asked twice."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from judge_rerank import AuthenticationError, CancelToken, InputError, Judge, PricingUnknown, ProviderUnavailable
from judge_rerank.core.backend import ChatRequest, prompt_text
from judge_rerank.evaluation import Evaluation, Experiment, RunFolder, evaluate
from judge_rerank.evaluation.judges import Judges, forecast
from judge_rerank.evaluation.preparing import prepare
from judge_rerank.evaluation.report import texts
from judge_rerank.evaluation.report.scope import scopes
from judge_rerank.evaluation.sources import load
from judge_rerank.testing import FakeBackend, SimulatedJudge
from tests.evaluation.conftest import CANDIDATES, QUERIES, Written

POINTWISE = QUERIES * CANDIDATES
CALLS = 2 * POINTWISE + QUERIES
"""Two variants of score, and one listwise call for each query."""


def reply(request: ChatRequest) -> str:
    """What a judge says that prefers some texts for no reason, but always the same."""
    text = prompt_text(request.messages)
    assert request.subject is not None
    if request.subject.task == "listwise":
        return '{"ranking": [2, 1, 3, 5, 4]}'
    return json.dumps({"score": 1 + sum(text.encode()) % 10})


def numbers(found: Evaluation) -> object:
    """What must not depend on how often a run was interrupted."""
    rows = [(row.variant.name, row.results, row.metrics, row.gain, row.calls) for row in found.summary.rows]
    rankings = {result.key: [placed.id for placed in result.ranking] for result in found.results}
    return rows, rankings


def asked(*backends: FakeBackend) -> Counter[str]:
    return Counter(prompt_text(request.messages) for backend in backends for request in backend.requests)


def run(file: Path, output: Path, backend: FakeBackend, **options: Any) -> Evaluation:
    return evaluate(file, output=output, backends={"fake": backend}, **options)


def test_scorers_are_compared_where_there_is_no_judge(written: Written, tmp_path: Path) -> None:
    found = evaluate(written(models=None, prompts=None, strategies=["none", "bm25"]), output=tmp_path / "run")
    rows = {row.variant.name: row for row in found.summary.rows}
    assert list(rows) == ["first-stage", "ideal", "none", "bm25"]
    assert {rows[name].calls for name in ("none", "bm25")} == {0}
    assert (found.unfinished, found.failures, found.info.finished) == ([], [], True)


def test_a_perfect_judge_reaches_the_ideal_order(written: Written, log: Path, tmp_path: Path) -> None:
    judge = SimulatedJudge(load(log).grades)
    reports: list[Any] = []
    found = run(written(), tmp_path / "run", judge, watch=reports.append)
    rows = {row.variant.name: row for row in found.summary.rows}
    assert list(rows) == ["first-stage", "ideal", "score · terse", "score · rubric", "listwise"]
    assert rows["ideal"].metrics == rows["listwise"].metrics == {"nDCG@3": 1.0, "RR@5": 1.0}
    assert rows["first-stage"].metrics["nDCG@3"] < 1
    assert (found.unfinished, found.failures, found.info.finished) == ([], [], True)
    assert len(found.results) == 5 * QUERIES
    assert [s.done for s in reports] == list(range(1, 3 * QUERIES + 1))
    assert reports[-1].total == reports[-1].bought == 3 * QUERIES
    assert reports[-1].means["listwise"] == (QUERIES, 1.0)
    assert {(d.id, d.text) for d in RunFolder(tmp_path / "run").documents().values()} == {
        (f"q{q}d{d}", f"text {d} about {q}") for q in range(QUERIES) for d in range(CANDIDATES)
    }
    assert found.info.variants[2].prompt_hashes["score"]


@pytest.mark.parametrize(("concurrency", "together"), [(1, {1}), (4, {QUERIES})])
def test_queries_that_would_only_wait_for_each_other_are_asked_one_by_one(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, concurrency: int, together: set[int]
) -> None:
    seen: set[int] = set()
    original = Judge.arerank_many

    def watched(judge: Judge, pairs: Any, *given: Any, **options: Any) -> Any:
        seen.add(len(pairs))
        return original(judge, pairs, *given, **options)

    monkeypatch.setattr(Judge, "arerank_many", watched)
    found = run(written(), tmp_path / "run", FakeBackend(reply, concurrency=concurrency))
    assert seen == together
    assert found.info.finished


def test_no_variant_is_quick_because_of_what_another_has_computed(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: Counter[str] = Counter()

    class Encoder:
        def encode(self, texts: Sequence[str], _batch_size: int) -> Any:
            encoded.update(texts)
            return numpy.ones((len(texts), 2), dtype=numpy.float32)

    monkeypatch.setattr("judge_rerank.scorers.encoders.encoder", lambda *_: Encoder())
    evaluate(written(models=None, prompts=None, strategies=["embedding", "embedding % 2"]), output=tmp_path / "run")
    assert {encoded[f"text {d} about {q}"] for q in range(QUERIES) for d in range(CANDIDATES)} == {2}


def test_a_result_says_where_each_document_came_from(written: Written, tmp_path: Path) -> None:
    found = run(written(), tmp_path / "run", FakeBackend(reply))
    result = next(r for r in found.results if r.variant == "listwise")
    by_index = sorted(result.ranking, key=lambda placed: placed.index)
    shown = [placed.id for placed in by_index]
    assert [placed.first_stage for placed in by_index] == [int(name[-1]) + 1 for name in shown]
    assert shown != sorted(shown), "candidates are shuffled"
    assert [placed.rank for placed in result.ranking] == [1, 2, 3, 4, 5]
    assert [placed.index for placed in result.ranking] == [1, 0, 2, 4, 3]
    assert result.ranking[0].judgments[0]["reply"] == '{"ranking": [2, 1, 3, 5, 4]}'
    (calls,) = {r.usage["calls"] for r in found.results if r.variant == "score · rubric"}
    assert calls == CANDIDATES


def test_candidates_are_left_as_they_stand_where_that_is_asked_for(written: Written, log: Path, tmp_path: Path) -> None:
    file = written(datasets=[{"path": log.name, "shuffle": False}], strategies=["none"], prompts=None)
    found = run(file, tmp_path / "run", FakeBackend(reply))
    assert found.info.datasets[0].seed is None
    assert found.summary.row("none").gain == 0.0
    assert all(placed.index + 1 == placed.rank == placed.first_stage for placed in found.results[-1].ranking)


def test_a_run_is_not_begun_twice(written: Written, log: Path, tmp_path: Path) -> None:
    first, second = FakeBackend(reply), FakeBackend(reply)
    whole = run(written(), tmp_path / "run", first)
    with pytest.raises(InputError, match=r"There is a run in .* already"):
        run(written(), tmp_path / "run", second)
    again = run(written(), tmp_path / "run", second, resume=True)
    assert not second.requests
    assert numbers(again) == numbers(whole)
    assert again.info.started == whole.info.started
    changes: list[dict[str, Any]] = [
        {"metrics": ["AP"]},
        {"datasets": [{"path": log.name, "seed": 4}]},
        {"models": [{"name": "fake", "params": {"temperature": 1}}]},
    ]
    for change in changes:
        with pytest.raises(InputError, match="The run in this folder has other settings"):
            run(written(**change), tmp_path / "run", second, resume=True)
    assert not second.requests


def test_no_secret_of_a_model_is_in_the_folder_of_a_run_and_nobody_else_may_read_it(
    written: Written, tmp_path: Path
) -> None:
    model = {
        "name": "fake",
        "api_base": "https://me:swordfish@host/v1?api-version=2&key=in-the-query",
        "params": {"extra_headers": {"X-Service-Token": "in-a-header"}, "seed": 4, "user": "in-a-header"},
    }
    file, folder = written(models=[model]), tmp_path / "new" / "run"
    found = run(file, folder, FakeBackend(reply), limit=1, only=["listwise"])
    secrets = ("swordfish", "in-the-query", "in-a-header")
    told = repr(Experiment.load(file)) + "".join(path.read_text() for path in folder.iterdir())
    assert [secret for secret in secrets if secret in told] == []
    settings = {"api_base": "https://host/v1?api-version=2", "params": ANY}
    assert found.info.variants[-1].settings == settings
    assert found.info.variants[-1].settings["params"]["seed"] == 4
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}
    run(file, folder, FakeBackend(reply), resume=True)


def test_a_part_of_a_run_is_filled_up(written: Written, tmp_path: Path) -> None:
    backend = FakeBackend(reply)
    part = run(written(), tmp_path / "run", backend, limit=2, only=["listwise"])
    assert [row.variant.name for row in part.summary.rows] == ["first-stage", "ideal", "listwise"]
    assert len(backend.requests) == 2
    whole = run(written(), tmp_path / "run", backend, resume=True)
    assert len(backend.requests) == CALLS
    assert numbers(whole) == numbers(run(written(), tmp_path / "other", FakeBackend(reply)))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_interrupted_run_ends_in_the_same_numbers_and_asks_nothing_twice(
    data: st.DataObject, written: Written, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("run")
    file, whole = written(), FakeBackend(reply)
    expected = run(file, home / "whole", whole)
    assert sum(asked(whole).values()) == CALLS
    stop_at = data.draw(st.integers(min_value=1, max_value=CALLS - 1))
    cancel = CancelToken()

    def stopping(request: ChatRequest) -> str:
        if len(first.requests) == stop_at:
            cancel.cancel()
        return reply(request)

    first, second = FakeBackend(stopping, concurrency=1), FakeBackend(reply)
    broken = run(file, home / "run", first, cancel=cancel, cache_dir=home / "cache")
    assert broken.unfinished == RunFolder(home / "run").info().unfinished == ["The run was interrupted."]
    assert not broken.info.finished
    # What a kill tears is the last line; the answers behind it are in the cache.
    results = home / "run" / "results.jsonl"
    share = data.draw(st.floats(min_value=0, max_value=1))
    left = results.read_bytes()
    results.write_bytes(left[: len(left) - round(share * len(left.splitlines()[-1]))])
    resumed = run(file, home / "run", second, resume=True, cache_dir=home / "cache")
    assert resumed.info.finished
    assert RunFolder(home / "run").info().unfinished == []
    assert numbers(resumed) == numbers(expected)
    # Only the call that was under way when the run was interrupted may have been lost.
    twice = asked(first, second) - asked(whole)
    assert sum(twice.values()) <= 1
    assert set(twice) <= {prompt_text(first.requests[-1].messages)}


CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from judge_rerank.evaluation import evaluate
from judge_rerank.core.backend import prompt_text
from judge_rerank.cache.reply_cache import ReplyCache
from judge_rerank.testing import FakeBackend
from tests.evaluation.test_runner import reply

file, home, kill_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
log = home / "asked"


class Killed(FakeBackend):
    async def complete(self, request):
        with log.open("a") as lines:
            lines.write(repr(prompt_text(request.messages)) + "\\n")
        if len(self.requests) + 1 == kill_at:
            # What was answered is on the disk, and this call is not.
            while ReplyCache(home / "cache").info().entries < len(set(log.read_text().splitlines())) - 1:
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return await super().complete(request)


backends = {"fake": Killed(reply, concurrency=1)}
evaluate(file, output=home / "run", backends=backends, cache_dir=home / "cache", resume=True)
"""


def test_a_killed_process_is_gone_on_with(written: Written, tmp_path: Path) -> None:
    file = written()

    def child(kill_at: int) -> int:
        command = [sys.executable, "-c", CHILD, str(file), str(tmp_path), str(kill_at)]
        return subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode

    codes = [child(kill_at) for kill_at in (17, 24, 0)]
    assert codes == [-9, -9, 0]
    whole = FakeBackend(reply)
    expected = run(file, tmp_path / "whole", whole)
    folder = RunFolder(tmp_path / "run")
    found = Evaluation(folder=folder.path, info=folder.info(), results=folder.results())
    assert found.info.finished
    assert numbers(found) == numbers(expected)
    log = Counter((tmp_path / "asked").read_text().splitlines())
    assert set(log) == {repr(prompt) for prompt in asked(whole)}
    assert sum(log.values()) == CALLS + 2, "each kill loses the call that was under way and no other"


def test_repetitions_ask_anew_and_are_paid_for_once(written: Written, tmp_path: Path) -> None:
    file = written(strategies=["listwise"], prompts=None, seeds=[1, 2])
    first, second = FakeBackend(reply), FakeBackend(reply)
    found = run(file, tmp_path / "run", first, cache_dir=tmp_path / "cache")
    assert len(first.requests) == 2 * QUERIES
    assert found.summary.row("listwise").results == found.summary.row("ideal").results == 2 * QUERIES
    run(file, tmp_path / "other", second, cache_dir=tmp_path / "cache")
    assert not second.requests


def priced(**changes: Any) -> dict[str, Any]:
    price = {"input_usd_per_mtok": 1}  # output is free, so that the most a call can cost is what it costs
    return {"models": [{"name": "fake", "price": price}], "strategies": ["listwise"], "prompts": None} | changes


def test_a_budget_that_is_too_small_for_a_variant(written: Written, tmp_path: Path) -> None:
    backend = FakeBackend(reply, local=False)
    file = written(**priced(budget_usd="0.0001"))
    with pytest.raises(InputError, match=r"experiment\.yaml:\d+: budget_usd is \$0\.0001, and 'listwise' on 'log'"):
        run(file, tmp_path / "run", backend)
    assert not backend.requests
    assert not (tmp_path / "run").exists()
    with pytest.raises(PricingUnknown):
        run(written(**priced(models=["fake"], budget_usd="1")), tmp_path / "run", backend)
    assert not backend.requests


def test_a_budget_holds_over_all_parts_of_a_run(written: Written, tmp_path: Path) -> None:
    strategies = [f"score(prompt='rubric', batch_size={size})" for size in (1, 2, 3, 4, 5)]
    experiment = Experiment.load(written(**priced(strategies=strategies)))
    backend = FakeBackend(reply, local=False)
    with Judges(experiment, backends={"fake": backend}) as judges:
        cells = forecast(prepare(experiment), judges)
    assert [(cell.variant, cell.queries, cell.estimate.calls) for cell in cells] == [
        (strategy, QUERIES, QUERIES * calls) for strategy, calls in zip(strategies, (5, 3, 2, 2, 1), strict=True)
    ]
    assert not backend.requests
    # Enough for the dearest variant, and not for all of them.
    cap = max(cell.estimate.cost_usd or Decimal(0) for cell in cells)
    file = written(**priced(strategies=strategies, budget_usd=str(cap)))
    found = run(file, tmp_path / "run", backend)
    assert "budget_usd is used up" in found.unfinished[0]
    assert not found.info.finished
    assert found.summary.row(strategies[0]).results == QUERIES
    spent = sum(Decimal(result.usage["cost_usd"]) for result in found.results if result.usage)
    assert 0 < spent <= cap
    bought = len(backend.requests)
    assert run(file, tmp_path / "run", backend, resume=True).unfinished
    assert len(backend.requests) - bought <= 1, "nothing dearer than what is left is sent"


def test_a_provider_that_fails_leaves_what_is_finished(written: Written, tmp_path: Path) -> None:
    file = written(strategies=["listwise"], prompts=None)

    def failing(request: ChatRequest) -> Any:
        assert request.subject is not None
        return ProviderUnavailable("down", sent=False) if request.subject.query.id == "q3" else reply(request)

    found = run(file, tmp_path / "run", FakeBackend(failing), cache_dir=None)
    assert len(found.unfinished) == 1
    assert "listwise on log: queries were not finished" in found.unfinished[0]
    assert found.summary.row("listwise").results == QUERIES - 1
    backend = FakeBackend(reply)
    again = run(file, tmp_path / "run", backend, resume=True)
    assert again.info.finished
    assert len(backend.requests) == 1


LIMITS: list[tuple[dict[str, Any], str | None]] = [
    ({"fail_under": 0.99}, "listwise: nDCG@3 is "),
    ({"fail_under": {"AP": 0.99}}, "listwise: AP is "),
    ({"fail_under": 0.01}, None),
    ({"max_parse_failures": 0.05}, "listwise: 100.00% of the replies gave no judgment"),
    ({"max_parse_failures": 1.0}, None),
]


@pytest.mark.parametrize(("limit", "message"), LIMITS)
def test_limits(written: Written, tmp_path: Path, limit: dict[str, Any], message: str | None) -> None:
    backend = FakeBackend(["I cannot say."] if "max_parse_failures" in limit else reply)
    file = written(strategies=["listwise"], prompts=None, **limit)
    found = run(file, tmp_path / "run", backend)
    assert len(found.failures) == (message is not None)
    assert not message or found.failures[0].startswith(message)


def test_a_race_stops_a_variant_that_cannot_win(tmp_path: Path) -> None:
    lines = [
        {
            "id": f"q{q}",
            "query": f"query {q}",
            "candidates": [{"id": f"q{q}d{d}", "text": f"text {d} of {q}", "grade": int(d == 4)} for d in range(5)],
        }
        for q in range(80)
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    experiment = {
        "name": "race",
        "datasets": [{"name": "log", "path": str(tmp_path / "log.jsonl"), "no_relevant": "zero"}],
        "models": ["fake"],
        "strategies": ["score", "none", "binary"],
        "metrics": ["nDCG@5"],
        "baseline": "first-stage",
    }
    judge = SimulatedJudge({line["id"]: {f"{line['id']}d4": 1.0} for line in lines})
    found = evaluate(experiment, output=tmp_path / "run", backends={"fake": judge}, race=True)
    done = Counter(result.variant for result in found.results)
    assert done["score"] == done["binary"] == 80
    assert done["none"] < 80
    assert found.stopped[0].startswith("none was stopped after ")
    assert "saved 0 of" in found.stopped[-1]  # it makes no calls
    assert found.info.finished
    again = evaluate(
        experiment, output=tmp_path / "run", backends={"fake": judge}, resume=True, only=["score", "binary"]
    )
    assert RunFolder(tmp_path / "run").info().stopped == again.stopped == found.stopped
    shown = texts.run_as_markdown(scopes(again.info, again.results))
    assert "- Note: none was stopped after " in shown
    whole = evaluate(experiment, output=tmp_path / "run", backends={"fake": judge}, resume=True)
    assert whole.stopped == [], "without a race it ran to its end"


def test_what_ended_a_run_stays_with_it(written: Written, tmp_path: Path) -> None:
    def refusing(request: ChatRequest) -> Any:
        return AuthenticationError("the key is not known")

    file = written(strategies=["listwise"], prompts=None)
    with pytest.raises(AuthenticationError):
        run(file, tmp_path / "run", FakeBackend(refusing), cache_dir=None)
    folder = RunFolder(tmp_path / "run")
    (reason,) = folder.info().unfinished
    assert reason.startswith("The run ended early: ")
    assert "the key is not known" in reason
    assert "key is not known" in texts.run_as_markdown(scopes(folder.info(), folder.results()))


@pytest.mark.parametrize(("queries", "told"), [(1, "With 1 query no difference"), (5, "With 5 queries"), (6, None)])
def test_a_few_queries_say_nothing_for_certain(
    written: Written, log: Path, tmp_path: Path, queries: int, told: str | None
) -> None:
    file = written(strategies=["listwise"], prompts=None)
    found = run(file, tmp_path / "run", FakeBackend(reply), limit=queries)
    shown = texts.run_as_markdown(scopes(found.info, found.results))
    assert ("can be distinguished from chance" in shown) == (told is not None)
    assert told is None or told in shown
