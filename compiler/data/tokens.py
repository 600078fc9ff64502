"""A corpus, its tokenizer, and the tokens of one by the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.program import Program
from mai.compiler.training.folder import TOKENIZER
from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import plain_file
from mai.runtime.text.tokenizer import BYTES, tokenizer_of
from mai.spec import settings as st

HELD_OUT = 0.1


def tokenised(source: st.Text, base: Path, override: Sequence[Path] | None) -> tuple[Array, str]:
    """The tokens of the corpus, and the tokenizer as a manifest states it. Raises `MaiError`."""
    raw = corpus(source, base, override)
    stated = _stated(source, base, raw)
    if stated == BYTES:
        return np.frombuffer(raw, np.uint8).astype(np.int64), stated
    return _reading(stated).encode(raw.decode(errors="replace")), stated


def corpus(source: st.Text, base: Path, override: Sequence[Path] | None) -> bytes:
    """The text: of files, or the English that every Python installation has."""
    paths = list(override or ([base / source.path] if source.path else []))
    if not paths:
        from pydoc_data.topics import topics

        return "\n\n".join(topics[name] for name in sorted(topics)).encode()
    missing = [p for p in paths if not p.is_file()]
    if missing:
        raise bad(f"there is no file {missing[0]}", "data-missing")
    text = b"\n\n".join(p.read_bytes() for p in paths)
    if not text:
        raise bad(f"{paths[0]} is empty")
    return text


def _stated(source: st.Text, base: Path, raw: bytes) -> str:
    if isinstance(source.tokenizer, st.Bpe):
        return train_tokenizer(source.tokenizer.vocab, raw[: int(len(raw) * (1 - HELD_OUT))].decode(errors="ignore"))
    return BYTES if source.tokenizer == BYTES else _read(base / source.tokenizer)


def _read(path: Path) -> str:
    try:
        text = plain_file(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad(f"there is no tokenizer {path}: {error}", "data-missing") from error
    _reading(text)
    return text


def _reading(stated: str) -> Any:
    try:
        return tokenizer_of(stated)
    except ModelError as error:
        raise bad(f"{error.message}") from error


def train_tokenizer(vocab: int, text: str) -> str:
    """Byte-level pairs (Sennrich et al. 2016) of the text that is not held out: the same text gives the same tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([text], trainer)
    stated: str = made.to_str()
    return stated


def _fitting(program: Program, stated: str) -> str:
    """A tokenizer whose tokens the spec's vocabulary has."""
    size, vocab = _reading(stated).size, program.constants.get("vocab")
    if isinstance(vocab, int) and size > vocab:
        raise bad(f"this tokenizer has {size:,} tokens, but `vocab` is {vocab:,}")
    return stated


def stated_tokenizer(program: Program, weights: Path | None, given: str | None) -> str | None:
    """What the files of a program are to state: `given` on the command line, or what its data are read by.

    A tokenizer that was trained lies beside the weights. Raises `MaiError` where it is missing.
    """
    if given is not None:
        return _fitting(program, BYTES if given == BYTES else _read(Path(given)))
    source = program.training.data if program.training else None
    if not isinstance(source, st.Text):
        return None
    if isinstance(source.tokenizer, st.Bpe):
        return _read(weights.parent / TOKENIZER) if weights is not None else None
    return BYTES if source.tokenizer == BYTES else _read(Path(program.source.path).parent / source.tokenizer)
