"""Tensors that other libraries pack into few bits are read as what they stand for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mai.compiler.weights.tensor_files import TensorFiles
from mai.spec.diagnostics import MaiError

OUT, INPUTS, GROUP = 16, 32, 8
RANDOM = torch.Generator().manual_seed(3)
E4M3 = torch.float8_e4m3fn
Tensors = dict[str, torch.Tensor]
Case = tuple[dict[str, object], Callable[[], tuple[Tensors, torch.Tensor]]]


def codes(*shape: int, bits: int = 4) -> torch.Tensor:
    return torch.randint(0, 2**bits, shape, generator=RANDOM)


def scales(*shape: int) -> torch.Tensor:
    return 0.1 + torch.rand(shape, generator=RANDOM)


def words(numbers: torch.Tensor, bits: int = 4) -> torch.Tensor:
    """Codes of a row, packed into whole numbers of 32 bits from the lowest on; as many zeros as a last word needs."""
    count = 32 // bits
    padded = torch.nn.functional.pad(numbers, (0, -numbers.shape[-1] % count)).unflatten(-1, (-1, count))
    packed = sum(padded[..., i] << (bits * i) for i in range(count))
    return (packed - ((packed >> 31) << 32)).int()  # type: ignore[operator]


def gptq(bits: int, less: int, ordered: bool = True) -> tuple[Tensors, torch.Tensor]:
    """GPTQModel's words of zeros are less by words of 1, so that a zero of 0 borrows from the next one."""
    q, z, s = (
        codes(INPUTS, OUT, bits=bits),
        codes(INPUTS // GROUP, OUT, bits=bits),
        scales(INPUTS // GROUP, OUT),
    )
    group = torch.arange(INPUTS) // GROUP
    group = group[torch.randperm(INPUTS, generator=RANDOM)] if ordered else group
    ones = words(torch.full_like(z, less), bits)
    parts = {"qweight": words(q.T, bits).T, "qzeros": words(z, bits) - ones, "scales": s}
    return parts | ({"g_idx": group.int()} if ordered else {}), ((q - z[group]) * s[group]).T


def awq() -> tuple[Tensors, torch.Tensor]:
    """AutoAWQ's `pack`: place i of a word has column [0, 2, 4, 6, 1, 3, 5, 7][i]."""
    q, z, s = codes(INPUTS, OUT), codes(INPUTS // GROUP, OUT), scales(INPUTS // GROUP, OUT)
    places = [0, 2, 4, 6, 1, 3, 5, 7]
    packed = [words(x.unflatten(-1, (-1, 8))[..., places].flatten(-2)) for x in (q, z)]
    group = torch.arange(INPUTS) // GROUP
    return {"qweight": packed[0], "qzeros": packed[1], "scales": s}, ((q - z[group]) * s[group]).T


def pack_quantized(zeros: bool) -> tuple[Tensors, torch.Tensor]:
    q, z, s = codes(OUT, INPUTS), codes(OUT, INPUTS // GROUP) if zeros else 8, scales(OUT, INPUTS // GROUP)
    shifted = z[:, torch.arange(INPUTS) // GROUP] if zeros else z  # type: ignore[index]
    parts = {"weight_packed": words(q), "weight_scale": s, "weight_shape": torch.tensor([OUT, INPUTS])}
    parts |= {"weight_zero_point": words(z.T).T} if zeros else {}  # type: ignore[attr-defined]
    return parts, (q - shifted) * s[:, torch.arange(INPUTS) // GROUP]


def scaled(end: str, kind: torch.dtype, *shape: int) -> tuple[Tensors, torch.Tensor]:
    """Numbers of 8 bits, and a scale for blocks of 8 x 20, the last ones narrower; for rows, or for all."""
    numbers, s = (torch.randn(OUT, INPUTS, generator=RANDOM) * 20).to(kind), scales(*shape)
    wide = s if s.numel() == 1 or s.shape[-1] == 1 else s.repeat_interleave(8, 0).repeat_interleave(20, 1)[:, :INPUTS]
    return {"weight": numbers, end: s}, numbers.float() * wide


def exponents() -> tuple[Tensors, torch.Tensor]:
    """Scales of 1 x 32 numbers that are exponents of 2."""
    numbers, e = torch.randn(OUT, INPUTS, generator=RANDOM).to(E4M3), 120 + codes(OUT, 1)
    return {"weight": numbers, "weight_scale_inv": e.to(torch.uint8)}, numbers.float() * 2.0 ** (e - 127)


def kept_as(kind: torch.dtype) -> tuple[Tensors, torch.Tensor]:
    """The same bytes as numbers of another type, `bnb_4bit_quant_storage`."""
    parts, expected = table(False)
    return {**parts, "weight": parts["weight"].flatten().view(kind)[:, None]}, expected


def table(is_nested: bool) -> tuple[Tensors, torch.Tensor]:
    """The bytes have the first of two numbers in their upper half."""
    q, kinds, largest = codes(OUT * INPUTS), torch.randn(16, generator=RANDOM), scales(OUT * INPUTS // 64)
    state = {"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [OUT, INPUTS]}
    parts = {
        "weight": ((q[::2] << 4) + q[1::2]).to(torch.uint8)[:, None],
        "weight.quant_map": kinds,
        "weight.absmax": largest,
    }
    if is_nested:
        state |= {"nested_blocksize": 4, "nested_offset": 0.5, "nested_dtype": "float32"}
        inner, outer, inside = codes(len(largest), bits=8), scales(2), torch.randn(256, generator=RANDOM)
        parts |= {
            "weight.absmax": inner.to(torch.uint8),
            "weight.nested_absmax": outer,
            "weight.nested_quant_map": inside,
        }
        largest = inside[inner] * outer.repeat_interleave(4)[: len(inner)] + 0.5
    parts["weight.quant_state.bitsandbytes__nf4"] = torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)
    return parts, (kinds[q] * largest.repeat_interleave(64)).reshape(OUT, INPUTS)


def of_rows() -> tuple[Tensors, torch.Tensor]:
    q, most = codes(OUT, INPUTS, bits=7).to(torch.int8) - 64, scales(OUT)
    return {"weight": q, "SCB": most, "weight_format": torch.tensor(0, dtype=torch.uint8)}, q * most[:, None] / 127


def groups(format: str, **weights: object) -> dict[str, object]:
    said = {"num_bits": 4, "type": "int", "group_size": GROUP, "strategy": "group", **weights}
    return {"quant_method": "compressed-tensors", "format": format, "config_groups": {"group_0": {"weights": said}}}


BLOCKS = {"quant_method": "fp8", "weight_block_size": [8, 20], "activation_scheme": "dynamic"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": GROUP}
CASES: dict[str, Case] = {
    "gptq": (GPTQ, lambda: gptq(4, 1)),
    "gptq, 8 bits": ({**GPTQ, "bits": 8}, lambda: gptq(8, 1)),
    "gptq, the second form": ({**GPTQ, "checkpoint_format": "gptq_v2", "bits": 2}, lambda: gptq(2, 0)),
    "gptq, in order": (GPTQ, lambda: gptq(4, 1, ordered=False)),
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": GROUP, "version": "gemm"}, awq),
    "words": (groups("pack-quantized"), lambda: pack_quantized(False)),
    "words, with zeros": (groups("pack-quantized", symmetric=False), lambda: pack_quantized(True)),
    "blocks": (BLOCKS, lambda: scaled("weight_scale_inv", E4M3, 2, 2)),
    "exponents": ({**BLOCKS, "weight_block_size": [1, 32]}, exponents),
    "whole": ({"quant_method": "fp8", "activation_scheme": "static"}, lambda: scaled("weight_scale", E4M3, 1)),
    "rows": ({"quant_method": "fbgemm_fp8"}, lambda: scaled("weight_scale", E4M3, OUT, 1)),
    "rows of whole numbers": (
        groups("int-quantized", num_bits=8, group_size=None), lambda: scaled("weight_scale", torch.int8, OUT, 1)),
    "table": ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, lambda: table(False)),
    "table, nested": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, lambda: table(True)),
    "table, kept as numbers of 16 bits": ({"load_in_4bit": True}, lambda: kept_as(torch.bfloat16)),
    "rows of bitsandbytes": ({"quant_method": "bitsandbytes", "load_in_8bit": True}, of_rows),
}  # fmt: skip


def write(folder: Path, said: dict[str, object], parts: Tensors) -> Path:
    path = folder / "model.safetensors"
    plain = {"norm.weight": torch.arange(3.0)}
    save_file({f"layer.{end}": t.contiguous() for end, t in parts.items()} | plain, path)
    (folder / "config.json").write_text(json.dumps({"quantization_config": said}))
    return path


@pytest.mark.parametrize("name", CASES)
def test_what_packed_tensors_stand_for(name: str, tmp_path: Path) -> None:
    said, make = CASES[name]
    parts, expected = make()
    with TensorFiles(write(tmp_path, said, parts)) as files:
        assert files.shapes == {"layer.weight": (OUT, INPUTS), "norm.weight": (3,)}
        torch.testing.assert_close(files.read("layer.weight"), expected.float())
        torch.testing.assert_close(files.read("layer.weight", row=5), expected[5:6].float())


def four_bits(c: torch.Tensor) -> torch.Tensor:
    """Numbers of a sign, two bits of exponent and one of mantissa (Open Compute Project 2023)."""
    exponent, half = (c >> 1) & 3, (c & 1) / 2
    return (1 - 2.0 * (c >> 3)) * torch.where(exponent == 0, half, (1 + half) * 2.0 ** (exponent - 1))


def test_experts_of_gpt_oss(tmp_path: Path) -> None:
    """MXFP4, the lower of two numbers first, as transformers' `convert_moe_packed_tensors` reads it; one expert alone, too."""
    blocks, exponents = codes(3, 10, 2, 16, bits=8), 120 + codes(3, 10, 2)
    numbers = torch.stack([four_bits(blocks & 15), four_bits(blocks >> 4)], -1).flatten(-2)
    expected = (numbers * 2.0 ** (exponents[..., None] - 127)).flatten(-2).transpose(1, 2)
    parts = {"gate_up_proj_blocks": blocks.to(torch.uint8), "gate_up_proj_scales": exponents.to(torch.uint8)}
    with TensorFiles(write(tmp_path, {"quant_method": "mxfp4"}, parts)) as files:
        assert torch.equal(files.read("layer.gate_up_proj"), expected)
        assert torch.equal(files.read("layer.gate_up_proj", row=1), expected[1:2])


@pytest.mark.parametrize(
    ("said", "parts", "message"),
    [
        (GPTQ, {"qweight": torch.zeros(3, 4).int(), "scales": scales(3, 4)}, "`layer..qzeros` is not there"),
        (BLOCKS, {"weight_scale_inv": scales(2, 2)}, "`layer..weight` is not there, a part of `layer..weight`"),
        (groups("pack-quantized", num_bits=3), {"weight_packed": codes(2, 2).int(), "weight_shape": torch.tensor([2, 2])}, "3 bits"),
    ],
)  # fmt: skip
def test_parts_that_lack(said: dict[str, object], parts: Tensors, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaiError, match=message.replace("..", ".")):
        TensorFiles(write(tmp_path, said, parts))


def test_parts_that_do_not_fit(tmp_path: Path) -> None:
    parts, _ = scaled("weight_scale_inv", E4M3, 2, 2)
    path = write(tmp_path, {**BLOCKS, "weight_block_size": [8, 8]}, parts)
    with TensorFiles(path) as files, pytest.raises(MaiError, match="2 scales for 32 places"):
        files.read("layer.weight")


def test_groups_that_are_not_stated_are_not_guessed(tmp_path: Path) -> None:
    said = {"quant_method": "awq", "w_bit": 4, "q_group_size": GROUP}
    with TensorFiles(write(tmp_path, said, awq()[0])) as files, pytest.raises(MaiError, match="4 groups of scales"):
        files.read("layer.weight")
