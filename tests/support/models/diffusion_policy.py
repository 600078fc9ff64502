"""LeRobot's diffusion policy in plain torch, by its paper (Chi et al. 2023), with LeRobot's names.

By hand this was compared with lerobot 0.4.4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

SMALL: dict[str, Any] = {
    "type": "diffusion", "n_obs_steps": 2, "horizon": 8, "n_action_steps": 4, "drop_n_last_frames": 3, "vision_backbone": "resnet18",
    "crop_shape": [64, 64], "crop_is_random": True, "pretrained_backbone_weights": None, "use_group_norm": True,
    "spatial_softmax_num_keypoints": 6, "use_separate_rgb_encoder_per_camera": False, "down_dims": [16, 24, 32], "kernel_size": 5,
    "n_groups": 8, "diffusion_step_embed_dim": 12, "use_film_scale_modulation": True, "noise_scheduler_type": "DDIM",
    "num_train_timesteps": 100, "beta_schedule": "squaredcos_cap_v2", "beta_start": 0.0001, "beta_end": 0.02, "prediction_type": "epsilon",
    "clip_sample": True, "clip_sample_range": 1.0, "num_inference_steps": 10, "do_mask_loss_for_padding": False, "optimizer_lr": 1e-4,
    "scheduler_name": "cosine",
    "input_features": {
        "observation.image": {"type": "VISUAL", "shape": [3, 84, 70]},
        "observation.state": {"type": "STATE", "shape": [3]},
    },
    "output_features": {"action": {"type": "ACTION", "shape": [4]}},
    "normalization_mapping": {"VISUAL": "MEAN_STD", "STATE": "MIN_MAX", "ACTION": "MIN_MAX"},
}  # fmt: skip
ENVIRONMENT: dict[str, Any] = {
    **SMALL, "crop_shape": None, "use_film_scale_modulation": False, "prediction_type": "sample", "beta_schedule": "linear",
    "input_features": {"observation.environment_state": {"type": "ENV", "shape": [5]}, "observation.state": {"type": "STATE", "shape": [3]}},
    "normalization_mapping": {"STATE": "MEAN_STD", "ACTION": "MEAN_STD"},
}  # fmt: skip


BATCHES: dict[str, Any] = {
    **SMALL,
    "use_group_norm": False,
    "crop_shape": [61, 64],
    "kernel_size": 3,
}  # 23 rows are cut off.


def normed(n: int, config: Mapping[str, Any]) -> nn.Module:
    """Over groups, or by random statistics of batches."""
    if config["use_group_norm"]:
        return nn.GroupNorm(n // 16, n)
    norm = nn.BatchNorm2d(n)
    nn.init.uniform_(norm.running_mean, -0.2, 0.2)  # type: ignore[arg-type]
    nn.init.uniform_(norm.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return norm


class Block(nn.Module):
    def __init__(self, k: int, out: int, stride: int, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(k, out, 3, stride, 1, bias=False), normed(out, config)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), normed(out, config)
        narrow = nn.Conv2d(k, out, 1, stride, bias=False)
        self.downsample = nn.Sequential(narrow, normed(out, config)) if k != out or stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class Pool(nn.Module):
    """The place of each keypoint, x and y from -1 to 1."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.nets = nn.Conv2d(512, count, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.nets(x)
        share = x.flatten(2).softmax(-1).view(x.shape)
        across, down = torch.linspace(-1, 1, x.shape[-1]), torch.linspace(-1, 1, x.shape[-2])[:, None]
        return torch.stack([(share * across).sum((-2, -1)), (share * down).sum((-2, -1))], -1).flatten(1)


class Encoder(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), normed(64, config), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        widths = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
        self.backbone = nn.Sequential(
            *stem, *(nn.Sequential(Block(k, n, s, config), Block(n, n, 1, config)) for k, n, s in widths)
        )
        count = config["spatial_softmax_num_keypoints"]
        self.pool, self.out, self.crop = Pool(count), nn.Linear(2 * count, 2 * count), config["crop_shape"]

    def forward(self, x: Tensor) -> Tensor:
        (h, w), (rows, columns) = x.shape[-2:], self.crop
        top, left = round((h - rows) / 2), round((w - columns) / 2)
        return torch.relu(self.out(self.pool(self.backbone(x[..., top : top + rows, left : left + columns]))))


