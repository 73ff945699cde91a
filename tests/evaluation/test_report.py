"""What a report says and how it is written, without a browser: words, tables, the page's structure and data."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge_rerank import Document, InputError
from judge_rerank.evaluation.record import DatasetInfo, Placed, Result, RunInfo, Variant
from judge_rerank.evaluation.report import figures, texts
from judge_rerank.evaluation.report.chart import Chart, chart
from judge_rerank.evaluation.report.columns import columns, records
from judge_rerank.evaluation.report.page import page
from judge_rerank.evaluation.report.scope import Scope, scope, scopes
from judge_rerank.evaluation.report.verdict import verdict
from judge_rerank.evaluation.runfolder import RunFolder
from tests.evaluation.runs import VARIANTS, write_run

HOSTILE = "</script><script>document.title='owned'</script><!--<script>\u2028\u2029]]>&amp;<img src=x onerror=alert(1)>"


def run_of(
    values: Mapping[str, Sequence[float]],
    *,
    costs: Mapping[str, str | None] | None = None,
    seconds: Mapping[str, float] | None = None,
    baseline: str = "first-stage",
    finished: bool = True,
    dataset: str = "d",
    failed: int = 0,
) -> tuple[RunInfo, list[Result]]:
    """A run from the metric of each variant's queries."""
    info = RunInfo(
        name="x",
        started="2026-01-02T03:04:05+00:00",
        metrics=["nDCG@10"],
        baseline=baseline,
        variants=[Variant(name=name, reference=name if name in {"first-stage", "ideal"} else None) for name in values],
        datasets=[DatasetInfo(name=dataset, queries=max(map(len, values.values())))],
        finished=finished,
    )
    results = [
        Result(
            variant=name,
            dataset=dataset,
            seed=0,
            query_id=f"q{number}",
            query=f"question {number}",
            metrics={"nDCG@10": value},
            usage={
                "calls": 2,
                "cost_usd": (costs or {}).get(name, "0" if name == "first-stage" else "0.001"),
                "latency_s": (seconds or {}).get(name, 1.0),
            },
            integrity={"parsed": 2 - failed, "failed": {"unreadable": failed}},
        )
        for name, of in values.items()
        for number, value in enumerate(of)
    ]
    return info, results


LOW, HIGH = [0.2, 0.3, 0.25, 0.1, 0.2, 0.3, 0.15, 0.2, 0.3, 0.1], [0.9, 0.8, 0.95, 0.7, 0.85, 0.9, 0.8, 0.75, 0.9, 0.8]
NEAR = [value - (0.02 if place % 2 else -0.019) for place, value in enumerate(HIGH)]
"""First stage, a good variant, and one that is almost as good."""


def said(info_and_results: tuple[RunInfo, list[Result]]) -> str:
    told = verdict(scope(*info_and_results))
    return "\n".join([told.headline, *(f"{topic}: {text}" for topic, text in told.points)])


