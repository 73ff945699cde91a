"""The server's configuration: what it ranks with, who may ask, and how much."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from judge_rerank.core import InputError, SetupError
from judge_rerank.readers import Located, read_yaml
from judge_rerank.spending import Budget
from judge_rerank.storage import StoreUrl, store_of_environment

_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_HASH = re.compile(r"sha256:[0-9a-fA-F]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

DEFAULT = "default"
"""The route of requests that name no model."""


def _name(given: str) -> str:
    if not _NAME.fullmatch(given):
        raise InputError(f"{given!r} is not a name; expected letters, digits, dots, dashes: 'fast'.")
    return given


def _reference(given: str) -> str:
    if not _REFERENCE.fullmatch(given):
        raise InputError("A key does not belong in a file. Name the environment variable that has it: $NAME.")
    return given


def _client_key(given: str) -> str:
    if not _REFERENCE.fullmatch(given) and not _HASH.fullmatch(given):
        raise InputError(
            "A key does not belong in a file. Name the environment variable that has it ($APP_KEY), or give its hash "
            "(sha256:...)."
        )
    return given


def _amount(given: float | str) -> float | str:
    Budget(usd=given)  # says what is wrong with it
    return given


def _strategy(given: str) -> str:
    from judge_rerank.strategies import parse

    parse(given)
    return given


def _listed(given: object) -> object:
    return [given] if isinstance(given, str) else given


Name = Annotated[str, AfterValidator(_name)]
Amount = Annotated[float | str, AfterValidator(_amount)]
Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Names = Annotated[list[str], BeforeValidator(_listed)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, protected_namespaces=())


class RouteSpec(_Part):
    """A way to rank that clients call by its name: a model, a strategy, and what caps them. As in `Judge`."""

    model: Annotated[Names | None, Field(description="The judge, or several: later ones answer when one fails.")] = None
    strategy: Annotated[str, AfterValidator(_strategy)] | None = None
    aliases: Annotated[Names, Field(description='Other names that clients call it by; "*" for every other.')] = []
    budget: Annotated[Amount | None, Field(description="The highest cost of all its rankings, in dollars.")] = None
    period: Annotated[Literal["day", "month"] | None, Field(description="The budget is for each of these.")] = None
    max_usd: Annotated[Amount | None, Field(description="The highest cost of one ranking.")] = None
    deadline_s: Annotated[Seconds, Field(description="A ranking that takes longer is sent as far as it is.")] = 60.0
    on_suspicious: Annotated[
        Literal["flag", "recheck", "demote", "drop", "ignore"] | None,
        Field(description="What happens with documents that seem written for the judge."),
    ] = None
    instruction: Annotated[str | None, Field(description="What the judge is to heed beside the query.")] = None
    trust: Annotated[
        Literal["trusted", "untrusted"], Field(description="Whether the documents may want to deceive the judge.")
    ] = "trusted"
    criteria: Annotated[dict[str, float] | None, Field(description="Criteria by name, with their weights.")] = None
    api: Annotated[Literal["chat", "decisions"] | None, Field(description="How the model is asked.")] = None
    transport: Annotated[
        Literal["direct", "litellm"] | None, Field(description="What carries a chat model's requests.")
    ] = None
    api_base: str | None = None
    api_key: Annotated[str, AfterValidator(_reference)] | None = None
    params: dict[str, Any] = {}
    prompts: str | None = None
    prices: str | None = None
    calibration: str | None = None
    cache: Annotated[bool | str, Field(description="Whether replies are kept, or the folder for them.")] = True
    trace: str | None = None
    concurrency: Count | None = None
    max_tokens_per_doc: Count | None = None
    timeout_s: Seconds | None = None


class KeySpec(_Part):
    """A client, and what it may do."""

    key: Annotated[str, AfterValidator(_client_key), Field(description="$VARIABLE, or sha256: and the key's hash.")]
    budget: Annotated[Amount | None, Field(description="The highest cost of all that it asks, in dollars.")] = None
    period: Literal["day", "month"] | None = None
    rate: Annotated[Count | None, Field(description="The most requests a minute.")] = None
    routes: Annotated[Names | None, Field(description="The routes that it may use; all by default.")] = None


class LimitsSpec(_Part):
    """What is refused before anything is spent on it."""

    body_bytes: Count = 16 * 1024 * 1024
    documents: Count = 1000
    tokens: Annotated[Count, Field(description="Query and documents together, four bytes to a token.")] = 1_000_000
    concurrent: Annotated[Count, Field(description="Rankings at once, in each worker.")] = 64
    queue: Annotated[int, Field(ge=0, description="Requests that wait for one of these.")] = 256
    drain_s: Annotated[Seconds, Field(description="How long rankings may go on after SIGTERM.")] = 30.0


class ServerConfig(_Part):
    """A server."""

    rerankers: Annotated[dict[Name, RouteSpec], Field(min_length=1)]
    keys: dict[Name, KeySpec] = {}
    limits: LimitsSpec = LimitsSpec()
    specs: Annotated[bool, Field(description="Whether clients may name a strategy instead of a route.")] = False
    page: Annotated[bool, Field(description="Whether there is a page at / to try it on.")] = True
    ledgers: Annotated[str | None, Field(description="The folder in which budgets are counted.")] = None
    store: Annotated[
        str | None,
        Field(
            description="A database that servers share: budgets, replies, traces; or $VARIABLE with its address.",
            repr=False,
        ),
    ] = None
    folder: Annotated[str, Field(description="The folder for relative paths; the file's by default.")] = "."

    @classmethod
    def load(cls, path: Path | str) -> ServerConfig:
        """The configuration in a YAML file. Relative paths in it start from the file's folder.

        Raises:
            DataError: anything that is wrong with it, with the line.
        """
        found, located = read_yaml(path, cls)
        found._check_routes(located)
        return found.model_copy(update={"folder": str(Path(path).expanduser().parent / found.folder)})

    def _check_routes(self, located: Located) -> None:
        for name, key in self.keys.items():
            for route in key.routes or ():
                if route not in self.rerankers:
                    there = ", ".join(self.rerankers)
                    raise located.error(f"There is no route {route!r}. There are: {there}.", ("keys", name, "routes"))
        taken: dict[str, str] = {}
        for name, route in self.rerankers.items():
            for alias in route.aliases:
                if taken.setdefault(alias, name) != name or (alias in self.rerankers and alias != name):
                    other = taken[alias] if taken[alias] != name else alias
                    message = f"{alias!r} stands for the route {other!r} already."
                    raise located.error(message, ("rerankers", name, "aliases"))

    def path(self, given: str) -> Path:
        """A path as the file means it."""
        return Path(self.folder) / Path(given).expanduser()


def store_of(config: ServerConfig) -> str | None:
    """The address of the database that servers share; None where there is none.

    Raises:
        InputError: it is no address.
        SetupError: the variable that holds it is not set.
    """
    if config.store is None:
        return store_of_environment()
    address = from_environment(config.store, "The store") if config.store.startswith("$") else config.store
    StoreUrl.of(address)
    return address


def budget_place(ledgers: Path | str, name: str) -> dict[str, Any]:
    """Where a budget of the server is counted, as options of `Budget`: in a folder's file or a database's account."""
    return {"path": ledgers / f"{name}.db"} if isinstance(ledgers, Path) else {"store": ledgers, "account": name}


def from_environment(reference: str, what: str) -> str:
    """What the variable holds that `$NAME` names.

    Raises:
        SetupError: it is not set.
    """
    found = _REFERENCE.fullmatch(reference)
    variable = (found[1] or found[2]) if found else ""
    value = os.environ.get(variable, "").strip()
    if not value:
        raise SetupError(f"{what} should come from the environment variable {variable}, which is not set.")
    return value
