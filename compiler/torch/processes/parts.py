"""Tensors of which each process has a part, and whole ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeGuard

from torch import Tensor, nn

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


@contextmanager
def reading_whole(code: nn.Module, parameters: Mapping[str, nn.Parameter]) -> Iterator[Mapping[str, nn.Parameter]]:
    """The parameters by name, whole, while `code` reads them so: all processes ask for it together, and each has room for all of them."""
    parameters_before = [(m, key, m._parameters[key]) for m in code.modules() for key in m._parameters]
    places = [(module, key, part) for module, key, part in parameters_before if is_in_parts(part)]
    parts = {id(part): part for part in (*parameters.values(), *(part for *_, part in places)) if is_in_parts(part)}
    full = {key: nn.Parameter(whole(part)) for key, part in parts.items()}
    for module, key, part in places:
        module._parameters[key] = full[id(part)]
    try:
        yield {name: full.get(id(p), p) for name, p in parameters.items()}
    finally:
        for module, key, before in parameters_before:
            module._parameters[key] = before