class TestVerdict:
    def test_it_names_the_best_and_a_cheaper_one_that_may_be_as_good(self) -> None:
        run = run_of({"first-stage": LOW, "dear": HIGH, "cheap": NEAR}, costs={"dear": "0.02", "cheap": "0.001"})
        told = verdict(scope(*run))
        assert (told.best, told.pick) == ("dear", "cheap")
        text = said(run)
        assert text.startswith("dear ranks best: nDCG@10 0.835, +0.625 over the first stage.")
        assert "significantly better than the first stage; its lead over cheap may be chance" in text
        assert "better on 10 queries, worse on 0, equal on 0" in text
        assert "cheap: 0.001 behind, which may be chance, for $1.00 instead of $20.00 for 1,000 queries." in text
        assert "It costs $20.00 for 1,000 queries: 2 calls" in text

    def test_what_is_surely_better_is_picked_with_the_thrifty_one_beside_it(self) -> None:
        fair = [value - 0.2 for value in HIGH]
        run = run_of({"first-stage": LOW, "dear": HIGH, "fair": fair}, costs={"dear": "0.02", "fair": "0.001"})
        assert verdict(scope(*run)).pick == "dear"
        assert "fair keeps 68 % of the gain for $1.00 instead of $20.00" in said(run)

    def test_the_baseline_is_beaten_where_its_own_comparison_says_so(self) -> None:
        base, a = LOW[:8], [value + 0.3 for value in LOW[:8]]
        rest = {name: [v + (0.2 if (n + k) % 2 else -0.2) for n, v in enumerate(a)] for k, name in enumerate("bcd")}
        run = run_of({"first-stage": base, "a": a, **rest})
        told = scope(*run).comparisons["a"]
        assert told.significant
        assert not told.better_than  # corrected for all ten pairs
        text = said(run)
        assert "significantly better than the first stage; its lead over b, c and d may be chance" in text
        assert "Keep the first-stage order" not in text

    def test_no_gain_is_no_pick(self) -> None:
        run = run_of({"first-stage": NEAR, "a": HIGH})
        assert verdict(scope(*run)).pick is None
        assert "Keep the first-stage order, or measure more queries" in said(run)
        assert "10 queries find a difference of" in said(run)

    def test_a_loss_is_called_one(self) -> None:
        assert "No variant is better than the first stage: a is closest" in said(
            run_of({"first-stage": HIGH, "a": LOW})
        )

    def test_an_unknown_price_is_never_nothing(self) -> None:
        run = run_of({"first-stage": LOW, "a": HIGH, "b": LOW}, costs={"a": None, "b": "0.001"})
        text = said(run)
        assert "Its cost is unknown" in text
        assert "The price of a is unknown" in text
        assert "$0" not in text

    def test_where_nothing_costs_anything_time_is_weighed(self) -> None:
        run = run_of(
            {"first-stage": LOW, "slow": HIGH, "fast": NEAR},
            costs={"slow": "0", "fast": "0"},
            seconds={"slow": 9.0, "fast": 0.5},
        )
        assert verdict(scope(*run)).pick == "fast"
        assert "for 500 ms instead of 9.0 s a query" in said(run)

    def test_what_to_mind(self) -> None:
        text = said(run_of({"first-stage": LOW, "a": HIGH, "b": HIGH[:4]}, finished=False, failed=1))
        assert "The run is not finished" in text
        assert "b has 4 results of 10" in text
        assert "50.0 % of the replies to a gave no judgment" in text

    def test_a_run_without_results_says_so(self) -> None:
        info, _ = run_of({"first-stage": LOW, "a": HIGH})
        assert "Nothing can be compared yet" in verdict(scope(info, [])).headline

    def test_variants_without_a_common_query_are_left_out_of_the_comparison(self) -> None:
        info, results = run_of({"first-stage": LOW, "a": HIGH, "b": HIGH})
        apart = [r for r in results if r.variant != "b" or r.query_id == "q9"]
        apart = [r for r in apart if r.variant != "a" or r.query_id == "q0"]
        assert set(scope(info, apart).comparisons) == {"first-stage", "a"}


def test_datasets_count_alike_in_differences_as_in_means() -> None:
    info, results = run_of({"first-stage": [0.1] * 8, "a": [0.9] * 8})
    _, few = run_of({"first-stage": [0.5] * 2, "a": [0.4] * 2}, dataset="e")
    both = RunInfo(
        name="x", started="", metrics=info.metrics, baseline=info.baseline, variants=info.variants,
        datasets=[*info.datasets, DatasetInfo(name="e", queries=2)],
    )  # fmt: skip
    together = scope(both, [*results, *few])
    assert together.comparisons["a"].difference == pytest.approx((0.8 - 0.1) / 2)
    assert together.comparisons["a"].difference == pytest.approx(together.summary.row("a").gain)
    assert [s.dataset for s in scopes(both, [*results, *few])] == [None, "d", "e"]


