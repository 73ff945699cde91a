"""Everything that can go wrong, as one tree.

    RerankError
    ├── InputError                 a query, document, option or file that cannot be used (also a ValueError)
    │   ├── UnknownName            no strategy, model, prompt or metric has that name; the nearest are suggested
    │   ├── PromptError            a template that cannot be used, with its file and line
    │   └── DataError              a file that cannot be read as documents, queries or judgments, with its line
    ├── SetupError                 something has to be installed, downloaded or configured first
    │   ├── MissingExtra           an optional dependency is not installed
    │   └── ModelUnavailable       no model was named, or its weights are not on this machine
    ├── StrategyError              a strategy broke its contract
    ├── ScorerError                a local scorer failed, or gave something else than one number a document
    ├── BudgetError                a cap on spending keeps a call from being made
    │   ├── BudgetExceeded         the next call could cost more than is left; says of which cap
    │   └── PricingUnknown         there is a cap, and nobody said what the model costs
    ├── IncompleteRankings         too many rankings are partial to learn or measure anything from; it holds them
    ├── LedgerError                the file that records the spending cannot be used, so nothing is spent
    └── ProviderError              the model's provider did not answer
        ├── AuthenticationError    no key, or a key that the provider does not accept
        ├── RequestRejected        the provider will not take this request (HTTP 400, 404, 413, 422)
        │   ├── RequestTooLarge    fewer or shorter documents would do
        │   │   └── ContextTooLong the request is longer than the model's context
        │   └── DocumentRefused    one of the documents is refused for what it holds; the others would do
        ├── QuotaExhausted         the account has no credit left; waiting does not help
        ├── RateLimited            too many requests; waiting helps (HTTP 429)
        ├── ProviderTimeout        no complete answer in time; it may have been billed
        └── ProviderUnavailable    HTTP 5xx, a dropped connection, an answer that is not the provider's format

Every message says what was wrong, what was expected and what to do. None carries a key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from judge_rerank.core.money import dollars
from judge_rerank.core.redaction import redact

if TYPE_CHECKING:
    from judge_rerank.core.ranking import Ranking

_MOST_NAMES = 40
"""More names than this are not written into a message."""


class RerankError(Exception):
    """Base of every error that this package raises on purpose. Whatever went into its message, no secret comes out.

    Attributes:
        pair: which of many rankings it ended, counted from 0; None for a single one.
        rankings_made: the rankings that were made beside it, by their place; they are paid for.
    """

    pair: int | None = None
    rankings_made: Mapping[int, Ranking] = MappingProxyType({})

    def __init__(self, message: str = "") -> None:
        super().__init__(redact(message))

    def at_pair(self, place: int, rankings: Mapping[int, Ranking]) -> None:
        """Say which of many rankings it ended, and hold what was made beside it."""
        if self.pair is None:
            self.args = (f"pairs[{place}]: {self}", *self.args[1:])
        self.pair, self.rankings_made = place, rankings


class InputError(RerankError, ValueError):
    """Something the caller passed cannot be used; nothing was sent or spent."""


class UnknownName(InputError):
    """A name that nothing answers to.

    Args:
        kind: what was looked for, in the user's words ("strategy", "prompt").
        name: the name as given.
        known: the names there are; the nearest go into the message.
        hint: what else the user can do, as a sentence.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        self.kind, self.name, self.known = kind, name, tuple(sorted(known))
        lowered = {known_name.lower(): known_name for known_name in self.known}
        self.suggestions = tuple(lowered[n] for n in get_close_matches(name.lower(), lowered, n=3, cutoff=0.5))
        if self.suggestions:
            advice = f"Did you mean {' or '.join(repr(s) for s in self.suggestions)}?"
        elif len(self.known) > _MOST_NAMES:
            advice = ""
        elif self.known:
            advice = f"There are: {', '.join(self.known)}."
        else:
            advice = "There are none."
        super().__init__(" ".join(part for part in (f"Unknown {kind} {name!r}.", advice, hint) if part))


