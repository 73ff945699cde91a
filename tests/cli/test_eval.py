"""`judge-rerank eval`, `data` and `prompts try`, against a provider on the loopback interface."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
import yaml
from rich.console import Console

from judge_rerank.cli.live_table import Board, board
from judge_rerank.evaluation.runner import RunProgress
from tests.cli.conftest import GRADES, Command
from tests.provider import Provider


@pytest.fixture
def experiment(provider: Provider, tmp_path: Path) -> Path:
    """Two variants on two queries over the texts, by the loopback model."""
    records = [
        {
            "query": query,
            "candidates": [
                {"id": f"d{n}", "text": text, "grade": grade} for n, (text, grade) in enumerate(GRADES.items())
            ],
        }
        for query in ("who wrote Dune?", "novel Dune")
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    price = {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}
    model = {"name": "openai/test", "api_base": f"{provider.url}/v1", "api_key": "$OPENAI_API_KEY", "price": price}
    file = tmp_path / "experiment.yaml"
    values = {
        "name": "Dune, again",
        "datasets": [{"path": "log.jsonl", "seed": 1}],
        "models": [model],
        "strategies": ["score", "listwise"],
        "budget_usd": 1,
        "fail_under": 0.9,
    }
    file.write_text(yaml.safe_dump(values))
    return file


def test_a_run_from_forecast_to_table(
    command: Command, experiment: Path, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    forecast = command("eval", experiment, "--dry-run", "-f", "json")
    cells = json.loads(forecast.out)
    assert [(cell["variant"], cell["queries"], cell["estimate"]["calls"]) for cell in cells] == [
        ("score", 2, 8),
        ("listwise", 2, 2),
    ]
    assert all(Decimal(cell["estimate"]["cost_usd"]) > 0 for cell in cells)
    assert "together" in command("eval", experiment, "--dry-run").out
    assert provider.bill.requests == 0

    ran = command("eval", experiment)
    assert (ran.code, ran.err.count("warning")) == (0, 0), ran.err
    assert "ideal" in ran.out
    assert "nDCG@10" in ran.out
    assert "The results are in runs/dune-again" in ran.err
    assert provider.bill.requests == 10
    found = [json.loads(line) for line in Path("runs/dune-again/results.jsonl").read_text().splitlines()]
    spent = sum(Decimal(line["usage"]["cost_usd"]) for line in found if line["usage"])
    assert spent == Decimal(provider.bill.microusd).scaleb(-6)

    assert command("eval", experiment).code == 2
    again = command("eval", experiment, "--resume", "--format", "json")
    assert again.code == 0
    assert provider.bill.requests == 10
    rows = {row["variant"]["name"]: row for row in json.loads(again.out)["rows"]}
    assert rows["listwise"]["metrics"] == rows["ideal"]["metrics"] == {"nDCG@10": 1.0}
    assert rows["listwise"]["usd_per_1000_queries"] > 0


def test_a_missed_limit_is_exit_code_1(command: Command, experiment: Path, tmp_path: Path) -> None:
    experiment.write_text(experiment.read_text().replace("fail_under: 0.9", "fail_under: 1.5"))
    ran = command("eval", experiment, "--output", tmp_path / "run", "--only", "list", "--limit", 1)
    assert ran.code == 1
    assert "listwise: nDCG@10 is 1.0000, below fail_under, 1.5." in ran.err


def test_a_provider_that_is_down_leaves_results_missing(
    command: Command, experiment: Path, provider: Provider, tmp_path: Path
) -> None:
    text = experiment.read_text()
    experiment.write_text(text.replace("$OPENAI_API_KEY", "$NO_SUCH_KEY"))
    ran = command("eval", experiment, "--output", tmp_path / "run")
    assert (ran.code, provider.bill.requests) == (2, 0)
    assert "$NO_SUCH_KEY, which is not set" in ran.err
    experiment.write_text(text.replace("budget_usd: 1", "budget_usd: 0.00001"))
    ran = command("eval", experiment, "--output", tmp_path / "run")
    assert (ran.code, provider.bill.requests) == (2, 0)
    assert "alone can cost up to" in ran.err


def test_errors_name_the_line(command: Command, experiment: Path) -> None:
    experiment.write_text(experiment.read_text().replace("strategies:", "strategys:"))
    ran = command("eval", experiment)
    assert ran.code == 2
    assert "Unknown key 'strategys'. Did you mean 'strategies'?" in ran.err
    assert f"{experiment}:" in ran.err
    assert command("eval").code == 2


def test_the_schema(command: Command, experiment: Path) -> None:
    jsonschema.validate(yaml.safe_load(experiment.read_text()), json.loads(command("eval", "--schema").out))


def test_the_board() -> None:
    progress = RunProgress(
        done=30, total=90, bought=20, spent_usd=Decimal("0.12"), means={"a": (10, 0.5), "score · terse": (20, 0.75)}
    )
    console = Console(file=StringIO(), width=100, record=True)
    console.print(board(progress, "nDCG@10", Decimal(2), seconds=40.0))
    text = console.export_text()
    assert "30 of 90 · $0.12 of $2.00 · 2 min 0 s left" in text
    assert text.index("score · terse") < text.index("0.5000")
    console.print(board(RunProgress(done=0, total=9, bought=0, spent_usd=Decimal(0), means={}), "AP", None, 1.0))
    assert "0 of 9 · $0 · time left unknown" in console.export_text()


def test_the_board_is_drawn_only_on_a_terminal() -> None:
    progress = RunProgress(done=1, total=2, bought=1, spent_usd=Decimal(0), means={"a": (1, 0.5)})
    for terminal in (False, True):
        file = StringIO()
        with Board("AP", None, console=Console(file=file, force_terminal=terminal, width=80)) as shown:
            shown.update(progress)
        assert ("1 of 2" in file.getvalue()) == terminal


def test_data_summary(command: Command, experiment: Path) -> None:
    ran = command("data", "summary", experiment.parent / "log.jsonl", "--min-grade", 3, "-f", "json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert (found["name"], found["queries"], found["documents"], found["candidates"]) == ("log", 2, 4, [4, 4, 4])
    assert found["grades"] == {"0": 2, "1": 2, "2": 2, "3": 2}
    assert found["no_relevant"] == 0
    assert "candidates of grade 3" in command("data", "summary", experiment.parent / "log.jsonl").out
    assert command("data", "summary", experiment.parent / "nothing").code == 2


def test_a_prompt_is_tried(command: Command, judge: list[str], documents: Path, provider: Provider) -> None:
    ran = command("prompts", "try", "score/terse", "-q", "who wrote Dune?", documents, *judge)
    assert ran.code == 0, ran.err
    assert provider.bill.requests == 1
    asked, reply, read = (ran.out.index(part) for part in ("──── user message", "──── reply (stop)", "──── read as"))
    assert asked < ran.out.index("who wrote Dune?") < ran.out.index("Sand dunes are hills") < reply < read
    assert "[1] score 0.0" in ran.out
    ran = command("prompts", "try", "listwise/terse", "-q", "who wrote Dune?", documents, "-n", 4, *judge)
    assert "[2] > [4] > [3] > [1]" in ran.out
    ran = command("prompts", "try", "pairwise/terse", "-q", "who wrote Dune?", documents, *judge)
    assert "user message, asked again (2)" in ran.out
    assert "no judgment: unreadable" in ran.out
    assert "2 calls" in ran.out
    for name in ("classify/terse", "score/nothing"):
        assert command("prompts", "try", name, "-q", "who wrote Dune?", documents, *judge).code == 2
    few = documents.with_name("few.jsonl")
    few.write_text('{"text": "alone"}\n')
    ran = command("prompts", "try", "listwise/terse", "-q", "who?", few, *judge)
    assert (ran.code, "needs 2 documents" in ran.err) == (2, True)


def test_a_bracket_that_is_not_closed_is_found(command: Command, experiment: Path) -> None:
    experiment.write_text("name: x\nstrategies: [none, bm25\nmodels: [local]\n")
    ran = command("eval", experiment)
    assert ran.code == 2
    assert f"{experiment}:3: This is not YAML" in ran.err
    assert "from line 2 on" in ran.err


def test_a_price_that_is_none(command: Command, experiment: Path) -> None:
    values = yaml.safe_load(experiment.read_text())
    values["models"][0]["price"] = "fre"
    experiment.write_text(yaml.safe_dump(values))
    ran = command("eval", experiment)
    assert ran.code == 2
    assert "models.0.price: a mapping of input_usd_per_mtok, " in ran.err


def test_a_cascade_shows_what_its_cuts_leave(command: Command, experiment: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(experiment.read_text()) | {"strategies": ["none % 2 >> listwise"], "fail_under": 0}
    experiment.write_text(yaml.safe_dump(values))
    ran = command("eval", experiment, "--output", tmp_path / "run")
    assert ran.code == 0, ran.err
    assert "nDCG@10 at best" in ran.out
    assert "none % 2" in ran.out
    assert "With 2 queries no difference can be distinguished from chance" in ran.err
