"""What functions are known by: their texts, and all that the names in them stand for."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from mai.compiler.elaborate.bindings import Absent, Binding, Builtin, Environment, Function, Module
from mai.compiler.elaborate.expressions.names import look_up
from mai.compiler.elaborate.standard_layers import asks_training
from mai.compiler.ir.graph import Initial
from mai.spec import ast
from mai.spec.ast_walk import names_of
from mai.spec.record import record

SIMPLE = (bool, int, float, str, Absent, Initial)
VOCABULARY = "vocab"  # What tokens are below, though no text of a function says so.
MOST_NUMBERS = 20_000

Declarations = Mapping[tuple[str, str], ast.Function]  # By path and name.


@record
class Print:
    """What a function is known by.

    Attributes:
        number: the same for functions that become the same nodes; None where that is not known.
        declarations: the function, and all that it comes to.
        modules: their files, by path.
        function: kept, so that no other function has its id.
    """

    number: int | None
    declarations: Declarations
    modules: Mapping[str, Module]
    function: Function


def as_text(value: Binding) -> Hashable:
    """A simple value as text, with its kind: 0, 0.0, -0.0 and False are equal."""
    return type(value), repr(value)


class Prints:
    """The prints of the functions of one text; numbers stay the same over all texts."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._last = 0
        self._prints: dict[tuple[int, int], Print] = {}
        self._names: dict[str, frozenset[str]] = {}  # By the text of a declaration.

    def copy(self) -> Prints:
        """The same numbers, to which others can be added; these are not those that this one may add."""
        copy = Prints()
        copy._numbers, copy._names, copy._last = dict(self._numbers), dict(self._names), self._last
        return copy

    def begin(self) -> None:
        """Another text begins."""
        self._prints = {}
        if len(self._numbers) > MOST_NUMBERS:
            self._numbers, self._names = {}, {}

    def of(self, function: Function) -> Print:
        """The print of a function."""
        key = (id(function.declaration), id(function.module))
        if key not in self._prints:
            self._prints[key] = Print(None, {}, {}, function)  # Meanwhile: one that calls itself has none.
            self._prints[key] = self._print(function)
        return self._prints[key]

    def _print(self, function: Function) -> Print:
        declaration, module = function.declaration, function.module
        span, name = declaration.span, declaration.name.id
        if span.source.in_prelude:
            training = module.names["training"] if asks_training(name) else None
            return Print(self._number((name, training)), {}, {}, function)
        env = Environment(module)
        meanings = {n: look_up(env, n) for n in self._names_in(declaration)}
        parts = [(n, self._part(binding)) for n, binding in meanings.items() if binding is not None]
        number = None if any(part is None for _, part in parts) else self._number((span.source.path, span.text, *parts))
        inner = [self.of(binding) for binding in meanings.values() if isinstance(binding, Function)]
        declarations, modules = {(span.source.path, name): declaration}, {span.source.path: module}
        for each in inner:
            declarations |= each.declarations
            modules |= each.modules
        return Print(number, declarations, modules, function)

    def _names_in(self, declaration: ast.Function) -> frozenset[str]:
        text = declaration.span.text
        if text not in self._names:
            self._names[text] = frozenset({*names_of(declaration), VOCABULARY})
        return self._names[text]

    def _part(self, binding: Binding) -> Hashable | None:
        """What stands for what a name means; None where that is not known."""
        if isinstance(binding, Function):
            number = self.of(binding).number
            return None if number is None else (number, binding.count, binding.twin)
        if isinstance(binding, Builtin):
            return binding.name
        return as_text(binding) if isinstance(binding, SIMPLE) else None

    def _number(self, key: Hashable) -> int:
        """A number that nothing else has ever had."""
        if key not in self._numbers:
            self._last += 1
            self._numbers[key] = self._last
        return self._numbers[key]
