"""The tokenizer of a file of llama.cpp as `tokenizer.json` and `tokenizer_config.json`, from what its metadata says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mai.compiler.importing.folder import TOKENIZER, TOKENIZER_CONFIG
from mai.compiler.importing.gguf_pieces import parts_of_pieces
from mai.spec.family_records import family_records

Metadata = Mapping[str, object]
ROLES = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
UNKNOWN, CONTROL, USER_DEFINED = 2, 3, 4  # Kinds of tokens.
BEGIN_FIRST = {"llama-bpe"}  # What puts its first token before a text when nothing is said, beside SentencePiece.
# What llama.cpp calls tokenizers of pairs of bytes, and SentencePiece's of pairs of pieces.
PAIRS, PIECES = "gpt2", "llama"


def write_tokenizer(metadata: Metadata, folder: Path) -> None:
    """Write the tokenizer of a file into a folder, where it is one of pairs of bytes whose cuts are known, or of SentencePiece's pieces."""
    pieces = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(pieces, list):
        return
    words = {role: _piece(metadata, f"tokenizer.ggml.{name}_token_id", pieces) for role, name in ROLES.items()}
    parts = _parts(metadata, pieces, words["unk_token"])
    if parts is None:
        return
    content = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": _added(metadata, pieces),
        "post_processor": _edges(metadata, words, pieces), **parts,
    }  # fmt: skip
    settings: dict[str, object] = {role: word for role, word in words.items() if word is not None}
    if isinstance(metadata.get("tokenizer.chat_template"), str):
        settings["chat_template"] = metadata["tokenizer.chat_template"]
    folder.mkdir(exist_ok=True)
    (folder / TOKENIZER).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")


def _parts(metadata: Metadata, pieces: list[str], unknown: str | None) -> dict[str, object] | None:
    """What cuts a text and joins its pieces; None where that is not known."""
    kind, pre = metadata.get("tokenizer.ggml.model"), str(metadata.get("tokenizer.ggml.pre"))
    merges, scores, kinds = (metadata.get(f"tokenizer.ggml.{n}") for n in ("merges", "scores", "token_type"))
    if kind == PAIRS and pre in family_records()["gguf"]["cuts"] and isinstance(merges, list):
        return _of_pairs(pre, pieces, merges)
    lists = [x for x in (scores, kinds) if isinstance(x, list) and len(x) == len(pieces)]
    if kind == PIECES and len(lists) == 2 and "tokenizer.ggml.precompiled_charsmap" not in metadata:
        begins = bool(metadata.get("tokenizer.ggml.add_space_prefix", True))
        return parts_of_pieces(pieces, lists[0], lists[1], unknown or pieces[0], begins)
    return None


def _of_pairs(pre: str, pieces: list[str], merges: Sequence[str]) -> dict[str, object]:
    """The parts of a tokenizer of pairs of bytes; `pre` says how texts are cut."""
    return {
        "normalizer": {"type": "NFC"} if pre == "qwen2" else None,
        "pre_tokenizer": _cut(family_records()["gguf"]["cuts"][pre]),
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
        {"id": i, "content": piece, "special": kind != USER_DEFINED, **plain}
        for i, (piece, kind) in enumerate(zip(pieces, kinds, strict=True))
        if kind in (UNKNOWN, CONTROL, USER_DEFINED)
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


def _edges(metadata: Metadata, words: Mapping[str, str | None], pieces: list[str]) -> dict[str, object] | None:
    """What puts tokens before a text and behind it; None where nothing does."""
    begins = metadata.get("tokenizer.ggml.model") == PIECES or str(metadata.get("tokenizer.ggml.pre")) in BEGIN_FIRST
    first = words["bos_token"] if metadata.get("tokenizer.ggml.add_bos_token", begins) else None
    last = words["eos_token"] if metadata.get("tokenizer.ggml.add_eos_token") else None
    if first is None and last is None:
        return None
    tokens = [t for t in dict.fromkeys((first, last)) if t is not None]
    return {
        "type": "TemplateProcessing",
        "single": _sides(first, last, "A", 0),
        "pair": [*_sides(first, last, "A", 0), *_sides(first, last, "B", 1)],
        "special_tokens": {t: {"id": t, "ids": [pieces.index(t)], "tokens": [t]} for t in tokens},
    }


def _sides(first: str | None, last: str | None, text: str, kind: int) -> list[dict[str, object]]:
    """A text with a token before it and one behind it."""
    return [*_special(first, kind), {"Sequence": {"id": text, "type_id": kind}}, *_special(last, kind)]


def _special(token: str | None, kind: int) -> list[dict[str, object]]:
    return [] if token is None else [{"SpecialToken": {"id": token, "type_id": kind}}]
