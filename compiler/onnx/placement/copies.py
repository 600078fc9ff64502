"""What is copied between the host and the device: by nodes that ONNX Runtime puts into a graph, and by bodies each time they run.

Between nodes of different places ONNX Runtime puts `MemcpyToHost` and `MemcpyFromHost`, one for each value (its
`transformer_memcpy.cc`). A body is handed more without a node: a loop's turn and whether it goes on are on the host, and so is what a
node there made in a graph around; where the body reads them on the device, they are copied each time that it runs, and the other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mai.compiler.onnx.placement.assignment import Placed
from mai.compiler.onnx.placement.kernels import INPUTS_ON_HOST, OUTPUTS_ON_HOST

HELD_ON_HOST = {"Loop": 2}  # The first inputs of a body that its loop makes on the host: the turn, and that it goes on.
Places = Mapping[str, bool]  # By name: whether a value is on the device.


@dataclass(frozen=True, slots=True)
class Copies:
    """How many values one run of a graph copies to the host, which waits for the device then, and how many from it."""

    to_host: int = 0
    from_host: int = 0

    def __add__(self, other: Copies) -> Copies:
        return Copies(self.to_host + other.to_host, self.from_host + other.from_host)


@dataclass(frozen=True, slots=True)
class Reading:
    """The names that nodes of a graph make and read, on the device and on the host."""

    made_there: set[str]
    made_here: set[str]
    read_there: set[str]
    read_here: set[str]


@dataclass(frozen=True, slots=True)
class Counted:
    """A graph with the copies of one run of it, by nodes and by what hands values to it; without those of the bodies in it."""

    placed: Placed
    by_nodes: Copies
    by_handing: Copies

    @property
    def copies(self) -> Copies:
        """All of them."""
        return self.by_nodes + self.by_handing


def count(placed: Placed, outer: Places | None = None) -> Iterator[Counted]:
    """Every graph of a file with its copies. `outer` are the values of the graphs around, by their places."""
    around, names = outer or {}, reading(placed)
    inputs_of_body = {v.name: False for v in placed.graph.input[: HELD_ON_HOST.get(placed.operator, 0)]}
    handed = {**around, **inputs_of_body}
    yield Counted(placed, _by_nodes(placed, names), _by_handing(placed, names, handed))
    own = dict.fromkeys(names.made_there, True) | dict.fromkeys(names.made_here, False)
    for body in placed.inner:
        yield from count(body, {**handed, **own})


def reading(placed: Placed) -> Reading:
    """What the nodes of a graph make and read. A kernel of CUDA reads some of its inputs on the host, shapes say."""
    names = Reading(set(), set(), set(), set())
    for i, node in enumerate(placed.graph.node):
        device = i in placed.on_device
        wanted = INPUTS_ON_HOST.get(node.op_type, ()) if device else ()
        for place, name in enumerate(node.input):
            (names.read_there if device and place not in wanted else names.read_here).add(name)
        outputs = names.made_there if device and node.op_type not in OUTPUTS_ON_HOST else names.made_here
        outputs.update(node.output)
    return names


def _by_nodes(placed: Placed, names: Reading) -> Copies:
    """One for each value that is made in one place and read in the other, or comes from outside and is read in both."""
    own = {t.name for t in placed.graph.initializer} | names.made_there | names.made_here
    both = (names.read_there & names.read_here) - own - {""}
    return Copies(len(names.made_there & names.read_here), len(names.made_here & names.read_there) + len(both))


def _by_handing(placed: Placed, names: Reading, handed: Places) -> Copies:
    """One for each value from outside that is read in the other place alone; a loop reads on the host whether it goes on."""
    there = {n for n in names.read_there - names.read_here if handed.get(n) is False}
    here = {n for n in names.read_here - names.read_there if handed.get(n) is True}
    tells = placed.operator == "Loop" and placed.graph.output[0].name in names.made_there
    return Copies(len(here) + tells, len(there))
