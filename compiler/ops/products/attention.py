"""Attention (13). The heads lie side by side in the last axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.signature import Function, Same, Section, count, flag, number, tensor
from mai.compiler.ir.types import Type
from mai.compiler.ops.along import same
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise.hyperbolic import Tanh
from mai.compiler.ops.elementwise.logic import Greater, GreaterEqual, Less, LogicalAnd, LogicalOr
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.numbering import attended
from mai.compiler.ops.products.attention_rows import Rows
from mai.compiler.ops.products.cached_attention import CachedAttention
from mai.compiler.ops.products.product import Matmul
from mai.compiler.ops.products.scores import (
    NEVER,
    attended_type,
    headed,
    headed_by_torch,
    weighed,
    weighed_by_torch,
    within,
)
from mai.compiler.ops.products.windowed_attention import windowed
from mai.compiler.ops.reductions import Softmax

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


class Attention(Operation):
    """softmax(q k' / sqrt(d)) v, head by head (Vaswani et al. 2017), d the width of a head.

    q: [P, heads * d]; k, v: [R, kv_heads * d]; the result: [P, heads * d]. With fewer key heads than heads, groups of
    heads share one (Ainslie et al. 2023). `causal`: token i looks at the tokens up to i. `window`: at those less than so many
    places away (Beltagy et al. 2020; 0: at all) and at the first `sinks` (Xiao et al. 2024). `softcap`: a score s is
    c tanh(s / c) (Bello et al. 2017; 0: s).
    """

    function = Function(
        "attend",
        Section.KERNELS,
        (
            *map(tensor, ("q", "k", "v")),
            count("heads"),
            count("kv_heads", Same("heads")),
            flag("causal"),
            count("window", 0, 0),
            count("sinks", 0, 0),
            number("softcap", 0.0),
        ),
        says="softmax(q k' / sqrt(d)) v, head by head; the heads lie side by side in the last axis (13). With a `window`, a token looks at"
        " those less than so many places away, and at the first `sinks`; with a `softcap` c, a score s is c tanh(s / c).",
        label="attention",
    )

    attributes = {"heads": 1, "kv_heads": 1, "causal": False, "window": 0, "sinks": 0, "softcap": 0.0}
    alignment = Alignment.EXPAND
    along = staticmethod(same)
    numbering = staticmethod(attended)

    @classmethod
    def shape(
        cls,
        q: Type,
        k: Type,
        v: Type,
        *,
        heads: int,
        kv_heads: int,
        causal: bool,
        window: int,
        sinks: int,
        softcap: float,
    ) -> Type:
        result = attended_type(q, k, v, heads, kv_heads)
        if window and q.shape[0] != k.shape[0]:
            message = f"a window is of one text: the queries are {describe(q.shape)}, the keys {describe(k.shape)}"
            raise ShapeError("shape-mismatch", message, 1, label=describe(k.shape))
        if softcap < 0:
            raise ShapeError("bad-number", f"scores are capped at a number above 0, this is {softcap:g}")
        return result

    @staticmethod
    def reference(
        np: Arrays, q: Tensor, k: Tensor, v: Tensor,
        *, heads: int, kv_heads: int, causal: bool, window: int, sinks: int, softcap: float,
    ) -> Tensor:  # fmt: skip
        here, there = np.arange(q.shape[-2])[:, None], np.arange(k.shape[-2])
        allowed = within(here, there, causal, window, sinks) if causal or window else None
        return weighed(np, headed(q, heads), headed(k, kv_heads), headed(v, kv_heads), allowed, softcap)

    @staticmethod
    def torch(
        torch: Arrays, q: Tensor, k: Tensor, v: Tensor,
        *, heads: int, kv_heads: int, causal: bool, window: int, sinks: int, softcap: float,
    ) -> Tensor:  # fmt: skip
        rows, keys, values = headed_by_torch(q, heads), headed_by_torch(k, kv_heads), headed_by_torch(v, kv_heads)
        allowed = None
        if window or (causal and softcap):
            here, there = torch.arange(q.shape[-2]).unsqueeze(-1), torch.arange(k.shape[-2])
            allowed = within(here, there, causal, window, sinks)
        by_kernel = causal and allowed is None
        return weighed_by_torch(torch, rows, keys, values, allowed, heads // kv_heads, softcap, by_kernel)

    @staticmethod
    def onnx(
        op: Onnx[V], q: V, k: V, v: V,
        *, heads: int, kv_heads: int, causal: bool, window: int, sinks: int, softcap: float,
    ) -> V:  # fmt: skip
        rows, columns = (op.sizes(x)[-2] for x in (q, k))
        one, width = rows == 1 or op.is_of_a_turn(q, -2), op.size_along(q, -1) // heads
        form = Rows(op, heads, kv_heads, width, causal, window, sinks, softcap, one)
        a, b, c = (op.flat_lead(x, 2) for x in (q, k, v))
        result = form.attended(a, b, c, rows, columns)
        return op.unflat_lead(result, q, 2)

    @staticmethod
    def expansion(
        q: Term, k: Term, v: Term,
        *, heads: int, kv_heads: int, causal: bool, window: int, sinks: int, softcap: float,
    ) -> Term:  # fmt: skip
        width = q.shape[-1] // heads
        assert isinstance(width, int), "the width of a head is known"

        def split(x: Term, count: int) -> Term:
            apart = x.reshape(x.shape[0], count, width).transpose(-2, -3, -1)
            if count == heads:
                return apart
            wide = apart.unsqueeze(-3).expand((count, heads // count, x.shape[0], width))
            return wide.reshape(heads, x.shape[0], width)

        scale: float = width**-0.5
        scores = split(q, heads).emit(Matmul, split(k, kv_heads).transpose()) * scale
        if softcap:
            scores = (scores / softcap).emit(Tanh) * softcap
        if causal or window:
            here, there = q.range(q.shape[0]).unsqueeze(-1), q.range(k.shape[0])
            scores = _seen(here, there, causal, window, sinks).where(scores, NEVER)
        result = scores.emit(Softmax).emit(Matmul, split(v, kv_heads))
        return result.transpose(-2, -3, -1).reshape(*q.shape)

    cases = (
        case(sample(5, 8), sample(5, 8), sample(5, 8), heads=2, kv_heads=2),
        case(sample(5, 8), sample(5, 4), sample(5, 4), heads=4, kv_heads=2, causal=True),
        case(sample(3, 6), sample(5, 6), sample(5, 6), heads=3, kv_heads=3),
        case(sample(3, 4), sample(5, 4), sample(5, 4), heads=1, kv_heads=1, causal=True),
        case(
            sample(7, 8), sample(7, 4), sample(7, 4), heads=4, kv_heads=2, causal=True, window=3, sinks=2, softcap=2.0
        ),
        case(sample(6, 4), sample(6, 4), sample(6, 4), heads=2, kv_heads=2, window=2, sinks=1),
        case(sample(5, 4), sample(5, 4), sample(5, 4), heads=1, kv_heads=1, causal=True, softcap=0.5),
    )

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is the keys and the values so far; none is needed where the tokens look at what stays."""
        q, k, v = node.inputs
        growing, causal, window = [g.grows(x, -2) for x in node.inputs], *map(node.attributes.get, ("causal", "window"))
        if not any(growing) or (growing == [True, False, False] and not causal and not window):
            return None
        if not all(growing):
            return g.expanded(node)
        if not causal:
            help = "write `causal = true` if tokens look at those before them; what is looked at may also stay: `attend(h, m, m, 1)`"
            raise g.refused("lets every token look at all the others", help=help)
        if window:
            return windowed(g, node)
        named = {name: node.attributes[name] for name in ("heads", "kv_heads", "softcap")}
        width = k.type.shape[-1] // named["kv_heads"]
        keys, values = (g.growing_state(name, (named["kv_heads"], g.past, width)) for name in ("keys", "values"))
        rows = [g.rows(q), g.rows(k), g.rows(v)]  # `seen` rules out the rows that hold no token
        result, keys.next, values.next = g.emit_all(CachedAttention, [*rows, keys.value, values.value, g.seen()], named)
        return result


def _seen(here: Term, there: Term, causal: bool, window: int, sinks: int) -> Term:
    """Which of the places `there` are seen from those `here`."""
    far = here - there
    earlier = far.emit(GreaterEqual, 0) if causal else far.emit(Greater, -window)
    if not window:
        return earlier
    near, first = far.emit(Less, window), there.emit(Less, sinks)
    if causal:
        return earlier.emit(LogicalAnd, near.emit(LogicalOr, first))
    return earlier.emit(LogicalAnd, near).emit(LogicalOr, first)
