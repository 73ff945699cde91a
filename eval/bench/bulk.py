"""Rankings by the million at a size that fits here: how fast, how large in memory, and what kills cost.

    python eval/bench/bulk.py throughput [--queries 2000] [--workers 1 2 4] [--engine local ray]
    python eval/bench/bulk.py memory [--sizes 2000 20000] [--engine local ray]
    python eval/bench/bulk.py kills [--kills 200] [--drivers 20] [--engine local ray]

Queries of the shared sets (repeated with other ids) with 20 documents each are ranked against a loopback judge that
answers after 50 ms, in a process of its own. Every command prints a table in Markdown. `kills` ends with 1 where a row
is lost or doubled, the provider's bill is above the ledger, the ledger is above the cap, or more was paid for twice
than was under way when processes were killed. On Ray there are two nodes on this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

SHARED = ROOT.parent / "shared" / "data"
SETS = ("wikiqa", "dl19", "scifact", "cranfield")
DEPTH = 20
STRATEGY = "score(batch_size=10)"
CALLS_A_QUERY = 2
PLUGIN, MODEL = "tests.bulk.wire", "wire/judge"


def provider(latency_s: float) -> None:
    """Be the judge: say the port, then the bill for every line that comes, until there are no more."""
    from tests.provider import Answer, Asked, Faults, Provider

    def judge(asked: Asked) -> Answer:
        """A score for each of the documents that a request shows, by chance, and the same ones when asked again."""
        dice = zlib.crc32(asked.prompt.encode())
        scores = [{"id": n + 1, "score": 1 + (dice >> n) % 10} for n in range(DEPTH // CALLS_A_QUERY)]
        return Answer(text=json.dumps({"judgments": scores}))

    with Provider(judge, faults=Faults(1, {}, latency_s=(latency_s, latency_s)), keep=0) as running:
        print(running.port, flush=True)
        for _ in sys.stdin:
            said = {"requests": running.requests, "micro_usd": running.bill.microusd, "peak": running.peak}
            print(json.dumps(said), flush=True)


class Judge:
    """The judge in its own process."""

    def __init__(self, latency_s: float) -> None:
        command = [sys.executable, __file__, "--provider", str(latency_s)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def bill(self) -> dict[str, int]:
        """Requests, micro-dollars, and the most requests at once."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)


@dataclass(frozen=True, kw_only=True)
class Drive:
    """What a driver is to do.

    Attributes:
        given, output, replies: input, results and cache.
        port: of the judge.
        engine: "local" or "ray"; `address` of the cluster.
        workers: how many processes.
        concurrency: requests at once, over all of them.
        budget_usd: the cap; "" for none.
        queries_per_part: how the input is cut.
    """

    given: str
    output: str
    replies: str
    port: int
    engine: str = "local"
    address: str = ""
    workers: int = 1
    concurrency: int = 32
    budget_usd: str = ""
    queries_per_part: int = 50

    def run(self) -> None:
        """Do it; the seconds of ranking alone, and the record, on standard output."""
        from judge_rerank import Budget, Price
        from judge_rerank.bulk import Local, OnRay, rerank_files

        price = Price(input_usd_per_mtok="0.15", cached_input_usd_per_mtok="0.075", output_usd_per_mtok="0.60")
        on_ray = OnRay(address=self.address, workers=self.workers, scorers=0)
        began: list[float] = []

        def watch(progress: Any) -> None:
            # The first part of a worker has its start in it; what is measured is from the first result on.
            began.append(time.monotonic())
            print(json.dumps({"done": progress.done.queries, "at": time.monotonic()}), flush=True)

        run = rerank_files(
            self.given,
            self.output,
            model=MODEL,
            strategy=STRATEGY,
            engine=Local(workers=self.workers) if self.engine == "local" else on_ray,
            watch=watch,
            resume=Path(self.output, "_run.json").exists(),
            api_base=str(self.port),
            prices={MODEL: price},
            budget=Budget(usd=self.budget_usd) if self.budget_usd else None,
            cache_dir=self.replies,
            concurrency=self.concurrency,
            queries_per_part=self.queries_per_part,
        )
        print(json.dumps({"status": run.status, "reasons": run.reasons, "ledger_usd": run.totals.ledger_usd}))

    def start(self) -> subprocess.Popen[str]:
        """The driver as a process."""
        command = [sys.executable, __file__, "--drive", json.dumps(vars(self))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())


