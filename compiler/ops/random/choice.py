"""The choice of a token: temperature, filters, and one uniform number."""

from __future__ import annotations

from functools import partial
from typing import TypeAlias

from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.numbering import chosen

FAR = 1e9  # Of a label that is ruled out, how far its surprise is from the mean.
COLDEST = 1e-20  # Below any temperature that means something; a quotient by it is still a number.

Filters: TypeAlias = tuple[V | None, V | None]  # `min_p` and `typical_p`.


class Choose(Operation):
    """A label with the probabilities softmax(logits / temperature), by the inverse of their running sum at `u`.

    logits: [K]; u: one number between 0 and 1. At temperature 0 it is the largest logit, the first of equals. Labels may
    be ruled out first: all but the `top_k` largest (0: none); those after which the larger ones have `top_p` of the
    probability (Holtzman et al. 2020); those with less than `min_p` of the largest's probability; those whose
    surprise, -log p, is far from its mean, so that the nearer ones have `typical_p` of the probability (Meister et al. 2023). What is left
    keeps its proportions. With `top_k` or `top_p`, the running sum goes from the largest down.
    """

    alignment = Alignment.EXPAND
    unled = (2, 3, 4, 5, 6)
    numbering = staticmethod(chosen)

    @classmethod
    def shape(
        cls, logits: Type, u: Type, temperature: Type, top_k: Type | None = None, top_p: Type | None = None,
        min_p: Type | None = None, typical_p: Type | None = None,
    ) -> Type:  # fmt: skip
        if logits.rank != 1:
            raise ShapeError(
                "rank-mismatch", f"`categorical` takes the logits [K] of one label, this is {describe(logits.shape)}", 0
            )
        for operand, x in enumerate((temperature, top_k, top_p, min_p, typical_p), 2):
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
        typical_p: Tensor | None = None,
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
        if typical_p is not None:
            weights = _typical_of_arrays(np, weights, np.asarray(typical_p)[..., None])
        place = _first_above(np, np.cumsum(weights, -1), u)
        chosen = np.take_along_axis(order, place[..., None], -1)[..., 0]
        return np.where(temperature == 0, logits.argmax(-1), chosen)

    @staticmethod
    def torch(
        torch: Arrays, logits: Tensor, u: Tensor, temperature: Tensor, top_k: Tensor | None = None, top_p: Tensor | None = None,
        min_p: Tensor | None = None, typical_p: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
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
        if typical_p is not None:
            weights = _typical_of_tensors(torch, weights, typical_p.unsqueeze(-1))
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
        typical_p: V | None = None,
    ) -> V:
        """Sorting is left to the branch that needs it, and nothing but the largest logit is looked for at temperature 0."""
        count = op.size_value(logits, -1)
        drawn = partial(_drawn, op, logits, count, u, temperature, top_k, top_p, (min_p, typical_p))
        if (op.number_of(temperature) or 0) > 0:
            return drawn()
        is_cold = op.Equal(op.ReduceMax(temperature, keepdims=0), 0.0)
        return op.branch(is_cold, lambda: op.ArgMax(logits, axis=-1, keepdims=0), drawn)

    cases = (
        case(sample(7), sample(kind="unit"), sample(kind="positive", lead=False)),
        case(sample(7), sample(kind="unit"), sample(kind="positive", lead=False), sample(kind="int", high=5, lead=False)),
        case(sample(9), sample(kind="unit"), sample(kind="positive", lead=False), sample(kind="int", high=5, lead=False), sample(kind="unit", lead=False)),
        case(sample(9), sample(kind="unit"), sample(kind="positive", lead=False), sample(kind="int", high=1, lead=False), sample(kind="unit", lead=False), sample(kind="unit", lead=False)),
        case(sample(9), sample(kind="unit"), sample(kind="positive", lead=False), sample(kind="int", high=8, lead=False), sample(kind="unit", lead=False), sample(kind="unit", lead=False), sample(kind="unit", lead=False)),
    )  # fmt: skip


def _first_above(np: Arrays, total: Tensor, u: Tensor) -> Tensor:
    """The first place whose running sum is above u times the whole; the last one at most."""
    return np.minimum((total <= u[..., None] * total[..., -1:]).sum(-1), total.shape[-1] - 1)


def _typical_of_arrays(np: Arrays, weights: Tensor, share: Tensor) -> Tensor:
    """The weights of the labels whose surprise is nearest to its mean, up to a share of them; all, where that is 1."""
    p = weights / weights.sum(-1, keepdims=True)
    surprise = -np.log(np.where(p > 0, p, 1))
    far = np.where(p > 0, np.abs(surprise - (p * surprise).sum(-1, keepdims=True)), FAR)
    nearest = np.argsort(far, axis=-1, kind="stable")
    before = np.cumsum(np.take_along_axis(p, nearest, -1), -1) < share
    last = np.minimum(before.sum(-1, keepdims=True), p.shape[-1] - 1)
    limit = np.take_along_axis(np.take_along_axis(far, nearest, -1), last, -1)
    return np.where((far > limit) & (share < 1), 0, weights)


