"""Jinja with bounds: what a prompt needs, and nothing that can grow without limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge_rerank.core.errors import PromptError
from judge_rerank.prompting.sandbox import Part, compile_part

VARIABLES = {
    "text": "Some Text",
    "items": ["a", "b", "c"],
    "n": 3,
    "nothing": None,
    "many": list(range(20_000)),
    "many_words": "word " * 30,
}
PATH = Path("mine.j2")


def compiled(source: str) -> Part:
    return compile_part(source, path=PATH, first_line=10, allowed=VARIABLES)


def rendered(source: str, limit: int = 1000) -> str:
    return compiled(source).render(VARIABLES, limit=limit)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ text }}|{{ n + 1 }}|{{ n - 1 }}|{{ -n }}", "Some Text|4|2|-3"),
        ("{% for i in items %}\n{{ loop.index }}{{ i }}{{ ',' if not loop.last }}\n{% endfor %}", "1a,\n2b,\n3c"),
        ("{% for i in items if i != 'b' %}{{ i }}{% else %}none{% endfor %}", "ac"),
        ("{% for i in items %}{% for j in items[:2] %}{{ i }}{{ j }} {% endfor %}{% endfor %}", "aa ab ba bb ca cb"),
        ("{% for i in range(1, n + 1) %}{{ i }}{% endfor %}{% for i in range(2) %}{{ i }}{% endfor %}", "12301"),
        (
            "{{ items | join(', ') }} {{ items | length }} {{ text | lower | truncate(7, leeway=0) }}",
            "a, b, c 3 some...",
        ),
        ("{{ 'x' if text is string and n in (1, 3) or n > 5 else 'y' }}", "x"),
        ("{{ nothing }}{{ nothing or 'untitled' }}{{ text[:4] }}{{ items[-1] }}", "untitledSomec"),
        ("{# a comment #}{% raw %}{{ raw }}{% endraw %}", "{{ raw }}"),
        ("  {% if n %}\n  kept\n  {% endif %}\n", "kept"),
    ],
)
def test_what_prompts_need(source: str, expected: str) -> None:
    assert rendered(source) == expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('{{ "x" * 10**9 }}', "'*' cannot be used"),
        ('{{ "x" * 1000000000 }}', "'*' cannot be used"),
        ("{{ 2 ** 100000000 }}", "'**' cannot be used"),
        ('{{ "%1000000000d" % 1 }}', "'%' cannot be used"),
        ("{{ text ~ text }}", "'~' cannot be used"),
        ("{% set x = text %}", "{% set %} cannot be used"),
        ("{% set x %}{{ text }}{% endset %}", "{% set %} cannot be used"),
        ("{% macro m() %}{{ text }}{% endmacro %}", "{% macro %} cannot be used"),
        ("{% include 'other.j2' %}", "{% include %} cannot be used"),
        ("{% extends 'other.j2' %}", "{% extends %} cannot be used"),
        ("{% import 'other.j2' as o %}", "{% import %} cannot be used"),
        ("{% filter upper %}x{% endfilter %}", "cannot be used"),
        ("{{ {'a': 1} }}", "a dictionary cannot be used"),
        ('{{ "x".center(1000000000) }}', "Only range"),
        ('{{ "{:1000000000}".format(1) }}', "Only range"),
        ("{{ lipsum(n=1000000) }}", "Only range"),
        ("{% for i in items recursive %}{{ loop(items) }}{% endfor %}", "Only range"),
        ('{{ "x" | center(1000000000) }}', "Unknown filter 'center'"),
        ("{{ text | replace('', text) }}", "Unknown filter 'replace'"),
        ("{{ text is callable }}", "Unknown test 'callable'"),
        ("{{ text.__class__ }}", "'__class__' cannot be used"),
        ("{{ cycler }}", "no variable 'cycler'"),
        (
            "{% for a in items %}{% for b in items %}{% for c in items %}.{% endfor %}{% endfor %}{% endfor %}",
            "two deep",
        ),
        ("{{ " + "(" * 5000 + "n" + ")" * 5000 + " }}", "cannot be read"),
        ("{{ " + "9" * 5000 + " }}", "cannot be read"),
        ("{{ " + "1+" * 300 + "1 }}", "cannot be read"),
        ("{{ " + "1+" * 30_000 + "1 }}", "cannot be read"),
        ("{% if n %}", "endif"),
    ],
)
def test_what_is_refused_before_it_runs(source: str, words: str) -> None:
    with pytest.raises(PromptError) as raised:
        compiled(source)
    assert words in str(raised.value)
    assert raised.value.line == 10


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ text + text }}", "for numbers only"),
        ("{{ items + items }}", "for numbers only"),
        ("{{ items }}", "A list cannot be printed"),
        ("{{ text.upper }}", "cannot be printed"),
        ("{% for c in text %}{{ c }}{% endfor %}", "a list, not a str"),
        ("{{ text | join(text) }}", "a list, not a str"),
        ("{{ [items] | join }}", "A list cannot be printed"),
        ("{% for i in n %}{% endfor %}", "a list, not a int"),
        ("{% for i in many %}{% endfor %}", "10,000 items at most"),
        ("{% for i in range(1000000000) %}{% endfor %}", "1,000 items at most"),
        ("{{ items | join(many_words) }}", "100 characters at most"),
        ("{% for i in range(0, 10, 0) %}{% endfor %}", "must not be zero"),
        ("{% for i in range(text) %}{% endfor %}", "integer"),
        ("{% for i in items.none %}{% endfor %}", "no attribute 'none'"),
        ("{{ n < text }}", "not supported"),
        ("{{ text['__class__'] }}", "unsafe"),
    ],
)
def test_what_fails_while_it_runs_is_told_with_its_line(source: str, words: str) -> None:
    with pytest.raises(PromptError) as raised:
        rendered("first line\n\n" + source)
    assert words in str(raised.value)
    assert raised.value.path == "mine.j2"
    assert raised.value.line == 12


def test_text_that_grows_too_long_is_cut_off() -> None:
    part = compiled("{% for i in range(1000) %}{% for j in range(1000) %}{{ text }}{% endfor %}{% endfor %}")
    with pytest.raises(PromptError, match="grows beyond 100,000 characters"):
        part.render(VARIABLES, limit=100_000)


def test_names_and_tags_are_known() -> None:
    part = compiled("<Query>{{ text }}</query><doc id='{{ n }}'>{% for i in range(n) %}{{ i }}{% endfor %}</doc> a < b")
    assert part.names == {"text", "n"}
    assert part.tags == {"query", "doc"}
