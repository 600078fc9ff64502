"""Folders of models of images become specs that compute what transformers computes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.importing.importing import import_folder
from mai.runtime.model.model import Model
from mai.spec.diagnostics import MaiError
from tests.support.models.compiled_folders import compiled_file, compiled_files
from tests.support.models.model_folders import (
    CLIP,
    DEPTHS,
    DETECTORS,
    HALVES,
    IMAGES,
    MAE,
    MOBILES,
    SEGMENTS,
    SIGLIP,
    VOCAB,
    imported,
    save,
)

QUICK = {"vit", "resnet, basic"}
NAMES = [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in IMAGES]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_computes_what_transformers_does(name: str, tmp_path: Path) -> None:
    model = IMAGES[name].make()
    save(model, tmp_path)
    files = compiled_files(imported(tmp_path), tmp_path)
    x = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        results = model(torch.from_numpy(x))
    expected = {
        "classify": results.get("logits"),
        "encode": results.get("last_hidden_state"),
        "pool": results.get("pooler_output"),
    }
    assert files
    for export_name, file in files.items():
        wanted = expected[export_name].numpy()
        wanted = wanted.reshape(wanted.shape[:2]) if export_name == "pool" else wanted
        result = file(x=x)
        assert wanted.std() > 0.1
        np.testing.assert_allclose(result, wanted, atol=1e-4 * max(1, np.abs(wanted).max()), rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["MobileNetV2", "EfficientNet"])
def test_a_spec_of_the_published_depth_is_short(kind: str, tmp_path: Path) -> None:
    """EfficientNet's is B0."""
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    sizes = {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280} if kind == "EfficientNet" else {}
    config = getattr(library, f"{kind}Config")(**sizes)
    getattr(library, f"{kind}ForImageClassification")(config).save_pretrained(tmp_path)
    assert len(import_folder(tmp_path, tmp_path / "m.mai").text.splitlines()) < 80


@pytest.mark.slow
@pytest.mark.parametrize("name", SEGMENTS)
def test_what_each_place_shows(name: str, tmp_path: Path) -> None:
    """SegFormer, whose preprocessor says how large images are."""
    model = SEGMENTS[name].make()
    save(model, tmp_path)
    with pytest.raises(MaiError, match=r"preprocessor_config\.json is to say the size of images"):
        imported(tmp_path)
    said = {"image_processor_type": "SegformerImageProcessor", "do_resize": True, "size": {"height": 32, "width": 32}}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    program = imported(tmp_path)
    x = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        wanted = model(torch.from_numpy(x))[0].numpy()
    result = compiled_file(program, name, tmp_path)(x=x)
    assert wanted.std() > 0.1
    np.testing.assert_allclose(result, wanted, atol=1e-4 * max(1, np.abs(wanted).max()), rtol=0)


def compare(model: Any, folder: Path, name: str, x: np.ndarray, wanted: np.ndarray) -> None:
    """An export's result, with that of the reference."""
    save(model, folder)
    result = compiled_file(imported(folder), name, folder)(x=x)
    assert wanted.std() > 0.1
    np.testing.assert_allclose(result, wanted, atol=1e-4 * max(1, np.abs(wanted).max()), rtol=0)


def amplified(model: Any, factor: float, is_amplified: Callable[[str], bool]) -> Any:
    """A model whose parameters of some names are larger, so that its results do not hide what is wrong before them."""
    with torch.no_grad():
        for parameter, tensor in model.named_parameters():
            if is_amplified(parameter):
                tensor.mul_(factor)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", DEPTHS)
