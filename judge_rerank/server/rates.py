"""How many requests a minute a client may send: a bucket that fills by the second."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

try:
    import fcntl
except ImportError:  # On Windows each worker process counts for itself.
    fcntl = None

_STATE = struct.Struct("<dd")


class Rate:
    """A client's requests, `most` a minute, of which all may come at once after a minute of rest.

    Args:
        most: requests a minute.
        path: the file by which worker processes share the count; None for one process.
        clock: seconds since the epoch.
    """

    def __init__(self, most: int, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._most, self._clock = most, clock
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600) if path is not None and fcntl is not None else None
        self._state = (float(most), clock())

    def wait_s(self) -> float:
        """Take one request; 0, or how long it would have to wait, in which case none is taken."""
        if self._file is None or fcntl is None:
            self._state, wait_s = self._taken(self._state)
            return wait_s
        fcntl.flock(self._file, fcntl.LOCK_EX)  # for as long as it takes to read and write 16 bytes
        try:
            state, wait_s = self._taken(self._read(self._file))
            os.pwrite(self._file, _STATE.pack(*state), 0)
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return wait_s

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _taken(self, state: tuple[float, float]) -> tuple[tuple[float, float], float]:
        left, since = state
        now = self._clock()
        left = min(float(self._most), left + max(0.0, now - since) * self._most / 60)
        if left >= 1:
            return (left - 1, now), 0.0
        return (left, now), (1 - left) * 60 / self._most

    def _read(self, file: int) -> tuple[float, float]:
        held = os.pread(file, _STATE.size, 0)
        if len(held) < _STATE.size:
            return float(self._most), self._clock()
        left, since = _STATE.unpack(held)
        return left, since


def rate_file(folder: Path | None, name: str) -> Path | None:
    """Where workers count the requests of a client; None where there is one worker."""
    if folder is None:
        return None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chmod(folder, 0o700)  # noqa: PTH101
    return folder / f"rate-{name}"
