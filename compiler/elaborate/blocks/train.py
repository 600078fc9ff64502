"""The train block: its settings, the fields of the data, objectives, reports and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from mai.compiler.data.sources import SOURCES
from mai.compiler.elaborate.bindings import Binding, Environment, Function, Module, Poison, WeightScope
from mai.compiler.elaborate.configuration import read_configuration
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.errors import repairs
from mai.compiler.elaborate.expressions.families import path_of
from mai.compiler.elaborate.expressions.names import look_up
from mai.compiler.elaborate.statement_rules import elaborates
from mai.compiler.ir.graph import Setting, Value, Weight, turns_of
from mai.compiler.ir.operation import describe
from mai.compiler.ir.types import DType, Type
from mai.compiler.program import Objective, Record, Report, Training, Update
from mai.compiler.training.settings import Best, TrainSettings
from mai.compiler.weights.rules import Pattern
from mai.spec import ast
from mai.spec.diagnostics import Label, Reporter, Word
from mai.spec.diagnostics.edit import meant, put
from mai.spec.diagnostics.suggest import closest
from mai.spec.read_settings import read_settings
from mai.spec.record import record
from mai.spec.settings import Settings

if TYPE_CHECKING:
    from mai.compiler.elaborate.blocks.data_fields import Data

D = TypeVar("D", bound=ast.Declaration)


@dataclass
class Outcome:
    """The objectives, reports and records of a train block; their values are outputs of its graph.

    `states` has what the block writes to states, by the names of the weights, `first_values` what weights begin as that are
    made of all examples.
    """

    objectives: list[Objective] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    records: list[tuple[ast.Record, list[str], int]] = field(default_factory=list)
    states: dict[str, Value] = field(default_factory=dict)
    first_values: dict[str, Value] = field(default_factory=dict)


def _outcome(e: Context, statement: ast.Statement, word: str) -> Outcome:
    """The outcome of the train block around a statement.

    Raises:
        Stop: there is none, which is reported.
    """
    if e.train is None:
        raise e.fail("minimize-outside-train", statement.span, f"`{word}` belongs in a train block")
    return e.train


def _output(e: Context, value: Value, name: str) -> int:
    e.graph.outputs.append(value)
    e.graph.output_names.append(name)
    return len(e.graph.outputs) - 1


def _scalar(e: Context, env: Environment, expr: ast.Expr, what: str) -> Value:
    binding = e.expressions.expression(env, expr)
    if isinstance(binding, Poison):
        raise Stop
    value = e.real(binding, expr.span)
    if value.type.rank:
        message = f"{what} is one number for each example, this is {describe(value.type.shape)}"
        words = "write `{}`" if len(expr.span.text) < 40 else "take its `mean` or `sum`"
        help = put(expr.span, f"mean({expr.span.text})", words)
        raise e.fail("objective-not-scalar", expr.span, message, label=describe(value.type.shape), help=help)
    return value


@elaborates(ast.Minimize)
def _minimize(e: Context, env: Environment, statement: ast.Minimize) -> Binding:
    outcome = _outcome(e, statement, "minimize")
    value = _scalar(e, env, statement.value, "an objective")
    for owner in (o for o in statement.over if isinstance(o, ast.Identifier)):
        named = look_up(env, owner.id)
        if isinstance(named, Function) and named.declaration.kind == "layer":
            remedy = f'make it a net, which has one set of parameters, or name them: `over "*.{owner.id}_*"`'
            message = f"`{owner.id}` is a layer: it has parameters of its own at each call, and `over` takes nets"
            raise e.fail("not-a-net", owner.span, message, help=remedy)
        if isinstance(named, Function) and named.twin is not None:
            message = f"`{owner.id}` follows `{named.declaration.name.id}`: no objective moves it"
            own = meant(owner.span, named.declaration.name.id)
            raise e.fail("not-a-net", owner.span, message, help=own)
        if not isinstance(named, Function):
            nets = [name for name, value in env.module.names.items() if repairs.is_net(value)]
            guess = closest(owner.id, nets) or (nets[0] if len(nets) == 1 else None)
            help = meant(owner.span, guess) if guess else None
            raise e.fail("not-a-net", owner.span, f"`{owner.id}` is not a net of this file", help=help)
    output = _output(e, value, f"loss_{len(outcome.objectives) + 1}")
    over = tuple(o.id for o in statement.over if isinstance(o, ast.Identifier))
    only = tuple(Pattern(o.value, o.span) for o in statement.over if isinstance(o, ast.String))
    every = 1 if statement.every is None else _every(e, env, statement.every)
    outcome.objectives.append(Objective(output, over, statement.value.span.text, statement.span, only, every))
    return None


@elaborates(ast.Report)
def _report(e: Context, env: Environment, statement: ast.Report) -> Binding:
    reports = _outcome(e, statement, "report").reports
    for written in statement.values:
        value, names = _scalar(e, env, written.value, "a report"), [r.name for r in reports]
        if written.name is not None and written.name.id in ["loss", *names]:
            raise e.fail("duplicate-name", written.name.span, f"two numbers are shown as `{written.name.id}`")
        name = written.name.id if written.name is not None else _shown(written.value, names)
        reports.append(Report(_output(e, value, name), name))
    return None


def _shown(expr: ast.Expr, names: Sequence[str]) -> str:
    """The name that a number without one is shown under: its function's, or its own text."""
    name = expr.function.span.text if isinstance(expr, ast.Call) else expr.span.text
    return name if name not in names else f"{name}_{len(names) + 1}"


