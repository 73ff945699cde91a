"""What the adapters share that are pydantic models, as LangChain and LlamaIndex want them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, Unpack

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_serializer

from judge_rerank.integrations.reranking import Arguments, Reranking, SharedJudge, Wrap, plain


class PydanticAdapter(BaseModel):
    """The fields of an adapter, and the judge behind them, which copies share.

    What it is written as can be read again. A live object among its fields is an error then: what is read would rank in
    another way.
    """

    judge: Any = None
    model: Any = None
    strategy: Any = None
    top_n: int | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    model_config = ConfigDict(arbitrary_types_allowed=True)
    wrap: ClassVar[Wrap | None] = None
    _shared: SharedJudge = PrivateAttr()

    def __init__(self, *, options: Mapping[str, Any] | None = None, **arguments: Unpack[Arguments]) -> None:
        given: dict[str, Any] = dict(arguments)
        fields = {name: given.pop(name) for name in arguments if name in type(self).model_fields}
        super().__init__(**fields, options={**(options or {}), **given})
        self._shared = SharedJudge(self.judge, self.model, type(self).wrap)
        self.reranking.built()

    @property
    def reranking(self) -> Reranking:
        """The judge with the strategy and the options, as the fields have them now."""
        options: dict[str, Any] = {**self.options, "top_n": self.top_n}
        return Reranking(judge=self._shared, strategy=self.strategy, **options)

    @field_serializer("judge", "model", "strategy", "options")
    def _plainly(self, value: Any, info: Any) -> Any:
        return plain(getattr(value, "spec", value), info.field_name)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self.model_copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return _read, (type(self), self.model_dump())


def _read(adapter: type[PydanticAdapter], fields: Mapping[str, Any]) -> PydanticAdapter:
    return adapter(**{name: value for name, value in fields.items() if name != "class_name"})
