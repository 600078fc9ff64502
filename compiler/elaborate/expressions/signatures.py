"""Types as written: evaluating them, and fitting arguments to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mai.compiler.elaborate.bindings import POISON, Binding, BoundArgument, Environment, Function, Module, Poison
from mai.compiler.elaborate.context import Context, LayerCall, Stop
from mai.compiler.elaborate.errors.repairs import other_type, vocabulary
from mai.compiler.elaborate.expressions.names import is_free
from mai.compiler.elaborate.expressions.whole import count_labels, is_whole
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe, type_text
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops.elementwise import ToInt, ToReal
from mai.spec import ast
from mai.spec.diagnostics import Change, Edit, Help, Label
from mai.spec.diagnostics.edit import changed, put
from mai.spec.diagnostics.foreign import OF_VECTORS
from mai.spec.record import record
from mai.spec.source import Span

MAX_EDITS = 4
METRICS = "prelude/metrics.mai"  # Whose parameters have the examples as an axis.
SCALARS = {"int": DType.INT, "token": DType.INT, "real": DType.REAL, "bool": DType.BOOL}


def dims_of(written: ast.TypeExpr) -> tuple[ast.Expr, ...]:
    """The axes that a type writes."""
    return () if isinstance(written, ast.AnyType) else written.dims


@record
class Fitted:
    """An argument that fits its parameter, and how many of its first axes the call maps over."""

    value: Value
    mapped: int
    span: Span


class Signatures:
    """Types of parameters, weights, data and results."""

    def __init__(self, context: Context) -> None:
        self.e = context

    def written_type(self, env: Environment, written: ast.TypeExpr) -> Type:
        """A type whose every dimension is known or bound. Raises `Stop`."""
        if isinstance(written, ast.AnyType):
            message = "`[...]` is whatever shape a call hands over: it types what a layer or a net takes and gives"
            raise self.e.fail("missing-type", written.span, message, help="write the sizes, `[2]`")
        shape = tuple(self.dimension(env, d) for d in dims_of(written))
        return Type(dtype_of(written), shape, (), self.classes_of(env, written))

    def classes_of(self, env: Environment, written: ast.TypeExpr) -> Size | None:
        """How many labels an integer type has: `class[10]` says it, tokens have the file's `vocab`."""
        if isinstance(written, ast.ClassType):
            return self.dimension(env, written.classes)
        if isinstance(written, ast.TokensType) or (isinstance(written, ast.ScalarType) and written.kind == "token"):
            return self.vocabulary(env.module, written.span)
        return None

    def vocabulary(self, module: Module, span: Span) -> int:
        """The file's `const vocab`: tokens are below it."""
        vocab = module.names.get("vocab")
        if isinstance(vocab, Poison):
            raise Stop
        if not isinstance(vocab, int):
            module.names["vocab"] = POISON
            help = vocabulary(module.source)
            raise self.e.fail("vocab-missing", span, "tokens need a `const vocab`: how many there are", help=help)
        return vocab

    def dimension(self, env: Environment, expr: ast.Expr) -> Size:
        """The size that a dimension stands for. Raises `Stop`."""
        return self.e.size(self.e.expressions.expression(env, expr), expr.span, written=expr)

    # ---------------------------------------------------------------- fitting

    def fit(self, env: Environment, name: str, parameter: ast.Parameter, binding: Binding, span: Span) -> Fitted:
        """Fit an argument to a parameter's type; binds the type's free names in `env`. Raises `Stop`."""
        if isinstance(binding, Poison):
            raise Stop
        assert parameter.type is not None
        wanted = dtype_of(parameter.type)
        value = self._converted(binding, wanted, parameter, span)
        if isinstance(parameter.type, ast.AnyType):
            return Fitted(value, 0, span)
        dims = dims_of(parameter.type)
        mapped = value.type.rank - len(dims)
        if mapped < 0:
            message = f"`{name}` takes {parameter.type.span.text} as `{parameter.name.id}`, this is {describe(value.type.shape)}"
            where, help = self._came_from(value, span), _without_batch(parameter, dims, value)
            if isinstance(help, Edit) and self.e.report.says(message):
                raise Stop  # the declaration is at fault, not each of its calls
            where += _declared(parameter, span)
            if value.type.rank == 1 and parameter.type.span.source.in_prelude:
                help = help or OF_VECTORS.get(name)
            raise self.e.fail("rank-mismatch", span, message, label=describe(value.type.shape), where=where, help=help)
        self._bind_dims(env, name, parameter, value, span)
        if value.type.dtype is DType.INT:
            value = self._fit_labels(env, parameter.type, value, binding, span)
        return Fitted(value, mapped, span)

    def _converted(self, binding: Binding, wanted: DType, parameter: ast.Parameter, span: Span) -> Value:
        value = self.e.value(binding, span)
        if value.type.dtype is wanted:
            return value
        if wanted is DType.REAL:
            return self.e.real(binding, span) if not isinstance(binding, Value) else self.e.emit(ToReal, value)
        if wanted is DType.INT and is_whole(self.e, value):
            return self.e.emit(ToInt, value, name=value.name)
        needed = "an integer" if wanted is DType.INT else "true or false"
        message = f"`{parameter.name.id}` is {needed}, this is {'real' if value.type.dtype is DType.REAL else 'not'}"
        raise self.e.fail("dtype-mismatch", span, message, label=describe(value.type.shape))

    def _bind_dims(self, env: Environment, name: str, parameter: ast.Parameter, value: Value, span: Span) -> None:
        assert parameter.type is not None
        dims = dims_of(parameter.type)
        shape = value.type.shape[value.type.rank - len(dims) :]
        expected: list[Size] = []
        for dim, size in zip(dims, shape, strict=True):
            if is_free(env, dim):
                assert isinstance(dim, ast.Name)
                env.bind_size(dim.id, size, span)
            expected.append(self.dimension(env, dim))
        if tuple(expected) == shape:
            return
        wrong, size = next((d, s) for d, e, s in zip(dims, expected, shape, strict=True) if e != s)
        message = f"`{name}` takes {describe(tuple(expected))}, this is {describe(value.type.shape)}"
        where = [*self._bound_at(env, wrong, span), *self._came_from(value, span), *_declared(parameter, span)]
        edits = (
            []
            if sum(e != s for e, s in zip(expected, shape, strict=True)) > 1
            else self._edits(env, wrong, value, size)
        )
        edits = [*edits, *other_type(span, describe(tuple(expected)))]
        raise self.e.fail("shape-mismatch", span, message, label=describe(value.type.shape), where=where, edits=edits)

    def remember_call(self, value: Value, function: Binding, arguments: Sequence[BoundArgument], span: Span) -> None:
        """Keep which layers' calls decided a value's shape, the first one first: an activation's operand has its shape."""
        operands = (a.value for a in arguments if isinstance(a.value, Value) and a.value.type.shape == value.type.shape)
        calls = self.e.made_by.get(value) or next((self.e.made_by[o] for o in operands if o in self.e.made_by), ())
        layer = isinstance(function, Function) and function.declaration.kind == "layer"
        if layer and not span.source.in_prelude:
            calls = (*calls, LayerCall(span, tuple(a for a in arguments if type(a.value) is int)))
        if calls:
            self.e.made_by[value] = calls[-MAX_EDITS:]

    def _edits(self, env: Environment, dim: ast.Expr, value: Value, size: Size) -> list[Edit]:
        """Other numbers in the calls that made a value of the wrong `size`, the last call first."""
        numbers = [
            (call, a) for call in reversed(self.e.made_by.get(value, ())) for a in call.numbers if a.value == size
        ]
        wanted = self.dimension(env, dim)
        return [_other_number(call.span, a.span, str(wanted)) for call, a in numbers if isinstance(wanted, int)][
            :MAX_EDITS
        ]

    def _bound_at(self, env: Environment, dim: ast.Expr, span: Span) -> list[Label]:
        """Where the user's name for a dimension got its size."""
        if not isinstance(dim, ast.Name):
            return []
        at = env.where.get(dim.id) or env.module.where.get(dim.id)
        size = env.names.get(dim.id, env.module.names.get(dim.id))
        return [Label(at, f"`{dim.id}` is {size} here")] if at and at != span and at.source is span.source else []

    def _came_from(self, value: Value, span: Span) -> list[Label]:
        origin = self.e.origins.get(value)
        inside = origin and origin.source is span.source and (origin.start < span.start or origin.end > span.end)
        return [Label(origin, f"{describe(value.type.shape)} comes from here")] if origin and inside else []

    def _fit_labels(self, env: Environment, written: ast.TypeExpr, value: Value, binding: Binding, span: Span) -> Value:
        """The labels as those of the parameter: inside the call they are below their number, which for tokens is the `vocab`."""
        if isinstance(written, ast.ClassType) and is_free(env, written.classes):
            assert isinstance(written.classes, ast.Name)
            value = count_labels(self.e, value)
            if value.type.classes is None:
                message = "this integer does not say how many classes there are"
                help = "write `clip(i, 0, 9)`, or give it the type `class[10]`, for 10 labels; a time is no label: write `fourier(t, 32)` of it"
                raise self.e.fail("class-range", span, message, label="int", help=help)
            env.names[written.classes.id] = value.type.classes
            return value
        classes = self.classes_of(env, written)
        if classes is None:
            return value
        least = binding + 1 if isinstance(binding, int) else value.type.classes
        negative = isinstance(binding, int) and binding < 0
        if negative or (isinstance(least, int) and isinstance(classes, int) and least > classes):
            shown = f"the label {binding}" if isinstance(binding, int) else f"a class[{least}]"
            kind = f"class[{classes}]" if isinstance(written, ast.ClassType) else f"`{written.span.text}`"
            raise self.e.fail("class-range", span, f"{shown} does not fit {kind}: labels are 0 to {classes - 1}")
        if value.type.classes == classes:
            return value
        label = self.e.builder.lead(value, ())
        label.type = replace(label.type, classes=classes)
        return label

    # ---------------------------------------------------------------- results

    def results(self, env: Environment, declaration: ast.Function, result: Binding) -> list[Value]:
        """What a function returns, of the types that its declaration promises. Raises `Stop`."""
        returned, promised, name = return_of(declaration) or declaration.name, declaration.returns, declaration.name.id
        parts = result if isinstance(result, tuple) else (result,)
        items = returned.items if isinstance(returned, ast.Several) else ()
        spans = [p.span for p in items] if len(items) == len(parts) else [returned.span] * len(parts)
        values = [self.e.value(part, span) for part, span in zip(parts, spans, strict=True)]
        if not promised:
            return values
        if len(promised) != len(values):
            message = f"`{name}` promises {counted(len(promised), 'result')}, this returns {len(values)}"
            types = ", ".join(describe(v.type.shape) for v in values)
            help = f"write `-> ({types})`" if len(values) > 1 else None
            where = [Label(promised[0].span, "promised here")]
            raise self.e.fail("return-shape", returned.span, message, where=where, help=help)
        of_types = env.of_types()
        return [self._result(of_types, name, *rest) for rest in zip(promised, values, spans, strict=True)]

    def _result(self, env: Environment, name: str, written: ast.TypeExpr, value: Value, span: Span) -> Value:
        if isinstance(written, ast.AnyType):
            return self.e.real(value, span)
        promised = self.written_type(env, written)
        if promised.dtype is DType.REAL and value.type.dtype is DType.INT:
            value = self.e.emit(ToReal, value)
        if promised.dtype is DType.INT and value.type.dtype is DType.REAL and is_whole(self.e, value):
            value = self.e.emit(ToInt, value)
        if value.type.shape != promised.shape or value.type.dtype is not promised.dtype:
            shown = type_text(value.type)
            message = f"`{name}` promises {written.span.text}, this returns {shown}"
            where = [Label(written.span, f"promised here: {type_text(promised)}")]
            edits = self._other_results(env, written, promised, value, span)
            help = _other_width(promised, value.type)
            raise self.e.fail("return-shape", span, message, label=shown, where=where, edits=edits, help=help)
        if value.type.classes is None and promised.classes is not None:  # A text that was cut or joined is a text.
            value.type = replace(value.type, classes=promised.classes)
        return value

    def _other_results(
        self, env: Environment, written: ast.TypeExpr, promised: Type, value: Value, span: Span
    ) -> list[Edit]:
        """What is returned is as promised with another number in its layer; or another shape is promised."""
        edits, shape = [], value.type.shape
        if (promised.shape, shape) == ((), (1,)) and span.text.endswith((")", "]")):
            return [put(span, f"{span.text}[0]")]
        if promised.shape == shape and promised.dtype is not value.type.dtype:
            return [
                *_as_promised(promised.dtype, value.type.dtype, span),
                put(written.span, type_text(value.type), "promise `{}`"),
            ]
        unlike = [k for k, (a, b) in enumerate(zip(promised.shape, shape, strict=False)) if a != b]
        if len(promised.shape) == len(shape) and len(unlike) == 1:
            edits = self._edits(env, dims_of(written)[unlike[0]], value, shape[unlike[0]])
        if isinstance(written, (ast.TensorType, ast.ScalarType)) and promised.dtype is value.type.dtype:
            edits = [*edits, put(written.span, type_text(value.type), "promise `{}`")]
        return [replace(edit, alone=True) for edit in edits]


