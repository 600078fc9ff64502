"""A tensor that is kept in parts, and what its forms have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import torch

from mai.compiler.weights.readable import Readable, RowReadable

Parts: TypeAlias = Mapping[str, Readable]  # Of a tensor, by the ends of their names.
Values: TypeAlias = Mapping[str, torch.Tensor]
Said: TypeAlias = Mapping[str, Any]  # The `quantization_config` of a model.
SHARE_BIAS = 127  # Of exponents that numbers share: a byte b stands for 2^(b - 127).
WORD = 32  # Bits of a whole number that holds several codes.


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor in parts.

    Attributes:
        parts: by the ends of their names.
        unpack: what the parts' numbers stand for.
        has_rows: whether the first axis of each part is that of the tensor.
    """

    shape: tuple[int, ...]
    parts: Parts
    unpack: Callable[[Values], torch.Tensor]
    has_rows: bool = False

    def read(self) -> torch.Tensor:
        """The tensor in float32. Raises `OSError`: its parts do not fit each other."""
        try:
            tensor = self.unpack({end: part.read() for end, part in self.parts.items()}).float()
        except (RuntimeError, IndexError) as error:
            raise OSError(f"its parts do not fit each other: {error}") from error
        if tuple(tensor.shape) != self.shape:
            raise OSError(f"its parts give {list(tensor.shape)}, and not {list(self.shape)}")
        return tensor

    def row(self, place: int) -> Readable:
        """One place on the first axis, which stays, of size 1."""
        rows = {end: cast(RowReadable, part).row(place) for end, part in self.parts.items()}
        return replace(self, shape=(1, *self.shape[1:]), parts=rows)


def with_needed(parts: Parts, *ends: str) -> Parts:
    """The parts, of which those are needed. Raises `KeyError`: one lacks."""
    return {**parts, **{end: parts[end] for end in ends}}


def codes_of(words: torch.Tensor, bits: int) -> torch.Tensor:
    """The codes in whole numbers of 32 bits, the lowest first: [..., n] to [..., n * 32 / bits]."""
    shifts = torch.arange(0, WORD, bits, dtype=torch.int32)
    codes: torch.Tensor = (words.int()[..., None] >> shifts) & (2**bits - 1)
    return codes.flatten(-2)


def word_of_ones(bits: int) -> int:
    """A word whose codes are all 1."""
    return sum(1 << place for place in range(0, WORD, bits))


def check_bits(bits: object) -> int:
    """How many bits codes have. Raises `ValueError` where no word holds a whole number of them."""
    if bits not in (2, 4, 8):
        raise ValueError(f"its numbers have {bits} bits; known here: 2, 4, 8")
    return int(str(bits))
