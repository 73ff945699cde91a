"""Azure's batch API: OpenAI's, under the address of the resource; a file is looked at before a job is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from judge_rerank.core import RequestRejected
from judge_rerank.providers.batch.api import BatchRequest, batch_api
from judge_rerank.providers.batch.openai import OpenAIBatches

_NOT_READY = frozenset({"uploaded", "pending", "running", "notrunning"})
_USELESS = frozenset({"error", "failed"})
_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 15.0


@batch_api("azure")
class AzureBatches(OpenAIBatches):
    """Jobs at `openai/files` and `openai/batches` of a resource, for a deployment of the kind Global Batch.

    Versions of the API that have a date are asked at `openai/deployments/NAME`, and `v1` at `openai/v1`; the jobs are
    beside both.
    """

    most_requests: ClassVar[int] = 100_000
    endpoint: ClassVar[str] = "/chat/completions"

    @staticmethod
    def _base(path: str) -> str:
        return OpenAIBatches._base(path).partition("/deployments/")[0]

    async def upload(self, name: str, items: Sequence[BatchRequest]) -> str:
        """The id of the file of requests, once the provider has looked at it.

        Raises:
            RequestRejected: the provider cannot use the file.
        """
        file = await super().upload(name, items)
        pause_s = _PAUSE_S
        while True:
            found = await self._control.get(self._url(f"/files/{file}"))
            status = str(found.get("status")).lower()
            if status in _USELESS:
                why = found.get("status_details") or found.get("error") or "it gave no reason"
                raise RequestRejected(
                    f"{self._control.model}: Azure cannot use the file of requests: {why}", sent=False
                )
            if status not in _NOT_READY:
                return file
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
