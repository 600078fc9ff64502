"""How small and how large the dimensions of an export's inputs may be, by what its graph does with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.sizes import Dim, Quotient, Size, evaluate, substitute, symbol, symbols
from mai.compiler.ops.shapes.gather import TopPlaces
from mai.compiler.ops.shapes.indexing import Pick, Slice

NAMES_PLACES = {Slice: ("start", "stop"), Pick: ("index",), TopPlaces: ("count",)}
TRIED = 64  # The largest size that is looked at: a kernel wider than that has its own message.

NO_TEXT: Mapping[str, Size] = {}


def smallest(graph: Graph, rows: int = 1, starts: Mapping[str, Size] = NO_TEXT) -> dict[str, int]:
    """The least size of each dimension with which every axis has `rows`, where it is above 1: `x[1:]` of one token is nothing.

    Places that are numbers are there, too: `x[2]` and `x[:3]` need three rows. `starts` has the sizes that growing texts begin
    with, by the names of the sizes that grow.
    """
    names = _free_sizes(graph)
    least = dict.fromkeys(names, 1)
    for grown, needed in [*((size, rows) for size in _sizes(graph)), *_places(graph)]:
        size = substitute(grown, starts)
        name, *others = symbols(size) or {""}
        if others or name not in names or not isinstance(size, Dim):
            continue
        enough = (n for n in range(least[name], max(TRIED, needed + 1)) if _at(size, name, n) >= needed)
        least[name] = next(enough, least[name])
    return {name: n for name, n in least.items() if n > 1}


def emptied(graph: Graph) -> Iterator[tuple[str, int, int]]:
    """The settings with whose least number some axis is empty: the name, that number, and the least with which none is."""
    counts = {name: s for name, s in graph.settings.items() if name != "batch" and graph.sizes.get(name) is s.value}
    sizes = [*_sizes(graph)]
    for name, setting in counts.items():
        low = None if setting.minimum is None else int(setting.minimum)
        own = [size for size in sizes if symbols(size) == {name}]
        full = (
            None if low is None else next((n for n in range(low, TRIED) if all(_at(s, name, n) > 0 for s in own)), low)
        )
        if low is not None and full is not None and full > low:
            yield name, low, full


def largest(graph: Graph) -> dict[str, int]:
    """The most: a slice `table[:P - 1]` ends where its table does, and an axis of `4 - P` has no negative size."""
    names = _free_sizes(graph)
    most: dict[str, int] = {}
    for left in dict.fromkeys([*_sizes(graph), *_beyond_slices(graph)]):
        name, *others = symbols(left) or {""}
        if others or name not in names:
            continue
        whole = _at(left, name, 0)
        lost = whole - _at(left, name, 1)
        if lost > 0 and left == whole - lost * symbol(name):
            most[name] = min(most.get(name, whole // lost), whole // lost)
    return most


def never_negative(graph: Graph) -> dict[Dim, bool]:
    """What no call may make negative, made of several of its numbers or of settings, and whether an axis is as long.

    The size of `x[:n - m]` is there, and what `y[:n]` leaves of its m rows.
    """
    free = _free_sizes(graph)
    counts = {n: int(s.minimum or 0) for n, s in graph.settings.items() if graph.sizes.get(n) is s.value}
    least = {**dict.fromkeys(free, 1), **counts}
    sizes = {**dict.fromkeys(_beyond_slices(graph), False), **dict.fromkeys(_sizes(graph), True)}
    known = {size: is_axis for size, is_axis in sizes.items() if symbols(size) <= least.keys()}
    of_several = (size for size in known if len(symbols(size)) > 1 or not symbols(size) <= free)
    return {size: known[size] for size in of_several if _may_be_negative(size, least)}


def signed(size: Dim, sign: int) -> list[str]:
    """The names with which a size grows, for a `sign` of 1, or shrinks, for -1."""
    return [atom for monomial, factor in size.terms if sign * factor > 0 for atom in monomial if isinstance(atom, str)]


def _may_be_negative(size: Dim, least: Mapping[str, int]) -> bool:
    """Whether a size may be below 0: something is taken away, or it is with the `least` numbers."""
    takes_away = any(coefficient < 0 for monomial, coefficient in size.terms if monomial)
    inside = (atom.numerator for monomial, _ in size.terms for atom in monomial if isinstance(atom, Quotient))
    return takes_away or int(evaluate(size, least)) < 0 or any(_may_be_negative(each, least) for each in inside)


def _beyond_slices(graph: Graph) -> Iterator[Dim]:
    """What is left of an axis behind a slice that ends at a size."""
    for node in graph.walk():
        stop = node.attributes.get("stop") if node.op is Slice else None
        if isinstance(stop, Dim) and isinstance(left := node.inputs[0].type.shape[node.attributes["axis"]] - stop, Dim):
            yield left


def _free_sizes(graph: Graph) -> set[str]:
    """The dimensions that a host gives with its inputs, without the batch."""
    return {n for n, s in graph.sizes.items() if isinstance(s, tuple) and s[0] in graph.inputs and n != "batch"}


def _sizes(graph: Graph) -> Iterable[Dim]:
    """The sizes of axes that are no numbers, each once: the layers of a deep model have the same."""
    shapes = dict.fromkeys(value.type.shape for node in graph.walk() for value in node.outputs)
    return dict.fromkeys(size for shape in shapes for size in shape if isinstance(size, Dim))


def _places(graph: Graph) -> Iterator[tuple[Dim, int]]:
    """Sizes of axes in which some place is named by a number, and how large they must be for it."""
    for node in graph.walk():
        if node.op not in NAMES_PLACES:
            continue
        size = node.inputs[0].type.shape[node.attributes["axis"]]
        numbers = [n for name in NAMES_PLACES[node.op] if isinstance(n := node.attributes[name], int)]
        first = 1 if node.op is Pick else 0  # An index is a place, a bound lies between two.
        if isinstance(size, Dim):
            yield from ((size, n + first if n >= 0 else -n) for n in numbers)


def _at(size: Dim, name: str, number: int) -> int:
    value = substitute(size, {name: number})
    assert isinstance(value, int)
    return value
