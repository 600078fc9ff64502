"""Convolutions of images of one, two or three axes, and their transposes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Unpack

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Alignment, Operation, ShapeError, case, sample
from mai.compiler.ir.signature import Function, Section, X, count, frame, per_axis, tensor
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.batched import batched_onnx, batched_torch
from mai.compiler.ops.products.depthwise import depthwise, is_depthwise
from mai.compiler.ops.products.windows import (
    Counts,
    Laid,
    check_channels,
    checked,
    correlated,
    framed,
    framed_term,
    onnx_numbers,
    padded,
    padded_torch,
    reach,
    seen,
    slid,
    spread,
    window,
    windows,
)
from mai.compiler.ops.shapes.shape import Concat, Stack
from mai.compiler.ops.terms import Term

if TYPE_CHECKING:
    from mai.compiler.ir.builder import Builder
    from mai.compiler.ops.growing import Growing

STILL: dict[str, object] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
ARGUMENTS = (
    X,
    tensor("weight"),
    tensor("bias", optional=True),
    per_axis("stride", 1),
    frame("padding", 0),
    per_axis("dilation", 1),
    count("groups", 1),
)


def _in_numbers(types: tuple[Type, ...], attributes: Mapping[str, object]) -> dict[str, object]:
    """The frame in numbers: words are resolved by the sizes of image and window."""
    x, weight = types[:2]
    if x.rank != weight.rank - 1:
        return {}  # The shape rule says what is wrong.
    stride, padding, dilation = (attributes[n] for n in ("stride", "padding", "dilation"))
    return {"padding": framed(x.shape[1:], weight.shape[2:], stride, dilation, padding)}  # type: ignore[arg-type]


def _shifted(image: Term, bias: Value | None) -> Term:
    """An image with a number added to each channel, where there is one."""
    return image if bias is None else image + Term(image.builder, bias).unsqueeze(*range(1 - image.rank, 0))


def _in_groups(x: Term, groups: int) -> Term:
    """[k, *sizes] as [groups, k / groups, *sizes]."""
    return x.reshape(groups, x.shape[0] // groups, *x.shape[1:])


def _correlated(out: Term, x: Term, weight: Type, laid: Laid) -> Term:
    """[o, *counts] and [k, *sizes] to a weight's shape: each pixel of `out` times those that its window saw."""
    size = window(weight)
    letters = "xyz"[: len(size)]
    image = framed_term(x, laid["padding"])
    rows = _in_groups(out, laid["groups"])
    parts = []
    for part in seen(image, size, laid["stride"], out.shape[1:], laid["dilation"]):
        parts.append(rows.einsum(f"go{letters},gc{letters}->goc", _in_groups(part, laid["groups"])))
    stacked = parts[0].emit(Stack, *parts[1:])
    return stacked.reshape(*weight.shape)


def _transposed(out: Term, x: Term, weight: Term, laid: Laid) -> Term:
    """[o, *counts] to [k, *sizes]: each pixel of `out` given back to those of x that its window saw."""
    sizes, frames = x.shape[1:], laid["padding"]
    places = zip(sizes, weight.shape[2:], laid["stride"], frames, laid["dilation"], strict=True)
    lost = tuple(_lost(*place) for place in places)
    if all(isinstance(more, int) for more in lost):
        return out.emit(ConvTranspose, weight, **laid, lost=lost)
    still: Laid = {**laid, "padding": tuple((0, 0) for _ in sizes)}
    whole = out.emit(ConvTranspose, weight, **still, lost=(0,) * len(sizes))
    for axis, more, size, (before, _) in zip(range(-len(sizes), 0), lost, sizes, frames, strict=True):
        whole = whole.padded(axis, 0, more).slice(axis, before, before + size)  # How many are lost is not known now.
    return whole


def _lost(size: Size, width: Size, stride: int, padding: tuple[int, int], dilation: int) -> Size:
    """How many of the last pixels no window reaches."""
    covered = (slid("conv", size, width, stride, padding, dilation) - 1) * stride
    return (size + sum(padding) - reach(width, dilation)) - covered


