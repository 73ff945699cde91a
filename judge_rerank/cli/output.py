"""What the commands print: rankings on standard output, notes, warnings and costs on standard error."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from judge_rerank.cli.pages import page_about
from judge_rerank.cli.terminal import head_box, json_text, slim_table
from judge_rerank.core import (
    ENOUGH,
    InputError,
    Judgment,
    PricingUnknown,
    RankedDocument,
    Ranking,
    RerankError,
    counted,
    integrity_text,
    said_of,
    total_usd,
    warning_text,
)

Format = Literal["table", "json", "jsonl", "trec"]

_SHOWN, _WARNINGS = 2000, 5
_quiet = False
_WORD_START = re.compile(r"\s+\S{0,20}$")
_FAILURES = {
    "refused": "refused",
    "unreadable": "unreadable reply",
    "truncated": "reply cut off",
    "oversized": "too much at once",
    "provider": "no reply",
    "budget": "budget used up",
    "deadline": "out of time",
    "cancelled": "cancelled",
}


@contextmanager
def _stdout() -> Generator[TextIO]:
    """Standard output for writing. A reader that has gone away (`| head`) ends the program quietly.

    Raises:
        InputError: it cannot be written to, as on a full disk.
    """
    try:
        yield sys.stdout
        sys.stdout.flush()
    except OSError as error:
        # Python flushes standard output once more at exit, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(0) from None
        raise InputError(f"Cannot write to standard output: {error.strerror}.") from error


def emit(text: str) -> None:
    """Write to standard output at once."""
    with _stdout() as stdout:
        stdout.write(text)


def folder_name(name: str, otherwise: str) -> str:
    """A name as that of a folder; `otherwise` where nothing of it can stand there."""
    return re.sub(r"[^\w.-]+", "-", name.lower()).strip("-.") or otherwise


def require_folder(output: Path) -> None:
    """Raises: InputError: there is no folder to write the file in; better said before anything is spent."""
    if not output.expanduser().absolute().parent.is_dir():
        raise InputError(f"The folder of {output} does not exist; create it first.")


def note(text: str) -> None:
    """Something worth knowing, on standard error."""
    if _quiet:
        return
    sys.stderr.write(f"note: {printable(text)}\n")


def left_out(queries: int) -> None:
    """Says how many queries were not learnt from."""
    if queries:
        warning_line(f"{counted(queries, 'query', 'queries')} left out: some documents in the ranking were not judged.")


def warning_line(text: str) -> None:
    """Something that went wrong without ending the command."""
    sys.stderr.write(f"warning: {printable(text)}\n")


def error_line(error: Exception) -> None:
    """What ended the command, in the words of the command line."""
    message = str(error)
    if isinstance(error, RerankError) and error.pair is not None:  # Python's word for it
        number = f"query {error.pair + 1}: " if error.pair else ""
        message = number + message.removeprefix(f"pairs[{error.pair}]: ")
    if isinstance(error, PricingUnknown):
        message = (
            f"The price of {error.model!r} is not known, so a cap in dollars cannot be held. Write it into a file and "
            f"name that with --prices FILE: {error.model}: {{input_usd_per_mtok: ..., output_usd_per_mtok: ...}} "
            "(dollars per million tokens; 0 for a model of your own). Or leave out the cap."
        )
    page = page_about(error)
    more = f" More: judge-rerank docs {page}" if page is not None else ""
    sys.stderr.write(f"error: {printable(message)}{more}\n")


def be_quiet(quiet: bool) -> None:
    """Whether notes and costs are left out; warnings and errors never are."""
    global _quiet  # noqa: PLW0603  one process, one command line
    _quiet = quiet


def printable(text: str) -> str:
    """The text in one line, without characters that would steer the terminal."""
    return "".join(character for character in re.sub(r"\s+", " ", text).strip() if character.isprintable())


def dollars(cost: Decimal | None) -> str:
    """A price for people: at least two significant digits; "price unknown" for None."""
    if cost is None:
        return "price unknown"
    if cost == 0:
        return "$0"
    places = 2 if cost >= 1 else 1 - cost.adjusted()
    return f"${cost:.{places}f}"


def on_stdout(table: Table) -> str:
    """The table as text, in the width and colours of standard output."""
    with _stdout() as stdout:
        console = Console(file=stdout)
        with console.capture() as captured:
            console.print(table)
    return captured.get().strip("\n") + "\n"


def named_table(headings: Sequence[str], lines: Sequence[Sequence[str]], caption: str, *, names: int) -> str:
    """A table whose first columns are names and whose others are figures."""
    table = slim_table()
    table.caption, table.caption_justify = caption, "left"
    for place, heading in enumerate(headings):
        name = place < names
        table.add_column(heading, overflow="fold", justify="left" if name else "right", no_wrap=not name)
    for line in lines:
        table.add_row(*map(Text, line))
    return on_stdout(table)


def further_table(headings: Sequence[str], lines: Sequence[Sequence[str]], caption: str, *, names: int) -> str:
    """A `named_table` below another; nothing without lines."""
    return "\n" + named_table(headings, lines, caption, names=names) if lines else ""


def as_text(ranking: Ranking, style: Format, *, many: bool, explain: bool, rows: int | None = None) -> str:
    """One ranking in a format, ready to be written. `many`: it is one of several; `rows`: the most that a table has."""
    if style == "trec":
        return ranking.to_trec()
    if style == "jsonl":
        return jsonl(ranking, explain=explain)
    if style == "json":
        return json_text(ranking.to_dict(), indent=None if many else 2)
    if not ranking.results:
        return ""
    table = ranking_table(ranking, width=Console(file=sys.stdout).width, rows=rows, many=many, explain=explain)
    return (
        on_stdout(table)
        + ("".join(f"→ {reason}\n" for reason in order_reasons(ranking)) if explain else "")
        + "\n" * many
    )


def jsonl(ranking: Ranking, *, explain: bool) -> str:
    """One line a document: rank, index, relevance_score, then the document's own keys, as `rerank` reads them."""
    lines: list[str] = []
    for result in ranking.to_dict()["results"]:
        record: dict[str, Any] = {"query_id": ranking.query.id} if ranking.query.id is not None else {}
        record |= {key: result[key] for key in ("rank", "index", "relevance_score")}
        record |= {key: result[key] for key in ("confidence", "evidence") if result[key] is not None}
        record |= {"warnings": result["warnings"]} if result["warnings"] else {}
        document = result["document"]
        first = {key: document[key] for key in ("id", "title", "text", "score") if key in document}
        record = record | first | document | record
        if explain:
            record["judgments"] = result["judgments"]
        lines.append(json_text(record))
    return "".join(lines)


