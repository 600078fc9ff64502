"""For kernels that take exactly one batch axis: any number of lead axes made one, and back."""

from __future__ import annotations

from collections.abc import Callable

from mai.compiler.ops.backends import Onnx, Tensor, V


def batched_torch(x: Tensor, rank: int, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `kernel`, a function of [N, ...], to x: its lead axes, then a shape of `rank` axes."""
    lead = x.ndim - rank
    if lead == 1:
        return kernel(x)
    if lead == 0:
        return kernel(x.unsqueeze(0)).squeeze(0)
    return kernel(x.flatten(0, lead - 1)).unflatten(0, x.shape[:lead])


def batched_onnx(op: Onnx[V], x: V, rank: int, kernel: Callable[[V], V]) -> V:
    """The same as ONNX operations; the result has the sizes of what the operation makes."""
    sizes = op.sizes(x)
    lead = len(sizes) - rank
    if lead == 1:
        return kernel(x)
    flat = op.reshape(x, [-1 if lead else 1, *sizes[lead:]])
    return op.reshape(kernel(flat), op.output_sizes())
