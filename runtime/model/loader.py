"""Opening a compiled file: its bytes are looked at, its session made, and its manifest, graph and weights compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import onnxruntime as ort

from mai.runtime.errors import ModelError
from mai.runtime.files import mapped, reason
from mai.runtime.model.binding import CapturedRuns, check_capturable, with_cuda_graphs
from mai.runtime.model.checksum import checksum, checksum_of, sha256_of
from mai.runtime.model.data import check_data, check_places, data_path
from mai.runtime.model.failures import first_line, newer_error, unreadable_error
from mai.runtime.model.manifest import FORMAT, MANIFEST_KEY, SPEC_KEY, Manifest
from mai.runtime.model.mapping import is_ort, source_of
from mai.runtime.model.model import Model
from mai.runtime.model.session import (
    NARROWING,
    Provider,
    captures_graphs,
    check_version,
    choose_providers,
    open_session,
)
from mai.runtime.model.wire import Buffer, metadata_of, tensors_of
from mai.runtime.text.stream import NEXT

SHOWN = 3  # Files of a folder that is no file.


def load(
    path: str | Path,
    *,
    providers: str | Sequence[Provider] | None = None,
    threads: int | None = None,
    cuda_graph: bool = False,
    check_weights: bool = True,
) -> Model:
    """Open a file that mai compiled.

    Args:
        path: the `.onnx` file; or the `.ort` that ONNX Runtime's converter made of one, whose weights it has rearranged: they
            are not looked at, and `Model.verify` says what they compute.
        providers: "cpu", "cuda", another by the like name, or onnxruntime's own list; by default CUDA where it is usable, the CPU otherwise.
        threads: how many threads one operation may use; by default all cores.
        check_weights: refuse a file whose weights are not those that mai wrote; without, one that another program has
            quantized is opened, too, which `Model.verify` then measures.
        cuda_graph: run a file that `--unroll` made flat as one CUDA graph for each batch size.

    Raises:
        ModelError: the file is missing, truncated, changed, not made by mai, of a newer format, or of a precision that
            nothing here computes with; or there is no CUDA graph of it; or ONNX Runtime is too old.
    """
    check_version()
    if isinstance(path, str) and "://" in path:
        raise ModelError("model-not-found", f"{path} is an address, and a file is opened", "download it first")
    path = Path(path)
    with _opened(path) as raw:
        return _load(path, raw, providers, threads, cuda_graph=cuda_graph, check_weights=check_weights)


def _load(
    path: Path,
    raw: Buffer,
    providers: str | Sequence[Provider] | None,
    threads: int | None,
    *,
    cuda_graph: bool,
    check_weights: bool,
) -> Model:
    """Open a file whose bytes are mapped: they are looked at, and what computes reads the file by itself."""
    try:
        tensors = [] if is_ort(raw) else list(tensors_of(raw))
        data = check_places(path, tensors)
        chosen = choose_providers(providers)
        session = _open(path, raw, with_cuda_graphs(chosen) if cuda_graph else chosen, threads)
        meta = session.get_modelmeta()
        manifest = _read_manifest(path, meta.custom_metadata_map, meta.producer_name)
        _check_graph(path, session, manifest)
        if check_weights and not is_ort(raw):
            _check_weights(path, tensors, manifest)
        if data is not None:
            check_data(data, manifest.data, whole=check_weights)
        check_draws(path.name, session.get_providers(), manifest)
        if cuda_graph:
            check_capturable(path.name, manifest)
        captured = CapturedRuns(session, manifest) if cuda_graph else None
        open_step = partial(load, providers=session.get_providers(), threads=threads)
        return Model(session, manifest, meta.custom_metadata_map.get(SPEC_KEY, ""), path, open_step, captured)
    except (
        ValueError
    ) as error:  # The metadata is no UTF-8, or the bytes hold no tensors, which ONNX Runtime might still read.
        raise unreadable_error(path, raw, error) from error


def read_manifest(path: Path) -> Manifest | None:
    """What a file says of itself, which is not opened for it; None of one in ONNX Runtime's own form. Raises `ModelError`, as `load` does."""
    with _opened(path) as raw:
        try:
            return None if is_ort(raw) else _read_manifest(path, metadata_of(raw), "")
        except ValueError as error:
            raise unreadable_error(path, raw, error) from error


@contextmanager
def _opened(path: Path) -> Iterator[Buffer]:
    """The bytes of a file, mapped. Raises `ModelError`: `model-not-found`, or `model-truncated` where there are none."""
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(mapped(path))
        except (OSError, ValueError) as error:
            raise ModelError("model-not-found", f"cannot open {path}: {reason(error)}", _files_near(path)) from error
        if not raw:
            raise ModelError("model-truncated", f"{path} is empty")
        yield raw


def _files_near(path: Path) -> str | None:
    """What to open in the place of a folder, or of a path where no file is; None where nothing is near."""
    if path.is_dir():
        files = sorted(path.glob("*.onnx"))
        return f"its files are {', '.join(map(str, files[:SHOWN]))}" if files else None
    names = [] if path.exists() else [file.name for file in path.parent.glob("*.onnx")]
    near = get_close_matches(path.name, names, n=1, cutoff=0.8)
    return f"did you mean {path.with_name(near[0])}?" if near else None


