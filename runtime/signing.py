"""Signatures of compiled files, in the form of OpenSSF's model signing, by keys of one's own: nothing is asked of the net.

A signature is a Sigstore bundle beside the file, `NAME.onnx.sig`, of the SHA-256 of the file and of the data beside it. Other programs check it,
too: `model_signing verify key FOLDER --signature NAME.onnx.sig --public-key KEY --ignore-unsigned-files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai.runtime.errors import ModelError
from mai.runtime.files import reason, write_atomically
from mai.runtime.model.data import data_path

if TYPE_CHECKING:
    from model_signing.hashing import Config

ENDING, PUBLIC = ".sig", ".pub"
HASHED = re.compile(r"Hash mismatch for \\*'([^'\\]+)")  # What the library says of a file that was changed.


def signature_path(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(path.name + ENDING)


def sign(path: Path, key: Path, password: str | None = None) -> Path:
    """Sign a compiled file, and the data beside it, with a private key on an elliptic curve, a .pem; the signature is returned.

    Raises:
        ModelError: `model-not-found`: there is no such file; `key-unreadable`: the key is none, or has another password.
    """
    _check_there(path)
    with _library():
        from model_signing import signing

        config = signing.Config().set_hashing_config(_hashing(path))  # type: ignore[no-untyped-call]
    try:
        secret: Any = password.encode() if password else None  # Which cryptography takes as bytes.
        config.use_elliptic_key_signer(private_key=key, password=secret).sign(path.parent, signature_path(path))
    except (ValueError, TypeError, OSError) as error:
        raise _key_error(key, error) from error
    return signature_path(path)


def check_signature(path: Path, key: Path) -> None:
    """Check that a file, and the data beside it, are as they were signed, by the public key of who signed them.

    Raises:
        ModelError: `signature-wrong`: it has none, or that of another key or another file; `key-unreadable`: the key is none.
    """
    _check_there(path)
    if not signature_path(path).is_file():
        raise ModelError("signature-wrong", f"{path} is not signed: there is no {signature_path(path).name} beside it")
    with _library():
        from model_signing import verifying

        config = verifying.Config().set_hashing_config(_hashing(path))  # type: ignore[no-untyped-call]
    try:
        config.use_elliptic_key_verifier(public_key=key)
    except (ValueError, TypeError, OSError) as error:
        raise _key_error(key, error) from error
    try:
        config.verify(path.parent, signature_path(path))
    except Exception as error:  # What is no signature raises many types: of JSON, of protocol buffers, of cryptography.
        changed = HASHED.findall(str(error))
        why = f"{' and '.join(changed)} changed" if changed else str(error) or type(error).__name__
        message = f"{path} is not as it was signed, or another key signed it: {why}"
        raise ModelError("signature-wrong", message, "copy it again, with its signature") from error


def make_keys(path: Path) -> Path:
    """Write a new private key, which only its owner may read, and beside it the public one, `NAME.pub`, which is returned.

    The curve is P-256.

    Raises:
        ModelError: `out-unknown`: a key is there already.
    """
    public = path.with_name(path.name + PUBLIC)
    for each in (path, public):
        if each.exists():
            raise ModelError("out-unknown", f"{each} is there already: who has its signatures needs it")
    with _library():
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    path.touch(mode=0o600)
    write_atomically(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_atomically(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public


def _hashing(path: Path) -> Config:
    """What a signature is of: this file and the data beside it, and nothing else of their folder."""
    from model_signing.hashing import Config

    class Files(Config):  # type: ignore[misc,unused-ignore]
        def hash(self, model_path, *, files_to_hash=None):  # type: ignore[no-untyped-def]
            there = [each for each in (path, data_path(path)) if each.is_file()]
            return super().hash(model_path, files_to_hash=there)

    return Files()  # type: ignore[no-untyped-call]


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise ModelError("model-not-found", f"there is no file {path}")


def _key_error(key: Path, error: Exception) -> ModelError:
    public = key.with_name(key.name + PUBLIC)
    help = (
        f"{public} is there" if "PUBLIC KEY" in str(error) and public.exists() else "mai sign --new-key FILE makes one"
    )
    return ModelError("key-unreadable", f"{key} is no key that can be read: {reason(error)}", help)


@contextmanager
def _library() -> Iterator[None]:
    """An import of what the extra `sign` brings."""
    try:
        yield
    except ModuleNotFoundError as error:
        message = f"signatures need {error.name}"
        raise ModelError(
            "key-unreadable", message, "pip install 'mai-lang[sign]', or '.[sign]' in a clone of mai"
        ) from error
