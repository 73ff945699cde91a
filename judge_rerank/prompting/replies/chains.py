"""Rankings written as chains, `[2] > [1] > [3]`. An id has brackets or a noun: a bare number in prose is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from judge_rerank.prompting.replies.text import around_answer

UNKNOWN = -1
"""Stands for something in a ranking that is no document number. It counts as invented."""

_NOUN = r"(?:document|passage|doc|text|item|id)"
# `[3]`, `[Document 3]`, `Document [3]`, `Document 3`
ID = re.compile(
    rf"(?:\b{_NOUN}\s{{0,3}}[:#]?\s{{0,3}})?\[\s{{0,3}}(?:{_NOUN}\s{{0,3}}[:#]?\s{{0,3}})?#?(\d{{1,20}})\s{{0,3}}\]"
    rf"|\b{_NOUN}\s{{1,3}}#?(\d{{1,20}})\b",
    re.IGNORECASE,
)
REVERSED = re.compile(
    r"\b(?:least\b[\w\s]{0,20}\bto\b[\w\s]{0,10}\bmost|least\b[\w\s]{0,20}\bfirst|worst (?:to best|first)|ascending)",
    re.IGNORECASE,
)
_LEFT_OUT = re.compile(r"\b(?:irrelevant|not relevant|not rank|least|unrelated|exclud)", re.IGNORECASE)
_ANNOUNCED = re.compile(r"\b(?:rank|order|sort|result|answer)", re.IGNORECASE)
_FINAL = re.compile(r"\b(?:final|answer|corrected|revised)\b[^\d]{0,60}$", re.IGNORECASE)

_MARKUP = str.maketrans("", "", "*`_\"'$\\")
_REMARK = re.compile(r"\([^()\n]{0,80}\)")
_BETTER = re.compile(r"\s*(?:>{1,3}|≻|＞|»|→|->|=>|&gt;|>=|≥|succ)\s*")
_EQUAL = re.compile(r"\s*(?:=|~|≈)\s*")
_NEXT = re.compile(r"\s*(?:,|;|\||,?\s*and)?\s*")
_MAX_GAP = 100
_NEARBY = 200

_BARE_CHAIN = re.compile(r"\W{0,3}\d{1,20}(?:\s{0,3}(?:>|≻|＞|→|->|&gt;)\s{0,3}\d{1,20})+\W{0,3}")
_BARE_LIST = re.compile(r"\(?\d{1,20}(?:(?:\s{0,3}[,;]\s{0,3}|\s{1,3})\d{1,20})+\)?\.?")
_NUMBER = re.compile(r"\d{1,20}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ids:
    """The numbers of a ranking as the reply has them: repeated, unknown and missing ones included."""

    ids: tuple[int, ...]
    reason: str | None = None
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Chain:
    """A run of ids in a text and where it stands.

    Attributes:
        ids: as written.
        start, end: of the run in the text.
        tied: an equals sign is among the signs between them.
        listed: there are only commas between them.
    """

    ids: tuple[int, ...]
    start: int
    end: int
    tied: bool = False
    listed: bool = False


def as_number(digits: str) -> int:
    """A document number; `UNKNOWN` for one that is longer than any can be."""
    return int(digits) if len(digits) <= 9 else UNKNOWN


def bare_chain(line: str) -> tuple[int, ...] | None:
    """The numbers of a line that is `2 > 1 > 3` and nothing else."""
    return _numbers(line) if _BARE_CHAIN.fullmatch(line) else None


def bare_list(line: str) -> tuple[int, ...] | None:
    """The numbers of a line that is `2, 1, 3` or `2 1 3` and nothing else."""
    return _numbers(line) if _BARE_LIST.fullmatch(line) else None


def _numbers(line: str) -> tuple[int, ...]:
    return tuple(as_number(digits) for digits in _NUMBER.findall(line))


def find_chains(text: str) -> list[Chain]:
    """Runs of two or more ids with "better than" between them, or with commas where such a run fills a line."""
    chains: list[Chain] = []
    run: list[re.Match[str]] = []
    signs: set[str] = set()
    for found in ID.finditer(text):
        sign = _sign(text, run[-1], found) if run else None
        if sign is None:
            chains += _closed(text, run, signs)
            run, signs = [found], set()
        else:
            run.append(found)
            signs.add(sign)
    return chains + _closed(text, run, signs)


def _closed(text: str, run: list[re.Match[str]], signs: set[str]) -> list[Chain]:
    if len(run) < 2:
        return []
    ids = tuple(as_number(found.group(1) or found.group(2)) for found in run)
    chain = Chain(ids=ids, start=run[0].start(), end=run[-1].end(), tied="=" in signs, listed=signs == {","})
    return [chain] if not chain.listed or _stands_alone(text, chain) else []


def _sign(text: str, one: re.Match[str], other: re.Match[str]) -> str | None:
    """What joins two ids: ">", "=" or ","; None where something else stands between them."""
    if other.start() - one.end() > _MAX_GAP:
        return None
    between = _REMARK.sub("", text[one.end() : other.start()]).translate(_MARKUP)
    if _BETTER.fullmatch(between):
        return ">"
    if _EQUAL.fullmatch(between):
        return "="
    return "," if "\n" not in between and _NEXT.fullmatch(between) else None


def introduces(before: str) -> bool:
    """Whether what follows `before` can be a ranking: at the start of a line, or after words that announce one.

    What is said to be irrelevant, or to stand with the least relevant first, is none.
    """
    near = before[-_NEARBY:].translate(_MARKUP)
    same_line = near.rpartition("\n")[2].strip(" [(")
    intro = same_line or near.rstrip(" [(\n").rpartition("\n")[2]
    if _LEFT_OUT.search(intro) or REVERSED.search(intro):
        return False
    return not same_line or bool(same_line.endswith((":", "=", " is")) and _ANNOUNCED.search(same_line))


def _stands_alone(text: str, chain: Chain) -> bool:
    """Whether ids with commas between them fill a line, or follow words on it that announce a ranking."""
    after = text[chain.end : chain.end + _NEARBY].partition("\n")[0].translate(_MARKUP)
    return not after.strip(" .];)}") and introduces(text[max(0, chain.start - _NEARBY) : chain.start])


def choose(chains: list[Chain], text: str) -> Chain | None:
    """The one ranking among `chains`: the one that is called final, or the longest if all others agree with it."""
    if any(_stated_twice(chain.ids) for chain in chains):
        return None
    last = chains[-1]
    called_final = is_final(text[: last.start])
    chain = last if called_final else max(chains, key=lambda each: len(set(each.ids)))
    if not called_final and not all(agree(each.ids, chain.ids) for each in chains):
        return None
    return None if REVERSED.search(text[max(0, chain.start - _NEARBY) : chain.end + _NEARBY]) else chain


def _stated_twice(ids: Sequence[int]) -> bool:
    """Whether a run of ids is two rankings of the same documents that disagree: `[1] > [2] -> [2] > [1]`."""
    half = next((place for place, number in enumerate(ids) if number in ids[:place]), len(ids))
    return set(ids[:half]) <= set(ids[half:]) and not agree(ids[half:], ids[:half])


def is_final(before: str) -> bool:
    """Whether what follows `before` is called final, so that drafts before it do not count."""
    return _FINAL.search(before[-_NEARBY:]) is not None


def agree(part: Sequence[int], whole: Sequence[int]) -> bool:
    """Whether the ids of `part` that are in `whole` stand there in the same order."""
    places = {number: place for place, number in reversed(list(enumerate(whole)))}
    common = [places[number] for number in dict.fromkeys(part) if number in places]
    return common == sorted(common)


def from_chain(chain: Chain, text: str) -> Ids:
    """The ranking in a chain; the text around it is the explanation."""
    before, after = text[: chain.start].strip(" \n*`\"'"), text[chain.end :].strip(" \n*`\"'.")
    repairs = ["text around the ranking ignored"] if before or after else []
    if chain.tied:
        repairs.append("ties taken in the order written")
    return Ids(ids=chain.ids, reason=around_answer(f"{before}\n{after}"), repairs=tuple(repairs))
