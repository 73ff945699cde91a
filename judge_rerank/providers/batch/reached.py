"""A recorded job, reached again by whoever may ask its model."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from judge_rerank.core import Backend, ChatRequest, InputError, Message
from judge_rerank.providers.batch.api import BatchApi, api_of
from judge_rerank.providers.batch.control import JobControl
from judge_rerank.providers.batch.http_exchange import Posted, Unanswered, answering
from judge_rerank.providers.batch.state import BatchJob

_QUESTION = ChatRequest(messages=(Message(role="user", content="?"),), max_output_tokens=16)


async def reached(job: BatchJob, open_model: Callable[[str], Backend]) -> BatchApi:
    """The batch API of a job, with the key that its model is asked with.

    The key is in no record, so the model is opened again and told to make a request, which is not sent.

    Raises:
        AuthenticationError: there is no key.
        InputError: the model cannot be opened.
    """
    backend = open_model(job.model)
    try:
        with answering({}):
            await backend.complete(_QUESTION)
    except Unanswered as unanswered:
        made = unanswered.posted
    else:
        raise InputError(f"{job.model} answers without a request, so its batch jobs cannot be reached.")
    finally:
        await backend.aclose()
    query = urlsplit(made.url).query
    posted = Posted(url=f"{job.url}?{query}" if query else job.url, headers=made.headers, body=b"")
    return api_of(job.provider)(posted, JobControl(job.model, made.headers))
