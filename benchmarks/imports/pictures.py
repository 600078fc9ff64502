"""Networks and samplers of diffusers: unusual configs, compared on the same noise."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.imports.changes import fields_of
from benchmarks.imports.making import Maker, other_values
from benchmarks.imports.subject import Array, Arrays, Subject
from tests.support.models.diffusion_parts import UNET, VAE
from tests.support.models.zoo import shaken

STEPS = (1, 2, 3, 7, 12, 20)
PLAIN = {
    "sample_size": 8, "in_channels": 3, "out_channels": 3, "layers_per_block": 2, "block_out_channels": (8, 16, 12), "norm_num_groups": 4,
    "attention_head_dim": 4, "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}  # fmt: skip
PATCHES = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "sample_size": 8}
NETS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "unet": ("UNet2DModel", PLAIN),
    "unet, texts": ("UNet2DConditionModel", {**UNET, "attention_head_dim": 4}),
    "autoencoder": ("AutoencoderKL", {**VAE, "sample_size": 32}),
    "dit": ("DiTTransformer2DModel", {**PATCHES, "out_channels": 8, "num_embeds_ada_norm": 1000}),
    "pixart": ("PixArtTransformer2DModel", {**PATCHES, "num_attention_heads": 3, "cross_attention_dim": 24, "caption_channels": 16}),
}  # fmt: skip
JOINT = {
    "num_attention_heads": 2, "attention_head_dim": 8, "joint_attention_dim": 12, "pooled_projection_dim": 10, "num_layers": 2,
}  # fmt: skip
NETS |= {
    "sd3": ("SD3Transformer2DModel", {**JOINT, "sample_size": 8, "in_channels": 4, "out_channels": 4, "caption_projection_dim": 16,
                                      "pos_embed_max_size": 7, "dual_attention_layers": (0,), "qk_norm": "rms_norm"}),
    "flux": ("FluxTransformer2DModel", {**JOINT, "in_channels": 6, "num_single_layers": 2, "axes_dims_rope": (2, 2, 4), "guidance_embeds": True}),
}  # fmt: skip
SCHEDULERS = ("DDIMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler")


@dataclass(frozen=True, slots=True)
class Sampler:
    """A network, and a schedule of so many steps."""

    unet: Any
    scheduler: Any
    steps: int

    @property
    def config(self) -> Sampler:
        return self

    def double(self) -> Sampler:
        """The same in float64."""
        return Sampler(self.unet.double(), self.scheduler, self.steps)


def _net(kind: str, settings: Mapping[str, Any], rng: random.Random, changed: list[str]) -> Any:
    """A network with other values of some fields."""
    import diffusers

    torch.manual_seed(0)
    stated = dict(getattr(diffusers, kind)(**settings).config)
    values = other_values({n: stated[n] for n in fields_of(stated, {})}, rng)
    changed.append(f"{kind} {values}")
    return shaken(getattr(diffusers, kind)(**{**settings, **values}))


def _alone(kind: str, settings: Mapping[str, Any]) -> Maker:
    """A network's folder."""

    def make(folder: Path, rng: random.Random, changed: list[str]) -> Any:
        net = _net(kind, settings, rng, changed)
        net.save_pretrained(folder)
        return type(net).from_pretrained(folder).eval()

    return make


def _sampler(folder: Path, rng: random.Random, changed: list[str]) -> Any:
    """A pipeline of a network and a schedule, which both have other fields."""
    import diffusers

    unet = _net("UNet2DModel", {**PLAIN, "layers_per_block": 1}, rng, changed)
    kind = getattr(diffusers, rng.choice(SCHEDULERS))
    stated = dict(kind(num_train_timesteps=100).config)
    values = other_values({n: stated[n] for n in fields_of(stated, {})}, rng)
    changed.append(f"{kind.__name__} {values}")
    scheduler = kind(**{"num_train_timesteps": 100, **values})
    diffusers.DDPMPipeline(unet, scheduler).save_pretrained(folder)
    return Sampler(unet, scheduler, rng.choice(STEPS))


def _noise(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _noisy(config: Any, export: str) -> tuple[Arrays, Arrays]:
    """A noisy picture and times; with texts their vectors, with labels the labels."""
    side = config.sample_size
    x, t = _noise(2, config.in_channels, side, side), np.array([3.0, 77.0], np.float32)
    if "num_embeds_ada_norm" in config and config._class_name == "DiTTransformer2DModel":
        y = np.array([0, min(3, config.num_embeds_ada_norm)])
        return {"x": x, "t": t, "y": y}, {"sample": x, "timestep": t, "class_labels": y}
    if not config.get("cross_attention_dim"):
        return {"x": x, "t": t}, {"sample": x, "timestep": t}
    texts = _noise(2, 5, config.get("caption_channels") or config.cross_attention_dim)
    if "caption_channels" not in config:
        return {"x": x, "t": t, "y": texts}, {"sample": x, "timestep": t, "encoder_hidden_states": texts}
    seen = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]], np.float32)
    theirs = {"hidden_states": x, "timestep": t, "encoder_hidden_states": texts, "encoder_attention_mask": seen}
    return {"x": x, "t": t, "y": texts, "seen": seen}, theirs


