"""Which languages texts are in, and where nothing is said of them."""

import pytest

from judge_rerank.core import NAMES, language_of, languages_of, named
from judge_rerank.core.languages import _COMMON_WORDS, _SCRIPTS

SENTENCES = {
    "ar": "لكل شخص الحق في حرية التفكير والضمير والدين",
    "de": "Jeder hat das Recht auf Arbeit und auf freie Wahl des Berufs",
    "el": "Κάθε άνθρωπος έχει δικαίωμα στην εκπαίδευση",
    "en": "Everyone has the right to work and to the free choice of a job",
    "es": "Toda persona tiene derecho al trabajo y a la libre elección de su trabajo",
    "fr": "Toute personne a droit au travail et au libre choix de son travail dans le pays",
    "he": "כל אדם זכאי לחינוך",
    "hi": "प्रत्येक व्यक्ति को शिक्षा का अधिकार है",
    "ja": "すべて人は、教育を受ける権利を有する",
    "ko": "모든 사람은 교육을 받을 권리를 가진다",
    "ru": "Каждый человек имеет право на образование",
    "th": "ทุกคนมีสิทธิในการศึกษา",
    "vi": "Mọi người đều có quyền làm việc và được trả lương như những người khác",
    "zh": "人人有受教育的权利",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(language: str) -> None:
    assert language_of(SENTENCES[language]) == language
    assert languages_of("", [SENTENCES[language]] * 3) == {language}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "?!",
        "Dune",
        "iPhone 14 Pro Max 256GB black",
        "la la land",
        "def f(x): return x or None",
        "capital de Francia",
    ],
)
def test_too_little_tells_nothing(text: str) -> None:
    assert language_of(text) == ""
    assert languages_of(text, [text]) == frozenset()


def test_the_texts_count_and_the_query_where_its_letters_tell() -> None:
    assert languages_of("Dune", [SENTENCES["ru"]]) == {"ru"}
    assert languages_of(SENTENCES["zh"], [SENTENCES["en"]]) == {"en", "zh"}
    assert languages_of(SENTENCES["de"], [SENTENCES["en"]]) == {"en"}
    assert languages_of(SENTENCES["de"], ["Dune", "1965"]) == {"de"}


def test_a_few_strangers_among_many_texts_do_not_count() -> None:
    assert languages_of("q", [SENTENCES["en"]] * 9 + [SENTENCES["ru"]]) == {"en"}
    assert languages_of("q", [SENTENCES["en"]] * 3 + [SENTENCES["ru"]]) == {"en", "ru"}


def test_texts_that_tell_too_little_alone_tell_it_together() -> None:
    titles = ["Die Freiheit", "Der Mensch", "Nicht ohne Arbeit", "Auf der Flucht", "Ein Recht"]
    assert not any(map(language_of, titles))
    assert languages_of("", titles) == {"de"}


def test_every_language_that_can_be_found_has_a_name() -> None:
    assert {*_COMMON_WORDS, *filter(None, _SCRIPTS.values())} == set(NAMES)
    assert named({"de", "ru"}) == "German and a language in Cyrillic script"
