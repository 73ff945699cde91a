"""YAML is read within bounds: what would take minutes or gigabytes is an error within a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge_rerank.core import DataError, PromptError
from judge_rerank.evaluation import Experiment
from judge_rerank.prompting.front_matter import parse
from judge_rerank.readers import Located, NotYaml, parse_yaml
from judge_rerank.readers.yaml_source import MOST_BYTES
from judge_rerank.routing import Routes, Rules
from judge_rerank.spending.pricing import read_prices
from tests.timing import soon

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3000))

HOSTILE = {
    "aliases": (LAUGHS, "with what aliases stand for"),
    "merge keys": (MERGES, "with what aliases stand for"),
    "a chain of aliases": (CHAIN, "not YAML|with what aliases stand for"),
    "brackets": ("a: " + "[" * 100_000, "nested too deeply"),
    "braces": ("{a: " * 10_000, "nested too deeply"),
    "dashes": ("- " * 10_000, "nested too deeply"),
    "question marks": ("? " * 10_000, "nested too deeply"),
    "indentation": "".join(f"{' ' * n}a:\n" for n in range(600)),
    "many values": ("- a\n" * 60_000, "more than 10,000 values"),
    "many flow values": ("[" + "a," * 100_000 + "]", "more than 10,000 values"),
    "many keys": ("".join(f"k{n}: 1\n" for n in range(20_000)), "more than 10,000 values"),
    "itself": ("a: &a [*a]", "refers to the value that contains it"),
    "itself by a merge key": ("a: &a\n  <<: *a\n", "refers to the value that contains it"),
    "size": ("a: " + "x" * MOST_BYTES, "larger than 256 KB"),
    "a long number": ("a: " + "9" * 200_000, "a number of 200,000 digits"),
    "a number in sixties": ("a: 1" + ":1" * 100_000, "a number of 200,001 digits"),
    "a key that is a list": ("? [a]\n: b", "A key is a list"),
    "a date that is none": ("a: 2024-13-45", "not YAML"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_little_text_could_make_much_of_is_refused_at_once(case: str, tmp_path: Path) -> None:
    given = HOSTILE[case]
    text, message = given if isinstance(given, tuple) else (given, "nested too deeply")
    path = tmp_path / "hostile.yaml"
    path.write_text(text)
    for read in (Experiment.load, Rules.load, Routes.load, read_prices):
        with soon(), pytest.raises(DataError, match=message):
            read(path)
    if len(text) < 200_000:
        front = f"---\ntask: score\n{text}\n---\nuser:\n"
        with pytest.raises(PromptError):
            parse(front, path=path, tasks=["score"])


def test_what_is_read_knows_its_lines() -> None:
    tree = parse_yaml("common: &c {depth: 5}\nsets:\n- {<<: *c, name: x}\n- name: y\n", first_line=11)
    assert tree.value["sets"][0] == {"depth": 5, "name": "x"}
    assert [tree.line(place) for place in ([], ["sets"], ["sets", 1, "name"], ["sets", 0, "other"])] == [11, 12, 14, 13]
    assert parse_yaml("").value is None


def test_templates_do_not_refer_to_themselves() -> None:
    with pytest.raises(NotYaml, match="refers to an earlier part of itself"):
        parse_yaml("a: &a 1\nb: *a", aliases=False)


def test_a_file_that_is_no_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(DataError, match=r"a.yaml:2: This is not UTF-8 text"):
        Located(tmp_path / "a.yaml")
