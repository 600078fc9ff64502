"""Folders of LeRobot's policies become specs that give a robot's actions, with all that is normalised inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.importing.importing import import_folder
from mai.spec.diagnostics import MaiError
from tests.support.models import act
from tests.support.models import diffusion_policy as chain
from tests.support.models.compiled_folders import compiled_file
from tests.support.models.model_folders import imported


@pytest.mark.slow
@pytest.mark.parametrize(("config", "is_old"), [(act.SMALL, False), (act.ENVIRONMENT, True), (act.ENVIRONMENT, False)])
def test_a_folder_acts_as_its_policy_does(config: dict[str, Any], is_old: bool, tmp_path: Path) -> None:
    """Of cameras or of an environment; statistics beside the policy or inside."""
    model, statistics = act.make(config)
    act.save(tmp_path, model, statistics, is_old)
    program = imported(tmp_path)
    seen = {key: torch.rand(3, *said["shape"]) for key, said in config["input_features"].items()}
    expected = act.act(model, statistics, seen).numpy()
    inputs = {key.split(".")[-1].removesuffix("_state"): value.numpy() for key, value in seen.items()}
    result = compiled_file(program, "act", tmp_path)(**inputs)
    assert expected.std() > 0.1
    np.testing.assert_allclose(result, expected, atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config", [chain.SMALL, chain.ENVIRONMENT, chain.BATCHES], ids=["groups", "environment", "batches"]
)
def test_a_diffusion_policy_acts_from_noise(config: dict[str, Any], tmp_path: Path) -> None:
    """DDIM's steps with all of LeRobot's choices: what is predicted, crops, scales of what is seen."""
    model, statistics = act.make(config, chain.Diffusion)
    act.save(tmp_path, model, statistics, name="diffusion")
    program = imported(tmp_path, 170)
    seen = {key: torch.rand(3, 2, *said["shape"]) for key, said in config["input_features"].items()}
    noise = torch.randn(3, 8, 4)
    expected = act.act(model, statistics, seen, noise).numpy()
    inputs = {key.split(".")[-1].removesuffix("_state"): value.numpy() for key, value in seen.items()}
    result = compiled_file(program, "act_from", tmp_path)(z=noise.numpy(), **inputs)
    assert expected.std() > 0.1
    np.testing.assert_allclose(result, expected, atol=1e-4, rtol=0)


def features(**named: list[int]) -> dict[str, Any]:
    kinds = {"state": "STATE", "environment_state": "ENV"}
    return {
        f"observation.{n.replace('__', '.')}": {"type": kinds.get(n, "VISUAL"), "shape": s} for n, s in named.items()
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_features": features(state=[7], images__top=[1, 64, 64])}, r"`observation.images.top` is VISUAL of the shape \[1, 64, 64\]"),
        ({"input_features": features(images__a=[3, 64, 64], images__b=[3, 32, 32])}, "cameras have several sizes"),
        ({"input_features": features(touch=[4])}, "`observation.touch`, which has no name in a spec"),
        ({"input_features": features(image=[3, 64, 64], images__image=[3, 64, 64])}, "would both be called `image`"),
        ({"input_features": {}}, "`input_features` has neither images nor"),
        ({"output_features": {"action": {"type": "ACTION", "shape": [4]}, "next": {"type": "ACTION", "shape": [1]}}}, "`output_features` are action, next; known here: action"),
        ({"normalization_mapping": {"STATE": "QUANTILES", "ACTION": "MEAN_STD"}}, "`normalization_mapping.STATE` is QUANTILES"),
        ({**act.SMALL, "dim_model": 30}, "`dim_model` is 30, and no multiple of 4"),
        ({"vision_backbone": "resnet50"}, "`vision_backbone` is \"resnet50\"; known here: resnet18, resnet34"),
        ({**chain.ENVIRONMENT, "resize_shape": [64, 64]}, "`resize_shape` is"),
        ({**chain.ENVIRONMENT, "horizon": 12}, "`horizon` is halved 3 times, and is 12"),
        ({"type": "pi0"}, "no family is known for `type` 'pi0'"),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps(changes if "horizon" in changes else {**act.ENVIRONMENT, **changes})
    )
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(MaiError, match=message):
        import_folder(tmp_path, tmp_path / "m.mai")


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"registry_name": "tokenizer_processor"}, "has the step `tokenizer_processor`"),
        ({"registry_name": "rename_observations_processor", "config": {"rename_map": {"a": "b"}}}, "has the step `rename"),
        ({"registry_name": "normalizer_processor", "state_file": "../x", "config": {"features": {}, "norm_map": {}}}, "which is not beside it"),
        ({"registry_name": "normalizer_processor", "state_file": "x", "config": {"eps": 1e-3}}, "policy_preprocessor.json: `eps` is 0.001"),
        ({"registry_name": "normalizer_processor", "config": {"normalize_observation_keys": ["a"]}}, "some observations alone are normalised"),
        ({"registry_name": "normalizer_processor", "config": None}, "policy_preprocessor.json: `steps.0.config`"),
        ("a", "policy_preprocessor.json: `steps.0`"),
    ],
)  # fmt: skip
def test_steps_that_are_refused(step: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(act.ENVIRONMENT))
    (tmp_path / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    for name in ("policy_preprocessor.json", "policy_postprocessor.json"):
        (tmp_path / name).write_text(json.dumps({"steps": [step]}))
    with pytest.raises(MaiError, match=message):
        import_folder(tmp_path, tmp_path / "m.mai")


def test_a_file_of_steps_that_is_missing(tmp_path: Path) -> None:
    model, statistics = act.make(act.ENVIRONMENT)
    act.save(tmp_path, model, statistics)
    (tmp_path / "policy_postprocessor.json").unlink()
    with pytest.raises(MaiError, match=r"policy_postprocessor\.json cannot be read: no such file or directory"):
        import_folder(tmp_path, tmp_path / "m.mai")
