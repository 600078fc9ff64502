"""Folders of small models with random weights, as `save_pretrained` leaves them, one for each family that `mai import` knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.zoo import shaken

VOCAB, WIDTH = 97, 32
TEXT = {
    "vocab_size": VOCAB, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 48, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0, "max_position_embeddings": 64,
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A model of transformers: its classes, and the settings of a small one."""

    model: str
    config: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Any:
        """The model, with random weights; its attention is the plain one."""
        library = pytest.importorskip("transformers", reason="transformers is not installed")
        torch.manual_seed(0)
        settings = {"initializer_range": 0.3, **self.settings}
        config = getattr(library, self.config)(**settings, attn_implementation="eager")
        return shaken(getattr(library, self.model)(config))


LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 5000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
GPT2 = {"vocab_size": VOCAB, "n_embd": WIDTH, "n_layer": 2, "n_head": 4, "n_positions": 64, "eos_token_id": 1}
DECODERS = {
    "gpt2": Model("GPT2LMHeadModel", "GPT2Config", GPT2),
    "gpt2, relu": Model("GPT2LMHeadModel", "GPT2Config",
                        {**GPT2, "activation_function": "relu", "n_inner": 40, "layer_norm_epsilon": 1e-3}),
    "llama": Model("LlamaForCausalLM", "LlamaConfig", TEXT),
    "llama, stretched": Model("LlamaForCausalLM", "LlamaConfig", {**TEXT, "rope_parameters": LLAMA3, "tie_word_embeddings": True}),
    "llama, evenly stretched": Model("LlamaForCausalLM", "LlamaConfig", {
        **TEXT, "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}, "attention_bias": True,
        "mlp_bias": True, "head_dim": 12, "num_key_value_heads": 4, "hidden_act": "gelu"}),
}  # fmt: skip


def save(model: Any, folder: Path, shard: str = "5GB", **changes: object) -> None:
    """Write a model's folder; `changes` are fields of its config."""
    model.save_pretrained(folder, max_shard_size=shard)
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
