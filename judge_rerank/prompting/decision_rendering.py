"""From a call to a request to a decision model: the documents once, and typed questions about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from judge_rerank.core import (
    ChatReply,
    ChatRequest,
    Choice,
    Criterion,
    Failed,
    InputError,
    JudgeCall,
    Message,
    Order,
    Query,
    Question,
    Scores,
    told,
    weighed,
)
from judge_rerank.prompting import tasks as parsing
from judge_rerank.prompting.decision_parts import asks_each
from judge_rerank.prompting.rendering import Form, Renderer
from judge_rerank.prompting.replies.decisions import NONE, Answer, averaged, read_answers
from judge_rerank.prompting.tasks.base import Reader
from judge_rerank.prompting.tasks.criteria import meaning
from judge_rerank.prompting.template import Shown

_BY = "Judge by this criterion alone:"
_CRITERION_LEVELS = ("Not at all.", "A little.", "Mostly.", "Fully.")
"""How far a document meets a criterion, which may be about something else than the query."""
_OUTPUT_TOKENS = 32
"""What providers count for an answer where they count answers: about 8 tokens, and its probabilities. None is billed
for by the providers that are known, so the bound only matters where a price says otherwise."""


class DecisionRenderer(Renderer):
    """Makes requests to one decision model."""

    def largest(self, call: JudgeCall, at_most: int) -> int:
        """As many as the model takes questions and documents about, and as fit in its context together."""
        info = self._backend.info
        questions = min(info.most_questions or at_most, info.max_documents or at_most)
        each = max(1, len(call.criteria))
        most = questions // each if asks_each(parsing.task(call.task).decision) else at_most
        return super().largest(call, max(1, min(at_most, most)))

    def group(self, call: JudgeCall) -> int:
        """All of them, as far as they fit."""
        return self.largest(call, len(call.candidates))

    def _looked_up(
        self,
        call: JudgeCall,
        n: int,
        reasoning_tokens: int,  # noqa: ARG002
        logprobs: bool,  # noqa: ARG002, FBT001
    ) -> Form:
        if call.explain:
            raise InputError(
                f"{self._backend.info.name} is a decision model, which gives no reasons. Leave out explain, or judge "
                "with a chat model."
            )
        asked, template = parsing.task(call.task), self._library.get(call.task, call.prompt, decides=True)
        return DecisionForm(
            task=asked,
            template=template,
            labels=(),
            options=call.options,
            explain=False,
            instruction=told(call.query.instruction, () if call.criteria else call.query.criteria) if n else "",
            reply_format="",
            output_tokens=_OUTPUT_TOKENS * (n * max(1, len(call.criteria)) if asks_each(asked.decision) else 1),
            both_orders=self._backend.info.both_orders,
            criteria=call.criteria,
            n=n,
        )

    def _reader(self, form: Form) -> Reader:
        assert isinstance(form, DecisionForm)
        return DecisionReader(form)

    def _request(self, call: JudgeCall, form: Form, messages: tuple[Message, ...]) -> ChatRequest:
        assert isinstance(form, DecisionForm)
        return ChatRequest(
            messages=messages[:1],
            max_output_tokens=form.output_tokens,
            questions=form.questions,
            timeout_s=self.timeout_s,
            subject=self._subject(call, form),
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DecisionForm(Form):
    """How a decision model is asked about so many documents.

    Attributes:
        both_orders: whether a choice is asked a second time, its labels in reverse order.
        criteria: what each document is judged by, with a question for each; empty where only relevance counts.
        n: how many documents are shown.
        questions: what is asked about the state.
    """

    both_orders: bool
    criteria: tuple[Criterion, ...]
    n: int
    questions: tuple[Question, ...] = field(init=False)

    def __post_init__(self) -> None:
        kind = self.task.decision
        ids = range(1, self.n + 1) if asks_each(kind) else ()
        words = self.template.questions(ids, n=self.n, options=self.options)
        labels = self.choices if kind == "choice" else self.template.levels if kind == "score" else ()
        if self.criteria:
            words = tuple(f"{text} {_BY} {meaning(each)}." for text in words for each in self.criteria)
            labels = _CRITERION_LEVELS
        asked = [Question(kind=kind, instructions=text, labels=labels) for text in words]
        if kind == "choice" and self.both_orders:
            asked.append(replace(asked[0], labels=labels[::-1]))
        object.__setattr__(self, "questions", tuple(asked))

    @property
    def choices(self) -> tuple[str, ...]:
        """The labels of a choice: the call's options, or the numbers of the documents, of which none may fit."""
        return self.options or (*map(str, range(1, self.n + 1)), NONE)

    def messages(self, query: Query, shown: Sequence[Shown]) -> tuple[Message, ...]:
        """The state; and after it, for counting, what the questions add to it."""
        state = self.template.render(query=query, documents=shown, options=self.options, instruction=self.instruction)
        asked = "\n".join("\n".join((question.instructions, *question.labels)) for question in self.questions)
        return (*state, Message(role="user", content=asked))


