"""The context that torch gives to a function with a way back of its own, with its types."""

from __future__ import annotations

from torch import Tensor
from torch.autograd.function import FunctionCtx


class AutogradContext(FunctionCtx):
    """What the way forward keeps for the way back; a subclass names what it keeps beside tensors.

    Attributes:
        saved_tensors: those that were given to `save_for_backward`, in order.
        needs_input_grad: for each input of `forward`, whether something is to come back to it.
    """

    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]
