"""Expressions: numbers stay numbers, tensors become nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mai.compiler.elaborate.bindings import (
    POISON,
    Binding,
    BoundArgument,
    Callables,
    Environment,
    LetTensor,
    Module,
    Poison,
    is_number,
)
from mai.compiler.elaborate.core import Core, Stop, kind_of
from mai.compiler.elaborate.functions import BUILTINS
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


class Expressions(Core):
    """Evaluation of expressions; `Stop` inside is turned into `POISON` at the nearest expression."""

    def expression(self, env: Environment, expr: ast.Expr) -> Binding:
        rule: Callable[[Environment, Any], Binding] = self._rules()[type(expr)]
        outer, self.builder.span = self.builder.span, self.at(expr.span)
        try:
            return rule(env, expr)
        except Stop:
            return POISON
        except StaticError as error:
            return self.error(error.slug, expr.span, error.message)
        finally:
            self.builder.span = outer

    def _rules(self) -> dict[type[ast.Expr], Callable[[Environment, Any], Binding]]:
        return {
            ast.Number: lambda env, e: e.value,
            ast.String: lambda env, e: e.value,
            ast.Bool: lambda env, e: e.value,
            ast.Name: self._name,
            ast.Field: self._field,
            ast.Unary: self._unary,
            ast.Binary: self._binary,
            ast.Transpose: self._transpose,
            ast.Stack: self._stack,
            ast.Several: lambda env, e: tuple(self.expression(env, item) for item in e.items),
            ast.Call: self._call,
            ast.Pipe: self._pipe,
            ast.Index: self._index,
        }

    # ------------------------------------------------------------------ names

    def look_up(self, env: Environment, name: str) -> Binding | None:
        """What a name stands for; None where nothing has it."""
        if name in env.names:
            return env.names[name]
        module: Module | None = env.module
        while module is not None:
            if name in module.names:
                return module.names[name]
            module = module.parent
        return BUILTINS.get(name)

    def _name(self, env: Environment, expr: ast.Name) -> Binding:
        found = self.look_up(env, expr.id)
        if found is None:
            guess = closest(expr.id, [*self.names_in_sight(env), *TRUTHS])
            help = VALUES.get(expr.id) or (f"did you mean `{guess}`?" if guess else None)
            if expr.id == "dW":
                help = "noise is part of an increment: `dx = f * ds + g * dW`, using euler_maruyama(steps)"
            return self.error("unknown-name", expr.span, f"nothing here is called `{expr.id}`", help=help)
        return self.let(found) if isinstance(found, LetTensor) else found

    def names_in_sight(self, env: Environment) -> list[str]:
        names = list(env.names)
        module: Module | None = env.module
        while module is not None:
            names += module.names
            module = module.parent
        return names + list(BUILTINS)

    def _field(self, env: Environment, expr: ast.Field) -> Binding:
        help = FOREIGN.get(expr.name)
        if help is None and self.look_up(env, expr.name) is not None:
            help = f"write `{expr.name}`"
        return self.error(
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
            return self.checked(
                expr.span, [expr.operand.span], logic.LogicalNot, self.truth(operand, expr.operand.span)
            )
        if is_number(operand) or isinstance(operand, Dim):
            return -operand  # type: ignore[operator]
        return self.checked(expr.span, [expr.operand.span], el.Negative, self.value(operand, expr.operand.span))

    def truth(self, operand: Binding, span: Span) -> Value:
        """A true-or-false tensor."""
        value = self.value(operand, span)
        if value.type.dtype is not DType.BOOL:
            raise self.fail("dtype-mismatch", span, "true or false is needed here, this is a number")
        return value

    def _binary(self, env: Environment, expr: ast.Binary) -> Binding:
        left, right = self.expression(env, expr.left), self.expression(env, expr.right)
        if isinstance(left, Poison) or isinstance(right, Poison):
            return POISON
        if expr.op in ("and", "or"):
            return self._logical(expr, left, right)
        if is_number(left) and is_number(right) and expr.op != "@":
            return apply(expr.op, left, right)  # type: ignore[arg-type]
        if expr.op in ("/", "//", "%") and is_number(right) and not right:
            raise self.fail("division-by-zero", expr.right.span, "this divides by zero")
        if isinstance(left, CHOICES) and isinstance(right, CHOICES) and expr.op in ("==", "!="):
            return (type(left) is type(right) and left == right) == (expr.op == "==")
        if isinstance(left, (int, Dim)) and isinstance(right, (int, Dim)):
            size = apply_sizes(expr.op, left, right)
            if size is not None:
                return size
        spans = [expr.left.span, expr.right.span]
        if expr.op == "@":
            return self._product(expr, self.real(left, spans[0]), self.real(right, spans[1]), spans)
        if expr.op == "^":
            return self._power(expr, left, right)
        if expr.op == "/":
            return self.checked(expr.span, spans, el.Divide, self.real(left, spans[0]), self.real(right, spans[1]))
        return self.checked(expr.span, spans, ARITHMETIC[expr.op], *self.promoted([left, right], spans))

    def promoted(self, operands: list[Binding], spans: list[Span]) -> list[Value]:
        """Operands with one dtype: real if any of them is real."""
        whole = all(isinstance(o, (int, Dim)) or (isinstance(o, Value) and o.type.dtype is DType.INT) for o in operands)
        if whole and not any(isinstance(o, bool) for o in operands):
            return [self.value(o, s) for o, s in zip(operands, spans, strict=True)]
        return [self.real(o, s) for o, s in zip(operands, spans, strict=True)]

    def _logical(self, expr: ast.Binary, left: Binding, right: Binding) -> Binding:
        if isinstance(left, bool) and isinstance(right, bool):
            return (left and right) if expr.op == "and" else (left or right)
        op = logic.LogicalAnd if expr.op == "and" else logic.LogicalOr
        spans = [expr.left.span, expr.right.span]
        return self.checked(expr.span, spans, op, self.truth(left, spans[0]), self.truth(right, spans[1]))

    def _power(self, expr: ast.Binary, left: Binding, right: Binding) -> Binding:
        spans = [expr.left.span, expr.right.span]
        base = self.real(left, spans[0])
        if right == 0.5:
            return self.checked(expr.span, spans, el.Sqrt, base)
        if isinstance(right, int) and 1 <= right <= 4:
            square = self.emit(el.Multiply, base, base) if right > 1 else base
            return {1: base, 2: square}.get(right) or self.emit(el.Multiply, square, base if right == 3 else square)
        return self.checked(expr.span, spans, el.Power, base, self.real(right, spans[1]))

    def _product(self, expr: ast.Binary, left: Value, right: Value, spans: list[Span]) -> Binding:
        """numpy's `@`. A product with a plain matrix is `affine`, whose weight comes second and transposed."""
        ranks = left.type.rank, right.type.rank
        if 0 in ranks:
            at = spans[ranks.index(0)]
            return self.error("rank-mismatch", at, "`@` multiplies vectors and matrices, this is a scalar", label="[]")
        inner = left.type.shape[-1], right.type.shape[max(-2, -ranks[1])]
        if inner[0] != inner[1]:
            shapes = f"{describe(left.type.shape)} @ {describe(right.type.shape)}"
            message = f"the inner dimensions of {shapes} differ: {inner[0]} and {inner[1]}"
            return self.error("dimension-mismatch", expr.op_span, message, label=shapes)
        if ranks == (2, 1) and not left.type.lead:
            return self.emit(pr.Affine, right, left)
        if ranks[1] == 2 and not right.type.lead:
            return self.emit(pr.Affine, left, self.transposed(right))
        a = left if ranks[0] > 1 else self.emit(sh.Unsqueeze, left, axes=(-2,))
        b = right if ranks[1] > 1 else self.emit(sh.Unsqueeze, right, axes=(-1,))
        made = self.checked(expr.span, spans, pr.Matmul, a, b)
        axes = tuple(axis for axis, rank in ((-2, ranks[0]), (-1, ranks[1])) if rank == 1)
        return self.emit(sh.Squeeze, made, axes=axes) if axes and isinstance(made, Value) else made

    def transposed(self, x: Value) -> Value:
        """The last two axes exchanged; a transpose of a transpose is what it was."""
        if x not in self.transposes:
            perm = (*range(-x.type.rank, -2), -1, -2)
            flipped = self.emit(sh.Transpose, x, perm=perm, name=x.name)
            self.transposes |= {x: flipped, flipped: x}
        return self.transposes[x]

    def _transpose(self, env: Environment, expr: ast.Transpose) -> Binding:
        operand = self.expression(env, expr.operand)
        if isinstance(operand, Poison):
            return operand
        x = self.value(operand, expr.operand.span)
        if x.type.rank < 2:
            message = f"`'` exchanges the last two axes, this has {'one' if x.type.rank else 'none'}"
            return self.error("rank-mismatch", expr.operand.span, message, label=describe(x.type.shape))
        return self.transposed(x)

    def _stack(self, env: Environment, expr: ast.Stack) -> Binding:
        items = [self.expression(env, item) for item in expr.items]
        if any(isinstance(i, Poison) for i in items):
            return POISON
        if all(isinstance(i, (int, float, list, Dim, str)) for i in items):
            return items
        spans = [i.span for i in expr.items]
        values = self.promoted(items, spans)
        return self.checked(expr.span, spans, sh.Stack, *values, axis=-1 - values[0].type.rank)

    # ------------------------------------------------------------------ calls

    def _call(self, env: Environment, expr: ast.Call) -> Binding:
        arguments = [] if self._is_foreign(env, expr.function) else expr.arguments
        return self._applied(env, expr.function, [self._argument(env, a) for a in arguments], expr.span)

    def _is_foreign(self, env: Environment, callee: ast.Expr) -> bool:
        """Whether a call is another library's, whose arguments have another form: `cat([x, y])`."""
        if isinstance(callee, ast.Field):
            return callee.name in FOREIGN
        return isinstance(callee, ast.Name) and callee.id in FOREIGN and self.look_up(env, callee.id) is None

    def _argument(self, env: Environment, argument: ast.Argument) -> BoundArgument:
        return BoundArgument(
            argument.name, self.expression(env, argument.value), argument.value.span, argument.name_span
        )

    def _applied(self, env: Environment, callee: ast.Expr, arguments: list[BoundArgument], span: Span) -> Binding:
        if not isinstance(callee, ast.Name):
            help = self._as_function(env, callee)
            return self.error("not-callable", callee.span, "only a layer, a net or a function can be called", help=help)
        function = self.look_up(env, callee.id)
        if function is None:
            guess = closest(callee.id, self.names_in_sight(env))
            help = FOREIGN.get(callee.id) or (f"did you mean `{guess}`?" if guess else None)
            message = f"there is no layer, net or function called `{callee.id}`"
            return self.error("unknown-function", callee.span, message, help=help)
        if isinstance(function, (Value, int, float, Dim, list, tuple, str)):
            return self._not_callable(env, callee, function)
        if self.at(callee.span) is callee.span:
            self.named = callee.span
        return self.call(function, arguments, span)

    def _not_callable(self, env: Environment, callee: ast.Name, given: Binding) -> Binding:
        """Told where a name is called; of an argument of a standard layer, where it is given."""
        given_at, span, whose = env.where.get(callee.id), callee.span, ""
        if in_prelude(span.source) and given_at is not None and not in_prelude(given_at.source):
            span, whose = given_at, f" of `{self.calls[-1]}`"
        message = f"`{callee.id}`{whose} is {kind_of(given)}, not a function"
        return self.error("not-callable", span, message, label="not a function")

    def _as_function(self, env: Environment, callee: ast.Expr) -> str | None:
        """What `torch.relu(x)`, `x.relu()` and `Linear(8)(x)` are here."""
        if isinstance(callee, ast.Call):
            return TOGETHER
        if not isinstance(callee, ast.Field):
            return None
        name = callee.name
        if name in FOREIGN:
            return FOREIGN[name]
        known = name if self.look_up(env, name) else closest(name, self.names_in_sight(env))
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
        x = self.value(base, expr.base.span)
        used = sum(not isinstance(item, ast.NewAxis) for item in expr.items)
        if used > x.type.rank:
            count = f"{x.type.rank} {'axis' if x.type.rank == 1 else 'axes'}"
            message = f"{used} indices for {describe(x.type.shape)}, which has {count}"
            return self.error("rank-mismatch", expr.span, message, label=describe(x.type.shape))
        axis = -x.type.rank
        for item in expr.items:
            x, axis = self._indexed(env, x, item, axis)
        return x

    def _indexed(
        self, env: Environment, x: Value, item: ast.Expr | ast.Slice | ast.NewAxis, axis: int
    ) -> tuple[Value, int]:
        """Apply one index at `axis` (counted from the end); the axis for the next one."""
        if isinstance(item, ast.NewAxis):
            return self.emit(sh.Unsqueeze, x, axes=(axis - 1,)), axis
        if isinstance(item, ast.Slice):
            return self._sliced(env, x, item, axis), axis + 1
        index = self.expression(env, item)
        size = x.type.shape[axis]
        if isinstance(index, int) and not isinstance(index, bool):
            if isinstance(size, int) and not -size <= index < size:
                raise self.fail("index-out-of-range", item.span, f"index {index} is outside an axis of {size}")
            return self.emit(ix.Pick, x, axis=axis, index=index), axis + 1
        chosen = self.value(index, item.span)
        if chosen.type.dtype is not DType.INT:
            what, help = ("true or false", CHOOSE) if chosen.type.dtype is DType.BOOL else ("real", None)
            raise self.fail("dtype-mismatch", item.span, f"an index is a whole number, this is {what}", help=help)
        self._check_classes(chosen, size, item.span)
        return self.emit(ix.Take, x, chosen, axis=axis, rank=x.type.rank, index_rank=chosen.type.rank), axis + 1

    def _check_classes(self, index: Value, size: Size, span: Span) -> None:
        classes = index.type.classes
        if isinstance(classes, int) and isinstance(size, int) and classes > size:
            message = f"labels below {classes} do not fit an axis of {size}"
            raise self.fail("class-range", span, message, label=f"class[{classes}]")

    def _sliced(self, env: Environment, x: Value, item: ast.Slice, axis: int) -> Value:
        bounds = [None if part is None else self.expression(env, part) for part in (item.start, item.stop, item.step)]
        if any(isinstance(b, Poison) for b in bounds):
            raise Stop
        for bound, part in zip(bounds, (item.start, item.stop, item.step), strict=True):
            if bound is not None and (isinstance(bound, bool) or not isinstance(bound, (int, Dim))):
                assert part is not None
                raise self.fail("static-needed", part.span, f"a slice is bounded by sizes, this is {kind_of(bound)}")
        start, stop, step = bounds
        if start in (None, 0) and stop in (None, x.type.shape[axis]) and step in (None, 1):
            return x
        made = self.checked(item.span, [item.span], ix.Slice, x, axis=axis, start=start, stop=stop, step=step)
        if isinstance(made, Poison):
            raise Stop
        return self.value(made, item.span)
