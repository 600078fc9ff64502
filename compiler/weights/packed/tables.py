"""Numbers of a table: bitsandbytes (Dettmers et al. 2022, 2023), and MXFP4 (Open Compute Project 2023)."""

from __future__ import annotations

import json
from math import prod

import torch

from mai.compiler.weights.packed.parts import SHARE_BIAS, Packed, Parts, Said, Values, with_needed

HALVES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # Numbers of four bits, without their sign: E2M1.
STATES = (".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4")


def join_rows(parts: Parts, said: Said) -> Packed:
    """bitsandbytes, eight bits: the largest number of each row stands for 127."""
    shape = parts[".weight"].shape
    return Packed(shape, with_needed(parts, ".SCB"), lambda v: v[".weight"].float() * v[".SCB"].float()[:, None] / 127)


def join_table(parts: Parts, said: Said) -> Packed:
    """bitsandbytes, four bits: each number is one of a table, by the largest of its block."""
    state = next(parts[end] for end in STATES if end in parts)
    about = json.loads(bytes(state.read().to(torch.uint8).tolist()))
    shape, size = tuple(about["shape"]), about["blocksize"]

    def unpack(values: Values) -> torch.Tensor:
        codes = values[".weight"].flatten().view(torch.uint8).int()  # Bytes may be kept as numbers of another type.
        numbers = values[".weight.quant_map"].float()[torch.stack([codes >> 4, codes & 15], -1).flatten()]
        return (numbers * _largest(values, about).repeat_interleave(size)[: len(numbers)])[: prod(shape)].reshape(shape)

    return Packed(shape, with_needed(parts, ".weight", ".weight.quant_map"), unpack)


def _largest(values: Values, about: Said) -> torch.Tensor:
    """The largest number of each block, which may be of a table itself."""
    largest, table = values[".weight.absmax"], values.get(".weight.nested_quant_map")
    if table is None:
        return largest.float()
    outer = values[".weight.nested_absmax"].float().repeat_interleave(about["nested_blocksize"])[: len(largest)]
    return table.float()[largest.int()] * outer + float(about["nested_offset"])


def join_mxfp4(parts: Parts, said: Said) -> Packed:
    """Each 32 numbers of a row share an exponent; experts' matrices lie there as [out, in], and are [in, out] to transformers."""
    experts, out, groups, half = parts["_blocks"].shape

    def unpack(values: Values) -> torch.Tensor:
        codes, table = values["_blocks"].int(), torch.tensor([*HALVES, *(-h for h in HALVES)])
        numbers = table[torch.stack([codes & 15, codes >> 4], -1).flatten(-2)]
        exponents = values["_scales"].int()[..., None] - SHARE_BIAS
        return torch.ldexp(numbers, exponents).flatten(-2).transpose(1, 2).contiguous()

    return Packed((experts, groups * half * 2, out), with_needed(parts, "_scales"), unpack, has_rows=True)
