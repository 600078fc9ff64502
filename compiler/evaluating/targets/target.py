"""Which field of the data an export is an answer to, and what each of its results says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Literal

from mai.compiler.evaluating.targets.links import (
    Origins,
    Slot,
    compared_results,
    fields_of_inputs,
    fields_of_objectives,
)
from mai.compiler.evaluating.targets.quantile_levels import Quantile, quantiles_of
from mai.compiler.evaluating.targets.tags import Tag, TagRole, tags_of
from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.describing.label_fields import label_fields
from mai.compiler.program import Program
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.record import record

Role = Literal["label", "scores", "score", "value", "quantiles"] | TagRole


@record
class Answer:
    """One result of an export, and what it says of the target: its `label`, `scores` for all labels, the `score` of label 1, its `value`.

    Of one that is `quantiles`, or says something of `tags`, what each of its numbers is.
    """

    output: str
    role: Role
    quantiles: tuple[Quantile, ...] = ()
    tags: tuple[Tag, ...] = ()


@record
class Target:
    """What an export is compared with: fields and their types, and what says so: an objective's text, or None where the user does.

    Several fields have `tags`, as one field of numbers may have: labels that are there or not.
    """

    types: Mapping[str, Type]
    answers: tuple[Answer, ...]
    objective: str | None
    tags: tuple[Tag, ...] = ()

    @property
    def field(self) -> str:
        """The field, where it is one."""
        return next(iter(self.types))

    @property
    def type(self) -> Type:
        """The type of the one field."""
        return self.types[self.field]

    @property
    def name(self) -> str:
        """All fields, as a person reads them."""
        return ", ".join(self.types)


class NoAnswer(MaiError):
    """No result is an answer to anything: a sampler's, a text's. What training minimises can still be measured."""


def refusal(message: str, help: str | None = None) -> NoAnswer:
    """The error where nothing can be compared honestly, to be raised."""
    return NoAnswer([Diagnostic("no-target", None, message, help=help)])


def choice(message: str, help: str) -> MaiError:
    """The error where several things may be compared, to be raised."""
    return MaiError([Diagnostic("no-target", None, message, help=help)])


def find_target(program: Program, export: str, asked: str | None = None, output: str | None = None) -> Target:
    """What an export's results are compared with.

    It is a field that an objective compares, that the export does not take itself, and that has the type of a result: labels whose
    classes a result has or tells apart, or numbers of its shape. Of an export that draws, that is no more than a type.

    Args:
        asked: the field, where the user says it.
        output: the result, where the user says it.

    Raises:
        MaiError: `no-target`: there is none, or there are several.
    """
    finder = _Finder(program, export, output)
    tagged = finder.tagged(asked)
    fields = [asked] if asked is not None else finder.fields
    fields = [field for field in fields if tagged is None or field not in tagged.types]
    targets = [finder.target(field, asked is not None) for field in fields]
    fitting = [target for target in (*targets, tagged) if target is not None and target.answers]
    if len(fitting) > 1:  # What a net takes alone is compared with nothing.
        fitting = [target for target in fitting if finder.is_met(target)] or fitting
    if len(fitting) == 1:
        _check_one(fitting[0], export)
        return fitting[0]
    if fitting:
        names = " or ".join(f"`{target.name}`" for target in fitting)
        raise choice(f"`{export}` may be compared with {names}", f"say which: --target {fitting[0].field}")
    raise refusal(*finder.why_none(asked))


def _check_one(target: Target, export: str) -> None:
    """Raise `MaiError` where two results say the same of the target; several may be quantiles of it, or of other tags."""
    roles: dict[tuple[Role, Tag | None], str] = {}
    for answer in target.answers:
        for tag in answer.tags or (None,) * (answer.role != "quantiles"):
            other = roles.setdefault((answer.role, tag), answer.output)
            if other != answer.output:
                message = f"`{other}` and `{answer.output}` of `{export}` may both be an answer to `{target.field}`"
                raise choice(message, f"say which: --output {other}")


class _Finder:
    """The fields and results of one export, and what they have to do with each other."""

    def __init__(self, program: Program, export: str, output: str | None) -> None:
        self.program, self.export, self.graph = program, export, program.exports[export]
        self.outputs = [pair for pair in self._outputs() if output in (None, pair[0])]
        if not self.outputs:
            raise refusal(
                f"`{export}` gives no `{output}`", f"it gives {', '.join(name for name, _ in self._outputs())}"
            )
        self.objectives = {f: text for t in program.trainings for f, text in fields_of_objectives(t).items()}
        self.types = {name: type_ for training in program.trainings for name, type_ in training.fields.items()}
        self.taken = set(fields_of_inputs(program, export).values())
        marks = {name: (name,) for name, type_ in self.types.items() if type_.dtype is DType.INT}
        self.labels = label_fields(program, export, marks)
        self.origins = Origins(self.graph)
        self.compared: dict[str, set[Slot]] = {}
        for training in program.trainings:
            for field, slots in compared_results(training).items():
                self.compared.setdefault(field, set()).update(slots)

    def _outputs(self) -> Iterator[tuple[str, Value]]:
        return zip(self.graph.output_names, self.graph.outputs, strict=True)

    @property
    def fields(self) -> Sequence[str]:
        """Those that an objective compares and the export does not take."""
        return [name for name in self.objectives if name not in self.taken]

    def target(self, field: str, is_asked: bool) -> Target:
        """A field with the results that may be an answer to it. Raises `MaiError` for a field that is not there."""
        if field not in self.types:
            raise refusal(f"the data of this spec have no `{field}`", f"they have {', '.join(self.types)}")
        type_ = self.types[field]
        quantiles = self._quantiles(field, type_)
        if quantiles:
            return Target({field: type_}, quantiles, None if is_asked else self.objectives[field])
        compared = [(name, value) for name, value in self.outputs if self._is_compared(value, field)]
        answers = self._answers(compared, field, type_)
        if is_asked and not answers:
            answers = self._answers(self.outputs, field, type_)
        return Target({field: type_}, answers, None if is_asked else self.objectives[field])

    def tagged(self, asked: str | None) -> Target | None:
        """The fields whose numbers are labels that are there or not, and the results that say so; None where there are none.

        One label of two that is a field of its own is a class. A result counts where others of its role say the rest.
        """
        asked_outputs = {name for name, _ in self.outputs}
        results = {name: each for name, each in tags_of(self.program, self.export).items() if name in asked_outputs}
        tags = {tag for each in results.values() for tag in each.tags if asked in (None, tag.field)}
        ordered = sorted(tags, key=lambda tag: ([*self.types].index(tag.field), tag.place))
        types = {tag.field: self.types[tag.field] for tag in ordered}
        if not tags or (len(types) == 1 and all(t.dtype is DType.INT and not t.shape for t in types.values())):
            return None
        roles = {each.role for each in results.values()}
        of_role = {role: {tag for each in results.values() if each.role == role for tag in each.tags} for role in roles}
        answers = tuple(
            Answer(name, each.role, tags=each.tags) for name, each in results.items() if tags <= of_role[each.role]
        )
        objective = None if asked is not None else self.objectives[ordered[0].field]
        return Target(types, answers, objective, tuple(ordered)) if answers else None

    def _quantiles(self, field: str, type_: Type) -> tuple[Answer, ...]:
        """The results that are quantiles of a field, where each level is there for all of its numbers."""
        asked = {name for name, _ in self.outputs}
        quantiles = {n: each for n, each in quantiles_of(self.program, self.export, field).items() if n in asked}
        levels: dict[float, list[int]] = {}
        for quantile in (quantile for each in quantiles.values() for quantile in each):
            levels.setdefault(quantile.level, []).append(quantile.place)
        are_whole = all(sorted(places) == [*range(_numbers(type_) or 0)] for places in levels.values())
        return tuple(Answer(name, "quantiles", each) for name, each in quantiles.items()) if are_whole else ()

    def _answers(self, outputs: Sequence[tuple[str, Value]], field: str, type_: Type) -> tuple[Answer, ...]:
        roles = [(name, self._role(name, value, field, type_)) for name, value in outputs]
        return tuple(Answer(name, role) for name, role in roles if role is not None)

    def _role(self, name: str, value: Value, field: str, type_: Type) -> Role | None:
        """What a result says of a field; None for nothing."""
        type_of_result = value.type
        if type_.dtype is DType.REAL or type_.classes is None:
            return "value" if type_of_result.dtype is not DType.BOOL and _is_alike(type_of_result, type_) else None
        if self.labels.get(name, field) != field or type_.shape:
            return None
        if type_of_result.dtype is not DType.REAL:
            fits = not type_of_result.shape and (
                type_of_result.classes in (None, type_.classes) or type_of_result.dtype is DType.BOOL
            )
            return "label" if fits else None
        if type_of_result.shape == (type_.classes,):
            return "scores"
        return "score" if _is_alike(type_of_result, Type(DType.REAL)) and type_.classes == 2 else None

    def _is_compared(self, value: Value, field: str) -> bool:
        """Whether training compares what a result is made of with a field, as far as nets say."""
        slots, compared = self.origins.slots(value), self.compared.get(field, set())
        return not slots or not compared or bool(slots & compared)

    def is_met(self, target: Target) -> bool:
        """Whether one of its fields meets what a net gives in an operation of training."""
        return any(self.compared.get(field) for field in target.types)

    def why_none(self, asked: str | None) -> tuple[str, str]:
        """That nothing fits, and what to do."""
        results = ", ".join(f"`{name}`" for name, _ in self.outputs)
        if asked is not None:
            return (
                f"{results} cannot be compared with `{asked}`: it is no label, score or value of its type",
                ("name another export: --export; or another field: --target"),
            )
        if not self.fields:
            message = (
                f"`{self.export}` takes every field that training compares, so nothing says what {results} should be"
            )
        else:
            left = " and ".join(f"`{name}`" for name in self.fields)
            message = f"training compares {left} with no result like {results}"
        return message, f"say what it is an answer to: --target {next(iter(self.types), 'FIELD')}"


def _is_alike(a: Type, b: Type) -> bool:
    """Whether two have the same numbers of one example; one number may stand in a list of its own."""
    return a.shape == b.shape or _numbers(a) == _numbers(b) == 1


def _numbers(type_: Type) -> int | None:
    sizes = [size for size in type_.shape if isinstance(size, int)]
    return prod(sizes) if len(sizes) == type_.rank else None
