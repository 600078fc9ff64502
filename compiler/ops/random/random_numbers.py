"""Draws. A draw is a function of the seed, its place in the spec, the turn of its loop, the example and the element.

The key of the generator is the seed, its counter (block of four elements, example, turn, place): so the draw of
example i is the same for every batch size, host and number of threads, and the three backends compute the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import pi
from typing import Any, ClassVar, Generic

from mai.compiler.ir.operation import Case, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Number, Onnx, Scalar, Tensor, V
from mai.compiler.ops.random.philox import MASK, MULTIPLIERS_SWAPPED, ROUNDS, WORD, key_schedule, philox

INTEGER = sample(kind="int")


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
    def elements(b: Any, even: Any, odd: Any) -> Any:
        """The four elements of each block, [4, ..., blocks], in the arithmetic `b`."""
        raise NotImplementedError

    @classmethod
    def reference(cls, np: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        return cls._drawn(NumpyWords(np, len(lead)), (seed, turn, example), place, shape, lead)

    @classmethod
    def torch(cls, torch: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        return cls._drawn(TorchWords(torch, len(lead), example.device), (seed, turn, example), place, shape, lead)

    @classmethod
    def onnx(cls, op: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        return cls._drawn(OnnxWords(op, len(lead)), (seed, turn, example), place, shape, lead)

    @classmethod
    def _drawn(cls, b: Any, counter: tuple[Any, Any, Any], place: int, shape: Any, lead: Any) -> Any:
        even, odd = _words(b, *counter, place, b.count(shape))
        return b.finish(cls.elements(b, even, odd), shape, lead)


def _words(b: Any, seed: Any, turn: Any, example: Any, place: int, count: Any) -> tuple[Any, Any]:
    """The generator's output words (c0, c2) and (c1, c3), each [2, ..., blocks].

    The key is the seed's lower and upper half. The lower half is taken away first, so that the quotient is exact; the
    round keys are cut to 32 bits at the end. Turns and examples are below 2^32.
    """
    even = b.blocks((count + 3) // 4) + b.column(turn) * b.pair([0], [1])
    odd = b.column(example) * b.pair([1], [0]) + b.pair([0], [place])
    column = b.column(seed)
    halves = (column - (column & b.pair([0], [MASK]))) // b.pair([1], [WORD])
    keys = (halves + b.pair(*zip(*key_schedule(), strict=True))) & MASK
    return philox(even, odd, b.rows(keys), b.pair(*([m] for m in MULTIPLIERS_SWAPPED)), b.swap)


def _unit(b: Any, words: Any) -> Any:
    """Strictly between 0 and 1: ((word >> 9) + 1/2) / 2^23, exact in single precision."""
    return (b.real(words >> 9) + 0.5) * 2.0**-23


class RandomBits(Draw):
    """Whole numbers from 0 to 2^32 - 1, each as likely, in any shape."""

    dtype = DType.INT

    @staticmethod
    def elements(b: Any, even: Any, odd: Any) -> Any:
        return b.join(even, odd)


class RandomUniform(Draw):
    """Reals of any shape, strictly between 0 and 1, as likely everywhere; each is a whole number and a half, over 2^23."""

    @staticmethod
    def elements(b: Any, even: Any, odd: Any) -> Any:
        return _unit(b, b.join(even, odd))


class RandomNormal(Draw):
    """Standard normal reals of any shape, by Box and Muller's formula: sqrt(-2 log u) cos(2 pi v) and the same with sin."""

    @staticmethod
    def elements(b: Any, even: Any, odd: Any) -> Any:
        radius = b.sqrt(b.log(_unit(b, even)) * -2.0)
        angle = _unit(b, odd) * (2 * pi)
        return b.join(radius * b.cos(angle), radius * b.sin(angle))


class NumpyWords:
    """What a draw with `lead` lead axes needs beyond operators, in numpy. Arrays are [pair, lead..., block]."""

    def __init__(self, np: Any, lead: int) -> None:
        self.np, self.lead = np, lead
        self.log, self.sqrt, self.cos, self.sin = np.log, np.sqrt, np.cos, np.sin

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Any:
        """Numbers for the two words of a pair: one for all blocks, or one for each."""
        return self.np.array([first, second], self.np.int64).reshape((2, *(1,) * self.lead, -1))

    def column(self, x: Tensor) -> Any:
        """Integers [lead...] with an axis for the blocks, [lead..., 1]."""
        return self.np.asarray(x, self.np.int64)[..., None]

    def count(self, shape: Sequence[int]) -> int:
        """The number of elements of a shape."""
        total = 1
        for size in shape:
            total = total * size
        return total

    def blocks(self, count: int) -> Any:
        """The numbers of the blocks, in the first word of a pair: [2, 1..., blocks]."""
        return self.np.arange(count) * self.pair([1], [0])

    def rows(self, keys: Tensor) -> Any:
        """The keys of the rounds, which lie where blocks do."""
        return self.np.split(keys, ROUNDS, -1)

    def swap(self, x: Tensor) -> Tensor:
        """The two words of a pair, exchanged."""
        return x[::-1]

    def real(self, x: Tensor) -> Tensor:
        """Whole numbers as float32."""
        return x.astype(self.np.float32)

    def join(self, a: Tensor, b: Tensor) -> Any:
        """Two pairs as the four elements of each block, [4, lead..., blocks]."""
        return self.np.concatenate([a, b])

    def finish(self, x: Tensor, shape: Sequence[int], lead: Sequence[int]) -> Any:
        """[4, lead..., blocks] to the elements that are wanted, those of a block side by side."""
        flat = self.np.moveaxis(x, 0, -1).reshape((*lead, -1))
        return flat[..., : self.count(shape)].reshape((*lead, *shape))