def environment() -> dict[str, str]:
    """What drivers and workers find in their environment."""
    ours = {
        "PYTHONPATH": str(ROOT),
        "JUDGE_RERANK_PLUGINS": PLUGIN,
        "WIRE_API_KEY": "loopback",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    return os.environ | ours


@contextmanager
def cluster(engine: str) -> Iterator[str]:
    """The address of a Ray cluster of two nodes here, for `engine` "ray"; it ends with the block."""
    if engine != "ray":
        yield ""
        return
    os.environ.update(environment())
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 4, "object_store_memory": 80 * 1024 * 1024, "include_dashboard": False}
    running = Cluster()
    try:
        for _ in range(2):
            patiently(lambda: running.add_node(**node))
        yield running.address
    finally:
        running.shutdown()


def patiently(act: Callable[[], object]) -> None:
    """Do it, again if a busy machine was not quick enough for Ray."""
    for left in (2, 1, 0):
        try:
            act()
        except Exception as error:
            if not left:
                raise
            print(f"again, after: {str(error)[:80]}", file=sys.stderr)
        else:
            return


def collection() -> list[tuple[str, list[Mapping[str, Any]]]]:
    """Queries of the shared sets with their first documents; made up where the sets are not there."""
    from judge_rerank.readers import read_trec

    pairs: list[tuple[str, list[Mapping[str, Any]]]] = []
    for name in SETS:
        folder = SHARED / name
        if folder.is_dir():
            files = (folder / "candidates.trec", folder / "corpus.jsonl", folder / "queries.jsonl")
            pairs += [
                (query.text, [{"doc_id": each.id, "title": each.title, "text": each.text[:600]} for each in documents])
                for query, documents in read_trec(*files, DEPTH)
            ]
    made_up = [{"doc_id": f"d{n}", "title": None, "text": f"document {n} about sand"} for n in range(DEPTH)]
    return pairs or [("what lives in sand?", made_up)]


def write_input(path: Path, queries: int) -> Path:
    """So many queries, each with 20 documents, as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    schema = pa.schema([(name, text) for name in ("query_id", "query", "doc_id", "title", "text")])
    numbered = enumerate(islice(cycle(collection()), queries))
    with pq.ParquetWriter(path, schema) as writer:
        while batch := list(islice(numbered, 500)):
            rows = [
                # Texts differ by the query's number, so that each question is asked for the first time.
                {"query_id": f"q{n}", "query": f"{query} ({n})", **document, "doc_id": f"{place}/{document['doc_id']}"}
                for n, (query, documents) in batch
                for place, document in enumerate(islice(cycle(documents), DEPTH))
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return path


def descendants(pid: int) -> dict[int, str]:
    """Processes that a process has started, and those have, with their command lines."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, level = dict[int, str](), {pid}
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        for child in level:
            with suppress(OSError):
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found


def rankers(roots: Sequence[int]) -> list[int]:
    """The processes that rank, among those that these have started."""
    below = {pid: line for root in roots for pid, line in descendants(root).items()}
    return [pid for pid, line in below.items() if "spawn_main" in line or "JudgeActor" in line]


