"""Diagnostics: errors and warnings as data, their catalog, and how they are printed."""

from mai.spec.diagnostics.report import Diagnostic, Edit, Label, MaiError, Reporter, placed

__all__ = ["Diagnostic", "Edit", "Label", "MaiError", "Reporter", "placed"]
