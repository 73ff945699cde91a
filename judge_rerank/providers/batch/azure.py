"""Azure's batch API: OpenAI's, of which a deployment is the model."""

from __future__ import annotations

import json
import re
from typing import ClassVar

from judge_rerank.providers.batch.api import batch_api
from judge_rerank.providers.batch.openai import OpenAIBatches
from judge_rerank.providers.batch.wire import Posted

_DEPLOYMENT = re.compile(r"^(.*/openai)/deployments/([^/]+)/chat/completions$")


@batch_api("azure")
class AzureBatches(OpenAIBatches):
    """Jobs at `/openai/files` and `/openai/batches` of a resource; with its v1 API, at `/openai/v1`."""

    endpoint: ClassVar[str] = "/chat/completions"

    @staticmethod
    def _base(path: str) -> str:
        found = _DEPLOYMENT.match(path)
        return found[1] if found else path.removesuffix("/chat/completions")

    def body(self, posted: Posted) -> object:
        """The body, with the deployment that stands in the address of a direct request."""
        found = _DEPLOYMENT.match(posted.address)
        return json.loads(posted.body) | ({"model": found[2]} if found else {})
