"""Models with random weights, built from a configuration: real files for real loading code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

WORDS = "what who how long flea fleas life lives dog cat weeks days the a of is not yes no ? .".split()  # noqa: SIM905
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def tokenizer(folder: Path, longest: int = 64, more: Sequence[str] = ()) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: place for place, word in enumerate([*SPECIAL, *WORDS, *more])}
    made = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    made.normalizer, made.pre_tokenizer = Lowercase(), Whitespace()
    made.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    made.save(str(folder / "tokenizer.json"))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    names["mask_token"] = "[MASK]"
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest, **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "special_tokens_map.json").write_text(json.dumps(names))


def bert(folder: Path, labels: int | None = 1, *, nan: bool = False) -> Path:
    """A classifier with so many labels; with None, a model without a head."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    torch.manual_seed(7)
    tokenizer(folder)
    config = BertConfig(vocab_size=len(SPECIAL + WORDS), max_position_embeddings=64, initializer_range=0.5, **SIZES)
    if labels is None:
        model = BertModel(config)
    else:
        config.num_labels = labels
        model = BertForSequenceClassification(config)
    if nan:
        model.get_parameter("classifier.bias").data.fill_(float("nan"))
    model.save_pretrained(folder)
    return folder


def bi_encoder(folder: Path) -> Path:
    """A sentence-transformers folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    inner = Transformer(str(bert(folder / "bare", None)))
    SentenceTransformer(modules=[inner, Pooling(16)]).save(str(folder / "whole"))
    return folder / "whole"


def late_interaction(folder: Path) -> Path:
    from sentence_transformers import MultiVectorEncoder

    MultiVectorEncoder(str(bert(folder / "bare", None)), local_files_only=True).save(str(folder / "whole"))
    return folder / "whole"


def language_model(folder: Path) -> Path:
    """What a reranker such as Qwen3-Reranker is: a language model whose next token is yes or no."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(7)
    tokenizer(folder)
    config = Qwen3Config(
        vocab_size=len(SPECIAL + WORDS), max_position_embeddings=64, num_key_value_heads=2, head_dim=8,
        initializer_range=0.5, **SIZES,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


def onnx(file: Path, outputs: int | None) -> Path:
    """Embeddings of tokens; with `outputs`, their masked sum as so many logits."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper, save

    tokenizer(file.parent)
    (file.parent / "config.json").write_text(
        json.dumps(
            {"architectures": ["BertForSequenceClassification"], "pad_token_id": 0, "max_position_embeddings": 64}
        )
    )
    random = np.random.default_rng(7)
    table = numpy_helper.from_array(random.normal(size=(len(SPECIAL + WORDS), 8)).astype(np.float32), "table")
    given = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["states"])]
    constants, last, shape = [table], "states", ["batch", "length", 8]
    if outputs is not None:
        head = numpy_helper.from_array(random.normal(size=(8, outputs)).astype(np.float32), "head")
        axis = numpy_helper.from_array(np.array([2]), "axis")
        along = numpy_helper.from_array(np.array([1]), "along")
        constants += [head, axis, along]
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["mask", "axis"], ["wide"]),
            helper.make_node("Mul", ["states", "wide"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "along"], ["sum"], keepdims=0),
            helper.make_node("MatMul", ["sum", "head"], ["logits"]),
        ]
        last, shape = "logits", ["batch", outputs]
    out = helper.make_tensor_value_info(last, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "tiny", given, [out], constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(file))
    return file.parent


def packed(folder: Path) -> tuple[Path, object]:
    """A bare model whose weights are packed in four bits, and the same model with the weights that they stand for."""
    import struct

    import numpy as np
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(7)
    tokenizer(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(SPECIAL + WORDS), max_position_embeddings=64, initializer_range=0.3, **sizes)
    model = BertModel(config).eval()
    parts = {"emb.word": "embeddings.word_embeddings.weight", "emb.pos": "embeddings.position_embeddings.weight"}
    parts |= {"emb.type": "embeddings.token_type_embeddings.weight"}
    parts |= {f"emb.ln.{end[0]}": f"embeddings.LayerNorm.{end}" for end in ("weight", "bias")}
    inner = {"q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value"}
    inner |= {"ao": "attention.output.dense", "aln": "attention.output.LayerNorm", "fi": "intermediate.dense"}
    inner |= {"fo": "output.dense", "oln": "output.LayerNorm"}
    for layer in range(2):
        for short, long in inner.items():
            parts |= {f"l{layer}.{short}.{end[0]}": f"encoder.layer.{layer}.{long}.{end}" for end in ("weight", "bias")}
    entries, body = [], b""
    for short, long in parts.items():
        values = model.get_parameter(long).data
        if values.ndim == 2 and short not in {"emb.pos", "emb.type"}:
            blocks = values.reshape(-1, 32).numpy()
            scales = np.maximum(np.abs(blocks).max(axis=1, keepdims=True) / 7, 1e-3).astype("<f2")
            numbers = np.clip(np.round(blocks / scales.astype("<f4")) + 8, 0, 15).astype(np.uint8)
            halves = numbers[:, :16] | numbers[:, 16:] << 4
            data = np.concatenate([scales.view(np.uint8), halves], axis=1).tobytes()
            meant = (numbers.astype(np.float32) - 8) * scales.astype(np.float32)
            values.copy_(torch.from_numpy(meant.reshape(values.shape)))
        else:
            data = values.numpy().astype("<f4").tobytes()
        entries.append((short.encode(), values.numel(), len(body), len(data)))
        body += data
    head = struct.pack("<4sI7ifi", b"E5S1", 1, 32, 2, 2, 64, config.vocab_size, 64, 2, config.layer_norm_eps, 32)
    head += struct.pack("<5iQ", 1, 2, 3, 0, 1, 3) + struct.pack("<2I", 0, 3) + struct.pack("<f", -1.0) + b"dog"
    head += struct.pack("<iI", 0, 0) + struct.pack("<i", len(entries))
    start = len(head) + sum(2 + len(name) + 21 for name, *_ in entries)
    for name, count, offset, size in entries:
        head += struct.pack("<H", len(name)) + name + struct.pack("<BIQQ", 1, count, start + offset, size)
    (folder / "tiny-q4.bin").write_bytes(head + body)
    return folder, model


def decision_model(folder: Path, *, max_len: int = 512) -> Path:
    """A checkpoint of Laya's: an encoder, a head for typed questions, and a tokenizer."""
    import torch
    from laya.common import build_model
    from safetensors.torch import save_file
    from transformers import BertConfig

    torch.manual_seed(7)
    labels = [*"123456789abcd", "none", "yes", "level", "document"]
    tokenizer(folder / "tokenizer", longest=max_len, more=[label for label in labels if label not in WORDS])
    vocabulary = len(SPECIAL + WORDS + labels)
    config = BertConfig(vocab_size=vocabulary, max_position_embeddings=2 * max_len, **SIZES)
    config.save_pretrained(folder / "encoder")
    record = {"encoder": "tiny", "head_layers": 1, "max_len": max_len, "temperature": [1.0, 1.0, 1.0]}
    (folder / "rl_agent_config.json").write_text(json.dumps(record))
    model = build_model(record, encoder_dir=str(folder / "encoder"), pretrained=False)
    for name, values in model.named_parameters():
        torch.nn.init.normal_(values, mean=1.0 if "norm" in name.lower() else 0.0, std=0.3)
    save_file({name: values.contiguous() for name, values in model.state_dict().items()}, folder / "model.safetensors")
    return folder
