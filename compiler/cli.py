"""The verbs of the compiler, in the order in which help lists them, and where each is defined."""

from __future__ import annotations

VERBS = {
    name: f"mai.compiler.commands.{place}"
    for name, place in {
        "check": "check_command:check",
        "format": "format_command:format_",
        "show": "show_command:show",
        "train": "train_command:train",
        "sweep": "sweep_command:sweep",
        "compile": "compile_command:compile_",
        "tune": "tune_command:tune",
        "eval": "eval_command:evaluate",
        "predict": "predict_command:predict",
        "explain": "explain_command:explain",
        "data": "data_command:data",
        "lsp": "lsp_command:lsp",
        "new": "new_command:new",
        "examples": "examples_command:examples",
        "import": "import_command:import_",
        "weights list": "weights_command:list_weights",
        "weights map": "weights_command:map_weights",
    }.items()
}
