"""From a call to a request that fits the model: the template filled in, documents counted and cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from judge_rerank.core import Backend, ChatRequest, ContextTooLong, Document, JudgeCall, Message, Subject, prompt_text
from judge_rerank.prompting import tasks as parsing
from judge_rerank.prompting.library import Library, Shown
from judge_rerank.prompting.tasks.base import Reader

# A chat template wraps each message in a few special tokens that nobody counts.
MARGIN_TOKENS = 64
# A foreign tokenizer's count is out by less than this.
COUNT_MARGIN = 2
# A document cut below this says too little to be judged.
_LEAST_TOKENS_PER_DOC = 16
# No tokenizer in use makes one token of more characters than this on average, so longer text need not be counted.
_CHARS_PER_TOKEN = 12
_MOST_ROOMS = 1_000
_MOST_CUTS = 4_096


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A call made ready to send.

    Attributes:
        call: what is asked.
        task: how the reply is read.
        prompt, prompt_hash: the template, where there is one.
        search_units, documents: the most that a rerank API can bill; 0 for an LLM.
        request: what is sent.
        input_tokens: what the messages count.
        truncated: `index` of the documents that had to be cut.
    """

    call: JudgeCall
    task: Reader
    request: ChatRequest
    input_tokens: int
    truncated: tuple[int, ...] = ()
    prompt: str | None = None
    prompt_hash: str | None = None
    search_units: int = 0
    documents: int = 0


class Cutter:
    """Counts texts as one model does, and cuts documents to what it is shown of them.

    Thread-safe as far as the backend's `count_tokens` is.
    """

    def __init__(
        self, backend: Backend, *, max_tokens_per_doc: int | None = None, timeout_s: float | None = None
    ) -> None:
        self._backend = backend
        self._max_tokens_per_doc = max_tokens_per_doc
        self._timeout_s = timeout_s
        self._measured = lru_cache(maxsize=_MOST_CUTS)(partial(_cut_to, backend))

    @property
    def per_document(self) -> int:
        """The most tokens of a document, title and text together, that are shown."""
        return self._max_tokens_per_doc or self._backend.info.max_tokens_per_doc

    @property
    def timeout_s(self) -> float:
        """The most one attempt may take."""
        return self._timeout_s or self._backend.info.timeout_s

    def tokens(self, text: str) -> int:
        """How many tokens the model counts in a text."""
        return self._backend.count_tokens(text)

    def cut(self, document: Document, limit: int) -> Cut:
        """The document in at most `limit` tokens, of which the title takes no more than half."""
        return self._measured(document.title, document.text, limit)


