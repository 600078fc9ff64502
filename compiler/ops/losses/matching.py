"""Exact optimal transport: a solver that ONNX has not, for train blocks."""

from __future__ import annotations

from mai.compiler.ir.operation import Alignment, Operation, ShapeError, describe
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V

MOST_PIVOTS = 10_000_000


class Matching(Operation):
    """The permutation p that makes sum_i |x_(p_i) - y_i|^2 least, of two clouds [N, d] of as many points.

    By POT's network simplex (Bonneel et al. 2011) on the CPU, in double precision: with equal weights an extreme plan is a
    permutation. Where the points move it is constant but for jumps, so it has no derivative.
    """

    alignment = Alignment.EXPAND

    @classmethod
    def shape(cls, x: Type, y: Type) -> Type:
        for operand, cloud in enumerate((x, y)):
            if cloud.rank != 2 or cloud.dtype is not DType.REAL:
                raise ShapeError(
                    "rank-mismatch", f"a cloud of points is [N, d], this is {describe(cloud.shape)}", operand
                )
        if x.shape != y.shape:
            message = f"a matching is between as many points of one dimension, here are {describe(x.shape)} and {describe(y.shape)}"
            raise ShapeError("shape-mismatch", message, 1, label=describe(y.shape))
        return Type(DType.INT, y.shape[:1], classes=x.shape[0])

    @staticmethod
    def reference(np: Arrays, x: Tensor, y: Tensor) -> Tensor:
        clouds = (np.asarray(c, np.float64).reshape(-1, *c.shape[-2:]) for c in (x, y))
        return np.stack([_matching(a, b) for a, b in zip(*clouds, strict=True)]).reshape(y.shape[:-1])

    @staticmethod
    def torch(torch: Arrays, x: Tensor, y: Tensor) -> Tensor:
        clouds = (c.detach().double().cpu().reshape(-1, *c.shape[-2:]) for c in (x, y))
        matchings = [torch.from_numpy(_matching(a.numpy(), b.numpy())) for a, b in zip(*clouds, strict=True)]
        return torch.stack(matchings).reshape(y.shape[:-1]).to(x.device)

    @staticmethod
    def onnx(op: Onnx[V], x: V, y: V) -> V:
        raise NotImplementedError("exports are refused it when they are checked")

    cases = ()


def _matching(x: Tensor, y: Tensor) -> Tensor:
    from ot import dist, emd

    plan: Tensor = emd([], [], dist(x, y), numItermax=MOST_PIVOTS)
    return plan.argmax(0)
