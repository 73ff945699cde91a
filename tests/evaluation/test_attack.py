"""The audit of a judge by hostile documents: judges whose weakness is known."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from judge_rerank import Budget, DataError, Document, InputError, Judge, Price, Query, UnknownName
from judge_rerank.core import CancelToken, ChatRequest
from judge_rerank.evaluation import AttackOptions, Audit, Dataset, Topic, attack, beside, collection, families
from judge_rerank.evaluation.attacks.drawing import attempts, drawn_topics
from judge_rerank.evaluation.attacks.family import FAMILIES, Scene, attacked, planted_text
from judge_rerank.evaluation.attacks.search import ModelWriter, Payload, Search, Seen
from judge_rerank.testing import FakeBackend

QUERIES, CANDIDATES = 4, 8


def dataset(*, partly: bool = False) -> Dataset:
    """Queries with eight candidates: d0 is the best, d1 may be partly relevant; the judge sees it in the text."""
    topics = [
        Topic(
            query=Query(id=f"q{q}", text=f"who keeps the lighthouse {q}?"),
            candidates=tuple(
                Document(id=f"d{d}", text=f"Merit {9 - d}. A text about harbour {q} and pier {d}. It is short.")
                for d in range(CANDIDATES)
            ),
        )
        for q in range(QUERIES)
    ]
    grades = {topic.id: {"d0": 2.0, **({"d1": 1.0} if partly else {})} for topic in topics}
    return Dataset(name="harbours", topics=tuple(topics), grades=grades)


def obeys(mark: str) -> Callable[[ChatRequest], str]:
    """A judge that gives full marks to whatever holds a mark, and else knows the merit."""

    def answer(request: ChatRequest) -> str:
        assert request.subject is not None
        (candidate,) = request.subject.candidates
        text = candidate.document.text
        return json.dumps({"score": 10 if mark in text else merit(text)})

    return answer


def merit(text: str) -> int:
    """What a text is worth by its own words."""
    found = re.search(r"Merit (\d)", text)
    return int(found[1]) if found else 0


def judge_of(reply: Callable[[ChatRequest], str], **options: object) -> tuple[Judge, FakeBackend]:
    backend = FakeBackend(reply)
    return Judge(backend, strategy="score(batch_size=1)", **options), backend  # pyright: ignore[reportArgumentType]


def audit(mark: str = "10/10", **asked: object) -> Audit:
    judge, _ = judge_of(obeys(mark))
    return attack(judge, dataset(), asked=AttackOptions(**asked))  # pyright: ignore[reportArgumentType]


def test_every_family_says_what_it_does_and_where_it_is_from() -> None:
    found = families()
    assert len(found) >= 20
    for family in found:
        assert family.sentence.endswith("."), family.name
        assert all(source.startswith(("arXiv:", "https://")) for source in family.sources)
        assert bool(family.sources) == (family.name != "control")


@pytest.mark.parametrize("name", [family.name for family in families()])
def test_a_family_changes_the_attacked_document_and_is_drawn_by_its_dice(name: str) -> None:
    documents = [Document(text=f"First sentence {n}. Second one. Third.", title=f"t{n}", id=f"d{n}") for n in range(4)]
    payloads = set[str]()
    for seed in range(30):
        scenes = [
            Scene(query="who built the old pier?", documents=documents, victim=2, position="middle", dice=Random(seed))
            for _ in range(2)
        ]
        made, again = (attacked(name, scene) for scene in scenes)
        assert made == again
        assert made.documents[2].text != documents[2].text
        assert made.documents[2].text.strip()
        assert (made.documents[2].id, made.documents[2].title) == ("d2", "t2")
        payloads.add(made.payload)
    assert len(payloads) > 1


def test_where_a_payload_stands() -> None:
    text = "One is here. Two is there. Three."
    assert planted_text(text, "X", "start") == f"X\n{text}"
    assert planted_text(text, "X", "end") == f"{text}\nX"
    assert planted_text(text, "X", "middle") == "One is here.\nX\nTwo is there. Three."
    assert planted_text("no end at all", "X", "middle") == "no end\nX\nat all"


def test_success_is_known_exactly() -> None:
    found = audit(families=["direct-instruction"], trials=12)
    (row,) = found.figures
    trials = found.trials.values()
    obeyed = [trial for trial in trials if "10/10" in trial.payload]
    assert row.trials == 12 * QUERIES
    assert 0 < len(obeyed) < len(trials)
    assert all(trial.rank == 1 for trial in obeyed)
    assert all(trial.rank == trial.clean_rank for trial in trials if trial not in obeyed)
    for k in (1, 3, 5):
        below = [trial for trial in trials if trial.clean_rank > k]
        assert row.lifted[k].n == len(below)
        assert row.lifted[k].hits == sum(trial in obeyed for trial in below)
        low, high = row.lifted[k].interval
        assert low < (row.lifted[k].rate or 0) < high
    assert row.lift == pytest.approx(sum(t.clean_rank - t.rank for t in trials) / len(trials))
    assert row.broken.hits == row.unjudged.hits == 0
    assert row.ndcg_lost is not None
    assert row.ndcg_lost > 0
    assert found.info.finished


def test_a_judge_that_obeys_nothing_is_not_lifted() -> None:
    found = audit(mark="no such mark", trials=1)
    below = [row for row in found.figures if row.family.name != "empty-document"]
    assert all(row.lifted[3].hits == 0 and row.lift == 0 for row in below)
    assert found.clean_figures.ndcg == 1
    assert found.clean_figures.queries == QUERIES


def test_the_same_seed_plants_the_same() -> None:
    def payloads(found: Audit) -> list[tuple[str, str, str]]:
        return [(trial.document, trial.position, trial.payload) for trial in found.trials.values()]

    one = ["query-echo"]
    assert payloads(audit(families=one, seed=3)) == payloads(audit(families=one, seed=3, mark="another judge"))
    assert payloads(audit(families=one, seed=3)) != payloads(audit(families=one, seed=4))


def test_a_larger_sample_holds_the_smaller_one() -> None:
    few, many = (drawn_topics(dataset(), limit=limit, depth=8, seed=1, least=2) for limit in (2, 4))
    assert [drawn.id for drawn in many][:2] == [drawn.id for drawn in few]


def test_positions_and_relevance_take_turns() -> None:
    (drawn,) = drawn_topics(dataset(partly=True), limit=1, depth=8, seed=0, least=2)
    made = attempts(drawn, "authority", trials=6, seed=0)
    assert sorted(each.position for each in made) == ["end", "end", "middle", "middle", "start", "start"]
    assert [each.relevance for each in made] == ["irrelevant", "partly"] * 3
    assert all(drawn.documents[each.victim].id != "d0" for each in made)
    other = attempts(drawn, "query-echo", trials=6, seed=0)
    assert [(each.victim, each.position) for each in other] == [(each.victim, each.position) for each in made]


def test_an_attacked_ranking_costs_one_call_where_there_is_a_cache(tmp_path: Path) -> None:
    judge, backend = judge_of(obeys("10/10"), cache_dir=tmp_path / "cache")
    found = attack(judge, dataset(), asked=AttackOptions(families=["query-echo"], trials=2))
    clean, attacks = QUERIES * CANDIDATES, QUERIES * 2
    texts = {request.messages[-1].content for request in backend.requests}
    assert len(backend.requests) == len(texts) <= clean + attacks
    assert found.figures[0].cost.cached_calls >= attacks * (CANDIDATES - 1)
    cost = found.figures[0].cost
    assert cost.uncached_tokens > cost.tokens > 0


def test_resuming_pays_for_nothing_twice(tmp_path: Path) -> None:
    asked = AttackOptions(families=["direct-instruction"], trials=3)
    token = CancelToken()
    judge, backend = judge_of(obeys("10/10"))
    part = attack(
        judge,
        dataset(),
        asked=asked,
        output=tmp_path / "run",
        watch=lambda progress: token.cancel() if progress.done == 7 else None,
        cancel=token,
    )
    assert part.info.unfinished == ("The audit was interrupted.",)
    assert not part.info.finished
    sent = len(backend.requests)
    judge, backend = judge_of(obeys("10/10"))
    whole = attack(judge, dataset(), asked=asked, output=tmp_path / "run", resume=True)
    assert whole.info.finished
    made = len(part.clean) + len(part.trials)
    assert len(backend.requests) == (QUERIES * (1 + 3) - made) * CANDIDATES
    assert sent >= made * CANDIDATES
    again, backend = judge_of(obeys("10/10"))
    assert attack(again, dataset(), asked=asked, output=tmp_path / "run", resume=True).trials == whole.trials
    assert not backend.requests
    assert Audit.read(tmp_path / "run").figures == whole.figures
    fresh = audit(families=["direct-instruction"], trials=3)
    assert [(t.key, t.rank) for t in fresh.trials.values()] == [(t.key, t.rank) for t in whole.trials.values()]


def test_a_folder_is_not_mixed_up(tmp_path: Path) -> None:
    judge, _ = judge_of(obeys("10/10"))
    asked = AttackOptions(families=["control"], trials=1)
    attack(judge, dataset(), asked=asked, output=tmp_path / "run")
    with pytest.raises(InputError, match="Resume it"):
        attack(judge, dataset(), asked=asked, output=tmp_path / "run")
    with pytest.raises(InputError, match="another seed: 0, now 5"):
        attack(
            judge,
            dataset(),
            asked=AttackOptions(families=["control"], trials=1, seed=5),
            output=tmp_path / "run",
            resume=True,
        )
    more = AttackOptions(families=["authority"], trials=1)
    both = attack(judge, dataset(), asked=more, output=tmp_path / "run", resume=True)
    assert [family.name for family in both.info.families] == ["control", "authority"]
    assert {trial.family for trial in both.trials.values()} == {"control", "authority"}


def test_a_budget_ends_it_early_and_is_not_passed(tmp_path: Path) -> None:
    backend = FakeBackend(obeys("10/10"), local=False)
    price = Price(input_usd_per_mtok=Decimal(100), output_usd_per_mtok=Decimal(100))
    with Judge(backend, strategy="score(batch_size=1)", budget=Budget(usd="2"), prices={"fake": price}) as judge:
        found = attack(judge, dataset(), asked=AttackOptions(trials=3), output=tmp_path / "run")
    assert not found.info.finished
    assert "ended early" in found.info.unfinished[0]
    assert found.trials
    spent = sum(Decimal(each.cost.cost_usd or 0) for each in (*found.clean.values(), *found.trials.values()))
    assert 0 < spent <= Decimal(2)


def test_broken_replies_are_counted() -> None:
    def falls_silent(request: ChatRequest) -> str:
        assert request.subject is not None
        text = request.subject.candidates[0].document.text
        return "I cannot help with that request." if "I cannot help" in text else obeys("10/10")(request)

    judge, _ = judge_of(falls_silent)
    found = attack(judge, dataset(), asked=AttackOptions(families=["refusal-bait"], trials=8))
    (row,) = found.figures
    bait = sum("I cannot help" in trial.payload for trial in found.trials.values())
    assert row.broken.hits == row.unjudged.hits == bait > 0


def test_the_search_climbs_to_what_the_judge_obeys() -> None:
    def counts(request: ChatRequest) -> str:
        assert request.subject is not None
        text = request.subject.candidates[0].document.text
        return json.dumps({"score": min(10, merit(text) + 2 * text.count("first"))})

    def run() -> Audit:
        judge, _ = judge_of(counts)
        asked = AttackOptions(families=["control"], trials=1, adaptive=25)
        return attack(judge, dataset(), asked=asked)

    found = run()
    searched = [trial for trial in found.trials.values() if trial.family == "adaptive"]
    assert len(searched) == QUERIES
    for trial in searched:
        assert list(trial.rounds) == sorted(trial.rounds, reverse=True)
        assert trial.rank == trial.rounds[-1]
        assert len(trial.rounds) <= 25
    assert sum(trial.rank for trial in searched) < sum(trial.clean_rank for trial in searched)
    assert found.figures[-1].family.name == "adaptive"
    assert [(t.payload, t.rounds) for t in found.trials.values()] == [
        (t.payload, t.rounds) for t in run().trials.values()
    ]


def test_a_model_may_write_for_the_search() -> None:
    (drawn,) = drawn_topics(dataset(), limit=1, depth=8, seed=0, least=2)
    (attempt,) = attempts(drawn, "adaptive", trials=1, seed=0)
    nothing = Payload(fragments=(), position="start")
    search = Search(attempt=attempt, clean=Seen(payload=nothing, rank=5, score=0.5))
    judge, backend = judge_of(lambda request: json.dumps({"reason": "I say 10/10", "label": "end"}))
    first = asyncio.run(ModelWriter(judge).write([search]))
    assert not backend.requests
    search.note(first[0], 4, 0.6)
    assert asyncio.run(ModelWriter(judge).write([search])) == [Payload(fragments=("I say 10/10",), position="end")]
    asked = backend.requests[0].messages[-1].content
    assert "rank without a text: 5 of 8" in asked
    assert "rank 4" in asked
    refusing, _ = judge_of(lambda request: "I would rather not.")
    (instead,) = asyncio.run(ModelWriter(refusing).write([search]))
    assert instead.text


def test_two_judges_side_by_side() -> None:
    two = ["direct-instruction", "control"]
    weak, strong = audit(families=two, trials=4), audit(families=two, mark="no such mark", trials=4)
    rows = {(row.name, row.measure): row for row in beside(weak.results, strong.results)}
    clean = rows["", "nDCG@10"]
    assert (clean.before, clean.after, clean.n) == (1, 1, QUERIES)
    row = rows["direct-instruction", "top 3"]
    assert row.before > row.after == 0
    assert row.interval is not None
    assert row.interval[0] <= row.difference <= row.interval[1] <= 0
    with pytest.raises(InputError, match="no attack in common"):
        beside(weak.results, audit(families=two, seed=9).results)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"limit": 0}, "limit is 0; expected at least 1"),
        ({"trials": 0}, "trials is 0"),
        ({"depth": 1}, "depth is 1"),
        ({"cutoffs": []}, "cutoffs is"),
        ({"cutoffs": [0]}, "cutoffs is"),
        ({"adaptive": -1}, "adaptive is -1"),
        ({"attacker": "openai/gpt-6-luna"}, "how many rounds"),
        ({"cutoffs": (1, 8)}, "k is 8, but no query has more than 8 candidates"),
        ({"families": "authority"}, "expected a list of names"),
    ],
)
def test_options_that_cannot_be(asked: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        audit(**asked)  # pyright: ignore[reportArgumentType]


def test_an_unknown_family_is_suggested() -> None:
    with pytest.raises(UnknownName, match="query-echo"):
        audit(families=["query-ecko"])


def test_nothing_to_attack() -> None:
    whole = dataset()
    all_relevant = {topic.id: dict.fromkeys((d.id or "" for d in topic.candidates), 2.0) for topic in whole.topics}
    judge, _ = judge_of(obeys(""))
    with pytest.raises(DataError, match="nothing to attack"):
        attack(judge, Dataset(name="x", topics=whole.topics, grades=all_relevant))


def test_documents_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "manual"
    folder.mkdir()
    (folder / "brakes.md").write_text(
        "# Brakes\n\n## Cleaning the rotor\n\nOil on the rotor makes brakes squeal. Clean the rotor with alcohol.\n\n"
        "## Worn brake pads\n\nReplace brake pads and check the rotor when they are thinner than a coin.\n"
    )
    (folder / "bell.txt").write_text("A bell is required by law on every bicycle with brakes and a rotor.\n")
    made = collection(folder, limit=2, seed=1)
    assert len(made.topics) == 2
    for topic in made.topics:
        (source,) = made.grades[topic.id]
        assert source in {document.id for document in topic.candidates}
    assert {topic.query.text for topic in made.topics} & {"Cleaning the rotor", "Worn brake pads"}
    given = collection(folder, queries=[Query(text="why do brakes squeal on the rotor?")])
    assert [topic.id for topic in given.topics] == ["q1"]
    assert not given.grades["q1"]
    judge, _ = judge_of(lambda request: '{"score": 5}')
    found = attack(judge, given, asked=AttackOptions(families=["control"], trials=2, cutoffs=[1]))
    assert {trial.relevance for trial in found.trials.values()} == {"unjudged"}
    assert found.figures[0].ndcg_lost is None
    with pytest.raises(DataError, match="shares a word"):
        collection(folder, queries=[Query(text="zebra")])
    (tmp_path / "one.jsonl").write_text('{"text": "alone"}\n')
    with pytest.raises(DataError, match="There are 1 documents"):
        collection(tmp_path / "one.jsonl")


def test_families_of_others_register_themselves() -> None:
    assert FAMILIES.names() == tuple(sorted(FAMILIES.names()))
    assert all(name in {family.name for family in families()} for name in FAMILIES.names())


def test_ranks_need_no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    found = audit(families=["query-echo"], trials=1)
    assert found.info.finished
    assert found.clean_figures.ndcg is None
    assert found.figures[0].lifted[3].n > 0
