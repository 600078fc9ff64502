"""A compiled file as a function of numpy arrays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime as ort
from mai.runtime.arrays import Array

from mai.runtime.errors import ModelError
from mai.runtime.files import plain_file
from mai.runtime.inputs.arguments import prepare, without_name
from mai.runtime.inputs.labels import as_labels, names_for
from mai.runtime.model.binding import Captured, check_capturable, cuda_options
from mai.runtime.model.checksum import checksum
from mai.runtime.model.manifest import FORMAT, MANIFEST_KEY, SPEC_KEY, Manifest
from mai.runtime.text.prompts import Prompt, answer, as_tokens, check_length, read_prompt
from mai.runtime.text.stream import NEXT, pieces, step_path, turns
from mai.runtime.text.tokenizer import Tokenizer, tokenizer_of

WARNING, FATAL_ONLY = 2, 4
# How many examples a file computes at a time is for a processor's cache: a GPU takes the batch whole.
CHUNK, WHOLE = "batch.chunk", np.array(2**31)
# A manifest begins with its format, so that it can be read where the rest of a newer file cannot.
STATED_FORMAT = re.compile(re.escape(MANIFEST_KEY.encode()) + rb'[^{]{1,8}\{"format": ?(\d+)', re.DOTALL)

# How an ONNX file begins: the version of its form, then the key of another field of a `ModelProto`.
BEGINS = re.compile(rb"\x08[\x01-\x7f][\x12\x1a\x22\x28\x32\x3a\x42\x72]")


class Model:
    """A loaded file. Call it with inputs and settings by name; it may be called from several threads at once."""

    def __init__(
        self, session: ort.InferenceSession, manifest: Manifest, spec: str, path: Path, threads: int | None = None,
        captured: Captured | None = None,
    ) -> None:  # fmt: skip
        self._session, self._threads, self._captured = session, threads, captured
        self._opened_step: Model | None = None
        self._opening = Lock()
        self.manifest, self.spec, self.path = manifest, spec, path
        self.inputs = {p.name: p for p in manifest.inputs}
        self.settings = {p.name: p for p in manifest.settings}
        counts = (manifest.evaluations, manifest.turns)
        self.outputs = {p.name: p for p in manifest.outputs if p.name not in counts}
        overridable = {i.name for i in session.get_overridable_initializers()}
        self._accepted = {*self.inputs, *self.settings} if manifest.required else {*self.inputs, *overridable}
        self._usual = {p.name: np.array(p.default, p.dtype) for p in manifest.settings} if manifest.required else {}
        self._fixed = {CHUNK: WHOLE} if CHUNK in overridable and "CUDAExecutionProvider" in self.providers else {}

    @property
    def providers(self) -> list[str]:
        """The execution providers in use, the preferred one first."""
        return list(self._session.get_providers())

    def __call__(self, /, *unnamed: Any, **values: Any) -> Any:
        """Run the file once.

        Every input has the batch as its first axis; one example of exactly an input's own shape stands for a batch of
        one, and beside inputs of many examples a batch of one is repeated for each of them. Settings that are left out
        have their defaults. Numbers and lists are taken as arrays. Where the file has a tokenizer, tokens may be a text.
        A prompt that a text grows from may be several, of different lengths; the result is text for text, and a list of
        rows where the lengths differ.

        Returns:
            The output as an array, or a dictionary of arrays by name where the export returns several.

        Raises:
            ModelError: a name, shape, dtype or value is not as the file says, or an adaptive solver did not arrive.
        """
        return self.counted(*unnamed, **values)[0]

    def counted(self, /, *unnamed: Any, **values: Any) -> tuple[Any, Array | None]:
        """As a call, with what the file counts, if it does.

        Of adaptive solvers, the velocities evaluated for each example; else the turns of a text that reads drafts.
        """
        if unnamed:
            raise without_name([*self.inputs, *self.settings])
        prompt = self._prompt(values)
        feed = self._usual | prepare(self.inputs, self.settings, values, self.manifest.least, self.manifest.most)
        if prompt is not None and self.manifest.text is not None:
            check_length(self.manifest.text, prompt.rows, feed)
        feed = {name: array for name, array in feed.items() if name in self._accepted} | self._fixed
        try:
            made = self._session.run(None, feed) if self._captured is None else self._captured(feed)
        except Exception as error:  # onnxruntime raises many types of its own
            raise self._failed(error, feed) from error
        counted = made.pop() if self.manifest.turns else None
        if self.manifest.evaluations:
            counted = made.pop()
            check_arrival(counted)
        if len(made) > 1:
            return dict(zip(self.outputs, made, strict=True)), counted
        return made[0] if prompt is None else answer(prompt, made[0], self.tokenizer), counted

    def _failed(self, error: Exception, feed: Mapping[str, Array]) -> ModelError:
        """What the runtime said, and what may be behind it: an input with hardly anything in it."""
        short = [
            f"`{name}` has {min(feed[name].shape)} along an axis: that may be too few"
            for name, port in self.inputs.items()
            if name in feed and min(feed[name].shape, default=2) < 2 and any(isinstance(s, str) for s in port.shape)
        ]
        return ModelError("run-failed", f"{self.path.name} failed: {_first_line(error)}", "; ".join(short))

    def _prompt(self, values: dict[str, Any]) -> Prompt | None:
        """The prompt of a text that grows, if there is one; texts in `values` become tokens."""
        text, prompt = self.manifest.text, None
        if text is not None and text.prompt in values:
            prompt = read_prompt(self.inputs[text.prompt], values[text.prompt], self.tokenizer)
            values[text.prompt] = prompt.rows
        for name, value in values.items():
            port = self.inputs.get(name) or self.settings.get(name)
            if port is None:
                continue
            names = names_for(self.manifest, port)
            if port.kind == "input" and len(port.shape) == 1 and (self.tokenizer is not None or not names):
                values[name] = as_tokens(port, value, self.tokenizer)
            elif port.classes:
                values[name] = as_labels(port, names, value)
        return prompt

    def stream(self, prompt: Any, count: int | None = None, **settings: Any) -> Iterator[Any]:
        """Go on from a prompt token by token, by the step file: this one, or the one beside it.

        Yields pieces of text for a prompt that is one text, else the tokens of each turn, [batch], -1 for a row that has
        ended. A character that is split across tokens comes when it is whole.

        Raises:
            ModelError: as a call does; the file grows no text, or its step file is missing.
        """
        held = self if self.manifest.step is not None else self._step()
        step, text = held.manifest.step, held.manifest.text
        assert step is not None and text is not None
        port = held.inputs[step.tokens].model_copy(update={"name": text.prompt})  # As the caller knows it.
        given = read_prompt(port, prompt, held.tokenizer)
        total = text.usual if count is None else count
        check_length(text, given.rows, {str(text.count): total})
        feed = held._usual | prepare({text.prompt: port}, held.settings, {text.prompt: given.rows, **settings})
        feed[step.tokens] = feed.pop(text.prompt)
        made = turns(held._session, held.manifest, feed, total)
        return pieces(made, held.tokenizer) if given.as_text and given.single and held.tokenizer else made

    def _step(self) -> Model:
        """The step file beside this one, opened when it is first needed."""
        with self._opening:
            return self._opened()

    def _opened(self) -> Model:
        if self._opened_step is None:
            if self.manifest.text is None:
                raise ModelError("stream-unavailable", f"{self.path.name} grows no text token by token")
            path = step_path(self.path)
            if not path.exists():
                help = "`mai compile` writes it beside the file"
                raise ModelError(
                    "stream-unavailable", f"{self.path.name} streams by {path.name}, which is missing", help
                )
            self._opened_step = load(path, providers=self.providers, threads=self._threads)
        return self._opened_step

    @cached_property
    def tokenizer(self) -> Tokenizer | None:
        """What turns text into the tokens of this file, and back; None where the file has none."""
        return tokenizer_of(self.manifest.tokenizer) if self.manifest.tokenizer else None

    def __repr__(self) -> str:
        arguments = [f"{p.name}: {_type(p)}" for p in self.inputs.values()]
        arguments += [f"{p.name}={p.default}" for p in self.settings.values()]
        results = ", ".join(f"{p.name}: {_type(p)}" for p in self.outputs.values())
        return f"<{self.manifest.name}.{self.manifest.export}({', '.join(arguments)}) -> {results}>"


def check_arrival(evaluations: Array) -> None:
    """Raise `not-arrived` if an adaptive solver stopped on its way; then its results are no numbers."""
    (failed,) = np.nonzero(evaluations.reshape(-1) < 0)
    if len(failed):
        rows = ", ".join(map(str, failed[:5])) + (", ..." if len(failed) > 5 else "")
        message = f"an adaptive solver did not arrive for {len(failed):,} of {evaluations.size:,} examples: {rows}"
        help = "allow a larger `max_steps` or a larger `rtol` and `atol` in the spec, or look at these inputs"
        raise ModelError("not-arrived", message, help)


def _type(port: Any) -> str:
    axes = (["batch"] if port.batch else []) + [str(s) for s in port.shape]
    return f"{port.dtype}[{', '.join(axes)}]"


def load(
    path: str | Path,
    *,
    providers: str | Sequence[Any] | None = None,
    threads: int | None = None,
    cuda_graph: bool = False,
) -> Model:
    """Open a file that mai compiled.

    Args:
        path: the `.onnx` file.
        providers: "cpu", "cuda", or onnxruntime's own list; by default CUDA where it is usable, the CPU otherwise.
        threads: how many threads one operation may use; by default all cores.
        cuda_graph: run a file that `--unroll` made flat as one CUDA graph for each batch size.

    Raises:
        ModelError: the file is missing, truncated, not made by mai, of a newer format, or of a precision that nothing here
            computes with; or there is no CUDA graph of it.
    """
    path = Path(path)
    raw = _read(path)
    chosen = cuda_options(_providers(providers)) if cuda_graph else _providers(providers)
    session = _session(path, raw, chosen, threads)
    try:
        found = session.get_modelmeta()
        metadata, producer = found.custom_metadata_map, found.producer_name
        manifest = _manifest(path, metadata, producer)
        _check_fits(path, session, manifest)
        _check_weights(path, raw, manifest)
        if cuda_graph:
            check_capturable(path.name, manifest)
        captured = Captured(session, manifest) if cuda_graph else None
        return Model(session, manifest, metadata.get(SPEC_KEY, ""), path, threads, captured)
    except ValueError as error:  # no UTF-8, or no tensors to be found
        raise _unreadable(path, raw, error) from error


def _read(path: Path) -> bytes:
    try:
        raw = plain_file(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise ModelError("model-not-found", f"cannot open {path}: {reason}") from error
    if not raw:
        raise ModelError("model-truncated", f"{path} is empty")
    return raw


def _session(path: Path, raw: bytes, providers: list[Any], threads: int | None) -> ort.InferenceSession:
    options = session_options()
    if threads is not None:
        if threads < 1:
            raise ModelError("input-range", f"threads is at least 1, this is {threads}")
        options.intra_op_num_threads = threads
    try:
        ort.set_default_logger_severity(FATAL_ONLY)
        # onnxruntime's own way to the CPU writes to standard output: this function goes that way in silence.
        return ort.InferenceSession(raw, options, providers=providers, enable_fallback=False)
    except Exception as error:
        graphs = any(isinstance(p, tuple) and p[1].get("enable_cuda_graph") == "1" for p in providers)
        if graphs:
            message = f"{path.name} cannot be one CUDA graph: {_first_line(error)}"
            raise ModelError("cuda-graph", message, "leave out `cuda_graph`") from error
        if providers != ["CPUExecutionProvider"] and "CPUExecutionProvider" in providers:
            return _session(path, raw, ["CPUExecutionProvider"], threads)
        raise _unreadable(path, raw, error) from error
    finally:
        ort.set_default_logger_severity(WARNING)


def session_options() -> ort.SessionOptions:
    """Silent; products with weights in few bits compute with whole numbers of 8 bits."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "4")
    return options


