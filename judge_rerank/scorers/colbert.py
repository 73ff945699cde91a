"""ColBERT: a vector for every token, compared by the best match of each of the query's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any, ClassVar

from judge_rerank.core import Group, ModelUnavailable
from judge_rerank.models import languages_of_model
from judge_rerank.scorers import computing, weights
from judge_rerank.scorers.base import LocalScorer, full_text, positive
from judge_rerank.strategies import scorer


@scorer("colbert")
@dataclass(frozen=True)
class ColBERT(LocalScorer):
    """Scores by late interaction (Khattab and Zaharia, arXiv:2004.12832), through sentence-transformers.

    The raw score is the mean over the query's vectors of the best cosine with one of the document's (MaxSim); as
    relevance, (1 + score) / 2. One round, no calls. A document's vectors are kept in memory.

    Attributes:
        model: a folder, or a name on the Hugging Face hub; checkpoints of ColBERT, PyLate and sentence-transformers.
        batch_size: texts that go through the model at once.
        memory: how many documents' vectors are kept.
    """

    alone: ClassVar[bool] = True

    model: str = "colbert-ir/colbertv2.0"
    _: KW_ONLY
    batch_size: int = 32
    memory: int = 10_000

    def __post_init__(self) -> None:
        positive(self, "batch_size", "memory")

    def is_here(self) -> bool:
        """Whether the model and sentence-transformers are on this machine."""
        return bool(find_spec("sentence_transformers")) and weights.weights_here(self.model, weights.TORCH_WEIGHTS)

    @property
    def languages(self) -> frozenset[str] | None:
        """Those of the model, if it is known by its name."""
        return languages_of_model(self.model)

    def score(self, groups: Sequence[Group]) -> Sequence[Sequence[float]]:
        """Mean MaxSim; the texts of all groups are encoded together."""
        texts = [full_text(c.document) for _, candidates in groups for c in candidates]
        with computing.TURN:
            model = _loaded(self.model)
            from judge_rerank.scorers.memory import memory

            asked = [query.text for query, _ in groups]
            queries = self._arrays(model.encode_query, asked)
            held = memory(("colbert", self.model), self.memory)
            documents = iter(held.recall(texts, partial(self._arrays, model.encode_document)))
        return [
            [_max_sim(query, next(documents)) for _ in candidates]
            for query, (_, candidates) in zip(queries, groups, strict=True)
        ]

    def unit(self, raw: float) -> float:
        """(1 + score) / 2."""
        return (1 + raw) / 2

    def _arrays(self, encode: Any, texts: Sequence[str]) -> list[Any]:
        encoded: Any = encode(list(texts), batch_size=self.batch_size, show_progress_bar=False)
        return [one.float().cpu().numpy() for one in encoded]


def _max_sim(query: Any, document: Any) -> float:
    return float((query @ document.T).max(axis=1).mean()) if len(query) and len(document) else float("nan")


@lru_cache(maxsize=2)
def _loaded(model: str) -> Any:
    folder = weights.weights_folder(model, weights.TORCH_WEIGHTS)

    def build() -> Any:
        computing.import_torch()
        from sentence_transformers import MultiVectorEncoder

        trained = (folder / "modules.json").is_file() or "HF_ColBERT" in (folder / "config.json").read_text("utf-8")
        if not trained:
            raise ModelUnavailable(
                f"{model} is not a late-interaction model: it has no projection for its token vectors."
            )
        with computing.silent_transformers():
            return MultiVectorEncoder(str(folder), local_files_only=True)

    return weights.needed_weights(
        f"The late-interaction model {model}", "colbert", lambda: weights.load_weights(model, build)
    )
