"""How long something may take, where what is feared takes minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

# What is bounded takes a tenth of a second; what it was before took minutes. A busy machine with coverage on takes ten
# times as long as a quiet one, and is no failure.
PATIENCE_S = 15


@contextmanager
def soon() -> Iterator[None]:
    """Fails if the body takes more than `PATIENCE_S` of this process's time on a processor."""
    started = time.process_time()
    yield
    taken_s = time.process_time() - started
    assert taken_s < PATIENCE_S, f"it took {taken_s:.1f} s"
