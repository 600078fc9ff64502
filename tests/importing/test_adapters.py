"""Adapters of other programs: merged while tensors are read, as the library that makes them does; what is not understood is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mai.compiler.importing.adapter import spec_path
from mai.compiler.importing.importing import import_folder
from mai.compiler.weights.tensor_files import TensorFiles
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke
from tests.support.models.compiled_folders import compiled_file
from tests.support.models.decoder_folders import DECODERS
from tests.support.models.model_folders import ENCODERS, VOCAB, imported, save
from tests.support.models.tokenizers import word_tokenizer
from tests.support.models.zoo import tokens

Q = "model.layers.0.self_attn.q_proj"


def write_adapter(folder: Path, tensors: Mapping[str, torch.Tensor], **settings: object) -> None:
    """An adapter's two files by hand, of a base model in the folder `base` beside it."""
    folder.mkdir()
    said = {
        "peft_type": "LORA",
        "base_model_name_or_path": "somebody/base",
        "lora_alpha": 6,
        "target_modules": ["q_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps({**said, **settings}))
    save_file(
        {f"base_model.model.{n}": t.contiguous() for n, t in tensors.items()}, folder / "adapter_model.safetensors"
    )


def pair(out: int = 32, rank: int = 4, inside: int = 32, module: str = Q) -> dict[str, torch.Tensor]:
    a, b = torch.randn(rank, inside), torch.randn(out, rank)
    return {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}


def refusal(tmp_path: Path, tensors: Mapping[str, torch.Tensor], **settings: object) -> str:
    save(DECODERS["llama"].make(), tmp_path / "base")
    write_adapter(tmp_path / "a", tensors, **settings)
    with pytest.raises(MaiError) as caught:
        import_folder(tmp_path / "a", spec_path(tmp_path / "a"))
    return caught.value.diagnostics[0].message


@pytest.mark.parametrize(
    ("settings", "scale"),
    [({}, 6 / 4), ({"use_rslora": True}, 6 / 2), ({"alpha_pattern": {"q_proj": 20, "self_attn.q_proj": 1}}, 20 / 4),
     ({"alpha_pattern": {"j_proj": 20, "^model.layers.0.self_attn.q_proj": 8}, "trick": None}, 8 / 4)],
)  # fmt: skip
def test_a_sum(settings: dict[str, Any], scale: float, tmp_path: Path) -> None:
    save(DECODERS["llama"].make(), tmp_path / "base")
    parts = pair()
    norm = torch.rand(32)
    write_adapter(tmp_path / "a", {**parts, "model.layers.1.input_layernorm.weight": norm}, **settings)
    base = load_file(tmp_path / "base" / "model.safetensors")
    with TensorFiles(tmp_path / "a") as files:
        assert files.shapes == {n: tuple(t.shape) for n, t in base.items()}
        expected = base[f"{Q}.weight"] + scale * parts[f"{Q}.lora_B.weight"] @ parts[f"{Q}.lora_A.weight"]
        torch.testing.assert_close(files.read(f"{Q}.weight"), expected)
        assert torch.equal(files.read("model.layers.1.input_layernorm.weight"), norm)
        assert torch.equal(files.read("model.norm.weight"), base["model.norm.weight"])


def test_a_text_goes_on_as_the_adapter_says(tmp_path: Path) -> None:
    """By the commands: the spec lies above both folders, its tokenizer is the adapter's, and another folder may be named."""
    save(DECODERS["llama"].make(), tmp_path / "base")
    write_adapter(tmp_path / "mine", {**pair(), **pair(rank=2, inside=48, module="model.layers.1.mlp.down_proj")})
    (tmp_path / "mine" / "tokenizer.json").write_text(word_tokenizer("$A"))
    said = invoke("import", tmp_path / "mine")
    assert said.exit_code == 0, said.stderr
    text = (tmp_path / "mine.mai").read_text()
    assert 'weights from "mine/adapter_config.json"' in text
    assert 'tokenizer = "mine/tokenizer.json"' in text
    assert invoke("check", tmp_path / "mine.mai").exit_code == 0


def test_vectors_of_an_adapter(tmp_path: Path) -> None:
    """Its own folder says how a text becomes one vector, as sentence-transformers writes it."""
    save(ENCODERS["bert"].make(), tmp_path / "base")
    write_adapter(
        tmp_path / "mine", pair(module="encoder.layer.0.attention.self.query"), task_type="FEATURE_EXTRACTION"
    )
    kinds = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [{"type": f"sentence_transformers.models.{kind}", "path": path} for kind, path in kinds.items()]
    (tmp_path / "mine" / "modules.json").write_text(json.dumps(modules))
    (tmp_path / "mine" / "1_Pooling").mkdir()
    (tmp_path / "mine" / "1_Pooling" / "config.json").write_text('{"pooling_mode": "max"}')
    imported_spec = import_folder(tmp_path / "mine", spec_path(tmp_path / "mine"))
    assert imported_spec.exports == ("embed",)
    assert "# The largest of the tokens' numbers, of length 1." in imported_spec.text
    for moved in ("modules.json", "1_Pooling"):
        (tmp_path / "mine" / moved).rename(tmp_path / "base" / moved)
    (tmp_path / "base" / "sentence_bert_config.json").write_text('{"max_seq_length": 48}')
    assert any("after 48 tokens" in note for note in import_folder(tmp_path / "mine", tmp_path / "m.mai").notes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "IA3"}, "`peft_type` is 'IA3'; known here: 'LORA'"),
        ({"init_lora_weights": "pissa"}, "`init_lora_weights` is 'pissa', which changes the base model, too"),
        (
            {"layer_replication": [[0, 2], [1, 2]]},
            "`layer_replication` is [[0, 2], [1, 2]], and nothing is known of it",
        ),
        ({"alpha_pattern": {"(a+)+q": 3}}, "which is no plain name of modules"),
        ({"lora_alpha": "much"}, "`lora_alpha`: Input should be a valid number"),
        (
            {"base_model_name_or_path": "somebody/else"},
            "is of the base model `somebody/else`, whose folder is not here",
        ),
        ({"use_dora": True}, "a part of what it adds to"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, pair(), **settings)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (pair(inside=31), "is of [32, 4] and [4, 31]"),
        (pair(module="model.layers.7.self_attn.q_proj"), "`model.layers.7.self_attn.q_proj.weight`, which the base model lacks"),
        ({f"{Q}.lora_A.weight": torch.zeros(2, 32)}, "a part of what it adds to"),
        ({f"{Q}.lora_E": torch.zeros(2, 32)}, "is of a kind that is not known"),
        ({**pair(), f"{Q}.lora_B.bias": torch.zeros(32)}, "`model.layers.0.self_attn.q_proj.bias`, which the base model lacks"),
        ({"model.norm.weight": torch.zeros(31)}, "is [31], and [32] in the base model"),
        ({"model.trick.weight": torch.zeros(31)}, "nothing takes `model.trick.weight` [31]"),
    ],
)  # fmt: skip
def test_tensors_that_are_refused(tensors: dict[str, torch.Tensor], message: str, tmp_path: Path) -> None:
    assert message in refusal(tmp_path, tensors)


