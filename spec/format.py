"""The syntax tree as text again: canonical, so that printing and parsing are each other's inverse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mai.spec import ast
from mai.spec.words import FORMS

LEVELS = {
    "or": 1, "and": 2, "not": 3, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "|>": 5, "+": 6, "-": 6, "*": 7,
    "/": 7, "@": 7, "//": 7, "%": 7, "neg": 8, "^": 9, "postfix": 10,
}  # fmt: skip
ATOM = 11
PART = re.compile(r"\[(?P<optional>[^\]]*)\]|\{ (?P<block>[A-Z]+) \}|(?P<field>[A-Z]+)|[^A-Z{\[]+")


def format_file(file: ast.File) -> str:
    """The file as canonical text; comments are not kept."""
    return "\n\n".join("\n".join(_declaration(d)) for d in file.declarations) + "\n"


def _declaration(d: ast.Declaration) -> Iterator[str]:
    match d:
        case ast.Const():
            yield f"const {d.name.id} = {expr(d.value)}"
        case ast.Let():
            yield f"let {d.name.id} = {expr(d.value)}"
        case ast.Import():
            yield f"import {expr(d.path)}"
        case ast.Data():
            fields = ", ".join(f"{f.name.id}: {type_(f.type)}" for f in d.fields)
            yield f"data {fields} from {expr(d.source)}"
        case ast.Function():
            parameters = ", ".join(_parameter(p) for p in d.parameters)
            returns = f" -> {_together([type_(t) for t in d.returns])}" if d.returns else ""
            count = f"[{expr(d.count)}]" if d.count else ""
            yield f"{d.kind} {d.name.id}{count}({parameters}){returns} {{"
            yield from _block(d.body)
        case ast.Twin():
            yield f"net {d.name.id} = {expr(d.value)}"
        case ast.Train():
            yield f"train{f' {d.name.id}' if d.name else ''}({_arguments(d.settings)}) {{"
            yield from _block(d.body)
        case ast.Claim():
            settings = f"({_arguments(d.settings)})" if d.settings else ""
            yield f"claim {d.name.id}{settings} {{"
            yield from _block(d.body)
        case ast.Weights():
            yield f"weights from {expr(d.path)} {{"
            yield from (f"  {_weight_rule(r)}" for r in d.rules)
            yield "}"


def _weight_rule(rule: ast.Fill | ast.Ignore) -> str:
    if isinstance(rule, ast.Ignore):
        return f"ignore {expr(rule.value)}"
    return f"{_together([expr(t) for t in rule.targets])} = {expr(rule.value)}"


def _together(parts: Sequence[str]) -> str:
    """One as it is, several in brackets."""
    return f"({', '.join(parts)})" if len(parts) > 1 else parts[0]


def _parameter(p: ast.Parameter) -> str:
    text = p.name.id + (f": {type_(p.type)}" if p.type else "")
    return text + (f" = {expr(p.default)}" if p.default else "")


def _block(body: Sequence[ast.Statement]) -> Iterator[str]:
    for statement in body:
        yield from (f"  {line}" for line in _statement(statement))
    yield "}"


def _statement(s: ast.Statement) -> Iterator[str]:
    match s:
        case ast.Assign(targets=[target]):
            yield f"{target.id} {s.op}= {expr(s.value)}"
        case ast.Assign():
            yield f"({', '.join(t.id for t in s.targets)}) = {expr(s.value)}"
        case ast.Param():
            init = f" {'~' if s.drawn else '='} {expr(s.init)}" if s.init else ""
            written = f": {type_(s.type)}" if s.type else ""
            yield f"{'param' if s.trained else 'state'} {s.name.id}{written}{init}"
        case ast.Noise():
            yield f"noise {s.name.id}: {type_(s.type)}"
        case ast.Draw():
            yield f"{s.name.id} ~ {expr(s.distribution)}"
        case ast.Derivative():
            yield f"d{s.state.id}/d{s.variable.id} = {expr(s.value)}"
        case _:
            yield from _by_form(s, FORMS[type(s)])


def _by_form(node: ast.Statement, form: str) -> list[str]:
    """A statement as its form in the table of words says, a block on lines of its own."""
    lines = [""]
    for part in PART.finditer(form):
        if part["block"]:
            *inner, end = _block(getattr(node, part["block"].lower()))
            lines[-1] += "{"
            lines += [*inner, end]
        elif part["field"]:
            lines[-1] += _text(getattr(node, part["field"].lower()))
        elif part["optional"] is None:
            lines[-1] += part[0]
        elif _is_there(node, part["optional"]):
            first, *rest = _by_form(node, part["optional"])
            lines[-1] += first
            lines += rest
    return lines


def _is_there(node: ast.Statement, optional: str) -> bool:
    """Whether a statement has what stands in brackets: the part in capitals, or else the word itself."""
    part = re.search(r"[A-Z]+", optional)
    return getattr(node, part[0].lower() if part else optional.strip()) not in (None, False, ())


def _text(part: object) -> str:
    """A part of a statement, those of a list with commas between."""
    match part:
        case ast.Expr():
            return expr(part)
        case ast.Identifier():
            return part.id
        case ast.Keep():
            times = f" at {expr(part.times)}" if part.times is not None else ""
            return f"{part.state.id}{times} as {part.name.id}"
        case ast.Reported():
            return expr(part.value) + (f" as {part.name.id}" if part.name else "")
        case tuple():
            return ", ".join(map(_text, part))
    raise AssertionError(type(part))


def type_(t: ast.TypeExpr) -> str:
    """A type as the formatter writes it."""
    match t:
        case ast.TensorType():
            return f"[{', '.join(map(expr, t.dims))}]"
        case ast.AnyType():
            return "[...]"
        case ast.TokensType():
            return f"tokens[{', '.join(map(expr, t.dims))}]"
        case ast.ClassType():
            dims = f"[{', '.join(map(expr, t.dims))}]" if t.dims else ""
            return f"class[{expr(t.classes)}]{dims}"
        case ast.ScalarType():
            return t.kind + (f"[{', '.join(map(expr, t.dims))}]" if t.dims else "")


def expr(e: ast.Expr, level: int = 0) -> str:
    """An expression, in parentheses where it binds less than `level` asks."""
    text, own = _expr(e)
    return f"({text})" if own < level else text


def _expr(e: ast.Expr) -> tuple[str, int]:
    match e:
        case ast.Number():
            return repr(e.value), ATOM
        case ast.String():
            return f'"{e.value}"', ATOM
        case ast.Bool():
            return str(e.value).lower(), ATOM
        case ast.Name():
            return e.id, ATOM
        case ast.Several():
            return _together([expr(item) for item in e.items]), ATOM
        case ast.Stack():
            return f"[{', '.join(map(expr, e.items))}]", ATOM
        case ast.Field():
            return f"{expr(e.base, 10)}.{e.name}", 10
        case ast.Transpose():
            return f"{expr(e.operand, 10)}'", 10
        case ast.Call():
            return f"{expr(e.function, 10)}({_arguments(e.arguments)})", 10
        case ast.Index():
            return f"{expr(e.base, 10)}[{', '.join(map(_index, e.items))}]", 10
        case ast.Unary(op="not"):
            return f"not {expr(e.operand, 3)}", 3
        case ast.Unary():
            return f"-{expr(e.operand, 8)}", 8
        case ast.Pipe():
            return f"{expr(e.left, 5)} |> {expr(e.right, 6)}", 5
        case ast.Binary():
            return _binary(e), LEVELS[e.op]
    raise AssertionError(type(e))


def _binary(e: ast.Binary) -> str:
    own = LEVELS[e.op]
    if e.op == "^":
        return f"{expr(e.left, 10)}^{expr(e.right, 8)}"
    left = own + 1 if own == 4 else own
    return f"{expr(e.left, left)} {e.op} {expr(e.right, own + 1)}"


def _arguments(arguments: Sequence[ast.Argument]) -> str:
    return ", ".join(f"{a.name} = {expr(a.value)}" if a.name else expr(a.value) for a in arguments)


def _index(item: ast.IndexItem) -> str:
    if isinstance(item, ast.NewAxis):
        return "None"
    if isinstance(item, ast.OtherAxes):
        return "..."
    if isinstance(item, ast.Slice):
        start, stop = (expr(p) if p else "" for p in (item.start, item.stop))
        return f"{start}:{stop}" + (f":{expr(item.step)}" if item.step else "")
    return expr(item)


def format_tree(node: object, indent: str = "") -> str:
    """The tree itself, a node a line, for `mai show --emit ast`."""
    return "\n".join(_lines(node, indent))


def _lines(node: object, indent: str) -> Iterator[str]:
    inner = indent + "  "
    simple, nested = [], []
    for name in _fields(node):
        value = getattr(node, name)
        items = value if isinstance(value, tuple) else (value,)
        if all(isinstance(i, (str, int, float, bool)) for i in items) and items:
            simple.append(f"{name}={value!r}")
        elif isinstance(value, ast.Identifier):
            simple.append(f"{name}={value.id}")
        elif value is not None and items:
            nested.append((name, items))
    yield f"{indent}{type(node).__name__} {' '.join(simple)}".rstrip()
    for name, items in nested:
        yield f"{inner}{name}:"
        for item in items:
            yield from _lines(item, inner + "  ")


def _fields(node: object) -> list[str]:
    hidden = {"span", "depth", "source", "head", "name_span", "op_span"}
    annotated = [f for c in reversed(type(node).__mro__) for f in getattr(c, "__annotations__", {})]
    return [f for f in dict.fromkeys(annotated) if f not in hidden and hasattr(node, f)]
