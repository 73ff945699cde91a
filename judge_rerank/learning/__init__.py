"""From judgments to something cheaper or better: calibration, distilled and fine-tuned scorers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judge_rerank.core import lazy_names

if TYPE_CHECKING:
    from judge_rerank.learning.answering import Answering, twin, twins
    from judge_rerank.learning.calibration import Calibration, calibrate
    from judge_rerank.learning.completeness import check_complete, complete
    from judge_rerank.learning.distil import Distillation, Example, distill, examples, kinds_for, traced
    from judge_rerank.learning.finetune import finetuning_available
    from judge_rerank.learning.fit import Sample, auroc, bins_of, expected_error
    from judge_rerank.learning.randomization import RESAMPLES, TOLERANCE, chunks, sign_flip

_LAZY = {
    "RESAMPLES": "randomization",
    "TOLERANCE": "randomization",
    "chunks": "randomization",
    "kinds_for": "distil",
    "finetuning_available": "finetune",
    "Answering": "answering",
    "Sample": "fit",
    "auroc": "fit",
    "bins_of": "fit",
    "calibrate": "calibration",
    "expected_error": "fit",
    "twin": "answering",
    "twins": "answering",
    "check_complete": "completeness",
    "complete": "completeness",
    "Calibration": "calibration",
    "Distillation": "distil",
    "Example": "distil",
    "distill": "distil",
    "examples": "distil",
    "sign_flip": "randomization",
    "traced": "distil",
}

__all__ = [
    "RESAMPLES",
    "TOLERANCE",
    "Answering",
    "Calibration",
    "Distillation",
    "Example",
    "Sample",
    "auroc",
    "bins_of",
    "calibrate",
    "check_complete",
    "chunks",
    "complete",
    "distill",
    "examples",
    "expected_error",
    "finetuning_available",
    "kinds_for",
    "sign_flip",
    "traced",
    "twin",
    "twins",
]


__getattr__, __dir__ = lazy_names(__name__, _LAZY)