def _as_promised(promised: DType, returned: DType, span: Span) -> list[Edit]:
    """A result of the promised kind, of what is returned: numbers of truths, whole numbers of reals."""
    if returned is DType.BOOL:
        return [put(span, f"where({span.text}, 1, 0)")]
    return [put(span, f"int({span.text})")] if promised is DType.INT else []


def _other_width(promised: Type, returned: Type) -> str | None:
    """What changes the number of values of the last axis, where nothing else differs."""
    same = promised.dtype is returned.dtype is DType.REAL and promised.shape[:-1] == returned.shape[:-1]
    width = promised.shape[-1] if promised.shape else None
    if not (same and returned.rank == promised.rank and isinstance(width, int)):
        return None
    return f"`linear(x, {width})` makes {width} of the {returned.shape[-1]} values of its last axis"


def _other_number(call: Span, at: Span, number: str) -> Edit:
    """Another number in the call of a layer, which is shown as it is then."""
    whole = changed(call.source.text[: call.end], [Change(at, number)])[call.start :]
    return Edit(f"make the layer on line {call.line} `{whole}`", (Change(at, number),))


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where it needs one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def return_of(declaration: ast.Function) -> ast.Expr | None:
    """What the last `return` of a body gives."""
    returns = [s.value for s in declaration.body if isinstance(s, ast.Return)]
    return returns[-1] if returns else None


