"""Repairs of what is written right and means nothing: other arguments of a call, a type, another statement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mai.compiler.elaborate.bindings import BoundArgument, Function
from mai.compiler.ir.graph import Value, Weight
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Dim
from mai.compiler.ir.structure import WeightOf
from mai.compiler.ir.types import DType
from mai.spec import ast
from mai.spec.diagnostics import Change, Edit
from mai.spec.diagnostics.edit import insert, put, shown, take_out
from mai.spec.parsing.layout import DECLARATIONS
from mai.spec.source import Source, Span

FREE_NAMES = "xyzuvw"
TYPE = re.compile(r"(?:->|:)\s*(\[[^\]\n]*\])")
MOST_NUMBERS = 6  # Of a file, which a missing argument may be.
ATOM = re.compile(r"[\w.]+|\(.*\)|\[[^\[\]]*\]")


def without_second(first: BoundArgument, second: BoundArgument) -> Edit | None:
    """An argument that is given twice, and the same: once is enough."""
    at = second.name_span or second.span
    if first.span.text != second.span.text or first.span.source is not at.source or first.span.end > at.start:
        return None
    return take_out(Span(at.source, first.span.end, second.span.end), "leave one of them out")


def as_shape(arguments: Sequence[BoundArgument]) -> Edit | None:
    """`zeros(2, 3)` and `zeros((2, 3))` have a shape in the other brackets, `zeros(x)` is of the shape of a tensor."""
    if not arguments or any(a.name for a in arguments):
        return None
    first, last, values = arguments[0], arguments[-1].span, [a.value for a in arguments]
    if len(values) == 1 and isinstance(values[0], Value):
        return put(first.span, f"shape({first.span.text})")
    inside = first.span.text[1:-1] if isinstance(values[0], tuple) and len(values) == 1 else None
    if inside is None and not all(isinstance(v, (int, Dim)) for v in values):
        return None
    whole = Span(first.span.source, first.span.start, last.end)
    return put(whole, f"[{whole.text if inside is None else inside}]")


def shape_first(call: Span, arguments: Sequence[BoundArgument], shape: BoundArgument) -> Edit | None:
    """`uniform(0, 1, [3])` and `normal(size = 3)`: the shape of a draw comes first, `uniform([3], 0, 1)`."""
    sizes = shape.value if isinstance(shape.value, list) else [shape.value]
    if not all(isinstance(size, Dim) or type(size) is int for size in sizes):
        return None
    own = _with_name(shape)
    text = shape.span.text if isinstance(shape.value, list) else f"[{shape.span.text}]"
    before = sorted((s for a in arguments if (s := _with_name(a)).start < own.start), key=lambda s: s.start)
    if not before:
        return shown(call, Change(own, text))
    whole = Span(own.source, before[0].start, own.end)
    return shown(call, Change(whole, f"{text}, {Span(own.source, whole.start, before[-1].end).text}"))


def _with_name(argument: BoundArgument) -> Span:
    begin = argument.name_span or argument.span
    return Span(begin.source, begin.start, argument.span.end)


def as_product(callee: ast.Name, value: object, arguments: Sequence[BoundArgument], span: Span) -> Edit | None:
    """`d(x)` is a product on paper, and `x(0)` an element."""
    if len(arguments) != 1 or arguments[0].name is not None or not span.start <= callee.span.start < span.end:
        return None
    text = arguments[0].span.text
    if isinstance(value, Value) and type(arguments[0].value) is int:
        return put(span, f"{callee.id}[{text}]")
    return put(span, f"{callee.id} * {text if ATOM.fullmatch(text) else f'({text})'}")


def as_call(name: str, callee: ast.Field, span: Span, method: bool) -> Edit:
    """`torch.relu(x)` is `relu(x)`, and so is `x.relu()`."""
    if not method:
        return put(callee.span, name)
    base = callee.base.span.text
    rest = span.source.text[callee.span.end : span.end].strip()[1:]
    return put(span, f"{name}({base}{'' if rest.lstrip().startswith(')') else ', '}{rest}")


def chosen(statement: ast.If) -> Edit | None:
    """`if x > 0 { y = a } else { y = b }` of tensors: `y = where(x > 0, a, b)`."""
    if len(statement.then) != 1 or len(statement.otherwise) > 1:
        return None
    both = [*statement.then, *statement.otherwise]
    assigned = [s for s in both if isinstance(s, ast.Assign) and not s.op and len(s.targets) == 1]
    targets = {s.targets[0].id for s in assigned}
    if len(assigned) < len(both) or len(targets) != 1:
        return None
    (target,) = targets
    values = [s.value.span.text for s in assigned]
    other = values[1] if len(values) > 1 else target
    return put(statement.span, f"{target} = where({statement.condition.span.text}, {values[0]}, {other})")


def returned(declaration: ast.Function) -> Edit | None:
    """A body that ends by giving a name its value, which was to be returned."""
    last = declaration.body[-1] if declaration.body else None
    return instead_of_name(last, "return")


def instead_of_name(last: ast.Statement | None, word: str) -> Edit | None:
    """`return e` for `y = e`."""
    if not isinstance(last, ast.Assign) or last.op or len(last.targets) != 1:
        return None
    begin = Span(last.span.source, last.span.start, last.value.span.start)
    return put(begin, f"{word} ", f"write `{word} {last.value.span.text}`")


def types_of_input(source: Source, parameter: ast.Parameter, declaration: ast.Function) -> list[Edit]:
    """Types that an input without one may have: those of its name elsewhere, of the results, a number's."""
    name, at = parameter.name.id, parameter.name.span
    if isinstance(parameter.default, ast.Number):
        texts = ["int" if isinstance(parameter.default.value, int) else "[]"]
    elif isinstance(parameter.default, ast.Bool):
        texts = ["bool"]
    else:
        texts = re.findall(rf"\b{re.escape(name)}: *(\w+\[[^\]\n]*\]|\[[^\]\n]*\]|\w+)", source.text)
        texts += [r.span.text for r in declaration.returns] + ["[]"]
    end = Span(source, at.end, at.end)
    return [put(end, f": {text}", f"write `{name}: {text}`") for text in dict.fromkeys(texts)][:4]


