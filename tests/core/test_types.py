"""Documents, rankings and their forms."""

import copy
import json
import pickle
from decimal import Decimal

import pydantic
import pytest

from judge_rerank import Document, Integrity, Judgment, Query, RankedDocument, Ranking, Usage


def ranking(**options: object) -> Ranking:
    judgment = Judgment(stage="score", round=1, score=0.5, label="6", cost_usd=Decimal("0.000012"), window=(1,))
    documents = [Document(text="b", id="d 2", metadata={"url": "u", "when": {1, 2}}), Document(text="a", title="A")]
    results = [
        RankedDocument(rank=1, index=1, relevance_score=0.5, document=documents[0], judgments=(judgment,)),
        RankedDocument(rank=2, index=0, relevance_score=float("nan"), document=documents[1]),
    ]
    return Ranking(
        results,
        query=Query(text="q?", id="q 1"),
        strategy="score",
        model="m",
        usage=Usage(calls=2, cost_usd=None),
        integrity=Integrity(failed={"refused": 1}, unjudged=(0,)),
        **options,
    )


def test_a_ranking_is_a_sequence() -> None:
    r = ranking()
    assert len(r) == 2
    assert r[0].index == 1
    assert [d.rank for d in r] == [1, 2]
    assert r.order == (1, 0)
    assert r[:1] == r.results[:1]
    assert r.results[1] in r


def test_json_holds_everything_and_is_strict() -> None:
    data = json.loads(ranking().to_json(), parse_constant=pytest.fail)
    assert data["results"][0]["document"] == {"url": "u", "when": [1, 2], "text": "b", "id": "d 2"}
    assert data["results"][0]["judgments"][0]["cost_usd"] == "0.000012"
    assert data["results"][1]["relevance_score"] == "nan"
    assert data["usage"]["cost_usd"] is None
    assert data["integrity"]["failed"] == {"refused": 1}
    assert data["integrity"]["unjudged"] == [0]
    assert data["status"] == "complete"


def test_trec_lines_have_six_fields_and_falling_scores() -> None:
    assert ranking().to_trec(tag="t") == "q_1 Q0 d_2 1 2 t\nq_1 Q0 0 2 1 t\n"


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))])
def test_rankings_travel_between_processes(clone: object) -> None:
    assert clone(ranking()).to_json() == ranking().to_json()


def test_usage_knows_unknown_cost_from_zero() -> None:
    assert Usage().cost_usd == 0
    assert Usage(cost_usd=None).cost_usd is None


def test_one_line_for_a_place() -> None:
    assert repr(ranking()[0]) == "<1. (index 1, 0.5) 'd 2' 'b'>"
    long = RankedDocument(rank=2, index=0, relevance_score=None, document=Document(text="a\nb " * 99, title="T"))
    assert repr(long).startswith("<2. (index 0) 'T: a b a b")
    assert len(repr(long)) < 100


def test_a_notebook_shows_a_table_in_which_documents_are_text() -> None:
    result = RankedDocument(rank=1, index=0, relevance_score=0.5, document=Document(text="<script>x</script>"))
    shown = Ranking([result], query=Query(text="<b>?"), strategy="score")._repr_html_()
    assert shown.startswith("<table><caption>&lt;b&gt;? – score, complete</caption>")
    assert "<td>0.500</td><td></td><td>&lt;script&gt;x&lt;/script&gt;</td>" in shown


def test_a_frame_of_pandas() -> None:
    pytest.importorskip("pandas")
    frame = ranking().to_pandas()
    assert list(frame.columns) == ["rank", "index", "relevance_score", "id", "title", "text", "url", "when"]
    assert frame["text"].tolist() == ["b", "a"]
    assert frame["index"].tolist() == [1, 0]


def test_pydantic_writes_a_ranking_as_its_dictionary() -> None:
    adapter = pydantic.TypeAdapter(Ranking)
    made = ranking()
    assert adapter.validate_python(made) is made
    assert json.loads(adapter.dump_json(made)) == json.loads(made.to_json())
    assert adapter.json_schema(mode="serialization")["type"] == "object"

    class Reply(pydantic.BaseModel):
        ranking: Ranking

    assert Reply(ranking=made).model_dump()["ranking"]["strategy"] == "score"
