"""What makes a model's folder unusual and leaves it legal: other values of fields, fields that are left out, tensors kept otherwise."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

ACTIVATIONS = ["silu", "gelu", "gelu_new", "relu", "gelu_pytorch_tanh", "swish", "tanh", "quick_gelu", "relu2", "mish", "sigmoid"]  # fmt: skip
FIXED = {
    "transformers_version", "architectures", "id2label", "label2id", "dtype", "torch_dtype", "problem_type", "model_type", "vocab_size",
    "is_encoder_decoder", "use_cache", "output_hidden_states", "output_attentions", "return_dict", "chunk_size_feed_forward",
    "tokenizer_class", "keys_to_ignore_at_inference", "attribute_map", "sub_configs", "base_config_key", "name_or_path", "init_std",
    "rescale_prenorm_residual",  # Transformers divides weights that it has loaded by it, too.
}  # fmt: skip
QUIET = ("dropout", "drop", "initializer", "token_id", "base_model_", "_name_or_path")
Config = dict[str, Any]
WORDS = {"down_block_types": ["DownBlock2D", "AttnDownBlock2D", "CrossAttnDownBlock2D", "ResnetDownsampleBlock2D"],
         "up_block_types": ["UpBlock2D", "AttnUpBlock2D", "CrossAttnUpBlock2D", "ResnetUpsampleBlock2D"]}  # fmt: skip
CHOICES = {
    "mid_block_type": ["UNetMidBlock2D", "UNetMidBlock2DCrossAttn", "UNetMidBlock2DSimpleCrossAttn", None],
    "resnet_time_scale_shift": ["default", "scale_shift"],
    "time_embedding_type": ["positional", "fourier", "learned"],
    "downsample_type": ["conv", "resnet"],
    "upsample_type": ["conv", "resnet"],
    "norm_type": ["ada_norm_zero", "ada_norm_single", "layer_norm"],
    "beta_schedule": ["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"],
    "prediction_type": ["epsilon", "sample", "v_prediction"],
    "timestep_spacing": ["leading", "trailing", "linspace"],
    "variance_type": ["fixed_small", "fixed_large", "learned"],
    "algorithm_type": ["dpmsolver++", "dpmsolver", "sde-dpmsolver++"],
    "solver_type": ["midpoint", "heun"],
    "final_sigmas_type": ["zero", "sigma_min"],
}  # Words of diffusers.


def fields_of(config: Mapping[str, Any], annotated: Mapping[str, Any]) -> list[str]:
    """The names of fields that may decide what a model computes."""
    names = dict.fromkeys([*config, *annotated])
    lasts = {n: n.rpartition(".")[2] for n in names}
    return [n for n, last in lasts.items() if last not in FIXED and last[:1] != "_" and not any(q in n for q in QUIET)]


def other_value(name: str, old: Any, rng: random.Random) -> Any:
    """Another value of the same kind; whether it is legal the reference says."""
    if name in ("rope_parameters", "rope_scaling"):
        return _rope(rng)
    if isinstance(old, bool):
        return not old
    if name in CHOICES:
        return rng.choice(CHOICES[name])
    if name in WORDS and isinstance(old, (list, tuple)):
        return [rng.choice(WORDS[name]) if rng.random() < 0.5 else v for v in old]
    if isinstance(old, str):
        return rng.choice(ACTIVATIONS) if "act" in name else old
    if "_eps" in name:
        return rng.choice([1e-3, 1e-8, 1e-2])
    if isinstance(old, int):
        return rng.choice([max(old // 2, 1), old * 2, old + 1, 1, 0, 3])
    if isinstance(old, float):
        return rng.choice([0.3, 0.7, 1.5, 2.5, 0.0, 1.0])
    if isinstance(old, (list, tuple)) and old:
        return _other_list(list(old), rng)
    return rng.choice([True, 2, 5, 0.7, False]) if old is None else old


def odd_values(name: str, old: Any) -> list[Any]:
    """A few other values of the same kind, the same each time."""
    if isinstance(old, str):
        return [a for a in ("relu", "gelu_pytorch_tanh") if "act" in name and a != old]
    if isinstance(old, (list, tuple, dict)):
        return [_other_list(list(old), random.Random(1))] if old and not isinstance(old, dict) else []
    if isinstance(old, bool):
        return [not old]
    if old is None:
        return [True, 3, 0.7]
    if "_eps" in name:
        return [1e-2]
    return [v for v in ([old + 1, max(old // 2, 1), 0] if isinstance(old, int) else [0.3, 0.0, 2.5]) if v != old]


def _other_list(old: list[Any], rng: random.Random) -> list[Any]:
    if all(isinstance(v, str) for v in old):
        kinds = sorted({*old, "full_attention", "sliding_attention"}) if "_attention" in old[0] else sorted(set(old))
        return [rng.choice(kinds) for _ in old]
    return [
        rng.choice([v, v + 1 if isinstance(v, int) else 1.3 * v]) if isinstance(v, (int, float)) else v for v in old
    ]


def _rope(rng: random.Random) -> Config:
    kind = rng.choice(["default", "linear", "llama3", "yarn", "dynamic", "longrope", "proportional"])
    rope: Config = {"rope_type": kind, "rope_theta": rng.choice([100.0, 5000.0, 10000.0, 1e6])}
    if kind != "default":
        rope["factor"] = rng.choice([1.0, 2.0, 4.0])
    if kind == "llama3":
        rope |= {"low_freq_factor": rng.choice([1.0, 0.5]), "high_freq_factor": rng.choice([4.0, 3.0])}
    if kind in ("llama3", "yarn"):
        rope["original_max_position_embeddings"] = rng.choice([16, 32])
    more = {
        "beta_fast": 16.0,
        "beta_slow": 2.0,
        "attention_factor": 1.3,
        "mscale": 0.7,
        "mscale_all_dim": 0.4,
        "truncate": False,
    }
    if kind == "yarn":
        rope |= {name: value for name, value in more.items() if rng.random() < 0.35}
    return rope | ({"partial_rotary_factor": rng.choice([0.5, 0.25, 1.0])} if rng.random() < 0.3 else {})


# ---------------------------------------------------------------------- files


def leave_out(folder: Path, rng: random.Random) -> str:
    """Fields that an older version did not write."""
    config = read_config(folder)
    small = [n for n in fields_of(config, {}) if not _is_grown(config, n)]
    names = rng.sample(small, min(3, len(small)))
    write_config(folder, {n: v for n, v in config.items() if n not in names})
    return f"without {', '.join(names)}"


def _is_grown(config: Config, name: str) -> bool:
    """Whether a number's default is that of a large model, which would not fit into memory; lists and configs inside have such numbers."""
    import transformers

    value, default = config[name], getattr(transformers.CONFIG_MAPPING[config["model_type"]](), name, None)
    if (isinstance(value, dict) and name.endswith("_config")) or (isinstance(value, list) and value != default):
        return True
    return isinstance(value, int) and isinstance(default, int) and default > 8 * max(value, 8)


