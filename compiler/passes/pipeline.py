"""The passes in their order, as data: each with a name and the reason why it stands where it does.

A pass takes a graph and gives one that computes the same. It makes a new graph, or gives the old one back where it finds nothing
to do; one that changes a few nodes edits a graph of the pipeline's own. The graph that `run` is given stays as it was, unless that is its own.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.rewrite import copy_graph
from mai.compiler.ir.verify import verify
from mai.compiler.passes.branches.pair import pair
from mai.compiler.passes.derivatives.differentiate import differentiate
from mai.compiler.passes.derivatives.implicit import implicit
from mai.compiler.passes.derivatives.untaken import untaken
from mai.compiler.passes.local.fold import fold_in_place
from mai.compiler.passes.local.fuse import fuse_in_place
from mai.compiler.passes.local.prune import prune_in_place
from mai.compiler.passes.local.share import share_in_place
from mai.compiler.passes.local.split import split
from mai.compiler.passes.local.upsampled import upsampled
from mai.compiler.passes.loops.begin_inside import begin_inside
from mai.compiler.passes.loops.discretise import discretise
from mai.compiler.passes.loops.hoist import hoist_in_place
from mai.compiler.passes.loops.unroll import unroll
from mai.compiler.passes.text.incremental import incremental
from mai.compiler.passes.text.prompt_blocks import prompt_blocks
from mai.compiler.passes.text.recompute import recompute, recompute_alike
from mai.compiler.passes.text.speculation.speculate import speculative
from mai.compiler.passes.text.two_level_cache import two_level


@dataclass(frozen=True, slots=True)
class Pass:
    """A function from graph to graph; `reason` is why it stands at its place in the pipeline.

    One that `edits` changes the graph that it is given. It is given one that nobody else has.
    """

    name: str
    run: Callable[[Graph], Graph]
    reason: str
    edits: bool = False


UNROLL = Pass(
    "unroll", unroll, "first, since a derivative goes through turns that are written out, each with weights of its own"
)
DIFFERENTIATE = Pass(
    "differentiate",
    differentiate,
    "after `discretise`, so that a derivative goes through the steps that a solver takes",
)
SHARE = Pass(
    "share",
    share_in_place,
    "derivatives and solvers compute much of the forward pass again: each thing is kept once",
    edits=True,
)
PRUNE = Pass(
    "prune", prune_in_place, "after `share`, which leaves nodes whose results nobody reads any more", edits=True
)

PRUNE_TEXT = Pass(
    "prune_text", prune_in_place, "before a text is made to grow, since what nothing reads may look ahead", edits=True
)

# How a growing text keeps its past: it is computed whole each turn, or grown token by token, the new part joined to the past
# each turn, or once a block of turns.
RECOMPUTE = Pass(
    "recompute", recompute, "a text's body is whole by now: derivatives and integrals in it are plain code"
)
RECOMPUTE_ALIKE = Pass(
    "recompute_alike",
    recompute_alike,
    "in the place of `recompute` where no loop is to be left: prompts have one length",
)
INCREMENTAL = Pass(
    "incremental", incremental, "the growing axis is followed through plain operations, so derivatives are code by now"
)
IN_BLOCKS = Pass(
    "prompt_blocks", prompt_blocks, "before `two_level`, whose first turn reads the first part of a prompt"
)
TWO_LEVEL = Pass("two_level", two_level, "it splits the caches of the loop that `incremental` makes")
GROWN: dict[str, tuple[Pass, ...]] = {
    "none": (RECOMPUTE,), "alike": (RECOMPUTE_ALIKE,), "concat": (PRUNE_TEXT, INCREMENTAL),
    "two-level": (PRUNE_TEXT, INCREMENTAL, IN_BLOCKS, TWO_LEVEL),
}  # fmt: skip


def _either(name: str, step: Callable[..., Graph], option: str, reason: str) -> dict[bool, Pass]:
    """A pass that does otherwise for what is trained (torch takes derivatives of it, or the adjoint equation does), by whether it is."""
    return {is_so: Pass(name, partial(step, **{option: is_so}), reason) for is_so in (False, True)}


UNTAKEN = _either(
    "untaken",
    untaken,
    "trained",
    "before turns and steps are written out, each of which has the branches that are guarded here",
)
DISCRETISE = _either(
    "discretise", discretise, "adjoint",
    "after `unroll`, so that the velocity is copied with its weights' names; before `differentiate`, which needs code",
)  # fmt: skip
IMPLICIT = _either(
    "implicit", implicit, "trained",
    "after `differentiate`, which asks a fixed point for its derivative; what is left of it is its value",
)  # fmt: skip


def _speculate(drafts: int) -> Pass:
    reason = "in the place of `incremental`, whose rules it follows for several tokens a turn"
    return Pass("speculate", partial(speculative, most=drafts), reason)


def derivation(*, adjoint: bool = False, trained: bool = False) -> tuple[Pass, ...]:
    """Every `repeat` with fresh parameters, `integrate` and derivative becomes plain code. Torch takes derivatives of what is `trained`."""
    return UNTAKEN[trained or adjoint], UNROLL, DISCRETISE[adjoint], DIFFERENTIATE, IMPLICIT[adjoint]


def growth(*, cache: str = "none", drafts: int = 0) -> tuple[Pass, ...]:
    """After `derivation`: every `extend` becomes a loop. `cache` is a key of `GROWN`."""
    text = (PRUNE_TEXT, _speculate(drafts)) if drafts else GROWN[cache]
    return *text, SHARE, PRUNE


def preparation(
    *, cache: str = "none", adjoint: bool = False, drafts: int = 0, trained: bool = False
) -> tuple[Pass, ...]:
    """What makes a graph plain code and loops, which torch runs."""
    return *derivation(adjoint=adjoint, trained=trained), *growth(cache=cache, drafts=drafts)


OPTIMISATION = (
    Pass(
        "fold",
        fold_in_place,
        "first, since x * 1 and x + 0 hide from `split` and `fuse` what they stand between",
        edits=True,
    ),
    Pass("upsampled", upsampled, "before `share`, which makes one of the windows that it widens for equal weights"),
    Pass("split", split, "before `hoist`, so that the part of a product that is of the time alone can leave the loop"),
    Pass("share_products", share_in_place, "parts of equal products are equal, and a loop is hoisted once", edits=True),
    Pass(
        "prune_products", prune_in_place, "before `hoist`, so that nothing is tabulated that nobody reads", edits=True
    ),
    Pass(
        "hoist",
        hoist_in_place,
        "before `pair`, so that code independent of the example is in no branch, and never stacked with one",
        edits=True,
    ),
    Pass(
        "begin_inside",
        begin_inside,
        "after `hoist`, which would take it out again; before `pair`, so that its branches are seen, too",
    ),
    Pass("pair", pair, "before `fuse`, because fused nodes no longer match each other: more products stay apart"),
    Pass(
        "fuse",
        fuse_in_place,
        "after `pair`, since a product that took in the sum of one branch matches no other branch's",
        edits=True,
    ),
    Pass("share_fused", share_in_place, "operations that took in equal sums are equal now", edits=True),
    Pass("prune_fused", prune_in_place, "last: what was fused, paired or shared left its old nodes behind", edits=True),
)

# The form that `--emit torch` prints: loops stay loops. A body is unrolled only where derivatives need its turns apart.
READABLE = (DISCRETISE[False], DIFFERENTIATE, IMPLICIT[False], RECOMPUTE, SHARE, PRUNE)

SELDOM = 200_000  # New objects between two looks for garbage.
Watcher = Callable[[Pass, float, Graph], None]
_watchers: ContextVar[tuple[Watcher, ...]] = ContextVar("watchers", default=())


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Inside, `watcher(pass, seconds, graph)` is called after every pass."""
    token = _watchers.set((*_watchers.get(), watcher))
    try:
        yield
    finally:
        _watchers.reset(token)


