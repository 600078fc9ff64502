"""A file of llama.cpp (GGUF) as the folder of a model: its metadata as a config, its tokens as a tokenizer beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import torch

from mai.compiler.importing.config import refused
from mai.compiler.importing.folder import TOKENIZER, TOKENIZER_CONFIG, ModelFolder
from mai.compiler.weights.gguf_file import SUFFIX, GgufFile, GgufUnread, read_gguf
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.family_records import family_records

# Llama 3's ways to turn positions slower, of which the file keeps what comes of them: Grattafiori et al. 2024.
STRETCHES = [(factor, 1.0, 4.0, 8192) for factor in (8.0, 32.0, 16.0, 4.0)]
TOLERANCE = 1e-3
ENDS = ("tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id")
ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
CONTROL, USER_DEFINED = 3, 4  # Kinds of tokens.
BEGIN_FIRST = {"llama-bpe"}  # What puts its first token before a text when nothing is said.


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
        raise refused("import-folder", f"{path} cannot be read: {error}") from error
    texts = path.with_name(f"{path.stem}.tokenizer")
    if not (texts / TOKENIZER).is_file():
        _write_tokenizer(file, texts)
    ends = [file.metadata[k] for k in ENDS if isinstance(file.metadata.get(k), int)]
    has_tokenizer = (texts / TOKENIZER).is_file()
    chat = TOKENIZER_CONFIG if has_tokenizer and "tokenizer.chat_template" in file.metadata else None
    generation = {"eos_token_id": list(dict.fromkeys(ends))} if ends else {}
    return ModelFolder(path.parent, config_of(file), {}, generation, {}, "", path, texts, has_tokenizer, chat, ())


def without_tokenizer(folder: ModelFolder) -> Iterator[str]:
    """That the tokenizer of a file of llama.cpp is not read, where that is so."""
    if folder.weights.suffix.lower() == SUFFIX and not folder.has_tokenizer:
        yield f"its tokenizer is of a kind that is not read: the files take tokens, or texts with a {TOKENIZER} in {folder.texts.name}/"


def config_of(file: GgufFile) -> dict[str, object]:
    """The metadata as a `config.json`. Raises `MaiError`, `config-unknown`, one for each key that is not known."""
    record = family_records()["gguf"]
    kind = record["kinds"][file.kind]
    config: dict[str, object] = {
        "model_type": kind["model_type"],
        "architectures": [kind["class"]],
        "vocab_size": file.tensors["model.embed_tokens.weight"].shape[0]
        if "model.embed_tokens.weight" in file.tensors
        else 0,
        "tie_word_embeddings": "lm_head.weight" not in file.tensors,
    }
    if file.kind == "llama":
        config["attention_bias"] = "model.layers.0.self_attn.q_proj.bias" in file.tensors
    mistakes = []
    for key, value in file.metadata.items():
        name = record["keys"].get(key.removeprefix(f"{file.kind}."))
        if name is not None:
            _set(config, name, _plain(value))
        elif not any(fnmatchcase(key, pattern) for pattern in record["nothing"]):
            mistakes.append(
                Diagnostic("config-unknown", None, f"`{key}` is {str(value)[:60]}, and nothing is known of it")
            )
    if mistakes:
        raise MaiError(mistakes)
    _check_turns(file, config)
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


def _check_turns(file: GgufFile, config: Mapping[str, object]) -> None:
    """Raise `MaiError`, `config-unknown`, where a part of each head alone is turned, or values are of another width."""
    width = config.get("head_dim") or _width(config)
    for name in ("rope.dimension_count", "attention.value_length"):
        said = file.metadata.get(f"{file.kind}.{name}", width)
        if said != width:
            raise refused("config-unknown", f"`{file.kind}.{name}` is {said}, and heads have {width} numbers")


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


def _write_tokenizer(file: GgufFile, folder: Path) -> None:
    """Write the tokenizer of a file into a folder, where it is one of pairs of bytes whose cuts are known."""
    said = file.metadata
    cuts = family_records()["gguf"]["cuts"]
    pre = str(said.get("tokenizer.ggml.pre"))
    if said.get("tokenizer.ggml.model") != "gpt2" or pre not in cuts:
        return
    pieces, kinds, merges = (said.get(f"tokenizer.ggml.{n}") for n in ("tokens", "token_type", "merges"))
    if not isinstance(pieces, list) or not isinstance(merges, list):
        return
    types = kinds if isinstance(kinds, list) and len(kinds) == len(pieces) else [1] * len(pieces)
    added = [
        {
            "id": i,
            "content": p,
            "special": t == CONTROL,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
        }
        for i, (p, t) in enumerate(zip(pieces, types, strict=True))
        if t in (CONTROL, USER_DEFINED)
    ]
    words = {role: _piece(said, f"tokenizer.ggml.{name}_token_id", pieces) for role, name in ROLES.items()}
    begins = bool(said.get("tokenizer.ggml.add_bos_token", pre in BEGIN_FIRST)) and words["bos_token"] is not None
    content = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"} if pre == "qwen2" else None, "pre_tokenizer": _cut(cuts[pre]),
        "post_processor": _first(words["bos_token"], pieces) if begins else None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": pre == "llama-bpe",
            "vocab": {p: i for i, p in enumerate(pieces)}, "merges": [m.split(" ", 1) for m in merges],
        },
    }  # fmt: skip
    settings: dict[str, object] = {role: word for role, word in words.items() if word is not None}
    if isinstance(said.get("tokenizer.chat_template"), str):
        settings["chat_template"] = said["tokenizer.chat_template"]
    folder.mkdir(exist_ok=True)
    (folder / TOKENIZER).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")


def _piece(said: Mapping[str, object], key: str, pieces: list[str]) -> str | None:
    number = said.get(key)
    return pieces[number] if isinstance(number, int) and 0 <= number < len(pieces) else None


def _cut(expression: str) -> dict[str, object]:
    """What cuts a text before pairs are joined."""
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": not expression}
    if not expression:
        return bytes_
    cut = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [cut, bytes_]}


def _first(piece: str | None, pieces: list[str]) -> dict[str, object]:
    """What puts a token before a text."""
    assert piece is not None
    special, text = {"SpecialToken": {"id": piece, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    second = [{"SpecialToken": {"id": piece, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    token = {"id": piece, "ids": [pieces.index(piece)], "tokens": [piece]}
    return {
        "type": "TemplateProcessing",
        "single": [special, text],
        "pair": [special, text, *second],
        "special_tokens": {piece: token},
    }
