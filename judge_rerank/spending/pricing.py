"""Where prices come from: the user, or the cost map that LiteLLM brings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

from judge_rerank.core import InputError
from judge_rerank.spending.cost_map import find_price
from judge_rerank.spending.price import Price, Tier

# Servers that LiteLLM knows and that run where they are called. Their own cloud models are named as such.
_LOCAL_PROVIDERS = ("ollama", "ollama_chat", "llamafile", "lm_studio", "docker_model_runner")


class Pricing:
    """Finds the price of a model.

    Args:
        prices: the user's prices by model name, or a YAML file of them; they come before LiteLLM's. A name counts with
            and without its provider ("openai/gpt-6-luna", "gpt-6-luna").
        cost_map: LiteLLM's entries by model name; None for those of the LiteLLM that is installed.

    Raises:
        InputError: if the file or a price cannot be used.
    """

    def __init__(
        self,
        prices: Mapping[str, Price] | Path | str | None = None,
        *,
        cost_map: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._prices = read_prices(prices) if isinstance(prices, (str, Path)) else dict(prices or {})
        self._cost_map = cost_map

    def price(
        self, model: str, *, service_tier: str | None = None, decides: bool = False, batch: bool = False
    ) -> Price | None:
        """The price of a model by its LiteLLM name; None if it is unknown, which is not the same as free.

        `service_tier` is what the provider is asked for ("flex", "priority"), where it is asked for one; `decides` is
        for a model that answers typed questions, for which some providers have another price than for words;
        `batch` for requests of batch jobs: as the user's price says, else as the map does.
        """
        given = self._given(model)
        if given is not None:
            return given.times(given.batch_share) if batch else given
        if is_local(model):
            return Price.free()
        tier = "decisions" if decides else service_tier
        return find_price(model, self._cost_map, service_tier=tier, batch=batch)

    def _given(self, model: str) -> Price | None:
        if model in self._prices:
            return self._prices[model]
        provider, _, bare = model.rpartition("/") if model.count("/") == 1 else ("", "", model)
        if provider:
            return self._prices.get(bare)
        found = [price for name, price in self._prices.items() if name.partition("/")[2] == model]
        return found[0] if len(found) == 1 else None


def is_local(model: str) -> bool:
    """Whether a name is that of a model served on this machine, which costs nothing."""
    provider, _, name = model.partition("/")
    return model == "local" or (bool(name) and provider in _LOCAL_PROVIDERS and not name.endswith("cloud"))


def read_prices(path: Path | str) -> dict[str, Price]:
    """Read a YAML file with the fields of `Price` under the name of each model.

    Raises:
        InputError: if it is not such a file.
    """
    from judge_rerank.readers import Located

    content = Located(path).value
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path} must hold model names with their prices, such as `my-model: {{input_usd_per_mtok: 1}}`."
        )
    models = cast("Mapping[Any, Any]", content)
    return {str(name): _price_from(values, f"{path}: {name}") for name, values in models.items()}


def _price_from(values: Any, where: str) -> Price:
    if not isinstance(values, Mapping):
        raise InputError(f"{where} must have prices, such as input_usd_per_mtok: 0.4; got {values!r}.")
    given = dict(cast("Mapping[str, Any]", values))
    known = {item.name for item in fields(Price)} - {"source"}
    unknown = sorted(set(map(str, given)) - known)
    if unknown:
        raise InputError(
            f"{where}: {', '.join(unknown)} is not a field of a price. The fields are: {', '.join(sorted(known))}."
        )
    try:
        if "tiers" in given:
            given["tiers"] = tuple(Tier(**tier) for tier in given["tiers"])
        return Price(**given)
    except (TypeError, InputError) as error:
        raise InputError(f"{where}: {error}") from error
