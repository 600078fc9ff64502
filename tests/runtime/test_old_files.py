"""Files of every format that was ever written still open, and give the same samples from the same seed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mai.runtime import load
from mai.runtime.manifest import FORMAT

FILES = sorted((Path(__file__).parent / "files").glob("format_*.onnx"))


def test_every_format_has_a_file() -> None:
    assert {load(path, providers="cpu").manifest.format for path in FILES} == set(range(1, FORMAT + 1))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_old_file_gives_what_it_gave(path: Path) -> None:
    recorded = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    model = load(path, providers="cpu")
    (name,) = model.outputs
    np.testing.assert_allclose(model(**recorded["given"]), recorded[name], rtol=1e-4, atol=1e-5)
