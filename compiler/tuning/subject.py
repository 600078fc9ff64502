"""What can be tuned of an export: its one integral, by a solver whose number of steps is known before it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import Extend, Integrate
from mai.compiler.passes.loops.retime import NAMES, Switches
from mai.compiler.passes.loops.spared import spared_by
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.grid import Plan
from mai.runtime.model.manifest import Manifest
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.source import Span

# The solvers to choose among, in the order in which they are reported.
METHODS = tuple(s.name for s in SOLVERS.values() if s.plannable)


@dataclass(frozen=True, slots=True)
class Subject:
    """An export with one integral.

    Attributes:
        graph: the export.
        plan: how the spec computes the integral.
        switches: the settings that say its number of steps, how it reuses, and whatever else a plan gives a file.
        keeps: whether its path is kept, a time on it asked for, or its grid written: then its points stay where the spec has them, so
            no other grid is tried.
    """

    graph: Graph
    plan: Plan
    switches: Switches
    keeps: bool


def refusal(message: str, span: Span | None = None, help: str | None = None) -> MaiError:
    """The error `tune-refused`: this export cannot be tuned."""
    return MaiError([Diagnostic("tune-refused", span, message, help=help)])


def subject_of(graph: Graph, manifest: Manifest) -> Subject:
    """Look at an export for the one integral that can be tuned.

    Raises:
        MaiError: `tune-refused`: it has none or several, or one whose number of steps cannot be chosen.
    """
    if manifest.step is not None or any(node.op is Extend for node in graph.walk()):
        raise refusal(f"`{manifest.export}` grows a text: there are no steps of a solver to save")
    integrals = [node for node in graph.walk() if node.op is Integrate]
    if not integrals:
        raise refusal(f"`{manifest.export}` integrates nothing: there are no steps of a solver to save")
    if len(integrals) > 1:
        message = f"`{manifest.export}` has {len(integrals)} integrals; one is tuned, where it is the only one"
        raise refusal(message, integrals[1].span)
    (node,) = integrals
    _check_method(node)
    integral = Integrate.of(node)
    assert integral.steps is not None, "a method that is not adaptive has a number of steps"
    setting = _setting(graph, integral.steps, node)
    keeps = bool(integral.keep or integral.asked or integral.until or integral.grid)
    if (integral.keep or integral.grid) and setting is None:
        what = "the path that it keeps" if integral.keep else "its grid"
        message = f"{what} has as many points as the spec says: its number of steps stays"
        raise refusal(message, node.span, "make the number a setting: `steps: int = 20`")
    steps = integral.steps if setting is None else int(graph.settings[setting].default)
    assert isinstance(steps, int), "a number that is no setting's"
    reuse, every = _reuse(graph, integral.reuse, node)
    free = _free_names(graph)
    plan = Plan(integral.method, steps, reuse=every, spared=spared_by(graph))
    return Subject(graph, plan, replace(free, steps=setting, reuse=reuse or free.reuse), keeps)


def _reuse(graph: Graph, every: Size, node: Node) -> tuple[str | None, int]:
    """The setting of the spec that says at every how many-th step what is reusable is computed, if one does, and this number."""
    if isinstance(every, int):
        return None, every
    name = _setting_of(graph, every)
    if name is not None:
        return name, int(graph.settings[name].default)
    message = f"what is reusable is computed at every `{every}`-th step, neither a setting nor a number"
    raise refusal(message, node.span, "write `reuse = k` with a setting `k: int = 2`")


def _free_names(graph: Graph) -> Switches:
    """The names of the settings that a file may get, but for those that stand for something else in the spec."""
    taken = {*graph.settings, *graph.sizes, *graph.output_names, *(v.name for v in graph.inputs)}
    guided = None if taken & set(NAMES.guided or ()) else NAMES.guided
    reuse, uneven = (None if name in taken else name for name in (NAMES.reuse, NAMES.uneven))
    return Switches(reuse=reuse, uneven=uneven, guided=guided)


def _check_method(node: Node) -> None:
    solver = SOLVERS[Integrate.of(node).method]
    if solver.adaptive:
        help = "the number of its evaluations is set by `rtol` and `atol`; write `rk4(20)` for steps that can be tuned"
        raise refusal(f"`{solver.name}` chooses its own steps, example by example", node.span, help)
    if solver.stochastic:
        help = "integrate the probability flow, an equation without noise, for samples of the same law"
        raise refusal(f"`{solver.name}` draws at every step: fewer steps are other draws", node.span, help)


def _setting(graph: Graph, steps: Size, node: Node) -> str | None:
    """The name of the setting that is the number of steps; None for a number."""
    if isinstance(steps, int):
        return None
    name = _setting_of(graph, steps)
    if name is not None:
        return name
    help = "write `using rk4(steps)` with a setting `steps: int = 20`"
    raise refusal(f"the number of steps is `{steps}`, neither a setting nor a number", node.span, help)


def _setting_of(graph: Graph, size: Size) -> str | None:
    """The setting that a size is; None where it is computed of some."""
    return next((name for name in graph.settings if size == symbol(name)), None)