@elaborates(ast.Record)
def _record(e: Context, env: Environment, statement: ast.Record) -> Binding:
    outcome = _outcome(e, statement, "record")
    every = _every(e, env, statement.every) if statement.every is not None else 100
    names = []
    for expr in statement.values:
        path = path_of(e, env, expr) if isinstance(expr, ast.Field) else None
        if path is None:
            help = "write `record f.u every 100`"
            raise e.fail("record-what", expr.span, "`record` keeps params of a net", help=help)
        names.append(path)
    outcome.records.append((statement, names, every))
    return None


def _every(e: Context, env: Environment, expr: ast.Expr) -> int:
    count = e.expressions.expression(env, expr)
    if not isinstance(count, int) or count < 1:
        raise e.fail("repeat-count", expr.span, "`every` takes a whole number of steps, at least 1")
    return count


def _finished_records(e: Context, outcome: Outcome) -> tuple[Record, ...]:
    """The records, once all parameters are known; those of parameters that do not exist are reported."""
    records = []
    for statement, names, every in outcome.records:
        for name, expr in zip(names, statement.values, strict=True):
            if name not in e.weights:
                guess = closest(name, e.weights)
                help = f"did you mean `{guess}`?" if guess else None
                e.error("unknown-name", expr.span, f"there is no param `{name}`", help=help)
        records.append(Record(tuple(names), every))
    return tuple(records)


@record
class EarlierBlocks:
    """What earlier blocks have trained: the names of the `weights`, and the `nets` that stay as they are in this block."""

    weights: frozenset[str]
    nets: frozenset[str]


