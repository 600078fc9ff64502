"""`mai check`: everything that can be said about a file without running it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from mai.compiler.elaborate import elaborate
from mai.compiler.elaborate.repeating.store import keeping, templates
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import DERIVATIVES, Extend, Integrate
from mai.compiler.mending import Checked, Look, with_edits
from mai.compiler.passes.analyses.constant_ranges import may_overflow
from mai.compiler.passes.analyses.extent import oversized
from mai.compiler.passes.analyses.tensor_sizes import LARGEST_TENSOR, enormous
from mai.compiler.program import Program
from mai.compiler.solvers import takes_derivatives
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic, MaiError, Reporter
from mai.spec.parsing.parse import load_source, parse
from mai.spec.source import Source

RECURSION_LIMIT = 20_000
NO_TEXTS: Mapping[str, Source] = MappingProxyType({})


def internal(error: Exception) -> Diagnostic:
    """A bug of mai, told as one: with its place in mai, and without a traceback."""
    import traceback

    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}:{frame.lineno}"
    message = f"mai itself failed: {type(error).__name__} at {place}: {error}"
    return Diagnostic("internal", None, message, help="this is a bug of mai: please report it with the file")


def check(path: Path, sets: Mapping[str, str] | None = None, data: Sequence[Path] = ()) -> Checked:
    """Read, parse and elaborate a file, with `data` in the place of its own. Never raises for what the file says."""
    look = partial(_elaborated, path, sets or {}, data=data)
    return _mended(look)


def check_all(
    path: Path, sets: Mapping[str, str] | None = None, texts: Mapping[str, Source] = NO_TEXTS, data: Sequence[Path] = ()
) -> Checked:
    """The same, with what training and compiling would say, and warnings. `texts` are read in the place of files, by path."""

    def look(others: Mapping[str, Source]) -> Checked:
        return look_at(path, sets, {**texts, **others}, data)

    return _mended(look)


def _mended(look: Look) -> Checked:
    """What checking gives, with the edits that mend what is wrong; what is tried repeats the calls of what was looked at first."""
    with keeping(templates()):
        checked = look({})
        return with_edits(checked, look) if checked.diagnostics else checked


def look_at(
    path: Path, sets: Mapping[str, str] | None = None, texts: Mapping[str, Source] = NO_TEXTS, data: Sequence[Path] = ()
) -> Checked:
    """The same, without trying the edits of what is wrong."""
    checked = _elaborated(path, sets or {}, texts, data)
    more = ahead(checked.program, data) if checked.program is not None else []
    return replace(checked, diagnostics=checked.diagnostics + more)


def check_text(path: Path, text: str, sets: Mapping[str, str] | None = None, data: Sequence[Path] = ()) -> Checked:
    """The same for a text that stood at `path`, where its imports and its data are looked for."""
    return _elaborated(path, sets or {}, {str(path): Source(str(path), text, path.name)}, data)


def check_without_rules(path: Path, sets: Mapping[str, str] | None = None) -> Checked:
    """The same for a file whose `weights from`, if there is one, is not there: its parameters are what is asked for."""
    report = Reporter()
    try:
        file = parse(load_source(path, report), report)
    except MaiError:
        return Checked(None, report.ordered())
    text = file.source.text
    for declaration in file.declarations:
        if isinstance(declaration, ast.Weights):
            start, end = declaration.span.start, declaration.span.end
            text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return _elaborated(path, sets or {}, {str(path): Source(file.source.path, text, file.source.name)})


def _elaborated(path: Path, sets: Mapping[str, str], texts: Mapping[str, Source], data: Sequence[Path] = ()) -> Checked:
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))
    report = Reporter()
    program = _attempt(path, report, sets, texts, data)
    return Checked(program, report.ordered(), report.stopped)


def _attempt(
    path: Path, report: Reporter, sets: Mapping[str, str], texts: Mapping[str, Source], data: Sequence[Path]
) -> Program | None:
    try:
        program = elaborate(path, report, sets, texts, data)
        if program is not None and _fits(program, report):
            _check_derivatives(program, report)
            _check_constants(program, report)
        return None if report.failed else program
    except ModuleNotFoundError:  # A package that is not installed: the command says which.
        raise
    except Exception as error:
        report.add(internal(error))
        return None


def _graphs(program: Program) -> list[Graph]:
    claims = [claim.graph for claim in program.claims.values()]
    return [*program.exports.values(), *(training.graph for training in program.trainings), *claims]


def _fits(program: Program, report: Reporter) -> bool:
    """Whether what the blocks become can be written out at all."""
    oversized_blocks = [*chain.from_iterable(map(oversized, _graphs(program)))]
    for diagnostic in dict.fromkeys(oversized_blocks):
        report.add(diagnostic)
    return not oversized_blocks


def _check_derivatives(program: Program, report: Reporter) -> None:
    """Derivatives are taken by a pass, which may find an operation that has none; methods for noise take some of their own."""
    for graph in _graphs(program):
        if graph.has(*DERIVATIVES) or (graph.has(Integrate) and any(map(takes_derivatives, graph.walk()))):
            from mai.compiler.passes.ahead import check_derivatives

            try:
                check_derivatives(graph)
            except MaiError as error:
                for diagnostic in error.diagnostics:
                    report.add(diagnostic)


def _check_constants(program: Program, report: Reporter) -> None:
    """Numbers that are computed from the text alone are ones that a file can hold, and tensors fit into a machine."""
    graphs = _graphs(program)
    diagnostics = [*chain.from_iterable(enormous(graph, LARGEST_TENSOR) for graph in graphs)]
    if needs_numbers(program) and can_compute():
        from mai.compiler.passes.analyses.known_values import faults  # numpy is loaded for it

        diagnostics += chain.from_iterable(map(faults, graphs))
    for diagnostic in dict.fromkeys(diagnostics):
        report.add(diagnostic)


def can_compute() -> bool:
    """Whether there is numpy: in a browser there is none."""
    from importlib.util import find_spec

    return find_spec("numpy") is not None


def needs_numbers(program: Program) -> bool:
    """Whether the text computes numbers that may leave float32, so that numpy has to compute them."""
    return any(map(may_overflow, _graphs(program)))


def ahead(program: Program, data: Sequence[Path] = ()) -> list[Diagnostic]:
    """What training and compiling would say, as far as it is known now; and, where that is no error, what may not be meant."""
    from mai.compiler.warnings import warnings

    findings = [*misfits(program, data), *unmoved(program), *growing(program)]
    return findings if any(d.severity == "error" for d in findings) else [*findings, *warnings(program)]


def growing(program: Program) -> list[Diagnostic]:
    """Warnings for texts that cannot grow token by token: their files compute the whole text again for every token."""
    graphs = [g for g in program.exports.values() if any(node.op is Extend for node in g.walk())]
    diagnostics: list[Diagnostic] = []
    for graph in graphs:
        from mai.compiler.passes.ahead import check_growth

        try:
            check_growth(graph)
        except MaiError as error:
            diagnostics += [replace(d, severity="warning") for d in error.diagnostics]
    return diagnostics


def misfits(program: Program, data: Sequence[Path] = ()) -> list[Diagnostic]:
    """Errors of data whose shapes are known without training: those of a built-in source, or a file's header. `data` are in their place."""
    if not program.trainings:
        return []
    from mai.compiler.data import column_shapes as columns

    return columns.misfits(program.trainings[0], Path(program.source.path).parent, data)


def unmoved(program: Program) -> list[Diagnostic]:
    """Errors of objectives that no parameter moves."""
    if not program.trainings:
        return []
    from mai.compiler.training import moved

    return [*chain.from_iterable(map(moved.unmoved, program.trainings))]
