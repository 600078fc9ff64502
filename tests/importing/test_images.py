"""Folders of models of images become specs that compute what transformers computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from tests.support.model_folders import IMAGES, imported, save


@pytest.mark.parametrize("name", IMAGES)
def test_a_folder_computes_what_transformers_does(name: str, tmp_path: Path) -> None:
    model = IMAGES[name].make()
    save(model, tmp_path)
    program = imported(tmp_path)
    trained = Trained(load_weights(program, None)[0])
    x = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        results = model(torch.from_numpy(x))
    expected = {
        "classify": results.get("logits"),
        "encode": results.get("last_hidden_state"),
        "pool": results.get("pooler_output"),
    }
    assert program.exports
    for export_name in program.exports:
        wanted = expected[export_name].numpy()
        found = load(export(program, export_name, trained, tmp_path).path, providers="cpu")(x=x)
        assert wanted.std() > 0.1
        np.testing.assert_allclose(found, wanted, atol=1e-4 * max(1, np.abs(wanted).max()), rtol=0)
