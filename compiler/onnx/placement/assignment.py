"""Nodes and their provider, as ONNX Runtime assigns them where CUDA is asked for and the CPU takes the rest.

A node is CUDA's where there is a kernel for its operator, version and types. Of these, nodes that follow from a shape alone stay on
the CPU: `GetCpuPreferredNodes` of ONNX Runtime's `fallback_cpu_capability.cc`, whose steps `_kept_on_host` takes.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from math import prod

import onnx
import onnx_ir as ir

from mai.compiler.onnx.placement.kernels import INPUTS_ON_HOST, OUTPUTS_ON_HOST, has_kernel

SMALL = 100  # Elements of a constant that may be read by a node that stays on the host.
NARROW = frozenset({"float16", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"})
Types = Mapping[str, str]


@dataclass(slots=True)
class Placed:
    """A graph of a file with the places of its nodes.

    `path` is the operators around it, `Scan/Loop`, `at` the place of the last of them among its graph's nodes; `on_device` the places
    of the nodes that CUDA computes, `without_kernel` of those for which it has no kernel; `inner` are the bodies in it.
    """

    path: str
    at: int
    graph: onnx.GraphProto
    on_device: set[int]
    without_kernel: set[int]
    inner: list[Placed] = field(default_factory=list)

    @property
    def operator(self) -> str:
        """The operator whose body this is; empty for a file's own graph."""
        return self.path.rpartition("/")[2]

    def walk(self) -> Iterator[Placed]:
        """This graph, and all bodies in it."""
        yield self
        for body in self.inner:
            yield from body.walk()


def place(model: onnx.ModelProto) -> Placed:
    """Assign the nodes of a model, which is as ONNX Runtime has it after its basic optimisations."""
    opset = next(o.version for o in model.opset_import if not o.domain)
    return _place(onnx.shape_inference.infer_shapes(model).graph, "", 0, opset, Scope({}, frozenset()))


@dataclass(frozen=True, slots=True)
class Scope:
    """What a body sees of the graphs around it: the types of values, and the small constants."""

    types: Types
    small: frozenset[str]

    def inside(self, graph: onnx.GraphProto) -> Scope:
        """What is seen in a graph that stands in this scope."""
        small = frozenset(t.name for t in graph.initializer if _is_small(t))
        return Scope({**self.types, **_types(graph)}, self.small | small)


def _place(graph: onnx.GraphProto, path: str, at: int, opset: int, outer: Scope) -> Placed:
    scope = outer.inside(graph)
    inner = [
        _place(a.g, f"{path}/{node.op_type}".lstrip("/"), i, opset, scope)
        for i, node in enumerate(graph.node)
        for a in node.attribute
        if a.type == onnx.AttributeProto.GRAPH
    ]
    able = {i for i, node in enumerate(graph.node) if _is_able(node, opset, scope.types)}
    unable = set(range(len(graph.node))) - able
    return Placed(path, at, graph, able - _kept_on_host(graph, able, scope), unable, inner)


def _types(graph: onnx.GraphProto) -> dict[str, str]:
    values = [*graph.input, *graph.output, *graph.value_info]
    types = {v.name: _word(v.type.tensor_type.elem_type) for v in values if v.type.HasField("tensor_type")}
    return types | {t.name: _word(t.data_type) for t in graph.initializer}


def _word(element: int) -> str:
    """The standard's word for a type: `float`, `int64`."""
    return ir.DataType(element).name.lower()


def _is_able(node: onnx.NodeProto, opset: int, types: Types) -> bool:
    """Whether CUDA has a kernel. ONNX Runtime's own operators, of another domain, are taken to have one."""
    if node.domain not in ("", "ai.onnx"):
        return True
    inputs, outputs = ([types.get(n) if n else None for n in names] for names in (node.input, node.output))
    return has_kernel(node.op_type, opset, inputs, outputs)


def _kept_on_host(graph: onnx.GraphProto, able: set[int], scope: Scope) -> set[int]:
    """Of the nodes that CUDA could compute, those that read nothing but shapes, small constants and inputs of the graph."""
    readers: dict[str, list[int]] = {}
    for i, node in enumerate(graph.node):
        for name in node.input:
            readers.setdefault(name, []).append(i)
    free = scope.small | {v.name for v in graph.input}
    on_host = {o for i in able if graph.node[i].op_type in OUTPUTS_ON_HOST for o in graph.node[i].output}
    agenda = sorted({reader for name in on_host for reader in readers.get(name, ())})
    kept, seen = set(), set()
    while agenda:
        i = heapq.heappop(agenda)
        if i in seen:
            continue
        seen.add(i)
        node = graph.node[i]
        if i in able and not _follows_the_host(node, on_host, free, scope.types):
            continue
        if i in able:
            kept.add(i)
        on_host.update(node.output)
        for name in node.output:
            for reader in readers.get(name, ()):
                heapq.heappush(agenda, reader)
    return kept


def _follows_the_host(node: onnx.NodeProto, on_host: set[str], free: Set[str], types: Types) -> bool:
    """Whether all that a node reads is on the host, and none of it because its kernel of CUDA wants it there."""
    wanted = INPUTS_ON_HOST.get(node.op_type, ())
    for place, name in enumerate(node.input):
        if types.get(name) in NARROW:
            return False
        if not name or name in free:
            continue
        if name not in on_host or place in wanted:
            return False
    return True


def _is_small(tensor: onnx.TensorProto) -> bool:
    size: int = prod(tensor.dims)
    return size <= SMALL