def _unreadable(path: Path, raw: bytes, error: Exception) -> ModelError:
    """Why a file is no model: newer than this runtime, cut short, or not ours."""
    if "NOT_IMPLEMENTED" in str(error) and b'"precision":"bf16"' in raw:
        message = f"{path.name} is in bf16, which nothing here has kernels for: {_first_line(error)}"
        return ModelError(
            "precision-unsupported", message, "a GPU with CUDA; or compile it with --precision fp16 or float32"
        )
    stated = STATED_FORMAT.search(raw)
    if stated and int(stated[1]) > FORMAT:
        return _newer(path, int(stated[1]))
    if path.suffix == ".mai":
        return ModelError("model-foreign", f"{path} is a spec", f"compile it first: mai compile {path}")
    if not BEGINS.match(raw):
        help = "`mai compile SPEC --weights FILE` makes one of weights" if path.suffix == ".safetensors" else None
        return ModelError("model-foreign", f"{path} is no ONNX file", help)
    if MANIFEST_KEY.encode() in raw or b"mai" in raw[:64]:
        return ModelError("model-truncated", f"{path} is damaged or cut short", "compile or copy it again")
    return ModelError("model-foreign", f"{path} is not a file that mai compiled: {_first_line(error)}")


def _providers(wanted: str | Sequence[Any] | None) -> list[Any]:
    if wanted is not None and not isinstance(wanted, str):
        return list(wanted)
    available = ort.get_available_providers()
    named = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
    if wanted is not None and wanted not in named:
        raise ModelError("input-unknown", f"there is no provider {wanted!r}", "cpu or cuda")
    chosen = named[wanted or "cuda"]
    return [p for p in chosen if p in available]