class PromptError(InputError):
    """A prompt template cannot be loaded or rendered; `path` and `line` say where."""

    def __init__(self, message: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        self.path, self.line = (str(path) if path is not None else None), line
        super().__init__(_located(message, self.path, line))


class DataError(InputError):
    """A file does not hold what was expected of it; `path` and `line` say where."""

    def __init__(self, message: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        self.path, self.line = (str(path) if path is not None else None), line
        super().__init__(_located(message, self.path, line))


class SetupError(RerankError):
    """Something has to be installed, downloaded or configured first; the message names the command."""


class MissingExtra(SetupError):
    """A dependency is not installed.

    Args:
        feature: what the user asked for ("The embedded judge").
        extra: the extra of this package that brings it; "" for what comes with the package itself.
        module: the module that could not be imported.
    """

    def __init__(self, feature: str, extra: str, module: str) -> None:
        self.extra, self.module = extra, module
        what = f"'judge-rerank[{extra}]'" if extra else "judge-rerank"
        super().__init__(f"{feature} needs {module!r}, which is not installed. Run: pip install {what}")


class ModelUnavailable(SetupError):
    """No model was named, or the weights of the one that was are not on this machine."""


class StrategyError(RerankError):
    """A strategy broke its contract, for example by losing a document."""


class ScorerError(RerankError):
    """A local scorer failed, or gave something else than one number for each document."""


class BudgetError(RerankError):
    """A cap on spending keeps a call from being made."""


class BudgetExceeded(BudgetError):
    """The next call could cost more than is left under a cap.

    Args:
        spent: what counts against the cap: dollars, or a number of calls or tokens, as `unit` says.
        limit: the cap, in the same unit.
        source: which cap: "budget", "limit", "max_usd" or the name of an environment variable.
        unit: what the cap counts.
        needed: the most that the next call could take; None when it is not that which stops it.
        stopped: the model for which the cap was stopped, because a bill of its was far higher than the estimated worst
            case; None if that is not the reason.
        ranking: the best order so far, where there is one.
    """

    def __init__(
        self,
        spent: Decimal | int,
        limit: Decimal | int,
        source: str,
        *,
        unit: Literal["usd", "calls", "tokens"] = "usd",
        needed: Decimal | int | None = None,
        stopped: str | None = None,
        ranking: Ranking | None = None,
    ) -> None:
        self.spent, self.limit, self.source, self.unit = spent, limit, source, unit
        self.needed, self.stopped, self.ranking = needed, stopped, ranking
        spent_text, limit_text = _amount(spent, unit), _amount(limit, unit)
        if stopped is not None:
            message = (
                f"{source} is stopped for {stopped or 'the model'} ({spent_text} of {limit_text} spent): a call was "
                "billed far more than its estimated worst case, so the cap cannot be guaranteed with this model. The "
                "log names the call. Check the price, then resume the model: "
                "judge_rerank.spending.Ledger(PATH).resume() for a budget with a file, else a new judge or limit."
            )
        else:
            what = "" if needed is None else f", and the next call can cost {_amount(needed, unit)}"
            message = f"{source} is used up: {spent_text} of {limit_text} spent{what}. Raise the cap to continue."
        super().__init__(message)


class PricingUnknown(BudgetError):
    """A cap in dollars applies, and the price of the model is not known."""

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(
            f"The price of {model!r} is not known, so a cap in dollars cannot be guaranteed. Give a price with "
            f"prices={{{model!r}: Price(input_usd_per_mtok=..., output_usd_per_mtok=...)}} (dollars per million "
            "tokens; Price.free() for a model of your own), or leave out the cap."
        )


class IncompleteRankings(RerankError):
    """Too many rankings are partial to learn or measure anything from them.

    Args:
        message: how many there are, why, and what to do.
        rankings: all that were made, partial or not.
    """

    def __init__(self, message: str, rankings: Iterable[Ranking]) -> None:
        self.rankings = tuple(rankings)
        super().__init__(message)


class LedgerError(RerankError):
    """The file that records the spending cannot be used. Nothing is sent while that is so."""

    def __init__(self, message: str, *, path: Path | str | None = None) -> None:
        self.path = str(path) if path is not None else None
        super().__init__(_located(message, self.path, None))


class ProviderError(RerankError):
    """The provider did not give an answer.

    Args:
        message: what happened and what to do.
        model: the model that was asked.
        status: the HTTP status, where there was one.
        retry_after_s: how long the provider asks to wait, where it says so.
        sent: False only where the request certainly never left this machine, so that it cannot have been billed.
    """

    retryable = False
    """Whether the same request can succeed later."""

    def __init__(
        self,
        message: str,
        *,
        model: str | None = None,
        status: int | None = None,
        retry_after_s: float | None = None,
        sent: bool = True,
    ) -> None:
        self.model, self.status, self.retry_after_s, self.sent = model, status, retry_after_s, sent
        super().__init__(message)


class AuthenticationError(ProviderError):
    """No key was given, or the provider does not accept the one that was."""


class RequestRejected(ProviderError):
    """The provider refuses this request as it stands; sending it again cannot help."""


class RequestTooLarge(RequestRejected):
    """More documents, or longer ones, than the provider takes in one request; fewer or shorter ones would do."""


class ContextTooLong(RequestTooLarge):
    """The request is longer than the model's context."""


class DocumentRefused(RequestRejected):
    """The provider refuses the request for what one of its documents holds, or does not; the others would do."""


class QuotaExhausted(ProviderError):
    """The account has no credit left; waiting does not help."""


class RateLimited(ProviderError):
    """Too many requests at once; `retry_after_s` says how long the provider asks to wait, if it did."""

    retryable = True


class ProviderTimeout(ProviderError):
    """No complete answer came in time. The request was sent, so it may be billed."""

    retryable = True


class ProviderUnavailable(ProviderError):
    """The provider failed (HTTP 5xx), dropped the connection, or answered in a format that is not its own."""

    retryable = True


def _amount(value: Decimal | int, unit: str) -> str:
    return dollars(value) if unit == "usd" else f"{value} {unit if value != 1 else unit.removesuffix('s')}"


def _located(message: str, path: str | None, line: int | None) -> str:
    if path is None:
        return message
    return f"{path}:{line}: {message}" if line is not None else f"{path}: {message}"
