"""Products of matrices and tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Alignment, Lowering, Operation, ShapeError, broadcast, case, describe, sample
from mai.compiler.ir.signature import Function, Section, X, tensor
from mai.compiler.ir.sizes import Size, product
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import contracted, multiplied, projected
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.numbering import lettered, summed_up, weighed

if TYPE_CHECKING:
    from mai.compiler.ir.builder import Builder
    from mai.compiler.ir.graph import Value
    from mai.compiler.ops.terms import Term


class Affine(Operation):
    """W x + b over the last axis of x: a layer of (3) before its activation.

    x: [..., d]; weight: [n, d]; bias: [n], optional. Weight and bias are the same for every example; `lifted` is of others.
    """

    function = Function(
        "affine",
        Section.KERNELS,
        (X, tensor("weight"), tensor("bias", optional=True)),
        says="weight @ x + bias, over the last axis of x.",
    )

    alignment = Alignment.NONE
    unled = (1, 2)
    along = staticmethod(projected)
    numbering = staticmethod(weighed)

    @staticmethod
    def lifted(builder: Builder, x: Value, weight: Value, bias: Value | None = None) -> Value:
        """Of weights that differ between examples; of a family of them, every row's own."""
        from mai.compiler.ops.products.chosen import product_of_each

        return product_of_each(builder, x, weight, bias)

    @classmethod
    def shape(cls, x: Type, weight: Type, bias: Type | None = None) -> Type:
        if weight.rank != 2:
            message = f"the weight of a product is a matrix [n, d], this is {describe(weight.shape)}"
            raise ShapeError("rank-mismatch", message, 1, label=describe(weight.shape))
        if x.rank < 1 or x.shape[-1] != weight.shape[-1]:
            message = f"a product of {describe(weight.shape)} with {describe(x.shape)}"
            raise ShapeError("shape-mismatch", message, 0, label=describe(x.shape))
        if bias is not None and bias.shape != weight.shape[:1]:
            message = (
                f"the bias of {describe(weight.shape)} is {describe(weight.shape[:1])}, this is {describe(bias.shape)}"
            )
            raise ShapeError("shape-mismatch", message, 2, label=describe(bias.shape))
        return Type(DType.REAL, (*x.shape[:-1], weight.shape[0]))

    @staticmethod
    def reference(np: Arrays, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        y = x @ weight.T
        return y if bias is None else y + bias

    torch: Lowering = staticmethod(
        lambda torch, x, weight, bias=None: (
            torch.nn.functional.linear(x, weight) if bias is None else torch.nn.functional.linear(x, weight, bias)
        )
    )

    @staticmethod
    def onnx(op: Onnx[V], x: V, weight: V, bias: V | None = None) -> V:
        """With a bias, flat two-dimensional products are faster than products of many axes, unless there are no rows. A table stays as it is."""
        is_many = op.rank(x) > 2 and (bias is None or 0 in op.sizes(x)) and not op.is_table(weight)
        if op.few_bits(weight) or op.convolves(weight) or is_many:
            value = op.product(x, weight)
            return value if bias is None else op.Add(value, bias)
        inputs = [weight] if bias is None else [weight, bias]
        if op.rank(x) == 2:
            return op.Gemm(x, *inputs, transB=1)
        flat = op.Gemm(op.reshape(x, [-1, op.size_along(x, -1)]), *inputs, transB=1)
        return op.reshape(flat, [*op.sizes(x)[:-1], op.size_along(weight, 0)])

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, weight: Term, bias: Term | None = None) -> tuple[Term, ...]:
        """Rows of x are examples of one product, so the weight and the bias sum over them."""
        rows = product(x.shape[:-1])
        slopes, inputs = ct.reshape(rows, weight.shape[0]), x.reshape(rows, weight.shape[1])
        value = (ct.emit(Affine, weight.transpose()), slopes.transpose().emit(Matmul, inputs))
        return value if bias is None else (*value, slopes.sum((-2,)))

    cases = (
        case(sample(4), sample(3, 4, lead=False), sample(3, lead=False)),
        case(sample(5, 4), sample(3, 4, lead=False)),
        case(sample(2, 5, 4), sample(3, 4, lead=False), sample(3, lead=False)),
    )


