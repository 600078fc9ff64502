"""Whole numbers of few bits in words of 32: GPTQ (Frantar et al. 2023), AWQ (Lin et al. 2024), compressed-tensors."""

from __future__ import annotations

import torch

from mai.compiler.weights.packed.parts import (
    WORD,
    Packed,
    Parts,
    Said,
    Values,
    check_bits,
    codes_of,
    with_needed,
    word_of_ones,
)
from mai.compiler.weights.packed.scales import spread, weights_of

AWQ_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)  # At which of eight codes of a word each of eight columns lies.


def join_gptq(parts: Parts, said: Said) -> Packed:
    """s[g(i), o] (q[i, o] - z[g(i), o]); AutoGPTQ keeps z - 1, and GPTQModel words of z less words of 1, with what is carried where z is 0."""
    order, (rows, out) = parts.get(".g_idx"), parts[".qweight"].shape
    inputs = order.shape[0] if order is not None else rows * WORD // said["bits"]
    bits = check_bits(rows * WORD // inputs)
    less = 0 if "gptq_v2" in (said.get("checkpoint_format"), said.get("format")) else word_of_ones(bits)

    def unpack(values: Values) -> torch.Tensor:
        zeros, scales = codes_of(values[".qzeros"] + less, bits), values[".scales"].float()
        group = values[".g_idx"].long() if order is not None else _groups(said, inputs, len(scales))
        return (codes_of(values[".qweight"].T, bits) - zeros.T[:, group]) * scales.T[:, group]

    return Packed((out, inputs), with_needed(parts, ".qzeros", ".scales"), unpack)


def join_awq(parts: Parts, said: Said) -> Packed:
    """s[i // group, o] (q[i, o] - z[i // group, o]), eight columns of four bits a word."""
    inputs, words = parts[".qweight"].shape

    def unpack(values: Values) -> torch.Tensor:
        group = _groups(said, inputs, len(values[".scales"]))
        codes, zeros = (_in_place(codes_of(values[end], 4)) for end in (".qweight", ".qzeros"))
        return ((codes - zeros[group]) * values[".scales"].float()[group]).T

    return Packed((words * WORD // 4, inputs), with_needed(parts, ".qzeros", ".scales"), unpack)


def _in_place(codes: torch.Tensor) -> torch.Tensor:
    """Columns where they belong, of codes as AutoAWQ puts them side by side."""
    eights = codes.reshape(*codes.shape[:-1], -1, len(AWQ_PLACES))
    return eights[..., list(AWQ_PLACES)].flatten(-2)


def _groups(said: Said, inputs: int, count: int) -> torch.Tensor:
    """To which of so many groups each input of a matrix belongs. Raises `RuntimeError` where there are more groups or less."""
    stated = said.get("group_size", -1)
    size = inputs if stated in (-1, None) else stated
    if -(-inputs // size) != count:
        raise RuntimeError(f"{count} groups of scales for {inputs} inputs, of which {size} are a group")
    return torch.arange(inputs) // size


def join_words(parts: Parts, said: Said) -> Packed:
    """compressed-tensors: codes of a row side by side in words, s (q - z) with codes about 0."""
    weights = weights_of(said)
    bits, (out, inputs) = check_bits(weights.get("num_bits")), map(int, parts[".weight_shape"].read().tolist())
    if weights.get("type") != "int":
        raise ValueError(f"`type` is {weights.get('type')!r}; known here: 'int'")
    middle, sizes = 2 ** (bits - 1), (1, weights.get("group_size") or 0)

    def unpack(values: Values) -> torch.Tensor:
        codes: torch.Tensor = codes_of(values[".weight_packed"], bits)[:, :inputs] - middle
        if ".weight_zero_point" in values:
            zeros = codes_of(values[".weight_zero_point"].T, bits).T[:out] - middle
            codes = codes - _of_groups(zeros, values, (out, inputs), sizes)
        return codes * _of_groups(values[".weight_scale"].float(), values, (out, inputs), sizes)

    return Packed((out, inputs), with_needed(parts, ".weight_scale"), unpack)


def _of_groups(scale: torch.Tensor, values: Values, shape: tuple[int, int], sizes: tuple[int, int]) -> torch.Tensor:
    """A scale for each number, by the group that each input is in, where the file says it."""
    order = values.get(".weight_g_idx")
    return spread(scale, shape, sizes) if order is None or (order < 0).any() else scale[:, order.long()]
