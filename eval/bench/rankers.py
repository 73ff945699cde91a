"""One reranker in a process of its own: reads queries, ranks them one after another, writes orders and seconds.

    python eval/bench/rankers.py NAME URL PASSES IN.json OUT.json

Run by `peers.py`, with this project's interpreter or with that of the environment in which the peers are installed. It
goes over the queries so many times, and before each it tells the judge, which may then be another.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

MODEL, KEY = "gpt-4o", "sk-loopback"
TOP = 10
WARM_UP = ("warm up", ["one text", "another text"])
NEXT_PASS = "next-pass"
"""The model of the request that tells the judge that a pass begins."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """An order, as places in the input, and the places of which the reranker itself says that they were not judged."""

    order: Sequence[int]
    reported: Sequence[int] = ()


Rank = Callable[[str, list[str]], Ranked]


def ours(spec: str) -> Callable[[str], Rank]:
    def opened(url: str) -> Rank:
        from judge_rerank import Judge

        judge = Judge(f"openai/{MODEL}", api_base=url, api_key=KEY, cache_dir=None, concurrency=32)

        def rank(query: str, texts: list[str]) -> Ranked:
            ranking = judge.rerank(query, texts, spec)
            return Ranked(order=ranking.order, reported=ranking.integrity.unjudged)

        return rank

    return opened


def rank_llm(_url: str) -> Rank:
    _without_local_models()
    from rank_llm.data import Candidate, Query, Request
    from rank_llm.rerank.listwise.rank_gpt import TEMPLATES, SafeOpenai

    template = TEMPLATES / "rank_gpt_template.yaml"
    agent = SafeOpenai(MODEL, 128_000, prompt_template_path=template, window_size=20, stride=10, keys=KEY)

    def rank(query: str, texts: list[str]) -> Ranked:
        candidates = [
            Candidate(docid=str(place), score=float(-place), doc={"text": text}) for place, text in enumerate(texts)
        ]
        request = Request(query=Query(text=query, qid="q"), candidates=candidates)
        (result,) = agent.rerank_batch([request], rank_end=len(texts))
        return Ranked(order=[int(candidate.docid) for candidate in result.candidates])

    return rank


def rerankers(*, whole_list: bool) -> Callable[[str], Rank]:
    def opened(_url: str) -> Rank:
        from rerankers.models.rankgpt_rankers import RankGPTRanker

        ranker = RankGPTRanker(f"openai/{MODEL}", KEY, verbose=0)

        def rank(query: str, texts: list[str]) -> Ranked:
            options = {"rank_end": len(texts)} if whole_list else {}
            result = ranker.rank(query, texts, doc_ids=list(range(len(texts))), **options)
            return Ranked(order=[int(one.document.doc_id) for one in result.results])

        return rank

    return opened


def llama_index(name: str) -> Callable[[str], Rank]:
    def opened(url: str) -> Rank:
        from llama_index.core.postprocessor import LLMRerank
        from llama_index.core.postprocessor.rankGPT_rerank import RankGPTRerank
        from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
        from llama_index.llms.openai_like import OpenAILike

        llm = OpenAILike(model=MODEL, api_base=url, api_key=KEY, is_chat_model=True, context_window=128_000)
        kind = {"LLMRerank": LLMRerank, "RankGPTRerank": RankGPTRerank}[name]

        def rank(query: str, texts: list[str]) -> Ranked:
            reranker = kind(llm=llm, top_n=len(texts))
            nodes = [
                NodeWithScore(node=TextNode(id_=str(place), text=text), score=0.0) for place, text in enumerate(texts)
            ]
            ranked = reranker.postprocess_nodes(nodes, query_bundle=QueryBundle(query))
            return Ranked(order=[int(node.node.node_id) for node in ranked])

        return rank

    return opened


def langchain(url: str) -> Rank:
    from langchain_classic.retrievers.document_compressors.listwise_rerank import LLMListwiseRerank
    from langchain_core.documents import Document
    from langchain_openai import ChatOpenAI

    llm = ChatOpenAI(model=MODEL, base_url=url, api_key=KEY, temperature=0)

    def rank(query: str, texts: list[str]) -> Ranked:
        documents = [Document(text, metadata={"place": place}) for place, text in enumerate(texts)]
        reranker = LLMListwiseRerank.from_llm(llm, top_n=len(texts))
        return Ranked(order=[one.metadata["place"] for one in reranker.compress_documents(documents, query)])

    return rank


def blitzrank(name: str, **options: Any) -> Callable[[str], Rank]:
    def opened(_url: str) -> Rank:
        import blitzrank as package

        ranker = getattr(package, name)(**options)

        def rank(query: str, texts: list[str]) -> Ranked:
            return Ranked(order=asyncio.run(ranker(query, texts, min(TOP, len(texts)), f"openai/{MODEL}")))

        return rank

    return opened


def ranksmith(name: str, **options: Any) -> Callable[[str], Rank]:
    def opened(url: str) -> Rank:
        import ranksmith as package
        from ranksmith.integrations.lmstudio_provider import LMStudioModelProvider

        client = package.ModelClient(
            provider=LMStudioModelProvider(model=MODEL, base_url=url, api_key=KEY, max_tokens=1024)
        )
        strategy = getattr(package, name)(**options)
        # Only a heap can stop at the best ten; the others rank all there are.
        top_k = TOP if name == "SetwiseStrategy" else None

        def rank(query: str, texts: list[str]) -> Ranked:
            documents = [package.Document(text) for text in texts]
            ranked = strategy.rerank(query=query, documents=documents, model_client=client, top_k=top_k)
            return Ranked(order=[one.original_index for one in ranked])

        return rank

    return opened


def _without_local_models() -> None:
    """rank_llm imports vllm, and a T5 that the newest transformers cannot load; nothing of them is used with an API."""
    for name in ("vllm", "vllm.outputs", "rank_llm.rerank.listwise.lit5.model"):
        sys.modules[name] = _Hollow(name)


class _Hollow(ModuleType):
    """A module in which every name is there and means nothing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return object


