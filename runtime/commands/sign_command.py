"""The verb `sign`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import say

PASSWORD = "MAI_KEY_PASSWORD"  # The variable of the environment.


def sign(
    models: Annotated[list[Path] | None, Argument(help=".onnx files that mai compiled.", show_default=False)] = None,
    key: Annotated[
        Path | None,
        Option(help="The private key, a .pem; the variable MAI_KEY_PASSWORD has its password.", show_default=False),
    ] = None,
    new_key: Annotated[
        Path | None, Option(help="Write a new private key there, and the public one beside it.", show_default=False)
    ] = None,
) -> None:
    """Sign compiled files: mai sign --new-key key.pem, then mai sign runs/flow/*.onnx --key key.pem

    The signature is a file beside the signed one, NAME.onnx.sig. It covers the whole file, and the file of weights beside it. Anyone who has the
    public key checks it with mai verify NAME.onnx --key key.pem.pub, or with OpenSSF's model_signing, which has the same format. No network is needed.
    """
    from mai.runtime.signing import make_keys
    from mai.runtime.signing import sign as sign_file

    if not models and new_key is None:
        raise Misuse("nothing is to be signed: name files, or --new-key")
    if new_key is not None:
        public = make_keys(new_key)
        say(f"wrote {new_key}, which is yours alone, and {public}, which is for everybody", err=True)
    if models and key is None and new_key is None:
        raise Misuse("--key is missing: the private key to sign with", help="mai sign --new-key key.pem makes one")
    password = os.environ.get(PASSWORD) if key is not None else None  # A new key has none.
    for model in models or []:
        say(f"wrote {sign_file(model, key or new_key, password)}", err=True)  # type: ignore[arg-type]
