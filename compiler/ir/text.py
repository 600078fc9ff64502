"""The IR as text: stable, and readable beside the spec."""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.structure import Constant


def to_text(graph: Graph) -> str:
    """A graph as text; the same graph gives the same text."""
    return "\n".join(_Printer().graph(graph)) + "\n"


class _Printer:
    def __init__(self) -> None:
        self.names: dict[Value, str] = {}
        self.taken: set[str] = set()

    def name(self, value: Value) -> str:
        """`%h`, and `%h_1` for the next of that name."""
        if value not in self.names:
            stem = value.name or "v"
            count, name = 0, stem
            while name in self.taken:
                count += 1
                name = f"{stem}_{count}"
            self.taken.add(name)
            self.names[value] = f"%{name}"
        return self.names[value]

    def typed(self, value: Value) -> str:
        return f"{self.name(value)}: {value.type}"

    def graph(self, graph: Graph) -> Iterator[str]:
        yield f"graph {graph.name}({', '.join(self.typed(v) for v in graph.inputs)}) {{"
        for name, setting in graph.settings.items():
            known_as = "" if name == setting.value.name else f"  # {name}"
            yield f"  setting {self.typed(setting.value)} = {setting.default}{known_as}"
        for name, source in graph.sizes.items():
            yield f"  size {name} = {self._source(source)}"
        for weight in graph.weights.values():
            numbers = ", ".join(f"{n:g}" for n in weight.init.numbers)
            kind = "weight" if weight.trained else "state"
            yield f"  {kind} {weight.name}: {list(weight.shape)} ~ {weight.init.kind}({numbers})"
        yield from self.region(graph, "  ")
        names = zip(graph.output_names, graph.outputs, strict=False)
        yield f"  return {', '.join(f'{n} = {self.name(v)}' for n, v in names)}"
        yield "}"

    def _source(self, source: tuple[Value, int] | Value) -> str:
        """Where a size is read at run time; axes are counted in memory."""
        return f"axis {source[1]} of {self.name(source[0])}" if isinstance(source, tuple) else self.name(source)

    def region(self, region: Region, indent: str) -> Iterator[str]:
        for node in region.nodes:
            yield from self.node(node, indent)

    def node(self, node: Node, indent: str) -> Iterator[str]:
        attributes = "".join(f", {k} = {_shown(v)}" for k, v in node.items() if v is not None)
        if node.op is Constant:
            attributes = f", {_shown(Constant.of(node).value)}"
        inputs = ", ".join(self.name(v) for v in node.inputs)
        arguments = (inputs + attributes).removeprefix(", ")
        outputs = ", ".join(self.name(v) for v in node.outputs)
        types = ", ".join(str(v.type) for v in node.outputs)
        at = f"  # {node.span.source.name}:{node.span.line}" if node.span else ""
        open_ = " {" if node.regions else ""
        yield f"{indent}{outputs} = {node.op.name}({arguments}) : {types}{open_}{at}"
        for region in node.regions:
            yield f"{indent}  ({', '.join(self.typed(v) for v in region.inputs)})"
            yield from self.region(region, indent + "  ")
            yield f"{indent}  yield {', '.join(self.name(v) for v in region.outputs)}"
        if node.regions:
            yield f"{indent}}}"


def _shown(value: object) -> str:
    if isinstance(value, tuple) and len(value) > 8:
        return f"({', '.join(map(_shown, value[:4]))}, ... {len(value)} in all)"
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))})"
    return f"{value:g}" if isinstance(value, float) else str(value)
