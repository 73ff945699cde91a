"""What bites in the field: small inputs of public reports, through the public API, and whether all come out right.

    python eval/bench/field.py [--field ../shared/field] [--only KIND]

Chat replies come from `replies.jsonl` of that folder and from `eval/field_replies.jsonl`, variants of our own; each is
given to a judge as the answer of its model. Situations come from `cases.md` of that folder: the cases of each kind
stand in `field_cases.py` and the files named likewise, several for each row, against a backend in this process or
against a provider on the loopback interface. A kind of `cases.md` without a case falls short. Prints the cases by kind,
and then each that falls short, and ends with 1 if any does.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[2]))

from field_cases import CASES, DOCS, QUERY, Case, FellShort, need

from judge_rerank import Judge
from judge_rerank.core import Candidates, JudgeCall, Ordering, Plan, Query
from judge_rerank.testing import FakeBackend

ROOT = Path(__file__).parents[2]
OWN = ROOT / "eval" / "field_replies.jsonl"
UNREADABLE = "unreadable"
for _room in ("field_apis", "field_chat", "field_sending"):
    import_module(_room)  # enters its cases

_WORDS = {"yes": 1.0, "no": 0.0}


@dataclass(frozen=True, kw_only=True)
class OneCall:
    """A strategy that asks once about all documents; what is read of the reply stands in the ranking."""

    task: str
    options: tuple[str, ...] = ()
    name: str = "one-call"

    def plan(self, query: Query, candidates: Candidates) -> Plan:
        """One call in one round."""
        call = JudgeCall(task=self.task, query=query, candidates=tuple(candidates), options=self.options)
        (outcome,) = yield [call]
        named = [index for tier in outcome.preferences(call) for index in tier]
        scores = outcome.scores(call)
        left = sorted((c.index for c in candidates if c.index not in named), key=lambda index: -scores.get(index, 0.0))
        return Ordering(order=(*named, *left), scores=scores)


def read_of(reply: Mapping[str, Any]) -> Any:
    """What a judge makes of a reply: an order, scores, a choice, or "unreadable"."""
    n, task = reply["n"], reply["task"]
    docs = [*DOCS, *(f"passage {number}" for number in range(len(DOCS), n))][:n]
    backend = FakeBackend(reply["reply"])
    ranking = Judge(backend, cache_dir=None).rerank(QUERY, docs, OneCall(task=task, options=tuple(reply["options"])))
    need(sorted(ranking.order) == list(range(n)), f"the order is {ranking.order}")
    judgments = [place.judgments[-1] for place in sorted(ranking, key=lambda place: place.index)]
    if all(judgment.failure for judgment in judgments):
        need(len(backend.requests) == 2, "it was not asked again")
        need(ranking.status == "partial" and bool(ranking.reasons), "the ranking does not say that it is partial")
        return UNREADABLE
    if any("from 0" in repair or "counted" in repair for judgment in judgments for repair in judgment.repairs):
        need(bool(ranking.integrity.repaired), "the shift is not in the ranking's integrity")
    labels = [judgment.label for judgment in judgments]
    if reply["options"]:
        return {"choice": next(label for label in labels if label is not None)}
    if any(label is not None for label in labels):
        return {"score": [None if label is None else _number(label) for label in labels]}
    return {"order": list(ranking.order)}


def _number(label: str) -> float:
    return _WORDS[label] if label in _WORDS else float(label)


def right(found: Any, wants: Sequence[Any]) -> bool:
    """Whether it is one of those that are right; a score that was left out is unreadable, which is right if that is."""
    if found in wants:
        return True
    scores = [cast("list[float]", want["score"]) for want in wants if want != UNREADABLE and "score" in want]
    if found == UNREADABLE or "score" not in found or UNREADABLE not in wants:
        return False
    read = cast("list[float | None]", found["score"])
    return any(all(a is None or a == b for a, b in zip(read, want, strict=True)) for want in scores)


def reply_case(line: str) -> Case:
    """A line of a file of replies as a case."""
    reply: dict[str, Any] = json.loads(line)

    def run() -> None:
        found = read_of(reply)
        need(right(found, reply["want"]), f"read as {found}, right is {reply['want']}")

    return Case(kind=reply["kind"], situation=f"{reply['task']} {reply['reply']!r}", run=run)


def kinds_of(page: str) -> Iterator[str]:
    """The kinds of a page of cases, in the first column of its table; a row without one is of the kind above it."""
    rows = [line.split("|")[1].strip().strip("`") for line in page.splitlines() if line.startswith("|")]
    kind = ""
    for cell in rows[2:]:
        kind = cell or kind
        yield kind


def cases_of(folder: Path | None) -> list[Case]:
    """All cases: our own, and those of the folder."""
    found = [*map(reply_case, OWN.read_text(encoding="utf-8").splitlines()), *CASES]
    if folder is None:
        return found
    found += map(reply_case, (folder / "replies.jsonl").read_text(encoding="utf-8").splitlines())
    known = {each.kind for each in found}
    for kind in dict.fromkeys(kinds_of((folder / "cases.md").read_text(encoding="utf-8"))):
        if kind not in known:
            found.append(Case(kind=kind, situation="a kind of cases.md", run=_without_case))
    return found


def _without_case() -> None:
    raise FellShort("there is no case of this kind")


def shown(one: Case) -> str | None:
    """What one case falls short of, if it does."""
    try:
        one.run()
    except FellShort as error:
        return str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--field", type=Path, default=ROOT.parent / "shared" / "field")
    parser.add_argument("--only", metavar="KIND", help="the cases of this kind alone")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    folder: Path = arguments.field
    if not (folder / "replies.jsonl").exists() or not (folder / "cases.md").exists():
        print(f"{folder} is not there (replies.jsonl and cases.md); nothing was run.")
        return 0
    cases = [replace(each, kind=each.kind.strip()) for each in cases_of(folder)]
    cases = [each for each in cases if arguments.only in (None, each.kind)]
    short: list[tuple[Case, str]] = []
    number, bad = Counter[str](), Counter[str]()
    for each in cases:
        number[each.kind] += 1
        said = shown(each)
        if said is not None:
            bad[each.kind] += 1
            short.append((each, said))
    print(f"{'kind':<28}{'cases':>7}{'fell short':>12}")
    for kind, count in number.items():
        print(f"{kind:<28}{count:>7}{bad[kind]:>12}")
    print(f"{'in all':<28}{number.total():>7}{bad.total():>12}")
    for each, said in short:
        print(f"{each.kind}: {each.situation}: {said}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
