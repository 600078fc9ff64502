"""What torch computes in the trials of a gate: all of it at first, so that torch has let its weights go when a file is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from mai.compiler.ir.graph import EVALUATIONS
from mai.compiler.ir.sizes import symbols
from mai.compiler.ir.structure import Loop
from mai.compiler.onnx.comparing.origin import origin_of_trial
from mai.compiler.onnx.comparing.own_steps import arrives
from mai.compiler.onnx.comparing.trial import FREE_SIZE, Reference, Trial, trial, with_unlike_prompts
from mai.compiler.onnx.prepared import Prepared
from mai.compiler.passes.loops.some_turns import SomeTurns
from mai.compiler.passes.text.growth import texts
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

BATCHES = (1, 3)
RANGES = ((0.0, 1.0), (1.0, 2.0))  # Of inputs, where normal ones gave a result no finite number: a sum of logarithms.
MANY = 32  # Examples, where a result of none of these was: few draws fit all that it asks of several inputs.
# Of theirs: normal ones, a count, units of their own, as degrees and prices.
WIDER = (None, *RANGES, (1.0, 1.0), (10.0, 100.0))


@dataclass(frozen=True, slots=True)
class Expected:
    """A trial, and what torch gave for it, [batch, ...] each, by the names of the outputs."""

    trial: Trial
    results: dict[str, Array]


@dataclass(frozen=True, slots=True)
class Expectations:
    """The usual trials, and those of prompts of different lengths side by side."""

    usual: list[Expected]
    unlike: list[Expected]


def expectations(prepared: Prepared, weights: Mapping[str, Array], reference: Reference) -> Expectations:
    """What torch, the `reference`, computes of a prepared export.

    Raises:
        MaiError: nothing of it can be compared: `not-finite` or `index-out-of-range`.
    """
    usual = list(_usual(prepared, reference, weights))
    return Expectations(usual, list(_unlike_prompts(prepared, reference, usual)))


def usual_trials(prepared: Prepared) -> list[Trial]:
    """Trials of normal inputs, in batches and with dimensions of different sizes."""
    longest, least = prepared.longest_text, prepared.smallest()
    fewest = max(least.values(), default=1)
    free = (FREE_SIZE, FREE_SIZE - 1 if fewest < FREE_SIZE else FREE_SIZE)
    sizes = zip(BATCHES, free, strict=True)
    tried = [trial(prepared.plain, batch, longest=longest, free=size, least=least) for batch, size in sizes]
    return tried if prepared.part is None else [*tried[:-1], _after_a_turn(tried[-1], prepared.part)]


def _after_a_turn(tried: Trial, part: SomeTurns) -> Trial:
    """The same with a turn before, so that it begins with the states that it is given."""
    settings = {**tried.settings, part.before: 1}
    return replace(tried, settings=settings, recipe=tried.recipe.model_copy(update={"settings": settings}))


def never_finite(name: str, export: str) -> Diagnostic:
    """What is said of a result of an export of which no number could be compared."""
    message = f"`{name}` of `{export}` is not finite for any input that was tried: nothing could be compared"
    help = (
        "a number overflows, something is divided by 0, a root or a logarithm is of a number below 0, or a matrix that any "
        "input may be has no factor: `cholesky(x @ x')`"
    )
    return Diagnostic("not-finite", None, message, help=help)


def _usual(prepared: Prepared, reference: Reference, weights: Mapping[str, Array]) -> Iterator[Expected]:
    """The usual trials, and others while a result has had no finite number."""
    plain = prepared.plain
    names = [n for n in plain.output_names if n != EVALUATIONS]
    blank = set(names)  # Results of which no number has been compared yet.
    was_compared = has_arrived = False
    usual = usual_trials(prepared)
    for count, tried in enumerate(chain(usual, _others(prepared)), 1):
        arrays = _results(reference, tried)
        if arrays is not None:
            was_compared, has_arrived = True, has_arrived or arrives(plain, arrays)
            results = dict(zip(names, arrays, strict=False))
            blank -= {name for name, array in results.items() if not array.size or np.isfinite(array).any()}
            yield Expected(tried, results)
        if count >= len(usual) and was_compared and not blank:
            return
    if not was_compared:
        raise MaiError([_out_of_range(prepared)])
    if blank and has_arrived:  # A solver that does not arrive gives no number, and the runtime tells it.
        tried = _of_range(prepared, 1, RANGES[-1])
        raise MaiError(_not_finite(prepared, weights, min(blank, key=names.index), tried))


def _others(prepared: Prepared) -> Iterator[Trial]:
    """Trials of inputs of unlike sizes, and in other ranges, each drawn when it is asked for: of few examples, then of many."""
    yield from _of_unlike_sizes(prepared)
    for examples, ranges in ((1, RANGES), (MANY, WIDER)):
        yield from (_of_range(prepared, examples, reals) for reals in ranges)


def _of_unlike_sizes(prepared: Prepared) -> Iterator[Trial]:
    """Trials in which one dimension is larger than the others, or smaller: an axis of one is read by places of another."""
    longest, least = prepared.longest_text, prepared.smallest()
    names = sorted({n for v in prepared.plain.inputs for size in v.type.shape for n in symbols(size)})
    for name in names if len(names) > 1 else ():
        for size in (FREE_SIZE + 2, max(FREE_SIZE - 2, least.get(name, 1))):
            yield trial(prepared.plain, 1, longest=longest, sizes={name: size}, least=least)


def _of_range(prepared: Prepared, examples: int, reals: tuple[float, float] | None) -> Trial:
    longest, least = prepared.longest_text, prepared.smallest()
    return trial(prepared.plain, examples, longest=longest, reals=reals, least=least)


def _unlike_prompts(prepared: Prepared, reference: Reference, usual: Sequence[Expected]) -> Iterator[Expected]:
    """Prompts of different lengths side by side, where texts grow from such."""
    prompts = [v for v in prepared.plain.inputs if v.name in prepared.unlike]
    if not prompts:
        return
    tried = max((e.trial for e in usual), key=lambda t: len(t.inputs[prompts[0].name]))
    for port in prompts:
        fewest = prepared.smallest().get(str(port.type.shape[0]), 1)
        tried = with_unlike_prompts(tried, port.name, fewest)
    arrays = _results(reference, tried)
    if arrays is not None:
        yield Expected(tried, dict(zip(usual[0].results, arrays, strict=False)))


def _results(reference: Reference, tried: Trial) -> list[Array] | None:
    """The reference's results; None where an index that depends on the inputs is beyond its axis: the file refuses it, too."""
    try:
        return reference(tried)
    except (IndexError, RuntimeError) as error:
        if "out of range" in str(error) or "out of bounds" in str(error):
            return None
        raise


def _not_finite(prepared: Prepared, weights: Mapping[str, Array], name: str, tried: Trial) -> list[Diagnostic]:
    plain = prepared.plain
    refusal = never_finite(name, plain.name)
    note = origin_of_trial(plain, weights, tried, plain.output_names.index(name))
    if note is None:
        return [refusal]
    return [replace(refusal, help=note.help or refusal.help), replace(note, help=None)]


def _out_of_range(prepared: Prepared) -> Diagnostic:
    message = f"for every input that was tried, `{prepared.plain.name}` reads beyond an axis: nothing could be compared"
    help = "an index is below the size of its axis: `x[clip(i, 0, 9)]` reads ten places"
    if any(Loop.of(n).stops for n in texts(prepared.plain)):
        help += "; a text that has ended goes on with -1, which is no token: `f(maximum(x, 0), seen = x >= 0)`"
    return Diagnostic("index-out-of-range", None, message, help=help)
