"""Small files of the manifest's present format, one a feature, with what they gave: `python -m tests.compat.make`.

Run once, when the format's number has been raised. What is there is never written anew: it is what that format was.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, FewBits, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.model.manifest import FORMAT

FLOW = """# A flow for old times' sake.
net velocity(x: [2], s: []) -> [2] { return linear(silu(linear(concat(x, fourier(s, 8)), 32)), 2) }
export flow(shift: [2], steps: int = 4) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) + shift }
  return x
}
export adaptive(x: [2]) -> [2] {
  integrate s in 0..1 using dopri5(rtol = 1e-5, atol = 1e-5) { dx/ds = velocity(x, s) }
  return x
}
"""
WIDE = FLOW.replace("flow(", "quantised(").replace(
    "), 32)), 2)", "), 32)) |> linear(128) |> silu |> linear(128) |> silu, 2)"
)
TEXT = """# A text for old times' sake.
const vocab = 256
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 16, init = normal(0, 1))
  h += attention(h, 2, causal = true, rotary = rope(base = 100))
  return linear(h, vocab)
}
export text(prompt: tokens[P], count: int = 12, temperature: real = 0.0) -> tokens[P + count] {
  x = prompt
  extend x by count {
    next ~ categorical(logits(x)[-1] / temperature)
    append next
  }
  return x
}
"""
SHIFT: dict[str, Any] = {"shift": [[0.0, 0.0], [1.0, -2.0]], "seed": 5}
PROMPT: dict[str, Any] = {"prompt": [[77, 97, 116, 104], [65, 73, 32, 32]]}


def main() -> None:
    folder = Path(__file__).parent / f"format_{FORMAT}"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, text, feeds, quantize in (
            ("flow", FLOW, SHIFT, None),
            ("quantised", WIDE, SHIFT, "int8"),
            ("adaptive", FLOW, {"x": SHIFT["shift"]}, None),
            ("text", TEXT, PROMPT, None),
        ):
            if not (folder / f"{name}.onnx").exists():
                _make(Path(scratch), folder, name, text, feeds, quantize)


def _make(scratch: Path, folder: Path, name: str, text: str, feeds: dict[str, Any], quantize: FewBits | None) -> None:
    spec = scratch / "old.mai"
    spec.write_text(text, encoding="utf-8")
    program = check(spec).program
    assert program is not None
    weights, _ = load_weights(program, None)
    exported = export(
        program, name, Trained(weights, tokenizer="bytes", loss_change=0.01), scratch, CompileOptions(quantize=quantize)
    )
    turn = export_step(program, name, Trained(weights, tokenizer="bytes"), scratch)
    exported.path.rename(folder / f"{name}.onnx")
    if turn is not None:
        turn.path.rename(folder / f"{name}.step.onnx")
    results, evaluations = load(folder / f"{name}.onnx", providers="cpu").counted(**feeds)
    recorded = {"given": feeds, name: _listed(results)}
    if evaluations is not None:
        recorded["evaluations"] = _listed(evaluations)
    (folder / f"{name}.json").write_text(json.dumps(recorded, indent=1) + "\n", encoding="utf-8")


def _listed(array: Any) -> Any:
    array = np.asarray(array)
    return array.tolist() if array.dtype.kind == "i" else np.round(array.astype(float), 6).tolist()


if __name__ == "__main__":
    main()
