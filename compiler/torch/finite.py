"""Where a number that is not finite comes from: a recorded module run operation by operation, its results and their gradients looked at.

An infinite number is no fault by itself: a mask is made of them. So the search begins at what is wrong in the end, and goes back through
what is wrong alike to the first operation whose operands are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, fx

from mai.compiler.torch.recurrences.loops import loop
from mai.spec.source import Span

MOST_LETTERS, SHOWN = 60, 3
FINE, INFINITE, NOT_A_NUMBER = 0, 1, 2
IN_WORDS = {INFINITE: "infinite", NOT_A_NUMBER: "not a number"}


@dataclass
class Trace:
    """One run of a module: how each node's result is, and its gradient; the runs of its bodies, in their order."""

    states: dict[fx.Node, int] = field(default_factory=dict)
    ranges: dict[fx.Node, tuple[float, float]] = field(default_factory=dict)
    gradients: dict[fx.Node, int] = field(default_factory=dict)
    bodies: dict[fx.Node, list[tuple[fx.GraphModule, Trace]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """The first operation that gave a number which is not finite.

    Attributes:
        span: its place in the text, or that of what it stands in, where it is the prelude's.
        name: of the value.
        state: what it is, in words.
        operands: the least and the largest number of each operand, by its text, or its name.
        turn: the turn of the loop that it stands in, from 1.
        weight: its name, where a weight is not finite before anything is computed.
    """

    span: Span | None
    name: str
    state: str
    operands: dict[str, tuple[float, float]]
    turn: int | None = None
    weight: str | None = None


class Watched(fx.Interpreter):
    """Runs a module and notes how every result is; bodies of loops are watched, too. Gradients are noted as they come."""

    def __init__(self, module: fx.GraphModule, trace: Trace) -> None:
        super().__init__(module)
        self.trace = trace

    def run_node(self, n: fx.Node) -> object:
        result = super().run_node(n)
        if isinstance(result, fx.GraphModule):
            return self._body(n, result)
        tensors = list(_tensors(result))
        self.trace.states[n] = max(map(state_of, tensors), default=FINE)
        if tensors and tensors[0].numel():
            whole = tensors[0].detach().float()
            self.trace.ranges[n] = float(whole.min()), float(whole.max())
        for tensor in tensors:
            if tensor.requires_grad and tensor.is_floating_point():
                tensor.register_hook(self._noting(n))  # type: ignore[no-untyped-call]
        return result

    def _noting(self, n: fx.Node) -> object:
        def note(gradient: Tensor) -> None:
            self.trace.gradients[n] = max(self.trace.gradients.get(n, FINE), state_of(gradient))

        return note

    def _body(self, n: fx.Node, module: fx.GraphModule) -> object:
        """A body in whose place each call is watched."""
        return WatchedBody(module, self.trace.bodies.setdefault(n, []))


class WatchedBody:
    """A body each call of which is watched; `calls` has them in their order."""

    def __init__(self, module: fx.GraphModule, calls: list[tuple[fx.GraphModule, Trace]]) -> None:
        self.module, self.calls = module, calls
        self.parameters = module.parameters

    def __call__(self, *arguments: object) -> object:
        trace = Trace()
        self.calls.append((self.module, trace))
        return Watched(self.module, trace).run(*arguments)


def state_of(tensor: Tensor) -> int:
    """Whether a tensor is fine, infinite somewhere, or not a number somewhere."""
    if not tensor.is_floating_point() or bool(torch.isfinite(tensor).all()):
        return FINE
    return NOT_A_NUMBER if bool(torch.isnan(tensor).any()) else INFINITE


def origin_of_value(module: fx.GraphModule, trace: Trace, place: int = 0) -> Origin | None:
    """Where the number comes from that makes a result of a module not finite; None where it is finite.

    Args:
        trace: of its run.
        place: of the result among the module's.
    """
    results = next(node for node in reversed(module.graph.nodes) if node.op == "output").args[0]
    assert isinstance(results, tuple)
    return _back(trace, results[place]) if isinstance(results[place], fx.Node) else None


def _back(trace: Trace, node: fx.Node, turn: int | None = None) -> Origin | None:
    if not trace.states.get(node, FINE):
        return None
    while (before := _worse(trace, node)) is not None:
        node = before
    return _inside(trace, node) or _origin(trace, node, trace.states[node], turn)


def _worse(trace: Trace, node: fx.Node) -> fx.Node | None:
    """The operand that is wrong as a node is; where it is not a number, an infinite operand is only a reason."""
    wrong = [each for each in node.all_input_nodes if trace.states.get(each, FINE) >= trace.states[node]]
    return wrong[0] if wrong else None


def _inside(trace: Trace, node: fx.Node) -> Origin | None:
    """The same in the first turn of a loop that went wrong, or block of turns of a recurrence."""
    for body in node.all_input_nodes:
        for turn, (module, inner) in enumerate(trace.bodies.get(body, ())):
            results = next(each for each in reversed(module.graph.nodes) if each.op == "output").all_input_nodes
            for result in results:
                origin = _back(inner, result, turn + 1 if node.target is loop else None)
                if origin is not None:
                    return origin
    return None


def origin_of_gradient(trace: Trace) -> Origin | None:
    """Where a gradient stops being finite on its way back: what is computed of a value whose gradient is wrong, its own being right."""
    for node, state in trace.gradients.items():
        users = [user for user in node.users if user in trace.gradients]
        if state and not any(trace.gradients[user] for user in users):
            of = users[0] if users else node
            return _origin(trace, of, state, None)
    return None


def _origin(trace: Trace, node: fx.Node, state: int, turn: int | None) -> Origin:
    operands = {_called(each): trace.ranges[each] for each in node.all_input_nodes if each in trace.ranges}
    weight = str(node.target) if node.op == "get_attr" else None
    return Origin(_place(node), node.name, IN_WORDS[state], operands, turn, weight)


def in_words(origin: Origin) -> str:
    """What went wrong first, in a sentence."""
    what = f"`{_one_line(origin.span)}`" if origin.span is not None else f"`{origin.name}`"
    turn = f" in turn {origin.turn} of its loop" if origin.turn is not None else ""
    of = ", ".join(f"{name} from {low:.4g} to {high:.4g}" for name, (low, high) in [*origin.operands.items()][:SHOWN])
    return f"the first that is {origin.state} is {what}{turn}" + (f"; it is computed of {of}" if of else "")


def _one_line(span: Span) -> str:
    return " ".join(span.text.split())[:MOST_LETTERS]


def _called(node: fx.Node) -> str:
    """What a value is called: a weight by its name, another as the text has it."""
    span: Span | None = node.meta.get("span")
    if node.op in ("get_attr", "placeholder") or span is None or span.source.in_prelude:
        return str(node.target if node.op == "get_attr" else node.name)
    return _one_line(span)


def _place(node: fx.Node) -> Span | None:
    """Where a node stands, or what the file computes of it, where it is the prelude's."""
    waiting: list[fx.Node] = [node]
    seen = set(waiting)
    for each in waiting:
        span: Span | None = each.meta.get("span")
        if span is not None and not span.source.in_prelude:
            return span
        fresh = [user for user in each.users if user not in seen]
        seen.update(fresh)
        waiting += fresh
    own: Span | None = node.meta.get("span")
    return own


def _tensors(result: object) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Sequence) and not isinstance(result, str):
        for each in result:
            yield from _tensors(each)
