"""einops patterns: `"c (h p) (w q) -> (h w) (c p q)"` as a reshape, a transpose and a reshape."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import Operation, describe
from mai.compiler.ir.sizes import Size, product
from mai.compiler.ops.shapes import shape as sh
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

Side = list[list[str]]
TOKEN = re.compile(r"\s*(\(|\)|\w+)")


def rearranged(e: Elaborator, x: Value, pattern: str, span: Span, sizes: dict[str, Size]) -> Value:
    """einops' `rearrange` on the axes of the shape."""
    left, right = _sides(e, _written_out(pattern, [x.type.rank]), span)
    names = [n for group in left for n in group]
    wanted = [n for group in right for n in group]
    if sorted(names) != sorted(wanted):
        odd = sorted(set(names) ^ set(wanted)) or ["an axis twice"]
        raise e.fail("bad-pattern", span, f"both sides must have the same axes: `{odd[0]}` does not")
    axis_sizes = _axis_sizes(e, x, left, sizes, span)
    split = _reshape(e, x, tuple(axis_sizes[n] for n in names))
    order = tuple(names.index(n) - len(names) for n in wanted)
    moved = split if order == tuple(range(-len(names), 0)) else e.emit(sh.Transpose, split, perm=order)
    return _reshape(e, moved, tuple(product(tuple(axis_sizes[n] for n in group)) for group in right))


def reduced(e: Elaborator, x: Value, pattern: str, op: type[Operation], span: Span, sizes: dict[str, Size]) -> Value:
    """einops' `reduce`: axes that the right side lacks are reduced by `op`."""
    left, right = _sides(e, _written_out(pattern, [x.type.rank]), span)
    names = [n for group in left for n in group]
    kept = [n for group in right for n in group]
    unknown = [n for n in kept if n not in names]
    if unknown:
        raise e.fail("bad-pattern", span, f"the left side has no axis `{unknown[0]}`")
    axis_sizes = _axis_sizes(e, x, left, sizes, span)
    split = _reshape(e, x, tuple(axis_sizes[n] for n in names))
    gone = tuple(i - len(names) for i, n in enumerate(names) if n not in kept)
    small = e.emit(op, split, axes=gone, keep=False) if gone else split
    rest = " ".join(n for n in names if n in kept)
    shown = " ".join(f"({' '.join(g)})" if len(g) != 1 else g[0] for g in right)
    return rearranged(e, small, f"{rest} -> {shown}", span, {})


def einsum_equation(e: Elaborator, pattern: str, ranks: list[int], span: Span) -> str:
    """`"k, k n d -> n d"` with one letter an axis: `"a,abc->bc"`."""
    arrow = _written_out(pattern, ranks).split("->")
    if len(arrow) != 2:
        raise e.fail("bad-pattern", span, "an einsum pattern has one `->`")
    operands = [part.split() for part in arrow[0].split(",")]
    result = arrow[1].split()
    help = _apart(operands, result, ranks)
    if [len(o) for o in operands] != ranks:
        message = f"the pattern has operands with {[len(o) for o in operands]} axes, the tensors have {ranks}"
        raise e.fail("bad-pattern", span, message, help=help)
    letters: dict[str, str] = {}
    for name in [n for o in operands for n in o]:
        letters.setdefault(name, chr(ord("a") + len(letters)))
    if len(letters) > 26 or any(n not in letters for n in result):
        raise e.fail("bad-pattern", span, "an axis of the result is in no operand", help=help)
    return ",".join("".join(letters[n] for n in o) for o in operands) + "->" + "".join(letters[n] for n in result)


def _apart(operands: list[list[str]], result: list[str], ranks: list[int]) -> str | None:
    """What `"id,jd->ij"` is with names of one letter apart, if that fits the tensors."""
    parts = ["".join(names) for names in operands]
    joined = "".join(result)
    if [len(p) for p in parts] != ranks or not set(joined) <= set("".join(parts)) or not "".join(parts).isalpha():
        return None
    return f'names are apart by spaces: `"{", ".join(" ".join(p) for p in parts)} -> {" ".join(joined)}"`'


def _written_out(pattern: str, ranks: list[int]) -> str:
    """`...` as the axes that the tensors have and the pattern does not name: the same for all operands, in their order."""
    operands = pattern.split("->")[0].split(",")
    if "..." not in pattern or len(operands) != len(ranks):
        return pattern
    others = [len(re.findall(r"\([^)]*\)|\w+", operand)) for operand in operands]
    counts = [rank - n for rank, n, operand in zip(ranks, others, operands, strict=True) if "..." in operand]
    axes = " ".join(f"axis_{i}_" for i in range(max(counts, default=0)))
    return pattern.replace("...", f" {axes} ")


def _sides(e: Elaborator, pattern: str, span: Span) -> tuple[Side, Side]:
    arrow = pattern.split("->")
    if len(arrow) != 2:
        raise e.fail("bad-pattern", span, "a pattern has one `->` between its sides")
    return _groups(e, arrow[0], span), _groups(e, arrow[1], span)


def _groups(e: Elaborator, side: str, span: Span) -> Side:
    """`a (b c)` as [[a], [b, c]]."""
    groups: Side = []
    inside = False
    position = 0
    side = side.strip()
    while position < len(side):
        match = TOKEN.match(side, position)
        if match is None:
            raise e.fail("bad-pattern", span, f"`{side[position]}` has no place in a pattern")
        token, position = match[1], match.end()
        if token in "()":
            if inside == (token == "("):
                raise e.fail("bad-pattern", span, "the parentheses of the pattern do not match")
            inside = token == "("
            groups += [[]] if inside else []
        elif inside:
            groups[-1].append(token)
        else:
            groups.append([token] if token != "1" else [])
    if inside:
        raise e.fail("bad-pattern", span, "the parentheses of the pattern do not match")
    return groups


def _axis_sizes(e: Elaborator, x: Value, left: Side, sizes: dict[str, Size], span: Span) -> dict[str, Size]:
    """The size of every named axis; at most one in a group is worked out from the others."""
    if len(left) != x.type.rank:
        message = f"the pattern has {len(left)} axes on its left, the tensor is {describe(x.type.shape)}"
        raise e.fail("bad-pattern", span, message)
    axis_sizes = dict(sizes)
    for group, size in zip(left, x.type.shape, strict=True):
        unknown_axes = [n for n in group if n not in axis_sizes]
        inner = product(tuple(axis_sizes[n] for n in group if n in axis_sizes))
        if len(unknown_axes) > 1:
            raise e.fail("bad-pattern", span, f"give the size of `{unknown_axes[1]}`: `{unknown_axes[1]} = ...`")
        if unknown_axes:
            axis_sizes[unknown_axes[0]] = size // inner if isinstance(inner, int) and inner else size
        whole = product(tuple(axis_sizes[n] for n in group))
        if whole != size:
            raise e.fail("bad-pattern", span, f"an axis of {size} is not {' * '.join(group) or '1'} = {whole}")
    return axis_sizes


def _reshape(e: Elaborator, x: Value, shape: tuple[Size, ...]) -> Value:
    return x if x.type.shape == shape else e.emit(sh.Reshape, x, shape=shape)
