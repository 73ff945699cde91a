"""Files of records in every form that is read, and columns that tabs separate."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from judge_rerank.core import DataError, Document
from judge_rerank.readers import read_documents, read_jsonl, read_qrels, read_queries, read_run, read_text, read_trec

ROWS = [
    {"id": "1", "text": "sand, and „dunes“\nin two lines", "title": "T"},
    {"id": "doc two", "text": 'he said "dune"', "title": ""},
]
CSV = 'id,text,title\n1,"sand, and „dunes“\nin two lines",T\n\ndoc two,"he said ""dune""",\n'
TSV = 'id\ttext\ttitle\n1\tsand "x\tT\ndoc two\t"quoted ""here"""\t\n'


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def known(documents: list[Document]) -> list[dict[str, Any]]:
    return [{"id": d.id, "text": d.text, "title": d.title or ""} for d in documents]


JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.ndjson", "a.json", "array.json", "a.JSONL"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_every_form_and_encoding_holds_the_same_documents(
    tmp_path: Path, name: str, encoding: str, packed: bool
) -> None:
    text = CSV if name.endswith("csv") else json.dumps(ROWS, indent=2) if name.startswith("array") else JSONL
    raw = text.encode(encoding)
    path = write(tmp_path, name + ".gz" * packed, gzip.compress(raw) if packed else raw)
    assert known(read_documents(path)) == ROWS