def _typical_of_tensors(torch: Arrays, weights: Tensor, share: Tensor) -> Tensor:
    """The same in torch."""
    p = weights / weights.sum(-1, keepdim=True)
    surprise = -torch.log(torch.where(p > 0, p, 1.0))
    far = torch.where(p > 0, (surprise - (p * surprise).sum(-1, keepdim=True)).abs(), FAR)
    nearest = torch.argsort(far, dim=-1, stable=True)
    before = torch.cumsum(torch.take_along_dim(p, nearest, -1), -1) < share
    last = before.sum(-1, keepdim=True).clamp(max=p.shape[-1] - 1)
    limit = torch.take_along_dim(torch.take_along_dim(far, nearest, -1), last, -1)
    return torch.where((far > limit) & (share < 1), 0.0, weights)


def _drawn(
    op: Onnx[V], logits: V, count: V, u: V, temperature: V, top_k: V | None, top_p: V | None, more: Filters[V]
) -> V:
    last = op.ints([-1])
    z = op.Sub(logits, op.ReduceMax(logits, last, keepdims=1))
    z = op.Div(z, op.Unsqueeze(op.Max(temperature, COLDEST), last))
    if top_k is None and top_p is None:
        return _inverse(op, op.Softmax(z, axis=-1), count, u, more)
    conditions = [op.Greater(op.ReduceMax(top_k, keepdims=0), op.int(0))] if top_k is not None else []
    conditions += [op.Less(op.ReduceMin(top_p, keepdims=0), 1.0)] if top_p is not None else []
    wanted = conditions[0] if len(conditions) == 1 else op.Or(*conditions)
    return op.branch(
        wanted,
        lambda: _sorted_draw(op, z, count, u, top_k, top_p, more),
        lambda: _inverse(op, op.Softmax(z, axis=-1), count, u, more),
    )


def _sorted_draw(op: Onnx[V], z: V, count: V, u: V, top_k: V | None, top_p: V | None, more: Filters[V]) -> V:
    kept = op.Reshape(count, op.ints([1]))
    if top_k is not None:
        k = op.ReduceMax(top_k, keepdims=0)
        kept = op.Reshape(op.Min(op.Where(op.Greater(k, op.int(0)), k, count), count), op.ints([1]))
    values, labels = op.several("TopK", 2, z, kept, axis=-1)
    weights = op.Softmax(values, axis=-1)
    if top_p is not None:
        before = op.CumSum(weights, op.int(-1), exclusive=1)
        weights = op.Where(op.Greater(before, op.Unsqueeze(top_p, op.ints([-1]))), 0.0, weights)
    place = _inverse(op, weights, op.Squeeze(kept), u, more)
    chosen = op.GatherElements(labels, op.Unsqueeze(place, op.ints([-1])), axis=-1)
    return op.Squeeze(chosen, op.ints([-1]))


def _inverse(op: Onnx[V], weights: V, count: V, u: V, more: Filters[V]) -> V:
    """The label, of `count`, at which the running sum of the weights passes u times their whole."""
    last, (min_p, typical_p) = op.ints([-1]), more
    if min_p is not None:
        least = op.Mul(op.Unsqueeze(min_p, last), op.ReduceMax(weights, last, keepdims=1))
        weights = op.Where(op.Less(weights, least), 0.0, weights)
    if typical_p is not None:
        filtered = partial(_typical, op, weights, count, typical_p)
        wanted, before = op.Less(op.ReduceMin(typical_p, keepdims=0), 1.0), weights
        weights = op.branch(wanted, filtered, lambda: before, real=True)
    total = op.CumSum(weights, op.int(-1))
    whole = op.Gather(total, op.ints([-1]), axis=-1)
    passed = op.Greater(total, op.Mul(op.Unsqueeze(u, last), whole))
    numbers = op.Cast(passed, to=1)  # Reals: CUDA has no ArgMax of whole numbers.
    first = op.ArgMax(numbers, axis=-1, keepdims=0)
    none = op.Not(op.Cast(op.ReduceMax(numbers, last, keepdims=0), to=9))
    return op.Where(none, op.Sub(count, op.int(1)), first)


def _typical(op: Onnx[V], weights: V, count: V, typical_p: V) -> V:
    """The same in ONNX, of `count` labels, where some share is below 1."""
    last = op.ints([-1])
    p = op.Div(weights, op.ReduceSum(weights, last, keepdims=1))
    there = op.Greater(p, 0.0)
    surprise = op.Neg(op.Log(op.Where(there, p, 1.0)))
    mean = op.ReduceSum(op.Mul(p, surprise), last, keepdims=1)
    far = op.Where(there, op.Abs(op.Sub(surprise, mean)), FAR)
    nearest, places = op.several("TopK", 2, far, op.Reshape(count, op.ints([1])), axis=-1, largest=0)
    total = op.CumSum(op.GatherElements(p, places, axis=-1), op.int(-1))
    before = op.Cast(op.Less(total, op.Unsqueeze(typical_p, last)), to=7)
    place = op.Min(op.ReduceSum(before, last, keepdims=1), op.Sub(count, op.int(1)))
    return op.Where(op.Greater(far, op.GatherElements(nearest, place, axis=-1)), 0.0, weights)
