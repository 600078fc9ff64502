"""Stable Diffusion: its texts, its noise net, its scheduler, its guidance and its decoder in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.models.compiled_folders import compiled_file
from tests.support.models.diffusion_parts import UNET, VAE
from tests.support.models.model_folders import VOCAB, imported
from tests.support.models.zoo import shaken

LONG, SIZE = 10, 8
TEXT = {
    "vocab_size": VOCAB, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": LONG, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
}  # fmt: skip
SCHEDULER = {"beta_schedule": "scaled_linear", "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1}
VERSIONS: dict[str, dict[str, Any]] = {
    "first": {"unet": {"attention_head_dim": 4}, "text": {}, "scheduler": {}},
    "second": {"unet": {"attention_head_dim": (2, 4), "use_linear_projection": True, "transformer_layers_per_block": 2},
               "text": {"hidden_act": "gelu"}, "scheduler": {"prediction_type": "v_prediction"}},
}  # fmt: skip


def saved(folder: Path, version: dict[str, Any]) -> Any:
    library = pytest.importorskip("diffusers", reason="diffusers is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    torch.manual_seed(0)
    pipeline = library.StableDiffusionPipeline(
        unet=shaken(library.UNet2DConditionModel(**UNET, **version["unet"])),
        vae=shaken(library.AutoencoderKL(**VAE)),
        text_encoder=shaken(transformers.CLIPTextModel(transformers.CLIPTextConfig(**TEXT, **version["text"]))),
        scheduler=library.DDIMScheduler(**SCHEDULER, **version["scheduler"]),
        tokenizer=None, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return pipeline


@pytest.mark.slow
@pytest.mark.parametrize("name", VERSIONS)
def test_the_same_pictures_from_the_same_noise(name: str, tmp_path: Path) -> None:
    pipeline = saved(tmp_path, VERSIONS[name])
    random = np.random.default_rng(0)
    prompt, without = random.integers(0, VOCAB, (2, 2, LONG))
    z = random.standard_normal((2, 4, SIZE, SIZE)).astype(np.float32)
    draw = compiled_file(imported(tmp_path, lines=270), "denoise", tmp_path)
    for guidance, steps in ((5.0, 6), (1.0, 3)):
        with torch.inference_mode():
            texts = [pipeline.text_encoder(torch.from_numpy(ids))[0] for ids in (prompt, without)]
            expected = pipeline(
                prompt_embeds=texts[0], negative_prompt_embeds=texts[1], latents=torch.from_numpy(z), guidance_scale=guidance,
                num_inference_steps=steps, output_type="np",
            ).images  # fmt: skip
        result = draw(z=z, prompt=prompt, without=without, guidance=guidance, steps=steps)
        assert expected.std() > 0.05
        np.testing.assert_allclose(result.transpose(0, 2, 3, 1), expected, atol=5e-4, rtol=0)
