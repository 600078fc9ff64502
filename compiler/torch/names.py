"""Names of a spec as Python can write them."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

from torch import fx, nn

OWN = ("meta", "shape_env")  # What fx keeps on an instance.
# `train`, `forward`, `code`: an attribute by such a name is the module's own.
MODULE_NAMES = frozenset([*dir(nn.Module()), *dir(fx.GraphModule), *OWN])


def writable(name: str) -> bool:
    """Whether Python reads the name as it stands: it is no keyword, and in Python's normal form."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def attribute(part: str) -> str:
    """One part of a weight's name, spelt in ASCII where generated code could not say it; a turn stays a number."""
    return part if (writable(part) and part not in MODULE_NAMES) or part.isdigit() else f"n_{part.encode().hex()}"


def identifier(name: str) -> str:
    """A name of the spec as Python has it; one that Python has a function by is spelt apart, as fx would rename it."""
    is_taken = keyword.iskeyword(name) or hasattr(builtins, name) or name == "self"
    spelt = re.sub(r"\W", "_", name) + "_" * is_taken
    return spelt if spelt and not spelt[0].isdigit() else f"v_{spelt}"
