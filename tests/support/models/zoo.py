"""The zoo's networks, small: the spec, the reference implementation with random weights, inputs, and what to compare."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mai.compiler.check import check
from mai.compiler.program import Program
from tests.support.models.reference_networks import DiT, ResNet18

ZOO = Path(__file__).parents[3] / "examples" / "zoo"
VOCAB, WIDTH, DEPTH, HEADS, HIDDEN = 97, 48, 2, 6, 80
Arrays = dict[str, np.ndarray[Any, Any]]


def tokens(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(2, VOCAB, shape)


def shaken(model: Any) -> Any:
    """Norms, biases and running statistics that are not the ones and zeros of a new model."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.dim() == 1 and tensor.is_floating_point() and "inv_freq" not in name:
                tensor += 0.3 * torch.rand(tensor.shape, generator=generator)
    return model.eval()


@dataclass(frozen=True)
class Case:
    """A spec with its small constants, a reference, an export, and inputs; `seen` is where results are compared."""

    spec: str
    sets: dict[str, float]
    model: Callable[[], Any]
    export: str
    inputs: Arrays
    expected: Callable[[Any, Arrays], Any]
    seen: np.ndarray[Any, Any] | None = None


def transformers(kind: str, config: str, **settings: Any) -> Callable[[], Any]:
    def make() -> Any:
        library = pytest.importorskip("transformers", reason="transformers is not installed")
        torch.manual_seed(0)
        return shaken(getattr(library, kind)(getattr(library, config)(initializer_range=0.3, **settings)))

    return make


def text_config(**more: Any) -> dict[str, Any]:
    common = {"vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS}
    return {**common, "intermediate_size": HIDDEN, **more}


def logits(model: Any, inputs: Arrays) -> Any:
    return model(torch.from_numpy(inputs["x"])).logits


def bert(model: Any, inputs: Arrays) -> Any:
    return model(
        input_ids=torch.from_numpy(inputs["x"]),
        attention_mask=torch.from_numpy(inputs["seen"]).long(),
        token_type_ids=torch.from_numpy(inputs["second"]).long(),
    )


def by_names(model: Any, inputs: Arrays) -> Any:
    return model(*(torch.from_numpy(inputs[name]) for name in inputs))


def network(module: Callable[..., Any], **settings: int) -> Callable[[], Any]:
    def make() -> Any:
        torch.manual_seed(0)
        return shaken(module(**settings))

    return make


TEXT = {"vocab": VOCAB, "d": WIDTH, "depth": DEPTH, "heads": HEADS}
GROUPED = {**TEXT, "kv_heads": 2, "hidden": HIDDEN}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 10000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
PADDED = {
    "x": tokens(3, 9),
    "seen": np.array([[1] * 9, [1] * 5 + [0] * 4, [1] * 2 + [0] * 7], np.float32),
    "second": np.array([[0] * 4 + [1] * 5, [0] * 9, [0, 1] + [0] * 7], np.float32),
}
IMAGES = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
BERT = transformers("BertModel", "BertConfig", **text_config(max_position_embeddings=32))
BERT_SETS = {**TEXT, "context": 32, "hidden": HIDDEN}
DIT = {"size": 8, "channels": 3, "out": 6, "patch": 2, "heads": 4, "d": 32, "depth": 2, "classes": 5}

CASES = {
    "gpt2": Case(
        "gpt2", {**TEXT, "context": 32},
        transformers("GPT2LMHeadModel", "GPT2Config", vocab_size=VOCAB, n_embd=WIDTH, n_layer=DEPTH, n_head=HEADS,
                     n_positions=32, bos_token_id=0, eos_token_id=1),
        "predict", {"x": tokens(3, 17)}, logits,
    ),
    "llama": Case(
        "llama", {**GROUPED, "theta": 10000, "factor": 1},
        transformers("LlamaForCausalLM", "LlamaConfig", **text_config(num_key_value_heads=2, rms_norm_eps=1e-5)),
        "predict", {"x": tokens(3, 17)}, logits,
    ),
    "llama, stretched as 3.1": Case(
        "llama", {**GROUPED, "theta": 10000, "factor": 8, "trained_on": 32},
        transformers("LlamaForCausalLM", "LlamaConfig", **text_config(
            num_key_value_heads=2, rms_norm_eps=1e-5, max_position_embeddings=256, rope_parameters=LLAMA3)),
        "predict", {"x": tokens(2, 90)}, logits,
    ),
    "llama, stretched evenly": Case(
        "llama", {**GROUPED, "theta": 10000, "factor": 4, "trained_on": 0},
        transformers("LlamaForCausalLM", "LlamaConfig", **text_config(
            num_key_value_heads=2, rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0})),
        "predict", {"x": tokens(2, 40)}, logits,
    ),
    "qwen2": Case(
        "qwen2", {**GROUPED, "theta": 10000},
        transformers("Qwen2ForCausalLM", "Qwen2Config", **text_config(num_key_value_heads=2, tie_word_embeddings=True)),
        "predict", {"x": tokens(3, 17)}, logits,
    ),
    "qwen3": Case(
        "qwen3", {**GROUPED, "head_width": 10, "theta": 10000},
        transformers("Qwen3ForCausalLM", "Qwen3Config", **text_config(
            num_key_value_heads=2, head_dim=10, tie_word_embeddings=True)),
        "predict", {"x": tokens(3, 17)}, logits,
    ),
    "mistral": Case(
        "mistral", {**GROUPED, "window": 5, "eps": 1e-6},
        transformers("MistralForCausalLM", "MistralConfig", **text_config(num_key_value_heads=2, sliding_window=5)),
        "predict", {"x": tokens(3, 17)}, logits,
    ),
    "mixtral": Case(
        "mixtral", {**GROUPED, "n": 4},
        transformers("MixtralForCausalLM", "MixtralConfig", **text_config(
            num_key_value_heads=2, num_local_experts=4, num_experts_per_tok=2, sliding_window=None)),
        "predict", {"x": tokens(3, 17)}, logits,
    ),
    "gemma2": Case(
        "gemma2", {**GROUPED, "head_width": 10, "window": 6, "score_width": 20, "score_cap": 3, "logit_cap": 4},
        transformers("Gemma2ForCausalLM", "Gemma2Config", **text_config(
            num_key_value_heads=2, head_dim=10, sliding_window=6, query_pre_attn_scalar=20, attn_logit_softcapping=3.0,
            final_logit_softcapping=4.0, attn_implementation="eager")),
        "predict", {"x": tokens(3, 17)}, logits,
    ),
    "mamba": Case(
        "mamba", {"vocab": VOCAB, "d": WIDTH, "depth": DEPTH, "inner": 2 * WIDTH, "m": 5, "rank": 3},
        transformers("MambaForCausalLM", "MambaConfig", vocab_size=VOCAB, hidden_size=WIDTH, num_hidden_layers=DEPTH,
                     state_size=5, time_step_rank=3, pad_token_id=0),
        "predict", {"x": tokens(3, 37)}, logits,
    ),
    "mamba2": Case(
        "mamba2", {"vocab": VOCAB, "d": WIDTH, "depth": DEPTH, "heads": 6, "width": 16, "groups": 2, "m": 5},
        transformers("Mamba2ForCausalLM", "Mamba2Config", vocab_size=VOCAB, hidden_size=WIDTH, num_hidden_layers=DEPTH,
                     num_heads=6, head_dim=16, state_size=5, n_groups=2, chunk_size=8),
        "predict", {"x": tokens(3, 37)}, logits,
    ),
    "rwkv": Case(
        "rwkv", {"vocab": VOCAB, "d": WIDTH, "depth": DEPTH, "hidden": HIDDEN},
        transformers("RwkvForCausalLM", "RwkvConfig", vocab_size=VOCAB, hidden_size=WIDTH, num_hidden_layers=DEPTH,
                     intermediate_size=HIDDEN),
        "predict", {"x": tokens(3, 37)}, logits,
    ),
    "bert": Case(
        "bert", BERT_SETS, BERT, "encode", PADDED, lambda m, i: bert(m, i).last_hidden_state, PADDED["seen"] > 0,
    ),
    "bert, pooled": Case("bert", BERT_SETS, BERT, "summarise", PADDED, lambda m, i: bert(m, i).pooler_output),
    "vit": Case(
        "vit", {"size": 32, "patch": 8, "d": WIDTH, "depth": DEPTH, "heads": HEADS, "hidden": HIDDEN, "classes": 5},
        transformers("ViTForImageClassification", "ViTConfig", image_size=32, patch_size=8, hidden_size=WIDTH,
                     num_hidden_layers=DEPTH, num_attention_heads=HEADS, intermediate_size=HIDDEN, num_labels=5),
        "classify", {"x": IMAGES}, logits,
    ),
    "resnet18": Case(
        "resnet18", {"size": 32, "width": 8, "classes": 5}, network(ResNet18, width=8, classes=5),
        "classify", {"x": IMAGES}, by_names,
    ),
    "dit": Case(
        "dit", DIT, network(DiT, **DIT), "denoise",
        {
            "x": np.random.default_rng(2).standard_normal((3, 3, 8, 8)).astype(np.float32),
            "t": np.array([0, 17, 999], np.float32), "y": np.array([0, 4, 5]),
        },
        by_names,
    ),
}  # fmt: skip


