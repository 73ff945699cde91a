"""The field's cases of rerank APIs: their scales and their limits."""

from __future__ import annotations

from typing import Any

from field_cases import DOCS, case, need, need_whole
from field_serving import FOLDERS, GRADES, TEI, by_api

from tests.provider import Answer, Asked, Provider, QrelsJudge, Received

# Squashed scores

RAW: tuple[list[float], ...] = (
    [2.0, -1.0, 0.9, 0.3],
    [44.0, 52.1, 48.3],
    [87, 12, 0.4, 0],
    [45.5, -3.0, 46.0, 45.75],
    [-8.1, -8.2, -7.9, -11],
    [0.1, 0.9, 3.0, 0.5],
    [0.99999, 0.999991, 0.999992],
    [1e-9, 2e-9, 0.0],
    [100, 101, 99, 0.5],
    [-0.5, 0.5, 0.2],
    [1200.0, 900.0, 1500.5],
    [710.0, 711.0, -745.0],
    [1, 0, 0.5, 2],
    [-1, -2, -3],
    [1e6, 1e6 + 1, 1e6 - 1],
)


@case("squashed scores", *((raw, size) for raw in RAW for size in (1, 2, 100)))
def one_scale(given: tuple[list[float], int]) -> None:
    raw, size = given
    docs = [f"document {number}" for number in range(len(raw))]
    scores = dict(zip(docs, raw, strict=True))

    def says(asked: Asked) -> Answer:
        return Answer(text=repr(next(s for text, s in scores.items() if asked.prompt.endswith(text)) * 1000))

    with Provider(says) as provider:
        ranking = by_api(provider, docs, batch_size=size)
    wanted = tuple(sorted(range(len(raw)), key=lambda place: -raw[place]))
    need(ranking.order == wanted, f"order {ranking.order}, right is {wanted}")
    found = [place.relevance_score for place in ranking]
    need(all(score is not None and 0 <= score <= 1 for score in found), f"scores {found}")
    need(len(set(found)) == len(found), f"scores are not distinct: {found}")
    need(ranking.status == "complete", ranking.status)


# Rerank limits

TOO_MANY = (
    (422, "batch size 40 > maximum allowed batch size 32"),
    (413, "batch size 40 > maximum allowed batch size 32"),
    (400, "invalid request: total number of documents must be at most 32 - received 40"),
    (400, "The number of documents exceeds the limit of 32."),
    (400, "Too many documents in one request."),
    (422, "List should have at most 32 items after validation, not 40"),
    (400, "max 32 documents per request"),
    (400, "documents: array too long, expected at most 32, got 40"),
    (400, "'documents' must contain no more than 32 elements"),
    (413, "Payload too large: 40 documents, maximum is 32"),
)


@case("rerank limits", *((said, model) for said in TOO_MANY for model in (TEI, "cohere/rerank-v3.5")))
def all_forty_are_scored(given: tuple[tuple[int, str], str]) -> None:
    said, model = given

    def refuses(request: Received) -> Any:
        return said if len(request.body.get("documents") or request.body.get("texts") or ()) > 32 else None

    docs = [f"document {number:02}" for number in range(40)]
    with Provider(QrelsJudge({text: n % 4 for n, text in enumerate(docs)}), refuses=refuses) as provider:
        ranking = by_api(provider, docs, model)
    need_whole(ranking, 40)
    need(ranking.status == "complete" and not ranking.integrity.unjudged, f"{ranking.status}: {ranking.reasons}")


BLANK = (
    (400, "Input cannot contain empty strings or empty lists"),
    (422, "`inputs` cannot be empty"),
    (400, "documents[1] is empty"),
    (400, "each document must be a non-empty string"),
)


@case(
    "rerank limits", *((said, model, text) for said in BLANK for model in FOLDERS for text in ("", " \n\t", "\u200b"))
)
def a_blank_document(given: tuple[tuple[int, str], str, str]) -> None:
    said, model, blank = given

    def refuses(request: Received) -> Any:
        texts = request.body.get("documents") or request.body.get("texts") or ()
        return said if any(not str(text).strip(" \n\t\u200b") for text in texts) else None

    with Provider(QrelsJudge(GRADES), refuses=refuses) as provider:
        ranking = by_api(provider, [DOCS[0], blank, *DOCS[1:]], model)
    need(ranking.order == (2, 0, 3, 1), f"order {ranking.order}")
    need(ranking.integrity.unjudged == (1,), f"unjudged are {ranking.integrity.unjudged}")


TOO_LONG = (
    (413, "Input validation error: `inputs` must have less than 512 tokens. Given: 842"),
    (400, "This model's maximum context length is 512 tokens. However, you requested 842 tokens."),
    (400, "Input length 842 exceeds maximum allowed token size 512"),
    (400, "The document is too long."),
    (422, "document at index 3 exceeds the token limit of 512"),
    (400, "Sequence length 842 is longer than the specified maximum sequence length of 512"),
)


@case("rerank limits", *((said, model) for said in TOO_LONG for model in (TEI, "cohere/rerank-v3.5")))
def a_document_over_512_tokens(given: tuple[tuple[int, str], str]) -> None:
    said, model = given

    def refuses(request: Received) -> Any:
        texts = request.body.get("documents") or request.body.get("texts") or ()
        return said if any(len(str(text)) > 4 * 500 for text in texts) else None

    docs = [DOCS[0], "A long tale of sand. " * 200, *DOCS[1:]]
    with Provider(QrelsJudge(GRADES), refuses=refuses) as provider:
        ranking = by_api(provider, docs, model)
    need_whole(ranking, 4)
    need(ranking.order[0] == 2, f"order {ranking.order}")
    need(not set(ranking.integrity.unjudged) - {1}, f"unjudged are {ranking.integrity.unjudged}")
