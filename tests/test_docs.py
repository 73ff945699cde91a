"""README and docs run as they stand: Python and commands from the root, with a provider on loopback as the model."""

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from judge_rerank.cli import run
from judge_rerank.core import ModelUnavailable
from judge_rerank.models import find_model
from tests.examples import (
    LANGUAGES,
    PAGES,
    ROOT,
    Example,
    blocks,
    commands,
    name_of,
    python_examples,
    save_files,
    without_figures,
)

README = ROOT / "README.md"
NOT_RUN = {
    "README.md needs the network": 3,
    "before-the-judge.md needs files of your own": 3,
    "before-the-judge.md needs the network": 2,
    "bulk.md needs a Ray cluster": 2,
    "how-to/chat-interfaces.md needs a terminal of its own": 2,
    "how-to/chat-interfaces.md needs the server of the line above": 1,
    "how-to/distil.md needs files of your own": 3,
    "index.md needs the network": 2,
    "integrations.md needs mem0ai": 1,
    "languages.md needs the network": 1,
    "models.md needs the model that the line above downloads": 1,
    "models.md needs the network": 3,
    "server.md needs a terminal of its own": 2,
    "tutorial.md needs the network": 3,
}
"""How many examples of which page are shown and not run, and what the page gives as the reason."""


def in_shell(command: str, root: Path) -> tuple[int, str, str]:
    """A command as a shell runs it."""
    script = shlex.quote(str(Path(sys.executable).with_name("judge-rerank")))
    line = re.sub(r"\bjudge-rerank\b", script, command)
    line = re.sub(r"^python\b", shlex.quote(sys.executable), line)
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, shell=True, cwd=root, env=env, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python(page: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_files(page, root)
    for example in python_examples(page):
        if example.needs is not None:
            continue
        if example.file is not None:
            (root / example.file).write_text(example.source, encoding="utf-8")
            continue
        exec(compile(example.source, page.name, "exec"), {"__name__": "example"})
        out = capsys.readouterr().out
        assert out or "print" not in example.source, example.source
        if example.shown is not None:
            assert without_figures(out) == without_figures(example.shown)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands(page: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_files(page, root)
    for example in commands(page):
        if example.needs is not None or lacks_a_model(example):
            continue
        if re.search(r"[|]|^(?!judge-rerank )", example.source):
            code, out, err = in_shell(example.source, root)
        else:  # in this process, which is quicker
            code = run(shlex.split(example.source)[1:])
            out, err = capsys.readouterr()
        assert code == 0, f"{example.source}\n{out}\n{err}"
        assert (out + err).strip(), example.source
        assert "Traceback" not in err
        if example.shown is not None:
            assert without_figures(out) == without_figures(example.shown)


def lacks_a_model(example: Example) -> bool:
    """Whether an example uses the bi-encoder, and it has not been downloaded; `make test` downloads it."""
    if "embedding %" not in example.source:
        return False
    try:
        find_model("all-minilm-l6-v2")
    except ModelUnavailable:
        return True
    return False


def test_every_block_is_of_a_known_language_and_every_command_is_in_one() -> None:
    for page in PAGES:
        assert {block.language for block in blocks(page)} <= LANGUAGES, page.name
        for block in blocks(page):
            if block.language == "console":
                assert block.text.startswith("$ "), f"{page.name}: {block.text}"


def test_what_is_not_run_is_counted() -> None:
    found = Counter(
        f"{name_of(page)} {example.needs.partition(':')[0]}"
        for page in PAGES
        for example in (*commands(page), *python_examples(page))
        if example.needs is not None
    )
    assert dict(sorted(found.items())) == NOT_RUN
    run_here = sum(example.needs is None for page in PAGES for example in commands(page))
    assert run_here > 40


def test_files_and_links_that_a_page_names_exist() -> None:
    for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
        for named in re.findall(r"`(?:python )?((?:eval|docs|tests)/[\w/.-]+\.\w+)", text):
            assert (ROOT / named).exists(), f"{page.name}: {named}"


def test_yaml_and_prompts_that_a_page_shows_are_those_of_the_examples() -> None:
    shown = {
        "evaluation.md": ("yaml", ["experiment.yaml"]),
        "prompts.md": ("jinja", ["prompts/score/strict.j2", "prompts/score/workshop.j2"]),
        "server.md": ("yaml", ["server/server.yaml"]),
    }
    for name, (language, files) in shown.items():
        texts = [block.text for block in blocks(ROOT / "docs" / name) if block.language == language]
        for text, file in zip(texts, files, strict=True):
            assert text in (ROOT / "docs" / "examples" / file).read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 9_000


def test_the_rows_on_other_rerankers_are_those_of_the_results() -> None:
    head, *rows = table_rows(README, "| | nDCG@10, σ=1 |")
    full_head, *full_rows = table_rows(ROOT / "eval" / "results" / "peers.md", "| | nDCG@10, σ=1 |")
    columns = {name: place for place, name in reversed(list(enumerate(full_head)))}
    columns["never judged"] = len(full_head) - 1
    full = {row[0]: row for row in full_rows}
    assert len(rows) >= 9
    for row in rows:
        assert row[1:] == [full[row[0]][columns[name]] for name in head[1:]], row[0]


def table_rows(page: Path, beginning: str) -> list[list[str]]:
    """The cells of a table, its head first, without the line below the head."""
    table = page.read_text(encoding="utf-8").partition(beginning)[2].partition("\n\n")[0]
    lines = [line for line in (beginning + table).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
