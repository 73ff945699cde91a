"""From a call to a request that fits the model: the template filled in, documents counted and cut."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from judge_rerank.core import (
    Backend,
    Candidate,
    ChatRequest,
    ContextTooLong,
    JudgeCall,
    Message,
    ModelInfo,
    Query,
    Subject,
    fitting,
    prompt_text,
    told,
)
from judge_rerank.prompting.fences import fences_in
from judge_rerank.prompting.library import Library
from judge_rerank.prompting.tasks import by_criteria
from judge_rerank.prompting.tasks.base import Reader, Task
from judge_rerank.prompting.template import Shown, Template

# A chat template wraps each message in a few special tokens that nobody counts.
MARGIN_TOKENS = 64
# A foreign tokenizer's count is out by less than this.
COUNT_MARGIN = 2
# A document cut below this says too little to be judged.
_LEAST_TOKENS_PER_DOC = 16
# Stands for a query; nothing that a template does to text changes it, and no template has it.
_MARK = Query(text="7430918265")
_MOST_FORMS = 1_000
# Two texts side by side may take a token more than apart.
_AT_SEAMS = 2
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
        """The most tokens of a document, title, fields and text together, that are shown."""
        return self._max_tokens_per_doc or self._backend.info.max_tokens_per_doc

    @property
    def timeout_s(self) -> float:
        """The most one attempt may take."""
        return self._timeout_s or self._backend.info.timeout_s

    def group(self, call: JudgeCall) -> int:  # noqa: ARG002
        """How many documents a call shows where nobody says: a model that answers in words reads one best."""
        return 1

    def tokens(self, text: str) -> int:
        """How many tokens the model counts in a text."""
        return self._backend.count_tokens(text)

    def cut(self, candidate: Candidate, limit: int) -> Cut:
        """The document in at most `limit` tokens: the title takes half of them at most, the fields half of the rest."""
        return self._measured(candidate.document.title, candidate.heading, candidate.document.text, limit)


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
        # The same for all calls of a round.
        self._form = lru_cache(maxsize=_MOST_FORMS)(self._looked_up)
        self._counted = lru_cache(maxsize=_MOST_FORMS)(backend.count_tokens)
        self._overhead = lru_cache(maxsize=_MOST_FORMS)(self._measured_overhead)

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """The greatest n ≤ `at_most` such that any n of the call's candidates can be shown in one request.

        A few long documents are cut rather than n made smaller for all: those that are no longer than most, up to the
        median, have to fit whole. Where most are long, n is what fits without cutting them below the median. It is at
        least 2 where there are two: documents are cut further rather than never compared.
        """
        at_most = max(1, min(at_most, len(call.candidates)))
        info = self._backend.info
        room = self._room(self._form_of(call, at_most, info), call.query, at_most, info.context_tokens)
        longest = sorted((cut.tokens for cut in self._shown(call, info)), reverse=True)
        whole = max(longest[len(longest) // 2], _LEAST_TOKENS_PER_DOC) if longest else 0

        def too_many(n: int) -> bool:
            return sum(longest[:n]) > room and _level(longest[:n], room) < whole

        fits = bisect_left(range(1, at_most + 1), True, key=too_many)  # noqa: FBT003
        return max(fits, min(2, at_most))

    def prepare(self, call: JudgeCall) -> Prepared:
        """The request for a call, its documents cut where they would not fit.

        Raises:
            ContextTooLong: the prompt alone leaves no room for documents.
            PromptError: the template cannot be rendered.
        """
        n = len(call.candidates)
        info = self._backend.info
        form = self._form_of(call, n, info)
        cuts = self._fitted(call, form, info) if n else []
        shown = [Shown(id=place, title=cut.title, text=cut.text) for place, cut in enumerate(cuts, start=1)]
        messages = form.messages(call.query, shown)
        input_tokens = self._backend.count_tokens(prompt_text(messages))
        if input_tokens + form.output_tokens > info.context_tokens:
            raise self._too_long(form)
        return Prepared(
            call=call,
            task=self._reader(form),
            request=self._request(call, form, messages),
            input_tokens=input_tokens,
            truncated=tuple(c.index for c, cut in zip(call.candidates, cuts, strict=True) if cut.shortened),
            prompt=form.template.name,
            prompt_hash=form.template.hash,
        )

    def _reader(self, form: Form) -> Reader:
        return form.task

    def _request(self, call: JudgeCall, form: Form, messages: tuple[Message, ...]) -> ChatRequest:
        schema = form.task.schema(len(call.candidates), options=call.options, explain=call.explain)
        return ChatRequest(
            messages=messages,
            max_output_tokens=form.output_tokens,
            schema=None if form.labels else schema,
            labels=form.labels,
            timeout_s=self.timeout_s,
            subject=self._subject(call, form),
        )

    def _subject(self, call: JudgeCall, form: Form) -> Subject:
        return Subject(
            task=call.task,
            query=call.query,
            candidates=call.candidates,
            options=call.options,
            explain=call.explain,
            levels=len(form.template.levels),
            criteria=call.criteria,
        )

    def _shown(self, call: JudgeCall, info: ModelInfo) -> list[Cut]:
        """Each candidate's text, cut to `max_tokens_per_doc`."""
        limit = self._max_tokens_per_doc or info.max_tokens_per_doc
        return [self.cut(candidate, limit) for candidate in call.candidates]

    def _fitted(self, call: JudgeCall, form: Form, info: ModelInfo) -> list[Cut]:
        """Each candidate's text, cut to `max_tokens_per_doc` and further until all fit together."""
        cuts = self._shown(call, info)
        room = self._room(form, call.query, len(cuts), info.context_tokens)
        if sum(cut.tokens for cut in cuts) <= room:
            return cuts
        limit = _level([cut.tokens for cut in cuts], room)
        if limit < _LEAST_TOKENS_PER_DOC:
            raise self._too_long(form)
        return [self.cut(candidate, limit) for candidate in call.candidates]

    def _form_of(self, call: JudgeCall, n: int, info: ModelInfo) -> Form:
        # All that makes a form, without what differs from call to call; the query's own text is put in later.
        query = replace(call.query, id=None, text="")
        asked = replace(call, query=query, candidates=(), model=None, stage="")
        return self._form(asked, n, info.reasoning_tokens, info.logprobs)

    def _looked_up(  # what a model is found to need is part of the key, since it changes
        self,
        call: JudgeCall,
        n: int,
        reasoning_tokens: int,
        logprobs: bool,  # noqa: FBT001
    ) -> Form:
        options, explain = call.options, call.explain
        info = self._backend.info
        # Many words before and after a document confuse a small model, which then ranks honest documents worse.
        trust = "trusted" if info.local else call.trust
        template = self._library.get(call.task, call.prompt, trust=trust)
        asked = by_criteria(template.asked, call.criteria)
        # A word without its log-probabilities is better as JSON.
        labels = asked.labels(n, options=options, explain=explain) if logprobs else ()
        formula = asked.output_tokens(n, options=options, explain=explain, labels=bool(labels))
        wanted = max(template.output_tokens or 0, formula) + reasoning_tokens
        return Form(
            task=asked,
            template=template,
            labels=labels,
            options=options,
            explain=explain,
            instruction=_instruction(call) if n else "",
            reply_format=asked.reply_format(n, options=options, explain=explain, labels=bool(labels)),
            output_tokens=min(wanted, info.max_output_tokens or wanted),
        )

    def _room(self, form: Form, query: Query, n: int, context_tokens: int) -> int:
        """Tokens left for the texts of `n` documents."""
        overhead, times = self._overhead(form, n)
        asked = times * (self._counted(query.text) + _AT_SEAMS)
        return context_tokens - overhead - asked - form.output_tokens - MARGIN_TOKENS

    def _measured_overhead(self, form: Form, n: int) -> tuple[int, int]:
        """What the prompt takes without a query and documents, and how often it shows the query."""
        empty = [Shown(id=place, title=None, text="") for place in range(1, n + 1)]
        text = prompt_text(form.messages(_MARK, empty))
        words = _AT_SEAMS * fences_in(text)  # another word of as many letters may take more tokens
        return self._backend.count_tokens(text.replace(_MARK.text, "")) + words, text.count(_MARK.text)

    def _too_long(self, form: Form) -> ContextTooLong:
        info = self._backend.info
        msg = (
            f"The prompt {form.template.name!r} leaves no room for documents in the {info.context_tokens} tokens that "
            f"{info.name} reads at once. Use a shorter prompt or query, fewer documents per call, or a model with a "
            "longer context."
        )
        return ContextTooLong(msg, model=info.name)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Form:
    """How so many documents are asked about: what the query and the documents do not change.

    Attributes:
        task, template: what is asked, and in which words.
        labels: the one-word answers, where their log-probabilities will be read.
        options, explain: as in the call.
        instruction: what is to be heeded beside the query; "" for nothing.
        reply_format: the sentence that says how to answer.
        output_tokens: the most that the reply may take.
    """

    task: Task
    template: Template
    labels: tuple[str, ...]
    options: tuple[str, ...]
    explain: bool
    instruction: str
    reply_format: str
    output_tokens: int

    def messages(self, query: Query, shown: Sequence[Shown]) -> tuple[Message, ...]:
        """The conversation that shows these documents."""
        return self.template.render(
            query=query,
            documents=shown,
            reply_format=self.reply_format,
            options=self.options,
            explain=self.explain,
            labels=bool(self.labels),
            instruction=self.instruction,
        )