PEERS: dict[str, Callable[[str], Rank]] = {
    "rank_llm, sliding window": rank_llm,
    "rerankers RankGPT, by default": rerankers(whole_list=False),
    "rerankers RankGPT, rank_end=100": rerankers(whole_list=True),
    "LlamaIndex RankGPTRerank": llama_index("RankGPTRerank"),
    "LlamaIndex LLMRerank": llama_index("LLMRerank"),
    "LangChain LLMListwiseRerank": langchain,
    "blitzrank SlidingWindow": blitzrank("SlidingWindow"),
    "blitzrank BlitzRank, k=20": blitzrank("BlitzRank"),
    "blitzrank BlitzRank, k=10": blitzrank("BlitzRank", window_size=10),
    "blitzrank TourRank": blitzrank("TourRank"),
    "blitzrank SetWise, c=9": blitzrank("SetWise", num_child=9),
    "ranksmith ListwiseStrategy": ranksmith("ListwiseStrategy"),
    "ranksmith TourRankStrategy": ranksmith("TourRankStrategy"),
    "ranksmith SetwiseStrategy, set of 10": ranksmith("SetwiseStrategy", set_size=10),
    "blitzrank AcuRank": blitzrank("AcuRank"),
    "ranksmith AcuRankStrategy": ranksmith("AcuRankStrategy"),
}
OURS: dict[str, Callable[[str], Rank]] = {
    spec: ours(spec)
    for spec in (
        "listwise",
        "first",
        "setwise",
        "tournament",
        "tournament(replicas=2, top=0)",
        "partition",
        "blitz",
        "blitz(group_size=20)",
        "joint",
        "joint(replicas=4, refine=False)",
        "self-consistent(strategy='joint(replicas=1, refine=False)', n=4)",
        "adaptive(docs=130)",
        "adaptive(docs=180)",
        "adaptive",
    )
}


def _environment(url: str) -> None:
    """What peers read from the environment: where the provider is, and an encoding that needs no download."""
    os.environ.update({"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url, "OPENAI_API_BASE": url})
    os.environ.update({"LITELLM_LOCAL_MODEL_COST_MAP": "True", "TQDM_DISABLE": "1", "LITELLM_LOG": "ERROR"})
    import importlib.util

    spec = importlib.util.find_spec("litellm")
    if spec is not None and spec.origin is not None:
        tokenizers = Path(spec.origin).parent / "litellm_core_utils" / "tokenizers"
        os.environ["TIKTOKEN_CACHE_DIR"] = str(tokenizers)


def announce(url: str) -> None:
    """Tell the judge that the next pass begins."""
    body = json.dumps({"model": NEXT_PASS, "messages": [{"role": "user", "content": "next"}]}).encode()
    request = urllib.request.Request(f"{url}chat/completions", data=body, method="POST")
    urllib.request.urlopen(request).read()


def ranked(rank: Rank, query: str, texts: list[str]) -> dict[str, Any]:
    """What came of one query."""
    started = time.perf_counter()
    try:
        result, error = rank(query, texts), ""
    except Exception as failure:
        result, error = Ranked(order=()), repr(failure)
    seconds = time.perf_counter() - started
    return {"order": list(result.order), "reported": list(result.reported), "seconds": seconds, "error": error}


def main() -> None:
    name, url, passes, given, wanted = sys.argv[1:]
    _environment(url)
    rank = (PEERS | OURS)[name](url)
    print(ranked(rank, *WARM_UP)["error"], file=sys.stderr)  # imports and connections are not what is timed
    queries = json.loads(Path(given).read_text(encoding="utf-8"))
    records: list[list[dict[str, Any]]] = []
    for _ in range(int(passes)):
        announce(url)
        records.append([ranked(rank, query, texts) for query, texts in queries])
    Path(wanted).write_text(json.dumps(records), encoding="utf-8")


if __name__ == "__main__":
    main()
