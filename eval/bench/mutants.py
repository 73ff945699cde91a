"""Whether the tests notice when the code is wrong: mutants of the rooms that promises rest on.

    python eval/bench/mutants.py [--sample 40] [--minutes 60] [--workers 2] [--seed 0] [--rooms cache] [--again]

A mutant is the package with one operator, number or keyword changed, by cosmic-ray. A seeded sample of places is drawn
in each room, one change at each, and every mutant is judged by the tests that run the changed line, those of its own
room first. Works on copies of the project, never on the files here. The first run, without a mutant, finds out which
test runs which line, and has to pass. Writes eval/results/mutants.md, where each survivor stands with a sentence from
mutants_judged.yaml, and ends with 1 where a room has less than nine in ten noticed, equivalent ones aside. With --again
only what was not noticed the last time is judged, for whoever writes a test for it.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import json
import multiprocessing
import os
import random
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, zip_longest
from pathlib import Path

import yaml
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.ast.ast_query import ASTQuery
from cosmic_ray.mutating import mutate_and_test, mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.work_item import MutationSpec, TestOutcome
from coverage import CoverageData

HOME = Path(__file__).parents[2]
RESULTS = HOME / "eval" / "results" / "mutants.md"
JUDGED = Path(__file__).with_name("mutants_judged.yaml")
ROOMS = {
    "spending": ("tests/spending", "tests/engine/test_spend.py", "tests/engine/test_bounds.py"),
    "cache": ("tests/cache", "tests/engine/test_caching.py"),
    "prompting/replies": ("tests/prompting",),
    "engine": (
        *("tests/engine", "tests/scorers/test_scoring.py"),
        *("tests/strategies/test_through_the_judge.py", "tests/strategies/test_api.py"),
    ),
    "strategies": ("tests/strategies",),
}
"""The rooms, and the tests that cover each: its own first."""
GOAL = 0.9
MOST_S = 40
"""Seconds of tests for a mutant: those that nothing quick notices do not get the slowest tests as well."""
NOTICED = frozenset({"killed", "timed out"})
LAST = HOME / "runs" / "mutants.json"
"""What became of each mutant the last time."""
QUICK = ("-m", "not slow", "-p", "no:cacheprovider")
SHOWN_IF_S = 0.02
"""Tests that take less count as taking nothing."""
# Whether `is` or `==` is asked of the same small thing is no change that a user could see.
SAME = re.compile(r"_(Eq_Is|Is_Eq|NotEq_IsNot|IsNot_NotEq)$")
_TIME = re.compile(r"^([\d.]+)s (?:setup|call|teardown) +(\S.*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """One change of one file.

    Attributes:
        room: the folder that holds it.
        spec: the change, as cosmic-ray names it.
        name: the change for people: file, function, old and new text. It outlives a change elsewhere in the file.
        lines: that it touches; none where they run on import, whoever imports first.
    """

    room: str
    spec: MutationSpec
    name: str
    lines: range


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What a run of all tests without a mutant showed.

    Attributes:
        tests: for each file and line, the tests that run it.
        seconds: what each test takes.
    """

    tests: dict[str, dict[int, set[str]]]
    seconds: dict[str, float]

    def covering(self, mutant: Mutant) -> list[str]:
        """The tests to judge a mutant by: the room's own first, and the quick ones among them.

        A line that runs on import is run by every test that runs anything of its file.
        """
        lines = self.tests.get(str(mutant.spec.module_path), {})
        found = {test for line in mutant.lines for test in lines.get(line, ())} - {""}
        found = found or {test for tests in lines.values() for test in tests} - {""}
        own, *_ = places = ROOMS[mutant.room]
        beside = sorted(test for test in found if test.startswith(places))
        in_turn = sorted(beside, key=lambda test: (not test.startswith(own), self.seconds.get(test, 0.0)))
        ends = accumulate(self.seconds.get(test, 0.0) for test in in_turn)
        return [test for test, end in zip(in_turn, ends, strict=True) if end <= MOST_S]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=40, metavar="N", help="mutants drawn in each room")
    parser.add_argument("--minutes", type=float, default=60, help="begin no mutant after so long")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rooms", nargs="*", choices=ROOMS, default=list(ROOMS))
    parser.add_argument("--again", action="store_true", help="judge only what was not noticed the last time")
    arguments = parser.parse_args()
    deadline = time.monotonic() + 60 * arguments.minutes
    drawn = {room: sample(room, arguments.sample, arguments.seed) for room in arguments.rooms}
    last = json.loads(LAST.read_text()) if arguments.again and LAST.is_file() else {}
    turns = [mutant for turn in zip_longest(*drawn.values()) for mutant in turn if mutant is not None]
    ends = dict.fromkeys((mutant.name for mutant in turns), "not run") | last
    known = verdicts()
    left = [mutant for mutant in turns if ends[mutant.name] not in NOTICED and not equivalent(mutant, ends, known)]
    for mutant, end in run(left, arguments.rooms, arguments.workers, deadline) if left else ():
        ends[mutant.name] = end
        LAST.parent.mkdir(exist_ok=True)
        LAST.write_text(json.dumps(ends, indent=1, ensure_ascii=False), encoding="utf-8")
    RESULTS.write_text(table(drawn, ends, arguments.seed), encoding="utf-8")
    print(f"\n{RESULTS.relative_to(HOME)}")
    return 0 if all(share(found, ends) >= GOAL for found in drawn.values()) else 1


