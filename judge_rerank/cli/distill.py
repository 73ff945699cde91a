"""`judge-rerank distill`: judgments turned into a free prefilter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.inputs import RunInputs
from judge_rerank.cli.output import counted, emit, note, on_stdout
from judge_rerank.cli.terminal import head_table
from judge_rerank.core import InputError
from judge_rerank.readers import read_qrels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge_rerank.learning import Distillation, Example
    from judge_rerank.scorers import Kind, LocalScorer, Recipe


@with_options
def distill(
    inputs: RunInputs,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="The folder to write the scorer to.")
    ],
    qrels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Grades: qid iter docid grade, or qid docid grade.")
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A trace, instead of the files: its queries, documents and the scores of its judge."
        ),
    ] = None,
    prefilter: Annotated[
        str,
        typer.Option(
            metavar="SCORER", help="The current prefilter, which the new scorer has to beat: a scorer, or none."
        ),
    ] = "embedding",
    model: Annotated[
        str, typer.Option(metavar="MODEL", help="The bi-encoder for the signals, from which fine-tuning also starts.")
    ] = ("all-minilm-l6-v2"),
    kind: Annotated[
        Literal["auto", "weights", "bi-encoder", "cross-encoder"],
        typer.Option(
            help=(
                "What to train: weights for free signals, or a model. auto tries each kind that the number of "
                "queries allows."
            )
        ),
    ] = "auto",
    checkpoint: Annotated[
        str | None, typer.Option(metavar="MODEL", help="A trained cross-encoder to start from.", show_default=False)
    ] = None,
    style: Annotated[Literal["table", "json"], typer.Option("--format", "-f")] = "table",
) -> None:
    """Train a free scorer on the judgments of a person or of a judge.

    judge-rerank distill --run bm25.trec --corpus corpus.jsonl --queries queries.jsonl --qrels judgments.tsv -o mine

    The run gives the candidates. Candidates without a grade are weak negatives. The scorer is saved only if it beats
    the current prefilter with significance on queries that the fit has not seen. To use it: -s "distilled('mine')"
    """
    from judge_rerank.learning import examples

    scorer = _in_use(prefilter)
    pairs, grades = _judged(inputs, qrels, trace)
    result = _trained(examples(pairs, grades, model=model, prefilter=scorer), kind, model, checkpoint)
    figures = f"nDCG@10 {result.before:.4f} → {result.after:.4f} on unseen queries, p = {result.p_value:.4f}"
    if not result.better:
        raise InputError(
            f"The distilled scorer does not beat {prefilter} with significance ({figures}{_tried(result)}), so it is "
            "not saved. Judgments of more queries may help."
        )
    recipe = result.save(output)
    told: dict[str, Any] = {"kind": recipe.kind, "weights": dict(recipe.weights), **recipe.report}
    emit(
        json.dumps(told, indent=2) + "\n" if style == "json" else _as_table(result, recipe, prefilter, output, figures)
    )


def _in_use(prefilter: str) -> LocalScorer | None:
    """The scorer that has to be beaten; None for the order given."""
    from judge_rerank.scorers import LocalScorer
    from judge_rerank.strategies import parse

    in_use = parse(prefilter)
    if isinstance(in_use, LocalScorer):
        return in_use
    if in_use.name != "none":
        raise InputError(
            f"--prefilter {prefilter} is not a scorer; expected a scorer such as embedding or bm25, or none."
        )
    return None


def _trained(seen: Sequence[Example], kind: str, model: str, checkpoint: str | None) -> Distillation:
    """Everything that so many queries can bear, or what was asked for."""
    from judge_rerank.learning import distill, finetuning_available, kinds_for

    kinds = kinds_for(len(seen), checkpoint=checkpoint is not None) if kind == "auto" else (cast("Kind", kind),)
    if kind == "auto" and len(kinds) > 1 and not finetuning_available():
        note("There are enough judged queries to train more than weights: pip install 'judge-rerank[finetune]'.")
        kinds = ("weights",)
    if tuned := [each for each in kinds if each != "weights"]:
        note(
            f"Fine-tuning a {' and a '.join(tuned)}, on parts of the queries and on all of them; each run takes "
            "minutes without a GPU."
        )
    return distill(seen, model=model, checkpoint=checkpoint, kinds=kinds)


def _judged(inputs: RunInputs, qrels: Path | None, trace: Path | None) -> tuple[Any, Any]:
    """Queries with their candidates, and grades: from files, or all from a trace."""
    if trace is None and qrels is not None:
        return inputs.read(), read_qrels(qrels)
    from judge_rerank.learning import traced
    from judge_rerank.tracing import Trace

    if inputs.run is not None or trace is None:
        raise InputError("Give the judgments: --qrels with --run, --corpus and --queries, or --trace alone.")
    with Trace(trace) as log:
        return traced(log)


def _as_table(result: Distillation, recipe: Recipe, prefilter: str, output: Path, figures: str) -> str:
    head = (
        f"{counted(result.judged, 'judgment')} of {counted(result.queries, 'query', 'queries')}; kept in {output}\n"
        f"{prefilter} → distilled ({recipe.kind}): {figures}{_tried(result)}\n"
    )
    if not recipe.weights:
        return head
    table = head_table()
    table.add_column("signal", no_wrap=True)
    table.add_column("weight", justify="right", no_wrap=True)
    for name, weight in sorted(recipe.weights.items(), key=lambda item: -item[1]):
        table.add_row(name.replace("_", " "), f"{weight:.3f}")
    return head + on_stdout(table)


def _tried(result: Distillation) -> str:
    """What every kind reached, where there were several."""
    each = ", ".join(f"{kind} {value:.4f}" for kind, value in result.tried.items())
    return f"; tried: {each}" if len(result.tried) > 1 else ""
