"""What APIs say when they refuse documents: too many, too long, empty; and what is about something else."""

import pytest

from judge_rerank.providers.api_limits import refusal

MANY = {
    "batch size 40 > maximum allowed batch size 32": 32,
    "input batch size 473 > maximum allowed batch size 64": 64,
    "invalid request: total number of texts must be at most 96 - received 131": 96,
    "Value error, batch size is invalid, it should not be larger than 10.: input.contents": 10,
    "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch": 100,
    "Expected an array with maximum length 2048, but got an array with length 3000 instead.": 2048,
    "max number of documents is 64, please check the documentation": 64,
    "List should have at most 2048 items after validation, not 3000": 2048,
    "ensure this value has at most 512 items": 512,
    "Value at 'sources' failed to satisfy constraint: Member must have length less than or equal to 1000": 1000,
    "250 instance(s) is allowed per prediction. Actual: 251.": 250,
    "The batch size limit is 1000. Your batch size is 1200.": 1000,
    "too many documents: 1,200 (limit 1,000)": 1000,
    "Number of documents exceeds the limit of 1000": 1000,
    "Too many inputs in request, split into more batches.": None,
}
LONG = {
    "Input validation error: `inputs` must have less than 512 tokens. Given: 842": 512,
    "Input length 1024 exceeds maximum allowed token size 512": 512,
    "This model's maximum context length is 8192 tokens, however you requested 9000 tokens.": 8192,
    "input (596 tokens) is too large to process. increase the physical batch size (current batch size: 512)": 512,
    "input is too large to process. increase the physical batch size": None,
    "The max allowed tokens per submitted batch is 100000. Your batch has 145736 tokens after truncation.": 100_000,
    "Range of input length should be [1, 2048]": 2048,
    "Request payload size exceeds the limit: 4194304 bytes.": None,
    "Value error, document index:0 is invalid, it should not be larger than 300000: input.documents": None,
    "The document is too long.": None,
}
EMPTY = [
    "Error for argument 'documents': Value error, Input cannot contain empty strings or empty lists",
    "`inputs` cannot be empty",
    "documents must be non-empty strings",
    "String should have at least 1 character",
]
OTHER = [
    (400, "Argument 'top_n' is not supported by our API"),
    (400, "Invalid value: dimensions must be less than or equal to 1024"),
    (400, "Invalid type for 'documents': expected a list"),
    (401, "batch size 40 > maximum allowed batch size 32"),
    (404, "The model does not exist"),
    (429, "too many requests in one minute"),
    (500, "internal server error"),
    (503, "no replica has an empty slot"),
    (None, "timed out"),
]


@pytest.mark.parametrize("said", MANY)
def test_too_many(said: str) -> None:
    found = refusal(422, said)
    assert found is not None
    assert (found.what, found.limit) == ("many", MANY[said])
    assert "batch_size" in found.advice


@pytest.mark.parametrize("said", LONG)
def test_too_long(said: str) -> None:
    found = refusal(500 if "process" in said else 413, said)
    assert found is not None
    assert (found.what, found.limit) == ("long", LONG[said])
    assert "max_tokens_per_doc" in found.advice


@pytest.mark.parametrize("said", ["length limit exceeded", "Request Entity Too Large", ""])
def test_a_body_that_is_too_large(said: str) -> None:
    found = refusal(413, said)
    assert found is not None
    assert (found.what, found.limit) == ("long", None)


@pytest.mark.parametrize("said", EMPTY)
def test_empty(said: str) -> None:
    found = refusal(400, said)
    assert found is not None
    assert found.what == "empty"


@pytest.mark.parametrize(("status", "said"), OTHER)
def test_what_is_about_something_else(status: int | None, said: str) -> None:
    assert refusal(status, said) is None
