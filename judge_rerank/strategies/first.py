"""A window put in order by a single token."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import ClassVar

from judge_rerank.core import InputError, require
from judge_rerank.strategies.asking import Lettered
from judge_rerank.strategies.decorators import strategy
from judge_rerank.strategies.listwise import Listwise


@strategy("first")
@dataclass(frozen=True, kw_only=True)
class First(Lettered, Listwise):
    """Sliding windows whose documents are ordered by the probability of their label as the first token (FIRST,
    arXiv:2406.15657).

    The judge is asked for the letter of the most relevant document, and the log-probabilities of all letters give the
    order: one output token per call instead of four per document. Documents whose letter is not among the tokens that
    the provider lists follow in the order shown and count as missing. Where the backend has no log-probabilities
    the same calls are ordinary listwise ones. There are no scores.

    Calls and rounds as in `Listwise`: 1 + ⌈max(0, n − w) / s⌉ calls per pass, one per round.

    Attributes:
        window_size: documents per call, from 2 to 26, since every letter is one token.
        explain: must be False; a token has no room for a reason.
    """

    task: ClassVar[str] = "first"

    def __post_init__(self) -> None:
        super().__post_init__()
        require("window_size", self.window_size, at_least=2, at_most=len(ascii_uppercase))
        if self.explain:
            msg = "explain=True cannot be used with strategy 'first', whose reply is a single token; use 'listwise'."
            raise InputError(msg)
