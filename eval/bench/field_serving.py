"""What the field's cases share that need a provider: judges that ask one on the loopback interface."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from field_cases import DEAR, DOCS, QUERY

from judge_rerank import Judge, Ranking, RerankAPI
from judge_rerank.providers.features import forget_features
from judge_rerank.testing import FakeBackend
from tests.provider import Price as Charge
from tests.provider import Provider

KEY = "sk-loopback-0123456789abcdef"
OPENAI, AZURE, VLLM, OLLAMA = "openai/gpt-4.1-mini", "azure/gpt-4.1-mini", "hosted_vllm/m", "ollama/llama3.1"
PATHS = {"anthropic/claude-sonnet-4-5": "", AZURE: "", OLLAMA: "", "gemini/gemini-2.5-flash": "/v1beta"}
TEI = "huggingface/BAAI/bge-reranker-base"
FOLDERS = {
    "cohere/rerank-v3.5": "",
    TEI: "/tei",
    "voyage/rerank-2.5": "/voyage/v1",
    "jina_ai/jina-reranker-v2": "/jina/v1",
}
GRADES = {DOCS[1]: 3, DOCS[0]: 1, DOCS[2]: 0}
DEAREST = Charge(input=1_000_000, output=1_000_000, cached_input=1_000_000)


@contextmanager
def environment(**values: str) -> Generator[None]:
    """These variables, no key or address from outside, and nothing learnt from the case before."""
    names = [name for name in os.environ if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL"))]
    kept = {name: os.environ.pop(name) for name in [*names, *values] if name in os.environ}
    os.environ.update({"AZURE_API_VERSION": "2024-10-21", "AWS_EC2_METADATA_DISABLED": "true", **values})
    forget_features()
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(kept)


@contextmanager
def judging(provider: Provider, model: str = OPENAI, **options: Any) -> Generator[Judge]:
    """A judge that asks the provider, for a dollar a million tokens."""
    base = provider.url + PATHS.get(model, "/v1")
    known: dict[str, Any] = {"api_base": base, "api_key": KEY, "cache_dir": None, "prices": {model: DEAR}, **options}
    with environment(), Judge(model, **known) as judge:
        yield judge


def reranker(provider: Provider, model: str, **options: Any) -> RerankAPI:
    return RerankAPI(model, api_base=provider.url + FOLDERS[model], api_key=KEY, **options)


def by_api(provider: Provider, docs: list[str], model: str = "cohere/rerank-v3.5", **options: Any) -> Ranking:
    with environment(), Judge(FakeBackend("no")) as judge:
        return judge.rerank(QUERY, docs, reranker(provider, model, **options))
