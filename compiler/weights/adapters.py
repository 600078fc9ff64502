"""Adapters as peft writes them: few numbers that change the tensors of a base model, added to those as they are read.

Hu et al. 2021 (LoRA, equation 3), Kalajdzievski 2023 (rank-stabilised scaling), Liu et al. 2024 (DoRA, equation 5).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod, sqrt
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from mai.compiler.weights.readable import Readable
from mai.runtime.files import read_text, reason

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"
MAX_BYTES = 10_000_000
PREFIX = "base_model.model."
PART = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B|lora_magnitude_vector)(\.weight)?"
)
BIAS = re.compile(r"(?P<module>.+)\.lora_B\.bias")
WRAPPERS = re.compile(r"\.(modules_to_save|original_module|base_layer)(?=\.)")
PLAIN = re.compile(r"\^?[\w.-]+")  # A pattern of modules that is a name, whole or its end.
# Ways to begin that leave the base model as it is; others change its tensors, too.
BEGINNINGS: tuple[object, ...] = (True, False, "gaussian", "orthogonal", "eva")
# What says how an adapter was trained, or which tensors it has, which the tensors themselves say.
NOTHING = frozenset({
    "peft_type", "base_model_name_or_path", "task_type", "r", "lora_alpha", "alpha_pattern", "rank_pattern", "use_rslora", "use_dora",
    "fan_in_fan_out", "init_lora_weights", "auto_mapping", "bias", "inference_mode", "lora_dropout", "lora_bias", "target_modules", "modules_to_save",
    "exclude_modules", "layers_to_transform", "layers_pattern", "peft_version", "revision", "megatron_core", "qalora_group_size",
    "runtime_config", "eva_config",
})  # fmt: skip


class AdapterConfig(BaseModel):
    """What an `adapter_config.json` says.

    Attributes:
        alpha_pattern: other values of `lora_alpha` for some modules, by their names or the ends of these.
        fan_in_fan_out: whether matrices of the base model are transposed, as those of GPT-2 are.
    """

    model_config = ConfigDict(extra="allow")

    peft_type: str
    base_model_name_or_path: str | None = None
    task_type: str | None = None
    auto_mapping: dict[str, str | None] | None = None
    lora_alpha: float = 8
    alpha_pattern: dict[str, float] = {}
    use_rslora: bool = False
    use_dora: bool = False
    fan_in_fan_out: bool = False
    init_lora_weights: bool | str = True

    def scale(self, module: str, rank: int) -> float:
        """By what the product of a module's two matrices is multiplied."""
        alpha = next((a for n, a in self.alpha_pattern.items() if _is_called(module, n)), self.lora_alpha)
        return alpha / (sqrt(rank) if self.use_rslora else rank)

    def unknown(self) -> Iterator[str]:
        """The fields that are not understood, with what they say."""
        if self.peft_type != "LORA":
            yield f"`peft_type` is {self.peft_type!r}; known here: 'LORA'"
            return
        if self.init_lora_weights not in BEGINNINGS:
            yield f"`init_lora_weights` is {self.init_lora_weights!r}, which changes the base model, too"
        for name in self.alpha_pattern:
            if not PLAIN.fullmatch(name):
                yield f"`alpha_pattern` has {name!r}, which is no plain name of modules"
        for name, value in (self.model_extra or {}).items():
            if name not in NOTHING and value not in (None, False, [], {}):
                yield f"`{name}` is {json.dumps(value)[:60]}, and nothing is known of it"


def _is_called(module: str, name: str) -> bool:
    """Whether a module has a name, or ends with it; `^` begins one that is whole."""
    if name.startswith("^"):
        return module == name[1:]
    return module == name or module.endswith(f".{name}")


