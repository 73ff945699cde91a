"""The configuration's file: what it may say, and where its faults are."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge_rerank import DataError, InputError
from judge_rerank.server import ServerConfig, serve
from tests.examples import ROOT
from tests.server.running import Running, simulated

GOOD = """
rerankers:
  default: {strategy: "bm25 % 50 >> score", model: openai/gpt-4.1-mini, deadline_s: 20}
  fast:
    strategy: bm25
    aliases: [rerank-v3.5]
keys:
  app: {key: $APP_KEY, budget: "5.00", period: day, rate: 60, routes: [fast]}
limits: {documents: 100}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "server.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file(tmp_path: Path) -> None:
    config = ServerConfig.load(written(tmp_path, GOOD))
    assert config.rerankers["default"].model == ["openai/gpt-4.1-mini"]
    assert config.keys["app"].routes == ["fast"]
    assert config.path("ledgers") == tmp_path / "ledgers"


def test_the_file_of_the_docs() -> None:
    config = ServerConfig.load(ROOT / "docs" / "examples" / "server" / "server.yaml")
    assert list(config.rerankers) == ["default", "fast"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("strategy: bm25", "stratgy: bm25", "server.yaml:5: Unknown key 'stratgy'. Did you mean 'strategy'?"),
        ("strategy: bm25\n", "strategy: bm26\n", "server.yaml:5: Unknown strategy 'bm26'. Did you mean 'bm25'?"),
        ("$APP_KEY", "the-key-itself", "server.yaml:8: A key does not belong in a file."),
        ("routes: [fast]", "routes: [fats]", "server.yaml:8: There is no route 'fats'. There are: default, fast."),
        ('"5.00"', '"-1"', "server.yaml:8: budget must be"),
        ("rate: 60", "rate: many", "server.yaml:8: keys.app.rate: "),
        ("documents: 100", "documents: 0", "server.yaml:9: limits.documents: "),
        ("documents: 100", "dokuments: 100", "server.yaml:9: Unknown key 'dokuments'. Did you mean 'documents'?"),
        ("keys:", "kyes:", "server.yaml:7: Unknown key 'kyes'. Did you mean 'keys'?"),
        ("aliases: [rerank-v3.5]", "aliases: [default]", "server.yaml:6: 'default' stands for"),
        ("deadline_s: 20", "deadline_s: 0", "server.yaml:3: rerankers.default.deadline_s: "),
        ("rerankers:", "rerankers: {}\nlimits:", "server.yaml:10: 'limits' stands here twice"),
        ("  fast:", "  a fast one:", "server.yaml:4: 'a fast one' is not a name"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(DataError) as raised:
        ServerConfig.load(written(tmp_path, GOOD.replace(old, new)))
    assert message in str(raised.value)


def test_an_address_that_others_reach_needs_keys() -> None:
    config = ServerConfig.model_validate({"rerankers": {"default": {}}})
    for host in ("0.0.0.0", "192.168.1.1", "example.org", "::"):
        with pytest.raises(InputError, match="has no keys"):
            serve(config, host=host)


def test_routes_by_name_by_alias_and_by_default() -> None:
    judges = {"first": simulated(strategy="listwise"), "second": simulated(strategy="score")}
    rerankers = {"first": {"aliases": ["rerank-v3.5"]}, "second": {"aliases": ["*"]}}
    with Running(judges, rerankers=rerankers) as server:
        for model, strategy in (("first", "listwise"), ("rerank-v3.5", "listwise"), ("any", "score")):
            assert server.ask(model=model).json()["meta"]["strategy"] == strategy
    with Running({"only": simulated()}) as server:
        assert server.ask().status_code == 200
        assert server.ask(model="other").status_code == 404
