"""What a name can stand for while a program is elaborated."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeGuard

from mai.compiler.elaborate.sightings import WATCH
from mai.compiler.ir.graph import Follows, Initial, Value, Weight
from mai.compiler.ir.signature import Function as FunctionRecord
from mai.compiler.ir.sizes import Dim, Size
from mai.spec import ast
from mai.spec.record import record
from mai.spec.source import Source, Span

MEMBER = "*"  # In the path of a net of a family that is known only at run time: its number.


class Poison:
    """The value of what was wrong: everything made from it is silent."""


POISON = Poison()


class Absent:
    """`nothing`: what an argument is that may be a tensor, where none is given."""


ABSENT = Absent()


@record
class Distribution:
    """`normal([2], mean, std)`: what `~` draws from. `numbers` are static or tensors, by the distribution's own order."""

    kind: str
    shape: tuple[Size, ...]
    numbers: tuple[Binding, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """One file's declarations; `parent` is the prelude, or None for the prelude itself; `called` has been elaborated.

    `unread` has the imports that could not be read, whose names nobody knows.
    """

    source: Source
    names: MutableMapping[str, Binding]
    where: dict[str, Span]
    parent: Module | None = None
    called: set[str] = field(default_factory=set)
    unread: list[Span] = field(default_factory=list)

    @property
    def numbers(self) -> dict[str, Number]:
        """The constants of the file that are numbers."""
        return {name: value for name, value in self.names.items() if is_number(value)}


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A layer or a net, with the file it was written in.

    A family has a `count`, and can be called once it says which `member` is meant. One of layers has a place `at` which the
    parameters of its members are named.
    """

    declaration: ast.Function
    module: Module
    count: int | None = None
    member: int | Value | None = None
    twin: Twin | None = None
    at: WeightScope | None = None

    @property
    def name(self) -> str:
        """The name that the file gives it."""
        return self.declaration.name.id if self.twin is None else self.twin.name

    def scope(self, around: WeightScope) -> WeightScope:
        """Where a net names its weights, wherever it is called; in a net with a second set of parameters, in that set."""
        if self.at is not None:
            return self._member_scope(self.at)
        stem, owner, second = self.name, self.name, None
        if self.twin is not None:
            second = Second(self.name, self.declaration.name.id, self.twin.keep)
        elif around.second is not None:
            stem, owner = f"{around.owner}.{self.name}", around.owner
            second = Second(stem, self.name, around.second.keep)
        scope = WeightScope(stem, owner, stem, second=second)
        return scope if self.member is None else self._member_scope(scope)

    def _member_scope(self, family: WeightScope) -> WeightScope:
        if isinstance(self.member, int):
            return family.within(str(self.member))
        assert self.member is not None and self.count is not None, "a family cannot be called"
        return family.within(MEMBER, Among(family.path, self.member, self.count))


@record
class Twin:
    """`net slow = average(f, keep)`: a net with a second set of parameters, which follow the first; for `copy(f)`, which never changes, `keep` is 1."""

    name: str
    keep: float


@record
class Builtin:
    """A function that the compiler knows: `implementation(elaborator, ...)`. Its parameters are those of `function`, or of its signature."""

    name: str
    implementation: Callable[..., Binding]
    function: FunctionRecord | None = None


@record
class Partial:
    """A call that lacks its tensors: `rope(base = 10000)`. It can be called with the rest."""

    function: Function | Builtin
    arguments: tuple[BoundArgument, ...]


@record
class LetTensor:
    """A `let`: its expression, elaborated once in each graph that uses it."""

    declaration: ast.Let
    module: Module


@record
class BoundArgument:
    """An evaluated argument."""

    name: str | None
    value: Binding
    span: Span
    name_span: Span | None = None


Number: TypeAlias = int | float
Binding: TypeAlias = bool | int | float | str | Dim | Value | list["Binding"] | tuple["Binding", ...] | Initial | Distribution | Function | Builtin | Partial | LetTensor | Weight | Poison | Absent | None  # fmt: skip
Callables = (Function, Builtin, Partial)


@dataclass(slots=True)
class Environment:
    """The names in sight: those of a body over those of its module, the prelude's and the built-in ones."""

    module: Module
    names: dict[str, Binding] = field(default_factory=dict)
    where: dict[str, Span] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)  # The weights that the body's `state` lines name.
    sizes: dict[str, Binding] = field(default_factory=dict)  # What the free names of its parameters' types are.
    # What blocks in the body have named, which is not in sight after them.
    inside: set[str] = field(default_factory=set)
    around: Environment | None = None

    def bind(self, name: ast.Identifier, value: Binding) -> None:
        """Give a name its meaning here, and remember where it was given."""
        self.names[name.id] = value
        self.where[name.id] = name.span
        if self.around is not None:
            self.around.inside.add(name.id)
        watch = WATCH.get()
        if watch is not None:
            watch(name.span, value)

    def bind_size(self, name: str, size: Binding, span: Span) -> None:
        """Give a free name of a parameter's type its size."""
        self.names[name] = self.sizes[name] = size
        self.where[name] = span

    def of_types(self) -> Environment:
        """A copy in which the free names are sizes, whatever the body has called by them since."""
        return replace(self.child(), names={**self.names, **self.sizes})

    def child(self) -> Environment:
        """A copy, for a body whose assignments must not leak."""
        copies = dict(self.names), dict(self.where), dict(self.states), dict(self.sizes)
        return Environment(self.module, *copies, around=self)


