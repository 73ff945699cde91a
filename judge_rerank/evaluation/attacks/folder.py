"""Reads and writes the folder of an audit; its parts are described in `record`."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from judge_rerank.core import DataError
from judge_rerank.evaluation.attacks.record import CLEAN_FILE, INFO_FILE, TRIALS_FILE, AttackInfo, Clean, Trial
from judge_rerank.evaluation.runfolder import Lines, lines_of, parsed, write_record
from judge_rerank.readers import reading

R = TypeVar("R", Clean, Trial)

_WRITER = "judge-rerank attack"


class AttackFolder:
    """What an audit has left so far; it holds queries and what was planted in documents.

    Args:
        path: the folder; it need not exist before something is written. None keeps nothing.
    """

    def __init__(self, path: Path | str | None) -> None:
        self.path = None if path is None else Path(path)

    def exists(self) -> bool:
        """Whether an audit was ever begun here."""
        return self.path is not None and (self.path / INFO_FILE).exists()

    def info(self) -> AttackInfo:
        """The audit.

        Raises:
            DataError: there is none in this folder, or its description cannot be read.
        """
        if self.path is None or not self.exists():
            raise DataError(f"There is no {INFO_FILE} in this folder; name the folder of an audit.", path=self.path)
        file = self.path / INFO_FILE
        with reading(file):
            text = file.read_bytes()
        return parsed(AttackInfo, text, file, writer=_WRITER)

    def clean(self) -> dict[str, Clean]:
        """The queries without an attack, by id."""
        found: dict[str, Clean] = {}
        for record in self._records(Clean, CLEAN_FILE):
            found.setdefault(record.query_id, record)
        return found

    def trials(self) -> dict[tuple[str, str, int], Trial]:
        """The attacked rankings, by key."""
        found: dict[tuple[str, str, int], Trial] = {}
        for record in self._records(Trial, TRIALS_FILE):
            found.setdefault(record.key, record)
        return found

    def write_info(self, info: AttackInfo) -> None:
        """Replace the description of the audit, all at once."""
        if self.path is not None:
            write_record(self.path / INFO_FILE, asdict(info))

    @contextmanager
    def appending(self) -> Generator[tuple[Lines | None, Lines | None]]:
        """Where clean rankings and trials are added; None for a folder that keeps nothing."""
        path = self.path
        with (
            Lines(path / CLEAN_FILE) if path else nullcontext() as clean,
            Lines(path / TRIALS_FILE) if path else nullcontext() as trials,
        ):
            yield clean, trials

    def _records(self, kind: type[R], name: str) -> Generator[R]:
        if self.path is not None:
            file = self.path / name
            for number, line in lines_of(file):
                yield parsed(kind, line, file, number, writer=_WRITER)


def is_audit(path: Path | str) -> bool:
    """Whether the folder is that of an audit."""
    return AttackFolder(path).exists()
