"""Where two compiled files differ: by their bytes, then by what the manifests say, then node by node and weight by weight."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from mai.runtime.model.manifest import MANIFEST_KEY

NOTHING = "nothing"  # What stands in the place of what one file has not.
MOST = 12  # Lines of a file that are shown.
FOLLOWING = ("file.", "checksum")  # What the manifest says of the file's own bytes.


def differences(one: Path, other: Path) -> list[str]:
    """A line for each thing that differs; none if the bytes are the same."""
    if one.read_bytes() == other.read_bytes():
        return []
    if one.suffix != ".onnx":
        return [f"{one.stat().st_size} bytes, {other.stat().st_size} bytes"]
    lines = list(_models(onnx.load(one), onnx.load(other))) or ["only the order, comments or the types of inner values"]
    return lines[:MOST] + [f"and {len(lines) - MOST} more"] * (len(lines) > MOST)


def _models(one: ModelProto, other: ModelProto) -> Iterator[str]:
    yield from _graphs(one.graph, other.graph, "")
    properties, others = (_properties(model) for model in (one, other))
    for key in sorted(properties.keys() | others.keys() - {MANIFEST_KEY}):
        if key != MANIFEST_KEY and properties.get(key) != others.get(key):
            yield f"metadata {key}"
    manifest, beside = (json.loads(metadata.get(MANIFEST_KEY, "{}")) for metadata in (properties, others))
    yield from (f"manifest {line}" for line in _values(manifest, beside, "") if not line.startswith(FOLLOWING))
    for field in ("ir_version", "producer_name", "producer_version", "opset_import", "functions"):
        if getattr(one, field) != getattr(other, field):
            yield f"{field}: {getattr(one, field)} | {getattr(other, field)}"


def _properties(model: ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _values(one: Any, other: Any, place: str) -> Iterator[str]:
    """The leaves of two JSON values that differ, as `inputs.0.name: 1 | 2`."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one | other:
            yield from _values(one.get(key), other.get(key), f"{place}{key}.")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from _values(*pair, f"{place}{number}.")
    elif one != other:
        yield f"{place.rstrip('.')}: {_short(one)} | {_short(other)}"


def _short(value: object, most: int = 60) -> str:
    text = str(value)
    return text if len(text) <= most else f"{text[:most]}..."


def _graphs(one: GraphProto, other: GraphProto, place: str) -> Iterator[str]:
    """Inputs and outputs, weights, then nodes; a body's `place` is the names of the nodes around it, as `loop_3/`."""
    for field in ("input", "output"):
        names, beside = ([port.SerializeToString() for port in getattr(graph, field)] for graph in (one, other))
        if names != beside:
            yield f"{place}{field}s"
    yield from _weights(one, other, place)
    yield from _nodes(list(one.node), list(other.node), place)


def _weights(one: GraphProto, other: GraphProto, place: str) -> Iterator[str]:
    mine, theirs = ({tensor.name: tensor for tensor in graph.initializer} for graph in (one, other))
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            yield f"{place}weight {name}: {_described(mine.get(name))} | {_described(theirs.get(name))}"


def _described(tensor: TensorProto | None) -> str:
    if tensor is None:
        return NOTHING
    kind = TensorProto.DataType.Name(tensor.data_type)
    return (
        f"{kind.lower()} {list(tensor.dims)}{' ' + str(onnx.numpy_helper.to_array(tensor)) if not tensor.dims else ''}"
    )


def _nodes(mine: list[NodeProto], theirs: list[NodeProto], place: str) -> Iterator[str]:
    """Nodes that one graph has and the other has not, by operator and place; of nodes that both have, the attributes that differ."""
    matcher = SequenceMatcher(None, [_kind(node) for node in mine], [_kind(node) for node in theirs], autojunk=False)
    for what, start, end, begin, stop in matcher.get_opcodes():
        if what == "equal":
            for number in range(end - start):
                yield from _pair(mine[start + number], theirs[begin + number], place)
        else:
            yield f"{place}at node {start}: {_listed(mine[start:end])} | {_listed(theirs[begin:stop])}"


def _kind(node: NodeProto) -> tuple[str, int, int]:
    return node.op_type, len(node.input), len(node.output)


def _listed(nodes: list[NodeProto]) -> str:
    counts = Counter(node.op_type for node in nodes)
    return ", ".join(f"{count} {kind}" if count > 1 else kind for kind, count in counts.items()) or NOTHING


def _pair(one: NodeProto, other: NodeProto, place: str) -> Iterator[str]:
    where = f"{place}{one.op_type} {one.name or (one.output or ['?'])[0]}"
    if (list(one.input), list(one.output)) != (list(other.input), list(other.output)):
        yield f"{where}: {list(one.input)} -> {list(one.output)} | {list(other.input)} -> {list(other.output)}"
    mine, theirs = ({item.name: item for item in node.attribute} for node in (one, other))
    for name in sorted(mine.keys() | theirs.keys()):
        yield from _attributes(mine.get(name), theirs.get(name), f"{where}.{name}")


def _attributes(one: AttributeProto | None, other: AttributeProto | None, where: str) -> Iterator[str]:
    if one is None or other is None:
        yield f"{where}: {NOTHING if one is None else 'given'} | {NOTHING if other is None else 'given'}"
    elif one.type == other.type == AttributeProto.GRAPH:
        yield from _graphs(one.g, other.g, f"{where}/")
    elif one != other:
        yield where