def test_parquet(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert known(read_documents(tmp_path / "a.parquet")) == ROWS
    packed = write(tmp_path, "b.parquet.gz", gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert known(read_documents(packed)) == ROWS
    with pytest.raises(DataError, match="This is not a Parquet file"):
        read_documents(write(tmp_path, "c.parquet", "no"))


def test_a_quotation_mark_in_a_tsv_is_a_character_like_others(tmp_path: Path) -> None:
    documents = read_documents(write(tmp_path, "a.tsv", TSV))
    assert [(d.id, d.text, d.title) for d in documents] == [
        ("1", 'sand "x', "T"),
        ("doc two", 'quoted "here"', None),
    ]


def test_a_tsv_with_line_breaks_in_quoted_cells(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", 'id\ttext\turl\n1\t"two\nlines"\tu\n2\tone\tv\n')
    assert [(d.id, d.text, d.metadata["url"]) for d in read_documents(path)] == [
        ("1", "two\nlines", "u"),
        ("2", "one", "v"),
    ]


def test_a_tsv_of_id_and_text_needs_no_names(tmp_path: Path) -> None:
    documents = read_documents(write(tmp_path, "collection.tsv", "0\tfirst\n1\tsecond\n"))
    assert [(d.id, d.text) for d in documents] == [("0", "first"), ("1", "second")]


def test_columns_of_a_csv(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "ID;Passage;score;year\n7;a, b;0.5;1965\n8;c;;\n")
    first, second = read_documents(path)
    assert (first.id, first.text, first.score, dict(first.metadata)) == ("7", "a, b", 0.5, {"year": "1965"})
    assert (second.id, second.score) == ("8", None)


def test_a_cell_longer_than_the_csv_module_takes_by_default(tmp_path: Path) -> None:
    (document,) = read_documents(write(tmp_path, "a.csv", "text\n" + "a" * 200_000 + "\n"))
    assert len(document.text) == 200_000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.csv",
            "question,answer\na,b\n",
            r"a.csv:1: The first row is 'question', 'answer'; the names of the columns",
        ),
        ("a.tsv", "question\tanswer\na\tb\n", r"a.tsv:1: The first row is 'question', 'answer'"),
        ("a.csv", "", r"a.csv: This file is empty"),
        ("a.csv", "id,text\n1,a\n2,b,c\n", r"a.csv:3: 3 cells were found, and the columns are 2 \(id, text\)"),
        ("a.csv", "id,text\n1,a\n2\n", r'a.csv:3: "text" is missing'),
        ("a.csv", "text,score\na,high\n", r'a.csv:2: "score" is a string'),
        ("a.csv", 'text\n"a\n', r"a.csv:2: This row is not CSV"),
        ("a.csv", b"text\n\xe9\n", r"a.csv: This is not UTF-8"),
        ("a.json", '[{"text": "a"}, {}]', r'a.json, item 2: "text" is missing'),
        ("a.json", "[1]", r"a.json: Item 1 of the array is not an object with a text"),
        ("a.json", '[{"text": "a"},\n]', r"a.json:[12]: This is not JSON"),
        ("a.json", "[" * 100_000, r"a.json: This is not usable JSON"),
        ("a.jsonl.gz", gzip.compress(JSONL.encode(), mtime=0)[:-20], r"a.jsonl.gz: This gzip file is damaged"),
        ("a.txt.gz", b"\x1f\x8bno", r"a.txt.gz: This gzip file is damaged"),
        ("a.jsonl", b"\xff\xfea", r"a.jsonl:1: This is not UTF-16"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_documents(write(tmp_path, name, text))


def test_text_is_unpacked_and_decoded(tmp_path: Path) -> None:
    (document,) = read_text(write(tmp_path, "a.md.gz", gzip.compress("# Dünen\n\nSand.\n".encode("utf-16"))))
    assert (document.title, document.text) == ("a.md.gz › Dünen", "Sand.")


def test_jsonl_from_a_packed_stream() -> None:
    assert known(read_jsonl(io.BytesIO(gzip.compress(JSONL.encode())))) == ROWS


def test_links_that_lead_out_of_a_folder_are_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = write(tmp_path, "secret.txt", "a secret of the reader")
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    write(folder, "real.txt", "real")
    (folder / "sub" / "out.txt").symlink_to(secret)
    (folder / "sub" / "in.txt").symlink_to(folder / "real.txt")
    (folder / "up").symlink_to(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    for way in (folder, tmp_path / "link"):
        caplog.clear()
        assert {d.text for d in read_documents(way)} == {"real"}
        assert "out.txt: this link points outside the folder; it is left out." in caplog.text


def test_tabs_separate_where_there_are_tabs(tmp_path: Path) -> None:
    beir = write(tmp_path, "qrels.tsv", "query-id\tcorpus-id\tscore\nq 1\tdoc 1\t2\nq 1\tdoc\t0\n")
    assert read_qrels(beir) == {"q 1": {"doc 1": 2.0, "doc": 0.0}}
    four = write(tmp_path, "four.tsv", "q1\t0\tmy doc\t1\n")
    assert read_qrels(four) == {"q1": {"my doc": 1.0}}
    assert read_qrels(write(tmp_path, "trec.txt", "q1 0  d1 1\n")) == {"q1": {"d1": 1.0}}
    with pytest.raises(DataError, match="2 columns were found"):
        read_qrels(write(tmp_path, "mixed.tsv", "q1\t0 d1 1\n"))


def test_a_tabbed_run_with_blanks_in_its_ids(tmp_path: Path) -> None:
    run = "qid\tQ0\tdocno\trank\tscore\ttag\nq1\tQ0\tdoc two\t1\t0.5\tmy run\n"
    path = write(tmp_path, "run.tsv", run)
    assert [entry.document_id for entry in read_run(path)["q1"]] == ["doc two"]


@pytest.mark.parametrize("header", ["", "qid\tquery\n", "_id\ttext\n", "query-id\tText\n"])
def test_queries_with_and_without_a_row_of_names(tmp_path: Path, header: str) -> None:
    path = write(tmp_path, "queries.tsv.gz", gzip.compress(f"{header}q 1\twho wrote it?\n".encode()))
    assert {key: query.text for key, query in read_queries(path).items()} == {"q 1": "who wrote it?"}


@pytest.mark.parametrize("corpus", ["corpus.tsv", "corpus.csv", "corpus.jsonl.gz"])
def test_a_corpus_may_be_a_table(tmp_path: Path, corpus: str) -> None:
    text = {"corpus.tsv": TSV, "corpus.csv": CSV, "corpus.jsonl.gz": gzip.compress(JSONL.encode())}[corpus]
    run = write(tmp_path, "run.trec", "q1\tQ0\tdoc two\t1\t2\tt\nq1\tQ0\t1\t2\t1\tt\n")
    queries = write(tmp_path, "queries.tsv", "q1\tone\n")
    ((_, documents),) = read_trec(run, write(tmp_path, corpus, text), queries)
    assert [d.id for d in documents] == ["doc two", "1"]
