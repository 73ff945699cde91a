"""Groups of options that many commands share; `judge_rerank.cli.decorator` gives them to a command."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_type_hints

from judge_rerank.cli import options


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model answers, and how it is asked."""

    model: options.Model = None
    prompts: options.Prompts = None
    api: options.Api = None
    transport: options.Transport = None
    api_base: options.ApiBase = None
    param: options.Params = None
    max_tokens_per_doc: options.MaxTokensPerDoc = None
    concurrency: options.Concurrency = None


@dataclass(frozen=True, kw_only=True)
class JudgeOptions(ModelOptions):
    """Which model ranks, and by which strategy."""

    strategy: options.Strategy = None
    prompt: options.Prompt = None
    explain: options.Explain = False
    passages: options.Passages = None
    instruction: options.Instruction = None
    criteria: options.Criteria = None
    fields: options.Fields = None
    trust: options.Trust = "trusted"
    on_suspicious: options.OnSuspicious = None


@dataclass(frozen=True, kw_only=True)
class SpendingOptions:
    """What caps a command's spending, and what it keeps."""

    budget: options.Budget = None
    ledger: options.Ledger = None
    period: options.Period = None
    prices: options.Prices = None
    cache: options.Cache = True
    cache_dir: options.CacheDir = None
    trace: options.TraceFile = None
    no_trace: options.NoTrace = False
    store: options.Store = None
    no_store: options.NoStore = False


def configurable() -> dict[str, Any]:
    """By name, how the options are declared that the folder's file may set."""
    groups = (JudgeOptions, SpendingOptions)
    return {name: hint for group in groups for name, hint in get_type_hints(group, include_extras=True).items()}
