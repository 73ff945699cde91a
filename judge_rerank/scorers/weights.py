"""Where a scorer's weights are: a folder, a name of the registry, or a name on the Hugging Face hub."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from judge_rerank.core import MissingExtra, ModelUnavailable, RerankError, UnknownName
from judge_rerank.models import REGISTRY, find_model

TORCH_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
ONNX_WEIGHTS = ("*.onnx",)
PACKED_WEIGHTS = ("*-q4.bin",)

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_TIMEOUT_S = 10
_Made = TypeVar("_Made")


def weights_folder(model: str, weights: Sequence[str]) -> Path:
    """The folder that holds a model, downloaded from the hub if it is named as there and not in the hub's cache.

    Args:
        model: a folder, a name of the registry, or `organisation/name` of the hub.
        weights: patterns of the files of which at least one is needed.

    Raises:
        UnknownName: it is none of them.
        ModelUnavailable: it is not here and cannot be had, or has no weights of the kind asked for.
    """
    path = Path(model).expanduser()
    if path.is_dir():
        folder = path
    elif model in REGISTRY:
        folder = find_model(model)
    elif model.startswith((".", "/", "~")) or not _HUB_NAME.fullmatch(model):
        if os.sep in model or model.startswith((".", "~")):
            raise ModelUnavailable(f"There is no folder {path}. Expected a folder with a model's config and weights.")
        known = [entry.name for entry in REGISTRY.values() if entry.task == "embedding"]
        raise UnknownName("model", model, known, "A folder, or organisation/name of the Hugging Face hub, works too.")
    else:
        folder = _from_hub(model, weights)
    if not folder.is_dir() or not found(folder, weights):
        raise ModelUnavailable(
            f"{model} has no weights that fit: {folder} was expected to hold one of {', '.join(weights)}."
        )
    return folder


def weights_here(model: str, weights: Sequence[str]) -> bool:
    """Whether a model is on this machine, with one of these files; nothing is downloaded for it."""
    path = Path(model).expanduser()
    if path.is_dir():
        return bool(found(path, weights))
    if model in REGISTRY:
        try:
            return bool(found(find_model(model), weights))
        except ModelUnavailable:
            return False
    if importlib.util.find_spec("huggingface_hub") is None or not _HUB_NAME.fullmatch(model):
        return False
    folder = _cached(model, weights)
    return folder is not None and bool(found(folder, weights))


def found(folder: Path, weights: Sequence[str]) -> list[Path]:
    """The weights in a folder; ONNX files may be in its folder `onnx`."""
    places = (folder, folder / "onnx")
    return sorted(file for pattern in weights for place in places for file in place.glob(pattern))


def load_weights(model: str, build: Callable[[], _Made]) -> _Made:
    """What `build` makes of a model's files; what a library says of damaged or unfit ones becomes one sentence.

    Raises:
        ModelUnavailable: the files could not be loaded.
    """
    try:
        return build()
    except (RerankError, ImportError, MemoryError):
        raise
    except Exception as error:  # the libraries have no common base for what is wrong with a file
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable(
            f"{model} could not be loaded ({type(error).__name__}: {reason}). Its files are damaged, incomplete, or of "
            "a kind that the installed libraries do not know."
        ) from error


def needed_weights(feature: str, extra: str, load_module: Callable[[], Any]) -> Any:
    """An optional library.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return load_module()
    except ModuleNotFoundError as error:
        raise MissingExtra(feature, extra, error.name or extra) from None


def offline() -> bool:
    """Whether the hub is not to be asked."""
    return os.environ.get("HF_HUB_OFFLINE", "").strip().lower() in {"1", "true", "yes", "on"}


def _from_hub(name: str, weights: Sequence[str]) -> Path:
    """From the hub's cache without asking the hub, else downloaded; never tried twice."""
    advice = (
        f"Name a folder that has the model, or download it on a machine that reaches the hub: hf download {name}. "
        "The models of `judge-rerank models list` do not need the hub."
    )
    folder = _cached(name, weights)
    if folder is not None and found(folder, weights):
        return folder
    if offline():
        raise ModelUnavailable(f"{name} is not on this machine, and HF_HUB_OFFLINE prevents the download. {advice}")
    try:
        return _snapshot(name, weights, etag_timeout=_TIMEOUT_S)
    except Exception as error:
        reason = (str(error.__cause__ or error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelUnavailable(
            f"{name} is not on this machine and could not be downloaded from the Hugging Face hub ({reason}). {advice}"
        ) from error


def _cached(name: str, weights: Sequence[str]) -> Path | None:
    """The folder of a model in the hub's cache; None where it is not in it."""
    try:
        return _snapshot(name, weights, local_files_only=True)
    except MissingExtra:
        raise
    except Exception:
        return None


def _snapshot(name: str, weights: Sequence[str], **options: Any) -> Path:
    hub: Any = needed_weights("Loading a model from the Hugging Face hub", "embedding", _hub)
    wanted = ["*.json", "*.txt", "*.model", "*.jinja", *weights, *(f"onnx/{w}" for w in weights if "onnx" in w)]
    endpoint = os.environ.get("HF_ENDPOINT") or None
    return Path(hub.snapshot_download(name, allow_patterns=wanted, endpoint=endpoint, **options))


def _hub() -> Any:
    import huggingface_hub

    return huggingface_hub
