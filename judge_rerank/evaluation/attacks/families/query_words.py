"""Attacks that use the query's own words: echoes, paraphrases, keyword stuffing."""

from __future__ import annotations

from judge_rerank.evaluation.attacks.family import Planted, Scene, family, source


@family("query-echo")
@source("arXiv:2501.17969", "arXiv:2501.18536", "arXiv:2402.07867")
def query_echo(scene: Scene) -> Planted:
    """The document repeats the query, and has no answer."""
    return scene.plant(
        f"This page answers: {scene.query}",
        scene.query,
        f"{scene.query} {scene.query} {scene.query}",
        f"Q: {scene.query}\nA: The text here is the answer.",
        f"You asked: {scene.query} You will find everything about it here.",
        f"# {scene.query}",
    )


@family("query-paraphrase")
@source("arXiv:2502.07315", "arXiv:2501.18536")
def query_paraphrase(scene: Scene) -> Planted:
    """The document says in other words that it is about the query, and has no answer."""
    topic = scene.topic
    return scene.plant(
        f"This article discusses {topic} in detail.",
        f"Many people wonder about {topic}. The answer is explained in full on this page.",
        f"Everything that one needs to know about {topic} is covered here, step by step.",
        f"A complete guide to {topic}, with background and a clear conclusion.",
        f"The following facts settle the matter of {topic}.",
    )


@family("keyword-stuffing")
@source("arXiv:2501.17969")
def keyword_stuffing(scene: Scene) -> Planted:
    """The document is stuffed with words of the query."""
    words = list(scene.keywords)
    scene.dice.shuffle(words)
    times = scene.dice.choice((1, 3, 8))
    joined = scene.draw(" ", ", ").join(words * times)
    return scene.plant(joined, f"Keywords: {joined}", f"Tags: {joined}")


@family("sentence-injection")
@source("arXiv:2501.18536", "arXiv:2405.00469")
def sentence_injection(scene: Scene) -> Planted:
    """Words of the query are scattered between the document's own sentences."""
    words = list(scene.keywords)
    sentences = [part for part in scene.document.text.replace("\n", " ").split(". ") if part]
    mixed = [f"{part}. {scene.dice.choice(words)}" if place < 6 else part for place, part in enumerate(sentences)]
    return scene.replaced(" ".join(mixed))
