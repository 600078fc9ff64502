"""`mai import FOLDER --data images/`: pixels are those of transformers' processors, heads begin anew for other labels, and steps are those of a loop by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pyarrow.csv import read_csv
from safetensors.numpy import load_file

from mai.compiler.check import check
from mai.compiler.data.files.pictures import pictures
from mai.compiler.drafting.heads import head_for
from mai.compiler.drafting.labelled import pictured_of
from mai.compiler.drafting.preparing import preparation_of
from mai.compiler.training.initial_weights import load_weights
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke
from tests.support.models.model_folders import ENCODERS, IMAGES, save
from tests.support.models.tokenizers import word_tokenizer

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SAID = {
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": MEAN,
    "image_std": DEVIATION,
}
WAYS = {
    "ViTImageProcessor": {"size": {"height": 32, "width": 32}, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3},
    "ConvNextImageProcessor": {"size": {"shortest_edge": 32}, "crop_pct": 0.875, "resample": 3},
    "BitImageProcessor": {"size": {"shortest_edge": 40}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "resample": 3},
    "DeiTImageProcessor": {"size": {"height": 36, "width": 36}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "resample": 1},
    "PoolFormerImageProcessor": {"size": {"shortest_edge": 32}, "crop_pct": 0.9, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "resample": 3},
    "MobileViTImageProcessor": {"size": {"shortest_edge": 28}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "resample": 2,
                                "do_normalize": None, "do_flip_channel_order": True},
    "EfficientNetImageProcessor": {"size": {"height": 32, "width": 32}, "resample": 0, "rescale_offset": True, "include_top": True},
}  # fmt: skip


def written(folder: Path, kind: str, **more: object) -> dict[str, Any]:
    """The file of a folder that says how images are prepared, and what it says."""
    folder.mkdir(exist_ok=True)
    said = {**SAID, "image_processor_type": kind, **WAYS[kind], **more}
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return said


def photograph(path: Path, size: tuple[int, int], seed: int = 0) -> Image.Image:
    """An image of some width and height, with light and dark places."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    image = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    image.save(path)
    return image


@pytest.mark.slow
@pytest.mark.parametrize("kind", WAYS)
@pytest.mark.parametrize("size", [(53, 41), (37, 90)])
def test_images_are_prepared_as_by_transformers(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    said = written(tmp_path, kind)
    image = photograph(tmp_path / "a.png", size)
    wanted = getattr(library, f"{kind}Pil")(**said)(image, return_tensors="np")["pixel_values"][0]
    prepared = preparation_of(said, tmp_path / "preprocessor_config.json", 3)
    x = pictures([tmp_path / "a.png"], prepared.size, prepared.framing, 3)[:][0]
    x = x[::-1] if prepared.is_blue_first else x
    mean, deviation = (np.array(each)[:, None, None] for each in (prepared.means, prepared.deviations))
    np.testing.assert_allclose(((x + 1) / 2 - mean) / deviation, wanted, atol=2e-5)


def test_the_shorter_side_comes_to_a_size_and_the_middle_is_cut_out(tmp_path: Path) -> None:
    """By Pillow's filter, in whole pixels: a part of a pixel of the longer side is left out."""
    image = photograph(tmp_path / "a.png", (53, 41))
    prepared = preparation_of(written(tmp_path, "BitImageProcessor"), tmp_path / "p.json", 3)
    wanted = np.asarray(image.resize((51, 40), Image.Resampling.BICUBIC))[4:36, 9:41]
    seen = pictures([tmp_path / "a.png"], prepared.size, prepared.framing, 3)[:][0]
    np.testing.assert_array_equal(np.rint((seen + 1) * 127.5), wanted.transpose(2, 0, 1))
    assert prepared.settings == "size = 32, resize = 40, channels = 3" and prepared.means == tuple(MEAN)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"do_center_crop": False, "size": {"shortest_edge": 40}}, "images keep their shapes"),
        ({"size": {"shortest_edge": 40, "longest_edge": 80}}, "`size` is {'shortest_edge': 40"),
        ({"do_resize": False}, "`do_resize` is"),
        ({"image_mean": [0.5]}, "`image_mean` is [0.5]"),
    ],
)
def test_what_is_not_known_of_images_is_refused(more: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(MaiError) as caught:
        preparation_of(written(tmp_path, "BitImageProcessor", **more), tmp_path / "p.json", 3)
    assert message in caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("labels", "own", "numbered", "count", "is_new", "said"),
    [
        (["a", "b"], ["a", "b"], False, 2, False, "the model's 2"),
        (["a", "b"], ["LABEL_0", "LABEL_1"], False, 2, False, "LABEL_0 is a, LABEL_1 is b"),
        (["a", "b"], ["b", "a"], False, 2, True, "in another order"),
        (["a", "b", "c"], ["a", "b"], False, 3, True, "a new head for the 3 labels: a, b, c, and the model has a, b"),
        (["0", "1"], ["x", "y", "z"], True, 3, False, "the model's 3"),
        (["0", "1", "2"], ["x", "y"], True, 3, True, "a new head"),
        (["a", "b"], [], False, 2, True, "a new head for the 2 labels: a, b"),
    ],
)
def test_a_head_for_labels(
    labels: list[str], own: list[str], numbered: bool, count: int, is_new: bool, said: str
) -> None:
    head = head_for(labels, own, numbered)
    assert (head.labels, head.is_new) == (count, is_new) and said in head.said


