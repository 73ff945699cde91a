"""What the first ranking loads, and in which thread; `warm_up` loads it beforehand."""

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from judge_rerank import Judge, SetupError
from judge_rerank.core import HOSTED_STRATEGY, InputError, spec_of
from judge_rerank.routing import parts, prefilter
from judge_rerank.scorers import LocalScorer
from judge_rerank.strategies import parse
from judge_rerank.testing import FakeBackend
from tests.provider import Provider, QrelsJudge

DOCS = {"Dune is a film of 1984.": 1, "Frank Herbert wrote Dune.": 3, "A dune is a hill of sand.": 0}

# Ranks in a fresh process, and prints by thread the modules that were looked for in the meantime.
SCRIPT = """
import asyncio, collections, json, sys, threading
from judge_rerank import Judge

strategy, warm, many, options = json.loads(sys.argv[1])
docs = json.loads(sys.argv[2])
seen = collections.defaultdict(set)

class Watch:
    def find_spec(self, name, path=None, target=None):
        seen[threading.current_thread().name].add(name)

async def main():
    judge = Judge("openai/gpt-4.1-mini", cache_dir=None)
    if warm:
        await judge.awarm_up(*[strategy] if strategy else [])
    sys.meta_path.insert(0, Watch())
    if many:
        ranking = [made async for made in judge.arerank_many([("who wrote Dune?", docs)], strategy, **options)][0]
    else:
        ranking = await judge.arerank("who wrote Dune?", docs, strategy, **options)
    assert ranking.status == "complete", ranking.reasons

asyncio.run(main())
# Some are only looked for, to know whether they are installed.
print(json.dumps({t: sorted({n.partition(".")[0] for n in names if n in sys.modules}) for t, names in seen.items()}))
"""

HEAVY = {
    "aiohttp", "bm25s", "httpx", "huggingface_hub", "litellm", "numpy", "onnxruntime", "openai", "pydantic", "rich",
    "sentence_transformers", "tiktoken", "tokenizers", "torch", "transformers",
}  # fmt: skip


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(QrelsJudge(DOCS)) as opened:
        yield opened


def imported(
    provider: Provider, strategy: str | None, *, warm: bool = False, many: bool = False, **options: Any
) -> dict[str, set[str]]:
    """By thread, the packages that are imported while the first ranking is made."""
    environment = {
        **os.environ,
        "OPENAI_API_KEY": "sk-loopback",
        "OPENAI_API_BASE": f"{provider.url}/v1",
        "OPENAI_BASE_URL": f"{provider.url}/v1",
    }
    given = [json.dumps([strategy, warm, many, options]), json.dumps(list(DOCS))]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *given], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return {name: set(modules) for name, modules in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.mark.parametrize(
    ("strategy", "many", "options"),
    [(None, False, {}), ("cascade", False, {}), ("auto", True, {}), ("hybrid", False, {"min_score": 0.1})],
)
def test_the_callers_event_loop_imports_nothing_heavy(
    provider: Provider, strategy: str | None, *, many: bool, options: dict[str, Any]
) -> None:
    found = imported(provider, strategy, many=many, **options)
    assert not found.get("MainThread", set()) & HEAVY
    assert "litellm" in set().union(*found.values())


def test_nor_does_the_loop_that_all_rankings_share(provider: Provider) -> None:
    # LiteLLM itself and OpenAI's client take seconds; a module of LiteLLM's that comes later takes none.
    assert not imported(provider, "score").get("judge_rerank", set()) & (HEAVY - {"litellm"})


def test_warm_up_loads_all_that_the_first_ranking_would(provider: Provider) -> None:
    found = imported(provider, "cascade", warm=True)
    assert not set().union(*found.values()) & (HEAVY - {"litellm"})
    assert provider.requests == 1, "warming up sends nothing"


class _Counted(LocalScorer):
    name = "counted"

    def __init__(self) -> None:
        self.scored = 0

    def score(self, groups: Any) -> Any:
        self.scored += 1
        return [[1.0] * len(candidates) for _, candidates in groups]

    def unit(self, raw: float) -> float:
        return raw


def test_warm_up_asks_no_model_and_every_scorer() -> None:
    backend, one, other = FakeBackend('{"score": 7}'), _Counted(), _Counted()
    judge = Judge(backend)
    judge.warm_up("listwise", one % 5 >> other)
    judge.warm_up()
    assert (one.scored, other.scored, len(backend.requests)) == (1, 1, 0)


def test_warm_up_of_a_choice_warms_all_that_may_be_chosen() -> None:
    asked = {spec_of(part) for part in parts(parse("auto"), "hosted")}
    assert {"listwise", HOSTED_STRATEGY, prefilter()} <= asked
    assert {spec_of(part) for part in parts(parse("cascade"), "hosted")} == {"listwise", prefilter()}
    assert {spec_of(part) for part in parts(parse("bm25 % 5 >> stage(score, when=unsure)"), "none")} == {
        "bm25",
        "score",
    }


def test_warm_up_says_what_is_missing() -> None:
    judge = Judge(FakeBackend(""))
    with pytest.raises(InputError):
        judge.warm_up("no-such-strategy")
    with pytest.raises(SetupError):
        judge.warm_up("embedding('./no-folder')")


def test_a_judge_says_where_it_can_be_built_instead_of_pickled() -> None:
    judge = Judge(FakeBackend(""))
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(InputError, match="build it there"):
            copied(judge)
