"""What the head of a train block may say, and what an optimizer and a schedule are; each of those stands in its own file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Protocol, Self

from mai.compiler.registry import Registry
from mai.compiler.training.samples import SAMPLES, Sample
from mai.runtime.run_folders.goals import Direction, usual_direction
from mai.spec.setting_types import Wrong
from mai.spec.settings import MANY, Choice, Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

    State = dict[str, Tensor]


def _below_one(betas: tuple[float, float]) -> None:
    if not all(0 <= b < 1 for b in betas):
        raise Wrong("are at least 0 and below 1")


Betas = Annotated[tuple[float, float], _below_one]
"""How much of their past the two moving averages of an optimizer keep at each step."""


class Optimizer(Settings):
    """What moves the weights against their gradients: one subclass an optimizer, in a file of its own in `optimizers/`.

    It is one of `TorchOptimizer` and `OwnOptimizer`.
    """

    lr: float

    def with_rate(self, lr: float) -> Self:
        """The same for weights that all move at this rate."""
        return self.but(lr=lr)


class TorchOptimizer(Optimizer):
    """A class of `torch.optim`, whose arguments are the settings by their names."""

    torch_class: ClassVar[str]


class OwnOptimizer(Optimizer, ABC):
    """A rule of ours for one weight, in methods of tensors alone."""

    @abstractmethod
    def update(self, weight: Tensor, gradient: Tensor, state: State, lr: float) -> None:
        """Move `weight`, in place. `state` is empty at the first step; what the rule puts there is in checkpoints.

        `gradient` has the weight's shape and is the rule's to change; `lr` is the rate of this step.
        """


class Watcher(Protocol):
    """What a schedule remembers of the losses that it has seen."""

    every: int
    factor: float  # What the learning rate is multiplied by from now on.

    def see(self, loss: float) -> None:
        """The loss, every `every` steps."""

    def saved(self) -> list[float]:
        """For a checkpoint."""

    def restore(self, numbers: list[float]) -> None:
        """Go on from a checkpoint's numbers."""


class Schedule(Settings, ABC):
    """How the learning rate moves: one subclass a schedule, in a file of its own in `schedules/`."""

    @abstractmethod
    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by at a step (from 0) of `steps`."""

    def watcher(self) -> Watcher | None:
        """What follows the losses, for a schedule that depends on them."""
        return None


class WarmedUp(Schedule):
    """Up over `warmup` steps, then as the subclass says."""

    warmup: int = setting(default=0, ge=0, le=MANY)

    def factor(self, step: int, steps: int) -> float:
        if step < self.warmup:
            return (step + 1) / self.warmup
        return self.after(step - self.warmup, max(1, steps - self.warmup))

    @abstractmethod
    def after(self, step: int, steps: int) -> float:
        """The same, counted from the end of the warmup."""


class Kept(Settings):
    """Which weights are there when a run has ended."""


class Last(Kept):
    """Those of the last step."""

    name: ClassVar[str] = "last"


class Best(Kept):
    """Those of the least loss on the held-out examples, or of the best `metric`, a number that the block reports: `best(auc, max)`.

    Without `max` or `min`, the name of the metric tells which is best: the largest `auc`, the least `loss`. With `patience`, training ends
    where none was better for so many steps.
    """

    name: ClassVar[str] = "best"
    metric: str = "loss"
    goal: Literal["min", "max"] | None = None
    patience: int | None = setting(default=None, ge=1, le=MANY)

    @property
    def direction(self) -> Direction:
        """Whether the least or the largest is the best."""
        return self.goal or usual_direction(self.metric)


class Checkpoints(Settings, ABC):
    """Which checkpoints of a run stay: one subclass a rule."""

    @abstractmethod
    def staying(self, steps: Sequence[int]) -> set[int]:
        """Of checkpoints after so many steps, in their order, those that stay."""

    def is_due(self, step: int) -> bool:
        """Whether there is one after so many steps, however long ago the last one was."""
        return False


class LastCheckpoints(Checkpoints):
    """The last `count`: `--resume` goes on from the last, and from one before it where that is damaged."""

    name: ClassVar[str] = "last"
    count: int = setting(default=2, ge=1, le=MANY)

    def staying(self, steps: Sequence[int]) -> set[int]:
        return set(steps[-self.count :])


class Milestones(Checkpoints):
    """Those of every `steps` steps, and the last `count`."""

    name: ClassVar[str] = "every"
    steps: int = setting(ge=1, le=MANY)
    count: int = setting(default=2, ge=1, le=MANY)

    def staying(self, steps: Sequence[int]) -> set[int]:
        return {*steps[-self.count :], *(step for step in steps if self.is_due(step))}

    def is_due(self, step: int) -> bool:
        return step % self.steps == 0


CHECKPOINTS: dict[str, type[Checkpoints]] = {model.name: model for model in (LastCheckpoints, Milestones)}
KEPT: dict[str, type[Kept]] = {model.name: model for model in (Last, Best)}
OPTIMIZERS = Registry[Optimizer]("mai.compiler.training.optimizers")
SCHEDULES = Registry[Schedule]("mai.compiler.training.schedules")


class Group(Settings):
    """Weights that move at a rate, or lose of themselves by a decay, of their own: those whose names match `names`, one pattern or a list.

    What a group does not say is as the optimizer says it. A weight is in the first group that has its name. Its rate follows the schedule, too.
    """

    name: ClassVar[str] = "group"
    names: str | tuple[str, ...] = setting()
    lr: float | None = setting(default=None, gt=0)
    weight_decay: float | None = setting(default=None, ge=0)

    @property
    def patterns(self) -> tuple[str, ...]:
        """The names of its weights, or patterns of them."""
        return (self.names,) if isinstance(self.names, str) else self.names

    def change(self, optimizer: Optimizer) -> Optimizer:
        """An optimizer with what is these weights' own."""
        if self.lr is not None:
            optimizer = optimizer.with_rate(self.lr)
        return optimizer if self.weight_decay is None else optimizer.but(weight_decay=self.weight_decay)

    def misfit(self) -> str | None:
        if not self.patterns:
            return "needs the name of a weight, or a pattern of names"
        if self.lr is not None or self.weight_decay is not None:
            return None
        return "says what is its own: `lr = 1e-5`, `weight_decay = 0` or both"