class TestFigures:
    def test_unknown_is_not_nothing(self) -> None:
        for text in (
            figures.dollars,
            figures.seconds,
            figures.shown_quality,
            figures.share,
            figures.count,
            figures.shown_change,
        ):
            assert text(None) == "unknown"
        assert figures.dollars(0) == "$0"

    @pytest.mark.parametrize(
        ("value", "text"), [(12.4, "$12.40"), (0.0031, "$0.0031"), (0.1, "$0.10"), (1234.5, "$1,234.50")]
    )
    def test_prices(self, value: float, text: str) -> None:
        assert figures.dollars(value) == text

    @given(st.floats(1e-9, 1e6))
    def test_a_price_is_never_shown_as_nothing(self, value: float) -> None:
        assert float(figures.dollars(value)[1:].replace(",", "")) > 0

    def test_the_rest(self) -> None:
        assert figures.shown_change(-0.0312) == "−0.031"
        assert figures.shown_change(0.0001) == "0.000"
        assert figures.shown_probability(0.0001) == "< 0.001"
        assert figures.seconds(0.42) == "420 ms"
        assert figures.share(0.034) == "3.4 %"
        assert figures.count(20_100.4) == "20,100"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_run(
        tmp_path_factory.mktemp("runs") / "made",
        queries=8,
        variants=VARIANTS,
        documents=25,
        datasets=("news", "science"),
        texts={0: HOSTILE},
    )


@pytest.fixture(scope="module")
def results(folder: RunFolder) -> list[Result]:
    return folder.results()


@pytest.fixture(scope="module")
def made(folder: RunFolder, results: list[Result]) -> list[Scope]:
    return scopes(folder.info(), results)


@pytest.fixture(scope="module")
def html(folder: RunFolder, results: list[Result], made: list[Scope]) -> str:
    return page(made, results, folder.documents())


class TestTexts:
    def test_csv_rounds_nothing_and_leaves_empty_what_is_unknown(self, made: list[Scope]) -> None:
        rows = list(csv.DictReader(io.StringIO(texts.run_as_csv(made))))
        assert {row["dataset"] for row in rows} == {"all", "news", "science"}
        by_name = {row["variant"]: row for row in rows if row["dataset"] == "all"}
        row = made[0].summary.row("rubric · mini")
        assert float(by_name["rubric · mini"]["nDCG@10"]) == row.metrics["nDCG@10"]
        assert float(by_name["rubric · mini"]["usd_per_1000_queries"]) == row.usd_per_1000_queries
        assert by_name["rubric · in-house"]["usd_per_1000_queries"] == ""
        assert float(by_name["rubric · embedded"]["usd_per_1000_queries"]) == 0

    def test_json_has_every_figure(self, made: list[Scope]) -> None:
        content = json.loads(texts.run_as_json(made))
        assert content["run"]["baseline"] == "first-stage"
        first = content["scopes"][0]
        variants = {variant["variant"]: variant for variant in first["variants"]}
        assert variants["rubric · in-house"]["usd_per_1000_queries"] is None
        beside = made[0].comparisons["terse · mini"]
        assert variants["terse · mini"]["p_adjusted"] == beside.p_adjusted
        assert variants["terse · mini"]["interval"] == list(beside.interval)
        assert first["verdict"]["headline"] == verdict(made[0]).headline

    def test_markdown_is_one_table_for_each_scope(self, made: list[Scope]) -> None:
        text = texts.run_as_markdown(made)
        tables = [line for line in text.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in tables}) == 1
        assert len(tables) == 3 * (2 + len(made[0].summary.rows))
        assert re.search(r"\| rubric · in-house .*\| unknown \|", text)
        assert "<sup>" in text

    def test_latex_escapes_and_balances(self) -> None:
        run = run_of({"first-stage": LOW, r"50%_$x & {y}~^\#": HIGH})
        text = texts.run_as_latex([scope(*run)])
        assert r"50\%\_\$x \& \{y\}\textasciitilde{}\textasciicircum{}\textbackslash{}\#" in text
        assert text.count(r"\begin{") == text.count(r"\end{") == 2
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1
        assert r"\toprule" in text

    def test_names_cannot_break_a_markdown_table(self) -> None:
        text = texts.run_as_markdown([scope(*run_of({"first-stage": LOW, "a|b\n<script>": HIGH}))])
        assert "<script>" not in text
        (row,) = (line for line in text.splitlines() if line.startswith("| b "))
        assert r"a\|b \<script\>" in row

    def test_trec_runs_keep_the_order(self, results: list[Result]) -> None:
        runs = texts.trec_runs(results)
        result = next(r for r in results if r.variant == "terse · mini" and r.query_id == "q3" and r.dataset == "news")
        lines = [line.split() for line in runs["news", "terse · mini", 0].splitlines()]
        assert [line[2] for line in lines if line[0] == "q3"] == [placed.id for placed in result.ranking]
        assert {len(line) for line in lines} == {6}
        assert {line[5] for line in lines} == {"terse_·_mini"}


