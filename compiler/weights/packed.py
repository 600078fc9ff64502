"""Tensors that another library packed into few bits and keeps in parts: read as what they stand for, in float32.

GPTQ (Frantar et al. 2023) and AWQ (Lin et al. 2024) as AutoGPTQ and AutoAWQ write them, compressed-tensors, FP8 by blocks, rows or
whole tensors (DeepSeek-AI 2024), bitsandbytes (Dettmers et al. 2022, 2023), and MXFP4 (Open Compute Project 2023). What is said of
products besides, as FP8 for what a product reads, is of those that are faster on some cards: here products are of plain numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, TypeAlias, cast

import torch

from mai.compiler.weights.readable import Readable, RowReadable
from mai.runtime.files import read_text

Parts: TypeAlias = Mapping[str, Readable]  # Of a tensor, by the ends of their names.
Values: TypeAlias = Mapping[str, torch.Tensor]
Said: TypeAlias = Mapping[str, Any]  # The `quantization_config` of a model.
MAX_BYTES = 20_000_000
WORD = 32  # Bits of a whole number that holds several codes.
AWQ_PLACES = (0, 4, 1, 5, 2, 6, 3, 7)  # At which of eight codes of a word each of eight columns lies.
HALVES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)  # Numbers of four bits, without their sign: E2M1.
SHARE_BIAS = 127  # Of the exponents that numbers of MXFP4 share.


@dataclass(frozen=True, slots=True)
class Packed:
    """A tensor in parts.

    Attributes:
        parts: by the ends of their names.
        unpack: what the parts' numbers stand for.
        has_rows: whether the first axis of each part is that of the tensor.
    """

    shape: tuple[int, ...]
    parts: Parts
    unpack: Callable[[Values], torch.Tensor]
    has_rows: bool = False

    def read(self) -> torch.Tensor:
        """The tensor in float32. Raises `OSError`: its parts do not fit each other."""
        try:
            found = self.unpack({end: part.read() for end, part in self.parts.items()}).float()
        except (RuntimeError, IndexError) as error:
            raise OSError(f"its parts do not fit each other: {error}") from error
        if tuple(found.shape) != self.shape:
            raise OSError(f"its parts give {list(found.shape)}, and not {list(self.shape)}")
        return found

    def row(self, place: int) -> Readable:
        """One place on the first axis, which stays, of size 1."""
        rows = {end: cast(RowReadable, part).row(place) for end, part in self.parts.items()}
        return replace(self, shape=(1, *self.shape[1:]), parts=rows)


@dataclass(frozen=True, slots=True)
class Form:
    """A way to keep a tensor in parts.

    Attributes:
        mark: the end of the name of a part that no whole tensor has.
        others: the ends of the names of its other parts, of which some may lack.
        whole: the end of the tensor's name.
        join: the tensor of its parts; it raises `KeyError` for one that lacks, `ValueError` for what is not known.
    """

    mark: str
    others: tuple[str, ...]
    whole: str
    join: Callable[[Parts, Said], Packed]


def packing_of(config: Mapping[str, object]) -> Said:
    """What a model's config says of packed numbers, with its `quant_method`; nothing where they are not packed."""
    said = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(said, Mapping):
        return {}
    is_of_bits = said.get("load_in_4bit") or said.get("load_in_8bit")  # As bitsandbytes was said at first.
    return {"quant_method": "bitsandbytes" if is_of_bits else "of no name", **said}


def packing_beside(tensors: Path) -> Said:
    """What the config.json beside a file of tensors says of how they are packed, where that is known; else nothing."""
    config = tensors.with_name("config.json")
    try:
        content = json.loads(read_text(config, MAX_BYTES)) if config.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    said = packing_of(content) if isinstance(content, dict) else {}
    return said if said and why_unread(said) is None else {}


def why_unread(said: Said) -> str | None:
    """What is not known of a packing; None where all is."""
    method = METHODS.get(str(said["quant_method"]))
    return str(said["quant_method"]) if method is None else method.unknown(said)


