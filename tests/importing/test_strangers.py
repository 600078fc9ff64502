"""What people give in the place of a model's folder: each is refused in words that say what to do, or read with a note."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mai.compiler.importing.importing import Imported, import_folder
from mai.spec.diagnostics import MaiError
from tests.support.models.decoder_folders import DECODERS
from tests.support.models.model_folders import Model, save


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("llama")
    save(DECODERS["llama"].make(), folder)
    return folder


def refusal(path: Path) -> str:
    """The message and the help of the only error."""
    with pytest.raises(MaiError) as caught:
        import_folder(path, path / "m.mai")
    (diagnostic,) = caught.value.diagnostics
    return f"{diagnostic.message} | {diagnostic.help}"


FILES = {
    "model.onnx": "is compiled already",
    "model.h5": "is of Keras, TensorFlow or Flax",
    "model.pt": "model.pt is a pickle",
    "model.zip": "is packed",
    "v1-5.safetensors": "from_single_file(FILE)",
    "spec.mai": "is a spec already",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"PK")
    assert FILES[name] in refusal(tmp_path / name)


def test_names_of_a_hub_and_of_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "`hf download some/model --local-dir model`" in refusal(Path("some/model"))
    assert "there is no folder" in refusal(tmp_path / "nothing")


def test_a_file_of_a_folder(llama: Path) -> None:
    assert f"`mai import {llama}`" in refusal(llama / "model.safetensors")


FOLDERS: dict[str, tuple[list[str], str]] = {
    "hub": (["snapshots/abc/config.json"], "is a hub's cache"),
    "trainer": (["checkpoint-100/config.json"], "holds the checkpoints of a training"),
    "authors": (["params.json", "consolidated.00.pth"], "in the form of transformers"),
    "gguf": (["a.gguf"], "give the file, as"),
    "lora": (["pytorch_lora_weights.safetensors"], "`fuse_lora`"),
    "single": (["v1-5.safetensors"], "`PIPELINE.from_single_file"),
    "shards": (["config.json", "model-00001-of-00002.safetensors"], "not their index"),
    "variant": (["config.json", "model.fp16.safetensors"], "model.fp16.safetensors model.safetensors"),
    "onnx": (["config.json", "onnx/model.onnx"], "compiled already, and no tensors"),
    "tensorflow": (["config.json", "tf_model.h5"], "of TensorFlow"),
    "pickle": (["config.json", "pytorch_model.bin"], "has pytorch_model.bin, a pickle"),
    "nothing": ([], "has no config.json | a model's folder has"),
}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder(name: str, tmp_path: Path) -> None:
    files, message = FOLDERS[name]
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / file).write_text("{}")
    assert message in refusal(tmp_path)


def edited(llama: Path, folder: Path, **changes: object) -> Path:
    shutil.copytree(llama, folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))
    return folder


CONFIGS: dict[str, tuple[dict[str, object], str]] = {
    "packed": ({"quantization_config": {"quant_method": "hqq", "bits": 4}}, "are packed (`quantization_config`: hqq)"),
    "packed otherwise": ({"quantization_config": {"quant_method": "awq", "version": "gemv"}}, '(`quantization_config`: `version` is "gemv")'),
    "named": ({"model_type": "longformer"}, "ModernBERT reads long texts"),
    "own code": ({"model_type": "x", "auto_map": {"AutoModel": "a.B"}}, "its code lies in its folder (`auto_map`)"),
    "no classes": ({"architectures": None}, "it does not say its `architectures` | write the one it is: LlamaForCausalLM"),
    "no number": ({"eos_token_id": True}, "`eos_token_id` is true, which is no such value"),
    "more than texts": ({"model_type": "seer", "text_config": {"model_type": "qwen3"}}, "its net of texts is of the family `qwen3`"),
    "inside": ({"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "text_config": {"model_type": "gemma2"}}, "`text_config.model_type` is 'gemma2' | known here: gemma3_text"),
    "nothing inside": ({"model_type": "gemma3", "architectures": ["Gemma3ForConditionalGeneration"], "hidden_size": None}, "there is no `text_config` in it"),
    "near": ({"model_type": "llamma"}, "the nearest one known is `llama`"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config(name: str, llama: Path, tmp_path: Path) -> None:
    changes, message = CONFIGS[name]
    assert message in refusal(edited(llama, tmp_path, **changes))


def test_a_class_in_other_letters(llama: Path, tmp_path: Path) -> None:
    folder = edited(llama, tmp_path, architectures=["LLaMAForCausalLM"])
    assert "`LlamaForCausalLM`" in import_folder(folder, folder / "m.mai").text


def test_a_net_of_timm(llama: Path, tmp_path: Path) -> None:
    edited(llama, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "resnet18", "num_classes": 1000}))
    assert "as timm calls its nets | " in refusal(tmp_path)


def test_a_pointer_of_git(llama: Path, tmp_path: Path) -> None:
    edited(llama, tmp_path)
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:a\nsize 1\n")
    assert "`git lfs pull`" in refusal(tmp_path)


def test_an_adapter_of_another_kind(llama: Path, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"peft_type": "IA3", "base_model_name_or_path": str(llama), "feedforward_modules": ["down_proj"]})
    )
    save_file({"a": torch.ones(1)}, tmp_path / "adapter_model.safetensors")
    message = refusal(tmp_path)
    assert "`peft_type` is 'IA3'; known here: 'LORA' | " in message
    assert "`merge_and_unload()`" in message


def test_a_length_that_nobody_says(llama: Path, tmp_path: Path) -> None:
    """Rates of positions that depend on the length of texts: without it, there is the reference's own length."""
    rope = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    folder = edited(llama, tmp_path, rope_parameters=rope, max_position_embeddings=None)
    assert "how long texts were" in refusal(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({n: v for n, v in config.items() if n != "max_position_embeddings"}))
    assert "const context = 2048\n" in imported(folder).text


