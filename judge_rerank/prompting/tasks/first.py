"""The order of several documents from the log-probabilities of one token."""

# Every task takes the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

from string import ascii_uppercase

from judge_rerank.core import ChatReply, Failed, Order, OutputSchema
from judge_rerank.prompting.replies.labels import distribution
from judge_rerank.prompting.replies.text import failed_reading, open_reply
from judge_rerank.prompting.tasks.base import OrderingTask, judge_task
from judge_rerank.prompting.tasks.listwise import Listwise


@judge_task("first")
class First(OrderingTask):
    """A permutation by the probability of each document's letter as the first token.

    Where there are no log-probabilities, more documents than letters, or a reason is wanted, it is an ordinary
    listwise task.
    """

    name = "first"
    decision = "choice"

    def __init__(self) -> None:
        self._listwise = Listwise()

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """A letter for each document."""
        return tuple(ascii_uppercase[:n]) if n <= len(ascii_uppercase) and not explain else ()

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """One letter where labels are read, else as for a listwise task."""
        if labels:
            return "Answer with the letter of the most relevant passage and nothing else."
        return self._listwise.reply_format(n, options=options, explain=explain)

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """As for a listwise task; not used where labels are read."""
        return self._listwise.schema(n, options=options, explain=explain)

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """A few tokens for a letter, else as for a listwise task."""
        return 4 if labels else self._listwise.output_tokens(n, options=options, explain=explain)

    def read(self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> Order | Failed:
        """The letters by probability; those that the provider did not list follow in the order shown."""
        letters = self.labels(n, explain=explain)
        answer = open_reply(reply)
        if isinstance(answer, Failed):
            return answer
        if not letters or not reply.branches.get("") or answer.thought or answer.text[:1] in {"{", "["}:
            return self._listwise.read(reply, n, options=options, explain=explain)
        spread = distribution(reply.branches, letters)
        if not spread.answered:
            return failed_reading(answer, "Your reply did not begin with the letter of a passage.")
        chances = [spread.probabilities[letter] for letter in letters]
        stated = sorted((place for place in range(n) if chances[place] > 0), key=lambda place: -chances[place])
        missing = [place for place in range(n) if chances[place] <= 0]
        repairs = (f"{len(missing)} letters not among the listed tokens, put at the end",) if missing else ()
        return Order(
            order=(*stated, *missing), stated=len(stated), missing=len(missing), repairs=repairs, chances=tuple(chances)
        )