def test_how_far_things_are(name: str, tmp_path: Path) -> None:
    model = amplified(DEPTHS[name].make(), 3, lambda parameter: parameter.startswith(("neck", "head")))
    x = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        wanted = model(torch.from_numpy(x)).predicted_depth.numpy()
    compare(model, tmp_path, "depth", x, wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", MOBILES)
def test_maps_in_patches(name: str, tmp_path: Path) -> None:
    model = amplified(MOBILES[name].make(), 2.5, lambda parameter: parameter.endswith("normalization.weight"))
    x = np.random.default_rng(1).standard_normal((2, 3, 64, 64)).astype(np.float32)
    with torch.inference_mode():
        both = model(torch.from_numpy(x))
    compare(model, tmp_path, name, x, (both.logits if name == "classify" else both.pooler_output).numpy())


@pytest.mark.slow
@pytest.mark.parametrize("name", DETECTORS)
def test_boxes(name: str, tmp_path: Path) -> None:
    model = DETECTORS[name].make()
    x = (
        np.random.default_rng(1)
        .standard_normal((2, 3, *getattr(model.config, "image_size", (40, 33))))
        .astype(np.float32)
    )
    with torch.inference_mode():
        both = model(torch.from_numpy(x))
    compare(model, tmp_path, "detect", x, torch.cat([both.logits, both.pred_boxes], -1).numpy())


@pytest.mark.slow
def test_patches_that_are_not_seen(tmp_path: Path) -> None:
    """ViT-MAE: noise says which patches are seen."""
    model = MAE.make()
    save(model, tmp_path)
    files = compiled_files(imported(tmp_path), tmp_path)
    random = np.random.default_rng(1)
    x, noise = random.standard_normal((2, 3, 32, 32)).astype(np.float32), random.random((2, 16)).astype(np.float32)
    with torch.inference_mode():
        images, places = torch.from_numpy(x), torch.from_numpy(noise)
        wanted = {
            "restore": model(images, noise=places).logits,
            "encode": model.vit(images, noise=places).last_hidden_state,
        }
    for name, values in wanted.items():
        result = files[name](x=x, noise=noise)
        assert values.std() > 0.1
        np.testing.assert_allclose(result, values.numpy(), atol=1e-4 * max(1, values.abs().max()), rtol=0)


def test_texts_and_images_as_vectors(tmp_path: Path) -> None:
    """CLIP: texts of different lengths, each ended by its end, as transformers has them alone."""
    texts = [[5, 9, 7, VOCAB - 1], [8, VOCAB - 1]]
    compare_vectors(CLIP.make(), tmp_path, texts, filled(texts, 4, VOCAB - 1))


@pytest.mark.slow
@pytest.mark.parametrize("name", HALVES)
def test_a_half_of_a_pair(name: str, tmp_path: Path) -> None:
    """Its texts or its images alone, with a matrix behind them or without."""
    model = HALVES[name].make()
    save(model, tmp_path)
    random, end = np.random.default_rng(1), VOCAB - 1
    texts = np.array([[5, 9, 7, end], [8, end, 3, 3]])
    x = texts if name.startswith("texts") else random.standard_normal((2, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        said = model(torch.from_numpy(np.pad(x, ((0, 0), (0, 12)), constant_values=1) if "filled" in name else x))
    names = {"encode": "last_hidden_state", "pool": "pooler_output"}
    if name.endswith("vectors"):
        names = {"embed": "text_embeds" if name.startswith("texts") else "image_embeds"}
    names = {export: field for export, field in names.items() if said.get(field) is not None}
    files = compiled_files(imported(tmp_path), tmp_path)
    assert files.keys() == names.keys()
    for export, file in files.items():
        wanted = said[names[export]].numpy()
        assert wanted.std() > 0.1
        np.testing.assert_allclose(file(x=x), wanted, atol=1e-4 * max(1, np.abs(wanted).max()), rtol=0)


@pytest.mark.slow
def test_texts_of_one_length_and_images(tmp_path: Path) -> None:
    """SigLIP: texts of different lengths, filled up with its token for that, as its processor does."""
    texts = [[5, 9, 7, 3], [8, 4]]
    embed_text, vectors = compare_vectors(SIGLIP.make(), tmp_path, texts, filled(texts, 16, 1))
    np.testing.assert_allclose(embed_text(x=texts[1])[0], vectors[1], atol=1e-4)


def filled(texts: list[list[int]], length: int, filler: int) -> torch.Tensor:
    """Texts as rows of one length."""
    return torch.tensor([[*text, *[filler] * (length - len(text))] for text in texts])


def compare_vectors(model: Any, folder: Path, texts: list[list[int]], rows: torch.Tensor) -> tuple[Model, torch.Tensor]:
    """Vectors of texts and images, and how well they fit; the file of texts, and the vectors that they have in transformers."""
    save(model, folder)
    file = compiled_files(imported(folder), folder)
    images = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    with torch.inference_mode():
        both = model(input_ids=rows, pixel_values=torch.from_numpy(images))
    np.testing.assert_allclose(file["embed_text"](x=texts), both.text_embeds, atol=1e-4)
    np.testing.assert_allclose(file["embed_image"](x=images), both.image_embeds, atol=1e-4)
    fit = file["match"](x=images, y=texts)
    np.testing.assert_allclose(fit, both.logits_per_image.diagonal(), atol=1e-3)
    return file["embed_text"], both.text_embeds