def _manifest(path: Path, metadata: dict[str, str], producer: str) -> Manifest:
    if MANIFEST_KEY not in metadata and producer == "mai":
        raise ModelError("model-truncated", f"{path} is cut short: its manifest is missing", "compile or copy it again")
    if MANIFEST_KEY not in metadata:
        raise ModelError("model-foreign", f"{path} is an ONNX file, but not one that mai compiled")
    try:
        found = json.loads(metadata[MANIFEST_KEY])
        if isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT:
            raise _newer(path, found["format"])
        return Manifest.model_validate(found)
    except (ValueError, RecursionError) as error:
        raise ModelError("model-truncated", f"the manifest of {path} is damaged") from error


def _check_fits(path: Path, session: ort.InferenceSession, manifest: Manifest) -> None:
    """What a manifest names is in its graph: a call may rely on it."""
    made = [o.name for o in session.get_outputs()]
    named = [p.name for p in manifest.outputs]
    inputs = [p.name for p in manifest.inputs]
    needed = inputs + [p.name for p in manifest.settings if manifest.required]
    fits = needed == [i.name for i in session.get_inputs()] and made == named
    text, step = manifest.text, manifest.step
    counts = [name for name in (manifest.evaluations, manifest.turns) if name is not None]
    fits = fits and (not counts or counts == named[-len(counts) :])
    fits = fits and (text is None or text.prompt in inputs or step is not None)
    if step is not None:
        fits = fits and NEXT in made and step.tokens in inputs and {*step.states} <= {*inputs}
        fits = fits and text is not None and {*step.states.values()} <= {*made}
    if not fits:
        raise ModelError("model-truncated", f"the manifest of {path} does not fit its graph", "compile it again")


def _check_weights(path: Path, raw: bytes, manifest: Manifest) -> None:
    """The weights are those that were compiled; older files do not say."""
    if manifest.checksum is not None and manifest.checksum != checksum(raw):
        message = (
            f"the weights of {path} are not those that mai wrote: it is damaged, or another program has changed it"
        )
        raise ModelError("model-truncated", message, "compile or copy it again")


def _newer(path: Path, format: int) -> ModelError:
    message = f"{path} has format {format}, this mai reads up to {FORMAT}"
    return ModelError("model-newer", message, "install a newer mai: in its clone, git pull, then pip install .")


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]
