"""Draws. A draw is a function of the seed, its place in the spec, the turn of its loop, the example and the element.

The key of the generator is the seed, its counter (block of four elements, example, turn, place): so the draw of
example i is the same for every batch size, host and number of threads, and the three backends compute the same bits.
"""

from __future__ import annotations

from math import pi
from typing import Any, ClassVar

from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.base import Case, Operation, ShapeError, case, describe, sample
from mai.compiler.ops.philox import MASK, MULTIPLIERS_SWAPPED, ROUNDS, WORD, key_schedule, philox

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
        """The four elements of each block, [..., blocks, 2, 2], in the arithmetic `b`."""
        raise NotImplementedError

    @classmethod
    def reference(cls, np: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        return cls._drawn(NumpyWords(np), (seed, turn, example), place, shape, lead)

    @classmethod
    def torch(cls, torch: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        return cls._drawn(TorchWords(torch), (seed, turn, example), place, shape, lead)

    @classmethod
    def onnx(cls, op: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        return cls._drawn(OnnxWords(op), (seed, turn, example), place, shape, lead)

    @classmethod
    def _drawn(cls, b: Any, counter: tuple[Any, Any, Any], place: int, shape: Any, lead: Any) -> Any:
        even, odd = _words(b, *counter, place, b.count(shape))
        return b.finish(cls.elements(b, even, odd), shape, lead)


def _words(b: Any, seed: Any, turn: Any, example: Any, place: int, count: Any) -> tuple[Any, Any]:
    """The generator's output words (c0, c2) and (c1, c3), each [..., blocks, 2].

    The key's second word is the seed's upper half; its lower half is taken away first, so that the quotient is exact.
    """
    even = b.blocks((count + 3) // 4) + b.column(turn) * b.constant([0, 1])
    odd = b.column(example) * b.constant([1, 0]) + b.constant([0, place])
    halves = b.column(seed)
    halves = (halves - (halves & b.constant([0, MASK]))) // b.constant([1, WORD]) & MASK
    keys = (halves + b.constant(key_schedule())) & MASK
    return philox(even & MASK, odd & MASK, b.rows(keys), b.constant(list(MULTIPLIERS_SWAPPED)), b.swap)


def _unit(b: Any, words: Any) -> Any:
    """Strictly between 0 and 1: ((word >> 9) + 1/2) / 2^23, exact in single precision."""
    return (b.real(words >> 9) + 0.5) * 2.0**-23


class RandomBits(Draw):
    """Whole numbers from 0 to 2^32 - 1, each as likely."""

    dtype = DType.INT

    @staticmethod
    def elements(b: Any, even: Any, odd: Any) -> Any:
        return b.stack(even, odd)


class RandomUniform(Draw):
    """Reals strictly between 0 and 1: ((word >> 9) + 1/2) / 2^23, exact in single precision."""

    @staticmethod
    def elements(b: Any, even: Any, odd: Any) -> Any:
        return _unit(b, b.stack(even, odd))


class RandomNormal(Draw):
    """Standard normal reals, by Box and Muller's formula: sqrt(-2 log u) cos(2 pi v) and the same with sin."""

    @staticmethod
    def elements(b: Any, even: Any, odd: Any) -> Any:
        radius = b.sqrt(b.log(_unit(b, even)) * -2.0)
        angle = _unit(b, odd) * (2 * pi)
        return b.stack(radius * b.cos(angle), radius * b.sin(angle))


class NumpyWords:
    """What a draw needs beyond operators, in numpy."""

    def __init__(self, np: Any) -> None:
        self.np = np
        self.log, self.sqrt, self.cos, self.sin = np.log, np.sqrt, np.cos, np.sin

    def constant(self, numbers: Any) -> Any:
        return self.np.array(numbers, self.np.int64)

    def column(self, x: Any) -> Any:
        """[...] as [..., 1, 1]: a block and a pair are to come."""
        return self.np.asarray(x, self.np.int64)[..., None, None]

    def count(self, shape: Any) -> Any:
        total = 1
        for size in shape:
            total = total * size
        return total

    def blocks(self, count: Any) -> Any:
        """The pairs (i, 0), i below `count`."""
        return self.np.arange(count)[:, None] * self.constant([1, 0])

    def rows(self, keys: Any) -> Any:
        return self.np.split(keys, ROUNDS, axis=-2)

    def swap(self, x: Any) -> Any:
        return x[..., ::-1]

    def real(self, x: Any) -> Any:
        return x.astype(self.np.float32)

    def stack(self, a: Any, b: Any) -> Any:
        return self.np.stack([a, b], -1)

    def finish(self, x: Any, shape: Any, lead: Any) -> Any:
        """[lead..., blocks, 2, 2] to the elements that are wanted."""
        return x.reshape((*lead, -1))[..., : self.count(shape)].reshape((*lead, *shape))


class TorchWords(NumpyWords):
    """The same in torch."""

    def constant(self, numbers: Any) -> Any:
        return self.np.tensor(numbers)

    def column(self, x: Any) -> Any:
        return x[..., None, None]

    def rows(self, keys: Any) -> Any:
        return self.np.split(keys, 1, dim=-2)

    def swap(self, x: Any) -> Any:
        return x.flip(-1)

    def real(self, x: Any) -> Any:
        return x.float()


class OnnxWords:
    """The same as ONNX operations."""

    def __init__(self, op: Any) -> None:
        self.op = op
        self.count = op.numel

    def constant(self, numbers: Any) -> Any:
        return self.op.wrap(self.op.const(numbers))

    def column(self, x: Any) -> Any:
        return self.op.wrap(self.op.Unsqueeze(x, self.op.ints([-2, -1])))

    def blocks(self, count: Any) -> Any:
        if isinstance(count, int):
            return self.constant([[i, 0] for i in range(count)])
        steps = self.op.Range(self.op.int(0), count.value, self.op.int(1))
        return self.op.wrap(self.op.Unsqueeze(steps, self.op.ints([-1]))) * self.constant([1, 0])

    def rows(self, keys: Any) -> Any:
        parts = self.op.Split(keys.value, axis=-2, num_outputs=ROUNDS, _outputs=ROUNDS)
        return [self.op.wrap(part) for part in parts]

    def swap(self, x: Any) -> Any:
        return self.op.wrap(self.op.Gather(x.value, self.op.ints([1, 0]), axis=-1))

    def real(self, x: Any) -> Any:
        return self.op.wrap(self.op.Cast(x.value, to=1))

    def log(self, x: Any) -> Any:
        return self.op.wrap(self.op.Log(x.value))

    def sqrt(self, x: Any) -> Any:
        return self.op.wrap(self.op.Sqrt(x.value))

    def cos(self, x: Any) -> Any:
        return self.op.wrap(self.op.Cos(x.value))

    def sin(self, x: Any) -> Any:
        return self.op.wrap(self.op.Sin(x.value))

    def stack(self, a: Any, b: Any) -> Any:
        return self.op.wrap(self.op.stack_last(a.value, b.value))

    def finish(self, x: Any, shape: Any, lead: Any) -> Any:
        return self.op.finish(x.value, shape, lead)
