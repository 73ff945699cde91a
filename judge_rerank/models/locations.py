"""Where models are on this machine: by name from the registry, or by path."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from judge_rerank.core import ModelUnavailable, UnknownName
from judge_rerank.models.registry import REGISTRY, Model, ModelFile
from judge_rerank.models.verified import is_registered
from judge_rerank.storage import cache_dir

_MODELS_ENV = "JUDGE_RERANK_MODELS"


def folder_of(model: Model) -> Path:
    """The folder into which a model is downloaded."""
    return cache_dir() / "models" / model.name


def model_named(name: str) -> Model:
    """The registry's entry.

    Raises:
        UnknownName: there is none of that name; the nearest are suggested.
    """
    if name not in REGISTRY:
        raise UnknownName("model", name, REGISTRY, "A path to a .gguf file works as well.")
    return REGISTRY[name]


def find_model(name_or_path: str | Path) -> Path:
    """Where a model is on this machine, without downloading anything.

    A name of the registry is looked up in the folders of JUDGE_RERANK_MODELS (as `NAME/FILE` or `FILE`), then among the
    downloaded ones. A file counts if it is the registered one, by its SHA-256, which is computed for a new or a changed
    file.

    Returns:
        The file of a one-file model, the folder of any other.

    Raises:
        UnknownName: it is no name of the registry and does not look like a path.
        ModelUnavailable: the model is not here, or a file of it is damaged.
    """
    name = str(name_or_path)
    if name not in REGISTRY and (isinstance(name_or_path, Path) or _looks_like_path(name)):
        path = Path(name).expanduser()
        if not path.exists():
            raise ModelUnavailable(f"No model file at {path}. Expected an existing file or folder.")
        return path
    return locate(model_named(name))


def locate(model: Model) -> Path:
    """As `find`, for a model that need not be in the registry."""
    for folder in folders(model):
        if all(is_registered(folder / file.name, file) for file in model.files):
            return model.path_in(folder)
    raise ModelUnavailable(_missing(model))


def installed_models() -> Mapping[str, Path]:
    """The models of the registry that are on this machine, and where."""
    found: dict[str, Path] = {}
    for name in REGISTRY:
        try:
            found[name] = find_model(name)
        except ModelUnavailable:
            continue
    return found


def folders(model: Model) -> Iterator[Path]:
    """Where the files of a model may be, in the order in which they are looked for."""
    for entry in os.environ.get(_MODELS_ENV, "").split(os.pathsep):
        if entry.strip():
            own = Path(entry.strip()).expanduser()
            yield own / model.name
            if len(model.files) == 1:
                yield own
    yield folder_of(model)


def _looks_like_path(name: str) -> bool:
    return "/" in name or os.sep in name or Path(name).suffix in {".gguf", ".onnx"} or Path(name).exists()


def _missing(model: Model) -> str:
    command = f"Run: judge-rerank models pull {model.name}"
    for folder in folders(model):
        for file in model.files:
            path = folder / file.name
            if path.is_file() and not is_registered(path, file):
                return f"{path} is damaged: {_difference(path, file)}. {command}"
    return f"The model {model.name!r} is not on this machine. {command} ({megabytes(model.size_bytes)})"


def _difference(path: Path, file: ModelFile) -> str:
    size = path.stat().st_size
    if size != file.size_bytes:
        return f"it has {size:,} bytes, expected were {file.size_bytes:,}"
    return f"its SHA-256 is not the one expected, {file.sha256}"


def megabytes(size_bytes: int) -> str:
    """A size for people."""
    return f"{size_bytes / 1e6:,.0f} MB"
