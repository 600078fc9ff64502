"""Mistakes with sizes, types and arguments."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

from benchmarks.diagnostics.mutation import Mutation, Subject, kind
from mai.spec import ast, prelude_parts
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Reporter
from mai.spec.parsing.parse import parse

MISFIT = "shape-mismatch dimension-mismatch return-shape rank-mismatch not-a-dimension class-range bad-pattern loop-shape-changes"
MISPLACED = "static-needed dtype-mismatch type-mismatch rank-mismatch shape-mismatch class-range not-callable bad-init bad-pattern not-a-dimension repeat-count"


@cache
def _standard(name: str) -> ast.Function | None:
    if name not in prelude_parts():
        return None
    source, begin, end = prelude_parts()[name]
    (declaration,) = parse(source, Reporter(), (begin, end)).declarations
    return declaration if isinstance(declaration, ast.Function) else None


def _called(subject: Subject, call: ast.Call) -> ast.Function | None:
    """The declaration of what is called, of the file or of the standard layers."""
    name = call.function.id if isinstance(call.function, ast.Name) else ""
    return subject.functions.get(name) or _standard(name)


def _calls(subject: Subject) -> Iterator[tuple[ast.Call, ast.Function]]:
    """Calls of nets and layers, with their declarations, that are not the right side of a pipe."""
    piped = {p.right for p in nodes_of(subject.file, ast.Pipe)}
    for call in nodes_of(subject.file, ast.Call):
        declaration = _called(subject, call)
        if declaration and call not in piped:
            yield call, declaration


@kind
def exchanged_arguments(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """The first two arguments of a call, of a tensor and a number, or of tensors of other shapes."""
    for call, declaration in _calls(subject):
        placed = [a for a in call.arguments if not a.name][:2]
        parameters = declaration.parameters[:2]
        if len(placed) < 2 or len(parameters) < 2 or _written(parameters[0]) == _written(parameters[1]):
            continue
        one, other = placed[0].span, placed[1].span
        between = subject.text[one.end : other.start]
        text = other.text + between + one.text
        a, b = (one.start, one.start + len(other.text)), (other.end - len(one.text), other.end)
        spans = (a, b, (call.span.start, call.span.end))
        yield subject.mutation(one.start, other.end, text, MISPLACED, "exchanged", spans=spans, certain=False)


def _written(parameter: ast.Parameter) -> str:
    return parameter.type.span.text if parameter.type else ""


@kind
def missing_argument(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A call without its last argument, which has no default."""
    for call, declaration in _calls(subject):
        placed, parameters = call.arguments, declaration.parameters
        if len(placed) < 2 or any(a.name for a in placed) or len(placed) > len(parameters):
            continue
        parameter = parameters[len(placed) - 1]
        if parameter.default is None:
            begin, end = placed[-2].span.end, placed[-1].span.end
            spans = ((call.span.start, call.span.end - (end - begin)),)
            yield subject.mutation(begin, end, "", "missing-argument", parameter.name.id, spans=spans)


