"""Samplers that draw what texts say: their text encoders, their net, their scheduler, their guidance and their decoder in one file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mai.spec.diagnostics import MaiError
from tests.support.models.compiled_folders import compiled_file
from tests.support.models.model_folders import imported
from tests.support.models.text_samplers import SAMPLERS, inputs_of, saved


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_pictures_from_the_same_noise(name: str, tmp_path: Path) -> None:
    pipeline = saved(name, tmp_path)
    draw = compiled_file(imported(tmp_path, lines=230), "denoise", tmp_path)
    ours, theirs = inputs_of(pipeline, name)
    for guidance, steps in ((5.0, 6), (1.0, 1)):
        expected = pipeline(**theirs, guidance_scale=guidance, num_inference_steps=steps).images
        takes = {"guidance": guidance} if "few" not in name else {}
        assert expected.std() > 0.05
        np.testing.assert_allclose(
            draw(**ours, **takes, steps=steps).transpose(0, 2, 3, 1), expected, atol=5e-4, rtol=0
        )
    if name == "sd xl":
        expected = pipeline(**{**theirs, "negative_prompt": None}, guidance_scale=3.0, num_inference_steps=2).images
        result = draw(**ours, guidance=3.0, steps=2, blank=1)
        np.testing.assert_allclose(result.transpose(0, 2, 3, 1), expected, atol=5e-4, rtol=0)


@pytest.mark.slow
def test_schedulers_of_other_kinds_than_flows(tmp_path: Path) -> None:
    saved("flux, in few steps", tmp_path)
    file = tmp_path / "scheduler" / "scheduler_config.json"
    said = json.loads(file.read_text())
    for more in (
        {"_class_name": "EulerDiscreteScheduler"},
        {"use_karras_sigmas": True},
        {"use_exponential_sigmas": True},
    ):
        file.write_text(json.dumps(said | more))
        with pytest.raises(MaiError, match=f"the scheduler's .*`{next(iter(more))}`"):
            imported(tmp_path)