def ranking_table(
    ranking: Ranking, *, width: int, rows: int | None = None, many: bool = False, explain: bool = False
) -> Table:
    """The ranking for people: rank (from 1), index in the first stage (from 0), score, document, judgment."""
    title = f"{ranking.query.id}: {printable(ranking.query.text)}" if many else None
    table = Table(
        box=head_box(),
        show_edge=False,
        title=Text(title) if title else None,
        title_justify="left",
        width=width,
        pad_edge=False,
    )
    scored = any(result.relevance_score is not None for result in ranking)
    judged = any(result.judgments for result in ranking)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("index", justify="right", no_wrap=True)
    if scored:
        table.add_column("score", justify="right", no_wrap=True)
    table.add_column("document", ratio=1, overflow="fold")
    if judged:
        table.add_column("judgment", max_width=20)
    room = 2 * max(20, width - 24 - 8 * scored - 4)
    for result in ranking.results[:rows]:
        cells = [Text(str(result.rank)), _index(result)]
        if scored:
            cells.append(Text("" if result.relevance_score is None else f"{result.relevance_score:.3f}"))
        cells.append(_document(result, room, explain=explain))
        if judged:
            cells.append(_verdict(_deciding(result)))
        table.add_row(*cells)
    return table


def _index(result: RankedDocument) -> Text:
    """The place in the caller's list, from 0, and how many places the document moved."""
    cell = Text(str(result.index))
    moved = result.index + 1 - result.rank
    if moved > 0:
        cell.append(f" ↑{moved}", "green")
    elif moved < 0:
        cell.append(f" ↓{-moved}", "red")
    return cell


def _document(result: RankedDocument, room: int, *, explain: bool) -> Text:
    document = result.document
    name = " · ".join(printable(part) for part in (document.title, _short_id(result)) if part)
    start, end = (result.evidence.start, result.evidence.end) if result.evidence else (0, len(document.text))
    shown = document.text[start : min(end, start + _SHOWN)]
    text = "…" * (start > 0) + _shortened(printable(shown), room, cut=start + len(shown) < len(document.text))
    cell = Text(overflow="fold")
    if name:
        # The end of a long name says more: the file and the heading, not the folders.
        cell.append(name if len(name) <= room else "…" + name[1 - room :], "bold").append("\n")
    cell.append(text or "(empty)", "" if text else "dim")
    if explain:
        own = (j for j in result.judgments if j.reason and j.position is None and j.failure is None)
        for reason in dict.fromkeys(printable(judgment.reason or "") for judgment in own):
            cell.append(f"\n→ {reason}", "italic cyan")
    return cell


def order_reasons(ranking: Ranking) -> list[str]:
    """Reasons that were given for the order of several documents, in the order in which they were given."""
    orders = (j for result in ranking for j in result.judgments if j.reason and j.position is not None)
    said = {(j.round, j.window): printable(j.reason or "") for j in orders}
    return [f"round {key[0]}: {reason}" for key, reason in sorted(said.items())]


def _shortened(text: str, most: int, *, cut: bool = False) -> str:
    """At most so many characters, ending between words, with a sign that something was cut."""
    return _WORD_START.sub("", text[: most - 1]) + "…" if cut or len(text) > most else text


def _short_id(result: RankedDocument) -> str | None:
    """The id, unless it only repeats where the passage was found; then the line."""
    path, line = result.document.metadata.get("path"), result.document.metadata.get("line")
    if path is not None and line is not None and result.document.title:
        return f"line {line}"
    return result.document.id


