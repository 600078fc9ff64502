"""Products in which each row has its own of several matrices: what the chosen experts compute, and nothing of the others.

The rows of each matrix are brought together, multiplied, and put back: as many multiplications as rows, whatever the number of
matrices. Measured in ONNX Runtime, this is never much slower than a product of each row with a copy of its matrix (10 µs, here
13 µs, of two rows and 8 matrices of 64 by 128) and soon faster (2.8 ms, here 0.26 ms, of 1,024 rows; all matrices for all rows
take 1.2 ms), and a matrix that no row has chosen is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.sizes import product
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.along import projected
from mai.compiler.ops.backends import Arrays, Onnx, Scalar, Tensor, V
from mai.compiler.ops.numbering import RESULT, Attributes, Pairs, Types
from mai.compiler.ops.products.product import Affine, Matmul
from mai.compiler.ops.shapes.indexing import Pick, Take
from mai.compiler.ops.shapes.shape import Stack, Transpose

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term

INT64 = 7  # ONNX's number of the type.
MOST = 1024  # Of matrices: each has a product of its own in the file.


class ChosenAffine(Operation):
    """W_c x + b_c over the last axis of x, c the whole number `which`, below `count`.

    x: [..., d], with `rank` axes; which: [], of every example its own; then the `count` weights [n, d], then as many biases [n]
    or none. Weights and biases are the same for every example.
    """

    attributes = {"count": 1, "rank": 1}
    alignment = Alignment.WHOLE
    along = staticmethod(projected)

    @classmethod
    def shape(cls, x: Type, which: Type, *parts: Type, count: int, rank: int) -> Type:
        weights, biases = parts[:count], parts[count:]
        shape = (*x.shape[:-1], weights[0].shape[0])
        for place, weight in enumerate(weights, 2):
            if weight.shape != (shape[-1], x.shape[-1]):
                message = f"a product of {describe(weight.shape)} with {describe(x.shape)}"
                raise ShapeError("shape-mismatch", message, place, label=describe(weight.shape))
        for place, bias in enumerate(biases, 2 + count):
            if bias.shape != shape[-1:]:
                message = f"the bias of {describe(weights[0].shape)} is {describe(shape[-1:])}"
                raise ShapeError("shape-mismatch", message, place, label=describe(bias.shape))
        return Type(DType.REAL, shape)

    @staticmethod
    def reference(np: Arrays, x: Tensor, which: Tensor, *parts: Tensor, count: int, rank: int) -> Tensor:
        rows = np.broadcast_to(x, which.shape + x.shape[x.ndim - rank :]) if which.ndim else x
        flat = rows.reshape(-1, x.shape[-1])
        own = np.broadcast_to(which[(..., *(None,) * (rank - 1))], rows.shape[:-1]).reshape(-1) % count
        result = np.zeros((flat.shape[0], parts[0].shape[0]), flat.dtype)
        for place, weight in enumerate(parts[:count]):
            bias = parts[count + place] if len(parts) > count else 0.0
            result[own == place] = flat[own == place] @ weight.T + bias
        return result.reshape(*rows.shape[:-1], -1)

    @staticmethod
    def torch(torch: Arrays, x: Tensor, which: Tensor, *parts: Tensor, count: int, rank: int) -> Tensor:
        x = x.expand(*which.shape, *x.shape[x.ndim - rank :]) if which.ndim else x
        flat = x.flatten(0, -2) if x.ndim > 1 else x.unsqueeze(0)
        own = which[(..., *(None,) * (rank - 1))].expand(x.shape[:-1]).reshape(-1).remainder(count)
        order = torch.argsort(own, stable=True)
        pieces = flat.index_select(0, order).split(torch.bincount(own, minlength=count).tolist())
        biases = parts[count:] or (None,) * count
        each = [torch.nn.functional.linear(*three) for three in zip(pieces, parts[:count], biases, strict=True)]
        return torch.cat(each).index_select(0, torch.argsort(order)).reshape(*x.shape[:-1], -1)

    @staticmethod
    def onnx(op: Onnx[V], x: V, which: V, *parts: V, count: int, rank: int) -> V:
        sizes, width = op.output_sizes(), op.size_along(x, -1)
        spread = op.Expand(x, op.shape_vector([*sizes[:-1], width])) if op.rank(x) < len(sizes) else x
        if rank == 1 and op.rank(which):
            make = lambda: _order(op, op.reshape(which, [-1]), count)  # noqa: E731
            order, inverse, counts = op.where_made(which, ("chosen", count), make)
        else:
            order, inverse, counts = _order(op, _repeated(op, which, sizes[op.rank(which) : -1]), count)
        rows = op.Gather(op.reshape(spread, [-1, width]), order, axis=0)
        results = [
            _product(op, piece, *parts[place::count])
            for place, piece in enumerate(op.several("Split", count, rows, counts, axis=0))
        ]
        together = op.Concat(*results, axis=0) if count > 1 else results[0]
        return op.reshape(op.Gather(together, inverse, axis=0), sizes)

    @staticmethod
    def derivative(
        ct: Term, y: Term, x: Term, which: Term, *parts: Term, count: int, rank: int
    ) -> tuple[Term | Callable[[], Term] | None, ...]:
        """As of `Affine`; a weight's sum is over the rows that have chosen it."""
        rows = product(x.shape[:-1])

        def of_weight(place: int) -> Callable[[], Term]:
            return lambda: slopes(place).transpose().emit(Matmul, x.reshape(rows, x.shape[-1]))

        def slopes(place: int) -> Term:
            return (ct * which.equals(place)).reshape(rows, y.shape[-1])

        def of_bias(place: int) -> Callable[[], Term]:
            return lambda: slopes(place).sum((-2,))

        turned = [weight.transpose() for weight in parts[:count]]
        back = ct.emit(ChosenAffine, which, *turned, count=count, rank=rank)
        biases = map(of_bias, range(len(parts) - count))
        return (back, None, *map(of_weight, range(count)), *biases)

    @staticmethod
    def numbering(types: Types, attributes: Attributes) -> Pairs:
        """A product with matrices [n, d]: the last axis of the result is that of their rows."""
        weights = range(2, 2 + attributes["count"])
        both = [((0, -1), None), *(((0, -1), (w, -1)) for w in weights), *(((w, -1), None) for w in weights)]
        return [*both, *(((w, -2), None) for w in weights), *(((w, -2), (RESULT, -1)) for w in weights)]

    cases = (
        case(
            sample(4), sample(kind="int", high=3), *[sample(5, 4, lead=False)] * 3, *[sample(5, lead=False)] * 3,
            count=3, rank=1,
        ),
        case(sample(3, 4), sample(kind="int", high=2), *[sample(2, 4, lead=False)] * 2, count=2, rank=2),
        case(sample(2, 4), sample(kind="int", high=1), sample(3, 4, lead=False), sample(3, lead=False), count=1, rank=2),
    )  # fmt: skip


