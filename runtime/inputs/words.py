"""Words that a call gives in the place of numbers: texts are tokens, names of labels their numbers, and dates days."""

from __future__ import annotations

from mai.runtime.inputs.arguments import as_array
from mai.runtime.inputs.dates import as_days, dates_of
from mai.runtime.inputs.labels import as_labels, label_names, missing_value, truths_as_labels
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.text.prompts import as_tokens
from mai.runtime.text.tokenizer import Tokenizer


def as_numbers(
    manifest: Manifest, port: Port, value: object, tokenizer: Tokenizer | None, *, special_tokens: bool
) -> object:
    """The value of an input or a setting as an array takes it, None what stands for a missing one; what is no word stays as it is.

    Raises:
        ModelError: a label that the file does not know; what is no date; a text for a file without a tokenizer.
    """
    names = label_names(manifest, port)
    if value is None:
        return missing_value(port, names)
    if hasattr(value, "detach"):
        value = as_array(port, value)
    dates = dates_of(manifest, port)
    if dates is not None:
        return as_days(port, dates, value)
    value = truths_as_labels(port, names, value)
    takes_tokens = port.kind == "input" and port.dtype == "int64" and len(port.shape) == 1
    if takes_tokens and (tokenizer is not None or not names):
        return as_tokens(port, value, tokenizer, special_tokens=special_tokens)
    return as_labels(port, names, value) if port.classes else value
