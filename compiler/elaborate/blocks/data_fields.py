"""The `data` line: its source, the types of its fields, and the sizes that it leaves to the data.

A free name among the dimensions, `a: [N, 1]`, is a size of the data: a number where the source says it before it is read, as the
header of a file does, and else known when the examples are there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mai.compiler.data.column_shapes import gathered, read_in_place
from mai.compiler.data.fields import match_columns, solved
from mai.compiler.data.source_kinds import DrawsAlone, Source
from mai.compiler.data.sources import SOURCES
from mai.compiler.elaborate.bindings import Environment, Module
from mai.compiler.elaborate.configuration import read_configuration
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.expressions.names import is_free
from mai.compiler.elaborate.expressions.signatures import dims_of
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.types import Type
from mai.compiler.training.settings import TrainSettings
from mai.spec import ast
from mai.spec.diagnostics import MaiError, Reporter, placed
from mai.spec.read_settings import read_choice
from mai.spec.record import record
from mai.spec.source import Span


@record
class Data:
    """What a file has to train on: `sizes` are those that the `data` line leaves to the data, by name.

    `source` is None where it has errors, which are reported.
    """

    source: Source | None
    fields: Mapping[str, Type]
    sizes: Mapping[str, Size]

    @property
    def numbers(self) -> dict[str, Size]:
        """The sizes that are known."""
        return {name: size for name, size in self.sizes.items() if isinstance(size, int)}


NO_DATA = Data(DrawsAlone(), {}, {})  # Of a file without a `data` line.


def elaborate_data(written: ast.Data, module: Module, report: Reporter, base: Path, override: Sequence[Path]) -> Data:
    """The `data` line of a file. `override` are files that are read in the place of those that it names."""
    e, env = Elaborator(report, "settings", {}), Environment(module)
    call = read_configuration(e, env, (), written.source)
    others = [("the train block: `train({} = ...)`", TrainSettings)]
    source = read_choice(call, call.span, "source", SOURCES, report, others) if call is not None else None
    dims = [dim for field in written.fields for dim in dims_of(field.type)]
    sizes: dict[str, Size] = {dim.id: symbol(dim.id) for dim in dims if isinstance(dim, ast.Name) and is_free(env, dim)}
    fields = _typed(e, env, written, sizes, reported=True)
    if sizes and source is not None:
        _check_fields(source, fields, written.source.span, report)
        numbers = _sizes_of_columns(source, fields, base, override)
        sizes = {name: numbers.get(name, size) for name, size in sizes.items()}
        fields = _typed(e, env, written, sizes, reported=False)
    return Data(source, fields, sizes)


def _check_fields(source: Source, fields: Mapping[str, Type], span: Span, report: Reporter) -> None:
    """Report what keeps the sizes of named columns from being known: without them nothing is looked at later.

    How long the rows of a text are nothing says but the spec, which may train nothing.
    """
    try:
        if source.names_fields:
            source.check_fields(fields)
    except MaiError as error:
        report.diagnostics += placed(error, span).diagnostics


def _typed(
    e: Context, env: Environment, written: ast.Data, sizes: Mapping[str, Size], reported: bool
) -> dict[str, Type]:
    """The types of the fields, with these sizes. Mistakes in them are reported if `reported`."""
    inner = Environment(env.module)
    inner.names.update(sizes)
    fields: dict[str, Type] = {}
    for field in written.fields:
        if field.name.id in fields:
            if reported:
                e.error("duplicate-name", field.name.span, f"`{field.name.id}` is a field twice")
            continue
        try:
            fields[field.name.id] = e.signatures.written_type(inner, field.type)
        except Stop:
            continue
    return fields


def _sizes_of_columns(
    source: Source, fields: Mapping[str, Type], base: Path, override: Sequence[Path]
) -> dict[str, int]:
    """The sizes that the shapes of the source's arrays give; none where these are not known before they are read."""
    try:
        columns = gathered(read_in_place(source, override), Path() if override else base, fields)
        if columns is None:
            return {}
        matched = match_columns(columns, lambda c: bool(c.whole), fields, source.names_fields)
    except MaiError:  # It is said where the data are looked at.
        return {}
    numbers: dict[str, set[int]] = {}
    for name, column in matched.items():
        for size, number in solved(fields[name].shape, column.shape).items():
            numbers.setdefault(size, set()).add(number)
    return {size: number for size, (number, *others) in numbers.items() if not others}


def explain_sizes(data: Data, written: ast.Data, report: Reporter) -> None:
    """Add a note to errors about a size that only the data say, where the data could not be read."""
    unknown = {name for name, size in data.sizes.items() if not isinstance(size, int)}
    for place, diagnostic in enumerate(report.diagnostics):
        if diagnostic.slug == "dimension-unknown" and diagnostic.label in unknown:
            said = f"`{diagnostic.label}` is a size of the data, which {written.source.span.text} does not say"
            help = f"{said}: is the file there? Or write `const {diagnostic.label} = 8`, with its number"
            report.diagnostics[place] = replace(diagnostic, help=help)
