"""Expressions: numbers stay numbers, tensors become nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from mai.compiler.elaborate.bindings import (
    POISON,
    Binding,
    BoundArgument,
    Callables,
    Environment,
    LetTensor,
    Poison,
    is_number,
)
from mai.compiler.elaborate.bounds import setting_of
from mai.compiler.elaborate.context import Context, Stop, kind_of
from mai.compiler.elaborate.names import look_up, names_in_sight
from mai.compiler.elaborate.static import StaticError, apply, apply_sizes
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import Operation, describe
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ir.types import DType
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.products import product as pr
from mai.compiler.ops.shapes import indexing as ix
from mai.compiler.ops.shapes import shape as sh
from mai.spec import ast, in_prelude
from mai.spec.diagnostics.foreign import FOREIGN, VALUES
from mai.spec.diagnostics.suggest import closest
from mai.spec.source import Span

ARITHMETIC: dict[str, type[Operation]] = {
    "+": el.Add, "-": el.Subtract, "*": el.Multiply, "//": el.FloorDivide, "%": el.Modulo,
    "==": logic.Equal, "!=": logic.NotEqual, "<": logic.Less, "<=": logic.LessEqual, ">": logic.Greater,
    ">=": logic.GreaterEqual,
}  # fmt: skip
CHOICES = (str, bool, int, float, *Callables)  # What `==` compares when the file is compiled: a function is not `true`.
TRUTHS = ("true", "false")
CHOOSE = "shapes are fixed: choose with `where(c, a, b)`"
TOGETHER = "a layer is given its tensor and its numbers together: `linear(x, 8)`"


class Expressions:
    """Evaluation of expressions; `Stop` inside is turned into `POISON` at the nearest expression."""

    def __init__(self, context: Context) -> None:
        self.e = context
        self.lets: dict[int, Binding] = {}
        self.opening: set[int] = set()
        self.rules: dict[type[ast.Expr], Callable[[Environment, Any], Binding]] = {
            ast.Number: _literal, ast.String: _literal, ast.Bool: _literal, ast.Name: self._name, ast.Field: self._field,
            ast.Unary: self._unary, ast.Binary: self._binary, ast.Transpose: self._transpose, ast.Stack: self._stack,
            ast.Several: self._several, ast.Call: self._call, ast.Pipe: self._pipe, ast.Index: self._index,
        }  # fmt: skip

    def expression(self, env: Environment, expr: ast.Expr) -> Binding:
        """What an expression stands for: a number where all of it is known, a tensor otherwise."""
        builder = self.e.builder
        outer, builder.span = builder.span, self.e.at(expr.span)
        try:
            return self.rules[type(expr)](env, expr)
        except Stop:
            return POISON
        except StaticError as error:
            return self.e.error(error.slug, expr.span, error.message)
        finally:
            builder.span = outer

    def let(self, let: LetTensor) -> Binding:
        """The value of a `let` in this graph; computed at its start, once."""
        key, name, builder = id(let.declaration), let.declaration.name, self.e.builder
        if key in self.opening:
            return self.e.error("recursive-call", name.span, f"`{name.id}` is defined by itself")
        if key not in self.lets:
            self.opening.add(key)
            span, scope = builder.span, builder.scope
            builder.span, builder.scope = let.declaration.span, ""
            with self.e.region(self.e.graph):
                self.lets[key] = self.expression(Environment(let.module), let.declaration.value)
            builder.span, builder.scope = span, scope
            self.opening.remove(key)
        return self.lets[key]

    # ------------------------------------------------------------------ names

    def _name(self, env: Environment, expr: ast.Name) -> Binding:
        found = look_up(env, expr.id)
        if found is None:
            guess = closest(expr.id, [*names_in_sight(env), *TRUTHS])
            help = VALUES.get(expr.id) or (f"did you mean `{guess}`?" if guess else None)
            if expr.id == "dW":
                help = "noise is part of a state's increment: `dx = f * ds + g * dW`, using euler_maruyama(steps)"
            return self.e.error("unknown-name", expr.span, f"nothing here is called `{expr.id}`", help=help)
        return self.let(found) if isinstance(found, LetTensor) else found

    def _several(self, env: Environment, expr: ast.Several) -> Binding:
        return tuple(self.expression(env, item) for item in expr.items)

    def _field(self, env: Environment, expr: ast.Field) -> Binding:
        help = FOREIGN.get(expr.name)
        if help is None and look_up(env, expr.name) is not None:
            help = f"write `{expr.name}`"
        return self.e.error(
            "unknown-name", expr.span, f"`{expr.span.text}` is no value: only `record` names parameters so", help=help
        )

    # ------------------------------------------------------------- arithmetic

    def _unary(self, env: Environment, expr: ast.Unary) -> Binding:
        operand = self.expression(env, expr.operand)
        if isinstance(operand, Poison):
            return operand
        if expr.op == "not":
            if isinstance(operand, bool):
                return not operand
            return self.e.checked(
                expr.span, [expr.operand.span], logic.LogicalNot, self.e.truth(operand, expr.operand.span)
            )
        if is_number(operand) or isinstance(operand, Dim):
            return -operand  # type: ignore[operator]
        return self.e.checked(expr.span, [expr.operand.span], el.Negative, self.e.value(operand, expr.operand.span))

    def _binary(self, env: Environment, expr: ast.Binary) -> Binding:
        left, right = self.expression(env, expr.left), self.expression(env, expr.right)
        if isinstance(left, Poison) or isinstance(right, Poison):
            return POISON
        if expr.op in ("and", "or"):
            return self._logical(expr, left, right)
        if is_number(left) and is_number(right) and expr.op != "@":
            return apply(expr.op, left, right)  # type: ignore[arg-type]
        if expr.op in ("/", "//", "%") and is_number(right) and not right:
            raise self.e.fail("division-by-zero", expr.right.span, "this divides by zero")
        if isinstance(left, CHOICES) and isinstance(right, CHOICES) and expr.op in ("==", "!="):
            return (type(left) is type(right) and left == right) == (expr.op == "==")
        if isinstance(left, (int, Dim)) and isinstance(right, (int, Dim)):
            size = apply_sizes(expr.op, left, right)
            if size is not None:
                return size
        spans = [expr.left.span, expr.right.span]
        if expr.op == "@":
            return self._product(expr, self.e.real(left, spans[0]), self.e.real(right, spans[1]), spans)
        if expr.op == "^":
            return self._power(expr, left, right)
        if expr.op == "/":
            return self.quotient(expr.span, spans, self.e.real(left, spans[0]), self.e.real(right, spans[1]))
        return self.e.checked(expr.span, spans, ARITHMETIC[expr.op], *self.e.promoted([left, right], spans))

    def quotient(self, span: Span, spans: Sequence[Span], numerator: Value, divisor: Value) -> Binding:
        """numerator / divisor, which is remembered: of all logits, the divisor is a temperature."""
        made = self.e.checked(span, spans, el.Divide, numerator, divisor)
        if isinstance(made, Value):
            self.e.quotients[made] = numerator, divisor
        return made

    def _logical(self, expr: ast.Binary, left: Binding, right: Binding) -> Binding:
        if isinstance(left, bool) and isinstance(right, bool):
            return (left and right) if expr.op == "and" else (left or right)
        op = logic.LogicalAnd if expr.op == "and" else logic.LogicalOr
        spans = [expr.left.span, expr.right.span]
        return self.e.checked(expr.span, spans, op, self.e.truth(left, spans[0]), self.e.truth(right, spans[1]))

    def _power(self, expr: ast.Binary, left: Binding, right: Binding) -> Binding:
        spans = [expr.left.span, expr.right.span]
        base = self.e.real(left, spans[0])
        if right == 0.5:
            return self.e.checked(expr.span, spans, el.Sqrt, base)
        if isinstance(right, int) and 1 <= right <= 4:
            square = self.e.emit(el.Multiply, base, base) if right > 1 else base
            return {1: base, 2: square}.get(right) or self.e.emit(el.Multiply, square, base if right == 3 else square)
        made = self.e.checked(expr.span, spans, el.Power, base, self.e.real(right, spans[1]))
        if isinstance(made, Value) and is_number(right) and right < 0:  # type: ignore[operator]
            self.e.quotients[made] = None, base
        return made

    def _product(self, expr: ast.Binary, left: Value, right: Value, spans: list[Span]) -> Binding:
        """numpy's `@`. A product with a plain matrix is `affine`, whose weight comes second and transposed."""
        ranks = left.type.rank, right.type.rank
        if 0 in ranks:
            at = spans[ranks.index(0)]
            return self.e.error(
                "rank-mismatch", at, "`@` multiplies vectors and matrices, this is a scalar", label="[]"
            )
        inner = left.type.shape[-1], right.type.shape[max(-2, -ranks[1])]
        if inner[0] != inner[1]:
            shapes = f"{describe(left.type.shape)} @ {describe(right.type.shape)}"
            message = f"the inner dimensions of {shapes} differ: {inner[0]} and {inner[1]}"
            return self.e.error("dimension-mismatch", expr.op_span, message, label=shapes)
        if ranks == (2, 1) and not left.type.lead:
            return self.e.emit(pr.Affine, right, left)
        if ranks[1] == 2 and not right.type.lead:
            return self.e.emit(pr.Affine, left, self.transposed(right))
        a = left if ranks[0] > 1 else self.e.emit(sh.Unsqueeze, left, axes=(-2,))
        b = right if ranks[1] > 1 else self.e.emit(sh.Unsqueeze, right, axes=(-1,))
        made = self.e.checked(expr.span, spans, pr.Matmul, a, b)
        axes = tuple(axis for axis, rank in ((-2, ranks[0]), (-1, ranks[1])) if rank == 1)
        return self.e.emit(sh.Squeeze, made, axes=axes) if axes and isinstance(made, Value) else made

    def transposed(self, x: Value) -> Value:
        """The last two axes exchanged; a transpose of a transpose is what it was."""
        if x not in self.e.transposes:
            perm = (*range(-x.type.rank, -2), -1, -2)
            flipped = self.e.emit(sh.Transpose, x, perm=perm, name=x.name)
            self.e.transposes |= {x: flipped, flipped: x}
        return self.e.transposes[x]

    def _transpose(self, env: Environment, expr: ast.Transpose) -> Binding:
        operand = self.expression(env, expr.operand)
        if isinstance(operand, Poison):
            return operand
        x = self.e.value(operand, expr.operand.span)
        if x.type.rank < 2:
            message = f"`'` exchanges the last two axes, this has {'one' if x.type.rank else 'none'}"
            return self.e.error("rank-mismatch", expr.operand.span, message, label=describe(x.type.shape))
        return self.transposed(x)

    def _stack(self, env: Environment, expr: ast.Stack) -> Binding:
        items = [self.expression(env, item) for item in expr.items]
        if any(isinstance(i, Poison) for i in items):
            return POISON
        if all(isinstance(i, (int, float, list, Dim, str)) for i in items):
            return items
        spans = [i.span for i in expr.items]
        values = self.e.promoted(items, spans)
        return self.e.checked(expr.span, spans, sh.Stack, *values, axis=-1 - values[0].type.rank)

    # ------------------------------------------------------------------ calls

    def _call(self, env: Environment, expr: ast.Call) -> Binding:
        arguments = [] if self._is_foreign(env, expr.function) else expr.arguments
        return self._applied(env, expr.function, [self._argument(env, a) for a in arguments], expr.span)

    def _is_foreign(self, env: Environment, callee: ast.Expr) -> bool:
        """Whether a call is another library's, whose arguments have another form: `cat([x, y])`."""
        if isinstance(callee, ast.Field):
            return callee.name in FOREIGN
        return isinstance(callee, ast.Name) and callee.id in FOREIGN and look_up(env, callee.id) is None

    def _argument(self, env: Environment, argument: ast.Argument) -> BoundArgument:
        return BoundArgument(
            argument.name, self.expression(env, argument.value), argument.value.span, argument.name_span
        )

    def _applied(self, env: Environment, callee: ast.Expr, arguments: list[BoundArgument], span: Span) -> Binding:
        if not isinstance(callee, ast.Name):
            help = self._as_function(env, callee)
            return self.e.error(
                "not-callable", callee.span, "only a layer, a net or a function can be called", help=help
            )
        function = look_up(env, callee.id)
        if function is None:
            guess = closest(callee.id, names_in_sight(env))
            help = FOREIGN.get(callee.id) or (f"did you mean `{guess}`?" if guess else None)
            message = f"there is no layer, net or function called `{callee.id}`"
            return self.e.error("unknown-function", callee.span, message, help=help)
        if isinstance(function, (Value, int, float, Dim, list, tuple, str)):
            return self._not_callable(env, callee, function)
        if self.e.at(callee.span) is callee.span:
            self.e.named = callee.span
        return self.e.calls.call(function, arguments, span)

    def _not_callable(self, env: Environment, callee: ast.Name, given: Binding) -> Binding:
        """Told where a name is called; of an argument of a standard layer, where it is given."""
        given_at, span, whose = env.where.get(callee.id), callee.span, ""
        if in_prelude(span.source) and given_at is not None and not in_prelude(given_at.source):
            span, whose = given_at, f" of `{self.e.call_stack[-1]}`"
        message = f"`{callee.id}`{whose} is {kind_of(given)}, not a function"
        return self.e.error("not-callable", span, message, label="not a function")

    def _as_function(self, env: Environment, callee: ast.Expr) -> str | None:
        """What `torch.relu(x)`, `x.relu()` and `Linear(8)(x)` are here."""
        if isinstance(callee, ast.Call):
            return TOGETHER
        if not isinstance(callee, ast.Field):
            return None
        name = callee.name
        if name in FOREIGN:
            return FOREIGN[name]
        known = name if look_up(env, name) else closest(name, names_in_sight(env))
        own = isinstance(callee.base, ast.Name) and callee.base.id in env.names
        given = callee.base.span.text if own else "..."
        return f"there are no modules and methods: write `{known}({given})`" if known else None

    def _pipe(self, env: Environment, expr: ast.Pipe) -> Binding:
        first = BoundArgument(None, self.expression(env, expr.left), expr.left.span)
        if isinstance(expr.right, ast.Call):
            rest = [self._argument(env, a) for a in expr.right.arguments]
            return self._applied(env, expr.right.function, [first, *rest], expr.span)
        return self._applied(env, expr.right, [first], expr.span)

    # --------------------------------------------------------------- indexing

    def _index(self, env: Environment, expr: ast.Index) -> Binding:
        base = self.expression(env, expr.base)
        if isinstance(base, Poison):
            return base
        x = self.e.value(base, expr.base.span)
        used = sum(not isinstance(item, ast.NewAxis) for item in expr.items)
        if used > x.type.rank:
            count = f"{x.type.rank} {'axis' if x.type.rank == 1 else 'axes'}"
            message = f"{used} indices for {describe(x.type.shape)}, which has {count}"
            return self.e.error("rank-mismatch", expr.span, message, label=describe(x.type.shape))
        axis = -x.type.rank
        for item in expr.items:
            x, axis = self._indexed(env, x, item, axis)
        return x

    def _indexed(
        self, env: Environment, x: Value, item: ast.Expr | ast.Slice | ast.NewAxis, axis: int
    ) -> tuple[Value, int]:
        """Apply one index at `axis` (counted from the end); the axis for the next one."""
        if isinstance(item, ast.NewAxis):
            return self.e.emit(sh.Unsqueeze, x, axes=(axis - 1,)), axis
        if isinstance(item, ast.Slice):
            return self._sliced(env, x, item, axis), axis + 1
        index = self.expression(env, item)
        size = x.type.shape[axis]
        if isinstance(index, int) and not isinstance(index, bool):
            if isinstance(size, int) and not -size <= index < size:
                raise self.e.fail("index-out-of-range", item.span, f"index {index} is outside an axis of {size}")
            return self.e.emit(ix.Pick, x, axis=axis, index=index), axis + 1
        if setting_of(index):
            self.e.size(index, item.span)
        chosen = self.e.value(index, item.span)
        if chosen.type.dtype is not DType.INT:
            what, help = ("true or false", CHOOSE) if chosen.type.dtype is DType.BOOL else ("real", None)
            raise self.e.fail("dtype-mismatch", item.span, f"an index is a whole number, this is {what}", help=help)
        self._check_classes(chosen, size, item.span)
        return self.e.emit(ix.Take, x, chosen, axis=axis, rank=x.type.rank, index_rank=chosen.type.rank), axis + 1

    def _check_classes(self, index: Value, size: Size, span: Span) -> None:
        classes = index.type.classes
        if isinstance(classes, int) and isinstance(size, int) and classes > size:
            message = f"labels below {classes} do not fit an axis of {size}"
            raise self.e.fail("class-range", span, message, label=f"class[{classes}]")

    def _sliced(self, env: Environment, x: Value, item: ast.Slice, axis: int) -> Value:
        bounds = [None if part is None else self.expression(env, part) for part in (item.start, item.stop, item.step)]
        if any(isinstance(b, Poison) for b in bounds):
            raise Stop
        for bound, part in zip(bounds, (item.start, item.stop, item.step), strict=True):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, Dim))):
                assert part is not None
                raise self.e.fail("static-needed", part.span, f"a slice is bounded by sizes, this is {kind_of(bound)}")
            if isinstance(bound, Dim) and part is not None:
                self.e.size(bound, part.span)
        start, stop, step = bounds
        if start in (None, 0) and stop in (None, x.type.shape[axis]) and step in (None, 1):
            return x
        made = self.e.checked(item.span, [item.span], ix.Slice, x, axis=axis, start=start, stop=stop, step=step)
        if isinstance(made, Poison):
            raise Stop
        return self.e.value(made, item.span)


def _literal(env: Environment, expr: ast.Number | ast.String | ast.Bool) -> Binding:
    return expr.value
