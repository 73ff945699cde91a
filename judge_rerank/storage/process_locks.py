"""Whether a process that wrote to a shared file is still alive, proven by locks that die with their holder.

Every session locks one byte of a lock file. The operating system drops the lock when the process ends, however it
ends, so a byte that can be locked belongs to nobody alive. Unlike a process id this cannot be mistaken for another
process, and it holds across containers that share the file.
"""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # No such locks on Windows: nothing is ever proven gone there, and what was reserved stays charged.
    fcntl = None

# A process loses all its locks on a file when it closes any descriptor of it, so there is one for each, never closed.
_descriptors: dict[tuple[int, Path], int] = {}
_claimed: set[tuple[int, Path, int]] = set()


def claim_process_lock(lock_file: Path, slot: int) -> int:
    """Lock `slot` for the life of this process; returns what identifies the lock file, for `is_gone`."""
    descriptor = _open(lock_file)
    if fcntl is not None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
    _claimed.add((os.getpid(), lock_file, slot))
    return os.fstat(descriptor).st_ino


def owner_is_gone(lock_file: Path, slot: int, identity: int) -> bool:
    """Whether the process that claimed `slot` is provably dead. A lock file that was replaced proves nothing."""
    if fcntl is None or (os.getpid(), lock_file, slot) in _claimed:
        return False
    try:
        descriptor = _open(lock_file)
        if os.fstat(descriptor).st_ino != identity:
            return False
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, slot)
    except OSError:
        return False
    return True


def _open(lock_file: Path) -> int:
    key = (os.getpid(), lock_file)
    if key not in _descriptors:
        _descriptors[key] = os.open(lock_file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
    return _descriptors[key]