def elaborate_training(
    train: ast.Train, written: ast.Data | None, modules: Mapping[bool, Module], data: Data, report: Reporter,
    weights: dict[str, Weight], earlier: EarlierBlocks,
) -> Training | None:  # fmt: skip
    """A train block; None where it has errors. `modules` are the declarations, as training and as exports compute with them."""
    settings = _settings_of(train, written, modules[True], report)
    before = len(report.diagnostics)
    outcome, evaluated = Outcome(), Outcome()
    block = _block(train, written, modules[True], data, report, weights, outcome)
    if len(report.diagnostics) > before or not outcome.objectives:
        _check_objective(train, report)
        return None
    states = {name: value for name, value in outcome.states.items() if weights[name].owner not in earlier.nets}
    updates = tuple(Update(_output(block, value, name), name) for name, value in states.items())
    evaluation = _block(train, written, modules[False], data, report, weights, evaluated)
    first = tuple(Update(_output(evaluation, value, name), name) for name, value in evaluated.first_values.items())
    records = _finished_records(block, outcome)
    _check_kept(train, settings, outcome.reports, report)
    _check_sample(train, settings, data.fields, report)
    for pattern in [*(p for o in outcome.objectives for p in o.only), *_named(train, settings)]:
        _check_matches(pattern, weights, report)
    _check_groups(train, settings, weights, report)
    if settings is None or data.source is None or report.failed:
        return None
    return Training(
        settings, data.source, dict(data.fields), block.graph, evaluation.graph, tuple(outcome.objectives), tuple(outcome.reports), records,
        written.span if written is not None else train.head, updates, train.name.id if train.name else None, earlier.weights, first,
    )  # fmt: skip


def _settings_of(train: ast.Train, written: ast.Data | None, module: Module, report: Reporter) -> TrainSettings | None:
    """The settings of a train block; None where they are not values."""
    configuration = read_configuration(Elaborator(report, "settings", {}), Environment(module), train.settings)
    if configuration is None:
        return None
    return read_settings(TrainSettings, configuration, "a train block", train.head, report, _sources(written))


def _check_objective(train: ast.Train, report: Reporter) -> None:
    """Check that a block says what it minimizes."""
    if not any(isinstance(statement, ast.Minimize) for statement in train.body):
        repair = repairs.instead_of_name(train.body[-1] if train.body else None, "minimize")
        message = "a train block says what it minimizes"
        report.error("minimize-missing", train.head, message, help=repair or "end it in `minimize ...`")


def _sources(written: ast.Data | None) -> list[tuple[str, type[Settings]]]:
    """The source whose setting a train block may have been given: the file's own before all others."""
    call = written.source if written is not None else None
    own = call.function.id if isinstance(call, ast.Call) and isinstance(call.function, ast.Name) else ""
    names = sorted(SOURCES, key=lambda name: name != own)
    return [(f"the source: `{name}({{}} = ...)`", SOURCES[name]) for name in names]


def _check_kept(train: ast.Train, settings: TrainSettings | None, reports: Sequence[Report], report: Reporter) -> None:
    """Check that the block reports the number by which the best weights are chosen."""
    kept, names = settings.keep if settings else None, ["loss", *(r.name for r in reports)]
    if isinstance(kept, Best) and kept.metric not in names:
        span = next(a.value.span for a in train.settings if a.name == "keep")
        guess = closest(kept.metric, names)
        help = f"did you mean `{guess}`?" if guess else f"there are {', '.join(names)}: `report {kept.metric}(...)`"
        report.error("bad-setting", span, f"nothing that this block reports is called `{kept.metric}`", help=help)


def _check_sample(
    train: ast.Train, settings: TrainSettings | None, fields: Mapping[str, Type], report: Reporter
) -> None:
    """Check that examples are chosen by a field that there is, of a kind that can be chosen by."""
    sample = settings.sample if settings else None
    if sample is None or (sample.field in fields and sample.fits(fields[sample.field])):
        return
    span = next(a.value.span for a in train.settings if a.name == "sample")
    names = [name for name, type_ in fields.items() if sample.fits(type_)]
    word = Word(sample.field, closest(sample.field, names))
    there = f"there are {', '.join(names)}" if names else "there is none in the `data` line"
    help = next(iter(word.edits(span)), there)
    message = f"`{sample.name}` needs {sample.needs}, `{sample.field}` is none"
    report.error("bad-setting", word.place(span), message, help=help)


