"""What goes wrong with a request, as its client and the log are told; the spans that a request belongs to."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from opentelemetry import context as telemetry
from opentelemetry.propagate import extract

from judge_rerank.core import RerankError
from judge_rerank.server.problems import Problem, problem_of

LEFT = 499
"""The status of a request whose client did not wait, for logs and figures; nobody reads the reply."""

_LOG = logging.getLogger("judge_rerank.server")


def problem_for(error: Exception, request: str) -> Problem:
    """What an error is to a client; what its operator has to know is logged under the id of the request."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RerankError):
        problem = problem_of(error)
        if problem.status >= 500:
            _LOG.warning("%s: %s: %s", request, type(error).__name__, error)
        return problem
    # Its own words may quote a text.
    where = "".join(traceback.format_tb(error.__traceback__))
    _LOG.error("%s: %s\n%s", request, type(error).__name__, where)
    return problem_of(RerankError())


@contextmanager
def spans_of(headers: Mapping[str, str]) -> Generator[None]:
    """Spans inside belong to the trace that the client names."""
    token = telemetry.attach(extract(headers))
    try:
        yield
    finally:
        telemetry.detach(token)
