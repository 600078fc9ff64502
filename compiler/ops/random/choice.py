"""The choice of a token: temperature, filters, and one uniform number."""

from __future__ import annotations

from functools import partial
from typing import Any

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise import Maximum
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.numbering import chosen, marked

COLDEST = 1e-20  # Below any temperature that means something; a quotient by it is still a number.


class Choose(Operation):
    """A label with the probabilities softmax(logits / temperature), by the inverse of their running sum at `u`.

    logits: [K]; u: one number between 0 and 1. At temperature 0 it is the largest logit, the first of equals. Labels may
    be ruled out first: all but the `top_k` largest (0: none); those after which the larger ones have `top_p` of the
    probability (Holtzman et al. 2020); those with less than `min_p` of the largest's probability. What is left keeps its
    proportions. With `top_k` or `top_p`, the running sum goes from the largest down.
    """

    alignment = Alignment.EXPAND
    unled = (2, 3, 4, 5)
    numbering = staticmethod(chosen)

    @classmethod
    def shape(
        cls, logits: Type, u: Type, temperature: Type, top_k: Type | None = None, top_p: Type | None = None,
        min_p: Type | None = None,
    ) -> Type:  # fmt: skip
        if logits.rank != 1:
            raise ShapeError(
                "rank-mismatch", f"`categorical` takes the logits [K] of one label, this is {describe(logits.shape)}", 0
            )
        for operand, x in enumerate((temperature, top_k, top_p, min_p), 2):
            if x is not None and x.rank:
                raise ShapeError("rank-mismatch", f"this setting is one number, not {describe(x.shape)}", operand)
        return Type(DType.INT, (), classes=logits.shape[0])

    @staticmethod
    def reference(
        np: Arrays,
        logits: Tensor,
        u: Tensor,
        temperature: Tensor,
        top_k: Tensor | None = None,
        top_p: Tensor | None = None,
        min_p: Tensor | None = None,
    ) -> Tensor:
        z = (logits - logits.max(-1, keepdims=True)) / np.maximum(temperature, COLDEST)[..., None]
        count = logits.shape[-1]
        k = np.broadcast_to(0 if top_k is None else top_k, u.shape)
        p = np.broadcast_to(1.0 if top_p is None else top_p, u.shape)
        order = np.argsort(-z, axis=-1, kind="stable")
        is_sorted = ((k > 0) | (p < 1))[..., None]
        order = np.where(is_sorted, order, np.arange(count))
        z = np.take_along_axis(z, order, -1)
        z = np.where(np.arange(count) < np.where(k > 0, k, count)[..., None], z, -np.inf)
        weights = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
        before = np.cumsum(weights, -1) - weights
        weights = np.where(is_sorted & (before > p[..., None]), 0, weights)
        if min_p is not None:
            weights = np.where(weights < np.asarray(min_p)[..., None] * weights.max(-1, keepdims=True), 0, weights)
        place = _first_above(np, np.cumsum(weights, -1), u)
        chosen = np.take_along_axis(order, place[..., None], -1)[..., 0]
        return np.where(temperature == 0, logits.argmax(-1), chosen)

    @staticmethod
    def torch(
        torch: Any, logits: Any, u: Any, temperature: Any, top_k: Any = None, top_p: Any = None, min_p: Any = None
    ) -> Any:
        z = (logits - logits.amax(-1, keepdim=True)) / temperature.clamp(min=COLDEST).unsqueeze(-1)
        order = None
        if top_k is not None or top_p is not None:
            wanted = torch.zeros_like(u, dtype=torch.bool)
            wanted = wanted if top_k is None else wanted | (top_k > 0)
            wanted = (wanted if top_p is None else wanted | (top_p < 1)).unsqueeze(-1)
            ranks = torch.arange(z.shape[-1], device=z.device)
            order = torch.where(wanted, torch.argsort(z, dim=-1, descending=True, stable=True), ranks)
            z = torch.take_along_dim(z, order, -1)
        if top_k is not None:
            limit = torch.where(top_k > 0, top_k, z.shape[-1]).unsqueeze(-1)
            z = torch.where(ranks < limit, z, -torch.inf)
        weights = torch.softmax(z, -1)
        if top_p is not None:
            before = torch.cumsum(weights, -1) - weights
            weights = torch.where(wanted & (before > top_p.unsqueeze(-1)), 0.0, weights)
        if min_p is not None:
            weights = torch.where(weights < min_p.unsqueeze(-1) * weights.amax(-1, keepdim=True), 0.0, weights)
        total = torch.cumsum(weights, -1)
        place = (total <= u.unsqueeze(-1) * total[..., -1:]).sum(-1).clamp(max=z.shape[-1] - 1)
        chosen = place if order is None else torch.take_along_dim(order, place.unsqueeze(-1), -1).squeeze(-1)
        return torch.where(temperature == 0, logits.argmax(-1), chosen)

    @staticmethod
    def onnx(
        op: Onnx[V],
        logits: V,
        u: V,
        temperature: V,
        top_k: V | None = None,
        top_p: V | None = None,
        min_p: V | None = None,
    ) -> V:
        """Sorting is left to the branch that needs it, and nothing but the largest logit is looked for at temperature 0."""
        count = op.size_value(logits, -1)
        drawn = partial(_drawn, op, logits, count, u, temperature, top_k, top_p, min_p)
        if (op.number_of(temperature) or 0) > 0:
            return drawn()
        is_cold = op.Equal(op.ReduceMax(temperature, keepdims=0), 0.0)
        return op.branch(is_cold, lambda: op.ArgMax(logits, axis=-1, keepdims=0), drawn)

    cases = (
        case(sample(7), sample(kind="unit"), sample(kind="positive", lead=False)),
        case(sample(7), sample(kind="unit"), sample(kind="positive", lead=False), sample(kind="int", high=5, lead=False)),
        case(sample(9), sample(kind="unit"), sample(kind="positive", lead=False), sample(kind="int", high=5, lead=False), sample(kind="unit", lead=False)),
        case(sample(9), sample(kind="unit"), sample(kind="positive", lead=False), sample(kind="int", high=1, lead=False), sample(kind="unit", lead=False), sample(kind="unit", lead=False)),
    )  # fmt: skip


