"""From the class of a query, its candidates and what there is, to a strategy: a table to read and to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from judge_rerank.core import HOSTED_STRATEGY, DataError, InputError, JudgeKind
from judge_rerank.strategies import option_value

if TYPE_CHECKING:
    from judge_rerank.readers import Located

ANY = "any"


@option_value("route")
@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One row: a kind of query, and the strategies for it.

    Attributes:
        label: the class of the query, or "any".
        judge: "hosted", "local" or "none"; or "any".
        most: up to how many candidates; None for any number.
        strategies: spec strings, the best first; the first one that the caps and the deadline allow is used.
            `{prefilter}` in them is the best scorer that is installed.
        why: the reason, for people.
    """

    label: str = ANY
    judge: str = ANY
    most: int | None = None
    strategies: tuple[str, ...]
    why: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategies", tuple(self.strategies))
        if not self.strategies:
            raise InputError(f"The route for {self.label!r} names no strategy.")
        if self.judge not in {ANY, "hosted", "local", "none"}:
            raise InputError(f"The route for {self.label!r} is for judge {self.judge!r}; hosted, local, none or any.")
        if self.most is not None and self.most < 1:
            raise InputError(f"The route for {self.label!r} is for at most {self.most} candidates; at least 1.")

    def fits(self, label: str, judge: JudgeKind, n: int) -> bool:
        """Whether the row is for such a query."""
        return self.label in {ANY, label} and self.judge in {ANY, judge} and (self.most is None or n <= self.most)


@option_value("routes")
@dataclass(frozen=True)
class Routes:
    """The table; the first row that fits counts.

    Attributes:
        rows: in the order in which they are tried. A query that fits no row goes to the best scorer.
    """

    rows: Sequence[Route] = field(default_factory=lambda: DEFAULT)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", tuple(self.rows))

    def choose(self, label: str, judge: JudgeKind, n: int) -> Route:
        """The row for a query of this class with `n` candidates."""
        return next((row for row in self.rows if row.fits(label, judge, n)), _LAST)

    def of_judge(self, judge: JudgeKind) -> tuple[str, ...]:
        """The strategies that a query may lead to with such a judge, each once."""
        rows = [*(row for row in self.rows if row.judge in {ANY, judge}), _LAST]
        return tuple(dict.fromkeys(text for row in rows for text in row.strategies))

    def labels(self) -> tuple[str, ...]:
        """The classes that rows are for."""
        return tuple(sorted({row.label for row in self.rows} - {ANY}))

    def with_row(self, row: Route) -> Routes:
        """The table with a row before all others."""
        return Routes((row, *self.rows))

    @classmethod
    def load(cls, path: str | Path) -> Routes:
        """Read a YAML file: a list of rows with `strategies` and any of `label`, `judge`, `most`, `why`.

        Raises:
            DataError: it is not such a file; the row is named.
        """
        from judge_rerank.readers import Located

        located = Located(path)
        if not isinstance(located.value, list) or not located.value:
            raise DataError("Expected a list of routes, each with strategies: [...].", path=path)
        rows = cast("list[Any]", located.value)
        return cls(tuple(_row(row, f"route {place + 1}", located, place) for place, row in enumerate(rows)))

    def save(self, path: str | Path) -> None:
        """Write the table as `load` reads it."""
        Path(path).expanduser().write_text(self.as_yaml(), encoding="utf-8")

    def as_yaml(self) -> str:
        """The table as `load` reads it."""
        import yaml

        rows = [
            {name: list(value) if name == "strategies" else value for name, value in asdict(row).items() if value}
            for row in self.rows
        ]
        return yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=120)


def _row(row: Any, name: str, located: Located, place: int) -> Route:
    known = [f.name for f in fields(Route)]
    if not isinstance(row, dict) or not set(cast("dict[str, Any]", row)) <= set(known):
        raise located.error(f"{name}: expected a mapping with {', '.join(known)}; got {row!r:.100}.", [place])
    given = dict(cast("dict[str, Any]", row))
    strategies = given.get("strategies")
    if isinstance(strategies, str):
        strategies = [strategies]
    if not isinstance(strategies, list) or not all(isinstance(s, str) for s in cast("Iterable[Any]", strategies)):
        raise located.error(f"{name}: strategies must be a list of spec strings.", [place])
    given["strategies"] = tuple(cast("list[str]", strategies))
    try:
        return Route(**given)
    except (InputError, TypeError) as error:
        raise located.error(f"{name}: {error}", [place]) from None


_LAST = Route(strategies=("{prefilter}",), why="there is no route for it")

DEFAULT: tuple[Route, ...] = (
    Route(judge="none", strategies=("{prefilter}",), why="no LLM is set up, so the best scorer here decides"),
    Route(
        label="complex",
        judge="local",
        strategies=(
            "{prefilter} % 20 >> stage(binary, fuse=0.5)",
            "{prefilter} % 10 >> stage(binary, fuse=0.5)",
            "{prefilter}",
        ),
        why=(
            "the answer may be in several documents, so more are read; the small judge's score is added to the scorer's"
        ),
    ),
    Route(
        judge="local",
        strategies=(
            "{prefilter} % 10 >> stage(binary, fuse=0.5)",
            "{prefilter} % 5 >> stage(binary, fuse=0.5)",
            "{prefilter}",
        ),
        why="a small judge is best at yes or no; its score is added to the scorer's and does not replace it",
    ),
    Route(
        judge="hosted",
        most=20,
        strategies=("listwise", "{prefilter} % 10 >> listwise", "{prefilter}"),
        why="all candidates fit into one call",
    ),
    Route(
        label="factual",
        judge="hosted",
        strategies=("{prefilter} % 20 >> listwise", "{prefilter} % 10 >> listwise", "{prefilter}"),
        why="the words of the question find the fact, so one call for the best candidates is enough",
    ),
    Route(
        label="complex",
        judge="hosted",
        most=100,
        strategies=(
            HOSTED_STRATEGY,
            f"{{prefilter}} % 50 >> {HOSTED_STRATEGY}",
            "{prefilter} % 20 >> listwise",
            "{prefilter}",
        ),
        why="a scorer may miss parts of the answer, so every candidate is graded, in one round",
    ),
    Route(
        judge="hosted",
        strategies=(
            f"{{prefilter}} % 50 >> {HOSTED_STRATEGY}",
            "{prefilter} % 20 >> listwise",
            "{prefilter} % 10 >> listwise",
            "{prefilter}",
        ),
        why="the answer may use other words than the question, so more than the best few are graded",
    ),
)
