"""What a price is, and the arithmetic of bills, in whole micro-dollars.

Bills are exact to the token and rounded up to the next micro-dollar, call by call. They are never below what the
provider charges by the same prices, and above it by less than a micro-dollar a call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import ROUND_CEILING, Decimal
from typing import Any, Literal, NamedTuple

from judge_rerank.core import InputError
from judge_rerank.spending.budget import Amount, to_decimal
from judge_rerank.spending.metering import Metered

PriceSource = Literal["user", "litellm", "local"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tier:
    """What differs for requests of more than `above_input_tokens`; None leaves a price as it is.

    The whole request is billed at the prices of the highest tier that it reaches.
    """

    above_input_tokens: int
    input_usd_per_mtok: Amount | None = None
    output_usd_per_mtok: Amount | None = None
    cached_input_usd_per_mtok: Amount | None = None
    cache_write_usd_per_mtok: Amount | None = None
    cache_write_1h_usd_per_mtok: Amount | None = None
    reasoning_usd_per_mtok: Amount | None = None

    def __post_init__(self) -> None:
        _check_amounts(self)
        if isinstance(self.above_input_tokens, bool) or self.above_input_tokens < 0:
            raise InputError(f"above_input_tokens must be a number of tokens; got {self.above_input_tokens!r}.")


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What a model costs: `Price(input_usd_per_mtok="0.10", output_usd_per_mtok="0.50")`.

    Example:
        ```python
        from judge_rerank import Judge, Price

        prices = {"hosted_vllm/our-model": Price(input_usd_per_mtok="0.10", output_usd_per_mtok="0.50")}
        judge = Judge("hosted_vllm/our-model", prices=prices)
        print(judge.estimate("why do my brakes squeal?", ["A bell is loud."]).cost_usd)
        ```

    Attributes:
        input_usd_per_mtok, output_usd_per_mtok: dollars per million tokens.
        cached_input_usd_per_mtok: of input that the provider's prompt cache held; None: as other input.
        cache_write_usd_per_mtok: of input that is written to that cache; None: as other input.
        cache_write_1h_usd_per_mtok: of input that is kept for an hour; None: as the line above.
        reasoning_usd_per_mtok: of reasoning; None: as other output.
        per_call_usd: for each call, whatever it holds.
        per_search_unit_usd: for each search unit that a rerank API bills.
        per_document_usd: for each document sent to a rerank API.
        tiers: what differs for long requests.
        regions: what everything is multiplied by in a region that the provider names in its reply.
        batch_share: what a batch job costs of all that, "0.5" for half.
        source: who says so.

    Raises:
        InputError: an amount is negative, or no number.
    """

    input_usd_per_mtok: Amount = 0
    output_usd_per_mtok: Amount = 0
    cached_input_usd_per_mtok: Amount | None = None
    cache_write_usd_per_mtok: Amount | None = None
    cache_write_1h_usd_per_mtok: Amount | None = None
    reasoning_usd_per_mtok: Amount | None = None
    per_call_usd: Amount = 0
    per_search_unit_usd: Amount = 0
    per_document_usd: Amount = 0
    tiers: tuple[Tier, ...] = ()
    regions: Mapping[str, Amount] = field(default_factory=dict[str, Amount], hash=False)
    batch_share: Amount = "0.5"
    source: PriceSource = "user"

    def __post_init__(self) -> None:
        _check_amounts(self)
        if not 0 < to_decimal(self.batch_share, "batch_share") <= 1:
            raise InputError(f"batch_share must be above 0 and at most 1, such as 0.5; got {self.batch_share!r}.")

    def times(self, share: Amount) -> Price:
        """The price with every amount multiplied."""
        tiers = tuple(replace(tier, **_multiplied(tier, share)) for tier in self.tiers)
        return replace(self, tiers=tiers, **_multiplied(self, share))

    @classmethod
    def free(cls) -> Price:
        """The price of a model that runs on a machine of one's own."""
        return cls(source="local")

    @property
    def is_free(self) -> bool:
        """Whether nothing that it is asked can cost anything."""
        return worst_case(self, 10**9, 10**9, search_units=1, documents=1) == 0

    def covers(self, used: Metered) -> bool:
        """Whether a rerank API told all that it bills by at this price; where it did not, its bill is not known."""
        by_token = _decimal(self.input_usd_per_mtok) > 0
        by_search = _decimal(self.per_search_unit_usd) > 0
        return (used.input_tokens > 0 or not by_token) and (used.search_units > 0 or not by_search)


