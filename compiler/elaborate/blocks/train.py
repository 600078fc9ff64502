"""The train block: settings, the data's fields, objectives, reports and records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mai.compiler.data.sources import SOURCES
from mai.compiler.elaborate.bindings import Binding, Environment, Function, Module, Poison
from mai.compiler.elaborate.configuration import read_configuration
from mai.compiler.elaborate.core import Stop
from mai.compiler.elaborate.elaborator import BATCH, Elaborator
from mai.compiler.ir.graph import Setting, Value, Weight, turns_of
from mai.compiler.ir.operation import describe
from mai.compiler.ir.types import DType, Type
from mai.compiler.program import Objective, Record, Report, Training
from mai.compiler.training.settings import TrainSettings
from mai.compiler.weights.rules import Pattern
from mai.spec import ast
from mai.spec.diagnostics import Label, Reporter
from mai.spec.diagnostics.suggest import closest
from mai.spec.read_settings import read_choice, read_settings


class TrainElaborator(Elaborator):
    """A train block: it minimizes, reports and records instead of returning."""

    def __init__(self, report: Reporter, weights: dict[str, Weight], *, training: bool) -> None:
        super().__init__(report, "train", weights, training=training, in_train=True)
        self.objectives: list[Objective] = []
        self.reports: list[Report] = []
        self.records: list[tuple[ast.Record, list[str], int]] = []

    def _statement_rules(self) -> dict[type[ast.Statement], Callable[[Environment, Any], Binding]]:
        own: dict[type[ast.Statement], Callable[[Environment, Any], Binding]] = {
            ast.Return: self._return,
            ast.Minimize: self._minimize,
            ast.Report: self._report,
            ast.Record: self._record,
        }
        return {**super()._statement_rules(), **own}

    def _return(self, env: Environment, statement: ast.Return) -> Binding:
        if self.calls:
            return self.expression(env, statement.value)
        raise self.fail("unreachable", statement.span, "a train block returns nothing: it ends in `minimize`")

    def _output(self, value: Value, name: str) -> int:
        self.graph.outputs.append(value)
        self.graph.output_names.append(name)
        return len(self.graph.outputs) - 1

    def _scalar(self, env: Environment, expr: ast.Expr, what: str) -> Value:
        made = self.expression(env, expr)
        if isinstance(made, Poison):
            raise Stop
        value = self.real(made, expr.span)
        if value.type.rank:
            message = f"{what} is one number for each example, this is {describe(value.type.shape)}"
            help = f"write `mean({expr.span.text})`" if len(expr.span.text) < 40 else "take its `mean` or `sum`"
            raise self.fail("objective-not-scalar", expr.span, message, label=describe(value.type.shape), help=help)
        return value

    def _minimize(self, env: Environment, statement: ast.Minimize) -> Binding:
        value = self._scalar(env, statement.value, "an objective")
        for owner in (o for o in statement.over if isinstance(o, ast.Identifier)):
            if not isinstance(self.look_up(env, owner.id), Function):
                nets = [
                    n for n, v in env.module.names.items() if isinstance(v, Function) and v.declaration.kind == "net"
                ]
                guess = closest(owner.id, nets)
                help = f"did you mean `{guess}`?" if guess else None
                raise self.fail("not-a-net", owner.span, f"`{owner.id}` is not a net of this file", help=help)
        output = self._output(value, f"loss_{len(self.objectives) + 1}")
        over = tuple(o.id for o in statement.over if isinstance(o, ast.Identifier))
        only = tuple(Pattern(o.value, o.span) for o in statement.over if isinstance(o, ast.String))
        self.objectives.append(Objective(output, over, statement.value.span.text, statement.span, only))
        return None

    def _report(self, env: Environment, statement: ast.Report) -> Binding:
        for expr in statement.values:
            value = self._scalar(env, expr, "a report")
            name = expr.function.span.text if isinstance(expr, ast.Call) else expr.span.text
            taken = [r.name for r in self.reports]
            name = name if name not in taken else f"{name}_{len(taken) + 1}"
            self.reports.append(Report(self._output(value, name), name))
        return None

    def _record(self, env: Environment, statement: ast.Record) -> Binding:
        every = 100
        if statement.every is not None:
            count = self.expression(env, statement.every)
            every = self._every(count, statement.every)
        names = []
        for expr in statement.values:
            if not isinstance(expr, ast.Field) or not isinstance(expr.base, ast.Name):
                raise self.fail(
                    "record-what", expr.span, "`record` keeps params of a net", help="write `record f.u every 100`"
                )
            names.append(f"{expr.base.id}.{expr.name}")
        self.records.append((statement, names, every))
        return None

    def _every(self, count: Binding, expr: ast.Expr) -> int:
        if not isinstance(count, int) or count < 1:
            raise self.fail("repeat-count", expr.span, "`every` takes a whole number of steps, at least 1")
        return count

    def finished_records(self) -> tuple[Record, ...]:
        """Records whose params exist; the others are told with what there is."""
        made = []
        for statement, names, every in self.records:
            for name, expr in zip(names, statement.values, strict=True):
                if name not in self.weights:
                    guess = closest(name, self.weights)
                    help = f"did you mean `{guess}`?" if guess else None
                    self.error("unknown-name", expr.span, f"there is no param `{name}`", help=help)
            made.append(Record(tuple(names), every))
        return tuple(made)


def elaborate_training(
    file: ast.File, modules: Mapping[bool, Module], report: Reporter, weights: dict[str, Weight]
) -> Training | None:
    """The train block of a file with its data; None where there is none, or it has errors."""
    train = only(file, ast.Train, "train", report)
    data = only(file, ast.Data, "data", report)
    if train is None and data is None:
        return None
    env = Environment(modules[True])
    reader = Elaborator(report, "settings", {}, training=True)
    given = read_configuration(reader, env, train.settings) if train else None
    settings = (
        read_settings(TrainSettings, given, "a train block", train.head, report)
        if train and given is not None
        else None
    )
    source = None
    if data is not None:
        call = read_configuration(reader, env, (), data.source)
        source = read_choice(call, call.span, "source", SOURCES, report) if call is not None else None
    if train is None:
        return None
    if data is None:
        report.error("data-missing", train.head, "a train block needs data", help="write `data x: [2] from moons()`")
        return None
    fields = _fields(reader, env, data)
    before = len(report.diagnostics)
    block = _block(train, data, modules[True], fields, report, weights, training=True)
    if len(report.diagnostics) > before or not block.objectives:
        if not any(isinstance(s, ast.Minimize) for s in train.body):
            report.error(
                "minimize-missing", train.head, "a train block says what it minimizes", help="end it in `minimize ...`"
            )
        return None
    evaluation = _block(train, data, modules[False], fields, report, weights, training=False)
    records = block.finished_records()
    for pattern in [*(p for o in block.objectives for p in o.only), *_frozen(train, settings)]:
        _check_found(pattern, weights, report)
    if settings is None or source is None or report.failed:
        return None
    return Training(
        settings, source, fields, block.graph, evaluation.graph, tuple(block.objectives), tuple(block.reports), records,
        data.span,
    )  # fmt: skip


def _frozen(train: ast.Train, settings: TrainSettings | None) -> list[Pattern]:
    """The patterns of `freeze`, each at the setting."""
    given = next((a.value.span for a in train.settings if a.name == "freeze"), train.head)
    return [Pattern(text, given) for text in (settings.frozen if settings else ())]


def _check_found(pattern: Pattern, weights: Mapping[str, Weight], report: Reporter) -> None:
    """A pattern of what moves, or of what does not, is about some parameter that could."""
    if pattern.complaint:
        report.error("weights-rule", pattern.span, pattern.complaint)
        return
    trained = [copy.name for weight in weights.values() if weight.trained for copy in turns_of(weight)]
    if not any(pattern.match(name) for name in trained):
        guess = closest(pattern.text, trained)
        help = f"did you mean `{guess}`?" if guess else None
        report.error("unknown-name", pattern.span, f"no parameter has a name like `{pattern.text}`", help=help)


def only(file: ast.File, kind: type[Any], word: str, report: Reporter) -> Any:
    found = [d for d in file.declarations if isinstance(d, kind)]
    for again in found[1:]:
        where = [Label(found[0].span, "the first")]
        report.error("duplicate-name", again.span, f"a file has one `{word}`", where=where)
    return found[0] if found else None


def _fields(e: Elaborator, env: Environment, data: ast.Data) -> dict[str, Type]:
    fields: dict[str, Type] = {}
    for field in data.fields:
        if field.name.id in fields:
            e.error("duplicate-name", field.name.span, f"`{field.name.id}` is a field twice")
            continue
        try:
            fields[field.name.id] = e.written_type(env, field.type)
        except Stop:
            continue
    return fields


def _block(
    train: ast.Train, data: ast.Data, module: Module, fields: Mapping[str, Type], report: Reporter,
    weights: dict[str, Weight], *, training: bool,
) -> TrainElaborator:  # fmt: skip
    e = TrainElaborator(report, weights, training=training)
    env = Environment(module)
    step = Value(Type(DType.INT), "step")
    e.graph.settings["step"] = Setting(step, 0, 0)
    e.start_draws(step)
    e.uses_draws = True
    for field in data.fields:
        if field.name.id not in fields:
            env.bind(field.name, Poison())
            continue
        value = Value(fields[field.name.id].with_lead((BATCH,)), field.name.id)
        e.graph.inputs.append(value)
        e.graph.sizes.setdefault("batch", (value, 0))
        env.bind(field.name, value)
    e.block(env, train.body)
    return e