def test_vectors_that_are_the_head_too(tmp_path: Path) -> None:
    save(DECODERS["llama, stretched"].make(), tmp_path / "base")
    a, b = torch.randn(2, VOCAB), torch.randn(32, 2)
    write_adapter(tmp_path / "a", {"model.embed_tokens.lora_embedding_A": a, "model.embed_tokens.lora_embedding_B": b})
    with pytest.raises(MaiError, match="which is the model's head, too"):
        import_folder(tmp_path / "a", tmp_path / "a.mai")
    config = tmp_path / "base" / "config.json"
    config.write_text(config.read_text().replace("LlamaForCausalLM", "LlamaModel"))
    assert import_folder(tmp_path / "a", tmp_path / "a.mai").exports == ("encode",)  # It has no head.


PEFT: dict[str, tuple[str, dict[str, Any]]] = {
    "ranks of modules": ("llama", {"target_modules": ["q_proj", "down_proj", "embed_tokens"], "use_rslora": True,
                                   "rank_pattern": {"layers.1.mlp.down_proj": 6}, "alpha_pattern": {"q_proj": 5},
                                   "modules_to_save": ["lm_head", "input_layernorm"]}),
    "lengths": ("qwen2", {"target_modules": "all-linear", "use_dora": True, "bias": "all"}),
    "transposed": ("gpt2", {"target_modules": ["c_attn", "c_proj", "c_fc"], "fan_in_fan_out": True, "use_dora": True, "task_type": "CAUSAL_LM"}),
    "images beside": ("gemma3, its texts", {"target_modules": r".*language_model.*q_proj", "task_type": "CAUSAL_LM"}),
    "layers": ("gpt_neox", {"target_modules": ["query_key_value"], "layers_to_transform": [1], "bias": "lora_only", "lora_bias": True}),
    "a new head": ("llama", {"task_type": "SEQ_CLS"}),
    "tags": ("bert, gaps", {"task_type": "TOKEN_CLS", "target_modules": ["query", "value"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", PEFT)
def test_an_adapter_computes_what_its_library_does(name: str, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed")
    import transformers

    family, settings = PEFT[name]
    case = {**DECODERS, **ENCODERS}[family]
    save(case.make(), tmp_path / "base")
    task = settings.get("task_type")
    kind = {"SEQ_CLS": "LlamaForSequenceClassification", "TOKEN_CLS": "BertForTokenClassification"}.get(
        str(task), case.model
    )
    more = {"num_labels": 3, "pad_token_id": 0} if task in ("SEQ_CLS", "TOKEN_CLS") else {}
    base = getattr(transformers, kind).from_pretrained(tmp_path / "base", attn_implementation="eager", **more)
    torch.manual_seed(1)
    model = peft.get_peft_model(base, peft.LoraConfig(r=4, lora_alpha=3, init_lora_weights=False, **settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    model.save_pretrained(tmp_path / "mine")
    program = imported(tmp_path / "mine", spec=spec_path(tmp_path / "mine"))
    x = np.minimum(tokens(3, 9), VOCAB - 1)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).logits.numpy()
        merged = model.merge_and_unload()(torch.from_numpy(x)).logits.numpy()
    np.testing.assert_allclose(merged, expected, atol=1e-4)
    verb = next(e for e in ("predict", "classify", "tag") if e in program.exports)
    result = compiled_file(program, verb, tmp_path)(x=x)
    result = result.classes if hasattr(result, "classes") else result
    np.testing.assert_allclose(result, expected, atol=1e-4 * max(1, np.abs(expected).max()))
