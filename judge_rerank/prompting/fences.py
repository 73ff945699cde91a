"""Delimiters that a document cannot write: they hold a word that is in none of the texts of the call.

A tag that a document knows, such as `</document>`, is only as safe as the search that takes it from documents. So the
tags that enclose documents are sent with a word, `<document:bkrtqz>`, which is an HMAC of the documents with the query
as its key:

- the same call has the same word on every machine, so caches hold and can be shared; there is no secret to keep;
- who writes a document knows neither the query nor the other documents. If he did, the word would still depend on
  his own text: to write it he has to find a text that holds its own HMAC;
- and where the word does stand in a text, by chance or after such a search, another is taken, so that it never does.

The system message and all that stands before the first document are the same for all calls of a query, so a
provider's prompt cache and that of a local model hold. What encloses the query is therefore a plain tag, which no
document can write either, as it is quoted (`judge_rerank.prompting.escaping`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Iterator, Sequence

from jinja2 import Environment, nodes

FENCE = "_fence"
"""The variable in a compiled part that stands for the word of the call, with a colon before it."""

HELPER = "fence"
"""The function by which a template makes delimiters of its own."""

TAG = re.compile(r"<(?P<end>/?)(?P<name>[A-Za-z][\w-]*)")
"""The beginning of a tag in the text of a template."""

_LETTERS = "bcdfghjkmnpqrstvwxz"  # without vowels, so that it is no word of any text but by chance
_LENGTH = 6
_FENCED = re.compile(rf"[{_LETTERS}]{{{_LENGTH},}}")
_DOCUMENTS = "documents"


def fence_word(query: str, texts: Sequence[str], *, beside: str = "") -> str:
    """A word that is in none of these: the same for the same query and texts, not to be foreseen without all of them.

    What is shown beside them, which is the caller's own, changes the word only where the word would be in it.
    """
    mac = hmac.new(query.encode("utf-8", "surrogatepass"), digestmod=hashlib.sha256)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        mac.update(len(data).to_bytes(8, "big"))
        mac.update(data)
    digest, length = mac.digest(), _LENGTH
    while True:
        word = _in_letters(int.from_bytes(digest, "big"), length)
        if not any(word in text for text in (query, beside, *texts)):
            return word
        digest, length = hashlib.sha256(digest).digest(), length + 1


def _in_letters(number: int, length: int) -> str:
    letters: list[str] = []
    for _ in range(length):
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)


def fence_tags(tree: nodes.Template) -> frozenset[str]:
    """Put the word into the tags that enclose documents; the names of these tags.

    A tag encloses documents if a variable that holds them stands between its opening and its closing.
    """
    pieces = list(_pieces(tree.body, {_DOCUMENTS}))
    names = _enclosing(pieces)
    for output in tree.find_all(nodes.Output):
        output.nodes = [part for node in output.nodes for part in _split(node, names)]
    return names


def _pieces(body: Sequence[nodes.Node], holders: Collection[str]) -> Iterator[str | None]:
    """The template's own text in order; None for each place at which something of a document is put in."""
    for node in body:
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                if isinstance(part, nodes.TemplateData):
                    yield part.data
                elif _mentions(part, holders):
                    yield None
        elif isinstance(node, nodes.For):
            of_documents = _mentions(node.iter, holders)
            targets = {name.name for name in node.target.find_all(nodes.Name)} if of_documents else set[str]()
            targets |= {node.target.name} if of_documents and isinstance(node.target, nodes.Name) else set[str]()
            yield from _pieces(node.body, {*holders, *targets})
            yield from _pieces(node.else_, holders)
        elif isinstance(node, nodes.If):
            for branch in (node.body, *(each.body for each in node.elif_), node.else_):
                yield from _pieces(branch, holders)


def _mentions(node: nodes.Node, names: Collection[str]) -> bool:
    own = isinstance(node, nodes.Name) and node.name in names
    return own or any(name.name in names for name in node.find_all(nodes.Name))


def _enclosing(pieces: Sequence[str | None]) -> frozenset[str]:
    open_at: dict[str, int] = {}
    found: set[str] = set()
    shown = 0
    for piece in pieces:
        if piece is None:
            shown += 1
            continue
        for tag in TAG.finditer(piece):
            name = tag["name"]
            if not tag["end"]:
                open_at[name] = shown
            elif name in open_at and shown > open_at.pop(name):
                found.add(name)
    return frozenset(found)


def _split(node: nodes.Expr, names: Collection[str]) -> Iterator[nodes.Expr]:
    if not isinstance(node, nodes.TemplateData):
        yield node
        return
    done, environment = 0, node.environment
    for tag in TAG.finditer(node.data):
        if tag["name"] in names:
            yield _text(node.data[done : tag.end()], node.lineno, environment)
            yield nodes.Name(FENCE, "load", lineno=node.lineno, environment=environment)
            done = tag.end()
    yield _text(node.data[done:], node.lineno, environment)


def _text(data: str, line: int, environment: Environment | None) -> nodes.TemplateData:
    return nodes.TemplateData(data, lineno=line, environment=environment)


def fences_in(prompt: str) -> int:
    """How many delimiters with such a word a prompt has, at most."""
    return len(_FENCED.findall(prompt))
