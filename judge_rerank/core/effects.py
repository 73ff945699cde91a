"""What a strategy asks for: questions to a judge, to a local scorer, to an API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

from judge_rerank.core.criteria import Criterion
from judge_rerank.core.documents import Candidate, Query
from judge_rerank.core.redaction import public_repr

Trust: TypeAlias = Literal["trusted", "untrusted"]
"""Whether whoever wrote the documents is taken to mean well."""

TRUSTS: tuple[Trust, ...] = ("trusted", "untrusted")


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeCall:
    """One question to the judge about some candidates, shown in this order.

    Attributes:
        task: what is asked: "binary", "score", "listwise".
        query: what the candidates are judged for.
        candidates: what is shown.
        prompt: the template's name, or None for the task's default.
        options: the labels to choose from, for tasks that choose ("classify").
        explain: whether a reason is wanted.
        model: another model than the judge's own, by its LiteLLM name.
        stage: the name that the call bears in the trace.
        by_judge: whether an LLM answers, so that its score says something of a document by itself.
        one_by_one: whether each candidate is seen without the others, so that a judgment's `window` is that one.
        criteria: what each document is judged by, each for itself, for tasks that can; their weights make the score of
            the answers, and are not sent. Empty for relevance alone.
        trust: whether the documents are from people who may want to deceive the judge.
        content_free: its documents say nothing, so that the answer shows what the judge thinks of their positions. It
            is no judgment of the candidates, and no evidence about them.
        recheck: it is put a second time about a document without its suspicious parts, and the lower score holds.
    """

    by_judge: ClassVar[bool] = True
    one_by_one: ClassVar[bool] = False

    task: str
    query: Query
    candidates: tuple[Candidate, ...]
    prompt: str | None = None
    options: tuple[str, ...] = ()
    explain: bool = False
    model: str | None = None
    stage: str = ""
    criteria: tuple[Criterion, ...] = ()
    content_free: bool = False
    trust: Trust = "trusted"
    recheck: bool = False


Group: TypeAlias = tuple[Query, tuple[Candidate, ...]]
"""The candidates of one query that a scorer scores together."""


class Scorer(Protocol):
    """A model that scores pairs of a query and a document on this machine, for `ScorePairs`.

    It has to be hashable: calls of equal scorers are scored in one batch. `score` runs in a thread of its own, one
    batch after another; loading the model belongs in its first call.
    """

    @property
    def name(self) -> str:
        """As it stands in rankings and traces."""
        ...

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """The raw score of each candidate of each group, in the order given; greater is more relevant.

        Raises:
            SetupError: something has to be installed or downloaded first.
        """
        ...

    def unit(self, raw: float) -> float:
        """A raw score as relevance in [0, 1]; greater stays greater or equal."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ScorePairs(JudgeCall):
    """A question to a local scorer. Costs nothing, and is no call.

    Attributes:
        scorer: what scores; `task` is its name.
    """

    by_judge: ClassVar[bool] = False
    one_by_one: ClassVar[bool] = True

    scorer: Scorer


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A model that is asked elsewhere than the judge's own.

    Attributes:
        model: LiteLLM's name for it.
        api_base: another address than the provider's own.
        api_key: the key; None for the provider's environment variable. It stands in no repr and no trace.
        params: LiteLLM's parameters for every call, as pairs.
        kind: what it answers: scores of documents, or vectors of texts.
    """

    model: str
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False)
    params: tuple[tuple[str, Any], ...] = ()
    kind: Literal["rerank", "embedding"] = "rerank"

    __repr__ = public_repr


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiCall(JudgeCall):
    """A question to an API that is no LLM.

    Attributes:
        api: which one, and how it is reached.
        halvings: how often the text of each document is halved, because the API refused it as too long.
    """

    by_judge: ClassVar[bool] = False

    api: Endpoint
    halvings: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class RerankCall(ApiCall):
    """A question to a rerank API, which scores all candidates in one call.

    Attributes:
        instructed: where the API takes an instruction: in a field of the request, before the query, or nowhere.
    """

    instructed: Literal["field", "query", "none"] = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedTexts(ApiCall):
    """One request to an embedding API: the texts of the candidates, or, where there are none, the query.

    Attributes:
        prefix: what stands before each text.
    """

    prefix: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbedCall(ApiCall):
    """Candidates compared with the query by the vectors that an embedding API gives them; the outcome is `Scores`.

    It takes a request for the candidates, and one for the query, which all such calls of a ranking share.

    Attributes:
        query_api: how the API is reached for the query's vector; `api` is for the documents'.
        prefix, query_prefix: what stands before each document, and before the query.
    """

    one_by_one: ClassVar[bool] = True

    query_api: Endpoint
    prefix: str = ""
    query_prefix: str = ""

    @property
    def of_query(self) -> EmbedTexts:
        """The request for the query's vector."""
        return self._request(self.query_api, (), self.query_prefix)

    @property
    def of_documents(self) -> EmbedTexts:
        """The request for the candidates' vectors."""
        return self._request(self.api, self.candidates, self.prefix)

    def _request(self, api: Endpoint, candidates: tuple[Candidate, ...], prefix: str) -> EmbedTexts:
        return EmbedTexts(
            task=self.task,
            query=self.query,
            candidates=candidates,
            model=self.model,
            stage=self.stage,
            api=api,
            prefix=prefix,
            halvings=self.halvings if candidates else 0,
        )


Effect: TypeAlias = JudgeCall | ScorePairs | RerankCall | EmbedCall


Round: TypeAlias = Sequence[Effect]
