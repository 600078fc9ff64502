"""What mai says about a file: data first, printing last."""

from mai.spec.diagnostics.report import Diagnostic, Edit, Label, MaiError, Reporter, placed

__all__ = ["Diagnostic", "Edit", "Label", "MaiError", "Reporter", "placed"]
