"""Networks of diffusers alone, and DiT as a whole sampler: what its library says, its pictures from the same noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError
from tests.importing.test_pictures_of_texts import UNET, VAE
from tests.support.model_folders import imported, save
from tests.support.zoo import shaken

SIZE = 8
DIT = {
    "num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2, "sample_size": SIZE, "out_channels": 8, "num_embeds_ada_norm": 1000,
}  # fmt: skip
VAES: dict[str, dict[str, Any]] = {
    "as first published": {},
    "without middle": {"use_quant_conv": False, "use_post_quant_conv": False, "mid_block_add_attention": False, "act_fn": "gelu"},
}  # fmt: skip
TRANSFORMERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "other": {"norm_elementwise_affine": True, "attention_bias": False, "activation_fn": "gelu", "patch_size": 4, "norm_eps": 1e-3,
              "out_channels": None, "num_embeds_ada_norm": 7},
}  # fmt: skip


def made(kind: str, **settings: Any) -> Any:
    library = pytest.importorskip("diffusers", reason="diffusers is not installed")
    torch.manual_seed(0)
    model = shaken(getattr(library, kind)(**settings))
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "attn" in name and tensor.dim() > 1:
                tensor *= 3
    return model


def compiled(folder: Path) -> dict[str, Model]:
    program = imported(folder, lines=270)
    trained = Trained(load_weights(program, None)[0])
    return {n: load(export(program, n, trained, folder).path, providers="cpu") for n in program.exports}


def noise(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", VAES)
def test_an_autoencoder(name: str, tmp_path: Path) -> None:
    model = made("AutoencoderKL", **VAE, sample_size=32, **VAES[name])
    save(model, tmp_path)
    files, x, z = compiled(tmp_path), noise(2, 3, 32, 32), noise(2, 4, 8, 8)
    with torch.inference_mode():
        said, back = model.encode(torch.from_numpy(x)).latent_dist, model.decode(torch.from_numpy(z)).sample.numpy()
    assert back.std() > 0.1
    np.testing.assert_allclose(
        files["encode"](x=x), said.mean.numpy(), atol=1e-4 * max(1, said.mean.abs().max()), rtol=0
    )
    np.testing.assert_allclose(files["decode"](z=z), back, atol=1e-4 * max(1, np.abs(back).max()), rtol=0)
    drawn = files["draw"](x=np.repeat(x[:1], 800, 0), seed=3)
    assert np.abs(drawn.mean(0) - said.mean[0].numpy()).mean() < 0.1 * said.std[0].mean()
    assert np.abs(drawn.std(0) / said.std[0].numpy() - 1).mean() < 0.1


@pytest.mark.slow
def test_a_network_that_looks_at_vectors(tmp_path: Path) -> None:
    model = made("UNet2DConditionModel", **UNET, attention_head_dim=4)
    save(model, tmp_path)
    x, t, y = noise(2, 4, SIZE, SIZE), np.array([3.0, 77.0], np.float32), noise(2, 5, 12)
    with torch.inference_mode():
        expected = model(*map(torch.from_numpy, (x, t, y))).sample.numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        compiled(tmp_path)["predict"](x=x, t=t, y=y), expected, atol=1e-4 * np.abs(expected).max(), rtol=0
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_a_transformer_of_labels(name: str, tmp_path: Path) -> None:
    model = made("DiTTransformer2DModel", **DIT | TRANSFORMERS[name])
    save(model, tmp_path)
    x, t, y = noise(3, 4, SIZE, SIZE), np.array([3.0, 77.0, 999.0], np.float32), np.array([0, 3, 7])
    with torch.inference_mode():
        expected = model(torch.from_numpy(x), torch.from_numpy(t), torch.from_numpy(y)).sample.numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        compiled(tmp_path)["predict"](x=x, t=t, y=y), expected, atol=1e-4 * np.abs(expected).max(), rtol=0
    )


def pipeline(**settings: Any) -> Any:
    library = pytest.importorskip("diffusers", reason="diffusers is not installed")
    return library.DiTPipeline(
        made("DiTTransformer2DModel", **DIT | settings),
        made("AutoencoderKL", **VAE),
        library.DDIMScheduler(clip_sample=False),
    )


@pytest.mark.slow
def test_pictures_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = pipeline()
    both.save_pretrained(tmp_path)
    z, y = noise(2, 4, SIZE, SIZE), np.array([7, 999])
    monkeypatch.setattr("diffusers.pipelines.dit.pipeline_dit.randn_tensor", lambda **_: torch.from_numpy(z))
    both.set_progress_bar_config(disable=True)
    file = compiled(tmp_path)["denoise"]
    for guidance, steps in ((4.0, 6), (1.0, 3)):
        expected = both(y.tolist(), guidance_scale=guidance, num_inference_steps=steps, output_type="np").images
        assert expected.std() > 0.05
        found = file(z=z, y=y, guidance=guidance, steps=steps)
        np.testing.assert_allclose(found.transpose(0, 2, 3, 1), expected, atol=5e-4, rtol=0)


def test_another_number_of_labels(tmp_path: Path) -> None:
    pipeline(num_embeds_ada_norm=7).save_pretrained(tmp_path)
    with pytest.raises(MaiError, match="the label for none is 1000 in this pipeline, `num_embeds_ada_norm` is 7"):
        imported(tmp_path)
