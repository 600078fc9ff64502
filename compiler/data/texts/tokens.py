"""A corpus, its tokenizer, and the tokens of one by the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.files.paths import find_files, listed, missing
from mai.compiler.data.source_kinds import Corpus, Request
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.sources.text import Bpe, Text
from mai.compiler.data.splitting.splits import HELD_OUT
from mai.compiler.program import Program
from mai.compiler.training.run.folder import TOKENIZER
from mai.runtime.errors import ModelError
from mai.runtime.files import plain_file, reason
from mai.runtime.text.tokenizer import BYTES, Tokenizer, tokenizer_of


def tokenise(source: Text, request: Request) -> Corpus:
    """The tokens of the corpus, whole [n], and the tokenizer as a manifest states it. Raises `MaiError`."""
    raw, notes = _corpus(source, request)
    share = int(len(raw) * (1 - HELD_OUT))
    stated = request.tokenizer or state_tokenizer(
        source.tokenizer, request.base, lambda: raw[:share].decode(errors="ignore")
    )
    if stated == BYTES:
        return Corpus(np.frombuffer(raw, np.uint8).astype(np.int64), stated, tuple(notes))
    return Corpus(opened(stated).encode(raw.decode(errors="replace")), stated, tuple(notes))


def _corpus(source: Text, request: Request) -> tuple[bytes, list[str]]:
    """The text: of files, or the English that every Python installation has; and what was found in them."""
    paths = request.files or (() if source.path is None else listed(source.path))
    if not paths:
        from pydoc_data.topics import topics

        return "\n\n".join(topics[name] for name in sorted(topics)).encode(), []
    from mai.compiler.data.texts.documents import read_documents

    files = find_files(request.base, paths, source.reads)
    return read_documents(files, source.field, source.encoding, source.tokenizer == BYTES)


def state_tokenizer(tokenizer: str | Bpe, base: Path, trained_on: Callable[[], str]) -> str:
    """As a manifest states it: `bytes`, a file's text, or what is trained from the text that is not held out."""
    if isinstance(tokenizer, Bpe):
        return train_tokenizer(tokenizer.vocab, trained_on())
    if tokenizer == BYTES:
        return BYTES
    path = base / tokenizer
    if not path.exists():
        raise missing(base, tokenizer, f"there is no tokenizer {path}", lambda file: file.suffix == ".json")
    return _read(path)


def _read(path: Path) -> str:
    try:
        text = plain_file(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise bad(f"the tokenizer {path} cannot be read: {reason(error)}") from error
    opened(text)
    return text


def opened(stated: str) -> Tokenizer:
    """The tokenizer that a manifest states. Raises `MaiError` where it cannot be had."""
    try:
        return tokenizer_of(stated)
    except ModelError as error:
        raise bad(error.message) from error


def train_tokenizer(vocab: int, text: str) -> str:
    """Byte-level pairs (Sennrich et al. 2016) of the text that is not held out: the same text gives the same tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([text], trainer)
    stated: str = tokenizer.to_str()
    return stated


def _check_vocabulary(program: Program, stated: str) -> None:
    """Raise `MaiError` for a tokenizer with tokens that the spec's vocabulary lacks."""
    size, vocab = opened(stated).size, program.constants.get("vocab")
    if isinstance(vocab, int) and size > vocab:
        raise bad(f"this tokenizer has {size:,} tokens, but `vocab` is {vocab:,}")


def reads_corpus(program: Program) -> bool:
    """Whether a program trains on the tokens of a text, which has no special tokens."""
    return program.training is not None and isinstance(program.training.data, Text)


def tokenizer_text(program: Program, weights: Path | None, chosen: str | None) -> str | None:
    """The tokenizer, as the manifests of a program's files state it: `chosen` on the command line, or what its data are read by.

    A tokenizer that was trained lies beside the weights. Raises `MaiError` where it is missing.
    """
    if chosen is not None:
        stated = BYTES if chosen == BYTES else _read(Path(chosen))
        _check_vocabulary(program, stated)
        return stated
    source = program.data
    if not isinstance(source, (Text, Examples)):
        return None
    if isinstance(source.tokenizer, Bpe):
        return _read(weights.parent / TOKENIZER) if weights is not None else None
    return state_tokenizer(source.tokenizer, Path(program.source.path).parent, str)
