"""The elaborator of one graph: a context, with the parts that hold it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from mai.compiler.elaborate import blocks
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.expressions.calls import Calls
from mai.compiler.elaborate.expressions.expressions import Expressions
from mai.compiler.elaborate.expressions.signatures import Signatures
from mai.compiler.elaborate.random.draws import Draws
from mai.compiler.elaborate.statements import Statements
from mai.compiler.ir.graph import Weight
from mai.spec.diagnostics import Reporter


class Elaborator(Context):
    """Elaborates one export, train block or net into `graph`."""

    def __init__(self, report: Reporter, name: str, weights: dict[str, Weight]) -> None:
        super().__init__(report, name, weights)
        self.expressions, self.calls, self.signatures = Expressions(self), Calls(self), Signatures(self)
        self.statements, self.draws = Statements(self), Draws(self)


for _module in iter_modules(blocks.__path__):  # Each registers the statements that it elaborates.
    import_module(f"{blocks.__name__}.{_module.name}")
