"""ACT in plain torch, by its paper (Zhao et al. 2023), with LeRobot's names, and its folder as LeRobot writes it.

LeRobot needs much that the tests have not. By hand this was compared with lerobot 0.4.4.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

SMALL: dict[str, Any] = {
    "type": "act", "n_obs_steps": 1, "chunk_size": 6, "n_action_steps": 6, "vision_backbone": "resnet18", "pre_norm": False,
    "dim_model": 32, "n_heads": 4, "dim_feedforward": 48, "feedforward_activation": "relu", "n_encoder_layers": 2, "n_decoder_layers": 1,
    "use_vae": True, "latent_dim": 5, "n_vae_encoder_layers": 1, "dropout": 0.1, "kl_weight": 10.0, "temporal_ensemble_coeff": None,
    "input_features": {
        "observation.state": {"type": "STATE", "shape": [7]},
        "observation.images.top": {"type": "VISUAL", "shape": [3, 64, 96]},
        "observation.images.wrist": {"type": "VISUAL", "shape": [3, 64, 96]},
    },
    "output_features": {"action": {"type": "ACTION", "shape": [4]}},
    "normalization_mapping": {"VISUAL": "MEAN_STD", "STATE": "MEAN_STD", "ACTION": "MEAN_STD"},
    "device": "cpu", "optimizer_lr": 1e-5, "replace_final_stride_with_dilation": False,
    "pretrained_backbone_weights": "ResNet18_Weights.IMAGENET1K_V1",
}  # fmt: skip
ENVIRONMENT: dict[str, Any] = {
    **SMALL, "pre_norm": True, "n_decoder_layers": 2, "feedforward_activation": "gelu",
    "input_features": {"observation.environment_state": {"type": "ENV", "shape": [5]}, "observation.state": {"type": "STATE", "shape": [7]}},
    "normalization_mapping": {"ENV": "MIN_MAX", "STATE": "IDENTITY", "ACTION": "MIN_MAX"},
}  # fmt: skip
PARTS = {"MEAN_STD": ("mean", "std"), "MIN_MAX": ("min", "max"), "IDENTITY": ()}


class Frozen(nn.Module):
    """A batch norm that does not move, without a count of its batches."""

    def __init__(self, k: int) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.rand(k) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)  # type: ignore[arg-type]


class Block(nn.Module):
    def __init__(self, k: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(k, out, 3, stride, 1, bias=False), Frozen(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), Frozen(out)
        is_same = k == out and stride == 1
        self.downsample = None if is_same else nn.Sequential(nn.Conv2d(k, out, 1, stride, bias=False), Frozen(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Backbone(nn.Module):
    """ResNet-18 without its head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), Frozen(64)
        for s, (k, out) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], 1):
            setattr(self, f"layer{s}", nn.Sequential(Block(k, out, 1 if s == 1 else 2), Block(out, out, 1)))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))  # type: ignore[no-any-return, operator]


class Layer(nn.Module):
    """One of the encoder, or of the decoder, which also looks at what the encoder leaves."""

    def __init__(self, config: Mapping[str, Any], is_decoder: bool) -> None:
        super().__init__()
        d, hidden = config["dim_model"], config["dim_feedforward"]
        self.self_attn = nn.MultiheadAttention(d, config["n_heads"], batch_first=True)
        self.linear1, self.linear2 = nn.Linear(d, hidden), nn.Linear(hidden, d)
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        if is_decoder:
            self.multihead_attn, self.norm3 = (
                nn.MultiheadAttention(d, config["n_heads"], batch_first=True),
                nn.LayerNorm(d),
            )
        self.is_decoder, self.first = is_decoder, config["pre_norm"]
        self.act = getattr(functional, config["feedforward_activation"])

    def forward(self, x: Tensor, at: Tensor, y: Tensor | None = None, of: Tensor | None = None) -> Tensor:
        steps = [lambda z: self.self_attn(z + at, z + at, z)[0]]
        steps += [lambda z: self.multihead_attn(z + at, y + of, y)[0]] * self.is_decoder
        steps += [lambda z: self.linear2(self.act(self.linear1(z)))]
        for step, norm in zip(steps, [self.norm1, self.norm2, *([self.norm3] if self.is_decoder else [])], strict=True):
            x = x + step(norm(x)) if self.first else norm(x + step(x))
        return x


class Stack(nn.Module):
    def __init__(self, layers: list[Layer], norm: nn.Module) -> None:
        super().__init__()
        self.layers, self.norm = nn.ModuleList(layers), norm