def _named(train: ast.Train, settings: TrainSettings | None) -> list[Pattern]:
    """The patterns of `freeze` and of `groups`, each with the place of the setting."""
    if settings is None:
        return []
    texts = {"freeze": settings.frozen, "groups": tuple(text for group in settings.groups for text in group.patterns)}
    spans = {a.name: a.value.span for a in train.settings}
    return [Pattern(text, spans.get(name, train.head)) for name in texts for text in texts[name]]


def _check_groups(
    train: ast.Train, settings: TrainSettings | None, weights: Mapping[str, Weight], report: Reporter
) -> None:
    """Check that each group of weights has some that no group before it has."""
    if settings is None or report.failed:
        return
    left = {copy.name for weight in weights.values() if weight.trained for copy in turns_of(weight)}
    for group in settings.groups:
        patterns = [Pattern(text, train.head) for text in group.patterns]
        own = {name for name in left if any(p.match(name) for p in patterns)}
        if not own:
            span = next(a.value.span for a in train.settings if a.name == "groups")
            message = f"nothing is left for the group of `{group.patterns[0]}`: those before it have all"
            report.error("bad-setting", span, message, help="put it before them")
        left -= own


def _check_matches(pattern: Pattern, weights: Mapping[str, Weight], report: Reporter) -> None:
    """Check that a pattern of `over`, `freeze` or `groups` matches a parameter that training could move."""
    if pattern.complaint:
        report.error("weights-rule", pattern.span, pattern.complaint)
        return
    trained = [copy.name for weight in weights.values() if weight.trained for copy in turns_of(weight)]
    if not any(pattern.match(name) for name in trained):
        following = [copy.name for weight in weights.values() if weight.follows for copy in turns_of(weight)]
        if any(pattern.match(name) for name in following):
            message = f"`{pattern.text}` follows other parameters: no objective moves it"
            report.error(
                "not-a-net", pattern.span, message, help="name the parameters that it follows, or leave it out"
            )
            return
        guess = closest(pattern.text, trained)
        help = put(pattern.span, f'"{guess}"', f"did you mean `{guess}`?") if guess else None
        report.error("unknown-name", pattern.span, f"no parameter has a name like `{pattern.text}`", help=help)


def only(file: ast.File, kind: type[D], word: str, report: Reporter) -> D:
    """The declaration of a kind of which a file with one has one. Further ones are reported."""
    declarations = [d for d in file.declarations if isinstance(d, kind)]
    for again in declarations[1:]:
        where = [Label(declarations[0].span, "the first")]
        report.error("duplicate-name", again.span, f"a file has one `{word}`", where=where)
    return declarations[0]


def _block(
    train: ast.Train, written: ast.Data | None, module: Module, data: Data, report: Reporter,
    weights: dict[str, Weight], outcome: Outcome,
) -> Context:  # fmt: skip
    e = Elaborator(report, f"train.{train.name.id}" if train.name else "train", weights)
    names = _begin_of_names(train, module)
    e.scope, e.train = WeightScope(names, names, names), outcome
    env = Environment(module)
    step = Value(Type(DType.INT), "step")
    e.graph.settings["step"] = Setting(step, 0, 0)
    e.draws.start(step)
    e.draws.are_used = True
    env.names.update(data.sizes)
    for data_field in written.fields if written is not None else ():
        if data_field.name.id not in data.fields:
            env.bind(data_field.name, Poison())
            continue
        env.bind(data_field.name, e.add_input(data.fields[data_field.name.id], data_field.name.id, data.sizes))
    e.ask_for_batch()
    e.statements.block(env, train.body)
    return e


def _begin_of_names(train: ast.Train, module: Module) -> str:
    """What the names of the block's own numbers begin with; another word where a net is called `train`, whose names begin so."""
    nets = {n for n, b in module.names.items() if isinstance(b, Function) and b.declaration.kind == "net"}
    first = "train"
    while first in nets:
        first += "_block"
    return f"{first}.{train.name.id}" if train.name else first