def run(passes: Sequence[Pass], graph: Graph, *, own: bool = False) -> Graph:
    """The graph after all passes, in their order. With `MAI_VERIFY=1` each result is verified.

    Args:
        own: nobody reads the graph afterwards, so that it may be changed itself.

    Raises:
        MaiError: the program asks for what a pass cannot do, a derivative that does not exist say.
        InvalidGraph: with `MAI_VERIFY=1`, a pass left a broken graph.
    """
    original = None if own else graph
    for each in passes:
        began = time.perf_counter()
        with uncollected():
            graph = each.run(copy_graph(graph) if each.edits and graph is original else graph)
        seconds = time.perf_counter() - began
        if os.environ.get("MAI_VERIFY") == "1":
            verify(graph, each.name)
        for watcher in _watchers.get():
            watcher(each, seconds, graph)
    return graph


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Garbage is looked for seldom.

    A deep model is a million small objects, nearly all of which stay: looking at them every 700 new ones took a fifth of its time.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(max(SELDOM, thresholds[0]), *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection: what makes a graph makes nothing that is garbage, and looking for it would take half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def names_of(passes: Sequence[Pass]) -> list[str]:
    """The names of passes, in their order."""
    return [each.name for each in passes]


def until(passes: Sequence[Pass], name: str) -> tuple[Pass, ...]:
    """The passes up to the one of this name."""
    return tuple(passes[: names_of(passes).index(name) + 1])


@dataclass(slots=True)
class Timings:
    """Seconds of each pass, added up over graphs: a watcher for `watching`."""

    seconds: dict[str, float]

    def __init__(self) -> None:
        self.seconds = {}

    def __call__(self, each: Pass, seconds: float, graph: Graph) -> None:
        self.seconds[each.name] = self.seconds.get(each.name, 0.0) + seconds

    def lines(self) -> list[str]:
        """A line a pass, in the order in which they ran."""
        return [f"{name:<16} {seconds * 1000:9.1f} ms" for name, seconds in self.seconds.items()]