def unpacked(places: Mapping[str, Readable], said: Said) -> dict[str, Readable]:
    """The tensors of a file, those in parts joined.

    Args:
        said: the `quantization_config` of its model.

    Raises:
        ValueError: a part lacks, or says what is not known.
    """
    joined: dict[str, Readable] = dict(places)
    for form in METHODS[said["quant_method"]].forms:
        for name in [n for n in joined if n.endswith(form.mark)]:
            stem = name.removesuffix(form.mark)
            parts = {e: joined.pop(stem + e) for e in (form.mark, *form.others) if stem + e in joined}
            try:
                joined[stem + form.whole] = form.join(parts, said)
            except KeyError as error:
                raise ValueError(f"`{stem}{error.args[0]}` is not there, a part of `{stem}{form.whole}`") from error
            except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
                raise ValueError(f"`{stem}{form.whole}`: {error}") from error
    return joined


def _codes(words: torch.Tensor, bits: int) -> torch.Tensor:
    """The codes in whole numbers of 32 bits, the lowest first: [..., n] to [..., n * 32 / bits]."""
    shifts = torch.arange(0, WORD, bits, dtype=torch.int32)
    codes: torch.Tensor = (words.int()[..., None] >> shifts) & (2**bits - 1)
    return codes.flatten(-2)


def _check_bits(bits: object) -> int:
    if bits not in (2, 4, 8):
        raise ValueError(f"its numbers have {bits} bits; known here: 2, 4, 8")
    return int(str(bits))


def _groups(said: Said, inputs: int) -> torch.Tensor:
    """To which group each input of a matrix belongs."""
    size = said.get("group_size", -1)
    return torch.arange(inputs) // (inputs if size in (-1, None) else size)


