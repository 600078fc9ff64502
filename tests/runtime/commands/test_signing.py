"""`mai sign` and `mai verify --key`: a file that was changed, renamed or signed by somebody else is refused before it is run."""

from __future__ import annotations

import stat
from pathlib import Path

import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from mai.runtime import ModelError
from mai.runtime.signing import check_signature, make_keys, sign, signature_path
from tests.support.cases.small_files import Write
from tests.support.command import invoke


@pytest.fixture
def file(shifted: onnx.ModelProto, write: Write) -> Path:
    return write(shifted)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key; the public one lies beside it."""
    make_keys(tmp_path / "key.pem")
    return tmp_path / "key.pem"


def public(key: Path) -> Path:
    return key.with_name(key.name + ".pub")


def refusal(file: Path, key: Path) -> str:
    with pytest.raises(ModelError) as caught:
        check_signature(file, key)
    return f"{caught.value.slug}: {caught.value}"


def test_what_was_signed_is_known(file: Path, key: Path) -> None:
    assert sign(file, key) == signature_path(file)
    (file.parent / "other.txt").write_text("not signed, and nothing to it")
    check_signature(file, public(key))


def test_a_byte_that_was_changed(file: Path, key: Path) -> None:
    sign(file, key)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)
    assert refusal(file, public(key)).startswith("signature-wrong")


def test_the_data_beside_a_file_are_signed_with_it(file: Path, key: Path) -> None:
    beside = file.with_name(file.name + ".data")
    beside.write_bytes(b"weights")
    sign(file, key)
    check_signature(file, public(key))
    beside.write_bytes(b"others!")
    assert f"another key signed it: {beside.name} changed" in refusal(file, public(key))
    assert f"{public(key)} is there" in refusal(file, key)
    beside.unlink()
    assert refusal(file, public(key)).startswith("signature-wrong")


def test_the_signature_of_another_file_or_key(file: Path, key: Path, tmp_path: Path) -> None:
    sign(file, key)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"something else")
    signature_path(other).write_bytes(signature_path(file).read_bytes())
    assert refusal(other, public(key)).startswith("signature-wrong")
    stranger = make_keys(tmp_path / "stranger.pem")
    assert refusal(file, stranger).startswith("signature-wrong")
    signature_path(file).write_text("{}")
    assert refusal(file, public(key)).startswith("signature-wrong")
    signature_path(file).unlink()
    assert "is not signed" in refusal(file, public(key))


def test_keys(file: Path, key: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(ModelError, match="is there already"):
        make_keys(key)
    for wrong in (file, tmp_path / "nothing.pem"):
        with pytest.raises(ModelError, match="is no key that can be read"):
            sign(file, wrong)


def test_a_key_with_a_password(file: Path, tmp_path: Path) -> None:
    secret, key = ec.generate_private_key(ec.SECP384R1()), tmp_path / "secret.pem"
    key.write_bytes(secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")))
    sign(file, key, "sesame")
    for password in (None, "wrong"):
        with pytest.raises(ModelError, match="is no key that can be read"):
            sign(file, key, password)


def test_a_claim_that_is_not_signed_is_not_run(file: Path, key: Path, tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    claim = tmp_path / "claims" / "small.f.onnx"
    claim.write_bytes(file.read_bytes())
    sign(file, key)
    said = " ".join(invoke("verify", tmp_path, "--key", public(key)).output.split())
    assert said.count("is not signed") == 1
    assert "claims" in said


def test_the_commands(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "mine.pem"
    assert "yours alone" in invoke("sign", "--new-key", key).output
    assert invoke("sign", file, "--key", key).exit_code == 0
    assert "self-test" in str(
        invoke("verify", file, "--key", public(key)).output
    )  # It has none: that is told after the signature.
    file.write_bytes(file.read_bytes() + b" ")
    done = invoke("verify", file, "--key", public(key))
    assert done.exit_code == 1
    assert "not as it was signed" in " ".join(done.output.split())
    monkeypatch.setenv("MAI_KEY_PASSWORD", "of another key")
    assert invoke("sign", file, "--new-key", tmp_path / "other.pem").exit_code == 0
    assert invoke("sign", file).exit_code != 0
    assert invoke("sign").exit_code != 0
