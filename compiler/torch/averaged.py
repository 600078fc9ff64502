"""The mean loss of a batch in the place of each example's, in recorded code."""

from __future__ import annotations

import torch
from torch import fx

# torch's losses that average by themselves, in one pass over the numbers, forwards and backwards.
AVERAGING = (torch.nn.functional.cross_entropy,)


def average_first(graph: fx.Graph) -> None:
    """Have code give, as its first result, the mean of what that is."""
    output = graph.output_node()
    results = output.args[0]
    assert isinstance(results, tuple)
    first, *others = results
    assert isinstance(first, fx.Node)
    if first.target in AVERAGING and set(first.users) == {output} and first not in others:
        first.update_kwarg("reduction", "mean")
        return
    with graph.inserting_before(output):
        mean = graph.call_method("mean", (graph.call_method("float", (first,)),))
    output.args = ((mean, *others),)
