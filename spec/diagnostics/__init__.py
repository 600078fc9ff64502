"""What mai says about a file: data first, printing last."""

from mai.spec.diagnostics.report import Diagnostic, Label, MaiError, Reporter

__all__ = ["Diagnostic", "Label", "MaiError", "Reporter"]