def _predicted(net: Any, export: str, inputs: Arrays) -> Array:
    tensors = {
        "hidden_states" if n == "sample" and "DiT" in type(net).__name__ else n: torch.from_numpy(v)
        for n, v in inputs.items()
    }
    with torch.inference_mode():
        if "encoder_attention_mask" in tensors:
            tensors["added_cond_kwargs"] = {"resolution": None, "aspect_ratio": None}
        result: Array = net(**tensors).sample.numpy()
    return result


def _joint(config: Any, export: str) -> tuple[Arrays, Arrays]:
    """A noisy picture or its patches, a time, the vectors of a text, and one of the whole text."""
    y, whole, t = (
        _noise(2, 5, config.joint_attention_dim),
        _noise(2, config.pooled_projection_dim),
        np.array([0.03, 0.77], np.float32),
    )
    ours, theirs = (
        {"y": y, "whole": whole, "t": t},
        {"encoder_hidden_states": y, "pooled_projections": whole, "timestep": t},
    )
    if "sample_size" in config:
        x = _noise(2, config.in_channels, config.sample_size, config.sample_size)
        return {**ours, "x": x}, {**theirs, "hidden_states": x}
    x, axes = _noise(2, 6, config.in_channels), len(config.axes_dims_rope)
    places = np.stack([np.zeros(6), np.arange(6) // 3, np.arange(6) % 3, np.zeros(6)][:axes], -1).astype(np.float32)
    guidance = {"guidance": np.array([3.5, 1.0], np.float32)} if config.guidance_embeds else {}
    ours = {**ours, "x": x, "places": np.stack([places] * 2), **guidance}
    return ours, {
        **theirs,
        "hidden_states": x,
        "img_ids": places,
        "txt_ids": np.zeros((5, axes), np.float32),
        **guidance,
    }


def _velocity(net: Any, export: str, inputs: Arrays) -> Array:
    with torch.inference_mode():
        result: Array = net(**{n: torch.from_numpy(v) for n, v in inputs.items()}).sample.numpy()
    return result


def _coded(config: Any, export: str) -> tuple[Arrays, Arrays]:
    small = config.sample_size // 2 ** (len(config.block_out_channels) - 1)
    x, z = _noise(2, config.in_channels, *[config.sample_size] * 2), _noise(2, config.latent_channels, small, small)
    return ({"x": x}, {"x": x}) if export == "encode" else ({"z": z}, {"z": z})


def _code(net: Any, export: str, inputs: Arrays) -> Array:
    with torch.inference_mode():
        if export == "encode":
            result: Array = net.encode(torch.from_numpy(inputs["x"])).latent_dist.mean.numpy()
        else:
            result = net.decode(torch.from_numpy(inputs["z"])).sample.numpy()
    return result


def _from_noise(sampler: Any, export: str) -> tuple[Arrays, Arrays]:
    config = sampler.unet.config
    if export == "predict":
        return _noisy(config, export)
    z = _noise(2, config.in_channels, config.sample_size, config.sample_size)
    return {"z": z, "steps": np.array(sampler.steps)}, {"z": z}


def _cleared(sampler: Any, export: str, inputs: Arrays) -> Array:
    if export == "predict":
        return _predicted(sampler.unet, export, inputs)
    sampler.scheduler.set_timesteps(sampler.steps)
    x = torch.from_numpy(inputs["z"])
    with torch.inference_mode():
        for t in sampler.scheduler.timesteps:
            x = sampler.scheduler.step(sampler.unet(x, t).sample, t, x).prev_sample
    result: Array = x.numpy()
    return result


def subjects_of_pictures() -> dict[str, Subject]:
    """Networks alone by their names, and samplers."""
    compared: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
        "AutoencoderKL": (_coded, _code),
        "SD3Transformer2DModel": (_joint, _velocity),
        "FluxTransformer2DModel": (_joint, _velocity),
    }
    alone = {
        name: Subject(_alone(kind, settings), *compared.get(kind, (_noisy, _predicted)), frozenset({"draw"}))
        for name, (kind, settings) in NETS.items()
    }
    return {**alone, "sampler": Subject(_sampler, _from_noise, _cleared, frozenset({"draw"}))}
