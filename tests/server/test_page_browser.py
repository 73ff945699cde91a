"""The page in a real browser: what a person does with it, by keyboard alone, and what hostile texts do to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from judge_rerank import Judge, ProviderUnavailable
from judge_rerank.testing import FakeBackend
from tests.browser import NAMES, Browser, installed
from tests.server.running import Running, fake
from tests.server.test_keys import APP, hashed

pytestmark = pytest.mark.skipif(
    installed() is None, reason=f"no browser is installed ({', '.join(NAMES)}); the page is not tried in one"
)

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u2028{{root}}"
TITLE = "Compare rerankers · judge_rerank"
DONE = "document.querySelectorAll('.places').length === 2 && !state.running"
KEYS = {"Tab": 9, "Enter": 13, " ": 32, "Escape": 27}


def grade(request: Any) -> str:
    text = str(request)
    grade = 9 if "oil" in text else 7 if "toe them" in text else 2
    return json.dumps({"score": grade, "reason": f"It is worth {grade}. {HOSTILE}"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A route that explains and one that costs nothing, with a trace."""
    trace = tmp_path_factory.mktemp("trace") / "trace.db"
    best = fake(grade, strategy="bm25 % 6 >> score(explain=True, batch_size=1)", latency_s=0.05, trace=trace)
    with Running({"best": best, "fast": fake(strategy="bm25", trace=trace)}, specs=True) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser() as running:
        yield running


@pytest.fixture
def page(browser: Browser, server: Running) -> Iterator[Browser]:
    """The page, opened; it asks nobody but its server, and complains of nothing."""
    opened(browser, f"{server.url}/", "!document.querySelector('#ask').hidden")
    yield browser
    assert browser.problems == []
    assert [address for address in browser.requests if not address.startswith((server.url, "data:,"))] == []
    assert browser.run("document.title") == TITLE


def opened(browser: Browser, url: str, until: str, **look: Any) -> None:
    browser.problems.clear()
    browser.requests.clear()
    browser.look(**look)
    browser.open(url)
    browser.until(until)


def fill(browser: Browser, documents: str, query: str = "why do brakes squeal?") -> None:
    browser.run(f"taken({json.dumps(documents)}, {json.dumps(query)})")