@pytest.mark.parametrize(
    ("columns", "label"), [("kind", "kind"), ("label,kind,cute", "label"), ("kind,cute", "There are kind, cute")]
)
def test_labels_of_a_table_of_images(columns: str, label: str, tmp_path: Path) -> None:
    """The column that is called so, or the only one; else it is asked."""
    for place in range(6):
        photograph(tmp_path / f"{place}.png", (9, 9), place)
    rows = "".join(f"{place}.png,{','.join('ab'[place % 2] for _ in columns.split(','))}\n" for place in range(6))
    (tmp_path / "a.csv").write_text(f"file,{columns}\n{rows}")
    prepared = preparation_of(written(tmp_path, "ViTImageProcessor"), tmp_path / "p.json", 3)
    if " " in label:
        with pytest.raises(MaiError) as caught:
            pictured_of(tmp_path / "a.csv", tmp_path, [], prepared)
        assert label in caught.value.diagnostics[0].message
    else:
        assert pictured_of(tmp_path / "a.csv", tmp_path, [], prepared).fields == f"file: [3, 32, 32], {label}: class[2]"


def pets(folder: Path, kinds: tuple[str, ...], count: int = 4) -> Path:
    """A folder with a folder of images for each kind."""
    for place, kind in enumerate(kinds):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            photograph(folder / kind / f"{number}.png", (40 + number, 36), 10 * place + number)
    return folder