@dataclass(frozen=True, slots=True)
class DecisionReader:
    """Reads what a decision model answers, as the outcome that its task has."""

    form: DecisionForm

    def read(
        self,
        reply: ChatReply,
        n: int,
        *,
        options: tuple[str, ...] = (),  # noqa: ARG002
        explain: bool = False,  # noqa: ARG002
    ) -> Scores | Order | Choice | Failed:
        """The judgment. A question that was refused, or not answered in its kind, leaves its document unjudged."""
        if reply.finish_reason == "filter":
            return Failed(reason="refused", message="The provider's content filter withheld the answers.")
        answers = read_answers(reply.text, self.form.questions)
        if answers is None:
            wanted = len(self.form.questions)
            return Failed(reason="unreadable", message=f"The reply does not hold {wanted} answers.")
        if self.form.task.decision == "choice":
            return self._chosen(averaged(answers), n)
        if self.form.criteria:
            return _by_criteria(answers, self.form.criteria)
        return _ordered(answers) if self.form.task.compares else _scored(answers)

    def _chosen(self, answer: Answer, n: int) -> Order | Choice | Failed:
        if answer.failure is not None:
            what = "refused" if answer.failure == "refused" else "not answered by one of its labels"
            return Failed(reason=answer.failure, message=f"The question was {what}.")
        if self.form.options:
            assert answer.choice is not None
            return Choice(label=answer.choice, probabilities=answer.probabilities)
        return _by_chance(answer, n)


def _scored(answers: Sequence[Answer]) -> Scores:
    return Scores(
        values=tuple(answer.value for answer in answers),
        labels=tuple(map(_label, answers)),
        repairs=_repairs(answers),
        refused=_refused(answers),
    )


def _by_criteria(answers: Sequence[Answer], criteria: Sequence[Criterion]) -> Scores:
    """The weighted mean of each document. One of which a criterion is not judged has no score."""
    k = len(criteria)
    groups = [answers[start : start + k] for start in range(0, len(answers), k)]
    values = [_values(group, criteria) for group in groups]
    return Scores(
        values=tuple(weighed(criteria, each) if each else None for each in values),
        labels=tuple(", ".join(f"{name} {value:.2g}" for name, value in each.items()) or None for each in values),
        criteria=tuple(values),
        repairs=_repairs(answers),
        refused=tuple(place for place, group in enumerate(groups) if _refused(group)),
    )


def _values(answers: Sequence[Answer], criteria: Sequence[Criterion]) -> dict[str, float]:
    """By criterion, what was judged of a document; empty where a criterion is missing."""
    found = {each.name: a.value for each, a in zip(criteria, answers, strict=True) if a.value is not None}
    return found if len(found) == len(criteria) else {}


def _label(answer: Answer) -> str | None:
    if answer.value is None:
        return None
    return str(answer.level) if answer.level is not None else "yes" if answer.value >= 0.5 else "no"


def _ordered(answers: Sequence[Answer]) -> Order | Failed:
    """By the expected level; of equals, the one shown first."""
    values = {place: answer.value for place, answer in enumerate(answers) if answer.value is not None}
    if not values:
        reason = "refused" if len(_refused(answers)) == len(answers) else "unreadable"
        return Failed(reason=reason, message="No question was answered.")
    stated = sorted(values, key=lambda place: -values[place])
    missing = [place for place in range(len(answers)) if place not in values]
    return Order(
        order=(*stated, *missing),
        stated=len(stated),
        missing=len(missing),
        repairs=_repairs(answers),
        refused=_refused(answers),
    )


def _by_chance(answer: Answer, n: int) -> Order | Failed:
    """By the probability of each document's number; documents without one follow in the order shown."""
    chances = [answer.probabilities.get(str(number), 0.0) for number in range(1, n + 1)]
    if not any(chances) and answer.choice not in {None, NONE}:
        chances[int(answer.choice or 0) - 1] = 1.0
    stated = sorted((place for place in range(n) if chances[place] > 0), key=lambda place: -chances[place])
    if not stated:
        return Failed(reason="unreadable", message="No document has a probability.")
    missing = [place for place in range(n) if chances[place] <= 0]
    return Order(order=(*stated, *missing), stated=len(stated), missing=len(missing))


def _refused(answers: Sequence[Answer]) -> tuple[int, ...]:
    return tuple(place for place, answer in enumerate(answers) if answer.failure == "refused")


def _repairs(answers: Sequence[Answer]) -> tuple[str, ...]:
    lost = sum(answer.failure == "unreadable" for answer in answers)
    return (f"{lost} of {len(answers)} answers missing or unreadable",) if lost else ()
