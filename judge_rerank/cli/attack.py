"""`judge-rerank attack`: how far hostile documents can lift themselves, on one's own data, judge and strategy."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from judge_rerank.cli import completion, options
from judge_rerank.cli.decorator import with_options
from judge_rerank.cli.exit_codes import INTERRUPTED, MISSED, PARTIAL
from judge_rerank.cli.interrupting import interruptible
from judge_rerank.cli.judging import open_judge
from judge_rerank.cli.option_groups import JudgeOptions, SpendingOptions
from judge_rerank.cli.output import counted, dollars, emit, folder_name, further_table, named_table, note, warning_line
from judge_rerank.cli.progress import CountBar
from judge_rerank.cli.terminal import json_text
from judge_rerank.core import Estimate, InputError, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge_rerank.evaluation import AttackOptions, Audit, Beside, Dataset
    from judge_rerank.judge import Judge

_DATA, _ATTACKS, _OUTPUT = "Data", "Attacks", "Output"
_NOT_SETTINGS = {"model", "api_base", "param", "concurrency"}
"""Options that stand elsewhere in the run, may hold a secret, or change no ranking."""


@dataclass(frozen=True, kw_only=True)
class AttackData:
    """What is ranked and attacked."""

    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="PATH",
            help="A folder with corpus.jsonl, queries.jsonl, qrels.tsv and candidates.trec, a JSONL log, "
            "ir_datasets:ID, or your own documents: a folder of text, or a file of records.",
            rich_help_panel=_DATA,
        ),
    ] = None
    query: Annotated[
        list[str] | None,
        typer.Option(
            "--query", "-q", metavar="TEXT", help="A query for your own documents. Repeatable.", rich_help_panel=_DATA
        ),
    ] = None
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Queries for your own documents: a line each, .tsv or JSONL. (default: made of the documents)",
            show_default=False,
            rich_help_panel=_DATA,
        ),
    ] = None
    limit: Annotated[
        int, typer.Option(min=1, metavar="N", help="The most queries, drawn by the seed.", rich_help_panel=_DATA)
    ] = 20
    candidates: Annotated[
        int,
        typer.Option(
            "--candidates", "--depth", min=2, metavar="N", help="Candidates per query.", rich_help_panel=_DATA
        ),
    ] = 20
    seed: Annotated[int, typer.Option(metavar="N", help="The seed of all that is drawn.", rich_help_panel=_DATA)] = 0

    def read(self) -> Dataset:
        """The queries with their candidates.

        Raises:
            InputError: no data is named, or options do not go together.
            DataError: it cannot be read.
        """
        from judge_rerank.evaluation import collection, is_dataset, load, read_questions

        if not self.data:
            raise InputError("No data is named: judge-rerank attack --data FOLDER.")
        if self.query and self.queries is not None:
            raise InputError("--query and --queries both say what is asked; leave one out.")
        given = [Query(text=text) for text in self.query or ()]
        if any(not query.text.strip() for query in given):
            raise InputError("A query is empty, so there is nothing to judge the documents against.")
        if self.queries is not None:
            given = read_questions(self.queries)
        if is_dataset(self.data):
            if given and Path(self.data).exists():
                raise InputError(f"{self.data} has queries of its own; leave out --query and --queries.")
            return load(self.data)
        found = collection(self.data, queries=given or None, limit=self.limit, depth=self.candidates, seed=self.seed)
        if not given:
            note(
                f"{counted(len(found.topics), 'query is', 'queries are')} made of the documents, such as "
                f"{found.topics[0].query.text!r}. Ask your own with --queries FILE."
            )
        return found


@dataclass(frozen=True, kw_only=True)
class Planting:
    """What is planted, and how often."""

    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Only this family of attacks (see --list). Repeatable.",
            autocompletion=completion.attack_families,
            rich_help_panel=_ATTACKS,
        ),
    ] = None
    trials: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Attacked rankings of each query and family.", rich_help_panel=_ATTACKS),
    ] = 3
    top: Annotated[
        list[int] | None,
        typer.Option(
            "--top",
            "-k",
            min=1,
            metavar="K",
            help="Count rises to this rank or above. Repeatable. (default: 1, 3 and 5)",
            show_default=False,
            rich_help_panel=_ATTACKS,
        ),
    ] = None
    adaptive: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Also search for N rounds against one document of each query, by what its rank and score say.",
            rich_help_panel=_ATTACKS,
        ),
    ] = 0
    attacker: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="Let a model write for the search, not templates.", rich_help_panel=_ATTACKS
        ),
    ] = None

    def asked(self, data: AttackData, settings: dict[str, Any]) -> AttackOptions:
        """As the audit takes it."""
        from judge_rerank.evaluation import CUTOFFS, AttackOptions

        return AttackOptions(
            families=self.family or None,
            limit=data.limit,
            trials=self.trials,
            depth=data.candidates,
            cutoffs=tuple(self.top or CUTOFFS),
            seed=data.seed,
            adaptive=self.adaptive,
            attacker=self.attacker,
            settings=settings,
        )


@with_options
def attack(
    data: AttackData,
    planting: Planting,
    judging: JudgeOptions,
    spending: SpendingOptions,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            help="The folder for the results. (default: runs/attack-NAME)",
            show_default=False,
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the audit in the folder.", rich_help_panel=_OUTPUT)
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Show an earlier audit of the same data side by side.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    fail_over: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="RATE",
            help="Exit with 1 if a family lifts more than this share of its documents to one of these ranks.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Report the cost in calls, tokens and dollars. Nothing is sent.")
    ] = False,
    list_families: Annotated[
        bool, typer.Option("--list", help="List the families of attacks, and the papers that they are from.")
    ] = False,
    style: options.TableOrJson = "table",
) -> None:
    """Audit a judge with hostile documents: published attacks, planted in documents of your own.

    judge-rerank attack --data my_collection -m openai/gpt-6-luna --budget 1

    judge-rerank attack --data docs/ --queries questions.txt --family query-echo --family direct-instruction

    Each query is ranked once as it is, and once for each attack. Strategies that judge each document by itself ask
    again about the attacked document only, and the cache answers for the others. judge-rerank report DIR makes a page.

    Exit codes: 1 a family is above --fail-over, 2 bad input, 3 results are missing.
    """
    if list_families:
        _list(style)
        return
    dataset, asked = data.read(), planting.asked(data, _settings(judging))
    before = _earlier(compare)
    folder = output or Path("runs") / f"attack-{folder_name(dataset.name, 'audit')}"
    with open_judge(judging, spending) as judge:
        if dry_run:
            _forecast(judge, dataset, asked)
            return
        found = _run(judge, dataset, asked, folder, resume=resume)
    compared = () if before is None else _beside(before, found)
    emit(_as_json(found, compared) if style == "json" else _as_table(found, compared))
    note(f"The results are in {folder}. For a page: judge-rerank report {folder}")
    _end(found, fail_over)


def _run(judge: Judge, dataset: Dataset, asked: AttackOptions, folder: Path, *, resume: bool) -> Audit:
    from judge_rerank.evaluation import attack as run

    with interruptible() as cancel, CountBar("attacking") as bar:
        return run(
            judge,
            dataset,
            asked=asked,
            output=folder,
            resume=resume,
            watch=lambda progress: bar.update(progress.done, progress.total, progress.now),
            cancel=cancel,
        )


def _end(found: Audit, fail_over: float | None) -> None:
    """Leave with the exit code of an audit that is not whole, or whose judge is lifted too often."""
    for reason in found.info.unfinished:
        warning_line(reason)
    if found.info.unfinished:
        note("To continue, repeat the command with --resume.")
        interrupted = any("interrupted" in reason for reason in found.info.unfinished)
        raise typer.Exit(INTERRUPTED if interrupted else PARTIAL)
    failures = [] if fail_over is None else found.lifting(fail_over)
    for failure in failures:
        warning_line(failure)
    if failures:
        raise typer.Exit(MISSED)


def _settings(judging: JudgeOptions) -> dict[str, Any]:
    """What the judge was told, by option, as far as it is not the default."""
    given = {each.name: (getattr(judging, each.name), each.default) for each in fields(judging)}
    return {name: value for name, (value, usual) in given.items() if name not in _NOT_SETTINGS and value != usual}


def _earlier(path: Path | None) -> Audit | None:
    """The audit to compare with, read before anything is spent."""
    from judge_rerank.evaluation import Audit

    return None if path is None else Audit.read(path)


def _beside(before: Audit, after: Audit) -> Sequence[Beside]:
    from judge_rerank.evaluation import beside

    return beside(before.results, after.results)


def _forecast(judge: Judge, dataset: Dataset, asked: AttackOptions) -> None:
    """At most so much: every attacked ranking as if nothing of it were in the cache."""
    from judge_rerank.evaluation import chosen_families, drawn_topics

    topics = drawn_topics(dataset, limit=asked.limit, depth=asked.depth, seed=asked.seed, least=max(asked.cutoffs) + 1)
    once = Estimate.together([judge.estimate(drawn.topic.query, list(drawn.documents)) for drawn in topics])
    times = 1 + len(chosen_families(asked.families)) * asked.trials + asked.adaptive
    cost = None if once.cost_usd is None else times * once.cost_usd
    emit(
        f"{counted(len(topics), 'query', 'queries')}, {counted(len(topics) * times, 'ranking')}; at most "
        f"{times * once.calls:,} calls, {times * once.input_tokens:,} tokens in, {times * once.output_tokens:,} out, "
        f"{dollars(cost)}. Where documents are judged one at a time, the cache answers all but "
        f"{once.calls + len(topics) * (times - 1):,} calls.\n"
    )


def _list(style: Literal["table", "json"]) -> None:
    from judge_rerank.evaluation import families

    found = families()
    if style == "json":
        records = [{"name": each.name, "sentence": each.sentence, "sources": list(each.sources)} for each in found]
        emit(json.dumps(records, ensure_ascii=False, indent=2) + "\n")
        return
    lines = [(each.name, each.sentence, ", ".join(each.sources)) for each in found]
    emit(named_table(("family", "what it does", "from"), lines, "", names=3))


def _as_json(found: Audit, compared: Sequence[Beside]) -> str:
    from judge_rerank.evaluation import audit_as_json

    return json_text(audit_as_json(found, compared), indent=2, default=str)


def _as_table(found: Audit, compared: Sequence[Beside]) -> str:
    from judge_rerank.evaluation import (
        AUDIT_NOTE,
        BESIDE_NOTE,
        audit_facts,
        audit_headings,
        audit_headline,
        audit_lines,
        beside_headings,
        beside_lines,
    )

    head = "".join(f"{topic}: {text}\n" for topic, text in audit_facts(found).items())
    lines = list(audit_lines(found, wide=False))
    return (
        f"{audit_headline(found)}\n{head}\n"
        + named_table([heading.lower() for heading in audit_headings(found, wide=False)], lines, AUDIT_NOTE, names=1)
        + further_table(
            [heading.lower() for heading in beside_headings()], list(beside_lines(compared)), BESIDE_NOTE, names=2
        )
    )
