"""Normalisations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, describe, sample
from mai.compiler.ir.signature import OWN, REQUIRED, Function, Section, X, count, flag, number, tensor
from mai.compiler.ir.sizes import Size, product
from mai.compiler.ir.structure import Across
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.along import normalised
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.batched import batched_onnx, batched_torch
from mai.compiler.ops.elementwise import Sqrt

if TYPE_CHECKING:
    from mai.compiler.ir.builder import Builder
    from mai.compiler.ir.graph import Value
    from mai.compiler.ops.terms import Term


# What is added to a variance, as PyTorch's layer, group and batch normalisation have it; and to a mean square, as T5 and Llama
# have it (PyTorch's own default there is another number for each dtype). The prelude's layers read both from here.
EPS, RMS_EPS = 1e-5, 1e-6


def _normalised(name: str, x: Type, weight: Type | None) -> None:
    """Refuse what has no last axis, or one whose scale cannot be written down."""
    if x.rank < 1:
        raise ShapeError("rank-mismatch", f"`{name}` needs at least one axis, here is a scalar", 0)
    if weight is None and not isinstance(x.shape[-1], int):
        message = f"`{name}` needs a last axis whose size is known when the file is compiled"
        raise ShapeError("dimension-unknown", message, 0, label=describe(x.shape))


def _scales(name: str, x: Type, size: Size, *scales: Type | None) -> None:
    for operand, scale in enumerate(scales, 1):
        if scale is not None and scale.shape != (size,):
            message = f"`{name}` of {describe(x.shape)} is scaled by [{size}], this is {describe(scale.shape)}"
            raise ShapeError("shape-mismatch", message, operand, label=describe(scale.shape))


def _standardised(x: Term, eps: float) -> Term:
    """(x - mean) / sqrt(variance + eps) over the last axis."""
    centred = x - x.mean(keep=True)
    return centred / ((centred * centred).mean(keep=True) + eps).emit(Sqrt)


class LayerNorm(Operation):
    """(x - mean) / sqrt(variance + eps) over the last axis, then * weight + bias (Ba et al. 2016)."""

    function = Function(
        "normalise_layer",
        Section.KERNELS,
        (X, tensor("weight", optional=True), tensor("bias", optional=True), number("eps")),
        says="(x - mean) / sqrt(variance + eps) over the last axis, then * weight + bias: what `layer_norm` is made of.",
    )

    attributes = {"eps": EPS}
    alignment = Alignment.NONE
    unled = (1, 2)
    along = staticmethod(normalised)

    @staticmethod
    def lifted(builder: Builder, x: Value, weight: Value, bias: Value | None = None, *, eps: float) -> Value:
        """The scales of each example, after it is normalised."""
        LayerNorm.shape(*(v.type for v in (x, weight, bias) if v is not None), eps=eps)
        y = builder.emit(el.Multiply, builder.emit(LayerNorm, x, eps=eps), weight)
        return y if bias is None else builder.emit(el.Add, y, bias)

    @classmethod
    def shape(cls, x: Type, weight: Type | None = None, bias: Type | None = None, *, eps: float) -> Type:
        _normalised("layer_norm", x, weight)
        _scales("layer_norm", x, x.shape[-1], weight, bias)
        return Type(DType.REAL, x.shape)

    @staticmethod
    def reference(
        np: Arrays, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float
    ) -> Tensor:
        y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)
        y = y if weight is None else y * weight
        return y if bias is None else y + bias

    @staticmethod
    def torch(
        torch: Arrays, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float
    ) -> Tensor:
        return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, eps)

    @staticmethod
    def onnx(op: Onnx[V], x: V, weight: V | None = None, bias: V | None = None, *, eps: float) -> V:
        scale = op.reals([1.0] * op.size_along(x, -1)) if weight is None else weight
        return op.LayerNormalization(x, scale, *([] if bias is None else [bias]), axis=-1, epsilon=eps)

    @staticmethod
    def expansion(x: Term, weight: Term | None = None, bias: Term | None = None, *, eps: float) -> Term:
        y = _standardised(x, eps)
        y = y if weight is None else y * weight
        return y if bias is None else y + bias

    cases = (
        case(sample(3, 4), sample(4, lead=False), sample(4, lead=False)),
        case(sample(4)),
        case(sample(3, 4), sample(4, lead=False)),
    )


class RmsNorm(Operation):
    """x / sqrt(mean(x^2) + eps) over the last axis, then * weight (Zhang and Sennrich 2019)."""

    function = Function(
        "normalise_rms",
        Section.KERNELS,
        (X, tensor("weight", optional=True), number("eps")),
        says="x / sqrt(mean(x^2) + eps) over the last axis, then * weight: what `rms_norm` is made of.",
    )

    attributes = {"eps": RMS_EPS}
    alignment = Alignment.NONE
    unled = (1,)
    along = staticmethod(normalised)

    @staticmethod
    def lifted(builder: Builder, x: Value, weight: Value, *, eps: float) -> Value:
        """The scales of each example, after it is normalised."""
        RmsNorm.shape(x.type, weight.type, eps=eps)
        return builder.emit(el.Multiply, builder.emit(RmsNorm, x, eps=eps), weight)

    @classmethod
    def shape(cls, x: Type, weight: Type | None = None, *, eps: float) -> Type:
        _normalised("rms_norm", x, weight)
        _scales("rms_norm", x, x.shape[-1], weight)
        return Type(DType.REAL, x.shape)

    @staticmethod
    def reference(np: Arrays, x: Tensor, weight: Tensor | None = None, *, eps: float) -> Tensor:
        y = x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
        return y if weight is None else y * weight

    @staticmethod
    def torch(torch: Arrays, x: Tensor, weight: Tensor | None = None, *, eps: float) -> Tensor:
        return torch.nn.functional.rms_norm(x, x.shape[-1:], weight, eps)

    @staticmethod
    def onnx(op: Onnx[V], x: V, weight: V | None = None, *, eps: float) -> V:
        if op.opset >= 23:
            scale = op.reals([1.0] * op.size_along(x, -1)) if weight is None else weight
            return op.RMSNormalization(x, scale, axis=-1, epsilon=eps)
        square = op.ReduceMean(op.Mul(x, x), op.ints([-1]), keepdims=1)
        y = op.Div(x, op.Sqrt(op.Add(square, op.real(eps))))
        return y if weight is None else op.Mul(y, weight)

    @staticmethod
    def expansion(x: Term, weight: Term | None = None, *, eps: float) -> Term:
        y = x / ((x * x).mean(keep=True) + eps).emit(Sqrt)
        return y if weight is None else y * weight

    cases = (case(sample(3, 4), sample(4, lead=False)), case(sample(4)))


class GroupNorm(Operation):
    """Normalisation over groups of channels and all pixels, then a scale and a shift a channel (Wu and He 2018).

    x: [k, H, W]; weight and bias: [k].
    """

    function = Function(
        "normalise_group",
        Section.KERNELS,
        (X, tensor("weight"), tensor("bias"), count("groups", OWN), number("eps")),
        says="Over groups of channels and all pixels, then a scale and a shift a channel: what `group_norm` is made of; groups = 8.",
        label="group_norm",
    )

    attributes = {"groups": 8, "eps": EPS}
    alignment = Alignment.NONE
    unled = (1, 2)

    @classmethod
    def shape(cls, x: Type, weight: Type, bias: Type, *, groups: int, eps: float) -> Type:
        if x.rank != 3:
            raise ShapeError("rank-mismatch", f"`group_norm` takes an image [k, H, W], this is {describe(x.shape)}", 0)
        k = x.shape[0]
        if groups < 1 or not isinstance(k, int) or k % groups:
            raise ShapeError(
                "shape-mismatch", f"{k} channels cannot be split into {groups} groups", 0, label=describe(x.shape)
            )
        _scales("group_norm", x, k, weight, bias)
        return Type(DType.REAL, x.shape)

    @staticmethod
    def reference(np: Arrays, x: Tensor, weight: Tensor, bias: Tensor, *, groups: int, eps: float) -> Tensor:
        y = x.reshape(*x.shape[:-3], groups, -1)
        y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + eps)
        return y.reshape(x.shape) * weight[:, None, None] + bias[:, None, None]

    @staticmethod
    def torch(torch: Arrays, x: Tensor, weight: Tensor, bias: Tensor, *, groups: int, eps: float) -> Tensor:
        group_norm = torch.nn.functional.group_norm
        return batched_torch(x, 3, lambda y: group_norm(y, groups, weight, bias, eps))

    @staticmethod
    def onnx(op: Onnx[V], x: V, weight: V, bias: V, *, groups: int, eps: float) -> V:
        """By InstanceNormalization, the fastest kernel there is on a CPU; its scale and shift in one more.

        CUDA has no kernel for it from opset 22 on, and one for LayerNormalization, which is the same of each group.
        """
        channels = op.size_along(x, -3)
        mean, variance = op.reals([0.0] * channels), op.reals([1.0] * channels)
        scale, shift = op.reals([1.0] * groups), op.reals([0.0] * groups)
        whole = op.numel(op.sizes(x)[-3:])

        def group(y: V) -> V:
            if op.cuda and isinstance(whole, int):
                return op.LayerNormalization(y, op.reals([1.0] * (whole // groups)), axis=-1, epsilon=eps)
            return op.InstanceNormalization(y, scale, shift, epsilon=eps)

        def normalised(y: V) -> V:
            flat = group(op.reshape(y, [0, groups, -1]))
            image = op.reshape(flat, [0, *op.sizes(x)[-3:]])
            return op.BatchNormalization(image, weight, bias, mean, variance, epsilon=0.0)

        return batched_onnx(op, x, 3, normalised)

    @staticmethod
    def expansion(x: Term, weight: Term, bias: Term, *, groups: int, eps: float) -> Term:
        y = _standardised(x.reshape(groups, product(x.shape) // groups), eps)
        return y.reshape(*x.shape) * weight.unsqueeze(-2, -1) + bias.unsqueeze(-2, -1)

    cases = (case(sample(8, 3, 3), sample(8, lead=False), sample(8, lead=False), groups=4),)


class BatchNorm(Operation):
    """Normalisation of each channel over the batch and all pixels (Ioffe and Szegedy 2015).

    x: [k, H, W] or [k]; weight, bias, mean and variance: [k]. In training the batch's own statistics are used, and the
    running ones take a tenth of them, in place; otherwise the running ones are used.
    """

    function = Function(
        "normalise_batch",
        Section.KERNELS,
        (*map(tensor, ("x", "weight", "bias", "mean", "variance")), flag("training", REQUIRED), number("eps")),
        says="Each channel over the batch and all pixels, by running statistics unless in training: what `batch_norm` is made of.",
        derived=lambda types, _: {"rank": types[0].rank},
        label="batch_norm",
    )

    attributes = {"training": False, "eps": EPS, "rank": 3}
    alignment = Alignment.NONE
    unled = (1, 2, 3, 4)

    @classmethod
    def shape(cls, x: Type, *scales: Type, training: bool, eps: float, rank: int) -> Type:
        if x.rank != rank or rank not in (1, 3):
            raise ShapeError("rank-mismatch", f"`batch_norm` takes [k] or [k, H, W], this is {describe(x.shape)}", 0)
        _scales("batch_norm", x, x.shape[0], *scales)
        return Type(DType.REAL, x.shape)

    @staticmethod
    def reference(
        np: Arrays,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        *,
        training: bool,
        eps: float,
        rank: int,
    ) -> Tensor:
        scale = weight / np.sqrt(variance + eps)
        shape = (-1, *(1,) * (rank - 1))
        return (x - mean.reshape(shape)) * scale.reshape(shape) + bias.reshape(shape)

    @staticmethod
    def torch(
        torch: Arrays, x: Tensor, weight: Tensor, bias: Tensor, *running: Tensor, training: bool, eps: float, rank: int
    ) -> Tensor:
        def normalised(y: Tensor) -> Tensor:
            return torch.nn.functional.batch_norm(y, *running, weight, bias, training, 0.1, eps)

        return batched_torch(x, rank, normalised)

    @staticmethod
    def onnx(op: Onnx[V], x: V, *scales: V, training: bool, eps: float, rank: int) -> V:
        return batched_onnx(op, x, rank, lambda y: op.BatchNormalization(y, *scales, epsilon=eps))

    @staticmethod
    def expansion(
        x: Term, weight: Term, bias: Term, mean: Term, variance: Term, *, training: bool, eps: float, rank: int
    ) -> Term | None:
        """With the running statistics: in training an example's result is no function of the example alone."""
        if training:
            return None
        axes = tuple(range(1 - rank, 0))
        scale = weight / (variance + eps).emit(Sqrt)
        return (x - mean.unsqueeze(*axes)) * scale.unsqueeze(*axes) + bias.unsqueeze(*axes)

    cases = (
        case(
            sample(4, 3, 3), sample(4, lead=False), sample(4, lead=False), sample(4, lead=False),
            sample(4, kind="positive", lead=False),
        ),
        case(
            sample(4), sample(4, lead=False), sample(4, lead=False), sample(4, lead=False),
            sample(4, kind="positive", lead=False), rank=1,
        ),
    )  # fmt: skip


OVER_EXAMPLES = (Across, BatchNorm)  # What they compute of an example depends on the others.
