"""The query with what documents are judged by, as the call, the query itself and the judge say it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from judge_rerank.core.criteria import CriteriaLike, Criterion, as_criteria, as_instruction
from judge_rerank.core.documents import Query
from judge_rerank.core.metadata_fields import FieldsLike, as_fields


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What is to be heeded beside the query; None where nothing is said of it.

    Attributes:
        instruction: a sentence or a few; "" for none.
        criteria: what to weigh; empty for relevance alone.
        fields: metadata to show; empty for none.
    """

    instruction: str | None = None
    criteria: tuple[Criterion, ...] | None = None
    fields: tuple[str, ...] | None = None

    @classmethod
    def of(
        cls, *, instruction: str | None = None, criteria: CriteriaLike | None = None, fields: FieldsLike | None = None
    ) -> Wishes:
        """The wishes of a caller, checked.

        Raises:
            InputError: one cannot be used.
        """
        return cls(
            instruction=None if instruction is None else as_instruction(instruction),
            criteria=None if criteria is None else as_criteria(criteria),
            fields=None if fields is None else as_fields(fields),
        )

    def or_else(self, others: Wishes) -> Wishes:
        """These, and where they say nothing, the others."""
        return Wishes(
            instruction=others.instruction if self.instruction is None else self.instruction,
            criteria=others.criteria if self.criteria is None else self.criteria,
            fields=others.fields if self.fields is None else self.fields,
        )


def with_wishes(query: Query, given: Wishes, usual: Wishes) -> Query:
    """The query as it is judged: by the wishes of the call, else by its own, else by the judge's usual ones.

    Raises:
        InputError: one of its own cannot be used.
    """
    own = Wishes.of(instruction=query.instruction, criteria=query.criteria or None, fields=query.fields or None)
    found = given.or_else(own).or_else(usual)
    return replace(
        query, instruction=found.instruction or None, criteria=found.criteria or (), fields=found.fields or ()
    )
