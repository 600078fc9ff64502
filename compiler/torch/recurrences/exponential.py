"""e^x as a power of two, which torch computes two to three times as fast on a CPU."""

from __future__ import annotations

from math import e, log2

import torch
from torch import fx

from mai.compiler.ir.types import Type

LOG2_OF_E = log2(e)


def exponential(x: fx.Proxy, type: Type) -> fx.Proxy:
    """e^x, right to |x| roundings: within one rounding of 1 where x <= 0, as the logarithm of a decay is."""
    power = x * LOG2_OF_E
    power.node.meta["type"] = type
    result: fx.Proxy = torch.exp2(power)  # type: ignore[call-overload]
    return result
