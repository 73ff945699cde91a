"""What had to be repaired or was not judged in rankings, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judge_rerank.core.ranking import Ranking


def counted(count: int, one: str, several: str | None = None) -> str:
    """A number with its noun."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def integrity_text(rankings: Sequence[Ranking]) -> list[str]:
    """What happened in these rankings together, a few words each: "2 replies repaired"; empty where nothing did."""
    records = [ranking.integrity for ranking in rankings]
    failed: Counter[str] = Counter()
    for record in records:
        failed.update(record.failed)
    said = [
        (sum(r.repaired for r in records), "reply repaired", "replies repaired"),
        (sum(r.missing for r in records), "id left out", "ids left out"),
        (sum(r.duplicate for r in records), "id repeated", "ids repeated"),
        (sum(r.invented for r in records), "id made up", "ids made up"),
        (sum(u.usage.reasks for u in rankings), "reply asked for again", "replies asked for again"),
        (sum(u.usage.retries for u in rankings), "retry", "retries"),
        *((n, f"call without a judgment ({why})", f"calls without a judgment ({why})") for why, n in failed.items()),
        (sum(len(r.unjudged) for r in records), "document not judged", "documents not judged"),
        (sum(len(r.truncated) for r in records), "document cut to fit", "documents cut to fit"),
        (sum(len(r.cut) for r in records), "document left out", "documents left out"),
        (sum(len({s.index for s in r.suspicious}) for r in records), "document suspicious", "documents suspicious"),
    ]
    return [counted(count, one, several) for count, one, several in said if count]
