"""A Ray cluster: actors with a judge each rank parts, actors with scorers come before them, one keeps limit and ledger.

What goes through Ray are the numbers of parts and scores, by Ray Data, which restarts an actor that dies and gives its
part to another one. Texts are read from the folder of the run and results are written to it by the actors themselves,
so every machine has to reach it.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from judge_rerank.bulk.ray_actors import (
    Coordinator,
    JudgeActor,
    ScorerActor,
    ShardActor,
    machine_problem,
    shards_of,
    write_scores,
)
from judge_rerank.bulk.recorded_scores import worth_dividing, worth_recording
from judge_rerank.bulk.results import PartResult
from judge_rerank.bulk.settings import JudgeSettings
from judge_rerank.bulk.staging import Part
from judge_rerank.bulk.worker import Work
from judge_rerank.core import CancelToken, InputError, MissingExtra, SetupError, require, require_above_zero

_LOG = logging.getLogger(__name__)

NEW = "new"
_AT_ONCE = 2
_MOST_BLOCKS = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class OnRay:
    """Parts are ranked on a Ray cluster.

    Attributes:
        address: of the cluster; "auto" for one that is found, "new" for one on this machine that ends with the run.
            Where this program is connected to a cluster already, that one is used.
        workers: how many actors judge.
        scorers: how many actors score, where the strategy begins with a scorer other than BM25; 0 leaves it to those
            that judge.
        gpus_per_scorer: graphics cards that each of them has.
        cpus_per_actor: processors that each actor has; those that judge mostly wait.
        shard_rows: more candidates of one query than these are scored by several actors.
    """

    address: str = "auto"
    workers: int = 2
    scorers: int = 1
    gpus_per_scorer: float = 0.0
    cpus_per_actor: float = 0.25
    shard_rows: int = 20_000

    def __post_init__(self) -> None:
        require_above_zero("workers", self.workers, whole=True)
        require_above_zero("shard_rows", self.shard_rows, whole=True)
        require_above_zero("cpus_per_actor", self.cpus_per_actor)
        require("scorers", self.scorers, at_least=0)
        require("gpus_per_scorer", self.gpus_per_scorer, at_least=0, whole=False)

    @contextmanager
    def opened(self, work: Work) -> Generator[RayWorkers]:
        """Connect to the cluster, and let go of it in the end.

        Raises:
            MissingExtra: Ray is not installed.
            InputError: a setting cannot go to other machines.
            SetupError: there is no cluster at the address.
        """
        work.settings.plain()
        if work.settings.ranking.get("mode") == "batch":
            raise InputError("Batch jobs need one machine to wait for them, and no cluster: leave out Ray.")
        with _connected(self.address) as ray, _coordinator(ray, work.settings) as coordinator:
            yield RayWorkers(self, ray, work, coordinator)


class RayWorkers:
    """The actors of a run.

    Args:
        engine: how many.
        ray: the package, connected.
        work: what each does.
        coordinator: who keeps limit and ledger.
    """

    def __init__(self, engine: OnRay, ray: Any, work: Work, coordinator: Any) -> None:
        self._engine, self._ray, self._work, self._coordinator = engine, ray, work, coordinator

    def check(self) -> None:
        """Let every machine look for what it needs: the package, the model, its key, the folder of the run.

        Raises:
            SetupError: a machine lacks something; it says which, and what.
        """
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        affinity = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
        task = self._ray.remote(num_cpus=0, max_retries=0)(machine_problem)
        asked = [
            task.options(scheduling_strategy=affinity(node["NodeID"], soft=False)).remote(self._work) for node in nodes
        ]
        for node, answer in zip(nodes, asked, strict=True):
            try:
                problem = self._ray.get(answer)
            except self._ray.exceptions.RayError as error:
                problem = str(error).strip().splitlines()[-1]
            if problem:
                raise SetupError(f"The worker on {node['NodeManagerAddress']} cannot rank: {problem}")
        machines = {node["NodeManagerHostname"] for node in nodes}
        if len(machines) > 1 and self._work.settings.store is None:
            _LOG.warning(
                "%d machines have no store in common, so each keeps replies of its own: a part that another machine "
                "has to rank again is paid for again. A store (postgresql://…) avoids that.",
                len(machines),
            )

    def results(self, parts: Sequence[Part], cancel: CancelToken | None = None) -> Generator[PartResult]:
        """Rank parts; each result as soon as it is written.

        A run that is to stop lets the parts that are under way come to their end.

        Raises:
            RerankError: a part cannot be read or written, or Ray has failed.
        """
        if not parts:
            return
        # Without waiting for an answer, since this may be called from the handler of a signal.
        unlisten = cancel.listen(self._coordinator.stop.remote) if cancel is not None else None
        try:
            rows = iter(self._ranked([part.number for part in self._ordered(parts)]).iter_rows())
            try:
                for row in rows:
                    yield from _result_in(row["result"])
            except GeneratorExit:
                self._coordinator.stop.remote()
                for _ in rows:
                    pass
                raise
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "ray":
                raise
            raise SetupError(f"Ray has failed: {str(error).strip().splitlines()[-1]}") from error
        finally:
            if unlisten is not None:
                unlisten()

    def _ordered(self, parts: Sequence[Part]) -> Sequence[Part]:
        """The parts, after the scorers have been through those with very many candidates of one query."""
        strategy = self._work.settings.strategy
        large = [part for part in parts if part.queries == 1 and part.rows > self._engine.shard_rows]
        if large and self._engine.scorers and worth_dividing(strategy):
            self._score_shards(large)
        return parts

    def _score_shards(self, large: Sequence[Part]) -> None:
        """Score the candidates of each query by several actors at once, and keep what they say together."""
        shards = [shard for part in large for shard in shards_of(self._work, part, self._engine.shard_rows)]
        missing: dict[int, int] = defaultdict(int)
        for shard in shards:
            missing[shard["part"]] += 1
        found: dict[int, list[str]] = defaultdict(list)
        for row in self._scoring(ShardActor, self._dataset(shards)).iter_rows():
            found[row["part"]].append(row["recorded"])
            missing[row["part"]] -= 1
            if not missing[row["part"]]:
                write_scores(self._work, row["part"], found.pop(row["part"]))

    def _ranked(self, numbers: Sequence[int]) -> Any:
        rows = self._dataset([{"part": number, "recorded": ""} for number in numbers])
        if self._engine.scorers and worth_recording(self._work.settings.strategy):
            rows = self._scoring(ScorerActor, rows)
        pool = self._ray.data.ActorPoolStrategy(
            size=min(self._engine.workers, len(numbers)),
            max_tasks_in_flight_per_actor=2 * _AT_ONCE,
            max_concurrent_calls_per_actor=_AT_ONCE,
            enable_true_multi_threading=True,
        )
        return rows.map_batches(
            JudgeActor,
            batch_size=1,
            compute=pool,
            num_cpus=self._engine.cpus_per_actor,
            fn_constructor_args=(self._work, self._coordinator),
        )

    def _scoring(self, actor: type[Any], rows: Any) -> Any:
        gpus = {"num_gpus": self._engine.gpus_per_scorer} if self._engine.gpus_per_scorer else {}
        return rows.map_batches(
            actor,
            batch_size=1,
            compute=self._ray.data.ActorPoolStrategy(size=self._engine.scorers),
            num_cpus=self._engine.cpus_per_actor,
            fn_constructor_args=(self._work,),
            **gpus,
        )

    def _dataset(self, rows: Sequence[dict[str, Any]]) -> Any:
        return self._ray.data.from_items(rows, override_num_blocks=min(len(rows), _MOST_BLOCKS))


def _result_in(said: str) -> Iterator[PartResult]:
    """The result of a part, as its actor says it; none where it was not ranked.

    Raises:
        SetupError: it could not be.
    """
    problem = "error: "
    if said.startswith(problem):
        raise SetupError(said.removeprefix(problem))
    if said:
        yield PartResult.from_json(said)


@contextmanager
def _connected(address: str) -> Generator[Any]:
    """Ray, connected.

    Raises:
        MissingExtra: it is not installed.
        SetupError: there is no cluster at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray: Any = import_module("ray")
        import_module("ray.data")
    except ImportError as error:
        raise MissingExtra("Ranking on Ray", "ray", error.name or "ray") from None
    ours = not ray.is_initialized()
    if ours:
        # A cluster of this machine alone listens to nobody else.
        where = (
            {"_node_ip_address": "127.0.0.1", "include_dashboard": False} if address == NEW else {"address": address}
        )
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **where)
        except Exception as error:  # of many kinds, none of them Ray's own
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise SetupError(f"There is no Ray cluster at {address!r}: {first} Start one: ray start --head") from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


@contextmanager
def _coordinator(ray: Any, settings: JudgeSettings) -> Generator[Any]:
    """The actor that keeps the concurrency limit, and the ledger where no database does; on this machine.

    Raises:
        InputError: a cap has no file here.
    """
    backends = settings.backends()
    limit = settings.judge.get("concurrency") or (backends[0].info.concurrency if backends else 1)
    budget = settings.judge.get("budget")
    if settings.store is not None:
        budget = None  # the database holds the ledger
    elif budget is not None and budget.path is None:
        raise InputError("The cap of a run on Ray needs a file on this machine: Budget(usd=…, path=…).")
    affinity = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    here = affinity(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(num_cpus=0, max_concurrency=1_000)(Coordinator)
    name = f"judge-rerank-{secrets.token_hex(4)}"
    coordinator = actor.options(name=name, scheduling_strategy=here).remote(limit, budget)
    try:
        yield coordinator
    finally:
        with suppress(ray.exceptions.RayError):
            ray.get(coordinator.close.remote(), timeout=10)
        ray.kill(coordinator)
