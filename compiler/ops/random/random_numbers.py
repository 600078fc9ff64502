"""Draws. A draw is a function of the seed, its place in the spec, the turn of its loop, the example and the element.

The key of the generator is the seed, its counter (block of four elements, example, turn, place): so the draw of
example i is the same for every batch size, host and number of threads, and the three backends compute the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import Any, ClassVar

from mai.compiler.ir.operation import Case, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Scalar, Tensor, V
from mai.compiler.ops.random.onnx_words import OnnxLimbs, OnnxNumbers, OnnxWords
from mai.compiler.ops.random.philox import MASK, N
from mai.compiler.ops.random.tabled import OnnxTabled
from mai.compiler.ops.random.words import NumpyWords, S, TorchWords, W, Words, X

INTEGER = sample(kind="int")
# By the option `draws` of a file.
WORDS: dict[str, type[OnnxNumbers[Any, Any]]] = {"portable": OnnxLimbs, "fast": OnnxWords}


class Draw(Operation, abstract=True):
    """Inputs: seed, turn and example, one integer each (per example, per turn, as their lead axes say).

    A kind of draw says, in `elements`, what it makes of the words (c0, c2) and (c1, c3) of each block of four.
    """

    attributes = {"place": 0, "shape": ()}
    wants_lead = True
    dtype: ClassVar[DType] = DType.REAL
    cases: ClassVar[tuple[Case, ...]] = (
        case(INTEGER, INTEGER, INTEGER, place=7, shape=(3, 2)),
        case(INTEGER, INTEGER, INTEGER, place=123456789, shape=()),
        case(INTEGER, INTEGER, INTEGER, place=MASK, shape=(2, 4)),
    )

    @classmethod
    def shape(cls, seed: Type, turn: Type, example: Type, place: int, shape: tuple[Size, ...]) -> Type:
        for operand, x in enumerate((seed, turn, example)):
            if x.shape or x.dtype is not DType.INT:
                message = f"a draw depends on whole numbers, one an example, this is {describe(x.shape)}"
                raise ShapeError("dtype-mismatch", message, operand)
        return Type(cls.dtype, shape)

    @staticmethod
    def elements(b: Words[X, S, N, W], even: W, odd: W) -> N:
        """The four elements of each block, [4, ..., blocks], in the arithmetic `b`."""
        raise NotImplementedError

    @classmethod
    def reference(
        cls,
        np: Arrays,
        seed: Tensor,
        turn: Tensor,
        example: Tensor,
        *,
        place: int,
        shape: Sequence[int],
        lead: Sequence[int],
    ) -> Tensor:
        return cls._drawn(NumpyWords(np, len(lead)), (seed, turn, example), place, shape, lead)

    @classmethod
    def torch(
        cls,
        torch: Arrays,
        seed: Tensor,
        turn: Tensor,
        example: Tensor,
        *,
        place: int,
        shape: Sequence[int],
        lead: Sequence[int],
    ) -> Tensor:
        return cls._drawn(TorchWords(torch, len(lead), example.device), (seed, turn, example), place, shape, lead)

    @classmethod
    def onnx(
        cls,
        op: Onnx[V],
        seed: V,
        turn: V,
        example: V,
        *,
        place: int,
        shape: Sequence[Scalar[V]],
        lead: Sequence[Scalar[V]],
    ) -> V:
        words: type[OnnxNumbers[V, Any]] = OnnxTabled if op.cuda else WORDS[op.draws]
        return cls._drawn(words(op, len(lead)), (seed, turn, example), place, shape, lead)

    @classmethod
    def _drawn(
        cls, b: Words[X, S, N, W], counter: tuple[X, X, X], place: int, shape: Sequence[S], lead: Sequence[S]
    ) -> X:
        even, odd = b.words(*counter, place, b.count(shape))
        return b.finish(cls.elements(b, even, odd), shape, lead)


class RandomHalves(Draw):
    """The lower and the upper 16 of 32 random bits, each a whole number from 0 to 65535: any shape, and 2 as its last axis."""

    dtype = DType.INT

    @classmethod
    def shape(cls, seed: Type, turn: Type, example: Type, place: int, shape: tuple[Size, ...]) -> Type:
        return super().shape(seed, turn, example, place, (*shape, 2))

    @classmethod
    def _drawn(
        cls, b: Words[X, S, N, W], counter: tuple[X, X, X], place: int, shape: Sequence[S], lead: Sequence[S]
    ) -> X:
        words = b.join_words(*b.words(*counter, place, b.count(shape)))
        return b.stack(*(b.finish(half, shape, lead) for half in b.halves(words)))


class RandomUniform(Draw):
    """Reals of any shape, strictly between 0 and 1, as likely everywhere; each is a whole number and a half, over 2^23."""

    @staticmethod
    def elements(b: Words[X, S, N, W], even: W, odd: W) -> N:
        return b.unit(b.join_words(even, odd))


class RandomNormal(Draw):
    """Standard normal reals of any shape, by Box and Muller's formula: sqrt(-2 log u) cos(2 pi v) and the same with sin."""

    @staticmethod
    def elements(b: Words[X, S, N, W], even: W, odd: W) -> N:
        radius = b.sqrt(b.log(b.unit(even)) * -2.0)
        angle = b.unit(odd) * (2 * pi)
        return b.join(radius * b.cos(angle), radius * b.sin(angle))
