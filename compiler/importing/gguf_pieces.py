"""Tokenizers of SentencePiece in files of llama.cpp: their pieces have scores, of which the pairs to be joined and their order come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BLANK = "\u2581"  # What stands for a blank in a piece.
BYTE = 6  # The kind of a piece that is one byte, `<0x0A>`.


def parts_of_pieces(
    pieces: Sequence[str], scores: Sequence[float], kinds: Sequence[int], unknown: str | None, begins_blank: bool
) -> dict[str, object]:
    """The parts of a `tokenizer.json` that reads texts as llama.cpp's `llm_tokenizer_spm` does.

    Args:
        scores: of the pieces; of two pairs side by side the one is joined first whose whole has the higher score.
        kinds: of the pieces, as llama.cpp numbers them.
        unknown: the piece for what has no other.
        begins_blank: whether a text is read as if a blank stood before it.
    """
    before: list[dict[str, object]] = [{"type": "Prepend", "prepend": BLANK}] if begins_blank else []
    blanks = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
    back = {"type": "Replace", "pattern": {"String": BLANK}, "content": " "}
    after = [{"type": "Strip", "content": " ", "start": 1, "stop": 0}] if begins_blank else []
    return {
        "normalizer": {"type": "Sequence", "normalizers": [*before, blanks]},
        "pre_tokenizer": None,
        "decoder": {"type": "Sequence", "decoders": [back, {"type": "ByteFallback"}, {"type": "Fuse"}, *after]},
        "model": {
            "type": "BPE", "dropout": None, "unk_token": unknown, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": True, "byte_fallback": BYTE in kinds, "ignore_merges": False,
            "vocab": {p: i for i, p in enumerate(pieces)}, "merges": list(_joined(pieces, scores, kinds)),
        },
    }  # fmt: skip


def _joined(pieces: Sequence[str], scores: Sequence[float], kinds: Sequence[int]) -> Iterator[list[str]]:
    """Two pieces whose whole is one, too, those of the highest score first."""
    places = {piece: i for i, piece in enumerate(pieces) if kinds[i] != BYTE}
    pairs = [
        (-scores[whole], places[piece[:cut]], places[piece[cut:]])
        for piece, whole in places.items()
        for cut in range(1, len(piece))
        if piece[:cut] in places and piece[cut:] in places
    ]
    for _, left, right in sorted(pairs):
        yield [pieces[left], pieces[right]]
