"""JSON schemas of what several replies have, for the server's description of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer", "minimum": 0}
SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
DOCUMENT: Schema = {"type": "object", "properties": {"text": TEXT}, "required": ["text"]}


def objects(required: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """The schema of an object with these fields."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def lists(items: Schema) -> Schema:
    """The schema of a list of these."""
    return {"type": "array", "items": items}


SPANS = lists(objects({"start": WHOLE, "end": WHOLE, "score": SCORE}))
META = objects(
    {
        "status": {"enum": ["complete", "partial"]},
        "reasons": lists(TEXT),
        "notes": lists(TEXT),
        "strategy": TEXT,
        "judged": lists(WHOLE),
        "unjudged": lists(WHOLE),
        "suspicious": lists(
            objects({"index": WHOLE, "start": WHOLE, "end": WHOLE, "reason": TEXT, "score": SCORE, "part": TEXT})
        ),
        "calls": WHOLE,
        "cached_calls": WHOLE,
        "cost_usd": {"type": ["string", "null"]},
        "latency_s": NUMBER,
    },
    {"api_version": objects({"version": TEXT}), "billed_units": {"type": "object"}, "tokens": {"type": "object"}},
)
MESSAGE = objects({"message": TEXT})
DETAIL = objects({"detail": TEXT})