class Conv(Operation):
    """A convolution (in the sense of the field: a correlation) of an image of one, two or three axes.

    x: [k, *sizes]; weight: [o, k / groups, *size]; bias: [o], optional. The result: [o, *counts], each with
    (size of x + padding before and after - ((size - 1) dilation + 1)) // stride + 1.
    """

    function = Function(
        "convolve",
        Section.KERNELS,
        ARGUMENTS,
        says="An image [k, L], [k, H, W] or [k, D, H, W] with windows [n, k / groups, *size] laid over it; "
        "stride = 1, padding = 0, dilation = 1, groups = 1.",
        derived=_in_numbers,
        label="conv",
    )

    attributes = STILL
    alignment = Alignment.NONE
    unled = (1, 2)

    @staticmethod
    def lifted(builder: Builder, x: Value, weight: Value, bias: Value | None = None, **laid: Unpack[Laid]) -> Value:
        """Of windows that differ between examples, or along other lead axes."""
        counts = Conv.shape(x.type, weight.type, bias.type if bias is not None else None, **laid).shape[1:]
        result = correlated(Term(builder, x), Term(builder, weight), counts, laid)
        return _shifted(result, bias).value

    @classmethod
    def shape(cls, x: Type, weight: Type, bias: Type | None = None, **laid: Unpack[Laid]) -> Type:
        out = weight.shape[0] if weight.rank else 0
        sizes = checked("conv", x, weight, bias, laid["groups"], out)
        check_channels(x.shape[0], weight.shape[1] * laid["groups"], x)
        places = zip(sizes, weight.shape[2:], laid["stride"], laid["padding"], laid["dilation"], strict=True)
        return Type(DType.REAL, (out, *(slid("conv", *place) for place in places)))

    @staticmethod
    def reference(np: Arrays, x: Tensor, weight: Tensor, bias: Tensor | None = None, **laid: Unpack[Laid]) -> Tensor:
        size = weight.shape[2:]
        views = windows(np, padded(np, x, laid["padding"]), size, laid["stride"], laid["dilation"])
        place = views.ndim - 2 * len(size) - 1
        views = views.reshape(*views.shape[:place], laid["groups"], -1, *views.shape[place + 1 :])
        split = weight.reshape(laid["groups"], -1, *weight.shape[1:])
        space, inner = "xyz"[: len(size)], "ijl"[: len(size)]
        result = np.einsum(f"...gc{space}{inner},goc{inner}->...go{space}", views, split)
        result = result.reshape(*result.shape[:place], -1, *result.shape[place + 2 :])
        return result if bias is None else result + bias.reshape(-1, *(1 for _ in size))

    @staticmethod
    def torch(torch: Arrays, x: Tensor, weight: Tensor, bias: Tensor | None = None, **laid: Unpack[Laid]) -> Tensor:
        conv = getattr(torch.nn.functional, f"conv{len(laid['stride'])}d")
        even = all(before == after for before, after in laid["padding"])
        sides = tuple(before if even else 0 for before, _ in laid["padding"])

        def convolved(y: Tensor) -> Tensor:
            image = y if even else padded_torch(torch, y, laid["padding"])
            result: Tensor = conv(image, weight, bias, laid["stride"], sides, laid["dilation"], laid["groups"])
            return result

        return batched_torch(x, len(laid["stride"]) + 1, convolved)

    @staticmethod
    def onnx(op: Onnx[V], x: V, weight: V, bias: V | None = None, **laid: Unpack[Laid]) -> V:
        rest = [] if bias is None else [bias]
        numbers = {**onnx_numbers(laid["stride"], laid["padding"], laid["dilation"]), "group": laid["groups"]}
        slide = partial(op.Conv, **numbers)
        if is_depthwise(op, weight, laid):
            length = op.sizes(x)[-1]
            return batched_onnx(op, x, 2, lambda y: depthwise(op, y, length, weight, rest, slide))
        return batched_onnx(op, x, len(laid["stride"]) + 1, lambda y: slide(y, weight, *rest))

    @staticmethod
    def derivative(
        ct: Term, y: Term, x: Term, weight: Term, bias: Term | None = None, **laid: Unpack[Laid]
    ) -> tuple[Term | Callable[[], Term], ...]:
        result = (_transposed(ct, x, weight, laid), partial(_correlated, ct, x, weight.value.type, laid))
        return result if bias is None else (*result, ct.sum(range(1 - ct.rank, 0)))

    @staticmethod
    def along(types: tuple[Type, ...], attributes: Mapping[str, object], operand: int, axis: int) -> int | None:
        """An axis in space stays where it is; what happens along it is said by `grown`."""
        return axis if operand == 0 and axis > -types[0].rank else None

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """Along the axis that grows, windows end at their own place: the state is what they see before the new tokens."""
        x, numbers = node.inputs[0], dict(node.attributes)
        axes = [axis for axis in range(-len(numbers["stride"]), 0) if g.grows(x, axis)]
        if not axes:
            return None
        axis = axes[0]
        over = (node.inputs[1].type.shape[axis] - 1) * numbers["dilation"][axis]
        if numbers["stride"][axis] != 1 or numbers["padding"][axis] != (over, 0):
            help = 'write `padding = "causal"`, with a stride of 1'
            raise g.refused("lays windows over later tokens", help)
        numbers["padding"] = tuple(
            (0, 0) if place == axis else pair
            for place, pair in enumerate(numbers["padding"], start=-len(numbers["padding"]))
        )
        rows = g.rows(x, 0)
        if over:
            before = g.state("conv", g.resized(x, axis, over), 0)
            rows = g.emit(Concat, before.value, rows, axis=axis)
            before.next = g.ending(rows, axis, over)
        return g.emit(Conv, rows, *map(g.whole, node.inputs[1:]), **numbers)

    cases = (
        case(sample(3, 6, 6), sample(4, 3, 3, 3, lead=False), sample(4, lead=False), padding=((1, 1), (1, 1))),
        case(sample(2, 7, 5), sample(4, 2, 3, 3, lead=False), stride=(2, 2), padding=((1, 1), (1, 1))),
        case(sample(2, 4, 4), sample(3, 2, 1, 1, lead=False)),
        case(sample(1, 6, 9), sample(2, 1, 2, 2, lead=False), stride=(3, 3)),
        case(
            sample(4, 6, 7),
            sample(6, 2, 3, 2, lead=False),
            sample(6, lead=False),
            stride=(2, 1),
            padding=((2, 1), (0, 3)),
            dilation=(1, 3),
            groups=2,
        ),
        case(sample(3, 8), sample(3, 1, 3, lead=False), stride=(1,), padding=((4, 0),), dilation=(2,), groups=3),
        case(sample(3, 5), sample(3, 1, 2, lead=False), stride=(1,), padding=((0, 0),), dilation=(1,), groups=3),
        case(
            sample(2, 4, 3, 5),
            sample(3, 2, 2, 3, 1, lead=False),
            sample(3, lead=False),
            stride=(1, 1, 2),
            padding=((0, 1), (1, 1), (0, 0)),
            dilation=(1, 1, 1),
        ),
    )