def read_adapter(path: Path) -> AdapterConfig:
    """The settings in a file.

    Raises:
        ValueError: it cannot be read, or says what is not understood.
    """
    try:
        config = AdapterConfig.model_validate_json(read_text(path, MAX_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"`{'.'.join(map(str, first['loc']))}`: {first['msg']}") from error
    except OSError as error:
        raise ValueError(f"it cannot be read: {reason(error)}") from error
    unknown = list(config.unknown())
    if unknown:
        raise ValueError("; ".join(unknown))
    return config


def base_places(path: Path, config: AdapterConfig) -> list[Path]:
    """Where the folder of an adapter's base model may be: its own, the one that it names, one of that name in it or beside it."""
    folder = path.absolute().parent
    said = Path(config.base_model_name_or_path or folder.name)
    return [
        folder,
        *([said] if said.is_absolute() else []),
        *(f / s for s in (said, said.name) for f in (folder, folder.parent)),
    ]


@dataclass(frozen=True, slots=True)
class Adapted:
    """A tensor of the base model with what an adapter adds to it.

    Attributes:
        a, b: the two matrices, of shapes [rank, in] and [out, rank]; of convolutions, with the places of the kernel.
        magnitude: the length of each row of the sum (DoRA); None where lengths are what they come to.
        is_turned: whether rows of the base are inputs: of embeddings, and where `fan_in_fan_out` says so.
    """

    base: Readable
    a: Readable
    b: Readable
    magnitude: Readable | None
    scale: float
    is_turned: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the base's tensor."""
        return self.base.shape

    def fits(self) -> bool:
        """Whether the shapes of all its parts agree."""
        out, rest = self.shape[0], prod(self.shape[1:])
        rows, columns = (rest, out) if self.is_turned else (out, rest)
        b, a = self.b.shape, self.a.shape
        agree = len(a) > 1 and len(b) > 1 and b[0] == rows and prod(b[1:]) == a[0] and prod(a[1:]) == columns
        return agree and (not self.is_turned or len(self.shape) == 2) and self._has_lengths(rows)

    def _has_lengths(self, rows: int) -> bool:
        return self.magnitude is None or prod(self.magnitude.shape) == rows

    def read(self) -> torch.Tensor:
        """The sum, in float32: W + scale B A, its rows of the lengths that the adapter says."""
        base = self.base.read().float()
        rows = (base.T if self.is_turned else base).flatten(1)
        rows = rows + self.scale * (self.b.read().float().flatten(1) @ self.a.read().float().flatten(1))
        if self.magnitude is not None:
            rows = rows * (self.magnitude.read().float().flatten() / rows.norm(dim=1))[:, None]
        return rows.T if self.is_turned else rows.reshape(base.shape)


@dataclass(frozen=True, slots=True)
class AddedBias:
    """A bias of the base model with that of an adapter's second matrix, b + scale b_B."""

    base: Readable
    more: Readable
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the base's tensor."""
        return self.base.shape

    def read(self) -> torch.Tensor:
        """The sum, in float32."""
        return self.base.read().float() + self.scale * self.more.read().float()


def adapted(
    config: AdapterConfig, base: Mapping[str, Readable], adapter: Mapping[str, Readable]
) -> dict[str, Readable]:
    """The tensors of a base model as an adapter changes them; those that it leaves are not among them.

    Raises:
        ValueError: the adapter speaks of what the base model has not, or in other shapes.
    """
    changes: dict[str, dict[str, Readable]] = {}
    biases: dict[str, Readable] = {}
    whole: dict[str, Readable] = {}
    for name, tensor in adapter.items():
        short = WRAPPERS.sub("", name.removeprefix(PREFIX))
        part = PART.fullmatch(short)
        if part is not None:
            changes.setdefault(part["module"], {})[part["part"]] = tensor
        elif bias := BIAS.fullmatch(short):
            biases[bias["module"]] = tensor
        elif "lora_" in short:
            raise ValueError(f"`{name}` is of a kind that is not known")
        else:
            whole[_name_in(base, short) or short] = tensor
    for name in whole.keys() & base.keys():
        if whole[name].shape != base[name].shape:
            raise ValueError(f"`{name}` is {list(whole[name].shape)}, and {list(base[name].shape)} in the base model")
    before = {**base, **whole}
    return whole | dict(_sums(config, before, changes)) | dict(_biases(config, before, changes, biases))


def _sums(
    config: AdapterConfig, base: Mapping[str, Readable], changes: Mapping[str, Mapping[str, Readable]]
) -> Iterator[tuple[str, Adapted]]:
    """The sums of the base's tensors and what an adapter has for their modules."""
    for module, parts in changes.items():
        name = _name_in(base, f"{module}.weight")
        if name is None:
            raise ValueError(f"it changes `{module}.weight`, which the base model lacks")
        is_embedding = "lora_embedding_A" in parts
        a, b = (parts.get(f"lora_embedding_{x}" if is_embedding else f"lora_{x}") for x in "AB")
        magnitude = parts.get("lora_magnitude_vector")
        if a is None or b is None or config.use_dora != (magnitude is not None):
            raise ValueError(f"a part of what it adds to `{module}` is not there, or too much")
        is_turned = is_embedding or (config.fan_in_fan_out and len(base[name].shape) == 2)
        rank = a.shape[0] if a.shape else 0
        total = Adapted(base[name], a, b, magnitude, config.scale(module, max(rank, 1)), is_turned)
        if not total.fits():
            raise ValueError(
                f"what it adds to `{name}` {list(base[name].shape)} is of {list(b.shape)} and {list(a.shape)}"
            )
        yield name, total


def _biases(
    config: AdapterConfig,
    base: Mapping[str, Readable],
    changes: Mapping[str, Mapping[str, Readable]],
    biases: Mapping[str, Readable],
) -> Iterator[tuple[str, AddedBias]]:
    """The sums of the base's biases and those that an adapter's matrices have (`lora_bias`)."""
    for module, more in biases.items():
        name, a = _name_in(base, f"{module}.bias"), changes.get(module, {}).get("lora_A")
        if name is None:
            raise ValueError(f"it changes `{module}.bias`, which the base model lacks")
        if a is None or not a.shape or config.use_dora:
            raise ValueError(f"a part of what it adds to `{module}` is not there, or too much")
        if more.shape != base[name].shape:
            raise ValueError(f"what it adds to `{name}` {list(base[name].shape)} is of {list(more.shape)}")
        yield name, AddedBias(base[name], more, config.scale(module, max(a.shape[0], 1)))


def _name_in(base: Mapping[str, Readable], name: str) -> str | None:
    """What a tensor is called in the base model's file, which may be of the net alone, or of one with a head.

    Versions of transformers call the net of texts in a model that sees `language_model.model.` or `model.language_model.`.
    """
    if name in base:
        return name
    alike = [n for n in base if name.endswith(f".{n}") or n.endswith(f".{name}")]
    alike = alike or [n for n in base if _without_nets(n) == _without_nets(name)]
    return alike[0] if len(alike) == 1 else None


def _without_nets(name: str) -> list[str]:
    """The parts of a name without those that say which net it is of, that of texts or the whole."""
    return [part for part in name.split(".") if part not in ("model", "language_model")]
