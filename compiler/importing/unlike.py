"""What is given in the place of a model's folder: told by what lies there, with what to do instead."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mai.compiler.importing.config import refused
from mai.compiler.weights.packed.methods import packing_of, why_unread
from mai.compiler.weights.tensor_files import NAMES, PICKLES
from mai.spec.diagnostics import MaiError
from mai.spec.diagnostics.suggest import closest
from mai.spec.family_records import family_records

SAVED = "a model's folder has config.json and model.safetensors: `model.save_pretrained(FOLDER)` writes them"
ONE_FILE = "of diffusers, `PIPELINE.from_single_file(FILE).save_pretrained(FOLDER)` makes a folder of a sampler in one file; of other tensors, `mai weights map FILE SPEC` proposes where they go in a spec of your own"  # fmt: skip
OTHERS = "load it with what wrote it, and save its tensors as .safetensors beside its config.json"
# Of a file, by the end of its name: what it is, and what to do.
FILES = {
    ".safetensors": ("has tensors alone, and does not say what they are of", ONE_FILE),
    ".onnx": ("is compiled already: its weights are not taken out of it", "import the folder that it was made of; `mai run FILE` runs one of mai's"),
    ".json": ("is a file of settings", "give its folder"),
    ".mai": ("is a spec already", "`mai compile FILE`"),
    **dict.fromkeys((".h5", ".keras", ".pb", ".tflite", ".msgpack"), ("is of Keras, TensorFlow or Flax, which is not read", OTHERS)),
    **dict.fromkeys((".zip", ".tar", ".gz", ".7z", ".mar"), ("is packed", "unpack it, and give the model's folder")),
}  # fmt: skip
# Of a folder without a config.json, by what lies in it: what it is, and what to do with the file, `{}`.
FOLDERS = {
    "snapshots/*/config.json": ("is a hub's cache", "give {}"),
    "checkpoint-*/config.json": ("holds the checkpoints of a training", "give one of them, as {}"),
    "*.gguf": ("has models of llama.cpp", "give the file, as {}"),
    "pytorch_lora_weights.safetensors": ("has an adapter of diffusers", "`load_lora_weights`, `fuse_lora` and `save_pretrained` of the pipeline write its folder"),
    "params.json": ("has a model as its authors published it, in names of their own", "take it in the form of transformers: {} says too little"),
    "*/config.json": ("has no config.json, and folders in it have", "give one of them, as {}"),
    "*.safetensors": ("has tensors, and no config.json that says what they are of", ONE_FILE),
}  # fmt: skip
UNPACKED = "import the model that it was made of, and `mai compile --quantize int4`; or `model.dequantize()` and `save_pretrained`, where transformers has it"  # fmt: skip
# Ends of names that only packed tensors have: of GPTQ and AWQ, compressed-tensors, FP8, bitsandbytes.
PACKED = (".qweight", ".qzeros", ".weight_packed", ".weight_scale", ".weight_scale_inv", ".SCB", ".weight.absmax")
# Of a folder with a config.json and without tensors.
TENSORS = {
    "model-*-of-*.safetensors": ("has a model in several files and not their index", "put model.safetensors.index.json beside {}"),
    "model.*.safetensors": ("has tensors of a variant alone", "call {} model.safetensors"),
    "consolidated*.safetensors": ("has tensors by the names of their authors", "take the model in the form of transformers: model.safetensors is not {}"),
    "**/*.onnx": ("has a model that is compiled already, and no tensors", "take the folder with model.safetensors that {} was made of"),
    "*.h5": ("has tensors of TensorFlow, which are not read", OTHERS),
    "*.msgpack": ("has tensors of Flax, which are not read", OTHERS),
}  # fmt: skip


def refuse_path(path: Path) -> MaiError:
    """What is wrong with a path that is no folder."""
    if not path.exists():
        is_name = len(path.parts) == 2 and not path.is_absolute() and not path.parent.exists()
        download = f"models of a hub are downloaded first: `hf download {path} --local-dir {path.name}`"
        return refused("import-folder", f"there is no folder {path}", download if is_name else SAVED)
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        return _pickle(path, path.name)
    if (path.parent / "config.json").is_file() and suffix not in (".onnx", ".mai"):
        return refused(
            "import-folder", f"{path} is one file of a model", f"give its folder: `mai import {path.parent}`"
        )
    what, help = FILES.get(suffix, ("is no folder", SAVED))
    return refused("import-folder", f"{path} {what}", help)


def refuse_folder(path: Path) -> MaiError:
    """What is wrong with a folder that has no config.json."""
    none = refused("import-folder", f"{path} has no config.json", SAVED)
    return _by_pattern(path, FOLDERS) or _pickled(path) or none


def refuse_without_tensors(path: Path) -> MaiError:
    """What is wrong with a folder that has a config.json, and no tensors of a name that is known."""
    none = refused("import-folder", f"{path} has no tensors: none of {', '.join(NAMES)}", SAVED)
    return _by_pattern(path, TENSORS) or _pickled(path) or none


def _by_pattern(path: Path, kinds: Mapping[str, tuple[str, str]]) -> MaiError | None:
    for pattern, (what, help) in kinds.items():
        first = min(path.glob(pattern), default=None)
        if first is not None:
            place = first.parent if first.name == "config.json" else first
            return refused("import-folder", f"{path} {what}", help.format(place))
    return None


def _pickled(path: Path) -> MaiError | None:
    pickles = sorted(f.name for f in path.iterdir() if f.suffix.lower() in PICKLES)
    return _pickle(path, pickles[0]) if pickles else None


def _pickle(path: Path, name: str) -> MaiError:
    what = f"{path} is a pickle" if path.name == name else f"{path} has {name}, a pickle"
    help = "`AutoModel.from_pretrained(FOLDER).save_pretrained(NEW)`, with the model's own class, writes .safetensors"
    return refused("weights-pickle", f"{what}: reading it could run code", help)


def of_other_code(config: Mapping[str, object]) -> str:
    """That a config names code of its own, for a message; empty where it does not."""
    code = config.get("auto_map")
    return "; its code lies in its folder (`auto_map`), and is not run" if code else ""


def notes_on_code(config: Mapping[str, object], title: str) -> Iterator[str]:
    """That code of a folder is not what its spec was made of, where it has some."""
    code = config.get("auto_map")
    model = next((v for n, v in code.items() if n.startswith("AutoModel")), None) if isinstance(code, Mapping) else None
    if isinstance(model, str):
        yield f"`auto_map` names code of its own, {model}, which is not read: the spec is what transformers computes for {title}"


def check_packing(config: Mapping[str, object], file: str, ignored: Sequence[str]) -> None:
    """Raise `MaiError`, `config-unknown`, where a library packed a model's numbers into few bits in a way that is not known."""
    said = packing_of(config)
    unknown = why_unread(said) if said else None
    if unknown is not None and not any(f.startswith("quantization_config") for f in ignored):
        raise refused("config-unknown", f"{file}: the numbers are packed (`quantization_config`: {unknown})", UNPACKED)


