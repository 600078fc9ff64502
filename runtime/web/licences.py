"""The licences of what pages hold of others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

# A package without a file of its licence: the line of its source that says whose it is, `Copyright (c) Microsoft Corporation`.
HOLDERS = {"onnxruntime-web": "Microsoft Corporation"}
MIT = """MIT License

Copyright (c) {holder}

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the
"Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the
following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF
MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY
CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


def licences_of_packages(modules: Path, names: Sequence[str]) -> str:
    """Packages of a `node_modules` folder, each with its version and the kind and text of its licence."""
    return "\n\n\n".join(licence_of_package(modules / name) for name in names)


def licence_of_package(package: Path) -> str:
    """One of them. Raises `OSError` for what is no package."""
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    text = next((file.read_text(encoding="utf-8") for file in sorted(package.glob("LICEN[CS]E*"))), "")
    text = text or (MIT.format(holder=HOLDERS[about["name"]]) if about["name"] in HOLDERS else "")
    kind = about.get("license", "of a licence that its package does not name")
    return f"{about['name']} {about['version']}, {kind}\n\n{text}".rstrip()