def imported(folder: Path) -> Imported:
    return import_folder(folder, folder / "m.mai")


@pytest.mark.parametrize("name", ["tokenizer.model", "vocab.txt", "tekken.json"])
def test_a_tokenizer_in_another_form(name: str, llama: Path, tmp_path: Path) -> None:
    folder = edited(llama, tmp_path)
    (folder / name).write_text("x")
    (note,) = imported(folder).notes
    assert f"there is {name} and no tokenizer.json: the files take tokens" in note


@pytest.mark.parametrize(
    ("field", "value", "name", "shape"),
    [
        ("vocab_size", 104, "model.embed_tokens.weight", "[104, 32]"),
        ("intermediate_size", 50, "mlp.gate_proj.weight", "[50, 32]"),
    ],
)
def test_sizes_that_the_tensors_have_not(
    field: str, value: int, name: str, shape: str, llama: Path, tmp_path: Path
) -> None:
    message = refusal(edited(llama, tmp_path, **{field: value}))
    assert f"{name}` in the file is [" in message
    assert f"is {shape}" in message
    assert message.endswith("a size in config.json is not that of the tensors")


@pytest.mark.parametrize("divided", [True, False])
def test_tensors_that_the_reference_divides(divided: bool, tmp_path: Path) -> None:
    save(DECODERS["mamba"].make(), tmp_path, rescale_prenorm_residual=divided)
    notes = imported(tmp_path).notes
    assert [n.partition(";")[0] for n in notes] == ["the tensors are taken as they are saved"] * divided


def test_code_beside_a_model_that_is_known(llama: Path, tmp_path: Path) -> None:
    (note,) = imported(edited(llama, tmp_path, auto_map={"AutoModelForCausalLM": "modeling_x.X"})).notes
    assert "modeling_x.X, which is not read" in note


@pytest.mark.parametrize(
    ("ends", "text", "note"),
    [
        (0, "stop: token = 0", None),
        ([5, 97], "stop: token = 5", "no text ends at token 97 (`eos_token_id`): the model has the tokens 0 to 96"),
    ],
)
def test_tokens_that_end_a_text(ends: object, text: str, note: str | None, llama: Path, tmp_path: Path) -> None:
    """Those of the generation count before those of the config, token 0 among them; the model has no token 97."""
    folder = edited(llama, tmp_path, architectures="LlamaForCausalLM")
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    result = imported(folder)
    assert text in " ".join(result.text.split())
    assert result.notes == ((note,) if note else ())


def test_ends_of_what_makes_no_text(llama: Path, tmp_path: Path) -> None:
    folder = edited(llama, tmp_path, architectures=["LlamaModel"])
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 97}))
    assert imported(folder).notes == ()


def test_the_file_of_a_field(llama: Path, tmp_path: Path) -> None:
    """Fields of a generation may stand in either file."""
    folder = edited(llama, tmp_path, diversity_penalty=2.0)
    (folder / "generation_config.json").write_text(json.dumps({"num_beam_groups": 2}))
    with pytest.raises(MaiError) as error:
        imported(folder)
    assert [d.message.partition("`")[0] for d in error.value.diagnostics] == [
        "generation_config.json: ",
        "config.json: ",
    ]


def test_tensors_that_are_packed(llama: Path, tmp_path: Path) -> None:
    folder = edited(llama, tmp_path)
    save_file({"model.layers.0.self_attn.q_proj.qweight": torch.ones(4, 4)}, folder / "model.safetensors")
    assert "the numbers are packed: the file has `model.layers.0.self_attn.q_proj.qweight`" in refusal(folder)


@pytest.mark.parametrize("before", ["_orig_mod.", "module."])
def test_names_behind_that_of_a_wrapper(before: str, llama: Path, tmp_path: Path) -> None:
    """As nets are called that were compiled by torch or trained in several processes; the head stands beside the net."""
    folder = edited(llama, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    save_file({f"{before}{n}": t for n, t in tensors.items()}, folder / "model.safetensors")
    text = imported(folder).text
    assert f'= "{before}lm_head.weight"' in text
    assert f'= "{before}model.norm.weight"' in text


def test_names_behind_several_wrappers(llama: Path, tmp_path: Path) -> None:
    """Words about names, and not about sizes that agree."""
    folder = edited(llama, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    save_file({f"{'ab'[i % 2]}.{n}": t for i, (n, t) in enumerate(tensors.items())}, folder / "model.safetensors")
    with pytest.raises(MaiError, match="the file lacks") as caught:
        imported(folder)
    assert all("a size in config.json" not in str(d.help) for d in caught.value.diagnostics)


def test_a_shard_that_is_missing(llama: Path, tmp_path: Path) -> None:
    folder = edited(llama, tmp_path)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"model.norm.weight": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-00001-of-00001.safetensors | model.safetensors.index.json names it" in refusal(folder)


def test_a_tokenizer_that_cannot_be_read(llama: Path, tmp_path: Path) -> None:
    folder = edited(llama, tmp_path)
    (folder / "tokenizer.json").write_text("{}")
    assert "tokenizer.json: the tokenizer cannot be read" in refusal(folder)


def test_labels_of_a_decoder(llama: Path, tmp_path: Path) -> None:
    """With its own head over labels it learns from texts with labels; without one it goes on with texts."""
    settings = {**DECODERS["llama"].settings, "num_labels": 3}
    save(Model("LlamaForSequenceClassification", "LlamaConfig", settings).make(), tmp_path)
    assert import_folder(tmp_path, tmp_path / "m.mai").labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    writes = import_folder(llama, llama / "m.mai")
    assert (writes.labels, writes.may_classify) == (None, False)
