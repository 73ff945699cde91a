"""The path of one ranking through the code: how many of our functions it calls, in how many files.

    python eval/bench/path.py [--files]

One listwise call over three documents, with a cache, a trace and a budget. Counted are calls of functions of the
package while `rerank` runs, in all threads; a change of file is a call whose caller, as far as it is ours, stands in
another file. The second ranking of a judge is counted, so that opening files and compiling templates is not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import judge_rerank
from judge_rerank import Budget, Judge, Price
from judge_rerank.testing import FakeBackend

PACKAGE = str(Path(judge_rerank.__file__).parent)
DOCS = ["Dune is a film.", "Frank Herbert wrote Dune.", "Sand dunes move with the wind."]


class Recorder:
    """Counts calls of our functions, thread by thread."""

    def __init__(self) -> None:
        self.on = False
        self.calls = 0
        self.changes = 0
        self.files: Counter[str] = Counter()
        self._last: dict[int, str] = {}

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if not self.on or event != "call":
            return
        code: CodeType = frame.f_code
        if not code.co_filename.startswith(PACKAGE):
            return
        thread = threading.get_ident()
        self.calls += 1
        self.files[code.co_filename] += 1
        self.changes += self._last.get(thread, code.co_filename) != code.co_filename
        self._last[thread] = code.co_filename


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", action="store_true", help="list the files, most called first")
    arguments = parser.parse_args()
    recorder = Recorder()
    threading.setprofile(recorder)
    sys.setprofile(recorder)
    with tempfile.TemporaryDirectory() as folder:
        backend = FakeBackend('{"ranking": [2, 1, 3]}')
        with Judge(
            backend,
            budget=Budget(usd="1", path=f"{folder}/spend.db"),
            cache_dir=f"{folder}/replies",
            trace=f"{folder}/trace.db",
            prices={backend.info.name: Price(input_usd_per_mtok="1", output_usd_per_mtok="1")},
        ) as judge:
            judge.rerank("what is a dune?", DOCS, "listwise")
            recorder.on = True
            judge.rerank("who wrote Dune?", DOCS, "listwise")
            recorder.on = False
    sys.setprofile(None)
    threading.setprofile(None)  # type: ignore[arg-type]
    print(f"{recorder.calls} calls in {len(recorder.files)} files, {recorder.changes} changes of file")
    if arguments.files:
        for file, count in recorder.files.most_common():
            print(f"{count:6} {Path(file).relative_to(PACKAGE)}")


if __name__ == "__main__":
    main()
