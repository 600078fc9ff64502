"""Diagnostics: errors and warnings as data, their catalog, and how they are printed."""

from mai.spec.diagnostics.edit import Change, Edit
from mai.spec.diagnostics.report import Diagnostic, Help, Label, MaiError, Reporter, placed
from mai.spec.diagnostics.word import Word

__all__ = ["Change", "Diagnostic", "Edit", "Help", "Label", "MaiError", "Reporter", "Word", "placed"]
