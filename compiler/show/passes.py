"""The IR after a pass, and which passes an export goes through on its way to ONNX."""

from __future__ import annotations

from contextlib import suppress

from mai.compiler.compile_options import DEFAULTS
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Extend
from mai.compiler.passes.ahead import check_growth
from mai.compiler.passes.pipeline import OPTIMISATION, Pass, names_of, preparation, run, until
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest


def passes_of(graph: Graph) -> tuple[Pass, ...]:
    """The passes of `mai compile` for an export, by the usual options: a text that cannot grow token by token is computed whole."""
    cache = "none"
    if graph.has(Extend):
        with suppress(MaiError):
            check_growth(graph)
            cache = DEFAULTS.growth
    return *preparation(cache=cache), *OPTIMISATION


def graph_after(graph: Graph, name: str) -> Graph:
    """An export's graph after the pass of this name.

    Raises:
        MaiError: `unknown-name`, where the export goes through no such pass, with the names of those that it does.
    """
    passes = passes_of(graph)
    names = names_of(passes)
    if name not in names:
        guess = closest(name, names)
        message = f"`{graph.name}` goes through no pass `{name}`"
        help = f"{f'did you mean `{guess}`? ' if guess else ''}there are, in this order, {', '.join(names)}"
        raise MaiError([Diagnostic("unknown-name", None, message, help=help)])
    return run(until(passes, name), graph)
