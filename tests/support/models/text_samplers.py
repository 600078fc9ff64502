"""Samplers that draw what texts say, with small networks of random weights, and what they are given."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.models.diffusion_parts import SIZE, UNET, VAE
from tests.support.models.model_folders import VOCAB
from tests.support.models.zoo import shaken

LONG, END = 10, 1  # Of a text; 1 ends it.
CLIP = {
    "vocab_size": VOCAB, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": LONG, "bos_token_id": 0, "eos_token_id": END, "pad_token_id": END, "projection_dim": 10,
}  # fmt: skip
T5 = {
    "vocab_size": VOCAB - 7, "d_model": 28, "d_kv": 5, "d_ff": 20, "num_layers": 2, "num_heads": 2, "feed_forward_proj": "gated-gelu",
}  # fmt: skip
Part = tuple[str, dict[str, Any]]  # The class of a network and its settings.
TEXT: Part = ("CLIPTextModel", CLIP)
OWN: Part = ("CLIPTextModelWithProjection", CLIP)
OTHER: Part = (
    "CLIPTextModelWithProjection",
    {**CLIP, "hidden_size": 16, "hidden_act": "gelu", "num_hidden_layers": 3, "eos_token_id": 2},
)
FIRST: Part = ("AutoencoderKL", VAE)
PLAIN: Part = (
    "AutoencoderKL",
    {**VAE, "use_quant_conv": False, "use_post_quant_conv": False, "shift_factor": 0.07, "scaling_factor": 1.5},
)
SD3 = {
    "num_attention_heads": 2, "attention_head_dim": 8, "joint_attention_dim": 28, "pooled_projection_dim": 20, "sample_size": SIZE,
    "in_channels": 4, "out_channels": 4, "caption_projection_dim": 16, "pos_embed_max_size": 9, "num_layers": 2,
}  # fmt: skip
FLUX = {
    "num_attention_heads": 2, "attention_head_dim": 8, "joint_attention_dim": 28, "pooled_projection_dim": 12, "in_channels": 16,
    "num_layers": 1, "num_single_layers": 1, "axes_dims_rope": (2, 2, 4),
}  # fmt: skip
SIZED = {
    "cross_attention_dim": 28, "addition_embed_type": "text_time", "addition_time_embed_dim": 6, "use_linear_projection": True,
    "projection_class_embeddings_input_dim": 46, "act_fn": "gelu", "transformer_layers_per_block": (1, 2), "attention_head_dim": (2, 4),
}  # fmt: skip
LATENT = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
DYNAMIC = {"use_dynamic_shifting": True, "base_image_seq_len": 4, "max_image_seq_len": 40}
NETS: dict[str, dict[str, Part]] = {
    "StableDiffusion": {"unet": ("UNet2DConditionModel", {**UNET, "attention_head_dim": 4}), "vae": FIRST, "text_encoder": TEXT},
    "StableDiffusionXL": {"unet": ("UNet2DConditionModel", {**UNET, **SIZED}), "vae": FIRST, "text_encoder": TEXT, "text_encoder_2": OTHER},
    "StableDiffusion3": {"transformer": ("SD3Transformer2DModel", SD3), "vae": PLAIN, "text_encoder": OWN, "text_encoder_2": OTHER,
                         "text_encoder_3": ("T5EncoderModel", T5)},
    "Flux": {"transformer": ("FluxTransformer2DModel", {**FLUX, "guidance_embeds": True}), "vae": PLAIN, "text_encoder": TEXT,
             "text_encoder_2": ("T5EncoderModel", T5)},
}  # fmt: skip
SECOND: dict[str, Part | None] = {
    "unet": ("UNet2DConditionModel", {**UNET, "attention_head_dim": (2, 4), "use_linear_projection": True, "transformer_layers_per_block": 2}),
    "text_encoder": ("CLIPTextModel", {**CLIP, "hidden_act": "gelu"}),
}  # fmt: skip
SAMPLERS: dict[str, tuple[str, dict[str, Part | None], str, dict[str, Any]]] = {
    "sd 1": ("StableDiffusion", {}, "PNDM", {**LATENT, "skip_prk_steps": True, "steps_offset": 1}),
    "sd 2": ("StableDiffusion", SECOND, "DDIM", {
        **LATENT, "prediction_type": "v_prediction", "clip_sample": False, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}),
    "sd, levels": ("StableDiffusion", {}, "EulerDiscrete", {**LATENT, "use_karras_sigmas": True, "prediction_type": "v_prediction"}),
    "sd, twice": ("StableDiffusion", {}, "HeunDiscrete", {**LATENT, "timestep_spacing": "leading", "steps_offset": 1, "prediction_type": "v_prediction"}),
    "sd, by four ways": ("StableDiffusion", {}, "LMSDiscrete", {"beta_end": 0.05, "prediction_type": "v_prediction"}),
    "sd xl": ("StableDiffusionXL", {}, "EulerDiscrete", {**LATENT, "timestep_spacing": "leading", "steps_offset": 1}),
    "sd 3": ("StableDiffusion3", {}, "FlowMatchEulerDiscrete", {"shift": 3.0}),
    "sd 3, two encoders": ("StableDiffusion3", {"text_encoder_3": None}, "FlowMatchEulerDiscrete", {**DYNAMIC, "time_shift_type": "linear"}),
    "flux": ("Flux", {}, "FlowMatchEulerDiscrete", DYNAMIC),
    "flux, in few steps": ("Flux", {"transformer": ("FluxTransformer2DModel", FLUX)}, "FlowMatchEulerDiscrete", {"shift": 1.5}),
}  # fmt: skip


class Rows:
    """Stands for a tokenizer: each text has tokens of its own."""

    model_max_length = LONG
    added_tokens_encoder: dict[str, int] = {}

    def __init__(self, count: int) -> None:
        random = np.random.default_rng(count)
        self.ids = {text: [*random.integers(3, count, LONG - 2), END, END] for text in ("a", "b", "not a", "not b")}

    def tokenize(self, text: str) -> list[str]:
        return []

    def __call__(self, texts: list[str], **_: object) -> SimpleNamespace:
        return SimpleNamespace(input_ids=torch.tensor([self.ids[text] for text in texts]))


def network(part: Part) -> Any:
    kind, settings = part
    library: Any = pytest.importorskip("diffusers", reason="diffusers is not installed")
    if kind.startswith(("CLIP", "T5")):
        library = pytest.importorskip("transformers", reason="transformers is not installed")
        settings = getattr(library, "CLIPTextConfig" if kind.startswith("CLIP") else "T5Config")(**settings)
        return shaken(getattr(library, kind)(settings))
    return shaken(getattr(library, kind)(**settings))


def saved(name: str, folder: Path) -> Any:
    """A sampler with random weights, as its library writes it, and then with tokenizers."""
    library: Any = pytest.importorskip("diffusers", reason="diffusers is not installed")
    kind, others, scheduler, settings = SAMPLERS[name]
    torch.manual_seed(0)
    parts = {n: p and network(p) for n, p in {**NETS[kind], **others}.items()}
    parts["scheduler"] = getattr(library, f"{scheduler}Scheduler")(**settings)
    made_of = inspect.signature(getattr(library, f"{kind}Pipeline")).parameters.values()
    pipeline = getattr(library, f"{kind}Pipeline")(**{p.name: None for p in made_of if p.default is p.empty} | parts)
    pipeline.save_pretrained(folder)
    if kind == "StableDiffusion":
        _write_outdated_scheduler(folder / "scheduler" / "scheduler_config.json")
    return with_rows(pipeline)


def _write_outdated_scheduler(file: Path) -> None:
    """What folders of some years ago say, and the pipeline takes for a mistake: it sets both otherwise as it is made."""
    file.write_text(json.dumps({**json.loads(file.read_text()), "steps_offset": 0, "clip_sample": True}))


def with_rows(pipeline: Any) -> Any:
    """A pipeline with tokenizers of few texts."""
    for end in ("", "_2", "_3"):
        if (encoder := getattr(pipeline, f"text_encoder{end}", None)) is not None:
            setattr(pipeline, f"tokenizer{end}", Rows(encoder.config.vocab_size))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tokens(pipeline: Any, name: str, texts: list[str]) -> dict[str, list[list[int]]]:
    """What the file takes for the texts, `prompt`, `prompt_2` ..."""
    ends = [end for end in ("", "_2", "_3") if getattr(pipeline, f"tokenizer{end}", None) is not None]
    return {name + end: [getattr(pipeline, f"tokenizer{end}").ids[text] for text in texts] for end in ends}


def inputs_of(pipeline: Any, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same noise and texts for a file of a sampler, and for its pipeline."""
    is_flux = name.startswith("flux")
    z = np.random.default_rng(0).standard_normal((2, 16, 3, 5) if is_flux else (2, 4, SIZE, SIZE)).astype(np.float32)
    ours: dict[str, Any] = {"z": z, **tokens(pipeline, "prompt", ["a", "b"])}
    theirs: dict[str, Any] = {"prompt": ["a", "b"], "latents": torch.from_numpy(z), "output_type": "np"}
    if is_flux:
        theirs |= {"latents": torch.from_numpy(z).flatten(2).mT, "height": 6 * 4, "width": 10 * 4}
    else:
        ours |= tokens(pipeline, "without", ["not a", "not b"])
        theirs["negative_prompt"] = ["not a", "not b"]
    return ours, theirs
