"""ONNX Runtime sessions: their options, and the execution providers that a caller may ask for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import onnxruntime as ort

from mai.runtime.errors import ModelError

LOWEST = (1, 24)  # Of ONNX Runtime: earlier ones fail on texts that grow, or take other tokens, and open no int8 flows.
WARNING, FATAL_ONLY = 2, 4
FOLDER = "session.model_external_initializers_file_folder_path"  # Where bytes find what they refer to.
ONE_COPY = "session.disable_prepacking", "1"  # Weights are not arranged a second time for speed.
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
NARROWING = frozenset({"OpenVINOExecutionProvider"})  # Providers that compute int64 as int32.
BY_NAME = {"cpu": [CPU], "cuda": [CUDA, CPU]}

ProviderOptions = dict[str, object]
Provider = str | tuple[str, ProviderOptions]  # A provider's name, alone or with its options.


def check_version(version: str = ort.__version__) -> None:
    """Check that this ONNX Runtime computes every file that mai writes.

    Raises:
        ModelError: `runtime-too-old`: it is below the lowest that does.
    """
    numbers = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if numbers < LOWEST:
        lowest = ".".join(map(str, LOWEST))
        message = f"this is ONNX Runtime {version}, on which files of mai fail or are wrong: {lowest} is the lowest"
        raise ModelError("runtime-too-old", message, f"pip install 'onnxruntime>={lowest}'")


def session_options(threads: int | None = None) -> ort.SessionOptions:
    """The options of every session that mai opens.

    ONNX Runtime logs nothing but fatal errors. Products with weights in few bits round their other operand to 8 bits
    (accuracy level 4 of MatMulNBits), which is what makes them fast on a CPU.

    Args:
        threads: how many threads one operation may use; by default all cores.

    Raises:
        ModelError: `input-range`: fewer than one thread.
    """
    options = ort.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "4")
    if threads is not None:
        if threads < 1:
            raise ModelError("input-range", f"threads is at least 1, this is {threads}")
        options.intra_op_num_threads = threads
    return options


def choose_providers(requested: str | Sequence[Provider] | None) -> list[Provider]:
    """The execution providers to try, the preferred one first.

    Args:
        requested: "cpu", "cuda", the like name of another provider of this installation, as "openvino", or ONNX Runtime's
            own list, which is taken as it is; by default CUDA where this installation has it, then the CPU.

    Raises:
        ModelError: `input-unknown`: there is no provider of this name here.
    """
    if requested is not None and not isinstance(requested, str):
        return list(requested)
    available = ort.get_available_providers()
    others = {provider_name(provider): [provider, CPU] for provider in available}
    orders = {**BY_NAME, **{name: order for name, order in others.items() if name not in BY_NAME}}
    if requested is not None and requested not in orders:
        raise ModelError("input-unknown", f"there is no provider {requested!r} here", " or ".join(orders))
    return [provider for provider in orders[requested or "cuda"] if provider in available]


def provider_name(provider: str) -> str:
    """A provider's short name, as `choose_providers` takes it: "cpu" for "CPUExecutionProvider"."""
    return provider.removesuffix("ExecutionProvider").lower()


def open_session(
    source: str | bytes, providers: Sequence[Provider], threads: int | None = None, folder: Path | None = None
) -> ort.InferenceSession:
    """Open an ONNX file, or the bytes of one; where the chosen providers cannot, and the CPU is one of them, by the CPU alone.

    Args:
        folder: where bytes find what they refer to.

    Raises:
        ModelError: `input-range`: fewer than one thread.
        Exception: whatever ONNX Runtime raises for what it cannot open, which has many types.
    """
    options = session_options(threads)
    if folder is not None:
        options.add_session_config_entry(FOLDER, str(folder))
    try:
        return _open_quietly(source, options, providers)
    except Exception:
        if captures_graphs(providers) or CPU not in providers or list(providers) == [CPU]:
            raise
    return _open_quietly(source, options, [CPU])


def captures_graphs(providers: Sequence[Provider]) -> bool:
    """Whether one of these providers is asked to capture CUDA graphs."""
    return any(isinstance(p, tuple) and p[1].get("enable_cuda_graph") == "1" for p in providers)


def _open_quietly(
    source: str | bytes, options: ort.SessionOptions, providers: Sequence[Provider]
) -> ort.InferenceSession:
    """Open a session without ONNX Runtime's own fallback to the CPU, since that prints to standard output."""
    try:
        ort.set_default_logger_severity(FATAL_ONLY)
        return ort.InferenceSession(source, options, providers=list(providers), enable_fallback=False)
    finally:
        ort.set_default_logger_severity(WARNING)
