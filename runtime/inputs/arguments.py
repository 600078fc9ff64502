"""Checking what a caller hands in: names, dtypes, shapes and ranges."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.cells import is_missing, is_number
from mai.runtime.inputs.far_numbers import notes_of_far
from mai.runtime.inputs.shapes import NO_LIMITS, Ports, Sizes, check_shape, check_sizes, is_one_example
from mai.runtime.model.manifest import Facts, Port

ONE_LENGTH = (
    "-1 is no token: all rows have one length here, since more of the model reads them than the text that grows"
)

SHOWN = 40  # Letters of a text that a message repeats.
BATCH = "batch"  # The setting that says how many examples there are, of a file without inputs.
UNLIKE_NUMBERS = {"O": "no number that fits", "U": "a text", "S": "bytes", "T": "a text"}  # By numpy's kind of a dtype.


def prepare(
    inputs: Ports, settings: Ports, values: Mapping[str, object], least: Sizes = NO_LIMITS, most: Sizes = NO_LIMITS,
    trained: Mapping[str, Facts] = MappingProxyType({}), notes: list[str] | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Turn a caller's values into the arrays that a session takes.

    One example of an input, or a batch of one, stands for each of a batch of the others.

    Args:
        inputs, settings: the ports that there are, by name.
        values: numbers, nested lists or arrays by name; a value of None counts as left out, but that of a field of the data says that it is missing.
        least, most: the smallest and largest sizes of dimensions, by the names of the dimensions, or by what is made of them, `n - m`.
        trained: what the inputs that were fields of real numbers were in the training data: they take no infinite one, and none that
            is missing, NaN, where neither the data nor the file had an answer for that.
        notes: gets what is to be said of their numbers that lie far outside of those of the data.

    Returns:
        Arrays by name, in the ports' dtypes, inputs with the batch as their first axis. Settings that were left out are
        left out.

    Raises:
        ModelError: a name, a dtype, a shape or a range is not as the file says.
    """
    feed = {}
    for name, value in values.items():
        port = inputs.get(name) or settings.get(name)
        if port is None:
            raise _no_batch(inputs) if name == BATCH and inputs else unknown_name_error(name, [*inputs, *settings])
        if value is None and (name in trained or (port.kind == "input" and port.classes and port.gaps is False)):
            raise lacks_error(port, "None")
        if value is not None:
            feed[name] = _to_port(port, value)
            if name in trained:
                feed[name] = _without_absent(trained[name], feed[name])
                _check_field(port, trained[name], feed[name])
                if notes is not None:
                    notes += notes_of_far(port, trained[name], feed[name])
    check_all_there(inputs, settings, feed)
    defaults = {name: port.default for name, port in settings.items() if port.default is not None}
    numbers = {**defaults, **{name: feed[name] for name in settings if name in feed}}
    check_sizes(inputs, {name: feed[name].shape for name in inputs}, least, most, numbers)
    return feed | _repeat_single_examples(inputs, feed)


def _no_batch(inputs: Ports) -> ModelError:
    """The error for a number of examples where the inputs say it."""
    first = next(iter(inputs))
    help = f"the batch is as long as `{first}`, which has a value for each example: {first}=[...]"
    return ModelError("input-unknown", f"there is no input or setting `{BATCH}`", help)


def check_all_there(inputs: Ports, settings: Ports, names: Collection[str]) -> None:
    """Raise `ModelError` for an input that is not among some names."""
    for name in inputs:
        if name not in names:
            help = f"it takes {', '.join([*inputs, *settings])}"
            raise ModelError("input-missing", f"the input `{name}` is missing", help)


def unknown_name_error(name: str, names: list[str]) -> ModelError:
    """The error for a value whose name is none of `names`; it suggests the nearest of them, or lists them."""
    near = get_close_matches(name, names, n=1)
    help = f"did you mean `{near[0]}`?" if near else None
    if not near and names:
        help = f"it takes {', '.join(names)}"
    return ModelError("input-unknown", f"there is no input or setting `{name}`", help)


def unnamed_value_error(names: list[str]) -> ModelError:
    """The error for a value that is given by its place, without a name."""
    help = f"model({names[0]}=...); it takes {', '.join(names)}" if names else "it takes nothing"
    return ModelError("input-unknown", "inputs and settings are given by name", help)