def _instruction(call: JudgeCall) -> str:
    """What a call is to heed beside the query; to weigh the criteria, where it does not ask about each of them."""
    return told(call.query.instruction, () if call.criteria else call.query.criteria)


@dataclass(frozen=True, slots=True)
class Cut:
    """A document as it is shown, how many tokens it has, and whether any of it was left out."""

    title: str | None
    text: str
    tokens: int
    shortened: bool


def _cut_to(backend: Backend, title: str | None, heading: str, text: str, limit: int) -> Cut:
    """A document in at most `limit` tokens: the title takes no more than half, the heading than half of the rest."""
    shown, taken = _start(backend, title, limit // 2) if title else (title, 0)
    above, more = _start(backend, heading, max((limit - taken) // 2, 1)) if heading else (heading, 0)
    taken += more
    head, tokens = _start(backend, text, max(limit - taken, 1))
    whole = f"{above}\n{head}" if above else head
    return Cut(shown, whole, taken + tokens, shortened=(shown, above, head) != (title, heading, text))


def _start(backend: Backend, text: str, limit: int) -> tuple[str, int]:
    """As much of the start of `text` as takes at most `limit` tokens, ending between words where it can; its tokens."""
    end, tokens = fitting(text, 0, len(text), limit, backend.count_tokens)
    return (text, tokens) if end == len(text) else (text[:end].rstrip(), tokens)


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
