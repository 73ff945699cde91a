"""Words for BM25 in every script."""

import pytest

from judge_rerank import BM25, Judge
from judge_rerank.scorers.words import words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Who wrote Dune_2?", ["who", "wrote", "dune_2"]),
        ("naïve Straße ﬁne １２", ["naïve", "strasse", "fine", "12"]),
        ("北京是", ["北", "京", "是", "北京", "京是"]),
        ("GPT-4 好", ["gpt", "4", "好"]),
        ("東京タワー", ["東", "京", "タ", "ワ", "ー", "東京", "京タ", "タワ", "ワー"]),
        ("กรุงเทพ", ["กรุ", "รุง", "งเ", "เท", "ทพ"]),
        ("Привет, мир", ["прив", "риве", "ивет", "мир"]),
    ],
)
def test_words_as_the_script_has_them(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("كِتَـــاب", "كتاب"),
        ("أحمد إلى آخر", "احمد الى اخر"),
        ("المدرسة", "مدرسه"),
        ("فارسی کتاب", "فارسي كتاب"),
        ("क़लम", "कलम"),
        ("कहाँ", "कहां"),
        ("ёлка", "елка"),
        ("ＡＢＣ", "abc"),
        ("e\u0301te\u0301", "été"),
    ],
)
def test_spellings_that_stand_for_one_another_are_one(one: str, other: str) -> None:
    assert words_of(one) == words_of(other)


def test_marks_do_not_cut_words() -> None:
    assert words_of("में") == ["में"]
    assert len(words_of("हिन्दी")) == 3


QUESTIONS = [
    ("法国的首都是哪里", ["鲸鱼是哺乳动物", "巴黎是法国的首都", "面包是用面粉做的"]),
    ("столица Франции", ["Кит — млекопитающее", "Париж — это столица, город во Франции", "Хлеб пекут из муки"]),
    ("عاصمة فرنسا", ["الحوت من الثدييات", "باريس هي العاصمة لفرنسا", "يصنع الخبز من الدقيق"]),
    ("फ़्रांस की राजधानी", ["व्हेल स्तनधारी है", "पेरिस फ्रांस की राजधानी है", "रोटी आटे से बनती है"]),
    ("フランスの首都", ["クジラは哺乳類です", "パリはフランスの首都です", "パンは小麦粉から作ります"]),
    ("เมืองหลวงของฝรั่งเศส", ["วาฬเป็นสัตว์เลี้ยงลูกด้วยนม", "ปารีสเป็นเมืองหลวงของฝรั่งเศส", "ขนมปังทำจากแป้ง"]),
]


@pytest.mark.parametrize(("question", "documents"), QUESTIONS)
def test_bm25_finds_the_passage_in_every_script(question: str, documents: list[str]) -> None:
    ranking = Judge().rerank(question, documents, "bm25")
    assert ranking[0].index == 1
    assert ranking.notes == ()


def test_words_that_are_inflected_are_found_where_the_texts_are_in_another_language_than_english() -> None:
    documents = [
        "Der Wal ist ein Tier und das Meer ist groß",
        "Die Häuser sind in der Stadt und nicht auf dem Land",
    ] * 2
    assert Judge().rerank("Landwirte", documents, "bm25")[0].relevance_score
    english = ["The whale is an animal of the sea", "The houses are in the town and not on the land"]
    assert not Judge().rerank("household", english, "bm25")[0].relevance_score


def test_no_word_in_common_is_told() -> None:
    ranking = Judge().rerank("quarks", ["a dog", "a cat"], "bm25")
    assert ranking.status == "complete"
    assert ranking.notes == (
        "bm25: no document has a word of the query, so all score 0 and keep the order that they came in",
    )
    assert "no document has a word" in Judge().rerank("quarks", ["a dog", "a cat"], "bm25 % 1 >> none").notes[0]
    assert Judge().rerank("dog", ["a dog", "a cat"], BM25()).notes == ()
