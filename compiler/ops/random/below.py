"""Whole numbers below a bound, of random bits."""

from __future__ import annotations

from mai.compiler.ir.operation import case, sample
from mai.compiler.ops.backends import Arrays, Number, Onnx, Tensor, V
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.random.limbs import BASE, in_limbs
from mai.compiler.ops.random.philox import MASK, WORD

HALF_WORD = sample(3, 4, kind="int", high=BASE)
BYTE = 256


class Below(Elementwise):
    """floor(word count / 2^32), a whole number from 0 to count - 1, for a word of 32 bits whose halves are `low` and `high`."""

    @staticmethod
    def reference(np: Arrays, low: Tensor, high: Tensor, count: Tensor) -> Tensor:
        return (high * BASE + low) * count // WORD

    @staticmethod
    def torch(torch: Arrays, low: Tensor, high: Tensor, count: Tensor) -> Tensor:
        return (high * BASE + low) * count // WORD

    @staticmethod
    def onnx(op: Onnx[V], low: V, high: V, count: V) -> V:
        """In 32 bits by long multiplication with the word's bytes, of which the quotient stays: no number passes 2^25."""
        if op.cuda or op.draws == "fast":
            word = op.wrap(high, op.rank(high)) * BASE + op.wrap(low)
            product = word * op.wrap(count)
            rest = op.wrap(op.Mod(product.value, op.int(WORD))) if op.cuda else product & MASK
            return ((product - rest) // WORD).value
        lower, upper = in_limbs(op.wrap(count, op.rank(count)))
        rest0 = rest1 = op.wrap(op.int(0))
        for byte in (b for half in (low, high) for b in _bytes(op.wrap(half, op.rank(half)))):
            digit, carry = in_limbs(byte * lower + rest0)
            total = byte * upper + carry + rest1
            part = total & (BYTE - 1)
            rest0, rest1 = part * BYTE + digit // BYTE, (total - part) // BYTE
        return (rest1 * BASE + rest0).value

    cases = (
        case(HALF_WORD, HALF_WORD, sample(kind="natural", high=1000)),
        case(HALF_WORD, sample(4, kind="int", high=BASE), sample(4, kind="natural", high=2**31)),
        case(sample(kind="int", high=BASE), sample(kind="int", high=BASE), sample(kind="whole", high=1 << 20)),
    )


def _bytes(half: Number[V]) -> tuple[Number[V], Number[V]]:
    """The lower and the upper byte of 16 bits."""
    return half & (BYTE - 1), half // BYTE
