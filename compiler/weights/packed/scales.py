"""Numbers of eight bits with scales: FP8 by blocks, rows or whole tensors (DeepSeek-AI 2024), and whole numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch

from mai.compiler.weights.packed.parts import SHARE_BIAS, Packed, Parts, Said, Values


def scaled(end: str) -> Callable[[Parts, Said], Packed]:
    """Numbers of eight bits, and their scales under an end: of the whole, of rows, of groups of a row, or of blocks."""

    def join(parts: Parts, said: Said) -> Packed:
        shape, sizes = parts[".weight"].shape, _block(said)
        if len(shape) != 2:
            raise ValueError(f"it is of shape {list(shape)}; matrices are read")
        kept = {e: parts[e] for e in (".weight", end, ".weight_zero_point") if e in parts}

        def unpack(values: Values) -> torch.Tensor:
            numbers = values[".weight"].float()
            if ".weight_zero_point" in values:
                numbers = numbers - spread(values[".weight_zero_point"].float(), shape, sizes)
            return numbers * spread(_numbers(values[end]), shape, sizes)

        return Packed(shape, kept, unpack)

    return join


def _numbers(scales: torch.Tensor) -> torch.Tensor:
    """Scales as numbers; bytes are exponents of 2 (MXFP8)."""
    return torch.exp2(scales.float() - SHARE_BIAS) if scales.dtype == torch.uint8 else scales.float()


def _block(said: Said) -> tuple[int, int]:
    """How many rows and columns share a scale, where the shapes do not say it; 0 for what is not stated."""
    weights = weights_of(said)
    if block := said.get("weight_block_size") or weights.get("block_structure"):
        return int(block[0]), int(block[1])
    return 0, weights.get("group_size") or 0


def weights_of(said: Said) -> Said:
    """What compressed-tensors says of the weights, the same for all its groups. Raises `ValueError` where it says several things."""
    each = [group.get("weights") or {} for group in (said.get("config_groups") or {}).values()]
    if any(
        (g.get("num_bits"), g.get("group_size")) != (each[0].get("num_bits"), each[0].get("group_size")) for g in each
    ):
        raise ValueError("`config_groups` has matrices of several kinds")
    return each[0] if each else {}


def spread(scale: torch.Tensor, shape: tuple[int, ...], sizes: tuple[int, int]) -> torch.Tensor:
    """A scale for each number of a matrix."""
    if scale.numel() == 1:
        return scale.reshape(1, 1)
    scale = scale.reshape(scale.shape[0], -1)
    for axis, (n, count, size) in enumerate(zip(shape, scale.shape, sizes, strict=True)):
        width = {1: n, n: 1}.get(count, size)
        if width < 1 or -(-n // width) != count:
            raise RuntimeError(f"{count} scales for {n} places")
        scale = scale.repeat_interleave(width, axis).narrow(axis, 0, n)
    return scale
