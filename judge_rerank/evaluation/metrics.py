"""Quality of an order by relevance grades: the metrics of ir-measures, fed so that no tie is left to break."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from subprocess import CalledProcessError
from typing import Any

from judge_rerank.core import InputError, MissingExtra, UnknownName

METRICS = ("AP", "Bpref", "ERR", "Judged", "P", "R", "RR", "Rprec", "Success", "nDCG")
"""What is suggested; whatever else ir-measures can compute here is taken as well."""

_EXAMPLES = "nDCG@10, P(rel=2)@5, R@100, RR@10, AP, Judged@10, ERR@20"


class Metrics:
    """A few metrics by their ir-measures names: "nDCG@10", "P(rel=2)@5".

    Args:
        names: at least one. Those with two spellings ("MRR", "RR") are called by the first that ir-measures has.

    Attributes:
        names: as results call them, without repeats.

    Raises:
        UnknownName: there is no such metric; the nearest are suggested.
        InputError: a metric lacks its cutoff, has an option that it does not take, or cannot be computed here.
        MissingExtra: ir-measures is not installed.
    """

    def __init__(self, names: Iterable[str]) -> None:
        measures = {str(measure): measure for measure in map(_parsed, names)}
        if not measures:
            raise InputError(f"No metric is named. Name at least one, such as {_EXAMPLES}.")
        self.names = tuple(measures)
        self._measures = list(measures.values())

    def of(self, order: Sequence[str], grades: Mapping[str, float]) -> dict[str, float]:
        """Each metric of one order of document ids, best first; 0 where nothing is relevant.

        Args:
            order: ids, each once.
            grades: by document id, whole numbers; those of documents outside `order` count as not found.
        """
        import ir_measures

        # Some providers exchange text files, which ids with spaces would break, and read query ids as numbers.
        places = {name: f"d{place}" for place, name in enumerate(dict.fromkeys((*order, *grades)))}
        qrels = {"1": {places[name]: _whole(grade, name) for name, grade in grades.items()}}
        run = {"1": {places[name]: float(len(order) - rank) for rank, name in enumerate(order)}}
        if not grades:
            return dict.fromkeys(self.names, 0.0)
        values: Iterable[Any] = ir_measures.iter_calc(self._measures, qrels, run if order else {"1": {"none": 0.0}})
        try:
            found = {str(value.measure): float(value.value) for value in values}
        except CalledProcessError:
            several = ", ".join(self.names)
            raise InputError(
                f"The metrics {several} cannot be computed: the highest grade that ERR takes is 4, and there is a "
                f"{max(grades.values()):g}."
            ) from None
        return {name: found[name] for name in self.names}


def ideal(order: Sequence[str], grades: Mapping[str, float]) -> list[str]:
    """The best order that these documents allow: by grade, then as they stand."""
    return sorted(order, key=lambda name: -grades.get(name, 0.0))


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