class Matmul(Operation):
    """numpy's matmul, of tensors with at least two axes."""

    @classmethod
    def shape(cls, x: Type, y: Type) -> Type:
        for operand, z in enumerate((x, y)):
            if z.rank < 2:
                message = f"a product of matrices needs two axes, this is {describe(z.shape)}"
                raise ShapeError("rank-mismatch", message, operand, label=describe(z.shape))
        outer = broadcast(x.shape[:-2], y.shape[:-2])
        if x.shape[-1] != y.shape[-2] or outer is None:
            message = f"a product of {describe(x.shape)} with {describe(y.shape)}"
            raise ShapeError("shape-mismatch", message, 1, label=describe(y.shape))
        return Type(DType.REAL, (*outer, x.shape[-2], y.shape[-1]))

    alignment = Alignment.FULL
    along = staticmethod(multiplied)
    numbering = staticmethod(summed_up)
    neutral = 0.0
    reference: Lowering = staticmethod(lambda np, x, y: x @ y)
    torch: Lowering = staticmethod(lambda torch, x, y: x @ y)
    onnx: Lowering = staticmethod(lambda op, x, y: op.MatMul(x, y))
    derivative = staticmethod(lambda ct, y, a, b: (ct.emit(Matmul, b.transpose()), a.transpose().emit(Matmul, ct)))
    cases = (case(sample(3, 4), sample(4, 5)), case(sample(2, 3, 4), sample(4, 5)))


def _placed(
    ct: Term, rest: Sequence[Term], result: str, others: Sequence[str], own: str, shape: tuple[Size, ...]
) -> Term:
    """A product with the axes `own`; an axis that no factor has is repeated."""
    letters = [letter for letter in own if letter in result or any(letter in o for o in others)]
    value = ct.einsum(",".join([result, *others]) + "->" + "".join(letters), *rest)
    missing = [i - len(own) for i, letter in enumerate(own) if letter not in letters]
    return value.unsqueeze(*missing).expand(shape)


class Einsum(Operation):
    """A sum of products over named axes; `equation` has one letter an axis."""

    attributes = {"equation": ""}
    alignment = Alignment.WHOLE
    along = staticmethod(contracted)
    numbering = staticmethod(lettered)
    neutral = 0.0

    @classmethod
    def shape(cls, *inputs: Type, equation: str) -> Type:
        sizes: dict[str, Size] = {}
        operands, result = equation.split("->")
        for place, (letters, x) in enumerate(zip(operands.split(","), inputs, strict=True)):
            for letter, size in zip(letters, x.shape, strict=True):
                if sizes.setdefault(letter, size) != size:
                    message = f"an axis of the pattern is {sizes[letter]} in one tensor and {size} in another"
                    raise ShapeError("dimension-mismatch", message, place + 1, label=describe(x.shape))
        return Type(DType.REAL, tuple(sizes[letter] for letter in result))

    reference: Lowering = staticmethod(lambda np, *xs, equation: np.einsum(_with_lead(equation, xs), *xs))
    torch: Lowering = staticmethod(lambda torch, *xs, equation: torch.einsum(_with_lead(equation, xs), *xs))
    onnx: Lowering = staticmethod(
        lambda op, *xs, equation: op.Einsum(*xs, equation=_with_lead(equation, [len(x.shape) for x in xs]))
    )

    @staticmethod
    def derivative(ct: Term, y: Term, *xs: Term, equation: str) -> tuple[Term, ...]:
        """Of an operand: the result's derivative and the other operands, multiplied into its place."""
        inputs, result = equation.split("->")
        letters = inputs.split(",")
        terms = []
        for place, own in enumerate(letters):
            others = [*letters[:place], *letters[place + 1 :]]
            rest = [*xs[:place], *xs[place + 1 :]]
            terms.append(_placed(ct, rest, result, others, own, xs[place].shape))
        return tuple(terms)

    cases = (
        case(sample(3), sample(3, 4, 5), equation="a,abc->bc"),
        case(sample(3, 4), sample(5, 4), equation="ab,cb->ac"),
    )


def _with_lead(equation: str, operands: Sequence[Tensor | int]) -> str:
    """The equation with a capital letter for every lead axis; an operand that lacks some lacks the first ones."""
    inputs, result = equation.split("->")
    ranks = [x if isinstance(x, int) else x.ndim for x in operands]
    leads = [rank - len(letters) for rank, letters in zip(ranks, inputs.split(","), strict=True)]
    names = [chr(ord("A") + i) for i in range(max(leads))]
    full = ["".join(names[len(names) - n :]) + letters for n, letters in zip(leads, inputs.split(","), strict=True)]
    return ",".join(full) + "->" + "".join(names) + result
