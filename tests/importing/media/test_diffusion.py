"""Folders of diffusers: what their networks say of noise, and the pictures that their samplers make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.importing.config import read_settings
from mai.compiler.importing.importing import import_folder
from mai.compiler.importing.render import numbers_of
from mai.spec.diagnostics import MaiError
from mai.spec.family_records import family_records
from tests.support.models.compiled_folders import compiled_file
from tests.support.models.model_folders import imported
from tests.support.models.zoo import shaken

SIZE, TIMES = 8, 100
UNET = {
    "sample_size": SIZE, "in_channels": 3, "out_channels": 3, "layers_per_block": 2, "block_out_channels": (8, 16, 12),
    "norm_num_groups": 4, "attention_head_dim": 4, "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}  # fmt: skip
NETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "scaled": {"resnet_time_scale_shift": "scale_shift", "downsample_padding": 0, "flip_sin_to_cos": False, "freq_shift": 1,
               "attention_head_dim": None, "layers_per_block": 1, "act_fn": "mish", "center_input_sample": True, "add_attention": False},
}  # fmt: skip
SAMPLERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIM", {}),
    "ddim, v": ("DDIM", {"prediction_type": "v_prediction", "beta_schedule": "scaled_linear", "set_alpha_to_one": False,
                         "steps_offset": 1, "clip_sample": False}),
    "ddim, trailing": ("DDIM", {"timestep_spacing": "trailing", "beta_schedule": "squaredcos_cap_v2", "clip_sample_range": 2.0}),
    "ddim, even": ("DDIM", {"timestep_spacing": "linspace", "prediction_type": "sample"}),
    "ddim, solved": ("DPMSolverMultistep", {}),
    "ddim, solved from noise": ("DPMSolverMultistep", {
        "timestep_spacing": "trailing", "prediction_type": "v_prediction", "beta_schedule": "scaled_linear", "lower_order_final": False}),
    "ddim, solved by order 1": ("DPMSolverMultistep", {"solver_order": 1, "timestep_spacing": "leading", "steps_offset": 1}),
    "ddim, solved by levels": ("DPMSolverMultistep", {"use_karras_sigmas": True}),
    "ddim, mended": ("UniPCMultistep", {}),
    "ddim, mended by levels": ("UniPCMultistep", {
        "use_karras_sigmas": True, "beta_schedule": "scaled_linear", "prediction_type": "v_prediction", "solver_order": 1,
        "lower_order_final": False}),
    "ddpm": ("DDPM", {}),
    "ddpm, leaping": ("LCM", {}),
    "ddpm, solved": ("DPMSolverMultistep", {"algorithm_type": "sde-dpmsolver++"}),
    "ddpm, large": ("DDPM", {"variance_type": "fixed_large"}),
}  # fmt: skip


def saved(folder: Path, kind: str, net: dict[str, Any], scheduler: dict[str, Any]) -> Any:
    """A pipeline with random weights, as its library writes it."""
    library = pytest.importorskip("diffusers", reason="diffusers is not installed")
    torch.manual_seed(0)
    unet = shaken(library.UNet2DModel(**{**UNET, **net}))
    scheduler = getattr(library, f"{kind}Scheduler")(num_train_timesteps=TIMES, **scheduler)
    pipeline = library.DDPMPipeline(unet, scheduler)  # It keeps any scheduler as it is.
    pipeline.save_pretrained(folder)
    return pipeline


def compiled(folder: Path, name: str) -> Any:
    return compiled_file(imported(folder, lines=170), name, folder)


def cleared(pipeline: Any, z: torch.Tensor, steps: int) -> np.ndarray:
    pipeline.scheduler.set_timesteps(steps)
    x = z
    with torch.inference_mode():
        for t in pipeline.scheduler.timesteps:
            x = pipeline.scheduler.step(pipeline.unet(x, t).sample, t, x).prev_sample
    return x.numpy()


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_a_network_says_the_same_noise(name: str, tmp_path: Path) -> None:
    pipeline = saved(tmp_path, "DDIM", NETS[name], {})
    x, t = (
        np.random.default_rng(0).standard_normal((2, 3, SIZE, SIZE)).astype(np.float32),
        np.array([3.0, 77.0], np.float32),
    )
    with torch.inference_mode():
        expected = pipeline.unet(torch.from_numpy(x), torch.from_numpy(t)).sample.numpy()
    assert expected.std() > 0.1
    result = compiled(tmp_path, "predict")(x=x, t=t)
    np.testing.assert_allclose(result, expected, atol=1e-4 * max(1, np.abs(expected).max()), rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in SAMPLERS if n.startswith("ddim")])
def test_the_same_pictures_from_the_same_noise(name: str, tmp_path: Path) -> None:
    kind, scheduler = SAMPLERS[name]
    pipeline = saved(tmp_path, kind, {"layers_per_block": 1}, scheduler)
    z = np.random.default_rng(0).standard_normal((2, 3, SIZE, SIZE)).astype(np.float32)
    file = compiled(tmp_path, "denoise")
    for steps in (7, 20):
        expected = cleared(pipeline, torch.from_numpy(z), steps)
        result = file(z=z, steps=steps)
        np.testing.assert_allclose(result, expected, atol=2e-4 * max(1, np.abs(expected).max()), rtol=0)
    times = pipeline.scheduler.config.num_train_timesteps - scheduler.get("steps_offset", 0)
    np.testing.assert_array_equal(file(z=z, steps=times + 5), file(z=z, steps=times))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in SAMPLERS if n.startswith("ddpm")])
def test_fresh_noise_has_the_same_size(name: str, tmp_path: Path) -> None:
    """Of many pictures made from one noise the means and deviations of all pixels agree."""
    kind, scheduler = SAMPLERS[name]
    clipped = {"clip_sample_range": 3.0} if kind == "DDPM" else {}
    pipeline = saved(tmp_path, kind, {"layers_per_block": 1}, {**scheduler, **clipped})
    z = np.tile(np.random.default_rng(0).standard_normal((1, 3, SIZE, SIZE)), (1500, 1, 1, 1)).astype(np.float32)
    torch.manual_seed(1)
    expected, result = cleared(pipeline, torch.from_numpy(z), 4), compiled(tmp_path, "denoise")(z=z, steps=4, seed=1)
    spread = expected.std(0).mean()
    assert spread > 0.1
    assert np.abs(result.mean(0) - expected.mean(0)).mean() < 0.05 * spread
    assert abs(result.std(0).mean() / spread - 1) < 0.03


def test_a_pipeline_with_other_parts(tmp_path: Path) -> None:
    said = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "X"], "controlnet": ["diffusers", "Y"]}
    (tmp_path / "model_index.json").write_text(json.dumps(said))
    with pytest.raises(MaiError, match="a part of `StableDiffusionPipeline` is controlnet"):
        imported(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps(said | {"_class_name": "StableDiffusionControlNetPipeline"}))
    with pytest.raises(MaiError, match="another net reads a second picture"):
        imported(tmp_path)
    (tmp_path / "model_index.json").write_text(json.dumps(said | {"_class_name": {"of": "StableDiffusion"}}))
    with pytest.raises(MaiError, match="is controlnet"):
        imported(tmp_path)


UNKNOWN: dict[str, dict[str, Any]] = {
    "`rescale_betas_zero_snr` leaves nothing of a picture": {"rescale_betas_zero_snr": True},
    "`skip_prk_steps` is false": {"_class_name": "PNDMScheduler", "skip_prk_steps": False},
    "`prediction_type` is sample": {"_class_name": "PNDMScheduler", "skip_prk_steps": True, "prediction_type": "sample"},
    "the first time is then T - 1 or T - 2": {"_class_name": "DPMSolverMultistepScheduler", "use_exponential_sigmas": True},
    "`lower_order_final` is false": {"_class_name": "UniPCMultistepScheduler", "lower_order_final": False},
    "does not sample by `FlowMatchEulerDiscreteScheduler`": {"_class_name": "FlowMatchEulerDiscreteScheduler"},
    r"scheduler/scheduler_config\.json: `thresholding` is true": {"thresholding": True},
}  # fmt: skip


def test_schedules_that_are_not_known(tmp_path: Path) -> None:
    saved(tmp_path, "DDIM", {}, {})
    file = tmp_path / "scheduler" / "scheduler_config.json"
    said = json.loads(file.read_text())
    for words, more in UNKNOWN.items():
        file.write_text(json.dumps(said | more))
        with pytest.raises(MaiError, match=words):
            imported(tmp_path)


def test_a_pipeline_that_makes_its_scheduler_of_another(tmp_path: Path) -> None:
    saved(tmp_path, "DDPM", {}, {})
    index = tmp_path / "model_index.json"
    (tmp_path / "pytorch_lora_weights.safetensors").write_bytes(b"")
    assert import_folder(tmp_path, tmp_path / "model.mai").unread == ("pytorch_lora_weights.safetensors",)
    for kind, words in (
        ("DDIMPipeline", "does not sample by `DDPMScheduler`"),
        ("OwnPipeline", "which has no spec of this network"),
    ):
        index.write_text(index.read_text().replace("DDPMPipeline", kind).replace("DDIMPipeline", kind))
        with pytest.raises(MaiError, match=words):
            imported(tmp_path)


def test_a_file_of_some_years_ago_leaves_out_what_was_so() -> None:
    """What a scheduler does where nothing is said is its own matter: solvers and walkers went evenly over all times."""
    for kind, spacing in (("DPMSolverMultistep", "linspace"), ("EulerDiscrete", "linspace"), ("DDIM", "leading")):
        said = read_settings(
            family_records()["scheduler"], {"_class_name": f"{kind}Scheduler"}, "scheduler_config.json"
        )
        assert said["timestep_spacing"] == spacing
    with pytest.raises(MaiError, match="`_class_name` is"):
        read_settings(family_records()["scheduler"], {"_class_name": ["a"]}, "scheduler_config.json")


@pytest.mark.parametrize(
    ("version", "size"), [("0.6.0", 64), ("0.8.1.dev0", 64), ("0.9.0", 32), ("0.10.2", 32), ("", 32)]
)
def test_networks_of_some_years_ago_draw_larger_pictures(version: str, size: int) -> None:
    """The pipeline takes a `sample_size` below 64 for a mistake where diffusers was younger than 0.9."""
    unet = read_settings(
        family_records()["unet2d_condition"], {"sample_size": 32, "_diffusers_version": version}, "config.json"
    )
    assert numbers_of(family_records()["stable_diffusion"], {"unet": unet})["size"] == size
