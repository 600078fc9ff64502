"""A folder of a model, as `save_pretrained` writes it: its settings, its tensors, its tokenizer, and what is not read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mai.compiler.importing.config import read_json, refused, said_in
from mai.compiler.importing.unlike import refuse_folder, refuse_path, refuse_without_tensors
from mai.compiler.weights import adapters
from mai.compiler.weights.modules import DENSE, MODULES, modules_of
from mai.compiler.weights.policy import AFTER, BEFORE
from mai.compiler.weights.tensor_files import NAMES, NETWORKS, PIPELINE, base_file
from mai.spec.family_records import family_records

CONFIG, GENERATION, TOKENIZER = "config.json", "generation_config.json", "tokenizer.json"
PREPROCESSOR = "preprocessor_config.json"
# A sampler of diffusers is a folder of folders: its networks, and how its noise is taken away.
NETWORK, TRANSFORMER, SCHEDULER = "unet", "transformer", "scheduler"
BESIDE = (
    "tokenizer",
    "tokenizer_2",
    "tokenizer_3",
    "feature_extractor",
    "safety_checker",
    "image_encoder",
)  # No part of what a sampler computes.
TOKENIZER_CONFIG, TEMPLATE, TEMPLATES = "tokenizer_config.json", "chat_template.jinja", "additional_chat_templates"
MARKS = "token_type_ids"  # Among what a tokenizer gives a model, `model_input_names`.
# Files that say again what others say, or nothing of what is computed.
SPARE = (
    "special_tokens_map.json", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model",
    "train_config.json", BEFORE, AFTER, "README.md", "LICENSE", "LICENSE.txt", "USE_POLICY.md", ".gitattributes", "training_args.bin",
    MODULES, "sentence_bert_config.json", "config_sentence_transformers.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """What lies in a folder.

    Attributes:
        path: of the folder.
        config: what `config.json` says; of a pipeline of several networks, its kind.
        parts: what the `config.json` of each of several networks says, by their folders' names.
        generation: what `generation_config.json` says; empty where it is not there.
        preprocessor: what `preprocessor_config.json` says of images or sounds, or a scheduler's file of noise; empty where there is none.
        preprocessor_file: its name.
        weights: the file of tensors, or of their index, or of an adapter to those of this folder.
        texts: the folder of its tokenizer and its chat template: an adapter may have its own.
        has_tokenizer: whether there is a `tokenizer.json`.
        chat: the name of the file that has its chat template; None where there is none.
        unread: the names of files that nothing here reads.
        pipeline: the class of a pipeline of one network; empty where there is none.
        vectors: the folder of an adapter that says how a text becomes one vector; None where that of the model does, if any.
    """

    path: Path
    config: Mapping[str, object]
    parts: Mapping[str, Mapping[str, object]]
    generation: Mapping[str, object]
    preprocessor: Mapping[str, object]
    preprocessor_file: str
    weights: Path
    texts: Path
    has_tokenizer: bool
    chat: str | None
    unread: tuple[str, ...]
    pipeline: str = ""
    vectors: Path | None = None

    @property
    def config_file(self) -> str:
        """The name of the file that says the kind of model."""
        return PIPELINE if len(self.parts) > 1 else CONFIG

    @property
    def marks_seconds(self) -> bool:
        """Whether a model is told which tokens are of a second text: by what its tokenizer says that it gives, or else by the tokenizer's class."""
        said = said_in(self.texts / TOKENIZER_CONFIG)
        names = said.get("model_input_names")
        if isinstance(names, list) or not (said or self.has_tokenizer):
            return not isinstance(names, list) or MARKS in names
        record = family_records()["tokenizers"]
        kind = said.get("tokenizer_class") or self.config.get("tokenizer_class")
        if kind:
            return str(kind).removesuffix("Fast") in record["marking"]
        return self.config.get("model_type") in record["marking_unsaid"]


def read_folder(path: Path) -> ModelFolder:
    """What lies in a folder.

    Raises:
        MaiError: `import-folder` where it is no such folder; `weights-pickle` where its weights are pickles alone.
    """
    if not path.is_dir():
        raise refuse_path(path)
    index = said_in(path / PIPELINE)
    parts = _networks(path, index)
    net = path / NETWORK if list(parts) == [NETWORK] else path
    if not parts and not (net / CONFIG).is_file():
        raise refuse_folder(net)
    beside = f"{SCHEDULER}/{SCHEDULER}_config.json" if parts else PREPROCESSOR
    weights = base_file(net)
    if not weights.is_file():
        raise refuse_without_tensors(net)
    if any(m.kind == DENSE for m in modules_of(path)):
        weights = path / MODULES
    if (path / BEFORE).is_file():
        weights = path / BEFORE
    return ModelFolder(
        path,
        index if len(parts) > 1 else read_json(net / CONFIG),
        parts,
        said_in(path / GENERATION),
        said_in(path / beside),
        beside,
        weights,
        path,
        (path / TOKENIZER).is_file(),
        chat_file(path),
        unread_files(path, parts),
        str(index["_class_name"]) if len(parts) == 1 and "_class_name" in index else "",
    )


def _networks(path: Path, index: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """The configs of a pipeline's networks. Raises `MaiError`, `config-unknown`, where it has other parts."""
    parts = [name for name, part in index.items() if isinstance(part, list) and any(part)]
    others = sorted(set(parts) - {*NETWORKS, SCHEDULER, *BESIDE})
    if others or (index and not {NETWORK, TRANSFORMER} & set(parts)):
        said = (
            f"a part of `{index.get('_class_name')}` is {others[0]}"
            if others
            else f"there is no {NETWORK} and no {TRANSFORMER}"
        )
        instead = family_records()["unknown"]["kinds"].get(str(index.get("_class_name")))
        raise refused("config-unknown", f"{PIPELINE}: {said}", instead or f"known: {', '.join((*NETWORKS, SCHEDULER))}")
    return {name: read_json(path / name / CONFIG) for name in NETWORKS if name in parts}


def chat_file(path: Path) -> str | None:
    """The file of a folder that has its chat template: one of its own, or the settings of the tokenizer."""
    if (path / TEMPLATE).is_file():
        return TEMPLATE
    return TOKENIZER_CONFIG if said_in(path / TOKENIZER_CONFIG).get("chat_template") else None


def unread_files(path: Path, parts: Iterable[str] = ()) -> tuple[str, ...]:
    """The names of files in a folder that nothing here reads, besides the folders of its networks."""
    read = {
        CONFIG, PIPELINE, SCHEDULER, *parts, GENERATION, TOKENIZER, TOKENIZER_CONFIG, TEMPLATE, TEMPLATES, adapters.CONFIG,
        *NAMES, *SPARE, *(m.folder for m in modules_of(path)),
    }  # fmt: skip
    return tuple(
        sorted(
            f.name
            for f in path.iterdir()
            if f.name not in read and f.suffix not in (".mai", ".onnx", *([] if parts else [".safetensors"]))
        )
    )