def vocabulary(source: Source) -> Edit:
    """The vocabulary of bytes, before the first declaration."""
    first = DECLARATIONS.search(source.text)
    return insert(source, first.start() if first else 0, "const vocab = 256\n", "add `const vocab = 256`")


def positive(span: Span) -> Edit | None:
    """A number without its minus sign."""
    return put(span, span.text[1:].strip()) if re.fullmatch(r"-\s*[\d.e-]+", span.text) else None


def unquoted(text: str, span: Span) -> Edit | None:
    """A number that stands in quotes."""
    is_number = re.fullmatch(r"-?\d+(\.\d+)?", text) is not None
    return put(span, text, "write `{}`, without quotes") if is_number else None


def untransposed(expr: ast.Transpose) -> Edit:
    """`x` for `x'`."""
    return take_out(Span(expr.span.source, expr.operand.span.end, expr.span.end), "leave `'` out")


def labels_of(item: ast.Expr, size: object) -> list[Edit]:
    """The type of an index that its declaration calls real: a label for each place of the axis."""
    if not isinstance(item, ast.Name) or not isinstance(size, int):
        return []
    source = item.span.source
    types = re.compile(rf"\b{re.escape(item.id)}\s*:\s*(\[\])").finditer(source.text, 0, item.span.start)
    last = [Span(source, m.start(1), m.end(1)) for m in types][-1:]
    return [put(span, f"class[{size}]", f"write `{item.id}: {{}}`") for span in last]


def sizes_of_params(weights: Mapping[str, Weight], pairs: Sequence[tuple[Value, int, object]]) -> list[Edit]:
    """Another number in the line of a param, for each pair of a value that is one: its axis, and the size that it needs."""
    edits = []
    for value, axis, size in pairs:
        weight = (
            weights.get(WeightOf.of(value.producer).weight)
            if value.producer and value.producer.op is WeightOf
            else None
        )
        dims = re.search(r":\s*\[([^\]]*)\]", weight.span.text) if weight else None
        parts = dims[1].split(",") if dims else []
        if weight is None or dims is None or len(parts) != len(weight.shape) or not parts[axis].strip().isdigit():
            continue
        begin = weight.span.start + dims.start(1) + sum(len(p) + 1 for p in parts[: len(parts) + axis])
        edits.append(
            shown(weight.span, Change(_stripped(weight.span.source, begin, begin + len(parts[axis])), str(size)))
        )
    return edits


def _stripped(source: Source, begin: int, end: int) -> Span:
    """A span without the white space around it."""
    text = source.text[begin:end]
    return Span(source, begin + len(text) - len(text.lstrip()), end - len(text) + len(text.rstrip()))


def factors(expr: ast.Binary) -> list[Edit]:
    """Products of the same matrices that may be meant: one of them transposed, or the other one first."""
    left, right = expr.left.span, expr.right.span
    exchanged = Edit(f"write `{right.text} @ {left.text}`", (Change(left, right.text), Change(right, left.text)))
    return [*(_transposed(e) for e in (expr.right, expr.left)), exchanged]