def _undone(types: tuple[Type, ...], attributes: Mapping[str, object]) -> dict[str, object]:
    """The frame in numbers, and how many pixels are lost, of a transposed convolution as the language has it."""
    x, weight = types[:2]
    if x.rank != weight.rank - 1:
        return {"padding": ((0, 0),) * (x.rank - 1), "lost": (0,) * (x.rank - 1)}  # The shape rule says what is wrong.
    places = zip(attributes["padding"], weight.shape[2:], attributes["stride"], attributes["dilation"], strict=True)  # type: ignore[call-overload]
    sides = [_around(*place) for place in places]
    return {"padding": tuple((before, after) for before, after, _ in sides), "lost": tuple(lost for *_, lost in sides)}


def _around(written: str | tuple[int, int], width: int, stride: int, dilation: int) -> tuple[int, int, int]:
    """What a frame takes off before and after, and how many pixels more there are at the end."""
    if not isinstance(written, str):
        return (*written, 0)
    over = (width - 1) * dilation + 1 - stride
    if written == "same":  # `stride` times as large.
        return max(over, 0) // 2, max(over, 0) - max(over, 0) // 2, max(-over, 0)
    if written == "valid":
        return 0, 0, max(-over, 0)
    raise ShapeError(
        "bad-setting", f'a transposed convolution has the padding "same", "valid" or numbers, not "{written}"'
    )


