"""Other LLM rerankers and this one, on the same judge.

    python eval/bench/peers.py --install     # the peers, in an environment of their own: .venv/peers
    python eval/bench/peers.py [--data ../shared/data] [--out eval/results/peers.md] [--only blitz] [--queries 43]

Every reranker gets the queries of TREC DL 2019 with BM25's best hundred passages, one query after another, and asks a
judge that speaks OpenAI's protocol on a loopback socket and takes 200 ms for an answer. The judge knows the grades of
the TREC assessors and errs by a grade (σ = 1), anew for each call; two rerankers that show the same passages in the
same order get the same answer. nDCG@10 is that of `strategies.py`: linear gain, an ideal made of the 100 candidates.

- "nDCG@10, GPT-4o": the same without latency, when the judge takes the grades that GPT-4o gave, with σ = 0.25.
- Calls, tokens and seconds are for one query. Tokens are counted by the judge, one for every four bytes of the
  messages; JSON schemas, which some send beside them, are counted for nobody. Imports and connections are not timed.
- "returned": how many of the hundred passages come back. blitzrank, and ranksmith's setwise, are asked for ten, since
  to them more would mean more calls.
- "With slips": one reply in ten is a refusal, lacks ids, repeats and invents one, or starts with a sentence that has a
  number in it. "failed": queries that end in an exception. "never judged": passages a query (of the queries that did
  not fail) that are returned, or left out, without any reply having given them a place, and without a word about it.
- AcuRank, in both of its implementations, computes for many seconds per query; it has ten queries, and one judge.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from qrels_judge import Log, QrelsJudge, Topic
from rankers import NEXT_PASS, OURS, PEERS
from strategies import Data, ndcg

from tests.provider import Answer, Asked, Faults, Provider

PEERS_VENV = Path(__file__).parents[2] / ".venv" / "peers"
PEERS_PYTHON = PEERS_VENV / "bin" / "python"
REQUIREMENTS = Path(__file__).with_name("peers-requirements.txt")
WITHOUT_DEPENDENCIES = ("rank-llm==0.25.7", "blitzrank==0.1.0", "ranksmith==0.6.0")
LATENCY_S = 0.2
SLIPS = 0.1
# They compute for many seconds per query, so they get one judge and fewer queries.
SLOW = {"blitzrank AcuRank": 10, "ranksmith AcuRankStrategy": 10}
DEPTH = 100


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What one reranker did under one judge, query by query."""

    records: Sequence[Mapping[str, Any]]
    logs: Sequence[Log]
    relevance: Sequence[Sequence[float]]

    @property
    def quality(self) -> float:
        """Mean nDCG@10; a query that failed keeps the first stage's order."""
        pairs = zip(self.relevance, self.records, strict=True)
        return fmean(ndcg(relevance, record["order"] or range(DEPTH)) for relevance, record in pairs)

    @property
    def failed(self) -> int:
        return sum(bool(record["error"]) for record in self.records)

    @property
    def returned(self) -> float:
        return self._mean(len(record["order"]) for record in self.records if not record["error"])

    @property
    def seconds(self) -> float:
        return self._mean(record["seconds"] for record in self.records)

    @property
    def calls(self) -> float:
        return self._mean(log.calls for log in self.logs)

    @property
    def tokens(self) -> tuple[float, float]:
        return self._mean(log.input_tokens for log in self.logs), self._mean(log.output_tokens for log in self.logs)

    @property
    def never_judged(self) -> float:
        """Passages a query of which no reply said anything, and the reranker neither."""
        return self._mean(
            len(set(range(DEPTH)) - log.stated - set(record["reported"]))
            for record, log in zip(self.records, self.logs, strict=True)
            if not record["error"]
        )

    @staticmethod
    def _mean(values: Iterator[float] | Any) -> float:
        found = list(values)
        return fmean(found) if found else 0.0


