"""Keys of nodes: as Flower reads them, private, and never overwritten by accident."""

from __future__ import annotations

import stat
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.cli.supernode.register import try_load_public_key
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.supercore.constant import FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature

from fedsight.errors import UsageError
from fedsight.federated.link import identity


def test_a_private_key_is_its_owners_alone_and_flower_reads_the_public_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"
    made = identity.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert isinstance(made.private.curve, ec.SECP384R1)
    assert try_load_public_key(identity.public_of(path)) == made.public
    assert identity.read(path).public == made.public


def test_a_key_is_never_overwritten_unless_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "key"
    first = identity.write(path)
    with pytest.raises(UsageError, match="is there already"):
        identity.write(path)
    assert identity.read(path).public == first.public
    assert identity.write(path, force=True).public != first.public
    path.unlink()
    with pytest.raises(UsageError, match=r"key\.pub is there already"):
        identity.write(path)


def test_a_name_keeps_its_key(tmp_path: Path) -> None:
    first = identity.kept(tmp_path, "client-0")
    assert identity.kept(tmp_path, "client-0").fingerprint == first.fingerprint
    assert identity.kept(tmp_path, "client-1").fingerprint != first.fingerprint
    with pytest.raises(UsageError, match=r"got '\.\./elsewhere'"):
        identity.kept(tmp_path, "../elsewhere")


def test_what_is_signed_verifies_with_the_public_key_alone() -> None:
    who, other = identity.fresh(), identity.fresh()
    headers = who.signed()
    signed = headers[TIMESTAMP_HEADER].encode()
    signature = b64decode(headers[FLEET_HTTP_SIGNATURE_HEADER])
    assert verify_signature(bytes_to_public_key(who.public), signed, signature)
    assert not verify_signature(bytes_to_public_key(other.public), signed, signature)
    assert who.signed()[FLEET_HTTP_SIGNATURE_HEADER] != headers[FLEET_HTTP_SIGNATURE_HEADER]


def test_both_files_of_a_pair_have_one_fingerprint(tmp_path: Path) -> None:
    made = identity.write(tmp_path / "key")
    found = {
        identity.fingerprint(identity.public_pem(identity.read_public(path)))
        for path in (tmp_path / "key", tmp_path / "key.pub")
    }
    assert found == {made.fingerprint}
    assert identity.openssh_fingerprint(made.private.public_key()).startswith("SHA256:")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "no private key"), (b"-----BEGIN nothing", "no private key"), (None, "cannot read")],
)
def test_a_file_that_is_no_key_is_named(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        identity.read(path)