def _gptq(parts: Parts, said: Said) -> Packed:
    """s[g(i), o] (q[i, o] - z[g(i), o]); AutoGPTQ keeps z - 1."""
    order, (rows, out) = parts.get(".g_idx"), parts[".qweight"].shape
    inputs = order.shape[0] if order is not None else rows * WORD // said["bits"]
    bits = _check_bits(rows * WORD // inputs)
    less = 0 if "gptq_v2" in (said.get("checkpoint_format"), said.get("format")) else 1

    def unpack(values: Values) -> torch.Tensor:
        group = values[".g_idx"].long() if order is not None else _groups(said, inputs)
        zeros, scales = _codes(values[".qzeros"], bits) + less, values[".scales"].float()
        return (_codes(values[".qweight"].T, bits) - zeros.T[:, group]) * scales.T[:, group]

    return Packed((out, inputs), _with(parts, ".qzeros", ".scales"), unpack)


def _awq(parts: Parts, said: Said) -> Packed:
    """s[i // group, o] (q[i, o] - z[i // group, o]), eight columns of four bits a word."""
    inputs, words = parts[".qweight"].shape

    def unpack(values: Values) -> torch.Tensor:
        group = _groups(said, inputs)
        codes, zeros = (_in_place(_codes(values[end], 4)) for end in (".qweight", ".qzeros"))
        return ((codes - zeros[group]) * values[".scales"].float()[group]).T

    return Packed((words * WORD // 4, inputs), _with(parts, ".qzeros", ".scales"), unpack)


def _in_place(codes: torch.Tensor) -> torch.Tensor:
    """Columns where they belong, of codes as AutoAWQ puts them side by side."""
    eights = codes.reshape(*codes.shape[:-1], -1, len(AWQ_PLACES))
    return eights[..., list(AWQ_PLACES)].flatten(-2)


def _with(parts: Parts, *ends: str) -> Parts:
    """The parts, of which those are needed. Raises `KeyError`: one lacks."""
    return {**parts, **{end: parts[end] for end in ends}}


def _scaled(end: str) -> Callable[[Parts, Said], Packed]:
    """Numbers of eight bits, and their scales under an end: of the whole, of rows, of groups of a row, or of blocks."""

    def join(parts: Parts, said: Said) -> Packed:
        shape, sizes = parts[".weight"].shape, _block(said)
        if len(shape) != 2:
            raise ValueError(f"it is of shape {list(shape)}; matrices are read")
        kept = {e: parts[e] for e in (".weight", end, ".weight_zero_point") if e in parts}

        def unpack(values: Values) -> torch.Tensor:
            numbers = values[".weight"].float()
            if ".weight_zero_point" in values:
                numbers = numbers - _spread(values[".weight_zero_point"].float(), shape, sizes)
            return numbers * _spread(values[end].float(), shape, sizes)

        return Packed(shape, kept, unpack)

    return join


def _block(said: Said) -> tuple[int, int]:
    """How many rows and columns share a scale, where the shapes do not say it; 0 for what is not stated."""
    weights = _weights(said)
    if block := said.get("weight_block_size") or weights.get("block_structure"):
        return int(block[0]), int(block[1])
    return 0, weights.get("group_size") or 0


def _weights(said: Said) -> Said:
    """What compressed-tensors says of the weights, the same for all its groups. Raises `ValueError` where it says several things."""
    each = [group.get("weights") or {} for group in (said.get("config_groups") or {}).values()]
    if any(
        (g.get("num_bits"), g.get("group_size")) != (each[0].get("num_bits"), each[0].get("group_size")) for g in each
    ):
        raise ValueError("`config_groups` has matrices of several kinds")
    return each[0] if each else {}


def _spread(scale: torch.Tensor, shape: tuple[int, ...], sizes: tuple[int, int]) -> torch.Tensor:
    """A scale for each number of a matrix."""
    if scale.numel() == 1:
        return scale.reshape(1, 1)
    scale = scale.reshape(scale.shape[0], -1)
    for axis, (n, count, size) in enumerate(zip(shape, scale.shape, sizes, strict=True)):
        width = 1 if count == n else n if count == 1 else size
        if width < 1 or -(-n // width) != count:
            raise RuntimeError(f"{count} scales for {n} places")
        scale = scale.repeat_interleave(width, axis).narrow(axis, 0, n)
    return scale


def _words(parts: Parts, said: Said) -> Packed:
    """compressed-tensors: codes of a row side by side in words, s (q - z) with codes about 0."""
    weights = _weights(said)
    bits, (out, inputs) = _check_bits(weights.get("num_bits")), map(int, parts[".weight_shape"].read().tolist())
    if weights.get("type") != "int":
        raise ValueError(f"`type` is {weights.get('type')!r}; known here: 'int'")
    middle, sizes = 2 ** (bits - 1), (1, weights.get("group_size") or 0)

    def unpack(values: Values) -> torch.Tensor:
        codes: torch.Tensor = _codes(values[".weight_packed"], bits)[:, :inputs] - middle
        if ".weight_zero_point" in values:
            zeros = _codes(values[".weight_zero_point"].T, bits).T[:out] - middle
            codes = codes - _of_groups(zeros, values, (out, inputs), sizes)
        return codes * _of_groups(values[".weight_scale"].float(), values, (out, inputs), sizes)

    return Packed((out, inputs), _with(parts, ".weight_scale"), unpack)


def _of_groups(scale: torch.Tensor, values: Values, shape: tuple[int, int], sizes: tuple[int, int]) -> torch.Tensor:
    """A scale for each number, by the group that each input is in, where the file says it."""
    order = values.get(".weight_g_idx")
    return _spread(scale, shape, sizes) if order is None or (order < 0).any() else scale[:, order.long()]


def _of_rows(parts: Parts, said: Said) -> Packed:
    """bitsandbytes, eight bits: the largest number of each row stands for 127."""
    shape = parts[".weight"].shape
    return Packed(shape, _with(parts, ".SCB"), lambda v: v[".weight"].float() * v[".SCB"].float()[:, None] / 127)


def _of_table(parts: Parts, said: Said) -> Packed:
    """bitsandbytes, four bits: each number is one of a table, by the largest of its block."""
    state = next(parts[end] for end in STATES if end in parts)
    about = json.loads(bytes(state.read().to(torch.uint8).tolist()))
    shape, size = tuple(about["shape"]), about["blocksize"]

    def unpack(values: Values) -> torch.Tensor:
        codes = values[".weight"].flatten().int()
        numbers = values[".weight.quant_map"].float()[torch.stack([codes >> 4, codes & 15], -1).flatten()]
        return (numbers * _largest(values, about).repeat_interleave(size)[: len(numbers)])[: prod(shape)].reshape(shape)

    return Packed(shape, _with(parts, ".weight", ".weight.quant_map"), unpack)


def _largest(values: Values, about: Said) -> torch.Tensor:
    """The largest number of each block, which may be of a table itself."""
    largest, table = values[".weight.absmax"], values.get(".weight.nested_quant_map")
    if table is None:
        return largest.float()
    outer = values[".weight.nested_absmax"].float().repeat_interleave(about["nested_blocksize"])[: len(largest)]
    return table.float()[largest.int()] * outer + float(about["nested_offset"])


def _mxfp4(parts: Parts, said: Said) -> Packed:
    """Each 32 numbers of a row share an exponent; experts' matrices lie there as [out, in], and are [in, out] to transformers."""
    experts, out, groups, half = parts["_blocks"].shape

    def unpack(values: Values) -> torch.Tensor:
        codes, table = values["_blocks"].int(), torch.tensor([*HALVES, *(-h for h in HALVES)])
        numbers = table[torch.stack([codes & 15, codes >> 4], -1).flatten(-2)]
        exponents = values["_scales"].int()[..., None] - SHARE_BIAS
        return torch.ldexp(numbers, exponents).flatten(-2).transpose(1, 2).contiguous()

    return Packed((experts, groups * half * 2, out), _with(parts, "_scales"), unpack, has_rows=True)


STATES = (".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4")
BESIDE = (".input_scale", ".activation_scale", ".output_scale")  # Of what products read and give, not of the tensor.


@dataclass(frozen=True, slots=True)
class Method:
    """A library's forms; `only` has the values of its settings that are known, where some are not."""

    forms: tuple[Form, ...]
    only: Mapping[str, tuple[object, ...]]

    def unknown(self, said: Said) -> str | None:
        """The first setting that is not known, with its value."""
        wrong = next((n for n, known in self.only.items() if said.get(n, known[0]) not in known), None)
        return None if wrong is None else f"`{wrong}` is {json.dumps(said[wrong])[:60]}"


FP8 = tuple(Form(end, (".weight", *BESIDE), ".weight", _scaled(end)) for end in (".weight_scale_inv", ".weight_scale"))
WORDS = Form(
    ".weight_packed",
    (".weight_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx", *BESIDE),
    ".weight",
    _words,
)
PLAIN = Form(".weight_scale", (".weight", ".weight_zero_point", *BESIDE), ".weight", _scaled(".weight_scale"))
TABLE = (".weight", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map", *STATES)
CODES = (".qzeros", ".scales", ".g_idx")
METHODS = {
    "gptq": Method((Form(".qweight", CODES, ".weight", _gptq),), {
        "checkpoint_format": ("gptq", "gptq_v2", "", None), "format": ("gptq", "gptq_v2", None), "is_marlin_format": (False, None)}),
    "awq": Method((Form(".qweight", CODES, ".weight", _awq),), {"version": ("gemm", "GEMM"), "bits": (4,), "w_bit": (4,)}),
    "fp8": Method(FP8, {"fmt": ("e4m3", "e5m2")}),
    "fbgemm_fp8": Method(FP8, {}),
    "compressed-tensors": Method((WORDS, PLAIN), {
        "format": ("pack-quantized", "float-quantized", "int-quantized", "naive-quantized", "dense"), "transform_config": (None, {})}),
    "bitsandbytes": Method((
        Form(".SCB", (".weight", ".weight_format"), ".weight", _of_rows), Form(".weight.absmax", TABLE, ".weight", _of_table)), {}),
    "mxfp4": Method((Form("_blocks", ("_scales",), "", _mxfp4),), {}),
}  # fmt: skip