class Act(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        d, features = config["dim_model"], config["input_features"]
        width = {key: said["shape"][0] for key, said in features.items()}
        self.config, self.cameras = config, [key for key in features if ".images." in key]
        self.encoder_latent_input_proj = nn.Linear(config["latent_dim"], d)
        if "observation.state" in features:
            self.encoder_robot_state_input_proj = nn.Linear(width["observation.state"], d)
        if "observation.environment_state" in features:
            self.encoder_env_state_input_proj = nn.Linear(width["observation.environment_state"], d)
        if self.cameras:
            self.backbone, self.encoder_img_feat_input_proj = Backbone(), nn.Conv2d(512, d, 1)
        self.encoder_1d_feature_pos_embed = nn.Embedding(1 + len(features) - len(self.cameras), d)
        last = nn.LayerNorm(d) if config["pre_norm"] else nn.Identity()
        self.encoder = Stack([Layer(config, False) for _ in range(config["n_encoder_layers"])], last)
        self.decoder = Stack([Layer(config, True) for _ in range(config["n_decoder_layers"])], nn.LayerNorm(d))
        self.decoder_pos_embed = nn.Embedding(config["chunk_size"], d)
        self.action_head = nn.Linear(d, config["output_features"]["action"]["shape"][0])

    def forward(self, seen: Mapping[str, Tensor]) -> Tensor:
        """The chunk of actions after normalised observations."""
        count = len(next(iter(seen.values())))
        tokens = [self.encoder_latent_input_proj(torch.zeros(count, self.config["latent_dim"]))]
        for key, name in (("observation.state", "robot_state"), ("observation.environment_state", "env_state")):
            if key in seen:
                tokens.append(getattr(self, f"encoder_{name}_input_proj")(seen[key]))
        h, at = torch.stack(tokens, 1), self.encoder_1d_feature_pos_embed.weight
        for key in self.cameras:
            shown = self.encoder_img_feat_input_proj(self.backbone(seen[key]))
            at = torch.cat([at, places(*shown.shape[-2:], self.config["dim_model"])])
            h = torch.cat([h, shown.flatten(2).mT], 1)
        for layer in self.encoder.layers:
            h = layer(h, at)
        h, y = self.encoder.norm(h), torch.zeros(count, self.config["chunk_size"], self.config["dim_model"])
        for layer in self.decoder.layers:
            y = layer(y, self.decoder_pos_embed.weight, h, at)
        return self.action_head(self.decoder.norm(y))  # type: ignore[no-any-return]


def places(rows: int, columns: int, d: int) -> Tensor:
    """Half of a vector for the row, half for the column: sines and cosines in turns."""

    def waves(n: int) -> Tensor:
        angle = 2 * math.pi * torch.arange(1, n + 1) / (n + 1e-6)
        turns = angle[:, None] / 10000 ** (torch.arange(d // 4) * 2 / (d // 2))
        return torch.stack([turns.sin(), turns.cos()], -1).flatten(1)

    grid = torch.cat([waves(rows)[:, None].expand(-1, columns, -1), waves(columns)[None].expand(rows, -1, -1)], -1)
    return grid.flatten(0, 1)


def make(config: Mapping[str, Any], kind: Callable[[Mapping[str, Any]], Any] = Act) -> tuple[Any, dict[str, Tensor]]:
    """A policy with random weights, and statistics of its examples."""
    torch.manual_seed(0)
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    statistics = {}
    for key, said in (config["input_features"] | config["output_features"]).items():
        shape = (3, 1, 1) if said["type"] == "VISUAL" else said["shape"]
        low = torch.randn(shape)
        parts = {"mean": low, "std": torch.rand(shape) + 0.5, "min": low - 0.1, "max": low + torch.rand(shape) + 0.5}
        statistics |= {f"{key}.{part}": value for part, value in parts.items()}
    return model, statistics


def act(model: Any, statistics: Mapping[str, Tensor], seen: Mapping[str, Tensor], *noise: Tensor) -> Tensor:
    """The actions as a robot takes them, of what it observes."""
    modes, features = model.config["normalization_mapping"], model.config["input_features"]
    normal = {key: _normalised(x, key, modes.get(features[key]["type"]), statistics) for key, x in seen.items()}
    with torch.inference_mode():
        y, mode = model(normal, *noise), modes["ACTION"]
    if mode == "MEAN_STD":
        return y * statistics["action.std"] + statistics["action.mean"]
    low, high = statistics["action.min"], statistics["action.max"]
    return (y + 1) / 2 * (high - low) + low


def _normalised(x: Tensor, key: str, mode: str | None, statistics: Mapping[str, Tensor]) -> Tensor:
    if mode == "MEAN_STD":
        return (x - statistics[f"{key}.mean"]) / (statistics[f"{key}.std"] + 1e-8)
    if mode == "MIN_MAX":
        low, high = statistics[f"{key}.min"], statistics[f"{key}.max"]
        return 2 * (x - low) / (high - low) - 1
    return x


def save(folder: Path, model: Any, statistics: Mapping[str, Tensor], is_old: bool = False, name: str = "model") -> None:
    """A folder as LeRobot 0.4 writes it, its statistics in files beside the policy; before, they were tensors of it."""
    config = dict(model.config)
    (folder / "config.json").write_text(json.dumps(config))
    tensors = {f"{name}.{key}": tensor for key, tensor in model.state_dict().items()}
    if name == "model":
        tensors["model.vae_encoder_cls_embed.weight"] = torch.ones(1, 3)
    if is_old:
        for statistic, value in statistics.items():
            key, _, part = statistic.rpartition(".")
            kind = (config["input_features"] | config["output_features"])[key]["type"]
            buffer = f"buffer_{key.replace('.', '_')}.{part}"
            places = ("normalize_targets", "unnormalize_outputs") if key == "action" else ("normalize_inputs",)
            if part in PARTS[config["normalization_mapping"].get(kind, "IDENTITY")]:
                tensors |= {f"{place}.{buffer}": value.clone() for place in places}
    else:
        features = config["input_features"] | config["output_features"]
        for place, kind in (("pre", "normalizer"), ("post", "unnormalizer")):
            file = f"policy_{place}processor_step_0_{kind}_processor.safetensors"
            step = {"registry_name": f"{kind}_processor", "state_file": file,
                    "config": {"eps": 1e-8, "features": features, "norm_map": config["normalization_mapping"]}}  # fmt: skip
            still = {"registry_name": "device_processor", "config": {"device": "cpu"}}
            (folder / f"policy_{place}processor.json").write_text(json.dumps({"name": "x", "steps": [still, step]}))
            save_file(dict(statistics) | {"timestamp.mean": torch.ones(1)}, folder / file)
    save_file(tensors, folder / "model.safetensors")