@dataclass(frozen=True, order=True)
class Size:
    """What a process has in memory: all of it, and what is no file that is mapped into it, as the cache's is."""

    resident: float = 0.0
    anonymous: float = 0.0

    @classmethod
    def of(cls, pid: int) -> Size:
        with suppress(OSError, KeyError):
            lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            said = {line[0]: line[1] for line in lines if len(line) > 1}
            return cls(int(said["VmRSS:"]) / 1e3, int(said["RssAnon:"]) / 1e3)
        return cls()

    def larger(self, other: Size) -> Size:
        return Size(max(self.resident, other.resident), max(self.anonymous, other.anonymous))

    def __str__(self) -> str:
        return f"{self.resident:.0f} ({self.anonymous:.0f})"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run: its seconds from the first result on, queries in them, and the largest sizes in memory."""

    queries: int
    seconds: float
    driver_mb: Size
    worker_mb: Size
    status: str


def measured(drive: Drive) -> Measured:
    """Run a driver, and look at it meanwhile."""
    process = drive.start()
    assert process.stdout is not None
    points: list[dict[str, Any]] = []
    driver, worker = Size(), Size()
    for line in process.stdout:
        said = json.loads(line)
        points.append(said)
        driver = driver.larger(Size.of(process.pid))
        for pid in rankers([process.pid, os.getpid()]):
            worker = worker.larger(Size.of(pid))
    process.wait()
    last = points[-1] if points else {"status": f"ended with {process.returncode}"}
    timed = [point for point in points if "at" in point]
    return Measured(
        queries=timed[-1]["done"] - timed[0]["done"] if timed else 0,
        seconds=timed[-1]["at"] - timed[0]["at"] if timed else 0.0,
        driver_mb=driver,
        worker_mb=worker,
        status=str(last.get("status")),
    )


def throughput(asked: argparse.Namespace, folder: Path) -> int:
    """How many queries a second, by engine and workers, in one run."""
    given = write_input(folder / "in.parquet", asked.queries)
    rows: list[list[str]] = []
    alone = 0.0
    for engine in asked.engine:
        with cluster(engine) as address:
            for workers in asked.workers:
                judge = Judge(asked.latency)
                name = f"{engine}-{workers}"
                found = measured(
                    Drive(
                        given=str(given),
                        output=str(folder / f"out-{name}"),
                        replies=str(folder / f"replies-{name}"),
                        port=judge.port,
                        engine=engine,
                        address=address,
                        workers=workers,
                        concurrency=asked.concurrency,
                        queries_per_part=asked.part,
                    )
                )
                bill = judge.bill()
                judge.close()
                rate = found.queries / found.seconds if found.seconds else 0.0
                alone = alone or rate
                limit = asked.concurrency / asked.latency / CALLS_A_QUERY
                rows.append(
                    [engine, str(workers), f"{rate:.1f}", f"×{rate / alone:.2f}" if alone else "", f"{limit:.0f}",
                     str(bill["peak"]), f"{found.driver_mb}", f"{found.worker_mb}", found.status]
                )  # fmt: skip
                tell(rows[-1])
    head = ["engine", "workers", "queries/s", "to the first", "judge's limit", "most at once",
            "driver MB (anonymous)", "worker MB (anonymous)",
            "status"]  # fmt: skip
    print(markdown(head, rows))
    return 0


def memory(asked: argparse.Namespace, folder: Path) -> int:
    """The largest sizes in memory, by how many queries there are."""
    rows: list[list[str]] = []
    for engine in asked.engine:
        with cluster(engine) as address:
            for size in asked.sizes:
                judge = Judge(0.0)
                given = write_input(folder / f"in-{size}.parquet", size)
                found = measured(
                    Drive(
                        given=str(given),
                        output=str(folder / f"out-{engine}-{size}"),
                        replies=str(folder / f"replies-{engine}-{size}"),
                        port=judge.port,
                        engine=engine,
                        address=address,
                        workers=2,
                        concurrency=asked.concurrency,
                        queries_per_part=asked.part,
                    )
                )
                judge.close()
                rows.append([engine, f"{size:,}", f"{given.stat().st_size / 1e6:.0f}", f"{found.driver_mb}",
                             f"{found.worker_mb}", found.status])  # fmt: skip
                tell(rows[-1])
    print(markdown(["engine", "queries", "input MB", "driver MB (anonymous)", "worker MB (anonymous)", "status"], rows))
    return 0


def kills(asked: argparse.Namespace, folder: Path) -> int:
    """Kill workers and drivers at random moments until there were enough, and look what is left."""
    broken, rows = 0, list[list[str]]()
    for engine in asked.engine:
        with cluster(engine) as address:
            row, problems = Kills(asked, folder / engine, engine, address).run()
        rows.append(row)
        broken += len(problems)
        for problem in problems:
            print(f"BROKEN: {problem}")
    head = ["engine", "worker kills", "driver kills", "queries", "rows", "lost", "doubled", "billed µ$", "ledger µ$",
            "cap µ$", "calls needed", "calls sent", "under way when killed, at most", "seconds"]  # fmt: skip
    print(markdown(head, rows))
    return int(broken > 0)


class Kills:
    """One run that is killed again and again, and finished in the end."""

    def __init__(self, asked: argparse.Namespace, folder: Path, engine: str, address: str) -> None:
        self._asked, self._folder, self._engine, self._address = asked, folder, engine, address
        self._chance = random.Random(asked.seed)
        self._cap_usd = asked.budget
        self._killed: Counter[str] = Counter()

    def run(self) -> tuple[list[str], list[str]]:
        """The row of the table, and what is broken."""
        self._folder.mkdir(parents=True, exist_ok=True)
        judge, began = Judge(self._asked.latency), time.monotonic()
        given = write_input(self._folder / "in.parquet", self._asked.queries)
        drive = Drive(
            given=str(given),
            output=str(self._folder / "out"),
            replies=str(self._folder / "replies"),
            port=judge.port,
            engine=self._engine,
            address=self._address,
            workers=self._asked.workers[-1],
            concurrency=self._asked.concurrency,
            budget_usd=self._cap_usd,
            queries_per_part=self._asked.part,
        )
        status = self._until_done(drive)
        time.sleep(1)  # what the killed had sent is still being answered, and charged
        row, problems = self._looked_at(judge.bill(), status)
        judge.close()
        return [*row, f"{time.monotonic() - began:.0f}"], problems

    def _until_done(self, drive: Drive) -> str:
        while True:
            process = drive.start()
            last = self._lived(process)
            if last is not None:
                return last
            tell([self._engine, f"{self._killed['worker']} workers", f"{self._killed['driver']} drivers"])

    def _lived(self, process: subprocess.Popen[str]) -> str | None:
        """Kill workers of a driver, and perhaps the driver; what it said in the end, None where it was killed."""
        life = Life(process, self._chance)
        left = self._asked.drivers - self._killed["driver"]
        workers_a_life = max(1, self._asked.kills // max(1, self._asked.drivers)) if left > 0 else self._asked.kills
        mine = 0
        while (said := life.said()) is None:
            time.sleep(self._chance.uniform(0, self._asked.pause))
            victims = rankers([process.pid, os.getpid()])
            if self._killed["worker"] < self._asked.kills and mine < workers_a_life and victims and life.ranks:
                with suppress(ProcessLookupError):
                    os.kill(self._chance.choice(victims), signal.SIGKILL)
                    self._killed["worker"] += 1
                    mine += 1
            elif left > 0 and life.ranks:
                process.kill()
                process.wait()
                self._killed["driver"] += 1
                return None
        return said

    def _looked_at(self, bill: Mapping[str, int], status: str) -> tuple[list[str], list[str]]:
        import pyarrow.parquet as pq

        from judge_rerank import Budget
        from judge_rerank.spending import Ledger

        out = self._folder / "out"
        table = pq.read_table(out, columns=["query_id", "doc_id"])
        pairs = Counter(zip(table["query_id"].to_pylist(), table["doc_id"].to_pylist(), strict=True))
        expected, doubled = self._asked.queries * DEPTH, sum(count > 1 for count in pairs.values())
        with Ledger(out / "_spend.db", budget=Budget(usd=self._cap_usd)) as ledger:
            totals, found = ledger.totals(), ledger.verify()
        cap = int(Decimal(self._cap_usd) * 1_000_000)
        needed = self._asked.queries * CALLS_A_QUERY
        # Of a killed worker what it had under way is lost, and of a driver that of all workers.
        share = -(-self._asked.concurrency // self._asked.workers[-1])
        spread = share if self._engine == "local" else self._asked.concurrency
        most_lost = self._killed["worker"] * spread + self._killed["driver"] * self._asked.concurrency
        rules = {
            f"the run ended as {status}": status == "complete",
            f"{expected - len(pairs)} rows are lost": len(pairs) == expected,
            f"{doubled} rows are doubled": doubled == 0,
            f"bill {bill['micro_usd']}, ledger {totals.spent}, cap {cap}": bill["micro_usd"] <= totals.spent <= cap,
            f"{bill['requests']} calls were sent for {needed}": bill["requests"] <= needed + most_lost,
            f"{totals.held} micro-dollars are still held": totals.held == 0,
            f"the ledger does not agree with itself: {found}": not found,
        }
        row = [self._engine, self._killed["worker"], self._killed["driver"], self._asked.queries, table.num_rows,
               expected - len(pairs), doubled, bill["micro_usd"], totals.spent, cap, needed, bill["requests"],
               most_lost]  # fmt: skip
        return [str(cell) for cell in row], [problem for problem, holds in rules.items() if not holds]


class Life:
    """What a driver says, as far as it has said it."""

    def __init__(self, process: subprocess.Popen[str], chance: random.Random) -> None:
        assert process.stdout is not None
        self._process, self._out = process, process.stdout
        os.set_blocking(self._out.fileno(), False)
        self._text = ""
        # Now and then one is killed while it starts; mostly once it has results.
        self._early = chance.random() < 0.2

    @property
    def ranks(self) -> bool:
        """Whether it is time to kill: a result is there, mostly."""
        return bool(self._text) or self._early

    def said(self) -> str | None:
        """How it ended; None where it goes on."""
        with suppress(BlockingIOError, TypeError):
            self._text += self._out.read() or ""
        if self._process.poll() is None:
            return None
        with suppress(BlockingIOError, TypeError):
            self._text += self._out.read() or ""
        lines = [line for line in self._text.splitlines() if '"status"' in line]
        return json.loads(lines[-1])["status"] if lines else f"an end with {self._process.returncode}"


def tell(cells: Sequence[str]) -> None:
    print(" · ".join(cells), file=sys.stderr, flush=True)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    if sys.argv[1:2] == ["--provider"]:
        provider(float(sys.argv[2]))
        return 0
    if sys.argv[1:2] == ["--drive"]:
        Drive(**json.loads(sys.argv[2])).run()
        return 0
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("what", choices=["throughput", "memory", "kills"])
    parser.add_argument("--engine", nargs="+", choices=["local", "ray"], default=["local", "ray"])
    parser.add_argument("--queries", type=int, default=2_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000, 20_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--part", type=int, default=25, help="queries in a part")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--drivers", type=int, default=20)
    parser.add_argument("--pause", type=float, default=0.5, help="the most seconds between two kills")
    parser.add_argument("--budget", default="50")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where files are kept; a temporary folder by default")
    asked = parser.parse_args()
    work = {"throughput": throughput, "memory": memory, "kills": kills}[asked.what]
    if asked.folder is not None:
        asked.folder.mkdir(parents=True, exist_ok=True)
        return work(asked, asked.folder)
    with tempfile.TemporaryDirectory() as folder:
        return work(asked, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
