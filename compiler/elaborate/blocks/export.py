"""`export`: a graph with inputs (one value for each example), settings (one for each call) and results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from mai.compiler.elaborate.bindings import Binding, Environment, Function, Module, Poison
from mai.compiler.elaborate.blocks.integrals.arrival import count_evaluations
from mai.compiler.elaborate.context import BATCH, Context, Stop
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.errors import repairs
from mai.compiler.elaborate.expressions.names import is_free, look_up
from mai.compiler.elaborate.expressions.signatures import dims_of, dtype_of, return_of
from mai.compiler.elaborate.expressions.static import as_real
from mai.compiler.ir.graph import EVALUATIONS, TURNS, Graph, Setting, Value, Weight
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.types import DType
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Label, Reporter

SEED, NUMBER = "seed", "example"  # Inputs by which each example has draws of its own.
RESERVED = (SEED, "batch")


def elaborate_export(
    declaration: ast.Function,
    module: Module,
    report: Reporter,
    weights: dict[str, Weight],
    numbers: Mapping[str, Size],
) -> Graph | None:
    """The graph of an export; None where it has errors, which are reported.

    A free size of its inputs is what the host's arrays have; where parameters depend on it, it is the size of that name in the data.

    Args:
        weights: the parameters so far, by name, which the export shares and adds to.
        numbers: the sizes that the `data` line leaves to the data, as far as they are known.
    """
    if not any(_is_named(dim, numbers) for p in declaration.parameters if p.type for dim in dims_of(p.type)):
        return _elaborate(declaration, module, report, weights, {})
    first, own = Reporter(), dict(weights)
    graph = _elaborate(declaration, module, first, own, {})
    if any(d.slug == "dimension-unknown" for d in first.diagnostics):
        return _elaborate(declaration, module, report, weights, numbers)
    _take(first, own, report, weights)
    return graph


ExportMaker = Callable[[ast.Function, Module, Reporter, dict[str, Weight], Mapping[str, Size]], Graph | None]


def elaborate_before_training(
    declaration: ast.Function, module: Module, report: Reporter, weights: dict[str, Weight], numbers: Mapping[str, Size]
) -> Graph | None:
    """The same; None, without a word, where it has errors: the train blocks may have the parameters that it reads."""
    first, own = Reporter(), dict(weights)
    graph = elaborate_export(declaration, module, first, own, numbers)
    if graph is not None:
        _take(first, own, report, weights)
    return graph


def nets_read(file: ast.File, module: Module) -> set[str]:
    """The nets whose parameters are values in an export of a file, or in a function that one may call."""
    functions = [f for f in module.names.values() if isinstance(f, Function)]
    written = [*((d, module) for d in exports_of(file)), *((f.declaration, f.module) for f in functions)]
    paths = ((field.path, near) for d, near in written for field in nodes_of(d, ast.Field))
    heads = ((path.partition(".")[0], near) for path, near in paths if path is not None)
    return {head for head, near in heads if isinstance(near.names.get(head), Function)}


def may_wait(nets: Set[str], weights: Mapping[str, Weight]) -> bool:
    """Whether one of these nets has no parameters yet: only training may call it, or an export below."""
    return bool(nets) and not nets <= {weight.owner for weight in weights.values()}


def exports_of(file: ast.File) -> list[ast.Function]:
    """The exports of a file, as they are written."""
    return [d for d in file.declarations if isinstance(d, ast.Function) and d.kind == "export"]


def _take(first: Reporter, own: Mapping[str, Weight], report: Reporter, weights: dict[str, Weight]) -> None:
    """Take over what was tried aside."""
    weights.update(own)
    for diagnostic in first.diagnostics:
        report.add(diagnostic)


def _is_named(dim: ast.Expr, numbers: Mapping[str, Size]) -> bool:
    """Whether a dimension is one of these names."""
    return isinstance(dim, ast.Name) and dim.id in numbers


def _elaborate(
    declaration: ast.Function,
    module: Module,
    report: Reporter,
    weights: dict[str, Weight],
    numbers: Mapping[str, Size],
) -> Graph | None:
    e = Elaborator(report, declaration.name.id, weights)
    env = Environment(module)
    env.names.update(numbers)
    before = len(report.diagnostics)
    e.draws.start()
    for parameter in declaration.parameters:
        _parameter(e, env, parameter, declaration)
    if any(value.name == SEED for value in e.graph.inputs):
        _draw_each(e, declaration)
    e.ask_for_batch()
    result = e.statements.block(env, declaration.body)
    e.draws.finish()
    if e.graph.settings:
        _bound_settings(e, declaration)
    if isinstance(result, Poison) or len(report.diagnostics) > before:
        return None
    if result is None:
        e.error(
            "missing-return",
            declaration.name.span,
            f"`{declaration.name.id}` returns nothing",
            label="no `return` in its body",
            help=repairs.returned(declaration),
        )
        return None
    return _finish(e, env, declaration, result)


def _finish(e: Context, env: Environment, declaration: ast.Function, result: Binding) -> Graph | None:
    """Make the results the outputs of the graph, with the counter of adaptive solvers after them."""
    returned = return_of(declaration)
    span = returned.span if returned else declaration.name.span
    e.builder.span = span
    try:
        values = e.signatures.results(env, declaration, result)
    except Stop:
        return None
    e.graph.output_names = _names(e, declaration.name.id, returned, len(values))
    e.graph.outputs = [e.builder.spread(v, (BATCH,)) for v in values]
    if e.evaluations:
        count_evaluations(e)
    return e.graph


def _names(e: Context, export: str, returned: ast.Expr | None, count: int) -> list[str]:
    """The names of the outputs: the export's for one result; for several their own, or else the export's and their number."""
    taken = {v.name for v in e.graph.inputs} | set(e.graph.settings) | {EVALUATIONS, TURNS}
    names = _numbered(export, count)
    while taken & set(names):
        export += "_result"
        names = _numbered(export, count)
    if not isinstance(returned, ast.Several) or len(returned.items) != count:
        return names  # Another `return`, in an `if`, was taken.
    own = [item.id if isinstance(item, ast.Name) else "" for item in returned.items]
    clear = {name for name in own if name and name not in taken and own.count(name) == 1}
    return [name if name in clear else number for name, number in zip(own, names, strict=True)]


def _numbered(export: str, count: int) -> list[str]:
    return [export] if count == 1 else [f"{export}_{i}" for i in range(count)]


def _parameter(e: Context, env: Environment, parameter: ast.Parameter, declaration: ast.Function) -> None:
    name = parameter.name
    try:
        if name.id in RESERVED and not _is_seed(parameter):
            raise e.fail(
                "reserved-name",
                name.span,
                f"`{name.id}` is a setting that mai adds itself",
                help=repairs.renamed(declaration, name),
            )
        if name.id in env.names and name.id in e.graph.settings | {v.name: v for v in e.graph.inputs}:
            raise e.fail("duplicate-name", name.span, f"`{name.id}` is defined twice")
        if parameter.type is None:
            help = f"write `{name.id}: [2]`, `{name.id}: int = 20`"
            types = repairs.types_of_input(name.span.source, parameter, declaration)
            raise e.fail(
                "missing-type",
                name.span,
                f"`{name.id}` needs a type: it is an input of the file",
                help=help,
                edits=types,
            )
        if parameter.default is None:
            bind_input(e, env, parameter, parameter.type)
        else:
            _setting(e, env, parameter, parameter.type)
    except Stop:
        env.bind(name, Poison())


def _draw_each(e: Context, declaration: ast.Function) -> None:
    """Let draws read the seed, and the number in its batch, that an export takes for each example."""
    inputs = {value.name: value for value in e.graph.inputs}
    whole = {p.name.id: inputs[p.name.id] for p in declaration.parameters if _is_whole(p) and p.name.id in inputs}
    if SEED in whole:
        e.draws.seed_each(whole[SEED])
        if NUMBER in whole:
            e.draws.number_each(whole[NUMBER])


def _is_seed(parameter: ast.Parameter) -> bool:
    """Whether a parameter is a seed for each example, `seed: int`: an example then draws the same in every batch."""
    return parameter.name.id == SEED and _is_whole(parameter)


def _is_whole(parameter: ast.Parameter) -> bool:
    """Whether a parameter is an input of one whole number."""
    written = parameter.type
    is_int = isinstance(written, ast.ScalarType) and written.kind == "int" and not written.dims
    return is_int and parameter.default is None


def bind_input(e: Context, env: Environment, parameter: ast.Parameter, written: ast.TypeExpr) -> None:
    """Add an input with the batch axis; a free name among its dimensions becomes the size that the host's array has."""
    fresh: list[str] = []
    for dim in dims_of(written):
        if is_free(env, dim):
            assert isinstance(dim, ast.Name)
            if dim.id in RESERVED:
                help = "a spec speaks of one example: leave the axis of the batch out"
                raise e.fail("reserved-name", dim.span, f"`{dim.id}` is a name that mai uses itself", help=help)
            env.bind_size(dim.id, symbol(dim.id), dim.span)
            fresh.append(dim.id)
    value = e.add_input(e.signatures.written_type(env, written), parameter.name.id, fresh)
    e.inputs_at[value] = written.span
    env.bind(parameter.name, value)


