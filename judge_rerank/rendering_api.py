"""From a `RerankCall` to a request: documents as text, cut where the API would cut them without saying so."""

from __future__ import annotations

from judge_rerank.llm.base import ChatRequest, Message, Subject
from judge_rerank.parsing.rerank import Rerank
from judge_rerank.rendering import COUNT_MARGIN, Cutter, Prepared
from judge_rerank.strategies.base import JudgeCall

# Cohere's search unit: one query with 100 documents of at most 500 tokens, the query's included; a longer one counts
# as several. https://docs.cohere.com/docs/rerank-overview
_DOCUMENTS_PER_UNIT, _TOKENS_PER_CHUNK, _LEAST_CHUNK = 100, 500, 50


class ApiRenderer(Cutter):
    """Makes requests to one rerank API; there is no template."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """As many as there are."""
        return max(1, min(at_most, len(call.candidates)))

    def prepare(self, call: JudgeCall) -> Prepared:
        """The query and the documents, each a message, and the most that the API can bill."""
        cuts = [self.cut(candidate.document, self.per_document) for candidate in call.candidates]
        texts = ["\n".join(filter(None, (cut.title, cut.text))) for cut in cuts]
        asked = self.tokens(call.query.text)
        chunk = max(_LEAST_CHUNK, _TOKENS_PER_CHUNK - COUNT_MARGIN * asked)
        chunks = sum(-(-COUNT_MARGIN * max(1, cut.tokens) // chunk) for cut in cuts)
        return Prepared(
            call=call,
            task=Rerank(),
            request=ChatRequest(
                messages=tuple(Message(role="user", content=text) for text in (call.query.text, *texts)),
                max_output_tokens=0,
                timeout_s=self.timeout_s,
                subject=Subject(task=call.task, query=call.query, candidates=call.candidates),
            ),
            # Some count the query with each document.
            input_tokens=sum(cut.tokens for cut in cuts) + asked * max(1, len(cuts)),
            truncated=tuple(c.index for c, cut in zip(call.candidates, cuts, strict=True) if cut.shortened),
            search_units=max(1, -(-chunks // _DOCUMENTS_PER_UNIT)),
            documents=len(cuts),
        )