def press(browser: Browser, key: str, *, control: bool = False) -> None:
    common: dict[str, Any] = {
        "key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": KEYS[key],
        "modifiers": 2 if control else 0,
    }  # fmt: skip
    text = {"Enter": "\r", " ": " "}.get(key)
    browser.send("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
    browser.send("Input.dispatchKeyEvent", type="keyUp", **common)


def focused(browser: Browser) -> str:
    """What has the focus: its id, or what it says."""
    found: str = browser.run(
        "(document.activeElement.id || document.activeElement.innerText || document.activeElement.tagName).slice(0, 40)"
    )
    return found


def says(browser: Browser, selector: str) -> str:
    found: str = browser.run(f"document.querySelector({json.dumps(selector)}).innerText")
    return found


def sample(browser: Browser) -> None:
    browser.run("document.querySelector('#samples button').click()")
    browser.run("document.querySelector('#rank').click()")
    browser.until(DONE)


def test_a_sample_is_ranked_by_both_sides(page: Browser) -> None:
    sample(page)
    assert "Both have the same document first." in says(page, "#compared")
    best = says(page, "#column-a .place")
    for text in ("Brakes squeal when oil", "first stage 2", "up 1", "same place by B"):
        assert text in best
    assert "It is worth 9." in best
    assert "cut by bm25 % 6" in says(page, "#column-a .place:last-child")
    assert "2 documents were judged by an earlier stage alone." in says(page, "#column-a .words")
    facts = says(page, "#column-a .facts").split()
    assert facts[facts.index("calls") + 1] == "6"
    assert "is ready: 8 documents in" in page.run("document.querySelector('#said').textContent")


def test_a_side_that_is_ready_stays_as_it_is(page: Browser) -> None:
    page.run("document.querySelector('#samples button').click(); document.querySelector('#rank').click()")
    page.until("document.querySelector('#column-b .place')")
    page.run("const d = document.querySelector('#column-b details'); d.open = true; d.firstChild.focus(); undefined")
    page.until(DONE)
    assert page.run("document.querySelector('#column-b details').open")
    assert page.run("document.activeElement === document.querySelector('#column-b summary')")
    assert "by A" in says(page, "#column-b .place .across")


def test_hostile_texts_are_texts(page: Browser) -> None:
    fill(page, "\n".join(json.dumps({"text": f"{HOSTILE} {n}"}) for n in range(3)), f"squeal {HOSTILE}")
    page.run("document.querySelector('#rank').click()")
    page.until(DONE)
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert HOSTILE.partition("\u2028")[0] in says(page, "#column-a .body .text")
    assert page.run("document.querySelectorAll('main img, main script').length") == 0
    with pytest.raises(RuntimeError, match="TrustedHTML"):
        page.run("document.body.innerHTML = '<i></i>'")
    page.problems.clear()


def test_everything_goes_by_keyboard(page: Browser) -> None:
    page.run("document.activeElement.blur()")
    seen: list[str] = []
    while (now := focused(page)) != "rank":
        press(page, "Tab")
        seen.append(now)
        assert len(seen) < 20
        ring = page.run("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", f"{focused(page)} shows no focus"
    wanted = [
        "Skip to the results",
        "theme",
        "open",
        "Sample: brakes",
        "Sample: moons",
        "documents",
        "query",
        "route-a",
    ]
    assert [each for each in seen if each in wanted] == wanted
    page.run("document.querySelector('#samples button').focus()")
    press(page, "Enter")
    assert page.run("document.querySelector('#documents').value").startswith("A bell")
    page.run("document.querySelector('#query').focus()")
    press(page, "Enter", control=True)
    page.until(DONE)
    page.run("document.querySelector('#column-a summary').focus()")
    press(page, "Enter")
    assert page.run("document.querySelector('#column-a details').open")
    press(page, "Tab")
    assert page.run("document.activeElement.className") == "text"


def test_what_is_missing_is_told_at_its_field(page: Browser) -> None:
    for setup, field, message in (
        ("taken('', 'q')", "documents", "There are no documents yet."),
        ("taken('a', ' ')", "query", "The query is empty."),
        ("taken('{\"text\": \"a\"}\\nb', 'q')", "documents", "Line 2 is not a JSON object"),
    ):
        page.run(setup)
        page.run("document.querySelector('#rank').click()")
        assert message in says(page, "#error")
        assert focused(page) == field
        assert page.run("document.activeElement.getAttribute('aria-invalid')") == "true"


def test_documents_are_read_from_lines_jsonl_and_json(page: Browser) -> None:
    for text, expected in (
        ("one\n\n two \r\nthree", ["one", "two", "three"]),
        ('{"text": "a"}\n{"content": "b"}', [{"text": "a"}, {"content": "b"}]),
        ('["a", {"text": "b"}]', ["a", {"text": "b"}]),
        ("[1] a footnote\n{braces}", ["[1] a footnote", "{braces}"]),
        ("{braces} first\n42", ["{braces} first", "42"]),
    ):
        assert page.run(f"documentsOf({json.dumps(text)})") == expected


def test_a_file_is_dropped(page: Browser) -> None:
    page.run(
        "(() => { const data = new DataTransfer(); data.items.add(new File(['from\\na file\\n'], 'some.txt'));"
        "document.querySelector('#documents').dispatchEvent(new DragEvent('drop',"
        "{ dataTransfer: data, bubbles: true, cancelable: true })); })()"
    )
    page.until("document.querySelector('#count').textContent === '2 documents.'")
    assert page.run("document.querySelector('#documents').value") == "from\na file"


def test_a_strategy_of_ones_own_and_no_other_side(page: Browser) -> None:
    fill(page, "a\nb")
    page.run(
        "for (const [id, value] of [['route-a', 's:'], ['route-b', 'n:']])"
        " { $(id).value = value; $(id).onchange(); } $('spec-a').value = 'nope'; $('rank').click()"
    )
    page.until("!state.running && document.querySelector('#column-a .partial')")
    assert "Unknown model 'nope'" in says(page, "#column-a")
    page.problems.clear()  # the browser notes every 404
    page.run("$('spec-a').value = 'bm25 % 1 >> score'; $('rank').click()")
    page.until("!state.running && document.querySelector('#column-a .place')")
    assert "bm25 % 1 >> score" in says(page, "#column-a .strategy")
    assert page.run("document.querySelector('#column-b').hidden")


def test_stop_ends_a_ranking(browser: Browser) -> None:
    backend = FakeBackend('{"score": 5}', local=True, latency_s=0.3, concurrency=1)
    with Running(Judge(backend, strategy="score(batch_size=1)")) as server:
        opened(browser, f"{server.url}/", "!document.querySelector('#ask').hidden")
        assert browser.run("$('route-b').value") == "n:"  # one route: nothing to compare it with
        fill(browser, "\n".join(f"document {n}" for n in range(30)))
        browser.run("document.querySelector('#rank').click()")
        browser.until("document.querySelector('#news-a')?.textContent.includes('of 30')")
        browser.run("document.querySelector('#stop').click()")
        browser.until("!state.running")
        assert "Stopped." in says(browser, "#column-a")
        assert len(backend.requests) < 15


def test_what_goes_wrong_is_told_in_words(browser: Browser) -> None:
    failing = Judge(FakeBackend(ProviderUnavailable("sk-secret")), max_attempts=1)
    with Running({"default": failing, "fast": fake(strategy="bm25")}, limits={"documents": 5}) as server:
        opened(browser, f"{server.url}/", "!document.querySelector('#ask').hidden")
        fill(browser, "a\nb")
        browser.run("document.querySelector('#rank').click()")
        browser.until("!state.running && document.querySelector('#column-b .place')")
        assert "The model's provider failed" in says(browser, "#column-a")
        fill(browser, "a\nb\nc\nd\ne\nf")
        assert "This server takes at most 5." in says(browser, "#count")
        browser.run("document.querySelector('#rank').click()")
        browser.until("!state.running && document.querySelector('#column-b .partial')")
        assert "At most 5 are allowed." in says(browser, "#column-b")


def test_a_link_leads_to_the_stored_ranking(page: Browser, server: Running) -> None:
    sample(page)
    order = page.run("[...document.querySelectorAll('#column-a .place')].map((one) => one.dataset.index)")
    one, other = (page.run(f"state.sides.{side}.result.link") for side in "ab")
    opened(page, f"{server.url}/r/{one}", "document.querySelector('.place')")
    assert page.run("[...document.querySelectorAll('.place')].map((one) => one.dataset.index)") == order
    assert "why do my bicycle brakes squeal?" in says(page, "#description")
    assert page.run("document.querySelector('#ask').hidden")
    opened(page, f"{server.url}/r/{one}?with={other}", "document.querySelectorAll('.places').length === 2")
    assert "Both have the same document first." in says(page, "#compared")
    opened(page, f"{server.url}/r/nothing", "document.querySelector('#lost').textContent")
    assert "not in the server's trace" in says(page, "#lost")
    page.problems.clear()


def test_a_key_is_asked_for_and_kept_in_this_tab_alone(browser: Browser, tmp_path: Path) -> None:
    judge = fake(strategy="score", trace=tmp_path / "trace.db")
    with Running(judge, keys={"app": hashed(APP)}) as server:
        opened(browser, f"{server.url}/", "!document.querySelector('#key-form').hidden")
        assert focused(browser) == "key"
        for key, there in (("wrong-key-0123456789", "document.querySelector('#key-error').textContent"),
                           (APP, "!document.querySelector('#ask').hidden")):  # fmt: skip
            browser.run(f"document.querySelector('#key').value = {json.dumps(key)}")
            press(browser, "Enter")
            browser.until(there)
        assert browser.run("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 1, ""]
        assert APP not in browser.run("document.documentElement.outerHTML")
        fill(browser, "a text\nanother")
        browser.run("document.querySelector('#rank').click()")
        browser.until("!state.running && document.querySelector('#column-a .place')")
        link = browser.run("state.sides.a.result.link")
        browser.run("sessionStorage.clear()")
        opened(browser, f"{server.url}/r/{link}", "document.querySelector('.place')")
        assert "Document 1" in says(browser, "#column-a")
        assert "a text" not in browser.run("document.documentElement.outerHTML")
        browser.run(f"document.querySelector('#key').value = {json.dumps(APP)}")
        press(browser, "Enter")
        browser.until("document.querySelector('#column-a').innerText.includes('a text')")


CONTRASTS = """(() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const part = (value) => (value / 255 <= .04045 ? value / 255 / 12.92 : ((value / 255 + .055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) => .2126 * part(red) + .7152 * part(green) + .0722 * part(blue);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const low = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const parent = node.parentElement;
    if (!node.data.trim() || !parent.checkVisibility() || parent.closest("template, script, :disabled")) continue;
    const colours = [parse(getComputedStyle(parent).color), ground(parent)];
    const [dark, bright] = colours.map(light).sort((one, other) => one - other);
    const ratio = (bright + .05) / (dark + .05);
    if (ratio < 4.5) low.push(node.data.trim().slice(0, 30) + " " + ratio.toFixed(2));
  }
  return low;
})()"""
"""The visible texts whose contrast is below 4.5."""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("phone", [False, True])
def test_it_fits_and_can_be_read(page: Browser, server: Running, *, dark: bool, phone: bool) -> None:
    width, height = (390, 844) if phone else (1280, 900)
    look = {"width": width, "height": height, "dark": dark, "phone": phone}
    opened(page, f"{server.url}/", "!document.querySelector('#ask').hidden", **look)
    fill(page, f"{'x' * 300}\n{HOSTILE}\noil on brakes\n" + "\n".join(f"document {n}" for n in range(60)))
    page.run("document.querySelector('#rank').click()")
    page.until(DONE)
    page.run("document.querySelector('#column-a details').open = true")
    assert page.run(CONTRASTS) == []
    if not dark:  # the check itself finds what is too faint
        page.run("document.querySelector('#description').style.color = '#8a8f98'")
        assert page.run(CONTRASTS) == ["Your documents, your query, tw 3.25"]
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("document.querySelectorAll('#column-a .place').length") == 50
    page.run("document.querySelector('#column-a .more button').click()")
    assert page.run("document.querySelectorAll('#column-a .place').length") == 63
    fields = "[...document.querySelectorAll('button, input, select')].filter((e) => e.checkVisibility())"
    assert page.run(f"{fields}.filter((e) => e.offsetHeight < 24).map((e) => e.id || e.innerText)") == []
    names = "[...document.querySelectorAll('input, select, textarea')].filter((e) => !e.labels?.length && !e.ariaLabel)"
    assert page.run(f"{names}.map((e) => e.id)") == []
    assert page.run("[...document.querySelectorAll('.column')].map((e) => e.checkVisibility())") == [True, not phone]
    if phone:
        page.run("document.querySelector('#switch [data-side=b]').click()")
        assert page.run("[...document.querySelectorAll('.column')].map((e) => e.checkVisibility())") == [False, True]
    page.look()