def _transposed(expr: ast.Expr) -> Edit:
    text = expr.span.text
    if isinstance(expr, ast.Transpose):
        return untransposed(expr)
    return put(expr.span, f"{text}'" if isinstance(expr, ast.Name | ast.Call | ast.Index) else f"({text})'")


def argument_of(function: str, span: Span) -> Edit | None:
    """What a function of one argument is of, in the place of its call."""
    match = re.fullmatch(rf"{function}\((.*)\)", span.text, re.DOTALL)
    return (
        put(span, match[1], f"leave the {function} out: write `{{}}`") if match and "," not in _flat(match[1]) else None
    )


def _flat(text: str) -> str:
    """The text without what stands in brackets."""
    flat = re.sub(r"[(\[][^()\[\]]*[)\]]", "", text)
    return text if flat == text else _flat(flat)


def renamed(declaration: ast.Function, name: ast.Identifier) -> Edit:
    """A parameter by another name, wherever its function speaks of it."""
    source, old = declaration.span.source, name.id
    names = {m[0] for m in re.finditer(r"\w+", source.text)}
    new = next((n for n in FREE_NAMES if n not in names), f"{old}_")
    span = declaration.span
    places = re.compile(rf"(?<![\w.\"]){re.escape(old)}\b(?!\s*\()").finditer(source.text, span.start, span.end)
    return Edit(f"call it `{new}`", tuple(Change(Span(source, m.start(), m.end()), new) for m in places))


def other_type(span: Span, wanted: str) -> list[Edit]:
    """The type that an argument would need, where it is an input that a declaration above gives another one."""
    if not span.text.isidentifier():
        return []
    source, types = span.source, re.compile(rf"\b{span.text}\s*:\s*(\[[^\]\n]*\])")
    last = [Span(source, m.start(1), m.end(1)) for m in types.finditer(source.text, 0, span.start)][-1:]
    return [replace(put(at, wanted, f"write `{span.text}: {{}}`"), alone=True) for at in last]


def called_as(declaration: ast.Function, said: Mapping[str, Span] | None = None) -> str:
    """How a function is called, by what it cannot do without; and as a function of the rest, where some arguments are `said`."""
    name, needed = declaration.name.id, [p.name.id for p in declaration.parameters if p.default is None]
    more = ", ..." if len(needed) < len(declaration.parameters) else ""
    whole = f"it is called as `{name}({', '.join(needed)}{more})`"
    if said is None:
        return whole
    values = ", ".join(f"{each} = {span.text}" for each, span in said.items())
    rest = " and ".join(f"`{each}`" for each in needed if each not in said)
    return f"{whole}; as a function of {rest}, name what it has: `{name}({values})`"


def without_input(span: Span) -> str | None:
    """What to write for a call where the layer itself may be meant."""
    call = re.match(r"([^\W\d]\w*)\(", span.text)
    return f"a layer itself is given without its input: `{call[1]}`, its other arguments by name" if call else None


def typed_parameter(parameter: ast.Parameter, value: Value) -> Edit | None:
    """A parameter of a layer of the user's that is given a tensor, and has no type: the type of that tensor."""
    if parameter.span.source.in_prelude:
        return None
    shape, kind = describe(value.type.shape), {DType.REAL: "", DType.INT: "int", DType.BOOL: "bool"}[value.type.dtype]
    name, written = parameter.name, f": {kind}{shape if value.type.rank or not kind else ''}"
    words = f"a tensor has its type: write `{name.id}{written}` in the layer"
    return insert(name.span.source, name.span.end, written, words)


def numbers_for(call: Span, parameter: ast.Parameter, declaration: ast.Function) -> list[Edit]:
    """A call with a number of the file's types for the width of its result, which it lacks, if that number alone fits."""
    widths = {d.id for r in declaration.returns for d in getattr(r, "dims", ()) if isinstance(d, ast.Name)}
    if parameter.name.id not in widths:
        return []
    numbers = dict.fromkeys(re.findall(r"(?<=[\[, ])\d+(?=[\], ])", " ".join(TYPE.findall(call.source.text))))
    if not call.text.endswith(")"):
        return []
    comma = "" if call.text[:-1].rstrip().endswith("(") else ", "
    end = Span(call.source, call.end - 1, call.end - 1)
    return [replace(shown(call, Change(end, f"{comma}{n}")), alone=True) for n in [*numbers][:MOST_NUMBERS]]


def rounded_down(expr: ast.Expr) -> Edit | None:
    """`d // 2`, which is a whole number, for `d / 2`."""
    return put(expr.op_span, "//") if isinstance(expr, ast.Binary) and expr.op == "/" else None


def is_net(value: object) -> bool:
    """Whether a name stands for a net."""
    return isinstance(value, Function) and value.declaration.kind == "net"
