"""PyTerrier: a transformer for pipelines and experiments; it needs no Java."""

from __future__ import annotations

from typing import Any, Unpack

from judge_rerank import MissingExtra, Query, Ranking
from judge_rerank.integrations.reranking import Arguments, Reranking

try:
    import pandas as pd
    import pyterrier as pt
except ImportError as error:
    raise MissingExtra("The adapter for PyTerrier", "pyterrier", error.name or "pyterrier") from None

_ADDED = ("score", "rank", "relevance_score", "status")


class JudgeReranker(pt.Transformer):
    """Reranks results: `bm25 % 50 >> pt.text.get_text(dataset) >> JudgeReranker(model=...)`.

    All queries of a frame are judged side by side. `score` falls by one from rank to rank, so that no tool can break a
    tie; `relevance_score` is the judge's own, NaN where it has none; `status` says whether the ranking is partial.

    Args:
        text_field, title_field: the columns with the text, and with a title if there is one.
        arguments: `judge` or `model`, `strategy`, `top_n` and the other options of `Judge.rerank`.
    """

    def __init__(
        self, *, text_field: str = "text", title_field: str | None = None, **arguments: Unpack[Arguments]
    ) -> None:
        self._columns = {"text": text_field} | ({"title": title_field} if title_field else {})
        self._reranking = Reranking(**arguments).built()

    def transform_outputs(self, input_columns: list[str]) -> list[str]:
        """The columns given, and after them those that are added; what the stage before had of these is replaced."""
        pt.validate.columns(input_columns, includes=["qid", "query", "docno", *self._columns.values()])
        return [column for column in input_columns if column not in _ADDED] + [*_ADDED]

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """The frame in the new order, its queries in the order in which they came."""
        columns = self.transform_outputs([*inp.columns])
        by = [name for name in ("rank", "score") if name in inp.columns][:1]
        first_stage = inp.sort_values(by, ascending=by == ["rank"], kind="stable") if by else inp
        frames = [first_stage[first_stage["qid"] == qid] for qid in inp["qid"].unique()]
        pairs = [(Query(text=f["query"].iloc[0], id=str(f["qid"].iloc[0])), self._documents(f)) for f in frames]
        rankings = self._reranking.rerank_many(pairs)
        ranked = [_ranked(frame, ranking) for frame, ranking in zip(frames, rankings, strict=True)]
        return pd.concat([*ranked, inp.iloc[:0]])[columns] if ranked else inp.reindex(columns=columns)

    def _documents(self, frame: pd.DataFrame) -> list[dict[str, Any]]:
        columns = {"id": "docno", **self._columns}
        return [{name: row[column] for name, column in columns.items()} for row in frame.to_dict("records")]


def _ranked(frame: pd.DataFrame, ranking: Ranking) -> pd.DataFrame:
    """The rows of one query in the order of its ranking."""
    scores = [result.relevance_score for result in ranking]
    return frame.iloc[[*ranking.order]].assign(
        score=[float(len(ranking) - place) for place in range(len(ranking))],
        rank=range(len(ranking)),
        relevance_score=pd.Series(scores, dtype="float64").to_numpy(),
        status=ranking.status,
    )