class TorchWords(NumpyWords):
    """The same in torch, on one device."""

    def __init__(self, torch: Any, lead: int, device: Any) -> None:
        super().__init__(torch, lead)
        self.device = device

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Any:
        return self.np.tensor([first, second], device=self.device).reshape((2, *(1,) * self.lead, -1))

    def column(self, x: Tensor) -> Tensor:
        return x[..., None]

    def blocks(self, count: int) -> Any:
        return self.np.arange(count, device=self.device) * self.pair([1], [0])

    def rows(self, keys: Tensor) -> Any:
        return self.np.split(keys, 1, -1)

    def swap(self, x: Tensor) -> Tensor:
        return x.flip(0)

    def real(self, x: Tensor) -> Tensor:
        return x.float()


class OnnxWords(Generic[V]):
    """The same as ONNX operations."""

    def __init__(self, op: Onnx[V], lead: int) -> None:
        self.op, self.lead = op, lead
        self.count = op.numel

    def pair(self, first: Sequence[int], second: Sequence[int]) -> Number[V]:
        """Numbers for the two words of a pair, [2, 1..., n]."""
        nested: list[object] = [list(first), list(second)]
        for _ in range(self.lead):
            nested = [[row] for row in nested]
        return self.op.wrap(self.op.const(nested))

    def column(self, x: V) -> Number[V]:
        """Integers [lead...] with an axis for the blocks, [lead..., 1]."""
        return self.op.wrap(self.op.Unsqueeze(x, self.op.ints([-1])))

    def blocks(self, count: int | Number[V]) -> Number[V]:
        """The numbers of the blocks, in the first word of a pair: [2, 1..., blocks]."""
        if isinstance(count, int):
            return self.pair(range(count), [0] * count)
        return self.op.wrap(self.op.Range(self.op.int(0), count.value, self.op.int(1))) * self.pair([1], [0])

    def rows(self, keys: Number[V]) -> list[Number[V]]:
        """The keys of the rounds, one for each, [2, lead..., 1]."""
        parts = self.op.several("Split", ROUNDS, keys.value, axis=-1, num_outputs=ROUNDS)
        return [self.op.wrap(part) for part in parts]

    def swap(self, x: Number[V]) -> Number[V]:
        """The two words of a pair, exchanged."""
        return self.op.wrap(self.op.Gather(x.value, self.op.ints([1, 0]), axis=0))

    def real(self, x: Number[V]) -> Number[V]:
        """Whole numbers as float32."""
        return self.op.wrap(self.op.Cast(x.value, to=1))

    def log(self, x: Number[V]) -> Number[V]:
        """The natural logarithm of each element."""
        return self.op.wrap(self.op.Log(x.value))

    def sqrt(self, x: Number[V]) -> Number[V]:
        """The square root of each element."""
        return self.op.wrap(self.op.Sqrt(x.value))

    def cos(self, x: Number[V]) -> Number[V]:
        """The cosine of each element."""
        return self.op.wrap(self.op.Cos(x.value))

    def sin(self, x: Number[V]) -> Number[V]:
        """The sine of each element."""
        return self.op.wrap(self.op.Sin(x.value))

    def join(self, a: Number[V], b: Number[V]) -> Number[V]:
        """Two pairs as the four elements of each block, [4, lead..., blocks]."""
        return self.op.wrap(self.op.Concat(a.value, b.value, axis=0))

    def finish(self, x: Number[V], shape: Sequence[Scalar[V]], lead: Sequence[Scalar[V]]) -> V:
        """As many elements as are wanted; a number of them that four divides needs no cut."""
        count = self.count(shape)
        made = self.op.Transpose(x.value, perm=[*range(1, self.lead + 2), 0])
        if isinstance(count, int) and count % 4 == 0:
            return self.op.reshape(made, [*lead, *shape])
        if not isinstance(count, int) or count > 4:
            made = self.op.reshape(made, [*lead, (count + 3) // 4 * 4])
        cut = self.op.Slice(made, self.op.ints([0]), self.op.shape_vector([count]), self.op.ints([-1]))
        return self.op.reshape(cut, [*lead, *shape])