def _open(path: Path, raw: Buffer, providers: Sequence[Provider], threads: int | None) -> ort.InferenceSession:
    try:
        source, folder = source_of(path, raw)
        return open_session(source, providers, threads, folder)
    except ModelError:
        raise
    except Exception as error:  # ONNX Runtime raises many types of its own.
        if captures_graphs(providers):
            message = f"{path.name} cannot be one CUDA graph: {first_line(error)}"
            raise ModelError("cuda-graph", message, "leave out `cuda_graph`") from error
        raise unreadable_error(path, raw, error) from error


def _read_manifest(path: Path, metadata: dict[str, str], producer: str) -> Manifest:
    if MANIFEST_KEY not in metadata and producer == "mai":
        raise ModelError("model-truncated", f"{path} is cut short: its manifest is missing", "compile or copy it again")
    if MANIFEST_KEY not in metadata:
        raise ModelError("model-foreign", f"{path} is an ONNX file, but not one that mai compiled")
    try:
        data = json.loads(metadata[MANIFEST_KEY])
        if isinstance(data, dict) and isinstance(data.get("format"), int) and data["format"] > FORMAT:
            raise newer_error(path, data["format"])
        return Manifest.model_validate(data)
    except (ValueError, RecursionError) as error:
        raise ModelError("model-truncated", f"the manifest of {path} is damaged") from error


def _check_graph(path: Path, session: ort.InferenceSession, manifest: Manifest) -> None:
    """Check that the graph has the inputs and outputs that its manifest names, so that a call may rely on them."""
    graph_inputs = [i.name for i in session.get_inputs()]
    graph_outputs = [o.name for o in session.get_outputs()]
    outputs = [p.name for p in manifest.outputs]
    required = [p.name for p in manifest.settings if manifest.required]
    counters = [name for name in (manifest.evaluations, manifest.turns) if name is not None]
    fits = (
        graph_inputs == [p.name for p in manifest.inputs] + required
        and graph_outputs == outputs
        and (not counters or counters == outputs[-len(counters) :])
        and _text_fits(manifest)
    )
    if not fits:
        raise ModelError("model-truncated", f"the manifest of {path} does not fit its graph", "compile it again")
    settable = {i.name for i in session.get_overridable_initializers()} | set(graph_inputs)
    fixed = [f"`{p.name}`" for p in manifest.settings if p.name not in settable]
    if fixed:
        message = f"{path} can no longer be given {', '.join(fixed)}: another program has fixed what the manifest lists"
        raise ModelError(
            "model-truncated", f"{message} as settings", "use the file that mai wrote, or compile it again"
        )


def _text_fits(manifest: Manifest) -> bool:
    """Whether the prompt of a growing text is an input, and of a step file the tokens and states inputs and outputs."""
    text, step = manifest.text, manifest.step
    inputs, outputs = {p.name for p in manifest.inputs}, {p.name for p in manifest.outputs}
    if step is None:
        return text is None or text.prompt in inputs
    reads, writes = {step.tokens, *step.states}, {NEXT, *step.states.values()}
    return text is not None and reads <= inputs and writes <= outputs


def check_draws(name: str, providers: Sequence[str], manifest: Manifest) -> None:
    """Raise `ModelError`, `precision-unsupported`, where one of the providers in use would draw other numbers than the file means."""
    narrowing = sorted(NARROWING.intersection(providers))
    if narrowing and manifest.draws and manifest.draw_bits > 32:
        message = (
            f"{name} draws with whole numbers of {manifest.draw_bits} bits, and {narrowing[0]} computes them in 32"
        )
        raise ModelError("precision-unsupported", message, "compile it again, with `--draws portable`")


def has_own_weights(path: Path, manifest: Manifest) -> bool:
    """Whether the weights of a file, and of the data beside it, are those that mai wrote; of a `.ort` nobody can say, and it is taken for one."""
    with mapped(path) as raw:
        if is_ort(raw):
            return True
        own = manifest.checksum in (None, checksum(raw))
    return own and (manifest.data is None or sha256_of(data_path(path)) == manifest.data.sha256)


def is_as_written(path: Path, manifest: Manifest) -> bool:
    """Whether all that stands before the manifest, the graph, too, is what mai wrote; taken for so where an older file or a `.ort` does not say."""
    with mapped(path) as raw:
        if manifest.file is None or is_ort(raw):
            return True
    return sha256_of(path, manifest.file.size) == manifest.file.sha256


def _check_weights(path: Path, tensors: Sequence[Buffer], manifest: Manifest) -> None:
    """Check that the weights are those that were compiled; the manifests of older files have no checksum."""
    if manifest.checksum not in (None, checksum_of(tensors)):
        message = (
            f"the weights of {path} are not those that mai wrote: it is damaged, or another program has changed it"
        )
        raise ModelError("model-truncated", message, "compile or copy it again")
