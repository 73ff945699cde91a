"""From a call to an API that is no LLM to a request: documents as text, cut where the API would cut them unsaid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.core import ChatRequest, EmbedTexts, JudgeCall, Message, Subject
from judge_rerank.prompting.rendering import COUNT_MARGIN, Cut, Cutter, Prepared
from judge_rerank.prompting.tasks.base import Reader
from judge_rerank.prompting.tasks.embedding import Embedding
from judge_rerank.prompting.tasks.rerank import Rerank

# Cohere's search unit: one query with 100 documents of at most 500 tokens, the query's included; a longer one counts
# as several. https://docs.cohere.com/docs/rerank-overview
_DOCUMENTS_PER_UNIT, _TOKENS_PER_CHUNK, _LEAST_CHUNK = 100, 500, 50


class ApiRenderer(Cutter):
    """Makes requests to one rerank or embedding API; there is no template."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """As many as there are."""
        return max(1, min(at_most, len(call.candidates)))

    def prepare(self, call: JudgeCall) -> Prepared:
        """The texts, each a message, and the most that the API can bill."""
        cuts = [self.cut(candidate.document, self.per_document) for candidate in call.candidates]
        return self._embedding(call, cuts) if isinstance(call, EmbedTexts) else self._rerank(call, cuts)

    def _embedding(self, call: EmbedTexts, cuts: Sequence[Cut]) -> Prepared:
        texts = [_text(cut) for cut in cuts] or [call.query.text]
        tokens = sum(cut.tokens for cut in cuts) if cuts else self.tokens(call.query.text)
        return self._prepared(
            call,
            Embedding(len(texts)),
            # Some APIs refuse an empty text.
            [call.prefix + text or " " for text in texts],
            cuts,
            input_tokens=tokens + len(texts) * (self.tokens(call.prefix) if call.prefix else 0),
        )

    def _rerank(self, call: JudgeCall, cuts: Sequence[Cut]) -> Prepared:
        asked = self.tokens(call.query.text)
        chunk = max(_LEAST_CHUNK, _TOKENS_PER_CHUNK - COUNT_MARGIN * asked)
        chunks = sum(-(-COUNT_MARGIN * max(1, cut.tokens) // chunk) for cut in cuts)
        prepared = self._prepared(
            call,
            Rerank(),
            [call.query.text, *map(_text, cuts)],
            cuts,
            # Some count the query with each document.
            input_tokens=sum(cut.tokens for cut in cuts) + asked * max(1, len(cuts)),
        )
        return replace(prepared, search_units=max(1, -(-chunks // _DOCUMENTS_PER_UNIT)), documents=len(cuts))

    def _prepared(
        self, call: JudgeCall, task: Reader, texts: Sequence[str], cuts: Sequence[Cut], *, input_tokens: int
    ) -> Prepared:
        return Prepared(
            call=call,
            task=task,
            request=ChatRequest(
                messages=tuple(Message(role="user", content=text) for text in texts),
                max_output_tokens=0,
                timeout_s=self.timeout_s,
                subject=Subject(task=call.task, query=call.query, candidates=call.candidates),
            ),
            input_tokens=input_tokens,
            truncated=tuple(c.index for c, cut in zip(call.candidates, cuts, strict=True) if cut.shortened),
        )


def _text(cut: Cut) -> str:
    return "\n".join(filter(None, (cut.title, cut.text)))
