"""Names of strategies: of this package, of a caller's own, and of other packages; and what may go wrong with them."""

import copy
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Optional

import pytest

from judge_rerank import InputError, Judge, SetupError, UnknownName
from judge_rerank.cli import run
from judge_rerank.core import Candidates, Ordering, Plan, Query, Registry, Strategy, spec_of
from judge_rerank.core.registry import Addition
from judge_rerank.strategies import STRATEGIES, VALUES, Composable, condition, parse, scorer, strategy, strategy_names
from judge_rerank.testing import FakeBackend


@pytest.fixture(autouse=True)
def forgotten(tmp_path: Path) -> Iterator[None]:
    """What a test registers or imports from its own folder is forgotten after it."""
    registries = (STRATEGIES, VALUES)
    # A module registers what it has once in a process, so what is built in must not be forgotten.
    for registry in registries:
        for name in registry.names():
            registry.get(name)
    before = [{name: copy.copy(value) for name, value in vars(registry).items()} for registry in registries]
    yield
    for registry, state in zip(registries, before, strict=True):
        vars(registry).update(state)
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in (getattr(module, "__file__", None) or ""):
            del sys.modules[name]


def kept(candidates: Candidates) -> Ordering:
    return Ordering(order=tuple(candidate.index for candidate in candidates))


def test_a_class_of_ones_own() -> None:
    """Without `from __future__ import annotations` in this module: the types are types, not text."""

    @strategy("backwards")
    @dataclasses.dataclass(frozen=True)
    class Backwards(Composable):
        steps: int = 1
        share: float = 0.5
        how: Literal["all", "some"] = "all"
        title: Optional[str] = None  # noqa: UP045
        inner: Strategy | None = None

        def plan(self, query: Query, candidates: Candidates) -> Plan:
            yield from ()
            return Ordering(order=tuple(reversed([c.index for c in candidates])))

    made = parse("backwards(steps=3, share=1, how='some', title='t', inner=bm25 % 5)")
    assert made == Backwards(steps=3, share=1.0, how="some", title="t", inner=parse("bm25 % 5"))
    assert spec_of(made) == "backwards(steps=3, share=1.0, how='some', title='t', inner=bm25 % 5)"
    assert Judge(FakeBackend("")).rerank("q", ["a", "b", "c"], "none % 2 >> backwards").order == (1, 0, 2)
    assert "backwards" in strategy_names()
    for text, message in {
        "backwards(steps='3')": "is str; expected int",
        "backwards(how='none')": "takes 'all', 'some'",
        "backwards(title=3)": r"expected str \| None",
        "backwards(step=3)": "Did you mean 'steps'",
    }.items():
        with pytest.raises(InputError, match=message):
            parse(text)


def test_a_plain_class_gets_a_name_and_a_spec_string() -> None:
    @strategy("plain")
    class Plain:
        def __init__(self, steps: int, *, word: str = "x") -> None:
            self.steps, self.word = steps, word

        def plan(self, query: Query, candidates: Candidates) -> Plan:
            yield from ()
            return kept(candidates)

    made = parse("plain(3, word='y')")
    assert (made.name, spec_of(made)) == ("plain", "plain(steps=3, word='y')")
    assert Judge(FakeBackend("")).rerank("q", ["a", "b"], "plain(3) % 1").strategy == "plain(steps=3) % 1"
    with pytest.raises(InputError, match="needs steps"):
        parse("plain")


def test_a_condition_of_ones_own() -> None:
    @condition("long-query")
    @dataclasses.dataclass(frozen=True)
    class LongQuery:
        words: int = 5

        def __call__(self, query: Query, candidates: Candidates) -> bool:
            return len(query.text.split()) >= self.words

        def __str__(self) -> str:
            return f"a query of {self.words} words"

    made = parse("none >> stage(bm25, when=long-query(words=3))")
    assert spec_of(made) == "none >> stage(bm25, when=long-query(words=3))"
    ranking = Judge(FakeBackend("")).rerank("two words", ["a", "b"], made)
    assert ranking.notes == ("bm25 was skipped, because not a query of 3 words",)


@pytest.mark.parametrize("register", [strategy, scorer])
@pytest.mark.parametrize("name", ["bm25", "score", "auto", "stage"])
def test_a_name_that_is_taken(register: Callable[[str], Callable[[type], type]], name: str) -> None:
    with pytest.raises(InputError, match=rf"'{name}' is registered twice: by a strategy of judge_rerank.* of tests"):
        register(name)(type("Other", (Composable,), {"__module__": __name__}))


@pytest.mark.parametrize("name", ["", "Big", "a b", "a__b", "a-", "3d", 5])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(InputError, match="is not a name for a strategy"):
        strategy(name)


def test_a_module_that_is_loaded_again_registers_the_same() -> None:
    for _ in range(2):
        strategy("again")(type("Again", (Composable,), {"__module__": __name__}))


MERGE = """
from dataclasses import dataclass
from judge_rerank.core import Ordering
from judge_rerank.strategies import Composable, strategy

@strategy("{name}")
@dataclass(frozen=True)
class Merge(Composable):
    steps: int = 1

    def plan(self, query, candidates):
        yield from ()
        return Ordering(order=tuple(reversed([c.index for c in candidates])))
"""


