"""Where a run computes, and in what precision."""

from __future__ import annotations

import torch
from accelerate import Accelerator

from mai.spec.diagnostics import Diagnostic, MaiError


def accelerator(device: str | None, precision: str) -> Accelerator:
    """The accelerator for a device, by default the best there is. Raises `MaiError` where it cannot be had."""
    modes = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}
    if device not in (None, "cpu", "cuda", "mps"):
        raise MaiError([Diagnostic("bad-setting", None, f"there is no device `{device}`", help="cpu, cuda or mps")])
    if device == "cuda" and not torch.cuda.is_available():
        raise MaiError([Diagnostic("bad-setting", None, "there is no usable CUDA device here", help="--device cpu")])
    if precision not in modes:
        raise MaiError([Diagnostic("bad-setting", None, f"there is no precision `{precision}`", help=", ".join(modes))])
    if precision == "fp16" and (device == "cpu" or not torch.cuda.is_available()):
        raise MaiError([Diagnostic("bad-setting", None, "fp16 needs a GPU", help="--precision bf16 runs on a CPU")])
    return Accelerator(cpu=device == "cpu", mixed_precision=modes[precision])
