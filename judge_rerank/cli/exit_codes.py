"""What a command's exit code says, and which one rankings and errors call for."""

from __future__ import annotations

from collections.abc import Sequence

from judge_rerank.core import AuthenticationError, IncompleteRankings, ProviderError, Ranking, RerankError

MISSED, BAD_INPUT, PARTIAL, PROVIDER_FAILED, INTERRUPTED = 1, 2, 3, 4, 130

EXIT_CODES = (
    "Exit codes: 0 complete · 2 bad input, setup or key · 3 partial, some documents were not judged · "
    "4 the provider failed and nothing was judged · 130 interrupted (what was judged so far is printed)."
)


def of_rankings(rankings: Sequence[Ranking]) -> int:
    """0 where all are complete; 4 where the provider failed and the judge answered nothing at all; else 3."""
    if all(ranking.status == "complete" for ranking in rankings):
        return 0
    answered = any(ranking.usage.calls or ranking.usage.cached_calls for ranking in rankings)
    failed = any(ranking.integrity.failed.get("provider") for ranking in rankings)
    return PROVIDER_FAILED if failed and not answered else PARTIAL


def of_error(error: RerankError) -> int:
    """The code for a command that an error ended."""
    if isinstance(error, IncompleteRankings):
        return of_rankings(error.rankings)
    if isinstance(error, ProviderError) and not isinstance(error, AuthenticationError):
        return PROVIDER_FAILED
    return BAD_INPUT
