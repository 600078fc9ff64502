"""The table at the head of `docs/benchmarks.md`: a row each of what the benchmarks measured, with its rival by name.

A row stands here only where the rival is at its best settings: no float32 beside few bits, no two calls beside one batch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUMMARY = "summary"
EAGER, DIFFEQ, HUGGING, GENAI = "torch's eager loop", "torchdiffeq", "transformers' `generate()`", "onnxruntime-genai"


@dataclass(frozen=True, slots=True)
class Figure:
    """One ratio of the table.

    Attributes:
        what: what was measured.
        rival: what it is compared with.
        benchmark: which one measured it.
        keys: the path to the ratio in the JSON that the benchmark wrote.
    """

    what: str
    rival: str
    benchmark: str
    keys: tuple[Any, ...]


def _sampler(what: str, row: str) -> Figure:
    return Figure(what, EAGER, "sampler", (row, "ratios", "torch eager loop"))


def _text(what: str, rival: str, row: str, form: str = "mai, whole") -> Figure:
    name = {HUGGING: "transformers", GENAI: "onnxruntime-genai"}[rival]
    return Figure(what, rival, "text", ("rows", row, "variants", form, "against", name))


FIGURES = [
    _sampler("MLP 2-D, Euler × 20, batch 1", "mlp, batch 1, euler × 20"),
    _sampler("DiT, Euler × 20, batch 64", "dit, batch 64, euler × 20"),
    _sampler("the same, batch 1", "dit, batch 1, euler × 20"),
    _sampler("U-Net, Euler × 4, batch 16", "unet, batch 16, euler × 4"),
    Figure("guided MLP, Euler × 20, batch 1", f"{EAGER}, both calls as one batch", "guided",
           ("mlp, batch 1, euler × 20", "ratios", "eager, one batch")),
    Figure("`dopri5`, MLP, batch 1", DIFFEQ, "adaptive", (1, "ratio")),
    Figure("the same, batch 64, each example with its own steps", DIFFEQ, "adaptive", (64, "ratio")),
    _text("Llama 125 M, float32, 128 tokens", HUGGING, "llama, float32, batch 1"),
    _text("the same", GENAI, "llama, float32, batch 1"),
    _text("the same, compiled with `--cpu`", GENAI, "llama, float32, batch 1", "mai, whole, --cpu"),
    _text("float32, batch 8", GENAI, "llama, float32, batch 8"),
    _text("the same, compiled with `--cpu`", GENAI, "llama, float32, batch 8", "mai, whole, --cpu"),
    _text("int4, batch 1", GENAI, "llama, int4, batch 1"),
    Figure("a training step of `digits_unet`", "the same by hand in PyTorch", "training", ("digits_unet", "ratio")),
    Figure("ONNX of a 100-layer network, built", "torch.onnx.export", "building", ("ratio",)),
]  # fmt: skip


def summary(results: Path) -> str:
    """That table, made of the figures under `results`."""
    figures = {f.benchmark: _read(results, f.benchmark) for f in FIGURES}
    lines = [f"| {f.what} | {f.rival} | {_times(_at(figures[f.benchmark]['figures'], f.keys))} |" for f in FIGURES]
    where = " and ".join(sorted({h["processor"] for h in figures.values()}))
    return "\n".join(
        ["| one call of one file | against | as fast |", "|---|---|---|", *lines, "", f"On one core of: {where}."]
    )


def _read(results: Path, benchmark: str) -> Any:
    return json.loads((results / f"{benchmark}.json").read_text(encoding="utf-8"))


def _times(ratio: float | None) -> str:
    if ratio is None:
        return "not measured"
    return f"{ratio:.0f} ×" if ratio >= 10 else f"{ratio:.2f} ×"


def _at(data: Any, keys: tuple[Any, ...]) -> float | None:
    """The number at the end of the keys, None where a rival was not there; in a list, a key selects the row that has it as a value."""
    for key in keys:
        data = next((row for row in data if key in row.values()), {}) if isinstance(data, list) else data.get(key, {})
    return float(data) if data else None