# Drawing


def sample(room: str, size: int, seed: int) -> list[Mutant]:
    """Mutants of a room, drawn by place first, so that an operator with many variants weighs no more than others.

    What is drawn hangs on the seed and on the text of the place, so that work elsewhere does not change the sample.
    """
    places: dict[str, list[tuple[MutationSpec, str]]] = defaultdict(list)
    for path in sorted((HOME / "judge_rerank" / room).rglob("*.py")):
        file, source = path.relative_to(HOME), path.read_text(encoding="utf-8")
        lines = source.splitlines()
        for spec in changes(file, source):
            line, column = spec.start_pos
            places[f"{seed} {file} {spec.definition_name} {lines[line - 1]} {column}"].append((spec, source))
    drawn: dict[str, Mutant] = {}
    for place in sorted(places, key=lambda place: hashlib.sha256(place.encode()).digest()):
        if len(drawn) == size:
            break
        spec, source = random.Random(place).choice(places[place])
        changed = made(source, spec)
        if changed is not None and differs(source, changed):
            found = mutant(room, spec, source, changed)
            drawn[found.name] = found
    return list(drawn.values())


def made(source: str, spec: MutationSpec) -> str | None:
    """The changed source; None where cosmic-ray cannot make the change."""
    try:
        return mutate_code(source, get_operator(spec.operator_name)(), spec.occurrence)
    except AttributeError:  # an exception with a dotted name is more than its replacer knows
        return None


def changes(file: Path, source: str) -> Iterator[MutationSpec]:
    """Every change that cosmic-ray can make to a file."""
    nodes = list(ast_nodes(get_ast(source)))
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments() or SAME.search(name):
            continue
        found = [(node, place) for node in nodes for place in operator().mutation_positions(node)]
        for occurrence, (node, (start, end)) in enumerate(found):
            if start < end:
                yield MutationSpec(
                    module_path=file,
                    operator_name=name,
                    occurrence=occurrence,
                    start_pos=start,
                    end_pos=end,
                    definition_name=ASTQuery(node).get_definition_name(),
                )


def mutant(room: str, spec: MutationSpec, source: str, changed: str) -> Mutant:
    """The change with its name: the lines that differ, as they were and as they are."""
    diff = list(difflib.ndiff(source.splitlines(), changed.splitlines()))
    old, new = (" ".join(" ".join(line[2:] for line in diff if line[0] == sign).split()) for sign in "-+")
    file = spec.module_path.relative_to("judge_rerank")
    name = f"{file} {spec.definition_name or 'at the top'}: `{old}` → `{new or 'nothing'}`"
    lines = range(spec.start_pos[0], spec.end_pos[0] + 1)
    return Mutant(room=room, spec=spec, name=name, lines=lines if in_a_function(source, lines.start) else range(0))


def in_a_function(source: str, line: int) -> bool:
    """Whether a line runs when a function is called, and not on import."""
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return any(node.body[0].lineno <= line <= (node.end_lineno or 0) for node in functions)


def differs(source: str, changed: str) -> bool:
    """Whether a change is one of what runs: code that compiles, and differs in more than types and house rules."""
    try:
        return ast.dump(_Behaviour().visit(ast.parse(source))) != ast.dump(_Behaviour().visit(ast.parse(changed)))
    except SyntaxError:
        return False


class _Behaviour(ast.NodeTransformer):
    """Leaves out types, which are strings that nobody evaluates, and rules that hold wherever the code is right.

    Such rules are the flags of dataclasses (frozen, keyword-only), and that what is zipped has one length.
    """

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id in {"dataclass", "zip"}:
            node.keywords = []
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant("")
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


# Running


