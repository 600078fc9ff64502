"""Where the first number of a trial comes from that is not finite, and what may be written instead."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.comparing.trial import Trial
from mai.compiler.onnx.turns.turns import torch_module
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic

# What is no number, or infinite, below 0, and the least that is put in its place.
LEAST = {"sqrt": "0", "log": "1e-6"}
CALL = re.compile(rf"({'|'.join(LEAST)})\((.+)\)", re.DOTALL)


def origin_of_trial(graph: Graph, weights: Mapping[str, Array], tried: Trial, place: int) -> Diagnostic | None:
    """A note on the operation that makes the result at a place of a prepared graph not finite in a trial; None where none does."""
    import torch

    from mai.compiler.torch.finite import Trace, Watched, in_words, origin_of_value
    from mai.compiler.torch.run import arguments_of

    module, trace = torch_module(graph, weights), Trace()
    with torch.no_grad():
        Watched(module, trace).run(*arguments_of(module, graph, tried.inputs, tried.settings))
    origin = origin_of_value(module, trace, place)
    if origin is None:
        return None
    help = None if origin.span is None else help_for(origin.span.text)
    return Diagnostic("not-finite", origin.span, in_words(origin), severity="note", help=help)


def help_for(text: str) -> str | None:
    """What keeps a call of a root or a logarithm finite, as the file would write it."""
    call = CALL.fullmatch(text)
    if call is None:
        return None
    name, argument = call.groups()
    least = LEAST[name]
    written = f"{name}(maximum({' '.join(argument.split())}, {least}))"
    return f"if steps or inputs may take it below {least}, write `{written}`"