class Renderer(Cutter):
    """Makes requests to one model."""

    def __init__(
        self,
        backend: Backend,
        library: Library,
        *,
        max_tokens_per_doc: int | None = None,
        timeout_s: float | None = None,
    ) -> None:
        super().__init__(backend, max_tokens_per_doc=max_tokens_per_doc, timeout_s=timeout_s)
        self._library = library
        self._rooms: dict[tuple[object, ...], int] = {}

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """The greatest n ≤ `at_most` such that any n of the call's candidates fit in one request.

        At least 2 where there are two: documents are cut further rather than never compared.
        """
        at_most = max(1, min(at_most, len(call.candidates)))
        room = self._room(call, at_most)
        longest = sorted((self.cut(c.document, self.per_document).tokens for c in call.candidates), reverse=True)
        used = 0
        for n, tokens in enumerate(longest[:at_most]):
            used += tokens
            if used > room:
                return max(n, min(2, at_most))
        return at_most

    def prepare(self, call: JudgeCall) -> Prepared:
        """The request for a call, its documents cut where they would not fit.

        Raises:
            ContextTooLong: the prompt alone leaves no room for documents.
            PromptError: the template cannot be rendered.
        """
        n = len(call.candidates)
        cuts = self._fitted(call) if n else []
        shown = [Shown(id=place, title=cut.title, text=cut.text) for place, cut in enumerate(cuts, start=1)]
        task, template = parsing.task(call.task), self._library.get(call.task, call.prompt)
        messages = self._messages(call, shown)
        info = self._backend.info
        labels = self._labels(call, n)
        request = ChatRequest(
            messages=messages,
            max_output_tokens=self._output_tokens(call, n),
            schema=None if labels else task.schema(n, options=call.options, explain=call.explain),
            labels=labels,
            timeout_s=self.timeout_s,
            subject=Subject(
                task=call.task, query=call.query, candidates=call.candidates, options=call.options, explain=call.explain
            ),
        )
        input_tokens = self._backend.count_tokens(prompt_text(messages))
        if input_tokens + request.max_output_tokens > info.context_tokens:
            raise _too_long(info.name, info.context_tokens, template.name)
        return Prepared(
            call=call,
            task=task,
            request=request,
            input_tokens=input_tokens,
            truncated=tuple(c.index for c, cut in zip(call.candidates, cuts, strict=True) if cut.shortened),
            prompt=template.name,
            prompt_hash=template.hash,
        )

    def _fitted(self, call: JudgeCall) -> list[Cut]:
        """Each candidate's text, cut to `max_tokens_per_doc` and further until all fit together."""
        cuts = [self.cut(candidate.document, self.per_document) for candidate in call.candidates]
        room = self._room(call, len(cuts))
        if sum(cut.tokens for cut in cuts) <= room:
            return cuts
        limit = _level([cut.tokens for cut in cuts], room)
        if limit < _LEAST_TOKENS_PER_DOC:
            info = self._backend.info
            raise _too_long(info.name, info.context_tokens, self._library.get(call.task, call.prompt).name)
        return [self.cut(candidate.document, limit) for candidate in call.candidates]

    def _room(self, call: JudgeCall, n: int) -> int:
        """Tokens left for the texts of `n` documents. The same for all calls of a round, so it is remembered."""
        key = (call.task, call.prompt, call.query, call.options, call.explain, n)
        if key not in self._rooms:
            if len(self._rooms) >= _MOST_ROOMS:
                self._rooms.clear()
            self._rooms[key] = self._measured_room(call, n)
        return self._rooms[key]

    def _measured_room(self, call: JudgeCall, n: int) -> int:
        empty = [Shown(id=place, title=None, text="") for place in range(1, n + 1)]
        overhead = self._backend.count_tokens(prompt_text(self._messages(call, empty)))
        return self._backend.info.context_tokens - overhead - self._output_tokens(call, n) - MARGIN_TOKENS

    def _messages(self, call: JudgeCall, shown: Sequence[Shown]) -> tuple[Message, ...]:
        task, template = parsing.task(call.task), self._library.get(call.task, call.prompt)
        labels = bool(self._labels(call, len(shown)))
        return template.render(
            query=call.query,
            documents=shown,
            reply_format=task.reply_format(len(shown), options=call.options, explain=call.explain, labels=labels),
            options=call.options,
            explain=call.explain,
            labels=labels,
        )

    def _labels(self, call: JudgeCall, n: int) -> tuple[str, ...]:
        """The one-word answers, where their log-probabilities can be had; a word without them is better as JSON."""
        if not self._backend.info.logprobs:
            return ()
        return parsing.task(call.task).labels(n, options=call.options, explain=call.explain)

    def _output_tokens(self, call: JudgeCall, n: int) -> int:
        task, template = parsing.task(call.task), self._library.get(call.task, call.prompt)
        info = self._backend.info
        formula = task.output_tokens(n, options=call.options, explain=call.explain, labels=bool(self._labels(call, n)))
        wanted = max(template.output_tokens or 0, formula) + info.reasoning_tokens
        return min(wanted, info.max_output_tokens or wanted)


@dataclass(frozen=True, slots=True)
class Cut:
    """A document as it is shown, how many tokens it has, and whether any of it was left out."""

    title: str | None
    text: str
    tokens: int
    shortened: bool


def _cut_to(backend: Backend, title: str | None, text: str, limit: int) -> Cut:
    """A document in at most `limit` tokens, of which the title takes no more than half."""
    shown, taken = _start(backend, title, limit // 2) if title else (title, 0)
    head, tokens = _start(backend, text, max(limit - taken, 1))
    return Cut(shown, head, taken + tokens, shortened=head != text or shown != title)


def _start(backend: Backend, text: str, limit: int) -> tuple[str, int]:
    """As much of the start of `text` as takes at most `limit` tokens, ending between words where it can; its tokens."""
    head = text[: limit * _CHARS_PER_TOKEN]
    tokens = backend.count_tokens(head)
    if len(head) == len(text) and tokens <= limit:
        return text, tokens
    while tokens > limit and head:
        head = head[: min(len(head) * limit // tokens, len(head) - 1)]
        tokens = backend.count_tokens(head)
    space = head.rfind(" ")
    return (head[:space] if space > len(head) * 0.8 else head).rstrip(), tokens


def _level(tokens: Sequence[int], room: int) -> int:
    """The greatest per-document limit that makes all documents fit in `room`: short ones leave theirs to long ones."""
    left = room
    ordered = sorted(tokens)
    for place, count in enumerate(ordered):
        share = left // (len(ordered) - place)
        if count > share:
            return share
        left -= count
    return max(ordered, default=0)


def _too_long(model: str, context_tokens: int, template: str) -> ContextTooLong:
    msg = (
        f"The prompt {template!r} leaves no room for documents in the {context_tokens} tokens that {model} reads at "
        "once. Use a shorter prompt or query, fewer documents a call, or a model with a longer context."
    )
    return ContextTooLong(msg, model=model)