def dtype_of(written: ast.TypeExpr) -> DType:
    """What an element of a written type is."""
    if isinstance(written, (ast.TensorType, ast.AnyType)):
        return DType.REAL
    return SCALARS[written.kind] if isinstance(written, ast.ScalarType) else DType.INT


def _declared(parameter: ast.Parameter, span: Span) -> list[Label]:
    """Where the type of a net's or a layer's parameter is written; nothing for a standard layer."""
    at = parameter.type.span if parameter.type else parameter.span
    return [] if at.source.in_prelude or at.source is not span.source else [Label(at, "declared here")]


def _without_batch(parameter: ast.Parameter, dims: Sequence[ast.Expr], value: Value) -> Help:
    """What to write where a parameter has one axis too many at the front, most likely the batch."""
    inner = dims[1:]
    if parameter.span.source.in_prelude and parameter.span.source.path == METRICS:
        return (
            "it is a metric of many examples, which `across` makes an axis: `report auc(across(score(x)), across(y))`"
        )
    if parameter.span.source.in_prelude:
        is_number = len(dims) == 1 and not value.type.rank
        return "in brackets a number is a vector of one number: `[x]`" if is_number else None
    if len(inner) != value.type.rank or not all(isinstance(d, ast.Name | ast.Number) for d in inner):
        return None
    if not inner:
        return f"write `{parameter.name.id}: []` for a scalar, or hand over a vector of one number"
    assert parameter.type is not None
    shape = f"[{', '.join(d.span.text for d in inner)}]"
    words = f"a spec speaks of one example, and mai adds the batch axis: write `{parameter.name.id}: {shape}`"
    return put(parameter.type.span, shape, words)
