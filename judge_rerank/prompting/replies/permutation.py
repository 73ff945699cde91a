"""Finding the ranking in a reply: JSON, `[2] > [1] > [3]`, or a list. Numbers outside a ranking are never ids."""

from __future__ import annotations

import re

from judge_rerank.prompting.replies.chains import (
    Chain,
    Ids,
    agree,
    as_number,
    bare_chain,
    bare_list,
    choose,
    find_chains,
    from_chain,
    introduces,
    is_final,
)
from judge_rerank.prompting.replies.citations import CITED, own_words
from judge_rerank.prompting.replies.json_text import before_objects, json_values, without_objects
from judge_rerank.prompting.replies.numbering import first_number
from judge_rerank.prompting.replies.ranking_json import (
    from_cut_list,
    from_list,
    from_objects,
    from_repaired,
    rankings,
)
from judge_rerank.prompting.replies.text import ReplyText, without_fences, without_last_word

_NOUN = r"(?:document|passage|doc|text|item|id)\s{0,3}[:#]?\s{0,3}"
_ITEM = re.compile(
    r"[\s|>*#-]{0,8}(?:rank\s{0,3})?[(#]?(?P<place>\d{1,5})\s{0,3}[.):|]\**\s{0,5}\**"
    rf"(?:{_NOUN})?(?:\[\s{{0,3}}(?:{_NOUN})?#?(?P<id>\d{{1,20}})\s{{0,3}}\]|#?(?P<bare>\d{{1,20}}))"
    r"\**\s{0,3}(?P<rest>.*)",
    re.IGNORECASE,
)
_REST = re.compile(r"$|[-–—:|(,;.=>]|\*\*")
_ONE_ID = re.compile(r"[\s|>*•-]{0,8}\[\s{0,3}(\d{1,20})\s{0,3}\]\**[\s,;>|.]{0,5}")
# A chain of which a part is cited: what is left is another order.
_FRAGMENT = re.compile(rf"{CITED}[\s*_\"']{{0,8}}(?:>|≻|→|&gt;)|(?:>|≻|→|&gt;)[\s*_\"'(]{{0,8}}{CITED}")
_AROUND = ("text around the ranking ignored",)


def find_ranking(answer: ReplyText, n: int) -> Ids | None:
    """The ranking of `n` documents that a reply states, None where it states none, or several that disagree.

    What the judge only cites counts as nothing (see `judge_rerank.prompting.replies.citations`). A JSON object comes
    first, because its reason may rank in passing; then chains of bracketed ids, which would look like JSON lists; then
    lists. Rankings beside the first have to agree with it, unless the last one is called final.
    """
    own = own_words(answer.text)
    values = json_values(own)
    found = from_objects(values)
    if found is not None:
        whole = answer.text.startswith("{") and answer.text.endswith("}")
        return (
            Ids(ids=found.ids, reason=found.reason, repairs=() if whole else _AROUND) if _stands(found, own) else None
        )
    if len(rankings(values)) > 1:
        return None
    text = without_fences(without_objects(own, lists=False))
    if answer.cut:
        if '"ranking"' in text:
            return from_cut_list(text)
        text = without_last_word(text)
    chains = find_chains(text)
    if chains:
        return None if _FRAGMENT.search(text) else _from_chains(chains, text)
    found = from_list(text) or _in_bare_line(text, n) or _in_lines(text)
    if found is None and (answer.ended or text.endswith(("}", "]"))) and not answer.cut:
        found = from_repaired(text)
    return found


def _stands(found: Ids, own: str) -> bool:
    """Whether no ranking outside the JSON object that `found` stands in says otherwise."""
    prose = without_fences(without_objects(own))
    raw = from_cut_list(prose)
    others = [chain for chain in find_chains(prose) if not chain.listed]
    if (listed := from_list(prose)) is not None and listed.ids != found.ids:
        return False
    if raw is not None and raw.ids != found.ids:
        return False
    drafts = all(chain.end <= len(before_objects(own)) for chain in others) and is_final(before_objects(own))
    return drafts or all(agree(chain.ids, found.ids) for chain in others)


def _from_chains(chains: list[Chain], text: str) -> Ids | None:
    chain = choose(chains, text)
    if chain is None:
        return None
    listed = from_list(text)
    if listed is not None and listed.ids != chain.ids:
        return None
    return from_chain(chain, text)


def _in_bare_line(text: str, n: int) -> Ids | None:
    """A line that is `2 > 1 > 3`, or a text of nothing but numbers if each is that of a document, and only once."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chains = [ids for line in lines if (ids := bare_chain(line)) is not None]
    if len(chains) == 1:
        return Ids(ids=chains[0], repairs=_AROUND if len(lines) > 1 else ())
    if len(lines) == 1 or all(line.isdecimal() for line in lines):
        ids = bare_list(", ".join(lines))
        if ids is not None and len(set(ids)) == len(ids) and (first := first_number(ids, n)) is not None:
            return Ids(ids=ids) if all(number in range(first, first + n) for number in ids) else None
    return None


def _in_lines(text: str) -> Ids | None:
    """A list with one id a line, numbered 1, 2, 3 or not at all. The numbers of the list are no ids."""
    lines = [line[:1000] for line in text.splitlines() if line.strip()]
    numbered = _in_numbered(lines)
    plain = tuple(as_number(found.group(1)) for line in lines if (found := _ONE_ID.fullmatch(line)))
    ids = numbered or plain
    if len(ids) < 2 or (numbered and plain) or not introduces(lines[0] + "\n"):
        return None
    return Ids(ids=ids, repairs=_AROUND if len(lines) > len(ids) else ())


def _in_numbered(lines: list[str]) -> tuple[int, ...]:
    """The ids of the lines of a list that counts 1, 2, 3; none if it counts otherwise."""
    ids: list[int] = []
    for line in lines:
        found = _ITEM.match(line)
        if found is None or not _REST.match(found["rest"]) or (found["bare"] and found["rest"].strip(" .,;|")):
            continue
        if int(found["place"]) != len(ids) + 1:
            return ()
        ids.append(as_number(found["id"] or found["bare"]))
    return tuple(ids)
