"""Quality of an order by relevance grades: the metrics of ir-measures, fed so that no tie is left to break."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from subprocess import CalledProcessError
from typing import Any

from judge_rerank.core import InputError, MissingExtra, UnknownName

METRICS = ("AP", "Bpref", "ERR", "Judged", "P", "R", "RR", "Rprec", "Success", "nDCG")
"""What is suggested; whatever else ir-measures can compute here is taken as well."""

_EXAMPLES = "nDCG@10, P(rel=2)@5, R@100, RR@10, AP, Judged@10, ERR@20"


class Metrics:
    """A few metrics by their ir-measures names: "nDCG@10", "P(rel=2)@5".

    A metric that knows only relevant and not relevant (RR, P, AP, R, Success, …) and does not say from which grade on a
    document is relevant gets `rel=` of `min_grade`, and is called so: "RR@10" becomes "RR(rel=2)@10" where grade 2 is
    the lowest that is relevant, as in TREC's Deep Learning tracks. ir-measures' own default is 1, which makes figures
    of graded collections come out too high.

    Args:
        names: at least one. Those with two spellings ("MRR", "RR") are called by the first that ir-measures has.
        min_grades: the lowest grade that is relevant, of each collection that is measured. Where they differ, the name
            has all of them: "RR(rel=1|2)@10".

    Attributes:
        names: as results call them, without repeats.

    Raises:
        UnknownName: there is no such metric; the nearest are suggested.
        InputError: a metric lacks its cutoff, has an option that it does not take, or cannot be computed here.
        MissingExtra: ir-measures is not installed.
    """

    def __init__(self, names: Iterable[str], *, min_grades: Iterable[float] = (1,)) -> None:
        self._grades = sorted({ceil(grade) for grade in min_grades})
        self._measures = {_called(measure, self._grades): measure for measure in map(_parsed, names)}
        if not self._measures:
            raise InputError(f"No metric is named. Name at least one, such as {_EXAMPLES}.")
        self.names = tuple(self._measures)

    def of(
        self, order: Sequence[str], grades: Mapping[str, float], *, min_grade: float | None = None
    ) -> dict[str, float]:
        """Each metric of one order of document ids, best first; 0 where nothing is relevant.

        Args:
            order: ids, each once.
            grades: by document id, whole numbers; those of documents outside `order` count as not found.
            min_grade: the lowest grade that is relevant, by default the least of `min_grades`.
        """
        import ir_measures

        # Some providers exchange text files, which ids with spaces would break, and read query ids as numbers.
        places = {name: f"d{place}" for place, name in enumerate(dict.fromkeys((*order, *grades)))}
        qrels = {"1": {places[name]: _whole(grade, name) for name, grade in grades.items()}}
        run = {"1": {places[name]: float(len(order) - rank) for rank, name in enumerate(order)}}
        if not grades:
            return dict.fromkeys(self.names, 0.0)
        grade = self._grades[0] if min_grade is None else ceil(min_grade)
        measures = {name: _at(measure, grade) for name, measure in self._measures.items()}
        values: Iterable[Any] = ir_measures.iter_calc(
            {*measures.values()}, qrels, run if order else {"1": {"none": 0.0}}
        )
        try:
            found = {value.measure: float(value.value) for value in values}
        except CalledProcessError:
            several = ", ".join(self.names)
            raise InputError(
                f"The metrics {several} cannot be computed: the highest grade that ERR takes is 4, and there is a "
                f"{max(grades.values()):g}."
            ) from None
        return {name: found[measure] for name, measure in measures.items()}


def ideal(order: Sequence[str], grades: Mapping[str, float]) -> list[str]:
    """The best order that these documents allow: by grade, then as they stand."""
    return sorted(order, key=lambda name: -grades.get(name, 0.0))


def _is_binary(measure: Any) -> bool:
    """Whether a metric knows only relevant and not relevant, and does not say from which grade on."""
    option = measure.SUPPORTED_PARAMS.get("rel")
    return option is not None and option.default == 1 and "rel" not in measure.params


def _at(measure: Any, grade: int) -> Any:
    return measure(rel=grade) if _is_binary(measure) else measure


def _called(measure: Any, grades: Sequence[int]) -> str:
    """The name of a metric; `rel=1` is said where the caller said it, or where collections differ."""
    said = "|".join(map(str, grades)) if _is_binary(measure) else str(measure.params.get("rel", ""))
    if not said or (said == "1" and "rel" not in measure.params):
        return str(measure)
    name, at, cutoff = str(measure).partition("@")
    base, _, options = name.partition("(")
    others = [option for option in options.rstrip(")").split(",") if option and not option.startswith("rel=")]
    return f"{base}({','.join([f'rel={said}', *others])}){at}{cutoff}"


def _parsed(name: str) -> Any:
    try:
        import ir_measures
    except ImportError:
        raise MissingExtra("Measuring rankings", "eval", "ir_measures") from None
    base = name.partition("@")[0].partition("(")[0].strip()
    if base not in ir_measures.measures.registry:
        raise UnknownName("metric", name, _spelled(name, base), f"Metrics are written as in {_EXAMPLES}.")
    try:
        measure: Any = ir_measures.parse_measure(name)
        measure.validate_params()
    except (ValueError, KeyError, AssertionError, NameError, TypeError) as error:
        reason = str(error)
        if "cutoff" in reason:
            reason = f"it needs a cutoff, such as {base}@10"
        elif "parsing" in reason:
            reason = "it is not of the form Name(option=value)@cutoff"
        raise InputError(
            f"The metric {name!r} cannot be read: {reason}. Metrics are written as in {_EXAMPLES}."
        ) from None
    cutoff = measure.params.get("cutoff", 1)
    if not ir_measures.DefaultPipeline.supports(measure) or cutoff < 1:
        hint = f"give it a cutoff, such as {base}@10" if "cutoff" not in measure.params else "choose another"
        raise InputError(f"The metric {name!r} cannot be computed here; {hint}. Some of those that can: {_EXAMPLES}.")
    return measure


def _spelled(name: str, base: str) -> list[str]:
    """The metrics that are suggested, with what follows the unknown name."""
    return [known + name.strip()[len(base) :] for known in METRICS]


def _whole(grade: float, name: str) -> int:
    if grade != int(grade):
        raise InputError(f"The grade of {name!r} is {grade:g}; metrics need whole numbers. Multiply all grades.")
    return int(grade)