def test_what_does_not_apply_to_a_row_is_a_dash(made: list[Scope]) -> None:
    shown = {column.key: column for column in columns(made[0])}
    rows = {record["variant"]: record for record in records(made[0])}
    assert shown["usd_per_1000_queries"].of(rows["first-stage"]) == "–"
    assert shown["difference"].of(rows["first-stage"]) == "–"
    assert shown["usd_per_1000_queries"].of(rows["rubric · in-house"]) == "unknown"
    assert shown["usd_per_point"].of(rows["worded badly · mini"]) == "–"


class TestChart:
    def drawn(self, scope: Scope) -> Chart:
        found = chart(scope)
        assert found is not None
        return found

    def test_marks_stand_where_their_figures_say(self, made: list[Scope]) -> None:
        drawn = self.drawn(made[0])
        marks = {mark.name: mark for mark in drawn.marks}
        assert "ideal" not in marks
        assert marks["rubric · in-house"].kind == "unknown"
        assert marks["rubric · in-house"].x == drawn.unknown_at
        assert marks["rubric · embedded"].x == drawn.free_at == marks["first-stage"].x
        known = [row for row in made[0].summary.rows if row.usd_per_1000_queries and row.variant.reference is None]
        by_cost = sorted(known, key=lambda row: row.usd_per_1000_queries or 0)
        places = [marks[row.variant.name].x for row in by_cost]
        assert places == sorted(places)
        by_quality = sorted(made[0].summary.rows, key=lambda row: -row.metrics["nDCG@10"])
        heights = [marks[row.variant.name].y for row in by_quality if row.variant.name in marks]
        assert heights == sorted(heights)

    def test_costs_of_more_than_a_decade_are_on_a_logarithmic_scale(self) -> None:
        wide = run_of(
            {"first-stage": LOW, "a": LOW, "b": NEAR, "c": HIGH}, costs={"a": "0.001", "b": "0.01", "c": "0.1"}
        )
        marks = {mark.name: mark.x for mark in self.drawn(scope(*wide)).marks}
        assert marks["b"] - marks["a"] == pytest.approx(marks["c"] - marks["b"])
        near = run_of(
            {"first-stage": LOW, "a": LOW, "b": NEAR, "c": HIGH}, costs={"a": "0.001", "b": "0.002", "c": "0.003"}
        )
        flat = self.drawn(scope(*near))
        marks = {mark.name: mark.x for mark in flat.marks}
        assert flat.free_at is None
        assert marks["a"] - marks["first-stage"] == pytest.approx(marks["b"] - marks["a"])

    def test_the_front_is_a_step_line_that_never_falls(self, made: list[Scope]) -> None:
        path = self.drawn(made[0]).front
        assert set(re.findall("[A-Z]", path)) == {"M", "H", "V"}
        heights = [float(y) for y in re.findall(r"V([\d.]+)", path)]
        assert heights == sorted(heights, reverse=True)

    def test_labels_stay_inside_and_apart(self, made: list[Scope]) -> None:
        drawn = self.drawn(made[0])
        boxes: list[tuple[float, float, float, float]] = []
        for mark in drawn.marks:
            size = 6.6 * len(mark.label)
            start = mark.label_x - {"start": 0, "middle": size / 2, "end": size}[mark.anchor]
            assert start >= drawn.left
            assert start + size <= drawn.width
            boxes.append((start, mark.label_y - 9, start + size, mark.label_y + 2))
        for place, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[place + 1 :]:
                assert not (left < other[2] and other[0] < right and top < other[3] and other[1] < bottom)

    def test_one_variant_is_no_chart(self) -> None:
        assert chart(scope(*run_of({"first-stage": LOW, "a": HIGH}))) is None

    @settings(max_examples=40)
    @given(st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(0, 100)), min_size=2, max_size=6))
    def test_any_figures_can_be_drawn(self, variants: list[tuple[float, float | None]]) -> None:
        values = {"first-stage": [0.5, 0.5]} | {f"v{n}": [value, value] for n, (value, _) in enumerate(variants)}
        costs = {f"v{n}": None if cost is None else f"{cost:.9f}" for n, (_, cost) in enumerate(variants)}
        for narrow in (False, True):
            drawn = chart(scope(*run_of(values, costs=costs)), narrow=narrow)
            assert drawn is not None
            for mark in drawn.marks:
                assert drawn.left <= mark.x <= drawn.right
                assert drawn.top <= mark.y <= drawn.bottom