def product_of_each(builder: Builder, x: Value, weight: Value, bias: Value | None) -> Value:
    """W x + b with weights that differ between examples: where each example takes one of several, by `ChosenAffine`."""
    taken, turned = _taken(weight)
    biases = None if bias is None else _taken(bias)[0]
    if taken is None or (bias is not None and (biases is None or biases.inputs[1] is not taken.inputs[1])):
        return _product_by_rows(builder, x, weight, bias)
    members = _members(builder, taken)
    matrices = [builder.emit(Transpose, m, perm=(-1, -2), name=m.name) for m in members] if turned else members
    parts = [*matrices, *(_members(builder, biases) if biases is not None else [])]
    return builder.emit(ChosenAffine, x, taken.inputs[1], *parts, count=len(members), rank=x.type.rank)


def is_chosen(matrix: Value) -> bool:
    """Whether a matrix is one of several, of which each example takes its own."""
    return _taken(matrix)[0] is not None


def _product_by_rows(builder: Builder, x: Value, weight: Value, bias: Value | None) -> Value:
    from mai.compiler.ops.terms import Term

    Affine.shape(*(v.type.with_lead(()) for v in (x, weight, bias) if v is not None))
    row, matrix = Term(builder, x), Term(builder, weight).transpose()
    result = row.emit(Matmul, matrix) if row.rank > 1 else row.unsqueeze(-2).emit(Matmul, matrix).squeeze(-2)
    return (result if bias is None else result + Term(builder, bias)).value


def _taken(weight: Value) -> tuple[Node | None, bool]:
    """What takes a parameter out of a stack or a table that is the same for all examples; whether it is transposed after that."""
    node = weight.producer
    turned = node is not None and node.op is Transpose
    node = node.inputs[0].producer if node is not None and turned else node
    if node is None or node.op is not Take or node.attributes["index_rank"] or node.inputs[0].type.lead:
        return None, False
    table, axis = node.inputs[0].type, node.attributes["axis"]
    is_small = isinstance(table.shape[0], int) and table.shape[0] <= MOST
    return (node, turned) if axis == -table.rank and is_small else (None, False)


def _members(builder: Builder, taken: Node) -> list[Value]:
    """What is stacked; the rows of a table."""
    table = taken.inputs[0]
    if table.producer is not None and table.producer.op is Stack:
        return list(table.producer.inputs)
    count = table.type.shape[0]
    assert isinstance(count, int), "`_taken` has asked"
    return [builder.emit(Pick, table, axis=-table.type.rank, index=i, name=table.name) for i in range(count)]


def _repeated(op: Onnx[V], which: V, inner: Sequence[Scalar[V]]) -> V:
    """The matrix of every row, [rows]; `inner` are the sizes of the axes of rows that have one in common."""
    apart = op.Unsqueeze(which, op.ints([-1]))
    return op.reshape(op.Expand(apart, op.shape_vector([1] * op.rank(which) + [op.numel(inner)])), [-1])


def _order(op: Onnx[V], which: V, count: int) -> tuple[V, V, V]:
    """The places of the rows in the order of their matrices, where each row is there, and how many rows each matrix has."""
    own = op.Mod(which, count)
    total = op.Shape(own)
    order = op.several("TopK", 2, own, total, axis=0, largest=0, sorted=1)[1]
    inverse = op.several("TopK", 2, order, total, axis=0, largest=0, sorted=1)[1]
    each = op.Equal(op.Unsqueeze(op.ints(range(count)), op.ints([1])), own)
    counts = op.ReduceSum(op.Cast(each, to=INT64), op.ints([1]), keepdims=0)
    return order, inverse, counts


def _product(op: Onnx[V], x: V, weight: V, bias: V | None = None) -> V:
    """A product with one of the matrices, in the form that it is kept in."""
    if not op.few_bits(weight):
        return op.Gemm(x, weight, *([] if bias is None else [bias]), transB=1)
    result = op.product(x, weight)
    return result if bias is None else op.Add(result, bias)
