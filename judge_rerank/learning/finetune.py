"""Judgments turned into a fine-tuned bi-encoder or cross-encoder, by sentence-transformers' trainers."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from judge_rerank.core import Group
from judge_rerank.scorers import (
    TORCH_WEIGHTS,
    TURN,
    LocalScorer,
    full_text,
    import_torch,
    load_weights,
    needed_weights,
    silent_transformers,
    tuned,
    weights_folder,
)

Tuned = Literal["bi-encoder", "cross-encoder"]

_FOLDS = 3
_EPOCHS = {"bi-encoder": 2, "cross-encoder": 2}
_LEARNING_RATE = 2e-5
_BATCH = 16
_LISTS = 2
"""Queries a step of a cross-encoder; each brings a whole list."""
_LONGEST = 256
"""Tokens that are read of a text, or of a pair, in training."""
_POSITIVES, _NEGATIVES = 8, 4
_TOP_LABEL = 3.0


class Graded(Protocol):
    """A query with its candidates and what judges said of them."""

    @property
    def group(self) -> Group:
        """The query and its candidates, in the first stage's order."""
        ...

    @property
    def grades(self) -> tuple[float | None, ...]:
        """By place; None for candidates that nobody judged."""
        ...


def finetuning_available() -> bool:
    """Whether what trains models is installed."""
    return all(find_spec(name) for name in ("sentence_transformers", "datasets", "accelerate"))


def cross_fitted(seen: Sequence[Graded], kind: Tuned, base: str) -> list[list[float]]:
    """Scores for the candidates of each query, by a model that was trained on other queries alone."""
    places = list(range(len(seen)))
    random.Random(0).shuffle(places)  # noqa: S311
    scores: dict[int, list[float]] = {}
    for fold in range(_FOLDS):
        held = places[fold::_FOLDS]
        with tempfile.TemporaryDirectory() as folder:
            fine_tune([seen[place] for place in places if place not in held], kind, base, Path(folder))
            scorer = cast("LocalScorer", tuned(kind, Path(folder)))
            found = scorer.score([seen[place].group for place in held])
            scores |= {place: list(values) for place, values in zip(held, found, strict=True)}
    return [scores[place] for place in range(len(seen))]


def fine_tune(seen: Sequence[Graded], kind: Tuned, base: str, folder: Path) -> None:
    """Train a model on all of these queries, and write it.

    Args:
        seen: queries with grades; candidates without one are negatives.
        kind: a bi-encoder learns to tell a relevant document from those of the first stage that are less relevant, and
            from those of other queries (Henderson et al., arXiv:1705.00652); a cross-encoder, to order a query's
            list (LambdaLoss, Wang et al., doi:10.1145/3269206.3271784).
        base: the model to start from: a folder, a name of the registry or of the hub. A bare encoder gets a new head.
        folder: where the trained one goes.

    Raises:
        SetupError: the model, or the extra `finetune`, is not here.
    """
    source = weights_folder(base, TORCH_WEIGHTS)
    needed_weights("Fine-tuning", "finetune", _libraries)
    with TURN, silent_transformers(), tempfile.TemporaryDirectory() as scratch:
        import_torch()
        train, load = (_bi_encoder, _bare_bi_encoder) if kind == "bi-encoder" else (_cross_encoder, _bare_cross_encoder)
        model = load_weights(base, lambda: load(source))
        model.max_seq_length = min(model.max_seq_length or _LONGEST, _LONGEST)
        model.model_card_data.generate_widget_examples = False  # for a card that is not written; draws a progress bar
        train(model, seen, scratch)
        model.save_pretrained(str(folder), create_model_card=False)


def triplets(seen: Sequence[Graded]) -> list[dict[str, str]]:
    """A query, a relevant document, and less relevant ones of the same candidates, the hardest that were drawn."""
    draw = random.Random(0)  # noqa: S311
    rows: list[dict[str, str]] = []
    for one in seen:
        (query, candidates), gains = one.group, [grade or 0.0 for grade in one.grades]
        texts = [full_text(candidate.document) for candidate in candidates]
        best = sorted((place for place, gain in enumerate(gains) if gain > 0), key=lambda place: -gains[place])
        for place in best[:_POSITIVES]:
            # What is not half as relevant is irrelevant beside it; the first stage's favourites are the hardest.
            less = [other for other, gain in enumerate(gains) if gain < gains[place] / 2][: 8 * _NEGATIVES]
            if less:
                drawn = draw.choices(less, k=_NEGATIVES) if len(less) < _NEGATIVES else draw.sample(less, _NEGATIVES)
                negatives = {f"negative_{n}": texts[other] for n, other in enumerate(drawn)}
                rows.append({"anchor": query.text, "positive": texts[place], **negatives})
    return rows


def lists(seen: Sequence[Graded]) -> list[dict[str, Any]]:
    """A query, documents of all grades, and their labels from 0 to 3."""
    draw = random.Random(0)  # noqa: S311
    highest = max((grade or 0.0 for one in seen for grade in one.grades), default=0.0) or 1.0
    rows: list[dict[str, Any]] = []
    for one in seen:
        (query, candidates), gains = one.group, [grade or 0.0 for grade in one.grades]
        places = list(range(len(gains)))
        draw.shuffle(places)
        relevant = [place for place in places if gains[place] > 0][:_POSITIVES]
        others = [place for place in places if gains[place] <= 0][: 2 * _POSITIVES - len(relevant)]
        chosen = [*relevant, *others]
        rows.append(
            {
                "query": query.text,
                "docs": [full_text(candidates[place].document) for place in chosen],
                "labels": [_TOP_LABEL * max(0.0, gains[place]) / highest for place in chosen],
            }
        )
    return rows


def _bare_bi_encoder(source: Path) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(source), local_files_only=True)


def _bare_cross_encoder(source: Path) -> Any:
    from sentence_transformers import CrossEncoder as Model

    return Model(str(source), num_labels=1, local_files_only=True)


def _bi_encoder(model: Any, seen: Sequence[Graded], scratch: str) -> None:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.base.sampler import BatchSamplers
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    arguments = SentenceTransformerTrainingArguments(
        per_device_train_batch_size=_BATCH,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        **_usual("bi-encoder", scratch),
    )
    trainer: Any = SentenceTransformerTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(triplets(seen)),
        loss=MultipleNegativesRankingLoss(model),
    )
    _train(trainer)


def _cross_encoder(model: Any, seen: Sequence[Graded], scratch: str) -> None:
    from datasets import Dataset
    from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
    from sentence_transformers.cross_encoder.losses import LambdaLoss

    arguments = CrossEncoderTrainingArguments(per_device_train_batch_size=_LISTS, **_usual("cross-encoder", scratch))
    trainer: Any = CrossEncoderTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(lists(seen)),
        loss=LambdaLoss(model, mini_batch_size=_BATCH),
    )
    _train(trainer)


def _train(trainer: Any) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)  # prints to standard output, where the result goes
    trainer.train()


def _usual(kind: Tuned, scratch: str) -> dict[str, Any]:
    """Nothing is logged, nothing is kept between, and the same judgments make the same model."""
    import torch

    return {
        "output_dir": scratch,
        "num_train_epochs": _EPOCHS[kind],
        "learning_rate": _LEARNING_RATE,
        "warmup_steps": 0.1,
        "seed": 0,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def _libraries() -> Any:
    import accelerate
    import datasets
    import sentence_transformers

    return sentence_transformers, datasets, accelerate
