"""The moments of what products read, X' X of all rows of X [N, k]: seen on a run of the float32 graph, and kept in a folder.

Those of a layer may be larger than its weights: they are computed for some products at a time, and read again one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from itertools import count
from pathlib import Path

import numpy as np

from mai.compiler.compile_options import CompileOptions
from mai.compiler.file_size import suits
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import copy_graph
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.lowering.build import build
from mai.compiler.onnx.precision.gptq import calibrated_blocks
from mai.compiler.onnx.precision.quantize import Blocks
from mai.compiler.onnx.precision.whole import weights_behind
from mai.compiler.ops.products.product import Affine
from mai.compiler.passes.local.prune import prune_in_place
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

MOST = 2**30  # Bytes of moments that are computed at a time.
Batch = Mapping[str, Array]


class Moments:
    """The moments of products, by the names of the weights that their matrices are computed from."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._numbers = folder, count()
        self._files: dict[frozenset[str], Path] = {}

    def __len__(self) -> int:
        return len(self._files)

    def weights(self) -> list[str]:
        """The matrices of products that are weights as they are, by name."""
        return sorted(name for names in self._files if len(names) == 1 for name in names)

    def keep(self, names: frozenset[str], moments: Array) -> None:
        """Add the moments [k, k] of products with these weights to those that are known."""
        if names in self._files:
            np.save(self._files[names], np.load(self._files[names]) + moments)
            return
        self._files[names] = self._folder / f"{next(self._numbers)}.npy"
        np.save(self._files[names], moments)

    def of(self, names: frozenset[str], k: int) -> Array | None:
        """The moments [k, k] for a matrix of these weights, or of several that read the same; None where none are known."""
        for candidate in (names, *(frozenset([name]) for name in sorted(names))):
            if candidate in self._files:
                moments: Array = np.load(self._files[candidate])
                return moments if len(moments) == k else None
        return None

    def blocks(self, names: frozenset[str], matrix: Array, bits: int) -> Blocks | None:
        """A matrix of these weights in blocks of few bits, chosen by its moments; None where none are known. It is computed once."""
        file = self._folder / f"{bits}.{_digest(names, matrix)}.npz"
        if file.exists():
            with np.load(file) as kept:
                return Blocks(kept["codes"], kept["scales"], bits)
        moments = self.of(names, matrix.shape[1])
        if moments is None:
            return None
        blocks = calibrated_blocks(matrix, moments, bits)
        np.savez(file, codes=blocks.codes, scales=blocks.scales)
        return blocks

    def watch(self, graph: Graph, weights: Mapping[str, Array], batches: Iterable[Batch], opset: int) -> None:
        """Keep the moments of an optimised graph's products outside of loops, for some batches of its inputs."""
        batches = list(batches)
        places = _products(graph)
        while places:
            some = _first(graph, places)
            places = places[len(some) :]
            self._see(graph, some, weights, batches, opset)

    def _see(
        self, graph: Graph, places: list[int], weights: Mapping[str, Array], batches: list[Batch], opset: int
    ) -> None:
        watched, names = _watched(graph, places)
        session = opened(build(watched, weights, CompileOptions(opset=opset)))
        inputs = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
        sums: list[Array | float] = [0.0] * len(names)
        for batch in batches:
            seen = session.run(None, {name: array for name, array in batch.items() if name in inputs})
            sums = [total + _squares(x) for total, x in zip(sums, seen, strict=True)]
        for own, total in zip(names, sums, strict=True):
            for each in own:
                self.keep(each, _finite(np.asarray(total, np.float32), each))


def _digest(names: frozenset[str], matrix: Array) -> str:
    """What tells a matrix [n, k] of these weights from all others."""
    digest = blake2b(repr((sorted(names), matrix.shape)).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(matrix).data)
    return digest.hexdigest()


def _squares(x: Array) -> Array:
    rows = x.reshape(-1, x.shape[-1])
    moments: Array = rows.T @ rows
    return moments


def _finite(moments: Array, names: frozenset[str]) -> Array:
    """The moments, if they can be computed with.

    Raises:
        MaiError: some are infinite or not a number, `calibration`.
    """
    if np.isfinite(moments).all():
        return moments
    message = (
        f"what `{min(names)}` is multiplied with is not finite for the files of --calibrate: no codes are chosen by it"
    )
    raise MaiError([Diagnostic("calibration", None, message)])


def _products(graph: Graph) -> list[int]:
    """The places, among a graph's nodes, of the products whose matrices may be kept in few bits."""
    origins = weights_behind(graph)
    return [place for place, node in enumerate(graph.nodes) if _is_watched(node, origins)]


def _is_watched(node: Node, origins: Mapping[Value, frozenset[str]]) -> bool:
    return node.op is Affine and node.inputs[1] in origins and node.inputs[0] not in origins and suits(_matrix(node))


def _matrix(product: Node) -> tuple[int, ...]:
    """The sizes of the matrix of a product; none where they are not known."""
    shape = product.inputs[1].type.shape
    fixed = tuple(s for s in shape if isinstance(s, int))
    return fixed if len(fixed) == len(shape) else ()


def _first(graph: Graph, places: list[int]) -> list[int]:
    """As many of the first products as have `MOST` bytes of moments, and one at least."""
    sizes = np.cumsum([4 * _matrix(graph.nodes[place])[1] ** 2 for place in places])
    return places[: max(1, int((sizes <= MOST).sum()))]


def _watched(graph: Graph, places: list[int]) -> tuple[Graph, list[list[frozenset[str]]]]:
    """A graph that gives what some of its products read, each once, and for each the weights that it is multiplied with."""
    watched = copy_graph(graph)
    origins = weights_behind(watched)
    read: dict[Value, list[frozenset[str]]] = {}
    for node in (watched.nodes[place] for place in places):
        read.setdefault(node.inputs[0], []).append(origins[node.inputs[1]])
    watched.outputs = list(read)
    watched.output_names = [f"read.{place}" for place in range(len(read))]
    return prune_in_place(watched), list(read.values())
