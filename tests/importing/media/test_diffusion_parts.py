"""Networks of diffusers alone, and DiT as a whole sampler: what its library says, its pictures from the same noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError
from tests.support.models.compiled_folders import compiled_files
from tests.support.models.diffusion_parts import SIZE, UNET, VAE
from tests.support.models.model_folders import VOCAB, imported, save
from tests.support.models.zoo import shaken

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


def network(kind: str, **settings: Any) -> Any:
    library = pytest.importorskip("diffusers", reason="diffusers is not installed")
    torch.manual_seed(0)
    model = shaken(getattr(library, kind)(**settings))
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if "attn" in name and tensor.dim() > 1:
                tensor *= 3
    return model


def compiled(folder: Path, names: Sequence[str] = ()) -> dict[str, Model]:
    return compiled_files(imported(folder, lines=270), folder, names)


def noise(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", VAES)
def test_an_autoencoder(name: str, tmp_path: Path) -> None:
    model = network("AutoencoderKL", **VAE, sample_size=32, **VAES[name])
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
    model = network("UNet2DConditionModel", **UNET, attention_head_dim=4)
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
    model = network("DiTTransformer2DModel", **DIT | TRANSFORMERS[name])
    save(model, tmp_path)
    x, t, y = noise(3, 4, SIZE, SIZE), np.array([3.0, 77.0, 999.0], np.float32), np.array([0, 3, 7])
    with torch.inference_mode():
        expected = model(torch.from_numpy(x), torch.from_numpy(t), torch.from_numpy(y)).sample.numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(
        compiled(tmp_path)["predict"](x=x, t=t, y=y), expected, atol=1e-4 * np.abs(expected).max(), rtol=0
    )


JOINT = {
    "num_attention_heads": 2, "attention_head_dim": 8, "joint_attention_dim": 12, "pooled_projection_dim": 10,
}  # fmt: skip
SD3 = {
    **JOINT,
    "sample_size": SIZE,
    "in_channels": 4,
    "out_channels": 4,
    "caption_projection_dim": 16,
    "pos_embed_max_size": 7,
}
JOINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "sd3": ("SD3Transformer2DModel", {**SD3, "num_layers": 3}),
    "sd3.5": ("SD3Transformer2DModel", {**SD3, "num_layers": 3, "dual_attention_layers": (0,), "qk_norm": "rms_norm", "patch_size": 4}),
    "sd3.5, all dual": ("SD3Transformer2DModel", {**SD3, "num_layers": 2, "dual_attention_layers": (0, 1)}),
    "flux": ("FluxTransformer2DModel", {
        **JOINT, "in_channels": 6, "num_layers": 2, "num_single_layers": 2, "axes_dims_rope": (2, 2, 4), "guidance_embeds": True}),
    "flux, one kind": ("FluxTransformer2DModel", {
        **JOINT, "in_channels": 6, "out_channels": 3, "patch_size": 2, "num_layers": 0, "num_single_layers": 1, "axes_dims_rope": (4, 4)}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", JOINTS)
def test_a_transformer_of_pictures_and_texts(name: str, tmp_path: Path) -> None:
    kind, settings = JOINTS[name]
    model = network(kind, **settings)
    save(model, tmp_path)
    y, whole = noise(2, 5, 12), noise(2, 10)
    if kind.startswith("SD3"):
        ours = {"x": noise(2, 4, SIZE, SIZE), "t": np.array([3.0, 770.0], np.float32)}
        theirs = {"hidden_states": ours["x"], "timestep": ours["t"]}
    else:
        places = np.stack([np.zeros(6), np.arange(6) // 3, np.arange(6) % 3][: len(settings["axes_dims_rope"])], -1)
        ours = {
            "x": noise(2, 6, 6),
            "t": np.array([0.03, 0.77], np.float32),
            "places": np.stack([places] * 2).astype(np.float32),
        }
        ours |= {"guidance": np.array([3.5, 1.0], np.float32)} if settings.get("guidance_embeds") else {}
        theirs = {
            "hidden_states": ours["x"],
            "timestep": ours["t"],
            "img_ids": places,
            "txt_ids": np.zeros((5, places.shape[-1])),
        }
        theirs |= {"guidance": ours["guidance"]} if "guidance" in ours else {}
    theirs |= {"encoder_hidden_states": y, "pooled_projections": whole}
    with torch.inference_mode():
        expected = model(**{n: torch.from_numpy(v) for n, v in theirs.items()}).sample.numpy()
    assert expected.std() > 0.1
    images = compiled(tmp_path)["predict"](**ours, y=y, whole=whole)
    np.testing.assert_allclose(images, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)


def pipeline(**settings: Any) -> Any:
    library = pytest.importorskip("diffusers", reason="diffusers is not installed")
    return library.DiTPipeline(
        network("DiTTransformer2DModel", **DIT | settings),
        network("AutoencoderKL", **VAE),
        library.DDIMScheduler(clip_sample=False),
    )


@pytest.mark.slow
def test_pictures_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = pipeline()
    both.save_pretrained(tmp_path)
    z, y = noise(2, 4, SIZE, SIZE), np.array([7, 999])
    monkeypatch.setattr("diffusers.pipelines.dit.pipeline_dit.randn_tensor", lambda **_: torch.from_numpy(z))
    both.set_progress_bar_config(disable=True)
    file = compiled(tmp_path, ["denoise"])["denoise"]
    for guidance, steps in ((4.0, 6), (1.0, 3)):
        expected = both(y.tolist(), guidance_scale=guidance, num_inference_steps=steps, output_type="np").images
        assert expected.std() > 0.05
        result = file(z=z, y=y, guidance=guidance, steps=steps)
        np.testing.assert_allclose(result.transpose(0, 2, 3, 1), expected, atol=5e-4, rtol=0)


PIXART = {
    "num_attention_heads": 3, "attention_head_dim": 8, "num_layers": 2, "sample_size": SIZE, "cross_attention_dim": 24, "caption_channels": 16,
}  # fmt: skip
T5 = {
    "vocab_size": VOCAB,
    "d_model": 16,
    "d_kv": 5,
    "d_ff": 20,
    "num_layers": 2,
    "num_heads": 2,
    "feed_forward_proj": "gated-gelu",
}
SOLVERS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "DPMSolverMultistep": ("Alpha", {}, {}),
    "DDIM": ("Sigma", {"clip_sample": False}, {"interpolation_scale": 2, "norm_elementwise_affine": True, "attention_bias": False,
                                      "caption_channels": None, "cross_attention_dim": 16, "out_channels": 4}),
}  # fmt: skip


def pictures(
    both: Any, z: np.ndarray[Any, Any], rows: tuple[list[int], list[int]], guidance: float, steps: int
) -> np.ndarray[Any, Any]:
    """What the pipeline makes of two texts of tokens, filled up to one length as its tokenizer does."""
    ids = torch.zeros(2, 9, dtype=torch.long)
    seen = torch.zeros(2, 9)
    for row, mask, tokens in zip(ids, seen, rows, strict=True):
        row[: len(tokens)], mask[: len(tokens)] = torch.tensor(tokens), 1
    with torch.inference_mode():
        y = both.text_encoder(ids, attention_mask=seen)[0]
        return both(
            prompt=None, negative_prompt=None, prompt_embeds=y[:1], prompt_attention_mask=seen[:1], negative_prompt_embeds=y[1:],
            negative_prompt_attention_mask=seen[1:], latents=torch.from_numpy(z), guidance_scale=guidance, num_inference_steps=steps,
            output_type="np", use_resolution_binning=False,
        ).images  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLVERS)
def test_pictures_of_texts_of_any_length(name: str, tmp_path: Path) -> None:
    """PixArt: its text encoder, its transformer, its solver, its guidance and its decoder in one file."""
    library = pytest.importorskip("diffusers", reason="diffusers is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    kind, scheduler, settings = SOLVERS[name]
    torch.manual_seed(0)
    both = getattr(library, f"PixArt{kind}Pipeline")(
        tokenizer=None, text_encoder=shaken(transformers.T5EncoderModel(transformers.T5Config(**T5))), vae=network("AutoencoderKL", **VAE),
        transformer=network("PixArtTransformer2DModel", **PIXART | settings), scheduler=getattr(library, f"{name}Scheduler")(**scheduler),
    )  # fmt: skip
    both.save_pretrained(tmp_path)
    both.set_progress_bar_config(disable=True)
    file, z = compiled(tmp_path, ["denoise"])["denoise"], noise(1, 4, SIZE, SIZE)
    rows = ([5, 9, 22, 7, 1], [3, 1])
    for guidance, steps in ((4.0, 6), (1.0, 2)):
        expected = pictures(both, z, rows, guidance, steps)
        assert expected.std() > 0.05
        result = file(z=z, prompt=[rows[0]], without=[rows[1]], guidance=guidance, steps=steps)
        np.testing.assert_allclose(result.transpose(0, 2, 3, 1), expected, atol=5e-4, rtol=0)


def test_another_number_of_labels_or_a_scheduler_that_scales(tmp_path: Path) -> None:
    pipeline(num_embeds_ada_norm=7).save_pretrained(tmp_path)
    with pytest.raises(MaiError, match="the label for none is 1000 in this pipeline, `num_embeds_ada_norm` is 7"):
        imported(tmp_path)
    file = tmp_path / "scheduler" / "scheduler_config.json"
    file.write_text(file.read_text().replace("DDIMScheduler", "EulerDiscreteScheduler"))
    with pytest.raises(MaiError, match="EulerDiscreteScheduler, which scales what its net reads"):
        imported(tmp_path)
