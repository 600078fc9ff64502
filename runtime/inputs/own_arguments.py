"""The arguments of a call that are mai's own, unless the file has an input or a setting of that name, which then has the value."""

from __future__ import annotations

from collections.abc import Mapping

from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import as_array, as_values
from mai.runtime.model.interruption import TimeLimit
from mai.runtime.model.manifest import Port

TIMEOUT, SPECIAL_TOKENS = "timeout", "special_tokens"
Ports = Mapping[str, Port]


def take_limit(ports: Ports, timeout: object, values: dict[str, object]) -> TimeLimit:
    """The limit that `timeout` sets; none where it is the value of a port, which then joins `values`. Raises `ModelError`."""
    if TIMEOUT in ports:
        _hand_on(TIMEOUT, timeout, values)
        return TimeLimit(None)
    return TimeLimit.of(timeout)


def take_special_tokens(ports: Ports, special_tokens: object, values: dict[str, object], usual: bool) -> bool:
    """Whether texts get special tokens: as the call or else the file says, `usual`; the same for a port of that name. Raises `ModelError`."""
    if SPECIAL_TOKENS in ports:
        _hand_on(SPECIAL_TOKENS, special_tokens, values)
    elif isinstance(special_tokens, bool):
        return special_tokens
    elif special_tokens is not None:
        raise ModelError("input-dtype", f"`{SPECIAL_TOKENS}` is true or false, this is {special_tokens!r}")
    return usual


def take_number(ports: Ports, name: str, number: int | None, values: dict[str, object], usual: int) -> int:
    """A number that is an argument of mai's own; `usual` where it is not given, or is the value of a port, which then joins `values`."""
    if name in ports:
        _hand_on(name, number, values)
        return usual
    return usual if number is None else number


def whole_number(name: str, number: object) -> int:
    """A number that counts something, 0 at least. Raises `ModelError` as for a setting."""
    port = Port(name=name, kind="setting", batch=False, shape=[], dtype="int64", minimum=0)
    return int(as_values(port, as_array(port, number)))


def _hand_on(name: str, value: object, values: dict[str, object]) -> None:
    if value is not None:
        values[name] = value
