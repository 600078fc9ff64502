"""The tokenizer of a file of llama.cpp as `tokenizer.json` and `tokenizer_config.json`, from what its metadata says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mai.compiler.importing.folder import TOKENIZER, TOKENIZER_CONFIG
from mai.spec.family_records import family_records

Metadata = Mapping[str, object]
ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
CONTROL, USER_DEFINED = 3, 4  # Kinds of tokens.
BEGIN_FIRST = {"llama-bpe"}  # What puts its first token before a text when nothing is said.


def write_tokenizer(metadata: Metadata, folder: Path) -> None:
    """Write the tokenizer of a file into a folder, where it is one of pairs of bytes whose cuts are known."""
    pre = str(metadata.get("tokenizer.ggml.pre"))
    if metadata.get("tokenizer.ggml.model") != "gpt2" or pre not in family_records()["gguf"]["cuts"]:
        return
    pieces, merges = (metadata.get(f"tokenizer.ggml.{n}") for n in ("tokens", "merges"))
    if not isinstance(pieces, list) or not isinstance(merges, list):
        return
    words = {role: _piece(metadata, f"tokenizer.ggml.{name}_token_id", pieces) for role, name in ROLES.items()}
    content = _tokenizer(metadata, pre, pieces, merges, words["bos_token"])
    settings: dict[str, object] = {role: word for role, word in words.items() if word is not None}
    if isinstance(metadata.get("tokenizer.chat_template"), str):
        settings["chat_template"] = metadata["tokenizer.chat_template"]
    folder.mkdir(exist_ok=True)
    (folder / TOKENIZER).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")


def _tokenizer(
    metadata: Metadata, pre: str, pieces: list[str], merges: Sequence[str], first: str | None
) -> dict[str, object]:
    """The content of a `tokenizer.json`; `pre` says how texts are cut, and `first` is the token that may begin them."""
    begins = metadata.get("tokenizer.ggml.add_bos_token", pre in BEGIN_FIRST)
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": _added(metadata, pieces),
        "normalizer": {"type": "NFC"} if pre == "qwen2" else None,
        "pre_tokenizer": _cut(family_records()["gguf"]["cuts"][pre]),
        "post_processor": _first(first, pieces) if begins and first is not None else None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": pre == "llama-bpe",
            "vocab": {p: i for i, p in enumerate(pieces)}, "merges": [m.split(" ", 1) for m in merges],
        },
    }  # fmt: skip


def _added(metadata: Metadata, pieces: Sequence[str]) -> list[dict[str, object]]:
    """The tokens that are found in a text before it is cut; those that control something are special."""
    kinds = metadata.get("tokenizer.ggml.token_type")
    if not isinstance(kinds, list) or len(kinds) != len(pieces):
        return []
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return [
        {"id": i, "content": piece, "special": kind == CONTROL, **plain}
        for i, (piece, kind) in enumerate(zip(pieces, kinds, strict=True))
        if kind in (CONTROL, USER_DEFINED)
    ]


def _piece(metadata: Metadata, key: str, pieces: list[str]) -> str | None:
    number = metadata.get(key)
    return pieces[number] if isinstance(number, int) and 0 <= number < len(pieces) else None


def _cut(expression: str) -> dict[str, object]:
    """What cuts a text before pairs are joined."""
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": not expression}
    if not expression:
        return bytes_
    cut = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    return {"type": "Sequence", "pretokenizers": [cut, bytes_]}


def _first(piece: str, pieces: list[str]) -> dict[str, object]:
    """What puts a token before a text."""
    special, text = {"SpecialToken": {"id": piece, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    second = [{"SpecialToken": {"id": piece, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    token = {"id": piece, "ids": [pieces.index(piece)], "tokens": [piece]}
    return {
        "type": "TemplateProcessing",
        "single": [special, text],
        "pair": [special, text, *second],
        "special_tokens": {piece: token},
    }
