"""Products of whole numbers, for what an integral evaluates at every step: both factors have 8 bits.

A text that grows has one token a turn, and its time is that of reading weights: blocks of few bits, made reals on the way,
are enough (`quantize.py`). A flow has all tokens of all examples in every turn; its time is that of multiplying, which
blocks hardly change (measured on one core with VNNI: 1.1 to 1.3 times the speed of float32; this form 2 to 3 times). So what
is multiplied there are whole numbers, W = c C and x = r q, with a scale c for each row of W, known when the file is made, and
a scale r for each row of x, found as the product is made:

    c = max |W| / 63,  C = round(W / c);    r = max |x| / 127,  q = round(x / r);    W x = c r (C q).

There is a scale for each row, and not one for all as `DynamicQuantizeLinear` finds, so that an example's result does not
depend on the others in its batch, to the last bit. That is slower by a quarter, and fast enough. All operators are standard.
Weights have 7 bits of their 8, since a processor without VNNI adds two products in 16: 2 * 63 * (127 + 128) is below 2^15, so
that a file computes the same everywhere.

Other products keep the forms of `quantize.py`. Narrow ones, what enters and leaves a network say, are not worth the passes
over their rows. What depends on the turn and on inputs, not on what is integrated, is an embedded time or label, or a
modulation: it has one row for an example at most, all tokens see its error alike, and it is often computed before the loop.
Convolutions have their own form (`convolutions.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.sizes import product as total
from mai.compiler.ir.structure import Loop, WeightOf
from mai.compiler.onnx.precision.quantize import Coarse, Form
from mai.compiler.onnx.precision.ranges import CONVOLUTION, KINDS
from mai.compiler.ops.products.product import Affine
from mai.compiler.passes.derivatives.dependence import dependent
from mai.runtime.arrays import Array

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.backend import OnnxBackend

LARGEST, LARGEST_WEIGHT = 127, 63
MIDDLE = 128
NARROW = 128  # Rows and columns of the smallest matrix that gains from it.
LEAST_SCALE = 1e-30  # Of a row of zeros.
CODES = ".codes"


def whole_products(graph: Graph) -> frozenset[str]:
    """The weights that an optimised graph multiplies with what its loops integrate, if they are large enough."""
    origins = weights_behind(graph)
    names = [origins.get(node.inputs[1], frozenset()) for node in _repeated(graph.nodes, set()) if _wide(node)]
    return frozenset().union(*names)


def whole_nodes(graph: Graph, names: frozenset[str]) -> set[Node]:
    """The products of a graph with these weights."""
    origins = weights_behind(graph)
    return {n for n in graph.walk() if n.op is Affine and _wide(n) and origins.get(n.inputs[1], frozenset()) & names}


def weights_behind(graph: Graph) -> dict[Value, frozenset[str]]:
    """The names of the weights that a value is computed from, for each value that depends on weights alone."""
    names: dict[Value, frozenset[str]] = {}
    for node in graph.walk():
        if node.op is WeightOf:
            names[node.output] = frozenset([WeightOf.of(node).weight])
        elif node.inputs and not node.regions and all(v in names for v in node.inputs):
            names.update(dict.fromkeys(node.outputs, frozenset().union(*(names[v] for v in node.inputs))))
    return names


def _repeated(nodes: Iterable[Node], moving: set[Value]) -> Iterator[Node]:
    """The products in loops of what depends on the loops' states."""
    for loop in nodes:
        if loop.op is not Loop:
            continue
        body = loop.regions[0]
        inside = dependent(body.nodes, {*moving, *body.inputs[1:]})
        yield from (n for n in body.nodes if n.op is Affine and n.inputs[0] in inside)
        yield from _repeated(body.nodes, inside)


def _wide(node: Node) -> bool:
    return all(isinstance(s, int) and s >= NARROW for s in node.inputs[1].type.shape)


def notes(graph: Graph, model: ir.Model, layout: Coarse, best: Coarse) -> tuple[str, ...]:
    """What few bits did not do for an optimised graph and its model; `best` is the layout of 8 bits."""
    nodes, bits = list(model.graph.all_nodes()), layout.bits
    plain = sum(node.op_type in KINDS for node in nodes)
    kept = any(str(v.name).endswith(CODES) for node in nodes for v in node.inputs if v is not None)
    said = []
    if plain:
        counted = f"{plain} convolution{'s' * (plain > 1)} of `{graph.name}` stay{'s' * (plain == 1)} in float32"
        said.append(f"{counted}: {_why_plain(layout, best)}")
    if not kept and not any(node.op_type == CONVOLUTION for node in nodes):
        said.append(f"no product of `{graph.name}` is large enough for few bits: its file is as without")
    if bits < 8 and best.whole:
        said.append(f"{bits} bits make `{graph.name}` smaller, 8 make it faster: what it integrates has many rows")
    return tuple(said)


def _why_plain(layout: Coarse, best: Coarse) -> str:
    if layout.convolves:
        return "8 bits make those of few channels, or in groups, no faster"
    if best.convolves:
        return f"{layout.bits} bits make them no faster, 8 may"
    return "they are of a growing text, or a derivative is taken"


def stored_forms(n: int, k: int) -> tuple[Form, Form]:
    """What `stored` makes of a weight [n, k]."""
    return (ir.DataType.INT8, (k, n)), (ir.DataType.FLOAT, (n,))


def stored(matrix: Array, name: str) -> tuple[ir.TensorProtocol, ir.TensorProtocol]:
    """A weight W [n, k] as its transposed codes [k, n] and the scales [n] of its rows."""
    scales = (np.abs(matrix).max(1) / LARGEST_WEIGHT).astype(np.float32)
    scales[scales == 0] = 1
    codes = np.clip(np.rint(matrix / scales[:, None]), -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int8)
    return ir.Tensor(np.ascontiguousarray(codes.T), name=f"{name}{CODES}"), ir.Tensor(scales, name=f"{name}.scales")


def product(op: OnnxBackend, x: ir.Value, codes: ir.Value, scales: ir.Value) -> ir.Value:
    """x [..., k] times a weight that `stored` keeps, [..., n], in the operators of the backend `op`.

    The scales are not multiplied with each other first: ONNX Runtime would take that for the scale of a whole tensor.
    """
    q, r = op.once(("rows", x), lambda: _rows(op, x))
    sums = op.MatMulInteger(q, codes, op.const(MIDDLE, np.uint8))
    y = op.Mul(op.DequantizeLinear(sums, r, axis=0), scales)
    if len(op.physical[x]) == 2:
        return y
    return op.reshape(y, [*op.sizes(x)[:-1], op.size_along(codes, -1)])


def _rows(op: OnnxBackend, x: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The rows of x as whole numbers [N, k], and their scales [N]."""
    size, last = total(op.physical[x][:-1]), op.ints([-1])
    flat = x if len(op.physical[x]) == 2 else op.reshape(x, [-1, op.size_along(x, -1)])
    high, low = op.ReduceMax(flat, last, keepdims=0), op.ReduceMin(flat, last, keepdims=0)
    scales = op.Mul(op.Max(high, op.Neg(low), LEAST_SCALE), 1 / LARGEST)
    return op.QuantizeLinear(flat, scales, op.repeated(MIDDLE, size), axis=0), scales