class Bench:
    """The topics, and one pass after another over them."""

    def __init__(self, data: Path, queries: int) -> None:
        source = Data(data / "dl19")
        text = {}
        for line in (data / "dl19" / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            text[record["_id"]] = record["text"]
        wanted = [json.loads(line) for line in (data / "dl19" / "queries.jsonl").read_text("utf-8").splitlines()]
        self._queries = {q["_id"]: q["text"] for q in wanted if q["_id"] in source.candidates}
        self._ids = [i for i in source.candidates if any(source.grades["human"].get(i, {}).values())][:queries]
        self._source, self._text = source, text

    def topics(self, judge: str) -> list[Topic]:
        grades = self._source.grades[judge]
        return [
            Topic(
                query=self._queries[query],
                texts=[self._text[document] for document in self._source.candidates[query][:DEPTH]],
                grades=[
                    grades.get(query, {}).get(document, 0.0) for document in self._source.candidates[query][:DEPTH]
                ],
            )
            for query in self._ids
        ]

    def run(self, name: str) -> list[Pass]:
        """One reranker, under each of the judges in turn."""
        human = self.topics("human")[: SLOW.get(name)]
        judges = [QrelsJudge(human, noise=1.0)]
        if name not in SLOW:
            judges += [
                QrelsJudge(self.topics("gpt-4o"), noise=0.25),
                QrelsJudge(human, noise=1.0, slips=SLIPS),
            ]
        passes = _Passes(judges)
        with Provider(passes, keep=0) as provider, tempfile.TemporaryDirectory() as folder:
            passes.provider = provider
            given, wanted = Path(folder, "given.json"), Path(folder, "wanted.json")
            given.write_text(json.dumps([(topic.query, list(topic.texts)) for topic in human]), encoding="utf-8")
            python = str(PEERS_PYTHON) if name in PEERS else sys.executable
            script = str(Path(__file__).with_name("rankers.py"))
            done = subprocess.run(
                [python, script, name, f"{provider.url}/v1/", str(len(judges)), str(given), str(wanted)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"{name}: {done.stderr[-2000:]}")
            records = json.loads(wanted.read_text(encoding="utf-8"))
        relevance = [topic.grades for topic in human]
        return [
            Pass(records=found, logs=[judge.logs[topic.query] for topic in human], relevance=relevance)
            for found, judge in zip(records, judges, strict=True)
        ]

    def row(self, name: str) -> str:
        """One line of the table."""
        timed, *others = self.run(name)
        read, written = timed.tokens
        shown = f"`{name}`" if name in OURS else name
        queries = f" ({SLOW[name]} queries)" if name in SLOW else ""
        problems = {record["error"] for one in (timed, *others) for record in one.records if record["error"]}
        if problems:
            print(name, *sorted(problems)[:3], sep="\n  ", file=sys.stderr)
        recorded, slips = "", " | | "
        if others:
            recorded = f"{others[0].quality:.3f}"
            slips = f"{others[1].quality:.3f} | {others[1].failed} | {others[1].never_judged:.1f}"
        return (
            f"| {shown}{queries} | {timed.quality:.3f} | {recorded} | {timed.calls:.1f} | {read:,.0f} | {written:,.0f} "
            f"| {timed.seconds:.2f} | {timed.returned:.0f} | {timed.never_judged:.1f} | {slips} |"
        )


class _Passes:
    """The judges one after another, the first with latency; the reranker says when the next one begins."""

    def __init__(self, judges: Sequence[QrelsJudge]) -> None:
        self._judges, self._begun = judges, 0
        self.provider: Provider | None = None

    def __call__(self, asked: Asked) -> Answer:
        if asked.model == NEXT_PASS:
            assert self.provider is not None
            self._begun += 1
            latency_s = LATENCY_S if self._begun == 1 else 0.0
            self.provider.faults = Faults(0, {}, latency_s=(latency_s, latency_s))
            return Answer(text="")
        return self._judges[max(0, self._begun - 1)](asked)


HEADER = (
    "| | nDCG@10, σ=1 | nDCG@10, GPT-4o | calls | tokens in | tokens out | seconds | returned | never judged "
    "| with slips: nDCG@10 | failed | never judged |\n" + "|---" * 12 + "|"
)


def install() -> None:
    """The peers, without what only their local models need."""
    subprocess.run([sys.executable, "-m", "venv", str(PEERS_VENV)], check=True)
    pip = [str(PEERS_PYTHON), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--requirement", str(REQUIREMENTS)], check=True)
    subprocess.run([*pip, "--no-deps", *WITHOUT_DEPENDENCIES], check=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install the peers, and do nothing else")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder that holds dl19")
    parser.add_argument("--out", type=Path, default=Path("eval/results/peers.md"))
    parser.add_argument("--only", nargs="*", help="rerankers whose name contains one of these")
    parser.add_argument("--queries", type=int, default=43)
    parser.add_argument("--resume", action="store_true", help="keep the rows that --out has already")
    options = parser.parse_args(arguments)
    if options.install:
        install()
        return
    if not PEERS_PYTHON.exists():
        parser.error("the peers are not installed; run it with --install first")
    bench, rows = Bench(options.data, options.queries), kept(options.out) if options.resume else {}
    for name in (*PEERS, *OURS):
        wanted = not options.only or any(part in name for part in options.only)
        if wanted and name not in rows:
            rows[name] = bench.row(name)
            print(rows[name], flush=True)
            write(options.out, rows)


def kept(path: Path) -> dict[str, str]:
    """The rows of a table that was begun, by the name in their first cell."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    cells = (
        (line.split("|")[1].partition(" (1")[0].strip().strip("`"), line) for line in lines if line.startswith("| ")
    )
    return {name: line for name, line in cells if name in PEERS or name in OURS}


def write(path: Path, rows: Mapping[str, str]) -> None:
    """The table so far, in the order of the lists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = ["# This reranker and others, on the same judge\n", *(__doc__ or "").splitlines(), "", HEADER]
    lines = [*head, *(rows[name] for name in (*PEERS, *OURS) if name in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