def _setting(e: Context, env: Environment, parameter: ast.Parameter, written: ast.TypeExpr) -> None:
    """Add a setting, one scalar for each call. An integer can be a size: a number of steps, of turns."""
    assert parameter.default is not None
    default = _default(e, env, parameter.default, written)
    if isinstance(default, Poison):
        raise Stop
    dtype = dtype_of(written)
    if dims_of(written):
        raise e.fail("rank-mismatch", written.span, "a setting is one number: a parameter with a default has no axes")
    whole = isinstance(default, int) and not isinstance(default, bool)
    fits = {DType.BOOL: isinstance(default, bool), DType.INT: whole, DType.REAL: whole or isinstance(default, float)}
    if not fits[dtype]:
        words = {DType.BOOL: "true or false", DType.INT: "a whole number", DType.REAL: "a number"}
        help = _labels(e, env, written) if isinstance(default, str) else None
        raise e.fail("dtype-mismatch", parameter.default.span, f"`{parameter.name.id}` is {words[dtype]}", help=help)
    assert isinstance(default, (bool, int, float))
    e.representable(as_real(default) if dtype is DType.REAL else default, parameter.default.span)
    value = Value(e.signatures.written_type(env, written), parameter.name.id)
    is_size = isinstance(written, ast.ScalarType) and written.kind == "int"
    classes = value.type.classes
    top = classes - 1 if isinstance(classes, int) else None
    if isinstance(written, ast.ClassType) and top is not None and not 0 <= default <= top:
        message = f"the label {default} does not fit class[{classes}]: labels are 0 to {top}"
        raise e.fail("class-range", parameter.default.span, message)
    low = 0 if classes else None
    e.graph.settings[parameter.name.id] = Setting(value, float(default) if dtype is DType.REAL else default, low, top)
    bound: Size | Value = value
    if is_size:
        bound = symbol(parameter.name.id)
        e.graph.sizes[parameter.name.id] = value
    env.bind(parameter.name, bound)