class ConvTranspose(Operation):
    """The transpose of a convolution: every pixel of x adds its multiple of a window to the result.

    x: [o, *counts]; weight: [o, k / groups, *size], that of the convolution; bias: [k], optional. The result: [k, *sizes], each
    (count - 1) stride + (size - 1) dilation + 1 - padding before and after + lost; the `lost` pixels at the end are those
    that the convolution did not reach.
    """

    function = Function(
        "convolve_transposed",
        Section.KERNELS,
        (*ARGUMENTS[:4], frame("padding", "same"), *ARGUMENTS[5:]),
        says="The transpose of `convolve`, with windows [k, n / groups, *size]; without a `padding` the image becomes `stride` times as large.",
        derived=_undone,
        label="conv_transpose",
    )

    attributes = {**STILL, "lost": (0, 0)}
    alignment = Alignment.NONE
    unled = (1, 2)

    @staticmethod
    def lifted(
        builder: Builder, x: Value, weight: Value, bias: Value | None = None, *, lost: Counts, **laid: Unpack[Laid]
    ) -> Value:
        """Of windows that differ between examples, or along other lead axes."""
        sizes = ConvTranspose.shape(
            x.type, weight.type, bias.type if bias is not None else None, lost=lost, **laid
        ).shape[1:]
        return _shifted(spread(Term(builder, x), Term(builder, weight), sizes, laid), bias).value

    @classmethod
    def shape(cls, x: Type, weight: Type, bias: Type | None = None, *, lost: Counts, **laid: Unpack[Laid]) -> Type:
        out = weight.shape[1] * laid["groups"] if weight.rank > 1 else 0
        counts = checked("conv_transpose", x, weight, bias, laid["groups"], out)
        check_channels(x.shape[0], weight.shape[0], x)
        if (
            min(laid["stride"]) < 1
            or min(map(min, laid["padding"])) < 0
            or any(more not in range(step) for step, more in zip(laid["stride"], lost, strict=True))
        ):
            raise ShapeError("bad-setting", "a stride is at least 1, a padding at least 0")
        places = zip(counts, weight.shape[2:], laid["stride"], laid["padding"], laid["dilation"], lost, strict=True)
        sizes = [
            (count - 1) * step + reach(width, apart) - sum(pair) + more
            for count, width, step, pair, apart, more in places
        ]
        if any(isinstance(s, int) and s < 1 for s in sizes):
            raise ShapeError(
                "shape-mismatch", f"a padding of {max(map(max, laid['padding']))} leaves nothing of the result", 0
            )
        return Type(DType.REAL, (out, *sizes))

    @staticmethod
    def reference(
        np: Arrays, x: Tensor, weight: Tensor, bias: Tensor | None = None, *, lost: Counts, **laid: Unpack[Laid]
    ) -> Tensor:
        """A correlation of x, spread and framed with zeros, with the weight turned round."""
        size = weight.shape[2:]
        axes = len(size)
        spread = np.zeros(
            (*x.shape[:-axes], *((n - 1) * s + 1 for n, s in zip(x.shape[-axes:], laid["stride"], strict=True)))
        )
        spread[(..., *(slice(None, None, s) for s in laid["stride"]))] = x
        over = [(n - 1) * d for n, d in zip(size, laid["dilation"], strict=True)]
        frames = tuple((n, n + more) for n, more in zip(over, lost, strict=True))
        back = weight.reshape(laid["groups"], -1, *weight.shape[1:]).swapaxes(1, 2)  # [g, k / g, o / g, *size]
        back = back[(..., *(slice(None, None, -1) for _ in size))].reshape(-1, back.shape[2], *size)
        still = (1,) * axes
        full = Conv.reference(
            np, spread, back, stride=still, padding=frames, dilation=laid["dilation"], groups=laid["groups"]
        )
        cut = (slice(before, n - after) for n, (before, after) in zip(full.shape[-axes:], laid["padding"], strict=True))
        result = full[(..., *cut)]
        return result if bias is None else result + bias.reshape(-1, *(1 for _ in size))

    @staticmethod
    def torch(
        torch: Arrays, x: Tensor, weight: Tensor, bias: Tensor | None = None, *, lost: Counts, **laid: Unpack[Laid]
    ) -> Tensor:
        transposed = getattr(torch.nn.functional, f"conv_transpose{len(laid['stride'])}d")
        even = all(before == after for before, after in laid["padding"])
        sides = tuple(before if even else 0 for before, _ in laid["padding"])
        cut = () if even else tuple(slice(before, -after if after else None) for before, after in laid["padding"])

        def spread(y: Tensor) -> Tensor:
            whole: Tensor = transposed(y, weight, bias, laid["stride"], sides, lost, laid["groups"], laid["dilation"])
            return whole[(..., *cut)]

        return batched_torch(x, len(laid["stride"]) + 1, spread)

    @staticmethod
    def onnx(op: Onnx[V], x: V, weight: V, bias: V | None = None, *, lost: Counts, **laid: Unpack[Laid]) -> V:
        rest = [] if bias is None else [bias]
        numbers = {
            **onnx_numbers(laid["stride"], laid["padding"], laid["dilation"]),
            "group": laid["groups"],
            "output_padding": list(lost),
        }
        return batched_onnx(op, x, len(laid["stride"]) + 1, lambda y: op.ConvTranspose(y, weight, *rest, **numbers))

    @staticmethod
    def derivative(
        ct: Term, y: Term, x: Term, weight: Term, bias: Term | None = None, *, lost: Counts, **laid: Unpack[Laid]
    ) -> tuple[Term | Callable[[], Term], ...]:
        result = (ct.emit(Conv, weight, **laid), partial(_correlated, x, ct, weight.value.type, laid))
        return result if bias is None else (*result, ct.sum(range(1 - ct.rank, 0)))

    cases = (
        case(sample(3, 4, 4), sample(3, 2, 3, 3, lead=False), sample(2, lead=False), padding=((1, 1), (1, 1))),
        case(sample(4, 3, 2), sample(4, 2, 4, 4, lead=False), stride=(2, 2), padding=((1, 1), (1, 1))),
        case(sample(2, 4, 3), sample(2, 3, 3, 3, lead=False), stride=(2, 2), padding=((1, 1), (1, 1)), lost=(1, 0)),
        case(
            sample(4, 3, 5),
            sample(4, 3, 2, 3, lead=False),
            sample(6, lead=False),
            stride=(3, 1),
            padding=((0, 1), (2, 0)),
            dilation=(1, 2),
            groups=2,
            lost=(2, 0),
        ),
        case(sample(3, 5), sample(3, 2, 4, lead=False), stride=(2,), padding=((1, 1),), dilation=(1,), lost=(0,)),
        case(
            sample(2, 2, 3, 2),
            sample(2, 2, 2, 2, 3, lead=False),
            stride=(2, 1, 2),
            padding=((0, 0), (0, 0), (1, 0)),
            dilation=(1, 1, 1),
            lost=(0, 0, 0),
        ),
    )