def notes_on_packing(packing: str) -> Iterator[str]:
    """What is to be said of tensors that a library has packed, if one has."""
    if packing:
        yield f"the tensors are packed ({packing}): they are read as what they stand for; `mai compile --quantize` packs them again"


def check_packed_tensors(names: Iterable[str]) -> None:
    """Raise `MaiError`, `config-unknown`, where tensors are packed and the config does not say so."""
    packed = next((name for name in names if name.endswith(PACKED)), None)
    if packed is not None:
        raise refused("config-unknown", f"the numbers are packed: the file has `{packed}`", UNPACKED)


def no_type_error(config: Mapping[str, object]) -> MaiError:
    """What is wrong with a config that does not say its `model_type`, by what other libraries write."""
    message = "config.json: it says no `model_type`"
    if config.get("architecture"):
        ours = f"`architecture` is {str(config['architecture'])[:60]!r}, as timm calls its nets"
        return refused("config-unknown", f"{message}: {ours}", family_records()["unknown"]["kinds"]["timm_wrapper"])
    return refused("config-unknown", message, SAVED)


def what_to_do_with(config: Mapping[str, object], kind: str, kinds: Collection[str]) -> str:
    """What to do with a model of a kind of which no family is known; the `kinds` are those that are."""
    reasons = family_records()["unknown"]["kinds"]
    if kind in reasons:
        return str(reasons[kind])
    inside = config.get("text_config")
    if isinstance(inside, dict) and inside.get("model_type") in kinds:
        return f"it reads more than texts; its net of texts is of the family `{inside['model_type']}`, which is read where it has a folder of its own"
    guess = closest(kind, kinds)
    nearest = f"the nearest one known is `{guess}`; " if guess else ""
    return f"{nearest}spec/families.md lists those that are; `mai weights map` helps with a net that you write"