def as_array(port: Port, value: object) -> Array:
    """A number, nested lists, an array or a tensor of torch, on any device, as an array.

    Raises:
        ModelError: `input-shape`: rows have different lengths; `input-dtype`: true or false stands among numbers, values are under
            a mask, so that they are none, or a tensor has no form in numpy.
    """
    if hasattr(value, "detach"):
        value = _from_torch(port, value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise ModelError("input-dtype", f"`{port.name}` has values under a mask", "put numbers there: value.filled(0)")
    try:
        array = np.asarray(value)
        if array.dtype.kind in "iuf" and isinstance(value, (list, tuple)) and _has_truth(value):
            help = "write true or false for all" if port.dtype == "bool" else "write 1 or 0 for them"
            raise ModelError("input-dtype", f"`{port.name}` mixes true or false and numbers", help)
        return array
    except ValueError as error:
        mixes = isinstance(value, (list, tuple)) and any(isinstance(each, str) for each in value)
        why = "mixes texts and numbers, or lists" if mixes else "is not a regular array: its rows differ in length"
        raise ModelError("input-shape", f"`{port.name}` {why}") from error
    except TypeError as error:  # Of a list of such tensors.
        raise _no_array_error(port, error) from error


def _has_truth(values: list[Any] | tuple[Any, ...]) -> bool:
    """Whether nested lists have a value of true or false, of which numpy makes 1 or 0 among numbers."""
    kinds = {*map(type, values)}
    if not kinds.isdisjoint((bool, np.bool_)):
        return True
    return not kinds.isdisjoint((list, tuple)) and any(
        _has_truth(each) for each in values if isinstance(each, (list, tuple))
    )


def of_torch(tensor: Any) -> Array:
    """The numbers of a tensor of torch [...] on any device; reals of a kind that numpy does not have, as bfloat16, in float32, which has all of them.

    Raises:
        TypeError, RuntimeError: it has no form in numpy: it is sparse, or on the device `meta`.
    """
    tensor = tensor.detach().cpu()
    is_known = not tensor.is_floating_point() or tensor.element_size() > 2 or str(tensor.dtype) == "torch.float16"
    return np.asarray(tensor if is_known else tensor.float())


def _from_torch(port: Port, tensor: Any) -> Array:
    try:
        return of_torch(tensor)
    except (TypeError, RuntimeError) as error:
        raise _no_array_error(port, error) from error


def _no_array_error(port: Port, error: Exception) -> ModelError:
    return ModelError(
        "input-dtype", f"`{port.name}` has no numbers as an array: {error}", "give it as an array of numpy"
    )


def _to_port(port: Port, value: object) -> Array:
    """A value as an array of the port's dtype, shape and range."""
    array = as_values(port, as_array(port, value))
    if port.kind == "input":
        array = array[None] if is_one_example(port, array.shape) else array
        check_shape(port, array.shape)
    return array


def as_values(port: Port, array: Array) -> Array:
    """An array of any shape, of a setting a number [], in the port's dtype and range.

    Raises:
        ModelError: it has numbers that the port does not take.
    """
    array = _cast(port, _with_gaps(array) if port.gaps and array.dtype.kind == "O" else array)
    if port.kind == "setting" and array.ndim:
        raise ModelError("input-shape", f"the setting `{port.name}` is one number, this has shape {list(array.shape)}")
    _check_range(port, array)
    return array


def _with_gaps(array: Array) -> Array:
    """NaN in the place of None and NA, which say that there is no value; as it was, where the others are no numbers."""
    values = [math.nan if is_missing(each) else each for each in array.reshape(-1).tolist()]
    is_number = all(isinstance(each, numbers.Real) and not isinstance(each, bool) for each in values)
    return np.array(values, np.float64).reshape(array.shape) if is_number else array


def _cast(port: Port, array: Array) -> Array:
    """The array in the port's dtype. Whole reals may stand for integers; reals may lose precision, but not become infinite."""
    wanted = np.dtype(port.dtype)
    if array.dtype == wanted:
        return array
    if (array.dtype.kind not in "iuf" and not (array.dtype.kind == "b" and _counts_truths(port))) or wanted.kind == "b":
        raise _no_number_error(port, array)
    with np.errstate(invalid="ignore", over="ignore"):
        cast = array.astype(wanted)
    lost = cast != array if wanted.kind == "i" else np.isinf(cast) & np.isfinite(array)
    if np.any(lost):
        first = float(array[lost][0])
        kind = "a real number (float32)" if wanted.kind == "f" else "a whole number (int64)"
        if wanted.kind == "i" and first.is_integer():
            kind = f"a whole number from {-(2**63)} to {2**63 - 1}"
        raise ModelError("input-dtype", f"`{port.name}` is {kind}, this holds {in_digits(first)}")
    return cast


def _counts_truths(port: Port) -> bool:
    """Whether true is 1 and false 0, as in training: of an input of real numbers, not of labels or of a setting."""
    return port.kind == "input" and np.dtype(port.dtype).kind == "f"


def _no_number_error(port: Port, array: Array) -> ModelError:
    """The error for values that are no numbers of a port, with the first text among them, or because one is missing."""
    actual = UNLIKE_NUMBERS.get(array.dtype.kind, str(array.dtype))
    text = next((each for each in array.reshape(-1).tolist() if isinstance(each, str)), None)
    if text is None and any(each is None for each in array.reshape(-1).tolist()):
        return ModelError("input-range", _lacks(port, "None"))
    if text is None:
        return ModelError("input-dtype", f"`{port.name}` is {port.dtype}, this is {actual}")
    return ModelError(
        "input-dtype", f"`{port.name}` is {port.dtype}, this is a text: `{text[:SHOWN]}`", _help_for_text(port, text)
    )


def _help_for_text(port: Port, text: str) -> str | None:
    """What is given to a port in place of a text."""
    if is_number(text):
        return f"a number stands without quotes: {text[:SHOWN]}"
    if port.kind == "setting":
        return None
    return "`mai predict` reads texts of a table as training did, `45 %` and `1.234,5 €`; here numbers are needed"


def _check_range(port: Port, array: Array) -> None:
    """Check the port's range. A setting is finite, unless its default is not.

    In inputs NaN and infinity pass, as the file's own arithmetic has to deal with them, unless `_check_field` says otherwise.
    """
    if port.kind == "setting" and np.isfinite(port.default or 0) and not np.isfinite(array).all():
        raise ModelError("input-range", f"`{port.name}` is a finite number, this is {array}")
    if port.minimum is None and port.maximum is None:
        return
    low = -np.inf if port.minimum is None else port.minimum
    high = np.inf if port.maximum is None else port.maximum
    outside = array[(array < low) | (array > high)]
    if outside.size:
        help = ONE_LENGTH if port.kind == "input" and port.shape and outside[0] == -1 and low == 0 else None
        raise ModelError("input-range", f"`{port.name}` is {range_of(port)}, this holds {outside[0]}", help)


def _without_absent(facts: Facts, array: Array) -> Array:
    """NaN in the place of numbers that said in the data's tables that there is no value, as -999."""
    codes = [float(each) for each in facts.absent or () if is_number(each)]
    is_absent = np.isin(array, np.asarray(codes, array.dtype)) if codes else np.False_
    return np.where(is_absent, np.asarray(np.nan, array.dtype), array) if is_absent.any() else array


def _check_field(port: Port, facts: Facts, array: Array) -> None:
    """Check that what was a field of the training data is as finite as it was there, and there, where nothing stands for what is missing."""
    if port.gaps is False and not facts.gaps and np.isnan(array).any():
        raise lacks_error(port, "NaN")
    infinite = array[np.isinf(array)]
    if infinite.size:
        raise ModelError("input-range", f"`{port.name}` is a finite number, as in the data, this holds {infinite[0]}")


def lacks_error(port: Port, what: str) -> ModelError:
    """The error for an input that has no value, where nothing stands for that."""
    help = None if port.classes else f"train with `missing = keep` and `fill({port.name})`"
    return ModelError("input-range", _lacks(port, what), help)


def _lacks(port: Port, what: str) -> str:
    return f"`{port.name}` is missing ({what}), and this file has nothing for that"


def range_of(port: Port) -> str:
    """The range of a port in words, as in "from 0 to 9"; empty where there is none."""
    return range_in_words(port.minimum, port.maximum)


def in_digits(number: float) -> str:
    """A number with all of its digits where it is whole, up to those of int64: 1000001 is more than 1000000."""
    return f"{number:.0f}" if float(number).is_integer() and abs(number) <= 2**63 else f"{number:g}"


def range_in_words(low: float | None, high: float | None) -> str:
    """A closed range in words, either end of which may be open (None); empty where both are."""
    if low is not None and high is not None:
        return f"from {in_digits(low)} to {in_digits(high)}"
    if low is not None:
        return f"at least {in_digits(low)}"
    return "" if high is None else f"at most {in_digits(high)}"


def _repeat_single_examples(inputs: Ports, feed: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs that hold one example beside a batch of others, repeated for each example of it."""
    batch = max((len(feed[name]) for name in inputs), default=1)
    return {name: np.repeat(feed[name], batch, axis=0) for name in inputs if len(feed[name]) < batch}
