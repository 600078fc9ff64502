"""e^x as a power of two, which torch computes two to three times as fast on a CPU."""

from __future__ import annotations

from math import e, log2
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import fx

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ops.elementwise import Multiply

if TYPE_CHECKING:
    from mai.compiler.torch.interpreter import TorchInterpreter

LOG2_OF_E = log2(e)


def exponential(walk: TorchInterpreter, node: Node) -> fx.Proxy:
    """e^x in the code of a block, right to |x| roundings: within one rounding of 1 where x <= 0, as the logarithm of a decay is.

    Of a product with what is the same in all turns, that is scaled: it has fewer numbers.
    """
    factors = _factors(walk, node.inputs[0])
    x: Any = walk[node.inputs[0]]
    power = x * LOG2_OF_E if factors is None else factors[0] * (factors[1] * LOG2_OF_E)
    power.node.meta["type"] = node.output.type
    result: Any = torch.exp2(power)
    return cast("fx.Proxy", result)


def _factors(walk: TorchInterpreter, x: Value) -> tuple[Any, Any] | None:
    """What differs from turn to turn and what does not, if x is made only to be the product of the two."""
    product = x.producer
    if product is None or product.op is not Multiply or len(x.uses) > 1:
        return None
    if any(v not in walk.values for v in product.inputs):
        return None  # They were left on the way there.
    first, second = (len(v.type.lead) and v.type.lead[0] == x.type.lead[0] for v in product.inputs)
    one, other = walk.aligned(product)
    if first and not second:
        return one, other
    return (other, one) if second and not first else None
