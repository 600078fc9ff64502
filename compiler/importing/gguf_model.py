"""A file of llama.cpp (GGUF) as the folder of a model: its metadata as a config, its tokens as a tokenizer beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import torch

from mai.compiler.importing.config import refused
from mai.compiler.importing.folder import TOKENIZER, TOKENIZER_CONFIG, ModelFolder
from mai.compiler.importing.gguf_tokenizer import write_tokenizer
from mai.compiler.weights.gguf_file import GgufFile, GgufUnread, read_gguf, stem_of
from mai.runtime.files import reason
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.family_records import family_records

# Llama 3's ways to turn positions slower, of which the file keeps what comes of them: Grattafiori et al. 2024.
STRETCHES = [(factor, 1.0, 4.0, 8192) for factor in (8.0, 32.0, 16.0, 4.0)]
TOLERANCE = 1e-3
SCALING = "rope.scaling.type"
ENDS = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id")


def read_gguf_model(path: Path) -> ModelFolder:
    """What a file says, as a folder would.

    A tokenizer of pairs of bytes is written into a folder beside the file, `NAME.tokenizer`; where another one lies there, that counts.

    Raises:
        MaiError: `import-folder` where it cannot be read, `config-unknown` for what is not known.
    """
    try:
        file = read_gguf(path)
    except GgufUnread as error:
        raise refused("import-folder", f"{path}: {error}", error.help) from error
    except OSError as error:
        raise refused("import-folder", f"{error.filename or path} cannot be read: {reason(error)}") from error
    texts = path.with_name(f"{stem_of(path)}.tokenizer")
    if not (texts / TOKENIZER).is_file():
        write_tokenizer(file.metadata, texts)
    ends = [file.metadata[k] for k in ENDS if isinstance(file.metadata.get(k), int)]
    has_tokenizer = (texts / TOKENIZER).is_file()
    chat = TOKENIZER_CONFIG if has_tokenizer and "tokenizer.chat_template" in file.metadata else None
    generation = {"eos_token_id": list(dict.fromkeys(ends))} if ends else {}
    return ModelFolder(path.parent, config_of(file), {}, generation, {}, "", path, texts, has_tokenizer, chat, ())


def config_of(file: GgufFile) -> dict[str, object]:
    """The metadata as a `config.json`. Raises `MaiError`, `config-unknown`, one for each key that is not known."""
    record = family_records()["gguf"]
    kind, vectors = record["kinds"][file.kind], file.tensors.get("model.embed_tokens.weight")
    config: dict[str, object] = {
        "model_type": kind["model_type"],
        "architectures": [kind["class"]],
        "vocab_size": 0 if vectors is None else vectors.shape[0],
        "tie_word_embeddings": "lm_head.weight" not in file.tensors,
    }
    config |= kind.get("settings", {})
    if file.kind == "llama":
        config["attention_bias"] = "model.layers.0.self_attn.q_proj.bias" in file.tensors
    mistakes = []
    keys = {**record["keys"], **kind.get("keys", {})}
    for key, value in file.metadata.items():
        name = keys.get(key.removeprefix(f"{file.kind}."))
        if name is not None:
            _set(config, name, _plain(value))
        elif not any(fnmatchcase(key, pattern) for pattern in record["nothing"]):
            mistakes.append(
                Diagnostic("config-unknown", None, f"`{key}` is {str(value)[:60]}, and nothing is known of it")
            )
    if mistakes:
        raise MaiError(mistakes)
    scaling = config.get("rope_scaling")
    if isinstance(scaling, dict) and "factor" in scaling and f"{file.kind}.{SCALING}" not in file.metadata:
        scaling["rope_type"] = "linear"  # As llama.cpp takes a factor whose kind is not stated.
    _set_turns(file, config, kind.get("turned"))
    if "scale" in kind:
        is_largest = config.get("num_hidden_layers") == kind["largest"]
        config[kind["scale"]] = _width(config) if is_largest or "head_dim" not in config else config["head_dim"]
    return config | _stretch(file, config)


def _set(config: dict[str, object], name: str, value: object) -> None:
    table, _, field = name.rpartition(".")
    if name == "rope_scaling.rope_type" and value == "none":
        return
    if table:
        inner = config.setdefault(table, {})
        assert isinstance(inner, dict)
        inner[field] = value
    else:
        config[field] = value


def _plain(value: object) -> object:
    """A number of float32 as it was before it was rounded to one."""
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _set_turns(file: GgufFile, config: dict[str, object], share: str | None) -> None:
    """Set the share of each head that is turned, under its name in a family that has one.

    Raises:
        MaiError: `config-unknown` where a part is turned in another family, or values are of another width.
    """
    width = config.get("head_dim") or _width(config)
    for name in ("rope.dimension_count", "attention.value_length"):
        said = file.metadata.get(f"{file.kind}.{name}", width)
        if share and name.startswith("rope") and isinstance(said, int) and isinstance(width, int) and 0 < said < width:
            config[share] = share_of(said, width)
        elif said != width:
            raise refused("config-unknown", f"`{file.kind}.{name}` is {said}, and heads have {width} numbers")


def share_of(part: int, whole: int) -> float:
    """The share whose product with the whole is the part when it is rounded down, as heads are: 58 / 100 gives 57."""
    share = part / whole
    return share if math.floor(share * whole) == part else math.nextafter(share, 1.0)


def _width(config: Mapping[str, object]) -> int:
    wide, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if not isinstance(wide, int) or not isinstance(heads, int) or heads < 1:
        raise refused("config-unknown", "the file does not say its width and how many heads it has")
    return wide // heads


def _stretch(file: GgufFile, config: Mapping[str, object]) -> dict[str, object]:
    """What makes positions turn slower by factors of the file, which are those of Llama 3. Raises `MaiError`, `config-unknown`."""
    if file.factors is None:
        return {}
    theta = config.get("rope_theta", 10000.0)
    assert isinstance(theta, (int, float))
    for factor, low, high, context in STRETCHES:
        expected = torch.tensor(list(_factors(len(file.factors), theta, factor, low, high, context)))
        if torch.allclose(file.factors, expected, rtol=TOLERANCE):
            table = {"rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high}
            return {"rope_scaling": {**table, "original_max_position_embeddings": context}}
    raise refused("config-unknown", "the rates of its rotary positions are divided by factors that are not Llama 3's")


def _factors(pairs: int, theta: float, factor: float, low: float, high: float, context: int) -> Iterator[float]:
    """By what the rate of each pair is divided: by nothing, by `factor`, or by what lies between."""
    for pair in range(pairs):
        length = 2 * math.pi * theta ** (pair / pairs)
        if length < context / high:
            yield 1.0
        elif length > context / low:
            yield factor
        else:
            share = (context / length - low) / (high - low)
            yield 1 / ((1 - share) / factor + share)
