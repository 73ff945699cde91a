"""The page in a real browser: it opens without a complaint, and what a reader does with it works."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judge_rerank.evaluation.record import Result
from judge_rerank.evaluation.report.page import page
from judge_rerank.evaluation.report.scope import scopes
from judge_rerank.evaluation.runfolder import RunFolder
from tests.browser import NAMES, Browser, installed
from tests.evaluation.runs import VARIANTS, write_run

pytestmark = pytest.mark.skipif(
    installed() is None, reason=f"no browser is installed ({', '.join(NAMES)}); the page is not tried in one"
)

HOSTILE = "</script><script>document.title='owned'</script><!--\u2028<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_run(
        tmp_path_factory.mktemp("runs") / "made",
        queries=30,
        variants=VARIANTS[:6],
        documents=12,
        datasets=("news", "science"),
        seeds=(0, 1),
        texts=dict.fromkeys(range(12), HOSTILE),
    )


@pytest.fixture(scope="module")
def results(folder: RunFolder) -> list[Result]:
    return folder.results()


@pytest.fixture(scope="module")
def file(folder: RunFolder, results: list[Result]) -> Path:
    path = folder.path / "report.html"
    path.write_text(page(scopes(folder.info(), results), results, folder.documents()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture
def opened(browser: Browser, file: Path) -> Iterator[Browser]:
    browser.problems.clear()
    browser.requests.clear()
    browser.look()
    browser.open(file)
    yield browser
    assert browser.problems == []
    assert browser.requests == [file.resolve().as_uri()]
    assert browser.run("document.title") == "prompt-variants · judge_rerank"


def texts(browser: Browser, selector: str) -> list[str]:
    """What visible elements say."""
    found: list[str] = browser.run(
        f"[...document.querySelectorAll({json.dumps(selector)})].filter((one) => one.checkVisibility())"
        ".map((one) => one.innerText.replaceAll('\\u00a0', ' '))"
    )
    return found


def choose(browser: Browser, selector: str, name: str) -> None:
    browser.run(
        f"(() => {{ const select = document.querySelector({json.dumps(selector)});"
        f" select.value = [...select.options].find((one) => one.text.endsWith({json.dumps(name)})).value;"
        " select.dispatchEvent(new Event('change')); })()"
    )


def type_in(browser: Browser, selector: str, text: str) -> None:
    browser.run(
        f"(() => {{ const field = document.querySelector({json.dumps(selector)}); field.value = {json.dumps(text)};"
        " field.dispatchEvent(new Event('input')); })()"
    )


def means(results: list[Result], variant: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], list[float]] = {}
    for result in results:
        if result.variant == variant:
            found.setdefault((result.dataset, result.query_id), []).append(result.metrics["nDCG@10"])
    return {key: sum(values) / len(values) for key, values in found.items()}


def test_queries_are_compared_as_the_results_say(opened: Browser, results: list[Result]) -> None:
    choose(opened, "#a", "terse · mini")
    choose(opened, "#b", "rubric · mini")
    a, b = means(results, "terse · mini"), means(results, "rubric · mini")
    differences = {key: b[key] - a[key] for key in a}
    wins = sum(value > 1e-6 for value in differences.values())
    losses = sum(value < -1e-6 for value in differences.values())
    (tally,) = texts(opened, "#tally")
    assert tally.startswith(f"B is better on {wins} queries, A on {losses}")
    most = max(differences, key=lambda key: abs(differences[key]))
    first = texts(opened, "#list li")[0]
    assert " · ".join(most) in first
    assert f"{abs(differences[most]):.3f}" in first


def test_search_and_sort(opened: Browser, results: list[Result]) -> None:
    assert len(texts(opened, "#list li")) == 50
    opened.run("document.querySelector('#more button').click()")
    assert len(texts(opened, "#list li")) == 60
    query = next(result.query for result in results if result.query_id == "q9")
    type_in(opened, "#search", query.upper())
    assert [row for row in texts(opened, "#list li") if query in row] == texts(opened, "#list li") != []
    type_in(opened, "#search", "no query has these")
    assert texts(opened, "#more") == ["No query has these words."]
    type_in(opened, "#search", "")
    choose(opened, "#sort", "query")
    shown = [text.partition("\n")[0] for text in texts(opened, "#list button > span:first-child")]
    assert shown == sorted(shown, key=str.lower)


def test_a_dataset_can_be_looked_at_alone(opened: Browser) -> None:
    opened.run("[...document.querySelectorAll('[data-scope]')].find((one) => one.textContent === 'science').click()")
    assert all("science · " in row for row in texts(opened, "#list li"))
    assert len(texts(opened, ".headline")) == 1


def test_the_table_sorts_with_what_is_unknown_last(opened: Browser) -> None:
    def costs(clicks: int) -> list[str]:
        opened.run(
            f"for (let n = 0; n < {clicks}; n++) [...document.querySelectorAll('.variants thead button')]"
            ".find((one) => one.textContent.startsWith('$ / 1,000') && one.checkVisibility()).click()"
        )
        at = texts(opened, ".variants thead th")
        place = next(n for n, text in enumerate(at) if text.startswith("$ / 1,000"))
        column: list[str] = opened.run(
            "[...document.querySelectorAll('.scope:not([hidden]) .variants tbody tr')].map((row) => "
            f"[...row.cells].filter((one) => one.checkVisibility())[{place}].innerText)"
        )
        return [text for text in column if text != "–"]

    down = costs(1)
    assert down[-1] == "unknown"
    numbers = [float(text[1:].replace(",", "")) for text in down[:-1]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) > 2
    up = costs(1)
    assert up[-1] == "unknown"
    assert [float(text[1:].replace(",", "")) for text in up[:-1]] == sorted(numbers)
    hidden = len(texts(opened, ".variants thead th"))
    opened.run("document.querySelector('.all-columns').click()")
    assert len(texts(opened, ".variants thead th")) > hidden + 5


def test_one_query_under_two_variants(opened: Browser, results: list[Result], folder: RunFolder) -> None:
    choose(opened, "#a", "terse · mini")
    choose(opened, "#b", "listwise · mini")
    type_in(opened, "#search", "news q0")
    opened.run(
        "[...document.querySelectorAll('#list button')].find((one) => one.innerText.includes('news · q0')).click()"
    )
    opened.until("document.querySelector('dialog').open")
    assert len(texts(opened, ".column")) == 2
    opened.run("document.querySelectorAll('.column .quiet').forEach((one) => one.click())")
    for side, name in (("a", "terse · mini"), ("b", "listwise · mini")):
        result = next(r for r in results if (r.variant, r.dataset, r.query_id, r.seed) == (name, "news", "q0", 0))
        places = texts(opened, f".column.{side} .place summary")
        assert len(places) == len(result.ranking)
        for placed, shown in zip(result.ranking, places, strict=True):
            assert ("no grade" if placed.grade is None else f"grade {placed.grade:g}") in shown
            assert ("= " if placed.first_stage == placed.rank else f"from {placed.first_stage}") in shown
        opened.run(f"document.querySelector('.column.{side} .place summary').click()")
        opened.until(f"document.querySelector('.column.{side} .body')")
        (body,) = texts(opened, f".column.{side} .body")
        judgment: Any = result.ranking[0].judgments[0]
        assert judgment["prompt"] in body
        assert judgment["reply"] in body
        assert (judgment["reason"] or "") in body
        assert HOSTILE.replace("\u2028", "") in body.replace("\u2028", "").replace("\n", "")
    assert len(texts(opened, ".place.same")) == 2  # the one last opened, on both sides


def test_the_next_query_another_variant_and_another_seed(opened: Browser, results: list[Result]) -> None:
    opened.run("document.querySelector('#list button').click()")
    opened.until("document.querySelector('dialog').open")
    first = texts(opened, "#query-text")
    opened.run("document.querySelector('[aria-label=\"Next query\"]').click()")
    opened.until(f"document.querySelector('#query-text').innerText !== {json.dumps(first[0])}")
    where = texts(opened, "dialog .where")[0]
    dataset, query_id = where.split(" · ")
    choose(opened, "dialog [aria-label='Variant B']", "rubric · embedded")
    choose(opened, "dialog [aria-label='Seed']", "1")
    result = next(
        r for r in results if (r.variant, r.dataset, r.query_id, r.seed) == ("rubric · embedded", dataset, query_id, 1)
    )
    value = f"{result.metrics['nDCG@10']:.3f}"
    opened.until(f"document.querySelector('.column.b').innerText.includes('nDCG@10 {value}')")
    assert "$0 ·" in texts(opened, ".column.b")[0]
    choose(opened, "dialog [aria-label='Variant B']", "rubric · in-house")
    opened.until("document.querySelector('.column.b').innerText.includes('price unknown')")


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_overflows(browser: Browser, file: Path, tmp_path: Path, dark: bool) -> None:
    phone = browser
    phone.problems.clear()
    phone.look(390, 844, dark=dark, phone=True)
    phone.open(file)
    assert phone.run("document.documentElement.scrollWidth") == 390
    phone.run("document.querySelector('#list button').click()")
    phone.until("document.querySelector('dialog').open")
    phone.run("document.querySelector('.column.b .place summary').click()")
    phone.until("document.querySelector('.column.b .body')")
    assert phone.run("document.querySelector('dialog').scrollWidth") <= 390
    assert len(texts(phone, ".column")) == 1
    phone.run("document.querySelector('.sides button').click()")
    assert phone.run("document.querySelector('.column.a').checkVisibility()")
    picture = tmp_path / "phone.png"
    phone.screenshot(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert phone.problems == []


@pytest.mark.parametrize("dark", [False, True])
def test_light_and_dark_follow_the_system_and_the_button(browser: Browser, file: Path, dark: bool) -> None:
    browser.look(dark=dark)
    browser.open(file)
    paper = "getComputedStyle(document.body).backgroundColor"
    before = browser.run(paper)
    browser.run("document.querySelector('#theme').click()")
    after = browser.run(paper)
    assert {before, after} == {"rgb(255, 255, 255)", "rgb(21, 23, 26)"}
    assert (before == "rgb(21, 23, 26)") == dark


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_on_its_paper(browser: Browser, file: Path, dark: bool) -> None:
    """WCAG AA: a contrast of 4.5 for what is said, of 3 for what only accompanies it."""
    browser.look(dark=dark)
    browser.open(file)
    colours: dict[str, str] = browser.run(
        "(() => { const style = getComputedStyle(document.documentElement); const of = {};"
        " for (const name of ['paper', 'ink', 'soft', 'faint', 'a', 'b', 'warn', 'front'])"
        " of[name] = style.getPropertyValue('--' + name).trim(); return of; })()"
    )
    light = {name: _luminance(colour) for name, colour in colours.items()}
    for name, least in {"ink": 7, "soft": 4.5, "a": 4.5, "b": 4.5, "warn": 4.5, "front": 4.5, "faint": 3}.items():
        high, low = sorted((light[name], light["paper"]), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= least, name


def _luminance(colour: str) -> float:
    text = colour.removeprefix("#")
    if len(text) == 3:
        text = "".join(2 * digit for digit in text)
    parts = [int(text[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
