"""Every example of the README runs: Python against a provider on loopback, commands as a user would type them."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from judge_rerank.cli import run
from tests.provider import Provider, QrelsJudge

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ (.+)$", README, re.MULTILINE)

DOCS = {"Dune is a film of 1984.": 1, "Frank Herbert wrote Dune.": 3, "A dune is a hill of sand.": 0}
NOTES = {"A flea can live for a year.": 3, "Dogs bark.": 0}
STRICT = """---
task: score
name: strict
description: An example.
version: 1
---
user:
Rate how well the document answers: {{ query }}
{% for document in documents %}
[{{ document.id }}] {{ document.text }}
{% endfor %}
{{ reply_format }}
"""


EXPERIMENT = """name: first
datasets: [{path: log.jsonl}]
models: [openai/gpt-4.1-mini]
prompts: {score: [terse, my_prompts/score/strict.j2]}
strategies: [score, listwise]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files that the README names, and a provider where it says openai."""
    (tmp_path / "docs.jsonl").write_text("".join(f'{{"text": "{text}"}}\n' for text in DOCS))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "fleas.md").write_text("# Fleas\n\nA flea can live for a year.\n\n# Dogs\n\nDogs bark.\n")
    (tmp_path / "corpus.jsonl").write_text("".join(f'{{"_id": "d{i}", "text": "{t}"}}\n' for i, t in enumerate(DOCS)))
    asked = {"q1": "who wrote Dune?", "q2": "author of Dune"}
    places = [(query, i) for query in asked for i in range(3)]
    (tmp_path / "queries.jsonl").write_text("".join(f'{{"_id": "{q}", "text": "{t}"}}\n' for q, t in asked.items()))
    (tmp_path / "bm25.trec").write_text("".join(f"{q} Q0 d{i} {i + 1} {9 - i} bm25\n" for q, i in places))
    (tmp_path / "qrels.tsv").write_text("".join(f"{q} 0 d{i} {list(DOCS.values())[i]}\n" for q, i in places))
    candidates = ", ".join(f'{{"text": "{text}", "clicks": {clicks}}}' for text, clicks in DOCS.items())
    (tmp_path / "log.jsonl").write_text(f'{{"query": "who wrote Dune?", "candidates": [{candidates}]}}\n')
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    (tmp_path / "collection").mkdir()
    with (tmp_path / "collection" / "log.jsonl").open("w") as log:
        for number in range(12):
            graded = [{"id": f"d{number}-{i}", "text": t, "grade": min(g, 1)} for i, (t, g) in enumerate(DOCS.items())]
            log.write(
                json.dumps({"id": f"q{number}", "query": f"who wrote Dune, {number}?", "candidates": graded}) + "\n"
            )
    (tmp_path / "my_prompts" / "score").mkdir(parents=True)
    (tmp_path / "my_prompts" / "score" / "strict.j2").write_text(STRICT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-loopback")
    monkeypatch.setenv("JUDGE_RERANK_MODEL", "openai/gpt-4.1-mini")
    with Provider(QrelsJudge(DOCS | NOTES)) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{provider.url}/v1")
        monkeypatch.setenv("OPENAI_API_BASE", f"{provider.url}/v1")
        yield tmp_path


@pytest.mark.parametrize("source", PYTHON, ids=range(len(PYTHON)))
@pytest.mark.usefixtures("place")
def test_python_examples(source: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(source, "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out or "print" not in source


def test_commands(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(COMMANDS) > 10
    for command in COMMANDS:
        if "|" in command:  # as the shell runs it; the others in this process, which is quicker
            script = shlex.quote(str(Path(sys.executable).with_name("judge-rerank")))
            line = re.sub(r"\bjudge-rerank\b", script, command)
            done = subprocess.run(line, shell=True, cwd=place, capture_output=True, text=True, timeout=600, check=False)
            code, out, err = done.returncode, done.stdout, done.stderr
        else:
            code = run(shlex.split(command)[1:])
            out, err = capsys.readouterr()
        assert code == 0, f"{command}\n{out}\n{err}"
        assert out.strip(), command
        assert "Traceback" not in err
