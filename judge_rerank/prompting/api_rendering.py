"""From a call to an API that is no LLM to a request: documents as text, cut where the API would cut them unsaid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.core import ApiCall, ChatRequest, EmbedTexts, JudgeCall, Message, RerankCall, Subject, told
from judge_rerank.prompting.escaping import quote
from judge_rerank.prompting.rendering import COUNT_MARGIN, Cut, Cutter, Prepared
from judge_rerank.prompting.tasks.base import Reader
from judge_rerank.prompting.tasks.embedding import Embedding
from judge_rerank.prompting.tasks.rerank import Rerank

# Cohere's search unit: one query with 100 documents of at most 500 tokens, the query's included; a longer one counts
# as several. https://docs.cohere.com/docs/rerank-overview
_DOCUMENTS_PER_UNIT, _TOKENS_PER_CHUNK, _LEAST_CHUNK = 100, 500, 50
# What a tokenizer adds to an input: its beginning and end, and what stands between query and document.
_SPECIAL_TOKENS = 8
# Where the query alone is about as long as what the API takes, it is for the API to refuse.
_LEAST_TOKENS_PER_DOC = 16


class ApiRenderer(Cutter):
    """Makes requests to one rerank or embedding API; there is no template."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """As many as there are, and as the API has not refused."""
        return max(1, min(at_most, len(call.candidates), self._backend.info.max_documents or at_most))

    def prepare(self, call: JudgeCall) -> Prepared:
        """The texts, each a message, and the most that the API can bill.

        An instruction that the API takes in a field of its own is a system message before them.
        """
        beside = call.prefix if isinstance(call, EmbedTexts) else "\n".join(_asked(call))
        limit = self._limit(self.tokens(beside) if beside else 0)
        cuts = [self.cut(candidate, limit) for candidate in call.candidates]
        if isinstance(call, ApiCall) and call.halvings:
            halves = [max(_LEAST_TOKENS_PER_DOC, cut.tokens >> call.halvings) for cut in cuts]
            cuts = [self.cut(c, half) for c, half in zip(call.candidates, halves, strict=True)]
        return self._embedding(call, cuts) if isinstance(call, EmbedTexts) else self._rerank(call, cuts)

    def _limit(self, beside: int) -> int:
        """The most tokens of a document, where `beside` tokens more are one input with it."""
        takes = self._backend.info.input_tokens
        if takes is None:
            return self.per_document
        return min(self.per_document, max(_LEAST_TOKENS_PER_DOC, takes - beside - _SPECIAL_TOKENS))

    def _embedding(self, call: EmbedTexts, cuts: Sequence[Cut]) -> Prepared:
        texts = [_text(cut) for cut in cuts] or [call.query.text]
        tokens = sum(cut.tokens for cut in cuts) if cuts else self.tokens(call.query.text)
        return self._prepared(
            call,
            Embedding(len(texts)),
            [call.prefix + text for text in texts],
            cuts,
            input_tokens=tokens + len(texts) * (self.tokens(call.prefix) if call.prefix else 0),
        )

    def _rerank(self, call: JudgeCall, cuts: Sequence[Cut]) -> Prepared:
        instruction, query = _asked(call)
        asked = self.tokens(query) + (self.tokens(instruction) if instruction else 0)
        chunk = max(_LEAST_CHUNK, _TOKENS_PER_CHUNK - COUNT_MARGIN * asked)
        chunks = sum(-(-COUNT_MARGIN * max(1, cut.tokens) // chunk) for cut in cuts)
        prepared = self._prepared(
            call,
            Rerank(),
            [query, *map(_text, cuts)],
            cuts,
            # Some count the query with each document.
            input_tokens=sum(cut.tokens for cut in cuts) + asked * max(1, len(cuts)),
        )
        if instruction:
            messages = (Message(role="system", content=instruction), *prepared.request.messages)
            prepared = replace(prepared, request=replace(prepared.request, messages=messages))
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


def _asked(call: JudgeCall) -> tuple[str, str]:
    """What goes into the field for an instruction, "" for nothing, and what into that for the query."""
    query = call.query
    where = call.instructed if isinstance(call, RerankCall) else "none"
    instruction = told(query.instruction, query.criteria) if where != "none" else ""
    if where == "query" and instruction:
        return "", f"{instruction}\nQuery: {query.text}"
    return instruction, query.text


def _text(cut: Cut) -> str:
    """The document without special tokens: rerankers that are LLMs read them, and a cross-encoder its `[SEP]`."""
    return quote("\n".join(filter(None, (cut.title, cut.text))))