class Piece(nn.Module):
    def __init__(self, k: int, out: int, config: Mapping[str, Any]) -> None:
        super().__init__()
        size = config["kernel_size"]
        self.block = nn.Sequential(
            nn.Conv1d(k, out, size, padding=size // 2), nn.GroupNorm(config["n_groups"], out), nn.Mish()
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)  # type: ignore[no-any-return]


class Part(nn.Module):
    def __init__(self, k: int, out: int, condition: int, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.conv1, self.conv2 = Piece(k, out, config), Piece(out, out, config)
        self.scaled = config["use_film_scale_modulation"]
        self.cond_encoder = nn.Sequential(nn.Mish(), nn.Linear(condition, out * (1 + self.scaled)))
        self.residual_conv = nn.Conv1d(k, out, 1) if k != out else nn.Identity()

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        scale_and_shift, y = self.cond_encoder(g)[..., None], self.conv1(x)
        scale, shift = scale_and_shift.chunk(2, 1) if self.scaled else (torch.ones(()), scale_and_shift)
        return self.conv2(scale * y + shift) + self.residual_conv(x)


class Unet(nn.Module):
    def __init__(self, config: Mapping[str, Any], seen: int) -> None:
        super().__init__()
        d, n, dims = (
            config["diffusion_step_embed_dim"],
            config["output_features"]["action"]["shape"][0],
            config["down_dims"],
        )
        self.d, pairs = d, list(zip([n, *dims[:-1]], dims, strict=True))
        self.diffusion_step_encoder = nn.Sequential(nn.Identity(), nn.Linear(d, 4 * d), nn.Mish(), nn.Linear(4 * d, d))

        def two(k: int, out: int) -> list[nn.Module]:
            return [Part(k, out, d + seen, config), Part(out, out, d + seen, config)]

        self.down_modules = nn.ModuleList(
            nn.ModuleList([*two(k, out), nn.Conv1d(out, out, 3, 2, 1) if i + 1 < len(dims) else nn.Identity()])
            for i, (k, out) in enumerate(pairs)
        )
        self.mid_modules = nn.ModuleList(two(dims[-1], dims[-1]))
        self.up_modules = nn.ModuleList(
            nn.ModuleList([*two(2 * out, k), nn.ConvTranspose1d(k, k, 4, 2, 1)]) for k, out in reversed(pairs[1:])
        )
        self.final_conv = nn.Sequential(Piece(dims[0], dims[0], config), nn.Conv1d(dims[0], n, 1))

    def forward(self, x: Tensor, t: Tensor, seen: Tensor) -> Tensor:
        half = self.d // 2
        angle = t[:, None] * torch.exp(-math.log(10000) / (half - 1) * torch.arange(half))
        g = torch.cat([self.diffusion_step_encoder(torch.cat([angle.sin(), angle.cos()], -1)), seen], -1)
        h, kept = x.mT, []
        for one, two, down in self.down_modules:  # type: ignore[misc]
            kept.append(two(one(h, g), g))
            h = down(kept[-1])
        for part in self.mid_modules:
            h = part(h, g)
        for one, two, up in self.up_modules:  # type: ignore[misc]
            h = up(two(one(torch.cat([h, kept.pop()], 1), g), g))
        return self.final_conv(h).mT  # type: ignore[no-any-return]


class Diffusion(nn.Module):
    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.config, features = config, config["input_features"]
        self.cameras = [key for key in features if ".image" in key]
        self.numbers = [key for key in ("observation.state", "observation.environment_state") if key in features]
        seen = sum(features[key]["shape"][0] for key in self.numbers)
        if self.cameras:
            self.rgb_encoder = Encoder(config)
            seen += 2 * config["spatial_softmax_num_keypoints"] * len(self.cameras)
        self.unet = Unet(config, seen * config["n_obs_steps"])

    def condition(self, seen: Mapping[str, Tensor]) -> Tensor:
        parts = [seen["observation.state"]]
        for key in self.cameras:
            parts.append(self.rgb_encoder(seen[key].flatten(0, 1)).unflatten(0, seen[key].shape[:2]))
        parts += [seen[key] for key in self.numbers[1:]]
        return torch.cat(parts, -1).flatten(1)

    def forward(self, seen: Mapping[str, Tensor], noise: Tensor) -> Tensor:
        """DDIM's steps from noise (Song et al. 2021), by diffusers."""
        import diffusers

        names = (
            "num_train_timesteps",
            "beta_start",
            "beta_end",
            "beta_schedule",
            "clip_sample",
            "clip_sample_range",
            "prediction_type",
        )
        schedule = diffusers.DDIMScheduler(**{name: self.config[name] for name in names})
        schedule.set_timesteps(self.config["num_inference_steps"])
        x, y = noise, self.condition(seen)
        for t in schedule.timesteps:
            x = schedule.step(self.unet(x, t.expand(len(x)), y), t, x).prev_sample
        start = self.config["n_obs_steps"] - 1
        return x[:, start : start + self.config["n_action_steps"]]