class Occurs(Operation):
    """1 for each of `count` labels that is in a row of labels, 0 for the others; a label below 0 is none.

    labels: [P]; the result: [count].
    """

    attributes = {"count": 1}
    numbering = staticmethod(marked)

    @classmethod
    def shape(cls, labels: Type, count: int) -> Type:
        if labels.rank != 1 or labels.dtype is not DType.INT:
            raise ShapeError("dtype-mismatch", f"labels in a row are needed here, this is {labels.with_lead(())}", 0)
        return Type(DType.REAL, (count,))

    @staticmethod
    def reference(np: Arrays, labels: Tensor, count: int) -> Tensor:
        return (labels[..., None] == np.arange(count)).any(-2).astype(np.float64)

    @staticmethod
    def torch(torch: Arrays, labels: Tensor, count: int) -> Tensor:
        places = torch.where(labels < 0, count, labels)
        zeros = torch.zeros_like(labels[..., :1], dtype=torch.float32).repeat_interleave(count + 1, -1)
        return zeros.scatter(-1, places, 1.0)[..., :count]

    @staticmethod
    def onnx(op: Onnx[V], labels: V, count: int) -> V:
        """Scattered into one place more than there are labels: the last is for none."""
        places = op.Where(op.Less(labels, op.int(0)), op.int(count), labels)
        outer = op.Concat(op.Shape(labels, end=-1), op.ints([count + 1]), axis=0)
        ones = op.Expand(op.real(1.0), op.Shape(labels))
        result = op.ScatterElements(op.Expand(op.real(0.0), outer), places, ones, axis=-1)
        return op.Slice(result, op.ints([0]), op.ints([count]), op.ints([-1]))

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is what has occurred so far."""
        (labels,), count = node.inputs, node.attributes["count"]
        if not g.grows(labels, -1):
            return None
        before = g.state("occurred", Type(DType.REAL, (count,)), 0)
        new = g.emit(Occurs, g.rows_so_far(labels, -1), count=count)
        before.next = g.emit(Maximum, before.value, new)
        return before.next

    cases = (case(sample(5, kind="int", high=7), count=7), case(sample(3, kind="int"), count=12))


def _first_above(np: Arrays, total: Tensor, u: Tensor) -> Tensor:
    """The first place whose running sum is above u times the whole; the last one at most."""
    return np.minimum((total <= u[..., None] * total[..., -1:]).sum(-1), total.shape[-1] - 1)


def _drawn(
    op: Onnx[V], logits: V, count: V, u: V, temperature: V, top_k: V | None, top_p: V | None, min_p: V | None
) -> V:
    last = op.ints([-1])
    z = op.Sub(logits, op.ReduceMax(logits, last, keepdims=1))
    z = op.Div(z, op.Unsqueeze(op.Max(temperature, COLDEST), last))
    if top_k is None and top_p is None:
        return _inverse(op, op.Softmax(z, axis=-1), count, u, min_p)
    conditions = [op.Greater(op.ReduceMax(top_k, keepdims=0), op.int(0))] if top_k is not None else []
    conditions += [op.Less(op.ReduceMin(top_p, keepdims=0), 1.0)] if top_p is not None else []
    wanted = conditions[0] if len(conditions) == 1 else op.Or(*conditions)
    return op.branch(
        wanted,
        lambda: _sorted_draw(op, z, count, u, top_k, top_p, min_p),
        lambda: _inverse(op, op.Softmax(z, axis=-1), count, u, min_p),
    )


def _sorted_draw(op: Onnx[V], z: V, count: V, u: V, top_k: V | None, top_p: V | None, min_p: V | None) -> V:
    kept = op.Reshape(count, op.ints([1]))
    if top_k is not None:
        k = op.ReduceMax(top_k, keepdims=0)
        kept = op.Reshape(op.Min(op.Where(op.Greater(k, op.int(0)), k, count), count), op.ints([1]))
    values, labels = op.several("TopK", 2, z, kept, axis=-1)
    weights = op.Softmax(values, axis=-1)
    if top_p is not None:
        before = op.CumSum(weights, op.int(-1), exclusive=1)
        weights = op.Where(op.Greater(before, op.Unsqueeze(top_p, op.ints([-1]))), 0.0, weights)
    place = _inverse(op, weights, op.Squeeze(kept), u, min_p)
    chosen = op.GatherElements(labels, op.Unsqueeze(place, op.ints([-1])), axis=-1)
    return op.Squeeze(chosen, op.ints([-1]))


def _inverse(op: Onnx[V], weights: V, count: V, u: V, min_p: V | None) -> V:
    """The label, of `count`, at which the running sum of the weights passes u times their whole."""
    last = op.ints([-1])
    if min_p is not None:
        least = op.Mul(op.Unsqueeze(min_p, last), op.ReduceMax(weights, last, keepdims=1))
        weights = op.Where(op.Less(weights, least), 0.0, weights)
    total = op.CumSum(weights, op.int(-1))
    whole = op.Gather(total, op.ints([-1]), axis=-1)
    passed = op.Greater(total, op.Mul(op.Unsqueeze(u, last), whole))
    first = op.ArgMax(op.Cast(passed, to=6), axis=-1, keepdims=0)
    none = op.Not(op.Cast(op.ReduceMax(op.Cast(passed, to=6), last, keepdims=0), to=9))
    return op.Where(none, op.Sub(count, op.int(1)), first)
