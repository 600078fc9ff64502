"""What the comment at the head of a spec says of its files: who wrote them, under which licence, which version they are."""

from __future__ import annotations

import re

import onnx_ir as ir

from mai.runtime.model.manifest import About

# Keys of the head, and the fields of `About` that they are.
KEYS = {"author": "author", "licence": "licence", "license": "licence", "version": "version", "domain": "domain"}
SAID = re.compile(rf"({'|'.join(KEYS)}): +(\S.*)")
LARGEST = 2**63  # Of ONNX's `model_version`, beyond.


def about(text: str) -> About | None:
    """What the lines that begin a spec with `#` say: `# author: Jane Doe`, and the others as a description.

    Of two lines with one key, as of two authors, a comma is between. None without such lines.
    """
    lines = []
    for line in text.lstrip().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    if not lines:
        return None
    said: dict[str, str] = {}
    for key, value in (match.groups() for line in lines if (match := SAID.fullmatch(line))):
        said[KEYS[key]] = f"{said[KEYS[key]]}, {value}" if KEYS[key] in said else value
    description = "\n".join(line for line in lines if not SAID.fullmatch(line)).strip()
    return About(description=description, **said)


def write_about(model: ir.Model, said: About) -> None:
    """Put it where other programs look: ONNX's own fields, and properties by the names that Netron shows.

    ONNX has a whole number for the version; any other is a property alone.
    """
    model.doc_string, model.domain = said.description or None, said.domain
    if said.version is not None and said.version.isdecimal() and int(said.version) < LARGEST:
        model.model_version = int(said.version)
    properties = {"author": said.author, "license": said.licence, "version": said.version}
    model.metadata_props.update({name: value for name, value in properties.items() if value is not None})
