"""The folder of a run: what is written is read again, whatever a kill left at its end."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge_rerank import DataError, Document
from judge_rerank.evaluation.record import DatasetInfo, Placed, Result, RunInfo, Variant
from judge_rerank.evaluation.runfolder import RunFolder

INFO = RunInfo(
    name="which prompt",
    started="2026-01-01T00:00:00+00:00",
    metrics=["nDCG@10", "P(rel=2)@5"],
    baseline="first-stage",
    variants=[
        Variant(name="first-stage", reference="first-stage"),
        Variant(name="a", model="m", strategy="score", prompts={"score": "terse"}),
    ],
    datasets=[DatasetInfo(name="d", queries=2, documents=4, depth=2, seed=1)],
)


def plain(*records: RunInfo | Result) -> list[object]:
    """Without the difference between lists and tuples, which JSON does not know."""
    return [json.loads(json.dumps(asdict(record))) for record in records]


def result(query_id: str, *, reply: str = "sept \U0001f33e") -> Result:
    return Result(
        variant="a",
        dataset="d",
        seed=0,
        query_id=query_id,
        query="où?",
        metrics={"nDCG@10": 0.25},
        usage={"calls": 2, "cost_usd": "0.000001"},
        ranking=[
            Placed(id="d1", rank=1, index=1, first_stage=2, grade=1.0, score=0.5, judgments=[{"reply": reply}]),
            Placed(id="d0", rank=2, index=0, first_stage=1),
        ],
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    assert not folder.exists()
    folder.write_info(INFO)
    with folder.appending() as lines:
        lines.add(asdict(result("q1")))
        lines.add(asdict(result("q2")))
    documents = [Document(id="d0", text="zero"), Document(id="d1", text="one", title="One")]
    folder.write_documents("d", documents)
    folder.write_documents("d", documents)
    assert folder.exists()
    assert plain(folder.info()) == plain(INFO)
    assert plain(*folder.results()) == plain(result("q1"), result("q2"))
    assert folder.documents() == {("d", "d0"): documents[0], ("d", "d1"): documents[1]}
    assert len((tmp_path / "run" / "documents.jsonl").read_text().splitlines()) == 2


@given(data=st.data())
def test_a_torn_last_line_is_passed_over_and_cut_off(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    with folder.appending() as lines:
        for query in ("q1", "q2"):
            lines.add(asdict(result(query)))
    file = folder.path / "results.jsonl"
    whole = file.read_bytes()
    kept = data.draw(st.integers(min_value=0, max_value=len(whole)))
    file.write_bytes(whole[:kept])
    # A line is whole when only its end is missing.
    survivors = [result(query) for query, end in (("q1", whole.index(b"\n")), ("q2", len(whole) - 1)) if kept >= end]
    assert plain(*folder.results()) == plain(*survivors)
    with folder.appending() as lines:
        lines.add(asdict(result("q3")))
    assert plain(*folder.results()) == plain(*survivors, result("q3"))


def test_a_second_writer_is_turned_away(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.appending(), pytest.raises(DataError, match=r"results\.jsonl: Another process is writing"):
        folder.appending()
    folder.appending().close()


def test_of_two_results_for_one_query_the_first_counts(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with folder.appending() as lines:
        lines.add(asdict(result("q1", reply="first")))
        lines.add(asdict(result("q1", reply="second")))
    assert plain(*folder.results()) == plain(result("q1", reply="first"))


def test_errors_say_where(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(DataError, match=r"There is no run\.json in this folder"):
        folder.info()
    assert folder.results() == []
    (tmp_path / "run.json").write_text('{"name": 1}')
    with pytest.raises(DataError, match=r"run\.json: .*name"):
        folder.info()
    with folder.appending() as lines:
        lines.add(asdict(result("q1")))
        lines.add({"variant": "a"})
        lines.add(asdict(result("q2")))
    with pytest.raises(DataError, match=r"results\.jsonl:2: .*dataset") as caught:
        folder.results()
    assert caught.value.line == 2


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="Cannot be written"):
        RunFolder(tmp_path / "file" / "run").write_info(INFO)
