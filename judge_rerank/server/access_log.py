"""One line of JSON for each request: who asked what of whom, how it went. No texts and no keys."""

from __future__ import annotations

import json
import logging
import time
import uuid
from dataclasses import dataclass, field

from judge_rerank.server.request import Meta

LOG = logging.getLogger("judge_rerank.server.access")


@dataclass(kw_only=True, slots=True)
class Access:
    """What is known of a request so far.

    Attributes:
        id: of the request, also in the reply's headers.
        path, client, shape, route, documents, status: what was asked by whom, and the answer's status.
        waited_s: how long it was in the queue.
        meta: of the ranking; None where there is none.
    """

    path: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    client: str = ""
    shape: str = ""
    route: str = ""
    documents: int = 0
    status: int = 0
    waited_s: float = 0.0
    meta: Meta | None = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.perf_counter() - self.started

    def write(self) -> None:
        """Write the line."""
        if not LOG.isEnabledFor(logging.INFO):
            return
        line = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "id": self.id,
            "path": self.path,
            "status": self.status,
            "seconds": round(self.seconds, 4),
            "client": self.client,
            "shape": self.shape,
            "route": self.route,
            "documents": self.documents,
        }
        if self.meta is not None:
            shown = self.meta.to_dict()
            keys = ("strategy", "calls", "cached_calls", "cost_usd")
            line |= {key: shown[key] for key in keys} | {"ranking": self.meta.status, "waited": round(self.waited_s, 4)}
        LOG.info(json.dumps(line, ensure_ascii=False))
