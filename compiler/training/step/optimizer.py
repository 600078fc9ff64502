"""Optimizers, learning rates and the moving average, from a spec's settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from mai.compiler.torch.processes.parts import is_in_parts, whole
from mai.compiler.training.settings import Optimizer, OwnOptimizer, Schedule, TorchOptimizer

WATCHED = "schedule/watched"  # The name of a schedule's memory in a checkpoint.


def make_optimizer(groups: Sequence[tuple[Optimizer, list[nn.Parameter]]]) -> torch.optim.Optimizer:
    """The optimizer that the spec names, of weights in groups, each with its settings; those of weights in parts come first."""
    settings, weights = groups[0]
    if isinstance(settings, TorchOptimizer):
        make: Callable[..., torch.optim.Optimizer] = getattr(torch.optim, settings.torch_class)
        forms = ("foreach",) if is_in_parts(weights[0]) else ("fused", "foreach")
        alike = [{"params": each, "initial_lr": own.lr, **own.as_dict()} for own, each in groups]
        return make(alike, **settings.as_dict(), **_fastest(make, forms))
    return RuleOptimizer(groups)


def _fastest(make: Callable[..., torch.optim.Optimizer], forms: Sequence[str]) -> dict[str, bool]:
    """The argument for an update in one fused kernel, or over lists of weights, whichever of these that class of torch's has."""
    taken = inspect.signature(make).parameters
    return next(({form: True} for form in forms if form in taken), {})


class RuleOptimizer(torch.optim.Optimizer):
    """A rule for one weight as an optimizer of torch; each group of weights has its own settings of the rule."""

    def __init__(self, groups: Sequence[tuple[Optimizer, list[nn.Parameter]]]) -> None:
        super().__init__([{"params": weights, "lr": own.lr, "initial_lr": own.lr} for own, weights in groups], {})
        self.rules = [own for own, _ in groups if isinstance(own, OwnOptimizer)]

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        for rule, group in zip(self.rules, self.param_groups, strict=True):
            for weight in group["params"]:
                if weight.grad is not None:
                    rule.update(weight, weight.grad, self.state[weight], group["lr"])


class LearningRate:
    """The rate of each step, as a schedule has it, and what that remembers of the losses."""

    def __init__(self, schedule: Schedule, steps: int) -> None:
        self.schedule, self.steps = schedule, steps
        self.watcher = schedule.watcher()
        self._total = 0.0

    def factor(self, step: int) -> float:
        """What the rate is multiplied by at a step, from 0."""
        watched = 1.0 if self.watcher is None else self.watcher.factor
        return watched * self.schedule.factor(step, self.steps)

    def is_watched(self, step: int) -> bool:
        """Whether a schedule looks at the loss after so many steps."""
        return self.watcher is not None and step % self.watcher.every == 0

    def see(self, step: int, loss: float, held_out: Callable[[], float | None]) -> None:
        """Tell a schedule that watches the loss of it, after `step` steps.

        That is the loss on held-out examples, or the mean training loss since it was last told where there are none.
        """
        if self.watcher is None:
            return
        self._total += loss
        if self.is_watched(step):
            measured = held_out()
            self.watcher.see(self._total / self.watcher.every if measured is None else measured)
            self._total = 0.0

    def saved(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        if self.watcher is None:
            return {}
        return {WATCHED: torch.tensor([self._total, *self.watcher.saved()], dtype=torch.float64)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint; one of another schedule has none of this."""
        if self.watcher is not None and WATCHED in tensors:
            self._total, *numbers = tensors[WATCHED].tolist()
            self.watcher.restore(numbers)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give all weights of an optimizer their group's first rate times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


def clip(parameters: Iterable[nn.Parameter], most: float) -> None:
    """Make the gradients of some weights together no longer than `most`; of weights in parts, too."""
    moved = [p for p in parameters if p.grad is not None]
    kinds = ([p for p in moved if is_in_parts(p)], [p for p in moved if not is_in_parts(p)])
    if not all(kinds):
        torch.nn.utils.clip_grad_norm_(moved, most)
        return
    norms = [whole(torch.nn.utils.get_total_norm([p.grad for p in kind if p.grad is not None])) for kind in kinds]
    for kind in kinds:
        torch.nn.utils.clip_grads_with_norm_(kind, most, torch.stack(norms).norm())


class MovingAverage:
    """An exponential moving average of the trained weights; early on it forgets faster: min(decay, (1 + t) / (10 + t))."""

    def __init__(self, parameters: dict[str, nn.Parameter], decay: float) -> None:
        self.decay = decay
        self.live = parameters
        self.average = {name: p.detach().clone() for name, p in parameters.items()}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The average in the weights' place for a while."""
        live = {name: p.detach().clone() for name, p in self.live.items()}
        for name, parameter in self.live.items():
            parameter.data.copy_(self.average[name])
        yield
        for name, parameter in self.live.items():
            parameter.data.copy_(live[name])

    def update(self, step: int) -> None:
        """Take the weights after a step, from 0."""
        keep = min(self.decay, (1 + step) / (10 + step))
        live: list[Tensor] = [p.detach() for p in self.live.values()]
        torch._foreach_lerp_(list(self.average.values()), live, 1 - keep)
