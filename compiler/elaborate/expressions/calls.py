"""Calls: matching arguments, mapping over extra axes, and inlining layers and nets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import replace

from mai.compiler.elaborate.bindings import (
    POISON,
    Binding,
    BoundArgument,
    Builtin,
    Environment,
    Function,
    Module,
    Partial,
    Poison,
    WeightScope,
    is_number,
)
from mai.compiler.elaborate.context import CallAround, Context, Stop, kind_of
from mai.compiler.elaborate.errors import repairs
from mai.compiler.elaborate.errors.attempt import attempt
from mai.compiler.elaborate.expressions.families import check_chosen, chosen_result, one_for_all
from mai.compiler.elaborate.expressions.mapped_axes import led, mapped_axes, unmapped
from mai.compiler.elaborate.expressions.names import is_free
from mai.compiler.elaborate.expressions.rearranged import MISPLACED, TOO_MANY, exchanged, shortened
from mai.compiler.elaborate.expressions.signatures import Fitted, counted, dims_of
from mai.compiler.elaborate.functions.builtin_calls import bind_named, bound_arguments, call_builtin
from mai.compiler.elaborate.parameters.filled import FILLED
from mai.compiler.elaborate.repeating.keys import key_of
from mai.compiler.elaborate.repeating.recording import Recording
from mai.compiler.elaborate.repeating.store import templates
from mai.compiler.elaborate.repeating.templates import MAX_ATTEMPTS, MAX_TURNS_APART, Noted, repeat
from mai.compiler.ir.graph import Initial, Value
from mai.compiler.ir.types import Axis
from mai.spec import ast
from mai.spec.source import Span

MAX_CALL_DEPTH = 60
MAX_CALLS = 10_000


class Calls:
    """Application of layers, nets, built-in functions, and of what lacks some of its arguments."""

    def __init__(self, context: Context) -> None:
        self.e = context
        self.inlined = 0
        self.deepest = 0  # How many calls were nested at most.
        self.called: list[tuple[Module, str]] = []
        self.named: list[tuple[str, Value, str]] = []  # What a net calls a value.
        self.noted: list[tuple[tuple[Span, str | int], Value]] = []  # What a place in the text has stood for.
        self.templates = templates()

    def call(self, function: Binding, arguments: Sequence[BoundArgument], span: Span) -> Binding:
        """The result of a call of a built-in function, a net or a layer with arguments that are evaluated."""
        if isinstance(function, Poison):
            return POISON
        outer, self.e.builder.span = (self.e.builder.span, self.e.callee), self.e.at(span)
        if self.e.builder.span is span:
            self.e.callee = getattr(function, "name", "")
        count_before = len(self.e.report.diagnostics)
        try:
            if any(isinstance(a.value, Poison) for a in arguments):
                return self._check_others(function, list(arguments), span)
            result = self._dispatch(function, list(arguments), span)
        except Stop:
            result = POISON
        finally:
            self.e.builder.span, self.e.callee = outer
        if isinstance(result, Poison):
            self.e.report.offer(count_before, MISPLACED, span, exchanged(arguments, span))
            self.e.report.offer(count_before, TOO_MANY, span, shortened(arguments, span))
        for value in result if isinstance(result, tuple) else (result,):
            if isinstance(value, Value):
                self.e.origins.setdefault(value, self.e.at(span) or span)
                self.e.signatures.remember_call(value, function, arguments, span)
        return result

    def _check_others(self, function: Binding, arguments: list[BoundArgument], span: Span) -> Binding:
        """Some arguments are wrong already; what is wrong with the others has nothing to do with them."""
        if isinstance(function, Partial):
            return self._check_others(function.function, [*arguments, *function.arguments], span)
        if isinstance(function, Builtin):
            bound_arguments(self.e, function, arguments, span)
        if isinstance(function, Function):
            bound = self._match(function, arguments, span)
            if bound is not None:
                self._fit_others(function, bound, span)
        return POISON

    def _fit_others(self, function: Function, bound: dict[str, BoundArgument], span: Span) -> None:
        """What an argument that is wrong would have bound is poison, and so are the types that speak of it."""
        env = Environment(function.module)
        self._bind_statics(env, function, bound, span)
        tensors = [(p, bound[p.name.id]) for p in function.declaration.parameters if p.type and p.name.id in bound]
        for parameter, argument in tensors:
            wrong = isinstance(argument.value, Poison) and parameter.type
            for dim in dims_of(wrong) if wrong else ():
                if isinstance(dim, ast.Name) and is_free(env, dim):
                    env.names[dim.id] = POISON
        for parameter, argument in tensors:
            with suppress(Stop):
                self.e.signatures.fit(env, function.name, parameter, argument.value, argument.span)

    def _dispatch(self, function: Binding, arguments: list[BoundArgument], span: Span) -> Binding:
        if isinstance(function, Partial):
            return self._dispatch(function.function, [*arguments, *function.arguments], span)
        if isinstance(function, Builtin):
            return call_builtin(self.e, function, arguments, span)
        if isinstance(function, Function):
            if function.count is None:
                return self._function(function, arguments, span)
            return self._of_family(function, arguments, span)
        if isinstance(function, Initial) and function.kind in FILLED:
            return FILLED[function.kind](self.e, function, arguments, span)
        raise self.e.fail("not-callable", span, f"this is {kind_of(function)}, not a function")

    def _of_family(self, function: Function, arguments: list[BoundArgument], span: Span) -> Binding:
        """A call of one net of a family."""
        check_chosen(self.e, function, span)
        call = self._function if one_for_all(function) else self._any
        return call(function, arguments, span)

    def _any(self, function: Function, arguments: list[BoundArgument], span: Span) -> Binding:
        """A net of a family that each example has its own of: with the parameters that each takes, or by `_all`."""
        if self._match(function, arguments, span) is None:
            return Partial(function, tuple(arguments))
        taken: list[Binding] = []
        among = function.scope(self.e.scope).among
        if among is not None and function.at is not None and function.at.among is not None:
            return self._all(function, arguments, span)
        refused = attempt(
            self.e, Environment(function.module), lambda: taken.append(self._function(function, arguments, span))
        )
        return taken[0] if refused is None else self._all(function, arguments, span)

    def _all(self, function: Function, arguments: list[BoundArgument], span: Span) -> Binding:
        """What all nets of a family give, of which each example takes one."""
        assert function.count is not None, "only a family has members"
        each = [self._function(replace(function, member=i), arguments, span) for i in range(function.count)]
        if any(isinstance(result, Poison) for result in each):
            return POISON
        return chosen_result(self.e, function, each)

    # -------------------------------------------------------- layers and nets

    def _function(self, function: Function, arguments: list[BoundArgument], span: Span) -> Binding:
        declaration = function.declaration
        self.note_called(function.module, function.name)
        bound = self._match(function, arguments, span)
        if bound is None:
            return Partial(function, tuple(arguments))
        if function.name in self.e.call_stack and (
            declaration.kind == "net" or self.e.call_stack.count(function.name) > 2
        ):
            raise self.e.fail("recursive-call", span, f"`{function.name}` calls itself", label="this call never ends")
        if len(self.e.call_stack) > MAX_CALL_DEPTH:
            raise self.e.fail("recursive-call", span, f"calls are nested more than {MAX_CALL_DEPTH} deep here")
        self.deepest = max(self.deepest, len(self.e.call_stack))
        env, scope = Environment(function.module), self._scope_of(function)
        self._bind_statics(env, function, bound, span)
        around = self.e.builder.scope
        with self.e.weight_scope(scope):  # Where a default names its parameters; its nodes stand around the call.
            self.e.builder.scope = around
            fitted = self._fit_all(env, function, bound)
        return self._inline(env, function, fitted, scope, span)

    def _match(
        self, function: Function, arguments: Sequence[BoundArgument], span: Span
    ) -> dict[str, BoundArgument] | None:
        """Arguments by parameter name: positional ones in order, then those with names; None where tensors lack and all have names."""
        names = [p.name.id for p in function.declaration.parameters]
        positional = [a for a in arguments if a.name is None]
        if len(positional) > len(names):
            message = f"`{function.name}` takes {counted(len(names), 'argument')}, here are {len(positional)}"
            raise self.e.fail("too-many-arguments", positional[len(names)].span, message)
        bound = dict(zip(names, positional, strict=False))
        for argument in arguments:
            if argument.name is not None:
                bind_named(self.e, function.name, argument, names, bound)
        tensors = [p for p in function.declaration.parameters if p.type is not None]
        absent = [p for p in tensors if p.name.id not in bound and p.default is None]
        if absent and not positional:  # Of those that it lacks, with what has been given by name.
            return None
        if absent:
            message = f"`{function.name}` lacks its argument `{absent[0].name.id}`"
            said = {name: a.span for name, a in bound.items()} if len(positional) == len(bound) else None
            raise self.e.fail("missing-argument", span, message, help=repairs.called_as(function.declaration, said))
        return bound

    def _bind_statics(self, env: Environment, function: Function, bound: dict[str, BoundArgument], span: Span) -> None:
        """Compile-time parameters. A default may speak of dimensions, which are bound later: it is evaluated there."""
        for parameter in function.declaration.parameters:
            if parameter.type is not None:
                continue
            argument = bound.get(parameter.name.id)
            if argument is None:
                if parameter.default is None:
                    message = f"`{function.name}` lacks its argument `{parameter.name.id}`"
                    edits = repairs.numbers_for(span, parameter, function.declaration)
                    called = repairs.called_as(function.declaration)
                    raise self.e.fail("missing-argument", span, message, help=called, edits=edits)
                continue
            if isinstance(argument.value, Value) and not _may_be_tensor(parameter):
                message = f"`{parameter.name.id}` of `{function.name}` is fixed when the file is compiled"
                help = (
                    self.e.default_help(argument.value)
                    or repairs.without_input(argument.span)
                    or repairs.typed_parameter(parameter, argument.value)
                )
                raise self.e.fail("static-needed", argument.span, message, label=kind_of(argument.value), help=help)
            if (
                isinstance(parameter.default, ast.Bool)
                and is_number(argument.value)
                and parameter.span.source.in_prelude
            ):
                message = f"`{parameter.name.id}` of `{function.name}` is true or false, this is {argument.value}"
                raise self.e.fail("dtype-mismatch", argument.span, message)
            env.bind(parameter.name, argument.value)
            env.where[parameter.name.id] = argument.span

    def _fit_all(self, env: Environment, function: Function, bound: dict[str, BoundArgument]) -> dict[str, Fitted]:
        fitted: dict[str, Fitted] = {}
        for parameter in function.declaration.parameters:
            if parameter.type is None:
                continue
            argument = bound.get(parameter.name.id)
            if argument is None:
                assert parameter.default is not None
                argument = BoundArgument(
                    None, self.e.expressions.expression(env, parameter.default), parameter.default.span
                )
            fit = self.e.signatures.fit(env, function.name, parameter, argument.value, argument.span)
            fitted[parameter.name.id] = fit
            env.names[parameter.name.id] = fit.value  # The default of one after it may be this one.
        for parameter in function.declaration.parameters:
            if parameter.type is None and parameter.name.id not in env.names:
                assert parameter.default is not None
                value = self.e.expressions.expression(env, parameter.default)
                if isinstance(value, Poison):
                    raise Stop  # What is wrong with it has been said: in an argument that it speaks of.
                env.bind(parameter.name, value)
        return fitted

    # --------------------------------------------------------------- inlining

    def _inline(
        self, env: Environment, function: Function, fitted: dict[str, Fitted], scope: WeightScope, span: Span
    ) -> Binding:
        self._count_call(function, span)
        is_mapped = any(argument.mapped for argument in fitted.values())
        axes = mapped_axes(self.e, list(fitted.values()), function.name) if is_mapped else ()
        tensors: dict[str, Value] = {}
        for name, argument in fitted.items():
            value = led(self.e, argument, axes[len(axes) - argument.mapped :]) if argument.mapped else argument.value
            tensors[name] = value
            if not value.name:
                value.name = name
            if function.declaration.kind == "net":
                self.note_named(function.name, value, name)
            self._note(function, name, value)
            env.names[name] = value
        call = self._around(function, fitted, env, span)
        if not self.templates.are_made:
            return self._written_out(env, function, scope, axes, call)
        key = key_of(self.e, env, function, tensors, axes)
        repeated = self._repeated(key, function, list(tensors.values()), scope)
        if repeated is not None:
            return repeated
        if key is None or self.templates.has(key):
            return self._written_out(env, function, scope, axes, call)
        recording = Recording(self.e, list(tensors.values()), scope, self.templates.prints.of(function).declarations)
        result = self._written_out(env, function, scope, axes, call)
        self.templates.put(key, recording.template(result))
        return result

    def _repeated(
        self, key: Hashable | None, function: Function, tensors: Sequence[Value], scope: WeightScope
    ) -> Binding:
        """What a call gives that is like an earlier one; None for the first of its kind."""
        template = None if key is None else self.templates.get(key, function)
        if template is None or not self.has_room(template.noted):
            return None
        return repeat(self.e, template, tensors, scope, self.templates.prints.of(function).modules)

    def has_room(self, noted: Noted) -> bool:
        """Whether what is inside a call keeps to the limits of a graph; else elaborating it says what does not."""
        return (
            self.inlined + noted.inlined < MAX_CALLS
            and len(self.e.call_stack) + noted.deepest <= MAX_CALL_DEPTH
            and self.e.turns_apart + noted.turns_apart <= MAX_TURNS_APART
            and self.e.failed_attempts + noted.failed_attempts <= MAX_ATTEMPTS
        )

    def _written_out(
        self, env: Environment, function: Function, scope: WeightScope, axes: tuple[Axis, ...], call: CallAround
    ) -> Value | tuple[Value, ...]:
        """What the call gives, from its body."""
        outer, self.e.axes = self.e.axes, (*self.e.axes, *axes)
        self.e.calls_around.append(call)
        try:
            result = self._elaborated(env, function, scope)
            self.e.axes = outer
            return self._returned(env, function, result, axes, call.span)
        finally:
            self.e.calls_around.pop()
            self.e.axes = outer

    def _elaborated(self, env: Environment, function: Function, scope: WeightScope) -> Binding:
        """What the body returns."""
        self.e.call_stack.append(function.name)
        try:
            with self.e.weight_scope(scope):
                return self.e.statements.block(env, function.declaration.body)
        finally:
            self.e.call_stack.pop()

    def _note(self, function: Function, slot: str | int, value: Value) -> None:
        """What a parameter or a result of one of the file's own functions stands for in this call."""
        place = function.declaration.name.span
        if not place.source.in_prelude:
            self.note((place, slot), value)

    def note(self, key: tuple[Span, str | int], value: Value) -> None:
        """What a parameter or a result stands for, by its place in the text and its name or number."""
        self.noted.append((key, value))
        self.e.graph.calls.setdefault(key, []).append(value)

    def note_called(self, module: Module, name: str) -> None:
        """A function of a file has been called."""
        module.called.add(name)
        if not module.source.in_prelude:
            self.called.append((module, name))

    def note_named(self, net: str, value: Value, name: str) -> None:
        """What a net calls a value."""
        self.named.append((net, value, name))
        self.e.graph.arguments.setdefault(net, {}).setdefault(value, name)

    def _around(self, function: Function, fitted: dict[str, Fitted], env: Environment, span: Span) -> CallAround:
        """The call, for messages about the body; a net whose types are all numbers is wrong by itself."""
        parameters = function.declaration.parameters
        free = any(isinstance(d, ast.Name) and d.id in env.where for p in parameters if p.type for d in dims_of(p.type))
        decides = free or any(p.type is None for p in parameters) or any(f.mapped for f in fitted.values())
        where = {p.name.id: env.where[p.name.id] for p in parameters if p.type is None and p.name.id in env.where}
        return CallAround(span, {name: f.value for name, f in fitted.items()}, decides, where)

    def _count_call(self, function: Function, span: Span) -> None:
        """Calls are written out: a net that calls a net twice, that calls a net twice, soon fills the memory."""
        self.inlined += 1
        if self.inlined == MAX_CALLS:
            raise self.e.fail(
                "too-deep", span, f"with `{function.name}` the calls of this file are more than {MAX_CALLS:,}"
            )
        if self.inlined > MAX_CALLS:
            raise Stop

    def _scope_of(self, function: Function) -> WeightScope:
        """A net names its weights by itself, wherever it is called; a layer by the place of the call, or of its family."""
        if function.declaration.kind == "net" or function.at is not None:
            return function.scope(self.e.scope)
        return self.e.scope.enter(function.name)

    def _returned(
        self, env: Environment, function: Function, result: Binding, axes: tuple[Axis, ...], span: Span
    ) -> Value | tuple[Value, ...]:
        if result is None:
            at, help = function.declaration.name.span, repairs.returned(function.declaration)
            message = f"`{function.name}` returns nothing"
            raise self.e.fail("missing-return", at, message, label="no `return` in its body", help=help)
        values = self.e.signatures.results(env, function.declaration, result)
        parts = tuple([unmapped(self.e, value, axes) for value in values] if axes else values)
        for number, part in enumerate(parts):
            self._note(function, number, part)
        return parts if isinstance(result, tuple) else parts[0]


def _may_be_tensor(parameter: ast.Parameter) -> bool:
    """Whether an argument without a type may be a tensor: one that is left out is `nothing`."""
    return isinstance(parameter.default, ast.Name) and parameter.default.id == "nothing"
