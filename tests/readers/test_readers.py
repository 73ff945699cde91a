"""Reading documents, queries and runs: what comes out, and where errors point."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from judge_rerank.core.errors import DataError, InputError
from judge_rerank.readers import (
    iter_jsonl,
    passages,
    read_folder,
    read_jsonl,
    read_queries,
    read_run,
    read_text,
    read_trec,
)
from judge_rerank.readers.lines import reading

MARKDOWN = """---
title: front matter is not text
---
Before any heading.

# Install

Run pip.

Then import it.

```sh
# not a heading
pip install x
```

## Linux

Use apt.

Setext title
============

Under it.
"""


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_jsonl_takes_all_keys(tmp_path: Path) -> None:
    path = write(tmp_path, "d.jsonl", '\ufeff{"text": "a", "title": "T", "id": 7, "score": 2, "url": "u"}\n\n"bare"\n')
    first, second = read_jsonl(path)
    assert (first.text, first.title, first.id, first.score, dict(first.metadata)) == ("a", "T", "7", 2.0, {"url": "u"})
    assert (second.text, second.title, second.id, second.score) == ("bare", None, None, None)


def test_jsonl_from_a_stream_is_read_as_it_is_needed() -> None:
    stream = io.BytesIO(b'{"text": "a", "_id": "x"}\nbroken\n')
    documents = iter_jsonl(stream)
    assert next(documents).id == "x"
    with pytest.raises(DataError, match=r"input:2: 'broken' is not JSON"):
        next(documents)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "is not JSON"),
        ('{"text": 5}', '"text" is the number 5; expected a string'),
        ('{"text": null}', '"text" is null'),
        ('{"text": ["a"]}', '"text" is a list'),
        ('{"text": {}}', '"text" is an object'),
        ('{"text": true}', '"text" is true'),
        ('{"url": "a"}', "\"text\" is missing (keys found: 'url')"),
        ("{}", '"text" is missing (keys found: none)'),
        ('{"text": "a", "title": 3}', '"title" is the number 3'),
        ('{"text": "a", "id": 1.5}', '"id" is the number 1.5'),
        ('{"text": "a", "id": true}', '"id" is true'),
        ('{"text": "a", "score": "high"}', '"score" is a string; expected a finite number'),
        ('{"text": "a", "score": Infinity}', '"score" is not a finite number'),
        ('{"text": "a", "score": 1' + "0" * 400 + "}", '"score" is not a finite number'),
        ('[{"text": "a"}]', "jq -c"),
        ("17", "The number 17 was found"),
        ("[" * 100_000, "not usable JSON"),
        ("{", "Convert it with: jq -c '.'"),
        ("[", "Convert it with: jq -c '.[]'"),
        ('{"text": "a", "n": ' + "1" * 5000 + "}", "not usable JSON"),
    ],
)
def test_bad_jsonl_says_file_and_line(tmp_path: Path, line: str, message: str) -> None:
    path = write(tmp_path, "d.jsonl", '{"text": "fine"}\n' + line + "\n")
    with pytest.raises(DataError) as caught:
        read_jsonl(path)
    assert caught.value.line == 2
    assert caught.value.path == str(path)
    assert message in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300


def test_invalid_utf8_says_the_byte(tmp_path: Path) -> None:
    path = write(tmp_path, "d.jsonl", b'{"text": "fine"}\n{"text": "caf\xe9"}\n')
    with pytest.raises(DataError, match=r"d.jsonl:2: Byte 14 of this line \(0xe9\) is not UTF-8"):
        read_jsonl(path)


def test_half_a_surrogate_pair_can_still_be_sent(tmp_path: Path) -> None:
    (document,) = read_jsonl(write(tmp_path, "d.jsonl", r'{"text": "a\ud800b", "title": "\ude00"}'))
    assert (document.text, document.title) == ("a\ufffdb", "\ufffd")


def test_five_megabytes_in_one_line(tmp_path: Path) -> None:
    path = write(tmp_path, "d.jsonl", json.dumps({"text": "word " * 1_000_000}))
    assert len(read_jsonl(path)[0].text) == 5_000_000


def test_an_endless_line_is_refused_before_it_fills_the_memory() -> None:
    class Endless(io.RawIOBase):
        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size < 2**30
            return b"a" * size

    with pytest.raises(DataError, match="longer than 64 MB"):
        read_jsonl(Endless())  # pyright: ignore[reportArgumentType]


def test_ten_thousand_documents(tmp_path: Path) -> None:
    path = write(tmp_path, "d.jsonl", "".join(json.dumps({"text": f"t{n}"}) + "\n" for n in range(10_000)))
    assert [d.text for d in read_jsonl(path)] == [f"t{n}" for n in range(10_000)]


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.jsonl", "no such file"), ("folder", "This is a folder"), ("a\0b", "Cannot be read")],
)
def test_files_that_cannot_be_opened(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    for read in (read_jsonl, read_text):
        with pytest.raises(DataError, match=message):
            read(tmp_path / name)


def test_what_the_operating_system_says_becomes_a_data_error() -> None:
    with pytest.raises(DataError, match=r"^secret.txt: Cannot be read: permission denied"), reading("secret.txt"):
        raise PermissionError(13, "Permission denied")


RUN = "q1 Q0 d2 2 0.5 t\nq1 Q0 d1 1 0.9 t\nq2 Q0 d1 1 3 t\n"
CORPUS = "".join(json.dumps({"_id": f"d{n}", "title": "", "text": f"text {n}"}) + "\n" for n in range(1, 4))
QUERIES = '{"_id": "q1", "text": "one"}\n{"_id": "q2", "text": "two"}\n'


def trec(folder: Path, run: str = RUN, corpus: str = CORPUS, queries: str = QUERIES) -> tuple[Path, Path, Path]:
    return (
        write(folder, "run.trec", run),
        write(folder, "corpus.jsonl", corpus),
        write(folder, "queries.jsonl", queries),
    )


def test_trec_joins_run_corpus_and_queries(tmp_path: Path) -> None:
    (first, documents), (second, others) = read_trec(*trec(tmp_path))
    assert (first.id, first.text, second.id) == ("q1", "one", "q2")
    assert [(d.id, d.text, d.title, d.score) for d in documents] == [
        ("d1", "text 1", None, 0.9),
        ("d2", "text 2", None, 0.5),
    ]
    assert [(d.id, d.score) for d in others] == [("d1", 3.0)]


def test_trec_takes_depth_limit_and_chosen_queries(tmp_path: Path) -> None:
    files = trec(tmp_path)
    assert [len(documents) for _, documents in read_trec(*files, 1)] == [1, 1]
    assert [query.id for query, _ in read_trec(*files, limit=1)] == ["q1"]
    assert [query.id for query, _ in read_trec(*files, query_ids=["q2", "q1", "q2"])] == ["q2", "q1"]
    with pytest.raises(InputError, match=r"Query 'q9' is not in .*2 queries \('q1', 'q2', …\)"):
        read_trec(*files, query_ids=["q9"])
    with pytest.raises(InputError, match="depth is 0"):
        read_trec(*files, 0)


def test_equal_ranks_go_by_score_then_by_line(tmp_path: Path) -> None:
    path = write(tmp_path, "run.trec", "q Q0 a 0 1 t\nq Q0 b 0 2 t\nq Q0 c 0 2 t\n")
    assert [entry.document_id for entry in read_run(path)["q"]] == ["b", "c", "a"]


def test_queries_may_be_tab_separated(tmp_path: Path) -> None:
    path = write(tmp_path, "queries.tsv", "7\tone two\n8\tthree\n")
    assert {key: query.text for key, query in read_queries(path).items()} == {"7": "one two", "8": "three"}


@pytest.mark.parametrize(
    ("change", "where", "message"),
    [
        ({"run": "q1 Q0 d1 1 0.9\n"}, "run.trec:1", "5 columns"),
        ({"run": "q1 Q0 d1 first 0.9 t\n"}, "run.trec:1", "Rank 'first'"),
        ({"run": "q1 Q0 d1 1 nan t\n"}, "run.trec:1", "not a finite number"),
        ({"run": RUN + "q1 Q0 d2 3 0.1 t\n"}, "run.trec:4", "already listed for query 'q1' in line 1"),
        ({"run": ""}, "run.trec", "run is empty"),
        (
            {"run": RUN + "q2 Q0 d8 2 1 t\nq2 Q0 d9 3 1 t\n"},
            "run.trec:4",
            "'d8' is not in",
        ),
        ({"queries": '{"_id": "q1", "text": "one"}\n'}, "run.trec:3", "Query 'q2' is not in"),
        ({"queries": QUERIES + '{"_id": "q2", "text": "again"}\n'}, "queries.jsonl:3", "twice"),
        ({"queries": '{"_id": "q1", "text": " "}\n'}, "queries.jsonl:1", "has no text"),
        ({"queries": '{"text": "one"}\n'}, "queries.jsonl:1", '"_id" and "text"'),
        (
            {"corpus": CORPUS + '{"_id": "d1", "text": "other"}\n'},
            "corpus.jsonl:4",
            "'d1' appears in this corpus twice",
        ),
        ({"corpus": CORPUS + "{]\n"}, "corpus.jsonl:4", "is not JSON"),
    ],
)
def test_files_that_do_not_fit_together(tmp_path: Path, change: dict[str, str], where: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_trec(*trec(tmp_path, **change))
    assert f"{where}: " in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_document_beyond_the_depth_is_not_needed(tmp_path: Path) -> None:
    pairs = read_trec(*trec(tmp_path, run=RUN + "q2 Q0 d8 2 1 t\n"), depth=1)
    assert len(pairs) == 2


def test_markdown_passages_follow_headings() -> None:
    found = passages(MARKDOWN, title="a.md", path="docs/a.md", markup="markdown")
    assert [(p.title, p.id) for p in found] == [
        ("a.md", "docs/a.md:4"),
        ("a.md › Install", "docs/a.md:8"),
        ("a.md › Install › Linux", "docs/a.md:19"),
        ("a.md › Setext title", "docs/a.md:24"),
    ]
    assert found[1].text == "Run pip.\n\nThen import it.\n\n```sh\n# not a heading\npip install x\n```"
    assert dict(found[1].metadata) == {"path": "docs/a.md", "line": 8}


def test_underlined_headings() -> None:
    text = "=====\nTitle\n=====\n\nIntro.\n\nPart\n----\n\nBody.\n\nSub\n~~~\n\nDeep.\n\nNext\n----\n\nEnd.\n"
    found = passages(text, markup="rst")
    assert [(p.title, p.text) for p in found] == [
        ("Title", "Intro."),
        ("Title › Part", "Body."),
        ("Title › Part › Sub", "Deep."),
        ("Title › Next", "End."),
    ]


def test_a_bare_outline_is_not_lost() -> None:
    found = passages("# A\n## B\n## C\n# D\n", markup="markdown")
    assert [(p.title, p.text) for p in found] == [("A › B", "## B"), ("A › C", "## C"), ("D", "# D")]


def test_long_paragraphs_are_cut_after_sentences() -> None:
    found = passages("One sentence here. Another one there. " * 20, max_chars=100)
    assert all(p.text.endswith(".") for p in found)
    assert len({p.id for p in found}) == len(found)
    assert found[1].id == "1:96"


def test_text_without_words_has_no_passages() -> None:
    assert passages("") == []
    assert passages("\n \n-----\n***\n") == []
    with pytest.raises(InputError, match="max_chars is 0"):
        passages("a", max_chars=0)


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(alphabet=st.sampled_from("ab.# =-~`\n\r\té。"), max_size=400),
    markup=st.sampled_from(["markdown", "rst", "text"]),
    max_chars=st.integers(1, 60),
)
@example(text="#\ta\r=", markup="markdown", max_chars=1)
def test_no_word_of_the_text_is_lost(text: str, markup: str, max_chars: int) -> None:
    found = passages(text, markup=markup, max_chars=max_chars)  # pyright: ignore[reportArgumentType]
    assert all(0 < len(p.text) <= max_chars for p in found)
    assert len({p.id for p in found}) == len(found)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for passage in found:
        assert passage.text.split("\n")[0] in lines[passage.metadata["line"] - 1]
    if not text.startswith("---"):
        said = "".join(f"{p.title or ''} {p.text} " for p in found)
        assert {c for c in text if c.isalnum()} == {c for c in said if c.isalnum()}


def test_folders_are_read_in_order_without_what_is_hidden(tmp_path: Path) -> None:
    write(tmp_path, "b.md", "# B\n\nbee")
    write(tmp_path, "a/x.TXT", "ex")
    write(tmp_path, ".git/c.txt", "hidden")
    write(tmp_path, ".hidden.txt", "hidden")
    write(tmp_path, "code.py", "x = 1")
    assert [(p.title, p.text) for p in read_folder(tmp_path)] == [("b.md › B", "bee"), ("a/x.TXT", "ex")]


def test_a_folder_without_text_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "code.py", "x = 1")
    with pytest.raises(DataError, match=r"no text files in this folder; some of \.markdown, \.md, \.rst, \.txt"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_folder(tmp_path / "missing")


def test_binary_files_are_left_out_of_folders_and_refused_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, "a.txt", "text")
    binary = write(tmp_path, "b.txt", b"MZ\0\0")
    with caplog.at_level(logging.WARNING):
        assert [p.text for p in read_folder(tmp_path)] == ["text"]
    assert "b.txt: This is a binary file" in caplog.text
    with pytest.raises(DataError, match="binary file"):
        read_text(binary)


def test_bytes_that_are_not_utf8_are_replaced_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, "latin.txt", "line one\nun café au lait, s'il vous plaît".encode("latin-1"))
    with caplog.at_level(logging.WARNING):
        (passage,) = read_text(path)
    assert passage.text == "line one\nun caf\ufffd au lait, s'il vous pla\ufffdt"
    assert "latin.txt:2: 2 characters are not UTF-8" in caplog.text
    with pytest.raises(DataError, match="not text in UTF-8"):
        read_text(write(tmp_path, "noise.txt", bytes(range(128, 256))))
