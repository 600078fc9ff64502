"""What other libraries pack, by the names that configs give them: read as what the numbers stand for, in float32.

What is said of products besides, as FP8 for what a product reads, is of those that are faster on some cards: here products are of plain numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mai.compiler.weights.packed.codes import join_awq, join_gptq, join_words
from mai.compiler.weights.packed.parts import Packed, Parts, Said
from mai.compiler.weights.packed.scales import scaled
from mai.compiler.weights.packed.tables import STATES, join_mxfp4, join_rows, join_table
from mai.compiler.weights.readable import Readable
from mai.runtime.files import read_text

MAX_BYTES = 20_000_000
BESIDE = (".input_scale", ".activation_scale", ".output_scale")  # Of what products read and give, not of the tensor.


@dataclass(frozen=True, slots=True)
class Form:
    """A way to keep a tensor in parts.

    Attributes:
        mark: the end of the name of a part that no whole tensor has.
        others: the ends of the names of its other parts, of which some may lack.
        whole: the end of the tensor's name.
        join: the tensor of its parts; it raises `KeyError` for one that lacks, `ValueError` for what is not known.
    """

    mark: str
    others: tuple[str, ...]
    whole: str
    join: Callable[[Parts, Said], Packed]


@dataclass(frozen=True, slots=True)
class Method:
    """A library's forms; `only` has the values of its settings that are known, where some are not."""

    forms: tuple[Form, ...]
    only: Mapping[str, tuple[object, ...]]

    def unknown(self, said: Said) -> str | None:
        """The first setting that is not known, with its value."""
        wrong = next((n for n, values in self.only.items() if said.get(n, values[0]) not in values), None)
        return None if wrong is None else f"`{wrong}` is {json.dumps(said[wrong])[:60]}"


def packing_of(config: Mapping[str, object]) -> Said:
    """What a model's config says of packed numbers, with its `quant_method`; nothing where they are not packed."""
    said = config.get("quantization_config") or config.get("compression_config")
    if not isinstance(said, Mapping):
        return {}
    is_of_bits = said.get("load_in_4bit") or said.get("load_in_8bit")  # As bitsandbytes was said at first.
    return {"quant_method": "bitsandbytes" if is_of_bits else "of no name", **said}


def packing_beside(tensors: Path) -> Said:
    """What the config.json beside a file of tensors says of how they are packed, where that is known; else nothing."""
    config = tensors.with_name("config.json")
    try:
        content = json.loads(read_text(config, MAX_BYTES)) if config.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    said = packing_of(content) if isinstance(content, dict) else {}
    return said if said and why_unread(said) is None else {}


def why_unread(said: Said) -> str | None:
    """What is not known of a packing; None where all is."""
    method = METHODS.get(str(said["quant_method"]))
    return str(said["quant_method"]) if method is None else method.unknown(said)


def unpacked(places: Mapping[str, Readable], said: Said) -> dict[str, Readable]:
    """The tensors of a file, those in parts joined.

    Args:
        said: the `quantization_config` of its model.

    Raises:
        ValueError: a part lacks, or says what is not known.
    """
    joined: dict[str, Readable] = dict(places)
    for form in METHODS[said["quant_method"]].forms:
        for name in [n for n in joined if n.endswith(form.mark)]:
            stem = name.removesuffix(form.mark)
            parts = {e: joined.pop(stem + e) for e in (form.mark, *form.others) if stem + e in joined}
            try:
                joined[stem + form.whole] = form.join(parts, said)
            except KeyError as error:
                raise ValueError(f"`{stem}{error.args[0]}` is not there, a part of `{stem}{form.whole}`") from error
            except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
                raise ValueError(f"`{stem}{form.whole}`: {error}") from error
    return joined


FP8 = tuple(Form(end, (".weight", *BESIDE), ".weight", scaled(end)) for end in (".weight_scale_inv", ".weight_scale"))
WORDS = Form(
    ".weight_packed",
    (".weight_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx", *BESIDE),
    ".weight",
    join_words,
)
PLAIN = Form(".weight_scale", (".weight", ".weight_zero_point", *BESIDE), ".weight", scaled(".weight_scale"))
TABLE = (".weight", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map", *STATES)
CODES = (".qzeros", ".scales", ".g_idx")
METHODS = {
    "gptq": Method((Form(".qweight", CODES, ".weight", join_gptq),), {
        "checkpoint_format": ("gptq", "gptq_v2", "", None), "format": ("gptq", "gptq_v2", None), "is_marlin_format": (False, None),
        "pack_dtype": ("int32", None)}),
    "awq": Method((Form(".qweight", CODES, ".weight", join_awq),), {"version": ("gemm", "GEMM"), "bits": (4,), "w_bit": (4,)}),
    "fp8": Method(FP8, {"fmt": ("e4m3", "e5m2")}),
    "fbgemm_fp8": Method(FP8, {}),
    "compressed-tensors": Method((WORDS, PLAIN), {
        "format": ("pack-quantized", "float-quantized", "int-quantized", "naive-quantized", "dense"), "transform_config": (None, {})}),
    "bitsandbytes": Method((
        Form(".SCB", (".weight", ".weight_format"), ".weight", join_rows), Form(".weight.absmax", TABLE, ".weight", join_table)), {}),
    "mxfp4": Method((Form("_blocks", ("_scales",), "", join_mxfp4),), {}),
}  # fmt: skip