def bill(price: Price, used: Metered) -> int:
    """What a call cost, in micro-dollars, rounded up."""
    rates = _rates(price, used.input_tokens)
    written = used.cache_write_tokens + used.cache_write_1h_tokens
    fresh = max(0, used.input_tokens - used.cached_input_tokens - written)
    reasoning = min(used.reasoning_tokens, used.output_tokens)
    # Dollars per million tokens are micro-dollars per token.
    micro_usd = (
        fresh * rates.input
        + used.cached_input_tokens * rates.cached
        + used.cache_write_tokens * rates.write
        + used.cache_write_1h_tokens * rates.write_1h
        + (used.output_tokens - reasoning) * rates.output
        + reasoning * rates.reasoning
    )
    times = _decimal(price.regions.get(used.region or "", 1))
    return _round_up(micro_usd * times + _flat(price, used.search_units, used.documents))


def worst_case(
    price: Price, input_tokens: int, max_output_tokens: int, *, search_units: int = 0, documents: int = 0
) -> int:
    """The most that a call can cost, in micro-dollars.

    Args:
        price: of the model.
        input_tokens: an upper bound.
        max_output_tokens: the limit that is sent with the call.
        search_units: the most that a rerank API can bill.
        documents: how many are sent to a rerank API.
    """
    reached = [0, *(tier.above_input_tokens + 1 for tier in price.tiers if tier.above_input_tokens < input_tokens)]
    micro_usd = Decimal(0)
    for rates in (_rates(price, tokens) for tokens in reached):
        dearest_input = max(rates.input, rates.cached, rates.write, rates.write_1h)
        dearest_output = max(rates.output, rates.reasoning)
        micro_usd = max(micro_usd, input_tokens * dearest_input + max_output_tokens * dearest_output)
    times = max([Decimal(1), *map(_decimal, price.regions.values())])
    return _round_up(micro_usd * times + _flat(price, search_units, documents))


class _Rates(NamedTuple):
    input: Decimal
    output: Decimal
    cached: Decimal
    write: Decimal
    write_1h: Decimal
    reasoning: Decimal


def _rates(price: Price, input_tokens: int) -> _Rates:
    """The prices of a request of this length, in micro-dollars per token."""
    for tier in sorted(price.tiers, key=lambda tier: tier.above_input_tokens):
        if input_tokens > tier.above_input_tokens:
            changes = {f.name: value for f in fields(tier) if (value := getattr(tier, f.name)) is not None}
            del changes["above_input_tokens"]
            price = replace(price, **changes)
    given_input, output = _decimal(price.input_usd_per_mtok), _decimal(price.output_usd_per_mtok)
    write = _decimal(price.cache_write_usd_per_mtok, given_input)
    return _Rates(
        input=given_input,
        output=output,
        cached=_decimal(price.cached_input_usd_per_mtok, given_input),
        write=write,
        write_1h=_decimal(price.cache_write_1h_usd_per_mtok, write),
        reasoning=_decimal(price.reasoning_usd_per_mtok, output),
    )


def _flat(price: Price, search_units: int, documents: int) -> Decimal:
    usd = (
        _decimal(price.per_call_usd)
        + search_units * _decimal(price.per_search_unit_usd)
        + documents * _decimal(price.per_document_usd)
    )
    return usd * 1_000_000


def _decimal(value: Amount | None, default: Decimal = Decimal(0)) -> Decimal:
    return default if value is None else value if isinstance(value, Decimal) else Decimal(str(value))


def _round_up(micro_usd: Decimal) -> int:
    return int(micro_usd.to_integral_value(ROUND_CEILING))


def _multiplied(price: Price | Tier, share: Amount) -> dict[str, Any]:
    amounts = {item.name: getattr(price, item.name) for item in fields(price) if "_usd" in item.name}
    return {name: _decimal(value) * _decimal(share) for name, value in amounts.items() if value is not None}


def _check_amounts(price: Price | Tier) -> None:
    for item in fields(price):
        value = getattr(price, item.name)
        if "_usd" in item.name and value is not None:
            to_decimal(value, item.name)