def _deciding(result: RankedDocument) -> Sequence[Judgment]:
    """The judgments of the passage that decided, where one did, else all."""
    return [j for j in result.judgments if result.evidence and j.passage == result.evidence] or result.judgments


def _verdict(judgments: Sequence[Judgment]) -> Text:
    if not judgments:
        return Text("not judged", "yellow")
    last = judgments[-1]
    if last.failure is not None:
        return Text(_FAILURES[last.failure], "yellow")
    if last.label is not None:
        return Text(printable(last.label))
    if last.position is not None:
        return Text(f"{last.position} of {len(last.window)}")
    return Text("" if last.score is None else f"{last.score:.3f}")


def report(rankings: Sequence[Ranking], seconds: float | None = None) -> None:
    """Cost, integrity and what went wrong, on standard error; `seconds` is how long it took, where that is known."""
    costs(rankings, seconds)
    alike: dict[str, list[str]] = {}
    for reason in (reason for ranking in rankings for reason in ranking.reasons):
        alike.setdefault(re.sub(r"\d[\d.,]*", "0", reason).replace("documents", "document"), []).append(reason)
    for reasons in alike.values():
        also = f" ({len(reasons)} rankings, all alike but for the numbers)" if len(set(reasons)) > 1 else ""
        also = also or (f" ({len(reasons)} rankings)" if len(reasons) > 1 else "")
        warning_line(f"partial: {reasons[0]}{also}")


def costs(rankings: Sequence[Ranking], seconds: float | None = None) -> None:
    """Cost and integrity, on standard error."""
    if rankings and not _quiet:
        sys.stderr.write(summary(rankings, seconds))


def summary(rankings: Sequence[Ranking], seconds: float | None = None) -> str:
    """The cost, in one line; a second one where replies had to be repaired or documents went unjudged."""
    usages = [ranking.usage for ranking in rankings]
    calls, cached = sum(u.calls for u in usages), sum(u.cached_calls for u in usages)
    parts = [
        _who(rankings),
        *([_how_many(rankings)] if len(rankings) > 1 else []),
        f"{counted(calls, 'call')} in {counted(max(u.rounds for u in usages), 'round')}"
        + (f", {cached} more from the cache" if cached else "")
        + (f", which saves {dollars(saved)}" if (saved := total_usd(usage.saved_usd for usage in usages)) else ""),
        f"{sum(u.input_tokens for u in usages):,} tokens in, {sum(u.output_tokens for u in usages):,} out",
        dollars(total_usd(usage.cost_usd for usage in usages)),
        *([f"{seconds:.1f} s"] if seconds is not None else []),
    ]
    return " · ".join(parts) + "\n" + _integrity(rankings)


def _how_many(rankings: Sequence[Ranking]) -> str:
    """Queries, or rankings where several strategies ranked the same ones."""
    several = len({ranking.strategy for ranking in rankings}) > 1
    return counted(len(rankings), "ranking") if several else counted(len(rankings), "query", "queries")


def _who(rankings: Sequence[Ranking]) -> str:
    """The strategy, and the model where one was asked."""
    strategies, models = {ranking.strategy for ranking in rankings}, {ranking.model for ranking in rankings}
    name = rankings[0].strategy if len(strategies) == 1 else f"{len(strategies)} strategies"
    asked = any(r.usage.calls or r.usage.cached_calls or r.usage.retries or r.integrity.failed for r in rankings)
    return f"{name} by {model}" if asked and len(models) == 1 and (model := rankings[0].model) else name


def _integrity(rankings: Sequence[Ranking]) -> str:
    parts = integrity_text(rankings)
    return f"integrity: {', '.join(parts)}\n" if parts else ""


def _warnings(ranking: Ranking) -> list[str]:
    """Which documents have a part that seems written for the judge, and why."""
    told = [
        f"suspicious: index {result.index}, {warning_text(warning, result.document)}"
        for result in ranking
        for warning in result.warnings
    ]
    left = len(told) - _WARNINGS
    return told if left <= 1 else [*told[:_WARNINGS], f"suspicious: {left:,} more parts, all of them in --format json"]


def findings(rankings: Sequence[Ranking], *, answerable: bool) -> None:
    """What the strategy is certain of, and, where it was asked, whether anything answers; on standard error."""
    known = [ranking.answerable for ranking in rankings if ranking.answerable is not None] if answerable else []
    lines: list[str] = []
    if len(rankings) == 1:
        only = rankings[0]
        lines += [f"answerable: {known[0]:.2f}"] if known else []
        lines += [f"certainty: {said_of(only.tiers)}"] if only.tiers else []
        lines += [said for said in only.notes if not only.results]
        lines += _warnings(only)
    elif known:
        enough = sum(value >= ENOUGH for value in known)
        lines.append(f"answerable: {enough:,} of {counted(len(known), 'query', 'queries')} at {ENOUGH:g} or more")
    if not _quiet:
        sys.stderr.write("".join(f"{printable(line)}\n" for line in lines))
