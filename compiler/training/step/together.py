"""Code that reads weights, run so that their gradients become those of the whole batch, which several processes share out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Code = Callable[[], tuple[Tensor, ...]]


class Group(nn.Module):
    """Parameters that one of torch's wrappers looks after, whatever the code is that reads them."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        self.members = nn.ParameterList(parameters.values())

    def forward(self, code: Code) -> tuple[Tensor, ...]:
        """What some code gives: the loss, and what no gradient goes through."""
        loss, *others = code()
        return loss, *(other.detach() for other in others)


class Together:
    """The gradients of some parameters, over all processes: sent in buckets while the others are still computed (Li et al. 2020).

    With `turns_vary`, the code may give no gradient to some parameters at one step, and to others at the next.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], count: int, turns_vary: bool) -> None:
        self.count, self.turns_vary = count, turns_vary
        self.plain = Group(parameters)
        self.wrapped: DistributedDataParallel | None = None

    def run(self, code: Code, is_last: bool, backward: Callable[[Tensor], None]) -> tuple[Tensor, ...]:
        """Run code that gives a loss, go `backward` from them, and return what it gave; gradients are sent after the last part of a batch."""
        if self.count == 1:
            results = code()
            backward(results[0])
            return results
        if self.wrapped is None and len(self.plain.members):
            results = code()
            self.wrapped = self._wrap(results)
            return self._sent(self.wrapped, lambda: results, is_last, backward)
        return self._sent(self.wrapped or self.plain, code, is_last, backward)

    @staticmethod
    def _sent(module: nn.Module, code: Code, is_last: bool, backward: Callable[[Tensor], None]) -> tuple[Tensor, ...]:
        is_kept = isinstance(module, DistributedDataParallel) and not is_last
        with module.no_sync() if is_kept else nullcontext():  # type: ignore[operator]
            results: tuple[Tensor, ...] = module(code)
            backward(results[0])
        return results

    def _wrap(self, results: tuple[Tensor, ...]) -> DistributedDataParallel:
        """What sends gradients, once it is seen which parameters have any. All processes have the same weights already."""
        behind = leaves_behind(results[0])
        is_missing = self.turns_vary or any(each not in behind for each in self.plain.parameters())
        some = torch.tensor(float(is_missing), device=results[0].device)
        dist.all_reduce(some)
        return DistributedDataParallel(self.plain, find_unused_parameters=bool(some), init_sync=False)


def leaves_behind(result: Tensor) -> set[Tensor]:
    """The parameters that gradients of a result go to."""
    waiting, seen, leaves = [result.grad_fn], set(), set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            leaves |= {node.variable} if hasattr(node, "variable") else set()
            waiting += [following for following, _ in node.next_functions]
    return leaves