def _bound_settings(e: Context, declaration: ast.Function) -> None:
    """Give every setting the range that its uses allow, and check that its default is in it."""
    written = {p.name.id: p.default for p in declaration.parameters if p.default is not None}
    for name in e.graph.settings:
        bound, default = e.bounds.broken(name), written.get(name)
        e.graph.settings[name] = setting = e.bounds.range_of(name)
        if bound is not None and default is not None:
            message = f"`{name}` is {bound}, its default is {setting.default}"
            where = [Label(bound.use, "used here")] if bound.use.source is default.span.source else []
            e.error("bad-setting", default.span, message, where=where)
    for name, use in e.bounds.zeros():
        message = f"`categorical` has no logits where `{name}` is 0: they are divided by it inside"
        help = f"write `categorical(z, temperature = {name})`, of logits z that nothing has divided by it"
        e.report.error("division-by-zero", use, message, label=f"{name} may be 0", help=help)


def _default(e: Context, env: Environment, written: ast.Expr, type_: ast.TypeExpr) -> Binding:
    """The default of a setting. A label's default is a number, since the names of labels come with the data."""
    if isinstance(written, ast.Name) and look_up(env, written.id) is None:
        help = _labels(e, env, type_)
        if help:
            raise e.fail("unknown-name", written.span, f"nothing here is called `{written.id}`", help=help)
    return e.expressions.expression(env, written)


def _labels(e: Context, env: Environment, written: ast.TypeExpr) -> str | None:
    """Help for the default of a label; None for other settings."""
    if not isinstance(written, ast.ClassType):
        return None
    classes = e.signatures.classes_of(env, written)
    top = f" from 0 to {classes - 1}" if isinstance(classes, int) else ""
    return f"a spec does not know labels by name: a default is a number{top}"