@record
class Among:
    """One net of the family named `stem`, whose `member` is known only at run time."""

    stem: str
    member: Value
    count: int


@record
class Second:
    """A second set of parameters: weights whose names begin with `stem` follow those that begin with `source`."""

    stem: str
    source: str
    keep: float


@dataclass(slots=True)
class WeightScope:
    """Where fresh weights are named: a path, and how often each layer was called at it.

    `form` is the path with `{}` for every turn, those that are elaborated one by one as well: the same at all turns. `among` is
    the net of a family that is known only at run time, `second` the set of parameters that this is, where it follows another.
    """

    path: str
    owner: str
    form: str
    turns: tuple[int, ...] = ()
    counts: dict[str, int] = field(default_factory=dict)
    among: Among | None = None
    second: Second | None = None

    def names(self, name: str) -> list[str]:
        """The weights that a name here stands for: one, or one of each net of the family."""
        if self.among is None:
            return [name]
        rest = name.removeprefix(f"{self.among.stem}.{MEMBER}")
        return [f"{self.among.stem}.{i}{rest}" for i in range(self.among.count)]

    def followed(self, name: str) -> Follows | None:
        """What a weight of this name follows, in a second set of parameters."""
        if self.second is None:
            return None
        return Follows(self.second.source + name.removeprefix(self.second.stem), self.second.keep)

    def enter(self, name: str, turns: int | None = None) -> WeightScope:
        """The scope of the next call of `name` here: `linear_1`, `linear_2`, ...; or of a body that is done `turns` times."""
        self.counts[name] = self.counts.get(name, 0) + 1
        step = f".{name}_{self.counts[name]}"
        path, form = self.path + step, self.form + step
        inner = WeightScope(path, self.owner, form, self.turns, {}, self.among, self.second)
        return inner if turns is None else inner.at("{}", (*self.turns, turns))

    def within(self, member: str, among: Among | None = None) -> WeightScope:
        """The scope of one net of the family that is named here; `among` where only the run time knows which."""
        path, form = f"{self.path}.{member}", f"{self.form}.{member}"
        return replace(self, path=path, form=form, counts={}, among=among or self.among)

    def at(self, turn: str, turns: tuple[int, ...] | None = None) -> WeightScope:
        """The scope of one turn of a body; of each, for a `turn` of `{}`."""
        inner = replace(self, path=f"{self.path}.{turn}", form=self.form + ".{}", counts={})
        return inner if turns is None else replace(inner, turns=turns, counts={})


def is_static(value: Binding) -> bool:
    """A number, size, text or choice that is known when the file is compiled."""
    return isinstance(value, (bool, int, float, str))


def is_number(value: Binding) -> TypeGuard[Number]:
    """Whether a binding is a number that is known when the file is checked; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
