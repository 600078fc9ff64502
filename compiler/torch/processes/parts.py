"""Tensors of which each process has a part, and whole ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from torch import Tensor

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor  # Which takes half a second to import.


def is_in_parts(tensor: Tensor | None) -> TypeGuard[DTensor]:
    """Whether each process has a part of a tensor."""
    return hasattr(tensor, "full_tensor")


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, for each process; all of them ask for it together."""
    return tensor.full_tensor().detach() if is_in_parts(tensor) else tensor


def cut_like(tensor: Tensor, other: Tensor | None) -> Tensor:
    """A whole tensor in parts as another one is, if that is in parts and of its shape."""
    if not is_in_parts(other) or other.shape != tensor.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(other.device), other.device_mesh, other.placements)