GROUPS: dict[str, type[Group]] = {Group.name: Group}


class TrainSettings(Settings):
    """The head of a train block. Exactly one of `steps` and `epochs` is given. `sample` chooses the examples of a batch, which are otherwise all gone through.

    `batch` is how many examples a step sees. `optimizer` moves the weights, `schedule` its learning rate. `ema` is how much of itself an
    average of the weights keeps at each step, and in the first ones, from k = 0, at most (1 + k) / (10 + k); that average is what is written. `clip` is the largest norm of all gradients together.
    `seed` numbers the run: first values, batches, draws. `precision` is what products are computed in. `keep` says which weights are
    written at the end. Held-out examples are looked at every `evaluate` steps, by default ten times. A batch is computed in `accumulate`
    parts, one after the other: in the memory of one, with the step of the whole; what is reported `across` a batch is then a mean over its
    parts. `checkpoints` says which of them stay. `freeze` are names of parameters that stay as they are, or patterns of them; `groups` have
    a rate or a decay of their own. With `recompute`, what a turn of a `repeat` computes is not kept for its derivatives, but computed again:
    less memory, a third more time. With `compile`, torch makes code of a step of its own, for a minute, by which every step after that
    takes fewer passes over its numbers.
    """

    steps: int | None = setting(default=None, ge=1, le=MANY)
    epochs: float | None = setting(default=None, gt=0, le=MANY)
    batch: int = setting(default=64, ge=1, le=MANY)
    sample: Annotated[Sample | None, Choice(SAMPLES)] = None
    optimizer: Annotated[Optimizer, Choice(OPTIMIZERS, usual="adamw")] = setting(
        default_factory=lambda: OPTIMIZERS["adamw"].of({})
    )
    schedule: Annotated[Schedule, Choice(SCHEDULES, usual="cosine")] = setting(
        default_factory=lambda: SCHEDULES["constant"].of({})
    )
    ema: float | None = setting(default=None, gt=0, lt=1)
    clip: float | None = setting(default=None, gt=0)
    seed: int = setting(default=0, ge=0, lt=2**31)
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    keep: Annotated[Kept, Choice(KEPT)] = setting(default_factory=lambda: Last.of({}))
    evaluate: int | None = setting(default=None, ge=1, le=MANY)
    accumulate: int = setting(default=1, ge=1, le=MANY)
    recompute: bool = False
    compile: bool = False
    checkpoints: Annotated[Checkpoints, Choice(CHECKPOINTS)] = setting(default_factory=lambda: LastCheckpoints.of({}))
    freeze: str | tuple[str, ...] = ()
    groups: Annotated[tuple[Group, ...], Choice(GROUPS, many=True)] = ()

    def optimizer_of(self, group: int) -> Optimizer:
        """The optimizer of the weights in the group of this number, or, one behind the last, of those that are in none."""
        return self.groups[group].change(self.optimizer) if group < len(self.groups) else self.optimizer

    @property
    def frozen(self) -> tuple[str, ...]:
        """The names, or patterns of names, of the parameters that stay as they are."""
        return (self.freeze,) if isinstance(self.freeze, str) else self.freeze

    def misfit(self) -> str | None:
        if (self.steps is None) != (self.epochs is None):
            return None
        return "says how long it trains: `steps = 2000` or `epochs = 30`, one of them"