def old_positions(folder: Path, rng: random.Random) -> str:
    """Rotary positions as configs had them before transformers 5: a base beside a table of how they are stretched."""
    config = read_config(folder)
    table = config.pop("rope_parameters", None)
    if not isinstance(table, dict) or "rope_type" not in table:
        return ""
    theta, kind = table.pop("rope_theta", 10000.0), table.pop("rope_type")
    config["rope_theta"] = theta
    config["rope_scaling"] = None if kind == "default" else {rng.choice(["type", "rope_type"]): kind, **table}
    write_config(folder, config)
    return "positions as they were written before"


def half_precision(folder: Path, rng: random.Random) -> str:
    kind = rng.choice([torch.bfloat16, torch.float16])
    _rewrite(folder, lambda tensors: {n: t.to(kind) if t.is_floating_point() else t for n, t in tensors.items()})
    return str(kind)


def several_files(folder: Path, rng: random.Random) -> str:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    count = min(3, len(tensors))
    names = [f"model-{i + 1:05}-of-{count:05}.safetensors" for i in range(count)]
    places = {name: rng.choice(names) for name in tensors}
    for file in names:
        save_file({n: t for n, t in tensors.items() if places[n] == file}, folder / file, {"format": "pt"})
    path.unlink()
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return "several files"


def other_prefix(folder: Path, rng: random.Random) -> str:
    """Names without the first module's, or behind one: as a base model's tensors are saved."""
    tensors = load_file(folder / "model.safetensors")
    first = {n.split(".")[0] for n in tensors}
    inner = next(
        (p for p in ("model", "transformer", "backbone", "bert", "roberta", "vit", "encoder") if p in first), None
    )
    if inner is None:
        return ""
    _rewrite(folder, lambda tensors: {n.removeprefix(f"{inner}."): t for n, t in tensors.items()})
    return f"names without {inner}."


def more_tensors(folder: Path, rng: random.Random) -> str:
    name = rng.choice(
        ["extra.weight", "lm_head.bias", "model.layers.9.self_attn.q_proj.weight", "score.bias", "classifier.bias2"]
    )
    _rewrite(folder, lambda tensors: tensors | {name: torch.ones(3)})
    return f"also {name}"


def _rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    path = folder / "model.safetensors"
    save_file({n: t.contiguous() for n, t in change(load_file(path)).items()}, path, {"format": "pt"})


def read_config(folder: Path) -> Config:
    config: Config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return config


def write_config(folder: Path, config: Config) -> None:
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


FILES: list[Callable[[Path, random.Random], str]] = [
    leave_out, leave_out, old_positions, half_precision, several_files, other_prefix, more_tensors,
]  # fmt: skip
