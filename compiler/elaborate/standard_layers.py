"""The prelude's layers, each parsed when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from functools import cache

from mai.compiler.elaborate.bindings import Binding, Function, Module
from mai.spec import ast, prelude_parts, prelude_sources
from mai.spec.ast_walk import names_of
from mai.spec.diagnostics import Reporter
from mai.spec.parsing.parse import parse


class StandardLayers(MutableMapping[str, Binding]):
    """The names of the prelude. A layer is parsed when it is first asked for: a file calls few of them."""

    def __init__(self, **own: Binding) -> None:
        self.own = own
        self.module = Module(prelude_sources()[0], self, {})

    def __getitem__(self, name: str) -> Binding:
        if name not in self.own:
            self.own[name] = Function(_standard_layer(name), self.module)
        return self.own[name]

    def __setitem__(self, name: str, value: Binding) -> None:
        self.own[name] = value

    def __delitem__(self, name: str) -> None:
        del self.own[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in prelude_parts()

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.own, *prelude_parts()]))

    def __len__(self) -> int:
        return len(list(iter(self)))


@cache
def _standard_layer(name: str) -> ast.Function:
    source, begin, end = prelude_parts()[name]
    (declaration,) = parse(source, Reporter(), (begin, end)).declarations
    assert isinstance(declaration, ast.Function)
    return declaration


@cache
def asks_training(name: str) -> bool:
    """Whether a standard layer, or one that it calls, asks whether the model is trained."""
    seen, waiting = {name}, [name]
    while waiting:
        fresh = names_of(_standard_layer(waiting.pop())) - seen
        if "training" in fresh:
            return True
        seen |= fresh
        waiting += fresh & prelude_parts().keys()
    return False


@cache
def formula(name: str) -> Function | None:
    """A layer of the prelude that does not ask whether a model is trained; None where there is none of that name."""
    return Function(_standard_layer(name), StandardLayers(training=False).module) if name in prelude_parts() else None
