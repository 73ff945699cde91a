"""PyTerrier: a transformer for pipelines and experiments; it needs no Java."""

from __future__ import annotations

from typing import Any, Unpack

from judge_rerank import Query, Ranking
from judge_rerank.integrations.reranking import Arguments, Reranking, installed

with installed("PyTerrier", "pyterrier"):
    import pyterrier as pt
    from pandas import Series, concat

_ADDED = ("score", "rank", "relevance_score", "status")


class JudgeReranker(pt.Transformer):
    """Reranks results: `bm25 % 50 >> pt.text.get_text(dataset) >> JudgeReranker(model=...)`.

    All queries of a frame are judged side by side. `score` falls by one from rank to rank, so that no tool can break a
    tie; `relevance_score` is the judge's own, NaN where it has none; `status` says whether the ranking is partial.

    Args:
        text_field: the column with the text.
        title_field: the column with a title; None where there is none.
        **arguments: `judge` or `model`, `strategy`, `top_n` and the other options of `Judge.rerank`.
    """

    def __init__(
        self, *, text_field: str = "text", title_field: str | None = None, **arguments: Unpack[Arguments]
    ) -> None:
        self._columns = {"docno": "id", text_field: "text"} | ({title_field: "title"} if title_field else {})
        self._reranking = Reranking(**arguments).built()

    def transform_outputs(self, input_columns: list[str]) -> list[str]:
        """The columns given, and after them those that are added; what the stage before had of these is replaced."""
        pt.validate.columns(input_columns, includes=["qid", "query", *self._columns])
        return [column for column in input_columns if column not in _ADDED] + [*_ADDED]

    def transform(self, inp: Any) -> Any:
        """The frame in the new order, its queries in the order in which they came."""
        columns = self.transform_outputs([*inp.columns])
        by = [name for name in ("rank", "score") if name in inp.columns][:1]
        first_stage = inp.sort_values(by, ascending=by == ["rank"], kind="stable") if by else inp
        groups = dict(iter(first_stage.groupby("qid")))
        frames: list[Any] = [groups[qid] for qid in inp["qid"].unique()]
        queries = [Query(text=frame["query"].iloc[0], id=str(frame["qid"].iloc[0])) for frame in frames]
        docs = [frame[[*self._columns]].rename(columns=self._columns) for frame in frames]
        rankings = self._reranking.rerank_many(queries, docs)
        ranked: list[Any] = [_ranked(frame, ranking) for frame, ranking in zip(frames, rankings, strict=True)]
        frame: Any = concat(ranked) if ranked else inp
        return frame.reindex(columns=columns)


def _ranked(frame: Any, ranking: Ranking) -> Any:
    """The rows of one query in the order of its ranking."""
    return frame.iloc[[*ranking.order]].assign(
        score=[float(len(ranking) - place) for place in range(len(ranking))],
        rank=range(len(ranking)),
        relevance_score=Series([result.relevance_score for result in ranking], dtype="float64").to_numpy(),
        status=ranking.status,
    )
