"""Draws. A draw is a function of the seed, its place in the spec, the turn of its loop, the example and the element.

The key of the generator is the seed, its counter (block of four elements, example, turn, place): so the draw of
example i is the same for every batch size, host and number of threads, and the three backends compute the same bits.
"""

from __future__ import annotations

from math import pi
from typing import Any

from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.base import Operation, case, sample
from mai.compiler.ops.philox import MASK, MULTIPLIERS_SWAPPED, WORD, key_schedule, philox

DRAW_CASES = (
    case(sample(kind="int"), sample(kind="int"), sample(kind="int"), place=7, shape=(3, 2)),
    case(sample(kind="int"), sample(kind="int"), sample(kind="int"), place=123456789, shape=()),
)


class Draw(Operation, abstract=True):
    """Inputs: seed, turn and example, one integer each (per example, per turn, as their lead axes say)."""

    attributes = {"place": 0, "shape": ()}
    wants_lead = True
    cases = DRAW_CASES

    @classmethod
    def reference(cls, np: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        words = _words(NumpyWords(np), seed, turn, example, place, _count(shape))
        return cls.of_words(np, words[0], words[1], lambda a, b: np.stack([a, b], -1), np.float32, _finish(shape, lead))

    @classmethod
    def torch(cls, torch: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        words = _words(TorchWords(torch), seed, turn, example, place, _count(shape))
        stack = lambda a, b: torch.stack([a, b], -1)  # noqa: E731
        return cls.of_words(torch, words[0], words[1], stack, torch.float32, _finish(shape, lead))

    @classmethod
    def onnx(cls, op: Any, seed: Any, turn: Any, example: Any, *, place: int, shape: Any, lead: Any) -> Any:
        words = _words(OnnxWords(op), op.wrap(seed), op.wrap(turn), op.wrap(example), place, op.numel(shape))
        return cls.of_onnx(op, *words, shape=shape, lead=lead)


def _count(shape: Any) -> Any:
    total = 1
    for size in shape:
        total = total * size
    return total


def _finish(shape: Any, lead: Any) -> Any:
    """[..., blocks, 2, 2] to the wanted elements."""
    count = _count(shape)
    return lambda x: x.reshape((*lead, -1))[..., :count].reshape((*lead, *shape))


def _words(b: Any, seed: Any, turn: Any, example: Any, place: int, count: Any) -> tuple[Any, Any]:
    """The generator's output words (c0, c2) and (c1, c3), each [..., blocks, 2]."""
    blocks = (count + 3) // 4
    even = b.pairs(b.blocks(blocks), [1, 0]) + b.pairs(b.column(turn), [0, 1])
    odd = b.pairs(b.column(example), [1, 0]) + b.constant([0, place])
    column = b.column(seed)
    key = b.pairs(column & MASK, [1, 0]) + b.pairs((column // WORD) & MASK, [0, 1])
    return philox(even & MASK, odd & MASK, b.round_keys(key), b.constant(list(MULTIPLIERS_SWAPPED)), b.swap)


class NumpyWords:
    """What `_words` needs beyond operators, in numpy."""

    def __init__(self, np: Any) -> None:
        self.np = np

    def constant(self, numbers: list[int]) -> Any:
        return self.np.array(numbers, self.np.int64)

    def column(self, x: Any) -> Any:
        return self.np.asarray(x, self.np.int64)[..., None, None]

    def blocks(self, count: Any) -> Any:
        return self.np.arange(count, dtype=self.np.int64)[:, None]

    def pairs(self, column: Any, lanes: list[int]) -> Any:
        return column * self.constant(lanes)

    def swap(self, x: Any) -> Any:
        return x[..., ::-1]

    def round_keys(self, key: Any) -> list[Any]:
        return [(key + self.constant(row)) & MASK for row in key_schedule()]


class TorchWords(NumpyWords):
    """The same in torch."""

    def constant(self, numbers: list[int]) -> Any:
        return self.np.tensor(numbers)

    def column(self, x: Any) -> Any:
        return x.unsqueeze(-1).unsqueeze(-1)

    def blocks(self, count: Any) -> Any:
        return self.np.arange(count).unsqueeze(-1)

    def swap(self, x: Any) -> Any:
        return x.flip(-1)


class OnnxWords:
    """The same as ONNX operations; the ten round keys are one sum, split."""

    def __init__(self, op: Any) -> None:
        self.op = op

    def constant(self, numbers: list[int]) -> Any:
        return self.op.wrap(self.op.ints(numbers))

    def column(self, x: Any) -> Any:
        return self.op.wrap(self.op.Unsqueeze(x.value, self.op.ints([-1, -2])))

    def blocks(self, count: Any) -> Any:
        if isinstance(count, int):
            return self.op.wrap(self.op.const([[i] for i in range(count)]))
        steps = self.op.Range(self.op.int(0), count.value, self.op.int(1))
        return self.op.wrap(self.op.Unsqueeze(steps, self.op.ints([-1])))

    def pairs(self, column: Any, lanes: list[int]) -> Any:
        return column * self.constant(lanes)

    def swap(self, x: Any) -> Any:
        return self.op.wrap(self.op.Gather(x.value, self.op.ints([1, 0]), axis=-1))

    def round_keys(self, key: Any) -> list[Any]:
        rows = self.op.wrap(self.op.const([[[row]] for row in key_schedule()]))
        made = (self.op.wrap(self.op.Unsqueeze(key.value, self.op.ints([0]))) + rows) & MASK
        parts = self.op.Split(made.value, axis=0, num_outputs=10, _outputs=10)
        return [self.op.wrap(self.op.Squeeze(p, self.op.ints([0]))) for p in parts]


class RandomBits(Draw):
    """Whole numbers from 0 to 2^32 - 1, each as likely."""

    @classmethod
    def shape(cls, seed: Type, turn: Type, example: Type, place: int, shape: tuple[Size, ...]) -> Type:  # type: ignore[override]
        return Type(DType.INT, shape)

    @staticmethod
    def of_words(xp: Any, even: Any, odd: Any, stack: Any, real: Any, finish: Any) -> Any:
        return finish(stack(even, odd))

    @staticmethod
    def of_onnx(op: Any, even: Any, odd: Any, shape: Any, lead: Any) -> Any:
        return op.finish(op.stack_last(even.value, odd.value), shape, lead)


class RandomUniform(Draw):
    """Reals strictly between 0 and 1: ((word >> 9) + 1/2) / 2^23, exact in single precision."""

    @classmethod
    def shape(cls, seed: Type, turn: Type, example: Type, place: int, shape: tuple[Size, ...]) -> Type:  # type: ignore[override]
        return Type(DType.REAL, shape)

    @staticmethod
    def of_words(xp: Any, even: Any, odd: Any, stack: Any, real: Any, finish: Any) -> Any:
        return finish(_unit(stack(even, odd), real))

    @staticmethod
    def of_onnx(op: Any, even: Any, odd: Any, shape: Any, lead: Any) -> Any:
        return op.finish(_unit_onnx(op, op.wrap(op.stack_last(even.value, odd.value))), shape, lead)


class RandomNormal(Draw):
    """Standard normal reals, by Box and Muller's formula: two from two uniform ones."""

    @classmethod
    def shape(cls, seed: Type, turn: Type, example: Type, place: int, shape: tuple[Size, ...]) -> Type:  # type: ignore[override]
        return Type(DType.REAL, shape)

    @staticmethod
    def of_words(xp: Any, even: Any, odd: Any, stack: Any, real: Any, finish: Any) -> Any:
        radius = xp.sqrt(-2.0 * xp.log(_unit(even, real)))
        angle = _unit(odd, real) * (2 * pi)
        return finish(stack(radius * xp.cos(angle), radius * xp.sin(angle)))

    @staticmethod
    def of_onnx(op: Any, even: Any, odd: Any, shape: Any, lead: Any) -> Any:
        radius = op.Sqrt(op.Mul(op.Log(_unit_onnx(op, even)), op.real(-2.0)))
        angle = op.Mul(_unit_onnx(op, odd), op.real(2 * pi))
        return op.finish(op.stack_last(op.Mul(radius, op.Cos(angle)), op.Mul(radius, op.Sin(angle))), shape, lead)


def _unit(words: Any, real: Any) -> Any:
    high = words // 512
    cast = high.astype(real) if hasattr(high, "astype") else high.to(real)
    return (cast + 0.5) * 2.0**-23


def _unit_onnx(op: Any, words: Any) -> Any:
    high = op.Cast((words // 512).value, to=1)
    return op.Mul(op.Add(high, op.real(0.5)), op.real(2.0**-23))
