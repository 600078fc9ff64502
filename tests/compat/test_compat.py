"""Files of every format that was ever written still open, and give what they gave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.runtime import load
from mai.runtime.model.manifest import FORMAT, Manifest

HERE = Path(__file__).parent
FILES = sorted(p for p in HERE.glob("format_*/*.onnx") if not p.name.endswith(".step.onnx"))
FEATURES: dict[str, Callable[[Manifest], bool]] = {
    "draws": lambda m: m.draws,
    "a text": lambda m: m.text is not None and m.step is None,
    "one turn of a text": lambda m: m.step is not None,
    "weights in few bits": lambda m: m.quantize is not None,
    "an adaptive solver": lambda m: m.evaluations is not None,
}


@pytest.mark.parametrize("format", range(1, FORMAT + 1))
def test_every_format_has_a_file_of_every_feature(format: int) -> None:
    """Raise `FORMAT`, and this asks for files of the new one: `python -m tests.compat.make`."""
    manifests = [load(p, providers="cpu").manifest for p in (HERE / f"format_{format}").glob("*.onnx")]
    assert {m.format for m in manifests} == {format}
    for name, has in FEATURES.items():
        assert any(map(has, manifests)), f"format {format} has no file with {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_old_file_gives_what_it_gave(path: Path) -> None:
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    model = load(path, providers="cpu")
    (name,) = model.outputs
    results, evaluations = model.counted(**recorded["given"])
    np.testing.assert_allclose(np.asarray(results), recorded[name], rtol=1e-4, atol=1e-5)
    if model.manifest.evaluations:
        assert evaluations is not None
        np.testing.assert_array_equal(evaluations, recorded["evaluations"])


@pytest.mark.parametrize("path", [p for p in FILES if p.with_name(f"{p.stem}.step.onnx").exists()], ids=str)
def test_an_old_text_streams_what_it_gave(path: Path) -> None:
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    prompt = recorded["given"]["prompt"]
    rows = np.stack(list(load(path, providers="cpu").stream(prompt, count=12)), 1)
    np.testing.assert_array_equal(rows, np.asarray(recorded[path.stem])[:, len(prompt[0]) :])
