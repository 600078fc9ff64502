"""The context that torch gives to a function with a way back of its own, with its types."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

C = TypeVar("C", bound=FunctionCtx)
P = ParamSpec("P")
R = TypeVar("R")
REFUSED = "torch cannot take a derivative of this derivative (`create_graph`): in a file, `grad` of a `grad` can"


class AutogradContext(FunctionCtx):
    """What the way forward keeps for the way back; a subclass names what it keeps beside tensors.

    Attributes:
        saved_tensors: those that were given to `save_for_backward`, in order.
        needs_input_grad: for each input of `forward`, whether something is to come back to it.
    """

    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]


def differentiated_once(backward: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]:
    """A way back that has no derivative of its own.

    That of torch, `once_differentiable`, says nothing where `torch.autograd.grad` is asked for some inputs: they lack a part then.

    Raises:
        RuntimeError: it is to be differentiated again, `create_graph = True`.
    """

    @wraps(backward)
    def whole(ctx: C, /, *grads: P.args, **options: P.kwargs) -> R:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            raise RuntimeError(REFUSED)
        with torch.no_grad():
            return backward(ctx, *grads, **options)

    return whole
