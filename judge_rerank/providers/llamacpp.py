"""llama.cpp inside this process: one model, one worker thread, shared by every backend that names the same file."""

from __future__ import annotations

import hashlib
import http.client
import importlib
import importlib.util
import json
import os
import secrets
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from judge_rerank.core import MissingExtra, ModelUnavailable, SetupError
from judge_rerank.providers.worker import Worker

T = TypeVar("T")

Server = Any
"""xllamacpp's server; the package has no type information."""

_CHUNK = 50_000
"""Characters tokenized at a time. Cutting adds at most a token for each chunk; one long run would be slow."""

_COUNTS_KEPT = 20_000

_loaded: weakref.WeakValueDictionary[tuple[Path, int, int], Llama] = weakref.WeakValueDictionary()
_loaded_lock = threading.Lock()


def require() -> None:
    """Check that llama.cpp is installed, without importing it.

    Raises:
        MissingExtra: it is not.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtra("The local judge", "local", "xllamacpp")


def shared(path: Path, *, context_tokens: int, threads: int) -> Llama:
    """The model in this file with these settings: the one that is in use already, else a new one, not yet loaded."""
    key = (path.resolve(), context_tokens, threads)
    with _loaded_lock:
        llama = _loaded.get(key)
        if llama is None:
            llama = _loaded[key] = Llama(path, context_tokens=context_tokens, threads=threads)
        return llama


class Llama:
    """One model. It is loaded when it is first needed, in its own thread, and freed with the last reference to it.

    Work is done in the order in which it comes, one piece at a time: evaluating a prompt uses all cores, and several
    prompts side by side take as long as one after the other but lose the prefix that successive prompts share.
    """

    def __init__(self, path: Path, *, context_tokens: int, threads: int) -> None:
        self._path, self._context_tokens, self._threads = path, context_tokens, threads
        self._worker = Worker("llama")
        self._server: Server | None = None
        self._key = secrets.token_hex(16)
        self._counter = _Counter(self._key)
        weakref.finalize(self, self._counter.close)

    async def run(self, work: Callable[[Server], T], timeout_s: float, *, model: str) -> T:
        """The result of `work`, done in the model's thread; see `Worker.run`.

        Raises:
            ProviderTimeout: it took longer than `timeout_s`.
        """
        return await self._worker.run(self._load, work, timeout_s, model=model)

    def count_tokens(self, text: str) -> int:
        """Tokens in `text`, exactly but for a token at each cut of a very long one. Loads the model if need be."""
        if self._server is None:
            self._worker.now(self._load)
        return self._counter.count(text)

    def _load(self) -> Server:
        if self._server is None:
            module = _import()
            try:
                server = module.Server(self._parameters(module))
            except (RuntimeError, ValueError, MemoryError) as error:
                raise ModelUnavailable(
                    f"{self._path} could not be loaded: it is damaged or incomplete, of a kind that the installed "
                    "llama.cpp does not know, or larger than the free memory."
                ) from error
            # Answered by its loop, which has then begun. Dropped before, it would wait for its own end for ever.
            server.handle_metrics()
            self._counter.connect(server.listening_address)
            self._server = server
        return self._server

    def _parameters(self, module: Any) -> Any:
        """What llama.cpp is started with."""
        p = module.CommonParams()
        p.model.path = str(self._path)
        p.n_ctx = self._context_tokens
        p.n_parallel = 1
        p.cpuparams.n_threads = p.cpuparams_batch.n_threads = self._threads
        p.warmup = False
        p.verbosity = -1  # llama.cpp writes its log to standard error
        # Prompts of other queries would be kept in memory, up to gigabytes, for prefixes that do not come back.
        p.cache_ram_mib = 0
        # Tokens are counted over a loopback connection, the only way in; nobody else may use it.
        p.api_keys = [self._key]
        p.ui = p.endpoint_slots = False
        p.endpoint_metrics = True
        return p


class _Counter:
    """Counts tokens with the model's own tokenizer, also while the model is busy, and remembers what it has counted."""

    def __init__(self, key: str) -> None:
        self._headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        self._address = ""
        self._connection: http.client.HTTPConnection | None = None
        self._known: OrderedDict[bytes, int] = OrderedDict()
        self._lock = threading.Lock()

    def connect(self, address: str) -> None:
        """Where llama.cpp listens."""
        self._address = urlsplit(address).netloc

    def count(self, text: str) -> int:
        """Tokens in `text`."""
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        with self._lock:
            if digest in self._known:
                self._known.move_to_end(digest)
                return self._known[digest]
            total = sum(self._ask(text[start : start + _CHUNK]) for start in range(0, len(text), _CHUNK))
            self._known[digest] = total
            if len(self._known) > _COUNTS_KEPT:
                self._known.popitem(last=False)
            return total

    def close(self) -> None:
        """Close the connection; the next text opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _ask(self, text: str) -> int:
        body = json.dumps({"content": text})
        for attempt in (1, 2):
            try:
                self._connection = self._connection or http.client.HTTPConnection(self._address, timeout=60)
                self._connection.request("POST", "/tokenize", body, self._headers)
                return len(json.loads(self._connection.getresponse().read())["tokens"])
            except (OSError, http.client.HTTPException) as error:
                # llama.cpp closes a connection after some seconds or some hundred requests.
                self.close()
                if attempt == 2:
                    raise SetupError(f"llama.cpp does not answer on {self._address}: {error}.") from error
        raise AssertionError("unreachable")


def default_threads() -> int:
    """As many as there are physical cores for this process, or what JUDGE_RERANK_THREADS says."""
    chosen = os.environ.get("JUDGE_RERANK_THREADS", "").strip()
    if chosen:
        if not chosen.isdecimal() or int(chosen) < 1:
            raise SetupError(f"JUDGE_RERANK_THREADS must be a whole number from 1, not {chosen!r}.")
        return int(chosen)
    affinity = getattr(os, "sched_getaffinity", None)
    usable: set[int] = set(affinity(0)) if affinity else set(range(os.cpu_count() or 1))
    cores = {_siblings(cpu) for cpu in usable}
    return max(1, min(len(cores), _quota() or len(cores)))


def _siblings(cpu: int) -> str:
    """The threads of the core that a logical CPU belongs to: two threads of a core are no faster than one."""
    try:
        return Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return str(cpu)


def _quota() -> int | None:
    """CPUs that a container may use, where it is limited."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(limit) // int(period))
    except (OSError, ValueError):
        return None


def _import() -> Any:
    require()
    try:
        with _short_spins():
            return importlib.import_module("xllamacpp")
    except ImportError as error:
        raise SetupError(
            f"xllamacpp is installed but cannot be loaded: {error}. A missing libgomp.so.1 is in the system package "
            "libgomp1 (Debian, Ubuntu) or libgomp (Fedora, Alpine)."
        ) from error


@contextmanager
def _short_spins() -> Generator[None]:
    """While OpenMP starts, tell its threads to wait for each other asleep rather than spinning.

    By default they spin for so long that two threads are up to twenty times slower than one when another process
    keeps a core busy. With short spins they share the cores, and lose nothing when nobody else wants them.
    """
    if {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]