def run(turns: Sequence[Mutant], rooms: Sequence[str], workers: int, deadline: float) -> Iterator[tuple[Mutant, str]]:
    """What becomes of each mutant, told as it is known."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        baseline, *copies = [copied(Path(folder) / str(number)) for number in range(workers + 1)]
        known = measured(baseline, rooms, workers)
        folders = multiprocessing.Manager().Queue()
        for copy in copies:
            folders.put(copy)
        jobs = [(mutant, known.covering(mutant), known.seconds, deadline) for mutant in turns]
        with ProcessPoolExecutor(workers, initializer=moved_into, initargs=(folders,)) as pool:
            for number, (mutant, end) in enumerate(zip(turns, pool.map(judged, jobs), strict=True), start=1):
                print(f"{time.strftime('%H:%M:%S')} {number}/{len(turns)} {end:9} {mutant.name}", flush=True)
                yield mutant, end


def copied(folder: Path) -> Path:
    """A copy of what git knows of the project, changes of today included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=HOME, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (HOME / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(HOME / name, folder / name)
    return folder


def measured(folder: Path, rooms: Iterable[str], workers: int) -> Baseline:
    """Which test runs which line, and how long each takes.

    Raises:
        SystemExit: the tests fail as it is.
    """
    print("without a mutant, for what each test runs …", flush=True)
    tests = dict.fromkeys(name for room in rooms for name in ROOMS[room])
    options = (*QUICK, "--cov=judge_rerank", "--cov-context=test", "--cov-report=", "--durations=0", "-vv")
    shown = f"--durations-min={SHOWN_IF_S}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, shown, f"-n{workers}", *tests],
        cwd=folder, env=os.environ | environment(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"The tests fail without any mutant:\n{done.stdout[-4000:]}")
    seconds: dict[str, float] = defaultdict(float)
    for taken, test in _TIME.findall(done.stdout):
        seconds[test] += float(taken)
    data = CoverageData(folder / ".coverage")
    data.read()
    return Baseline(
        tests={
            str(Path(file).relative_to(folder)): {
                line: {context.rpartition("|")[0] for context in contexts}
                for line, contexts in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        },
        seconds=dict(seconds),
    )


def environment(folder: Path) -> dict[str, str]:
    """Imports come from the copy; Hypothesis draws the same examples for every mutant, and keeps none."""
    return {"PYTHONPATH": str(folder), "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def moved_into(folders: multiprocessing.Queue[Path]) -> None:
    """A worker works in a copy of its own."""
    folder = folders.get()
    os.chdir(folder)
    os.environ.update(environment(folder))


def judged(job: tuple[Mutant, list[str], dict[str, float], float]) -> str:
    """What became of one mutant: "killed", "survived", "timed out", or "not run" for want of time."""
    mutant, tests, seconds, deadline = job
    if time.monotonic() > deadline:
        return "not run"
    if not tests:
        return "survived"
    Path("tests.txt").write_text("\n".join(tests), encoding="utf-8")
    timeout_s = 60 + 5 * sum(seconds.get(test, 0.0) for test in tests)
    command = [sys.executable, "-m", "pytest", "-x", *QUICK, "@tests.txt"]
    result = mutate_and_test([mutant.spec], shlex.join(command), timeout_s)
    if result.test_outcome is TestOutcome.SURVIVED:
        return "survived"
    if result.test_outcome is TestOutcome.INCOMPETENT or result.test_outcome is None:
        raise RuntimeError(f"{mutant.name}: {result.output}")
    return "timed out" if result.output == "timeout" else "killed"


# Telling


def verdicts() -> dict[str, str]:
    """What somebody found out about survivors: a sentence each, by name."""
    return yaml.safe_load(JUDGED.read_text(encoding="utf-8")) or {} if JUDGED.is_file() else {}


def share(found: Sequence[Mutant], ends: dict[str, str]) -> float:
    """How many of the mutants that were run were noticed, of those that anything could notice."""
    known = verdicts()
    run = [m for m in found if ends[m.name] != "not run" and not equivalent(m, ends, known)]
    return sum(ends[m.name] in NOTICED for m in run) / len(run) if run else 1.0


def equivalent(mutant: Mutant, ends: dict[str, str], known: dict[str, str]) -> bool:
    """Whether a survivor was found to change nothing."""
    return ends[mutant.name] == "survived" and known.get(mutant.name, "").startswith("Equivalent")


def table(drawn: dict[str, list[Mutant]], ends: dict[str, str], seed: int) -> str:
    """The page: a line for each room, then the survivors."""
    known = verdicts()
    lines = [
        "# Do the tests notice when the code is wrong?",
        "",
        f"`make mutants`, seed {seed}: a random sample of changes in each room, each judged by the tests that run the",
        "changed line. A change is noticed where a test fails, or never ends. An equivalent survivor changes nothing",
        "that a promise covers.",
        "",
        "| room | drawn | killed | timed out | survived | not run | noticed | equivalent | noticed of the others |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for room, found in drawn.items():
        killed, late, survived, unrun = (
            sum(ends[m.name] == end for m in found) for end in ("killed", "timed out", "survived", "not run")
        )
        noticed = (killed + late) / max(1, len(found) - unrun)
        same = sum(equivalent(m, ends, known) for m in found)
        figures = f"{len(found)} | {killed} | {late} | {survived} | {unrun} | {noticed:.0%} | {same}"
        lines.append(f"| {room} | {figures} | {share(found, ends):.0%} |")
    survivors = [m for found in drawn.values() for m in found if ends[m.name] == "survived"]
    lines += ["", "## Survivors", ""]
    lines += [f"- {m.name}\n  {known.get(m.name, 'Not looked at yet.')}" for m in survivors] or ["None."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
