"""The encoder with packed weights, against PyTorch with the weights that they stand for."""

from pathlib import Path

import numpy as np
import pytest

from judge_rerank import Embedding, Judge, ModelUnavailable
from judge_rerank.models import installed_models
from judge_rerank.scorers.encoders import encoder
from tests.scorers import tiny

TEXTS = ["the life of a flea is weeks .", "a dog", "the cat is not a dog .", "who lives long ? fleas . " * 30, ""]
E5 = "multilingual-e5-small-q4"


def test_it_computes_what_pytorch_computes(tmp_path: Path) -> None:
    import torch
    from transformers import PreTrainedTokenizerFast

    folder, model = tiny.packed(tmp_path / "model")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    for number, text in enumerate(TEXTS):
        tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=64)
        with torch.no_grad():
            expected = model(**tokens).last_hidden_state[0]  # type: ignore[operator]
        ids, vectors = encoder(str(folder), "auto", None).tokens(TEXTS, 2)[number]
        assert ids == tokens["input_ids"][0].tolist()
        assert vectors == pytest.approx(expected.numpy(), abs=2e-4)
        mean = expected.mean(dim=0)
        ours = encoder(str(folder), "auto", None).encode([text], 2)[0]
        assert ours == pytest.approx((mean / mean.norm()).numpy(), abs=2e-4)


def test_it_ranks_and_reads_no_more_than_it_is_told(tmp_path: Path) -> None:
    folder, _ = tiny.packed(tmp_path / "model")
    scorer = Embedding(str(folder), max_length=8)
    assert scorer.is_here()
    assert not Embedding(str(folder), backend="torch").is_here()
    ranking = Judge().rerank("the cat is not a dog .", TEXTS, scorer)
    assert ranking[0].index == 2
    assert ranking[0].relevance_score == pytest.approx(1, abs=1e-5)
    assert len(encoder(str(folder), "auto", 8).tokens([TEXTS[3]], 1)[0][0]) == 8


@pytest.mark.parametrize("damage", ["magic", "cut", "tokenizer"])
def test_what_cannot_be_read_is_said(tmp_path: Path, damage: str) -> None:
    folder, _ = tiny.packed(tmp_path / "model")
    file = folder / "tiny-q4.bin"
    if damage == "magic":
        file.write_bytes(b"GGUF" + file.read_bytes()[4:])
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:400])
    else:
        (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelUnavailable):
        Judge().rerank("a dog", TEXTS, Embedding(str(folder)))


@pytest.mark.skipif(E5 not in installed_models(), reason=f"needs judge-rerank models pull {E5}")
def test_the_real_one_knows_many_languages() -> None:
    asked = {
        "ما هي عاصمة مصر؟": ["برلين عاصمة ألمانيا", "القاهرة أكبر مدن مصر وعاصمتها", "دجاج مشوي"],
        "भारत की राजधानी क्या है?": ["मुंबई एक बड़ा शहर है", "भारत का शासन नई दिल्ली से चलता है", "चावल और दाल"],
        "中国的首都是哪里？": ["上海是一座港口城市", "北京是国家的政治中心，首都", "炒饭的做法"],
    }
    with Judge() as judge:
        for query, documents in asked.items():
            assert judge.rerank(query, documents, Embedding(E5))[0].index == 1
        vectors = encoder(E5, "auto", None).encode(["query: dog", "query: собака", "query: parliament"], 8)
    assert np.dot(vectors[0], vectors[1]) > np.dot(vectors[0], vectors[2])