def program_of(case: Case, folder: Path) -> Program:
    """The case's spec in `folder`, with the weights of its reference beside it."""
    path = Path(shutil.copy(ZOO / f"{case.spec}.mai", folder))
    checked = check(path, {name: str(value) for name, value in case.sets.items()})
    assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
    return checked.program


def published(state: dict[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """A state dict as files on the hub have it: transformers joins the matrices of experts when it loads them."""
    for name, tensor in state.items():
        block, joined, kind = name.partition(".mlp.experts.")
        names = {"gate_up_proj": ("w1", "w3"), "down_proj": ("w2",)}.get(kind, ())
        for number, matrix in enumerate(tensor if joined else ()):
            parts = zip(names, matrix.chunk(len(names)), strict=True)
            yield from ((f"{block}.block_sparse_moe.experts.{number}.{w}.weight", part) for w, part in parts)
        if not joined:
            yield name.replace(".mlp.gate.weight", ".block_sparse_moe.gate.weight"), tensor


def saved(model: Any, program: Program) -> None:
    """The state dict whole, tied tensors twice, under the name that the spec has for it."""
    assert program.loading is not None
    folder, name = Path(program.source.path).parent, program.loading.path
    state = {n: t.contiguous().clone() for n, t in published(model.state_dict())}
    if not name.endswith(".index.json"):
        save_file(state, folder / name)
        return
    shards: dict[str, dict[str, torch.Tensor]] = {"a.safetensors": {}, "b.safetensors": {}}
    for place, (tensor_name, tensor) in enumerate(state.items()):
        shards["ab"[place % 2] + ".safetensors"][tensor_name] = tensor
    for file, names in shards.items():
        save_file(names, folder / file)
    places = {n: file for file, names in shards.items() for n in names}
    (folder / name).write_text(json.dumps({"metadata": {}, "weight_map": places}))
