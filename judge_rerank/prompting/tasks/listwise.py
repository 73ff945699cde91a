"""The order of several documents, most relevant first."""

# Every task takes the same arguments, whether it needs them or not.
# ruff: noqa: ARG002

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judge_rerank.core import ChatReply, Failed, Order, OutputSchema
from judge_rerank.prompting.replies.chains import Ids
from judge_rerank.prompting.replies.numbering import SHIFTED, first_number, not_from_zero
from judge_rerank.prompting.replies.permutation import find_ranking
from judge_rerank.prompting.replies.ranking_json import ListwiseReply, whole_reply
from judge_rerank.prompting.replies.schemas import asked_reason, output_schema
from judge_rerank.prompting.replies.text import ReplyText, excerpt, failed_reading, open_reply
from judge_rerank.prompting.tasks.base import OrderingTask, judge_task


@judge_task("listwise")
class Listwise(OrderingTask):
    """A permutation of the documents shown. Those that the judge leaves out follow in the order shown."""

    name = "listwise"

    def labels(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> tuple[str, ...]:
        """None: a ranking needs more than a word."""
        return ()

    def reply_format(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> str:
        """JSON. The dots stand for the numbers, because small models copy an example order."""
        reason, about_it = asked_reason(explain=explain)
        return (
            f'Answer with JSON only: {{{reason}"ranking": [...]}}. In place of the dots write the numbers of all {n} '
            f"documents, from 1 to {n}, each once, the most relevant first.{about_it}"
        )

    def schema(self, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> OutputSchema:
        """`{"ranking": [int, …]}`, with the reason before it."""
        return output_schema("ranking", ListwiseReply, ["reason", "ranking"] if explain else ["ranking"])

    def output_tokens(
        self, n: int, *, options: tuple[str, ...] = (), explain: bool = False, labels: bool = False
    ) -> int:
        """For each number its digits and four more, 30 around them, and 120 for a reason."""
        return n * (len(str(n)) + 4) + 30 + (120 if explain else 0)

    def read(self, reply: ChatReply, n: int, *, options: tuple[str, ...] = (), explain: bool = False) -> Order | Failed:
        """The order that the reply states, completed to a permutation of the `n` documents."""
        answer = open_reply(reply)
        if isinstance(answer, Failed):
            return answer
        exact = whole_reply(answer.text, n)
        if exact is not None:
            return _completed(exact, n, answer, explain=explain)
        found = find_ranking(answer, n)
        if found is None:
            return failed_reading(
                answer,
                f"No ranking was found in {excerpt(answer.text)}. Give the numbers of all {n} documents, the most "
                "relevant first.",
            )
        first = first_number(found.ids, n)
        if first is None:
            return failed_reading(answer, not_from_zero(n))
        if first == 0:
            found = replace(found, ids=tuple(number + 1 for number in found.ids), repairs=(*found.repairs, SHIFTED))
        order = _completed(found, n, answer, explain=explain)
        # One number at the top of a reply that was cut off is too little to call a ranking.
        if order.stated < min(n, 2 if answer.cut else 1):
            return failed_reading(answer, _nothing_known(found.ids, n))
        return order


def _completed(found: Ids, n: int, answer: ReplyText, *, explain: bool) -> Order:
    """The ids that exist, at their first mention; then the documents that were not named, in the order shown."""
    known = [number for number in found.ids if 1 <= number <= n]
    stated = list(dict.fromkeys(known))
    named = set(stated)
    missing = [number for number in range(1, n + 1) if number not in named]
    duplicate, invented = len(known) - len(stated), len(found.ids) - len(known)
    repairs = [*answer.repairs, *found.repairs]
    if answer.cut:
        repairs.append("reply cut off")
    if missing:
        repairs.append(f"{len(missing)} documents left out, put at the end")
    if duplicate:
        repairs.append(f"{duplicate} repeated numbers dropped")
    if invented:
        repairs.append(f"{invented} numbers of documents that were not shown dropped")
    return Order(
        order=tuple(number - 1 for number in (*stated, *missing)),
        stated=len(stated),
        missing=len(missing),
        duplicate=duplicate,
        invented=invented,
        reason=found.reason if explain else None,
        repairs=tuple(repairs),
    )


def _nothing_known(ids: Sequence[int], n: int) -> str:
    if not ids:
        return f"Your ranking was empty. Give the numbers of all {n} documents, the most relevant first."
    named = next((f"document {number}" for number in ids if number > 0), "something that is no document number")
    documents = f"there are only {n}" if n != 1 else "there is only one"
    return f"Your reply named {named}, but {documents}. Use the numbers 1 to {n}, each once."
