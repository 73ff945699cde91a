"""Laya inside this process: one checkpoint, one worker thread, shared by every backend that names the same one."""

from __future__ import annotations

import importlib.util
import re
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from judge_rerank.core import MissingExtra, ModelUnavailable
from judge_rerank.providers import control_tokens, llamacpp
from judge_rerank.providers.worker import Worker

T = TypeVar("T")

_REPOSITORY = "convaiinnovations/laya"
_FOLDERS = {"english": None, "multilingual": "multilingual", "typed-decisions": "typed-decisions"}
CONTEXT_TOKENS = {"english": 512, "multilingual": 1_024, "typed-decisions": 1_024}
"""What the published checkpoints read at once unless they are told otherwise, by name."""

WEIGHTS, CONFIG = "model.safetensors", "rl_agent_config.json"
_NOT_REACHED = ("huggingface_hub", "httpx", "httpcore", "requests", "urllib3")
"""Packages whose errors say that the hub was not reached, or does not have what was asked for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """Which weights are loaded, and where to.

    Attributes:
        source: a folder, or a repository of the hub.
        subfolder: of the repository; None for its root.
        revision: commit, branch or tag; None for a folder.
        device: as PyTorch names it; None for the best there is.
    """

    source: str
    subfolder: str | None = None
    revision: str | None = None
    device: str | None = None

    @property
    def public(self) -> str:
        """The same as text, for cache keys and messages."""
        return f"{'/'.join(filter(None, (self.source, self.subfolder)))}@{self.revision}"


def require(name: str) -> None:
    """Check that Laya is installed, without importing it.

    Raises:
        MissingExtra: it is not.
    """
    if importlib.util.find_spec("laya") is None:
        raise MissingExtra(f"{name}, which runs on this machine unless api_base= names a server,", "laya", "laya")


def _module(name: str) -> Any:
    """A module of Laya's. None is imported before it is needed: `agent` brings PyTorch."""
    return import_module(f"laya.{name}")


def published(name: str, *, revision: str | None, device: str | None) -> Checkpoint:
    """A published checkpoint by its name; at the commit that the installed package was reviewed with, by default.

    Without a fixed commit a change of the weights under the same name would go unnoticed by the cache.

    Raises:
        InputError: LAYA_REVISION says something that the package does not know.
    """
    # The package's own default is the newest commit; LAYA_REVISION is its switch.
    resolve = _module("revisions").resolve_revision
    given: str | None = resolve(_REPOSITORY, revision) or resolve(_REPOSITORY, "reviewed")
    return Checkpoint(source=_REPOSITORY, subfolder=_FOLDERS[name], revision=given, device=device)


_loaded: weakref.WeakValueDictionary[Checkpoint, Laya] = weakref.WeakValueDictionary()
_loaded_lock = threading.Lock()


def shared(checkpoint: Checkpoint) -> Laya:
    """The model of this checkpoint: the one that is in use already, else a new one, not yet loaded."""
    with _loaded_lock:
        laya = _loaded.get(checkpoint)
        if laya is None:
            laya = _loaded[checkpoint] = Laya(checkpoint)
        return laya


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """A model in memory.

    Attributes:
        agent: Laya's; the package has no type information.
        control: its tokenizer's control tokens.
    """

    agent: Any
    control: re.Pattern[str] | None

    def quoted(self, text: str) -> str:
        """`text` without control tokens, as the model reads it."""
        return control_tokens.quoted(text, self.control)

    def count(self, text: str) -> int:
        """Tokens in `text`."""
        encode = _module("common").encode_text
        return len(encode(self.agent.tok, self.quoted(text), add_special_tokens=False)["input_ids"])


class Laya:
    """One model. It is loaded when it is first needed, in its own thread, and freed with the last reference to it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._worker = Worker("laya")
        self._loaded: Loaded | None = None

    async def run(self, work: Callable[[Loaded], T], timeout_s: float, *, model: str) -> T:
        """The result of `work`, done in the model's thread; see `Worker.run`.

        Raises:
            ModelUnavailable: the weights are not here, or cannot be used.
            ProviderTimeout: it took longer than `timeout_s`.
        """
        return await self._worker.run(self._load, work, timeout_s, model=model)

    def load(self) -> Loaded:
        """The model, loaded if it is not; also while it is busy.

        Raises:
            ModelUnavailable: the weights are not here, or cannot be used.
        """
        return self._loaded or self._worker.now(self._load)

    def _load(self) -> Loaded:
        if self._loaded is None:
            try:
                agent = _opened(self._checkpoint)
            except ImportError as error:
                raise MissingExtra("Laya", "laya", error.name or "torch") from None
            except Exception as error:  # the libraries have no common base for what is wrong with a file
                raise _unavailable(self._checkpoint, error) from error
            # Texts are cut by Laya, which says so; the tokenizer would warn of each on the terminal.
            agent.tok.model_max_length = 2**31
            self._loaded = Loaded(agent=agent, control=control_tokens.any_of(agent.tok.all_special_tokens))
        return self._loaded


def _opened(checkpoint: Checkpoint) -> Any:
    agents, logging, torch = _module("agent"), import_module("transformers.utils.logging"), import_module("torch")
    threads = llamacpp.default_threads()
    if torch.get_num_threads() > threads:
        torch.set_num_threads(threads)
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return agents.Agent(
            checkpoint.source,
            subfolder=checkpoint.subfolder,
            revision=checkpoint.revision,
            device=checkpoint.device,
        )
    finally:
        if shown:
            logging.enable_progress_bar()


def _unavailable(checkpoint: Checkpoint, error: Exception) -> ModelUnavailable:
    """What is wrong with the weights, and what to do."""
    reason = (str(error.__cause__ or error).strip().splitlines() or [type(error).__name__])[0][:200]
    packages = {cls.__module__.partition(".")[0] for cls in type(error).__mro__}
    if checkpoint.revision is not None and not packages.isdisjoint(_NOT_REACHED):
        part = f" --include '{checkpoint.subfolder}/*'" if checkpoint.subfolder else ""
        return ModelUnavailable(
            f"{checkpoint.public} is not on this machine and could not be downloaded from the Hugging Face hub "
            f"({reason}). Download it on a machine that reaches the hub (hf download {checkpoint.source} --revision "
            f"{checkpoint.revision}{part}), name a folder that has a checkpoint (laya:FOLDER), or the server of one "
            "(api_base=)."
        )
    what = checkpoint.source if checkpoint.revision is None else checkpoint.public
    return ModelUnavailable(
        f"{what} could not be loaded ({type(error).__name__}: {reason}). Its files are damaged, incomplete, or of a "
        "kind that the installed Laya does not know."
    )


def folder_of(path: Path) -> Path:
    """A folder that holds a checkpoint.

    Raises:
        ModelUnavailable: it does not.
    """
    folder = path.expanduser()
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise ModelUnavailable(
            f"{folder} has no {' and no '.join(missing)}. Expected a folder with a checkpoint of Laya's: {CONFIG}, "
            f"{WEIGHTS}, and the folders tokenizer and encoder."
        )
    return folder
