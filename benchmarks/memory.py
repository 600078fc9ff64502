"""The memory of tensors: how many bytes of them a call has at its highest, whatever the allocator makes of it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class _Living(TorchDispatchMode):
    """The bytes of all storages that were made and are still there, and the most that they were."""

    def __init__(self) -> None:
        super().__init__()
        self.known: set[int] = set()
        self.now = self.most = 0

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self._see(tensor.untyped_storage())
        self.most = max(self.most, self.now)
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place not in self.known:
            self.known.add(place)
            self.now += size
            weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self.known.discard(place)
        self.now -= size


def most_alive(call: Callable[[], object]) -> int:
    """Bytes of the tensors that a call makes and reads, weights among them, at its highest."""
    with _Living() as living:
        call()
    return living.most
