"""The folder of an adapter, which changes a base model's: that model, with the purpose and the tokenizer of the adapter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mai.compiler.importing.config import Settings, refused
from mai.compiler.importing.folder import TOKENIZER, ModelFolder, chat_file, read_folder, unread_files
from mai.compiler.importing.gguf_model import read_gguf_model
from mai.compiler.weights.adapters import CONFIG, AdapterConfig, read_adapter
from mai.compiler.weights.gguf_file import SUFFIX, stem_of
from mai.compiler.weights.modules import MODULES
from mai.compiler.weights.tensor_files import TensorFiles

# What the classes of a task end with; a task that is not here is the base model's own.
ENDS = {
    "CAUSAL_LM": "ForCausalLM",
    "SEQ_CLS": "ForSequenceClassification",
    "TOKEN_CLS": "ForTokenClassification",
    "QUESTION_ANS": "ForQuestionAnswering",
    "FEATURE_EXTRACTION": "Model",
}
END = re.compile(r"(For[A-Z]\w*|LMHeadModel|Model)$")
WRITES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")  # The ends of classes that write texts.
OVER_TOKENS = ("generate", "fill")  # The heads that score each token.
HEADS = ("score.weight", "classifier.weight", "classifier.out_proj.weight")


def read_model(path: Path) -> ModelFolder:
    """What lies in a folder: a model, or an adapter, which is read as its base model with other weights; or a file of llama.cpp.

    Raises:
        MaiError: as `read_folder`; what `TensorFiles` says of an adapter.
    """
    if path.suffix.lower() == SUFFIX and path.is_file():
        return read_gguf_model(path)
    if not (path / CONFIG).is_file():
        return read_folder(path)
    with TensorFiles(path / CONFIG) as files:
        shapes, base = files.shapes, files.base
    assert base is not None
    folder = read_folder(base)
    if (path / TOKENIZER).is_file():
        folder = replace(folder, texts=path, has_tokenizer=True, chat=chat_file(path))
    config = _config(folder.config, read_adapter(path / CONFIG), shapes)
    vectors = path if (path / MODULES).is_file() else None
    return replace(folder, config=config, weights=path / CONFIG, unread=unread_files(path), vectors=vectors)


def _config(
    config: Mapping[str, object], adapter: AdapterConfig, shapes: Mapping[str, tuple[int, ...]]
) -> Mapping[str, object]:
    """The base model's config with the class that the adapter is for, and the number of its labels."""
    architecture = (adapter.auto_mapping or {}).get("base_model_class")
    end, first = ENDS.get(adapter.task_type or ""), config.get("architectures")
    if end is not None and isinstance(first, list) and first:
        base = str(first[0])
        architecture = base if end in WRITES and base.endswith(WRITES) else END.sub("", base) + end
    if architecture is None:
        return config
    if architecture.endswith((*WRITES, "Model")):
        return {**config, "architectures": [architecture]}
    labels = next((shapes[n][0] for n in shapes if n.endswith(HEADS)), 2)
    return {**config, "architectures": [architecture], "id2label": {str(i): f"LABEL_{i}" for i in range(labels)}}


def check_ties(files: TensorFiles, settings: Settings) -> None:
    """Raise `MaiError`, `config-unknown`, where an adapter changes tokens' vectors that the base model has as its head, too.

    The net that was trained has two such matrices, one with the change and one without; a spec has one.
    """
    if not files.adapted or not settings.get("tie_word_embeddings") or settings["head"] not in OVER_TOKENS:
        return
    changed = [n for n in files.adapted if files.shapes[n][:1] == (settings["vocab_size"],)]
    if len(changed) == 1:
        message = f"{CONFIG}: it changes `{changed[0]}`, which is the model's head, too (`tie_word_embeddings`)"
        raise refused("config-unknown", message, "such a model has two matrices; merge it with peft, untied")


def spec_path(path: Path) -> Path:
    """Where the spec of a folder lies when nobody says: in it; above it, where an adapter's base model lies beside it; beside a file."""
    if path.suffix.lower() == SUFFIX and path.is_file():
        return path.with_name(f"{stem_of(path)}.mai")
    name = f"{path.resolve().name}.mai"
    if not (path / CONFIG).is_file():
        return path / name
    with TensorFiles(path / CONFIG) as files:
        base = files.base
    assert base is not None
    own = path.absolute()
    is_beside = base.is_relative_to(own.parent) and not base.is_relative_to(own)
    return path.parent / name if is_beside else path / name