FAMILIES = {
    "vit, classes": "ViTImageProcessor",
    "vit": "ViTImageProcessor",
    "resnet, basic": "ConvNextImageProcessor",
    "convnext, classes": "ConvNextImageProcessor",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_steps_are_those_of_a_loop_by_hand(name: str, tmp_path: Path) -> None:
    """A new head of two labels, AdamW on the same images: the losses and the head, to rounding."""
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    model, kind, spec = IMAGES[name].make(), FAMILIES[name], tmp_path / "a.mai"
    save(model, tmp_path / "m")
    said, data = written(tmp_path / "m", kind), pets(tmp_path / "pets", ("cat", "dog"))
    done = invoke("import", tmp_path / "m", "--data", data, "--out", spec)
    assert done.exit_code == 0, done.output
    assert "a new head for the 2 labels: cat, dog" in done.output
    assert "x = x\n" not in spec.read_text()
    spec.write_text(spec.read_text().replace("cosine(warmup = 10)", "constant"))
    program = check(spec).program
    assert program is not None
    twin = twin_of(model, load_weights(program, None)[0])
    run = ("--steps", "5", "--batch", "8", "--out", tmp_path / "run", "--quiet", "--device", "cpu")
    done = invoke("train", spec, *run)
    assert done.exit_code == 0, done.output
    losses = [json.loads(line)["loss"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]

    files = sorted(data.glob("*/*.png"))
    processor = getattr(library, f"{kind}Pil")(**said)
    images = processor([Image.open(file) for file in files], return_tensors="pt")["pixel_values"]
    labels = torch.tensor([int(file.parent.name == "dog") for file in files])
    optimizer = torch.optim.AdamW(twin.parameters(), lr=1e-3, weight_decay=0.01)
    mine = []
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(twin(images).logits, labels)
        mine.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        optimizer.step()
    np.testing.assert_allclose(losses, mine, rtol=1e-3)
    weights = load_file(tmp_path / "run" / "weights.safetensors")
    np.testing.assert_allclose(weights["scores.linear_1.weight"], head_of(twin).weight.detach(), atol=1e-4)


def twin_of(model: Any, weights: Mapping[str, np.ndarray]) -> Any:
    """The model with a head of two labels, which begins as that of a spec does."""
    import transformers

    config = copy(model.config)
    config.num_labels = 2
    twin = getattr(transformers, type(model).__name__.replace("ViTModel", "ViTForImageClassification"))(config)
    there = twin.state_dict()
    before = "" if type(twin) is type(model) else "vit."
    state = {f"{before}{name}": each for name, each in model.state_dict().items()}
    twin.load_state_dict({**there, **{n: v for n, v in state.items() if n in there and v.shape == there[n].shape}})
    with torch.no_grad():
        for name in ("weight", "bias"):
            getattr(head_of(twin), name).copy_(torch.from_numpy(np.array(weights[f"scores.linear_1.{name}"])))
    return twin.train()


def head_of(model: Any) -> Any:
    """The layer that scores labels."""
    return next(each for each in model.modules() if isinstance(each, torch.nn.Linear) and each.out_features == 2)


@pytest.mark.slow
def test_the_whole_way(tmp_path: Path) -> None:
    """A folder of images becomes a file that answers for images as they are: what it says is what the spec's own numbers come to."""
    save(IMAGES["convnext, classes"].make(), tmp_path / "m")
    written(tmp_path / "m", "ConvNextImageProcessor")
    data = pets(tmp_path / "pets", ("cat", "dog"), 30)
    done = invoke("import", tmp_path / "m", "--data", data, "--out", tmp_path / "a.mai")
    assert done.exit_code == 0, done.output
    done = invoke("train", tmp_path / "a.mai", "--steps", "20", "--out", tmp_path / "run", "--quiet")
    assert done.exit_code == 0, done.output
    evaluated = done = invoke("eval", tmp_path / "run", "--data", data, "--json")
    assert done.exit_code == 0, done.output
    done = invoke("predict", tmp_path / "run" / "a.classify.onnx", data, tmp_path / "p.csv")
    assert done.exit_code == 0, done.output
    rows = read_csv(tmp_path / "p.csv").to_pylist()
    right = np.mean([row["file"].startswith(row["y"]) for row in rows])
    assert json.loads(evaluated.output)["metrics"]["accuracy"]["value"] == pytest.approx(right)
    assert [*rows[0]] == ["file", "y", "probability.cat", "probability.dog"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bert, gaps", "a new head for the 3 labels: down, so, up"),
        ("bert, tags", "a new head for the 3 labels: down, so, up"),
        ("bert", "a new head for the 3 labels: down, so, up"),
        ("bert, classes", "no names: LABEL_0 is down, LABEL_1 is so, LABEL_2 is up"),
    ],
)
def test_texts_with_labels(name: str, said: str, tmp_path: Path) -> None:
    """Also for an encoder that had no head of labels."""
    save(ENCODERS[name].make(), tmp_path / "m")
    (tmp_path / "m" / "tokenizer.json").write_text(word_tokenizer("$A"))
    (tmp_path / "r.csv").write_text(
        "review,mood\n" + "red fish,up\nblue one fish,down\nred red fish,up\nfish,so\n" * 10
    )
    done = invoke("import", tmp_path / "m", "--data", tmp_path / "r.csv", "--out", tmp_path / "a.mai")
    assert done.exit_code == 0, done.output
    assert said in done.output
    done = invoke("train", tmp_path / "a.mai", "--steps", "3", "--out", tmp_path / "run", "--quiet")
    assert done.exit_code == 0, done.output
    done = invoke("predict", tmp_path / "run" / "a.classify.onnx", tmp_path / "r.csv", tmp_path / "p.csv")
    assert done.exit_code == 0, done.output
    assert "probability.so" in read_csv(tmp_path / "p.csv").column_names