def installed(
    folder: Path, dist: str, source: str, entries: Mapping[str, str], group: str = "judge_rerank.strategies"
) -> None:
    """A distribution as pip leaves it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{dist}.py").write_text(source)
    info = folder / f"{dist}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    STRATEGIES.forget()
    return folder


def brought() -> tuple[Addition, ...]:
    """What other packages bring; tests that ran in this process before may have registered strategies of their own."""
    return tuple(each for each in STRATEGIES.additions() if not each.origin.startswith("tests."))


def test_other_packages_bring_strategies(site: Path) -> None:
    installed(site, "mergers", MERGE.format(name="merge"), {"merge": "mergers:Merge"})
    assert "merge" in strategy_names()
    assert "mergers" not in sys.modules
    assert Judge(FakeBackend("")).rerank("q", ["a", "b"], "merge(steps=2)").order == (1, 0)
    assert spec_of(parse("merge(steps=2) % 3")) == "merge(steps=2) % 3"
    assert brought() == (
        Addition(kind="strategy", name="merge", origin="the distribution mergers 1.0 (mergers:Merge)"),
    )


def test_a_class_without_the_decorator_and_a_module_do_as_well(site: Path) -> None:
    undecorated = MERGE.replace('@strategy("{name}")\n', "")
    installed(site, "bare", undecorated, {"bare-merge": "bare:Merge"}, "judge_rerank.scorers")
    installed(site, "whole", MERGE.format(name="whole-merge"), {"whole-merge": "whole"})
    assert spec_of(parse("bare-merge(steps=2)")) == "bare-merge(steps=2)"
    assert spec_of(parse("whole-merge")) == "whole-merge"


def test_what_is_broken_is_named_and_breaks_nothing_else(site: Path) -> None:
    installed(site, "broken", "import nothing_of_this_name", {"broken": "broken:Merge"})
    installed(site, "bad", "1 / 0", {"bad": "bad:Merge"})
    installed(site, "empty", "", {"empty": "empty"})
    installed(site, "good", MERGE.format(name="good"), {"good": "good:Merge"})
    assert parse("good % 3 >> score")
    with pytest.raises(SetupError, match=r"'broken' of the distribution broken 1.0 .*nothing_of_this_name"):
        parse("broken")
    with pytest.raises(SetupError, match=r"'bad' of the distribution bad 1.0 .* ZeroDivisionError"):
        parse("bad")
    with pytest.raises(SetupError, match=r"empty 1.0 \(empty\) registers none"):
        parse("empty")
    assert {each.name: bool(each.problem) for each in brought()} == {
        "bad": True, "broken": True, "empty": True, "good": False,
    }  # fmt: skip


def test_a_name_that_two_packages_bring(site: Path) -> None:
    installed(site, "one", MERGE.format(name="merge"), {"merge": "one:Merge", "score": "one:Merge"})
    installed(site, "two", MERGE.format(name="merge"), {"merge": "two:Merge"})
    with pytest.raises(InputError, match=r"'merge' is registered twice: .* (one|two) 1.0.* (one|two) 1.0"):
        parse("merge")
    with pytest.raises(InputError, match=r"'score' is registered twice: .*judge_rerank.strategies.score.* one 1.0"):
        parse("bm25 % 5 >> score")
    assert parse("bm25 % 5 >> listwise")
    assert all("registered twice" in each.problem for each in brought())


def test_modules_that_the_environment_names(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (site / "plugged.py").write_text(MERGE.format(name="plugged"))
    (tmp_path / "own file.py").write_text(MERGE.format(name="from-file"))
    (tmp_path / "docs.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("JUDGE_RERANK_PLUGINS", f"plugged, {tmp_path / 'own file.py'}")
    arguments = ["rerank", "--query", "q", str(tmp_path / "docs.jsonl"), "--format", "jsonl", "-s"]
    for name in ("plugged", "from-file(steps=2) % 2"):
        assert run([*arguments, name]) == 0
        assert [json.loads(line)["index"] for line in capsys.readouterr().out.splitlines()] == [1, 0]
    monkeypatch.setenv("JUDGE_RERANK_PLUGINS", "no_such_module")
    assert run([*arguments, "bm25"]) == 2
    assert "JUDGE_RERANK_PLUGINS names 'no_such_module', which cannot be imported" in capsys.readouterr().err
    assert run(["doctor"]) == 0
    assert "plugin no_such_module, from JUDGE_RERANK_PLUGINS: ModuleNotFound" in capsys.readouterr().out
    with pytest.raises(SetupError):
        parse("score")


def test_a_registry_of_another_kind() -> None:
    shapes: Registry[type] = Registry("shape", decorators=("shape",))

    @shapes.register("round")
    class Round:
        pass

    assert shapes.get("round") is Round
    assert shapes.name_of(Round) == "round"
    assert shapes.names() == ("round",)
    with pytest.raises(UnknownName, match=r"Unknown shape 'rund'\. Did you mean 'round'"):
        shapes.get("rund")
