"""Whether all adaptive solvers of a file arrived: one more output, from which the runtime names the examples for which they did not."""

from __future__ import annotations

from mai.compiler.elaborate.context import BATCH, Context
from mai.compiler.ir.graph import EVALUATIONS, Value
from mai.compiler.ops import elementwise as el
from mai.compiler.ops import reductions as red
from mai.compiler.ops.elementwise import logic


def count_evaluations(e: Context) -> None:
    """Make the number of evaluations of each example the last output of a graph, which has adaptive solvers."""
    e.graph.outputs = [*e.graph.outputs, e.builder.spread(_evaluations(e), (BATCH,))]
    e.graph.output_names = [*e.graph.output_names, EVALUATIONS]


def _evaluations(e: Context) -> Value:
    """How often all adaptive solvers evaluated an example's velocities; negative where one stopped before the end."""
    counts = [_of_one_example(e, v) for v in e.evaluations]
    if len(counts) == 1:
        return counts[0]
    least, total = counts[0], e.emit(el.Absolute, counts[0])
    for count in counts[1:]:
        least, total = e.emit(el.Minimum, least, count), e.emit(el.Add, total, e.emit(el.Absolute, count))
    failed = e.emit(logic.Less, least, e.builder.constant(0))
    return e.emit(logic.Where, failed, e.emit(el.Negative, total), total)


def _of_one_example(e: Context, count: Value) -> Value:
    """One count for each example: the largest over the mapped axes, or a negative one if a solver failed."""
    inner = [axis for axis in count.type.lead if axis != BATCH]
    if not inner:
        return count
    rows = e.builder.unlead(count, len(inner))
    axes = tuple(range(-len(inner), 0))
    least, most = e.emit(red.Min, rows, axes=axes), e.emit(red.Max, rows, axes=axes)
    return e.emit(logic.Where, e.emit(logic.Less, least, e.builder.constant(0)), least, most)
