"""Scorers with real models: random weights, real loading code, and what is said of models that cannot be used."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from judge_rerank import (
    ColBERT,
    CrossEncoder,
    Document,
    Embedding,
    FlashRank,
    InputError,
    Judge,
    ModelUnavailable,
    UnknownName,
)
from judge_rerank.core import Candidate, Group, Query
from judge_rerank.scorers.base import LocalScorer
from judge_rerank.testing import check_strategy
from tests.scorers import tiny

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

QUERY = "how long is the life of a flea ?"
TEXTS = [
    "the life of a flea is weeks .",
    "a dog",
    "the cat is not a dog .",
    "days",
    "who lives long ? fleas . " * 5,
    "",
]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    tiny.bert(folder / "one")
    tiny.bert(folder / "two", 2)
    tiny.bert(folder / "three", 3)
    tiny.bert(folder / "nan", 1, nan=True)
    tiny.bi_encoder(folder / "bi")
    tiny.late_interaction(folder / "late")
    tiny.language_model(folder / "language")
    tiny.onnx(folder / "onnx-bi" / "model.onnx", None)
    tiny.onnx(folder / "onnx-cross" / "onnx" / "model.onnx", 1)
    tiny.tokenizer(folder / "onnx-cross")
    (folder / "onnx-cross" / "onnx" / "config.json").rename(folder / "onnx-cross" / "config.json")
    tiny.onnx(folder / "flash" / "ms-marco-TinyBERT-L-2-v2" / "flashrank-TinyBERT-L-2-v2.onnx", 1)
    (folder / "no-weights").mkdir()
    (folder / "no-weights" / "config.json").write_text('{"architectures": ["BertForSequenceClassification"]}')
    damaged = tiny.bert(folder / "damaged")
    (damaged / "model.safetensors").write_bytes(b"\x00" * 64)
    return folder


def scorers(models: Path) -> dict[str, LocalScorer]:
    return {
        "torch": CrossEncoder(str(models / "one"), batch_size=2),
        "two labels": CrossEncoder(str(models / "two"), batch_size=2),
        "chosen label": CrossEncoder(str(models / "three"), label=2),
        "language model": CrossEncoder(str(models / "language"), batch_size=3),
        "onnx": CrossEncoder(str(models / "onnx-cross"), backend="onnx", batch_size=2),
        "flashrank": FlashRank(folder=str(models / "flash"), batch_size=2),
        "embedding": Embedding(str(models / "bi" / "whole"), batch_size=2),
        "onnx embedding": Embedding(str(models / "onnx-bi"), batch_size=2),
        "colbert": ColBERT(str(models / "late" / "whole"), batch_size=2),
    }


KINDS = list(scorers(Path()))


def group(query: str, texts: list[str]) -> Group:
    return Query(text=query), tuple(Candidate(index=i, document=Document(text=t)) for i, t in enumerate(texts))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_scores(models: Path, kind: str) -> None:
    scorer = scorers(models)[kind]
    check_strategy(scorer)
    (raw,) = scorer.score([group(QUERY, TEXTS)])
    assert len(raw) == len(TEXTS)
    assert all(map(math.isfinite, raw))
    assert len({round(score, 6) for score in raw}) > 3
    units = [scorer.unit(score) for score in raw]
    assert all(0 <= unit <= 1 for unit in units)
    assert np.argsort(units).tolist() == np.argsort(raw).tolist()
    ranking = Judge().rerank(QUERY, TEXTS, scorer)
    assert ranking.status == "complete"
    assert ranking.order == tuple(np.argsort(-np.array(raw), kind="stable").tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_many_queries_gives_what_each_alone_gives(models: Path, kind: str) -> None:
    scorer = scorers(models)[kind]
    groups = [group(QUERY, TEXTS), group("who is a cat ?", TEXTS[::-1]), group("a dog", [])]
    together = scorer.score(groups)
    for one, scores in zip(groups, together, strict=True):
        assert list(scores) == pytest.approx(list(scorer.score([one])[0]), abs=1e-5)


@pytest.mark.parametrize(("kind", "folder"), [(CrossEncoder, "one"), (Embedding, "bi/whole"), (ColBERT, "late/whole")])
def test_loading_a_model_writes_nothing_to_the_terminal(
    models: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: type[LocalScorer], folder: str
) -> None:
    fresh = shutil.copytree(models / folder, tmp_path / "fresh")  # models are loaded once a process
    capfd.readouterr()
    kind(str(fresh)).score([group(QUERY, TEXTS)])  # pyright: ignore[reportCallIssue]
    assert capfd.readouterr() == ("", "")


def test_scores_are_those_of_sentence_transformers(models: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder as Theirs
    from sentence_transformers import SentenceTransformer

    theirs = Theirs(str(models / "one"), activation_fn=torch.nn.Sigmoid())
    ours = CrossEncoder(str(models / "one"))
    (raw,) = ours.score([group(QUERY, TEXTS)])
    assert [ours.unit(score) for score in raw] == pytest.approx(theirs.predict([(QUERY, t) for t in TEXTS]), abs=1e-5)
    encoder = SentenceTransformer(str(models / "bi" / "whole"))
    expected = encoder.similarity(encoder.encode([QUERY]), encoder.encode(TEXTS))[0]
    (cosines,) = Embedding(str(models / "bi" / "whole")).score([group(QUERY, TEXTS)])
    assert list(cosines) == pytest.approx(expected.tolist(), abs=1e-5)


def test_titles_prefixes_and_length_reach_the_model(models: Path) -> None:
    path = str(models / "bi" / "whole")
    titled = [Document(text="a flea", title="a dog")]
    (with_title,) = Embedding(path).score([(Query(text=QUERY), (Candidate(index=0, document=titled[0]),))])
    assert with_title == pytest.approx(Embedding(path).score([group(QUERY, ["a dog a flea"])])[0], abs=1e-5)
    prefixed = Embedding(path, query_prefix="who ", document_prefix="the ").score([group("lives", ["cat"])])[0]
    assert prefixed == pytest.approx(Embedding(path).score([group("who lives", ["the cat"])])[0], abs=1e-5)
    short = Embedding(path, max_length=4).score([group("a cat", ["the dog is not a cat"])])[0]
    assert short == pytest.approx(Embedding(path).score([group("a cat", ["the dog"])])[0], abs=1e-5)


def test_stored_vectors() -> None:
    stored = [
        {"text": "one", "vector": [1.0, 0.0]},
        {"text": "two", "vector": [1.0, 1.0]},
        {"text": "none"},
        {"text": "zero", "vector": [0.0, 0.0]},
    ]
    scorer = Embedding(vector_key="vector", query_vector=lambda _: [0.0, 2.0])
    ranking = Judge().rerank("q", stored, scorer)
    assert ranking.order == (1, 0, 3, 2)
    assert ranking.integrity.unjudged == (2,)
    assert ranking[0].relevance_score == pytest.approx((1 + 0.5**0.5) / 2)
    for wrong in ([1.0, 2.0, 3.0], "text", [[1.0]], []):
        with pytest.raises(InputError, match="vector"):
            Judge().rerank("q", [{"text": "x", "vector": wrong}, "y"], scorer)


def test_documents_are_encoded_once() -> None:
    from judge_rerank.scorers.memory import Memory

    seen: list[str] = []

    def encode(texts: list[str]) -> list[str]:
        seen.extend(texts)
        return [text.upper() for text in texts]

    memory = Memory(2)
    assert memory.recall(["a", "b", "a"], encode) == ["A", "B", "A"]
    assert memory.recall(["a", "c"], encode) == ["A", "C"]
    assert memory.recall(["a"], encode) == ["A"]
    assert memory.recall(["b"], encode) == ["B"]
    assert seen == ["a", "b", "c", "b"]


def test_a_score_that_is_no_number(models: Path) -> None:
    ranking = Judge().rerank(QUERY, TEXTS, CrossEncoder(str(models / "nan")))
    assert (ranking.status, ranking.order) == ("partial", tuple(range(len(TEXTS))))
    assert "was not a number" in ranking.reasons[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: CrossEncoder(str(m / "no-weights")), r"has no weights that fit: .* one of \*.safetensors"),
        (lambda m: CrossEncoder(str(m / "one"), backend="onnx"), r"one of \*.onnx"),
        (lambda m: CrossEncoder(str(m / "bi" / "bare")), "BertModel, which gives no score for a pair"),
        (lambda m: CrossEncoder(str(m / "damaged")), "could not be loaded"),
        (lambda m: CrossEncoder(str(m / "nothing")), "There is no folder"),
        (lambda m: Embedding(str(m / "no-weights")), "has no weights"),
        (lambda m: ColBERT(str(m / "one")), "not a late-interaction model"),
        (lambda m: FlashRank("ms-marco-MiniLM-L-12-v2", folder=str(m / "no-weights")), "prevents the download"),
    ],
)
def test_a_model_that_cannot_be_used(models: Path, monkeypatch, make, message: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match=message):
        Judge().rerank(QUERY, TEXTS, make(models))


@pytest.mark.parametrize("kind", [CrossEncoder, Embedding, ColBERT])
def test_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelUnavailable, match=r"could not be downloaded .* hf download nobody/nothing"):
        Judge().rerank(QUERY, TEXTS, kind("nobody/nothing"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelUnavailable, match="HF_HUB_OFFLINE prevents the download"):
        Judge().rerank(QUERY, TEXTS, kind("nobody/nothing"))


def test_options_out_of_range(models: Path) -> None:
    for make in (
        lambda: CrossEncoder(batch_size=0),
        lambda: CrossEncoder(max_length=-1),
        lambda: CrossEncoder(backend="jax"),  # pyright: ignore[reportArgumentType]
        lambda: CrossEncoder(label=-1),
        lambda: Embedding(batch_size=True),
        lambda: Embedding(backend="jax"),  # pyright: ignore[reportArgumentType]
        lambda: Embedding(query_vector=lambda _: [1.0]),
        lambda: FlashRank(max_length=0),
        lambda: ColBERT(memory=0),
    ):
        with pytest.raises(InputError, match=r"expected|count from 0|vector_key"):
            make()
    judge = Judge()
    with pytest.raises(InputError, match="max_length is 4096; one reads at most 64"):
        judge.rerank(QUERY, TEXTS, CrossEncoder(str(models / "one"), max_length=4096))
    with pytest.raises(InputError, match="has 3 labels; name the one"):
        judge.rerank(QUERY, TEXTS, CrossEncoder(str(models / "three")))
    with pytest.raises(InputError, match=r"label is 3, but .* has 3"):
        judge.rerank(QUERY, TEXTS, CrossEncoder(str(models / "three"), label=3))
    with pytest.raises(UnknownName, match="FlashRank model 'tiny'"):
        judge.rerank(QUERY, TEXTS, FlashRank("tiny"))
    with pytest.raises(UnknownName, match="Did you mean 'all-minilm-l6-v2'"):
        judge.rerank(QUERY, TEXTS, Embedding("all-minilm-l6"))


def test_a_model_of_flashrank_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def unreachable(*_given: object, **_options: object) -> None:
        raise ConnectionError("no way there")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("requests.get", unreachable)
    with pytest.raises(ModelUnavailable, match=r"could not be fetched \(ConnectionError\)\. Unpack https://"):
        Judge().rerank(QUERY, TEXTS, FlashRank(folder=str(tmp_path)))


def test_the_embedded_model_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_RERANK_MODELS", "")
    from judge_rerank.scorers.encoders import encoder

    encoder.cache_clear()
    with pytest.raises(ModelUnavailable, match="judge-rerank models pull all-minilm-l6-v2"):
        Judge().rerank(QUERY, TEXTS, "embedding")


def test_names_in_spec_strings(models: Path) -> None:
    from judge_rerank.strategies.spec import parse

    path = models / "one"
    assert parse(f"cross-encoder('{path}', batch_size=8)") == CrossEncoder(str(path), batch_size=8)
    assert parse("embedding('all-minilm-l6-v2-int8') % 20 >> colbert") is not None
    assert parse("flashrank('ms-marco-MiniLM-L-12-v2')").model == "ms-marco-MiniLM-L-12-v2"


def test_an_instruction_is_the_prompt_of_a_language_model_and_of_no_classifier(models: Path) -> None:
    def raw(folder: str, *instructions: str | None) -> list[float]:
        candidate = Candidate(index=0, document=Document(text="the red fox"))
        groups = [(Query(text="a fox", instruction=said), (candidate,)) for said in instructions]
        return [scores[0] for scores in CrossEncoder(str(models / folder)).score(groups)]

    plain, instructed, again = raw("language", None, "the blue dog", None)
    assert plain == pytest.approx(again, abs=1e-5)
    assert instructed != pytest.approx(plain, abs=1e-3)
    assert len({round(score, 4) for score in raw("one", None, "the blue dog")}) == 1