class Page(HTMLParser):
    """Elements, scripts by id, text, and attributes that fetch or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self.words: list[str] = []
        self._script: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "script":
            self._script = attributes.get("id") or "code"
            self.scripts[self._script] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.words.append(data)
        else:
            self.scripts[self._script] += data

    def blob(self, name: str) -> Any:
        return json.loads(gzip.decompress(base64.b64decode(self.scripts[name])))


class TestPage:
    def test_it_asks_the_network_for_nothing(self, html: str) -> None:
        for tag, attributes in Page(html).tags:
            assert not {"src", "href", "srcset", "action", "data"} & attributes.keys(), tag
            assert not any(name.startswith("on") for name in attributes), tag
        assert not re.search(r"https?://|@import|url\(", html.replace("http://www.w3.org/2000/svg", ""))

    def test_only_its_own_script_may_run(self, html: str) -> None:
        found = Page(html)
        hashed = base64.b64encode(hashlib.sha256(found.scripts["code"].encode()).digest()).decode()
        (policy,) = (a["content"] for t, a in found.tags if t == "meta" and "http-equiv" in a)
        assert f"script-src 'sha256-{hashed}'" in (policy or "")
        assert "default-src 'none'" in (policy or "")

    def test_the_script_runs_before_the_large_part_is_read(self, html: str) -> None:
        assert list(Page(html).scripts)[:3] == ["index", "code", "r0"]

    def test_it_says_what_the_other_formats_say(self, html: str, made: list[Scope]) -> None:
        words = "".join(Page(html).words).replace("\u00a0", " ")
        for one in made:
            assert verdict(one).headline in words
            for _, text in verdict(one).points:
                assert text in words
        assert "unknown" in words

    def test_everything_of_every_query_is_in_it(self, html: str, folder: RunFolder, results: list[Result]) -> None:
        found = Page(html)
        index = json.loads(found.scripts["index"])
        documents = [one for n in range(len(index["queries"])) for one in found.blob(f"d{n}")]
        stored = folder.documents()
        assert len(documents) == len(stored)
        by_key = {(r.variant, r.dataset, r.query_id): r for r in results}
        for number, query in enumerate(index["queries"]):
            content = found.blob(f"r{number}")
            for run in content["runs"]:
                result = by_key.pop((index["variants"][run["variant"]]["name"], query["dataset"], query["id"]))
                assert run["metrics"] == result.metrics
                assert run["usage"]["cost_usd"] == result.usage["cost_usd"]
                for placed, place in zip(result.ranking, run["places"], strict=True):
                    document, first, grade, score, judgments = place
                    text = stored[query["dataset"], placed.id]
                    assert documents[document] == [placed.id, text.title, text.text]
                    assert (first, grade, score) == (placed.first_stage, placed.grade, placed.score)
                    assert [(content["calls"][j[0]][2], content["calls"][j[0]][4], j[2], j[4]) for j in judgments] == [
                        (j["prompt"], j["reply"], j["label"], j["reason"]) for j in placed.judgments
                    ]
        assert not by_key

    def test_a_call_and_its_reply_stand_once(self, html: str) -> None:
        content = Page(html).blob("r0")
        listwise = [call for call in content["calls"] if call[0] == "listwise"]
        assert len(listwise) == 2 * 2  # two variants, two windows of 25 documents
        assert len({json.dumps(call) for call in content["calls"]}) == len(content["calls"])

    def test_metrics_in_the_index_are_means_over_seeds(self, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "run", queries=2, seeds=(0, 1))
        results = folder.results()
        index = json.loads(Page(page(scopes(folder.info(), results), results, folder.documents())).scripts["index"])
        have = [r.metrics["nDCG@10"] for r in results if r.variant == "terse · mini" and r.query_id == "q0"]
        assert len(have) == 2
        assert index["queries"][0]["values"][0][2] == pytest.approx(sum(have) / 2, abs=1e-6)

    def test_the_same_run_is_the_same_page(
        self, html: str, folder: RunFolder, results: list[Result], made: list[Scope]
    ) -> None:
        assert page(made, results, folder.documents()) == html


@pytest.mark.parametrize("text", [HOSTILE, "<!--", "\u2028", "]]>", "{{ 7 * 7 }}", "\\u003c/script>"])
def test_no_text_becomes_markup(text: str) -> None:
    """Wherever it stands: names, queries, documents, reasons, replies."""
    placed = Placed(
        id=text, rank=1, index=0, first_stage=1, grade=1.0, score=0.5,
        judgments=[{"stage": text, "round": 1, "reply": text, "reason": text, "label": text, "prompt": text}],
    )  # fmt: skip
    info = RunInfo(
        name=text, description=text, started=text, version=text, metrics=["nDCG@10", text], baseline="first-stage",
        variants=[
            Variant(name="first-stage", reference="first-stage"),
            *(Variant(name=name + text, model=text, strategy=text, prompts={"score": text}) for name in "ab"),
        ],
        datasets=[DatasetInfo(name=text, queries=1), DatasetInfo(name="d", queries=1)],
    )  # fmt: skip
    results = [
        Result(
            variant=variant.name, dataset=dataset.name, seed=0, query_id=text, query=text,
            metrics={"nDCG@10": 0.5, text: 1.0}, usage={"cost_usd": "0.1"}, ranking=[placed], reasons=[text],
        )
        for variant in info.variants
        for dataset in info.datasets
    ]  # fmt: skip
    hostile = page(scopes(info, results), results, {(text, text): Document(id=text, title=text, text=text)})
    harmless = hostile_page_of("harmless")
    found = Page(hostile)
    assert [tag for tag, _ in found.tags if tag in {"script", "img"}] == [
        tag for tag, _ in Page(harmless).tags if tag == "script"
    ]
    assert json.loads(found.scripts["index"])["queries"][0]["text"] == text
    assert found.blob("d0") == [[text, text, text]]
    assert "<" not in found.scripts["index"]
    assert "\u2028" not in found.scripts["index"]


def hostile_page_of(text: str) -> str:
    """A page of the same shape with nothing to fear in it."""
    info = RunInfo(
        name=text, started=text, metrics=["nDCG@10"], baseline="first-stage",
        variants=[Variant(name="first-stage", reference="first-stage"), Variant(name="a"), Variant(name="b")],
        datasets=[DatasetInfo(name=text, queries=1), DatasetInfo(name="d", queries=1)],
    )  # fmt: skip
    results = [
        Result(
            variant=v.name, dataset=d.name, seed=0, query_id="q", query=text, metrics={"nDCG@10": 0.5},
            usage={"cost_usd": "0.1"},
        )
        for v in info.variants
        for d in info.datasets
    ]  # fmt: skip
    return page(scopes(info, results), results, {})


def test_a_page_of_many_documents_stays_small(tmp_path: Path) -> None:
    """Packed, a place with its judgment and its document takes less than a quarter of what it does in the folder."""
    folder = write_run(tmp_path / "run", queries=20, variants=VARIANTS[:4], documents=50)
    results = folder.results()
    size = len(page(scopes(folder.info(), results), results, folder.documents()))
    assert size < sum(file.stat().st_size for file in folder.path.iterdir()) / 4


def test_a_metric_that_a_result_lacks_is_an_error_of_ours() -> None:
    info, results = run_of({"first-stage": LOW, "a": HIGH})
    other = RunInfo(**{name: getattr(info, name) for name in info.__slots__} | {"metrics": ["P@5"]})
    with pytest.raises(InputError, match="P@5"):
        scope(other, results)