@kind
def one_more_argument(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A call of a net of the file with one more number than it takes."""
    for call, declaration in _calls(subject):
        if declaration.name.id in subject.functions and len(call.arguments) == len(declaration.parameters):
            end = call.arguments[-1].span.end
            if not any(a.name for a in call.arguments):
                yield subject.mutation(end, end, ", 3", "too-many-arguments", "takes", spans=((end + 2, end + 3),))


@kind
def in_and_out(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`linear(x, 64, 10)`, as a layer of PyTorch has it."""
    for call, declaration in _calls(subject):
        if declaration.name.id == "linear" and len(call.arguments) == 2 and not call.arguments[1].name:
            at, end = call.arguments[1].span.start, call.arguments[1].span.end
            spans = ((at, end + 4), (end + 4 - (end - at), end + 4), (call.span.start, call.span.end + 4))
            number = ((at, at + 2),)
            yield subject.mutation(at, at, "64, ", MISPLACED, "too many", spans=spans + number)


@kind
def wrong_width(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """Another number of features than the next use takes; there, or where it is written."""
    for call, declaration in _calls(subject):
        if (
            declaration.name.id in ("linear", "conv", "embed")
            and len(call.arguments) > 1
            and not call.arguments[1].name
        ):
            span = call.arguments[1].span
            spans = ((span.start, span.end + 4), (call.span.start, call.span.end + 4))
            whole = [
                (s.value.span.start, s.value.span.end + 4)
                for s in nodes_of(subject.file, ast.Assign)
                if _holds(s.value, call)
            ]
            yield subject.mutation(span.end, span.end, " + 1", MISFIT, spans=(*spans, *whole), certain=False)


def _holds(outer: ast.Expr, inner: ast.Expr) -> bool:
    return outer.span.start <= inner.span.start and inner.span.end <= outer.span.end


@kind
def wrong_result(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """Another size in the type of a result."""
    for function in nodes_of(subject.file, ast.Function):
        for type_ in function.returns:
            if isinstance(type_, ast.TensorType) and type_.dims:
                dim, last = type_.dims[-1].span, function.body[-1] if function.body else None
                value = last.value.span if isinstance(last, ast.Return) else type_.span
                spans = (
                    (dim.start, dim.end + 4),
                    (type_.span.start, type_.span.end + 4),
                    (value.start + 4, value.end + 4),
                )
                yield subject.mutation(dim.end, dim.end, " + 1", MISFIT, "promise", spans=spans)


@kind
def scalar_result(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`[]` for a vector, or the other way, in the type of a result."""
    for function in nodes_of(subject.file, ast.Function):
        last = function.body[-1] if function.body else None
        if (
            len(function.returns) == 1
            and isinstance(function.returns[0], ast.TensorType)
            and isinstance(last, ast.Return)
        ):
            type_ = function.returns[0].span
            text = "[]" if function.returns[0].dims else "[1]"
            shift = len(text) - (type_.end - type_.start)
            spans = ((type_.start, type_.end + shift), (last.value.span.start + shift, last.value.span.end + shift))
            yield subject.mutation(type_.start, type_.end, text, "return-shape", "promise", spans=spans)


@kind
def batch_by_hand(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`net f(x: [128, 64])`: the call that gives one axis less, or the type."""
    for function in nodes_of(subject.file, ast.Function):
        types = [p.type for p in function.parameters if isinstance(p.type, ast.TensorType) and p.type.dims]
        calls = [c for c in nodes_of(subject.file, ast.Call) if _called(subject, c) is function]
        if function.kind == "net" and types and calls:
            at, size = types[0].span.start + 1, len("128, ")
            spans = [(types[0].span.start, types[0].span.end + size)]
            spans += [(c.arguments[0].span.start + size, c.arguments[0].span.end + size) for c in calls if c.arguments]
            yield subject.mutation(at, at, "128, ", MISFIT, "batch", spans=tuple(spans), certain=False)


@kind
def index_too_large(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`x[99]`."""
    for index in nodes_of(subject.file, ast.Index):
        item = index.items[0]
        if isinstance(item, ast.Number):
            slugs = "index-out-of-range"
            yield subject.at(item.span, "99999", slugs, "99999", certain=False)


@kind
def axis_too_large(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`axis = 7`."""
    rules = {
        a for w in nodes_of(subject.file, ast.Weights) for a in nodes_of(w, ast.Argument)
    }  # of a file that is not there
    for argument in nodes_of(subject.file, ast.Argument):
        if argument.name == "axis" and argument not in rules and isinstance(argument.value, (ast.Number, ast.Unary)):
            yield subject.at(argument.value.span, "7", "axis-out-of-range", "7")


@kind
def one_index_more(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`x[:, 0]` of a vector."""
    rules = {i for w in nodes_of(subject.file, ast.Weights) for i in nodes_of(w, ast.Index)}
    for index in nodes_of(subject.file, ast.Index):
        if index not in rules and len(index.items) == 1 and isinstance(index.items[0], (ast.Number, ast.Unary)):
            at = index.items[0].span.start
            spans = ((index.span.start, index.span.end + 9),)
            yield subject.mutation(at, at, ":, :, :, ", "rank-mismatch", "axis|axes", spans=spans)


@kind
def text_for_number(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`linear(x, "64")`."""
    for call, declaration in _calls(subject):
        for argument, parameter in zip(call.arguments, declaration.parameters, strict=False):
            if not argument.name and parameter.type is None and isinstance(argument.value, (ast.Number, ast.Name)):
                text = f'"{argument.value.span.text}"'
                slugs = "type-mismatch not-a-dimension repeat-count bad-init not-callable dtype-mismatch"
                yield subject.at(argument.value.span, text, slugs, "text", certain=False)


@kind
def number_for_truth(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`causal = 3`."""
    for argument in nodes_of(subject.file, ast.Argument):
        if argument.name and isinstance(argument.value, ast.Bool):
            yield subject.at(
                argument.value.span, "3", "dtype-mismatch type-mismatch bad-setting solver-option", "true or false"
            )


@kind
def fraction_of_count(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`steps = 2.5`, `rk4(2.5)`, `repeat 2.5`."""
    counts = [r.count for r in nodes_of(subject.file, ast.Repeat)]
    counts += [a.value for t in nodes_of(subject.file, ast.Train) for a in t.settings if a.name in ("steps", "batch")]
    counts += [
        p.default for f in nodes_of(subject.file, ast.Function) for p in f.parameters if _is_count(p) and p.default
    ]
    for count in counts:
        if isinstance(count, ast.Number):
            slugs = "repeat-count bad-setting dtype-mismatch"
            yield subject.at(count.span, "2.5", slugs, "whole number|integer")


def _is_count(parameter: ast.Parameter) -> bool:
    return isinstance(parameter.type, ast.ScalarType) and parameter.type.kind == "int"


@kind
def setting_without_default(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`steps: int` for `steps: int = 20`: where it is used as a count, or where it is written."""
    for function in nodes_of(subject.file, ast.Function):
        for parameter in function.parameters:
            if _is_count(parameter) and parameter.type and parameter.default:
                begin, end = parameter.type.span.end, parameter.default.span.end
                shift = end - begin
                uses = [
                    n.span for n in nodes_of(function, ast.Name) if n.id == parameter.name.id and n.span.start > end
                ]
                spans = tuple((s.start - shift, s.end - shift) for s in uses)
                at = ((parameter.span.start, begin), (parameter.name.span.start, parameter.name.span.end))
                slugs = "repeat-count static-needed not-a-dimension shape-mismatch"
                yield subject.mutation(begin, end, "", slugs, "default", spans=spans + at, certain=False)


@kind
def heads_that_do_not_divide(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """`attention(x, 7)` of a width that 7 does not divide."""
    for call, declaration in _calls(subject):
        if (
            declaration.name.id in ("attention", "group_norm")
            and len(call.arguments) > 1
            and not call.arguments[1].name
        ):
            span = call.arguments[1].value.span
            shift = 2 - (span.end - span.start)
            spans = ((call.span.start, call.span.end + shift), (span.start, span.start + 2), _first(call))
            yield subject.mutation(span.start, span.end, "37", MISFIT, "37", spans=spans)


def _first(call: ast.Call) -> tuple[int, int]:
    return call.arguments[0].span.start, call.arguments[0].span.end


@kind
def missing_part(subject: Subject, rng: random.Random) -> Iterator[Mutation]:
    """A data line without its source, an `integrate` without solver or range, a `train` without steps."""
    for data in nodes_of(subject.file, ast.Data):
        begin, end = data.fields[-1].span.end, data.source.span.end
        yield subject.mutation(
            begin, end, "", "missing-source", "from", spans=((begin - 1, begin), (data.span.start, begin))
        )
    for block in nodes_of(subject.file, ast.Integrate):
        begin = block.stop.span.end
        end = block.solver.span.end
        spans = ((begin + 1, begin + 2), (begin - 1, begin), (begin, begin + 1))
        yield subject.mutation(begin, end, "", "missing-solver", "using", spans=spans)
