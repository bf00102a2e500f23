"""A node's identity: an ECDSA key on the curve P-384, as Flower's node authentication wants it.

Files are OpenSSH's, so that Flower's own commands read them too and `ssh-keygen -lf` prints the
same fingerprint.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.common.constant import TIMESTAMP_HEADER
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.primitives.asymmetric import (
    generate_key_pairs,
    public_key_to_bytes,
    sign_message,
    uses_nist_ec_curve,
)

from fedsight.errors import FedsightError, UsageError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Identity:
    """A private key, and the public one in the form that travels (PEM)."""

    private: ec.EllipticCurvePrivateKey
    public: bytes

    @property
    def fingerprint(self) -> str:
        """What people compare keys by; the SuperLink's log names it, too."""
        return fingerprint(self.public)

    def signed(self) -> dict[str, str]:
        """The headers of one Fleet request: the time, signed, and whose signature it is."""
        timestamp = datetime.now(UTC).isoformat()
        signature = sign_message(self.private, timestamp.encode("ascii"))
        return {
            FLEET_HTTP_PUBLIC_KEY_HEADER: b64encode(self.public).decode("ascii"),
            TIMESTAMP_HEADER: timestamp,
            FLEET_HTTP_SIGNATURE_HEADER: b64encode(signature).decode("ascii"),
        }


def fingerprint(public: bytes) -> str:
    """The first 16 hex digits of the SHA-256 of a public key in PEM."""
    return hashlib.sha256(public).hexdigest()[:16]


def public_pem(public: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as it travels."""
    return public_key_to_bytes(public)


def openssh_fingerprint(public: ec.EllipticCurvePublicKey) -> str:
    """What `ssh-keygen -lf` prints: `SHA256:` and the digest of the key in OpenSSH's form."""
    blob = b64decode(_public_text(public).split()[1])
    return "SHA256:" + b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def fresh() -> Identity:
    """A key that was not there before."""
    private, public = generate_key_pairs()
    return Identity(private, public_key_to_bytes(public))


def write(path: Path, force: bool = False) -> Identity:
    """Make a key: the private one in `path` (mode 0600), the public one in `path`.pub.

    Raises UsageError where `path` is there already, unless `force` replaces it.
    """
    public_path = public_of(path)
    if not force and (path.exists() or public_path.exists()):
        there = path if path.exists() else public_path
        raise UsageError(f"{there} is there already: choose another path, or say --force")
    identity = fresh()
    private_text = identity.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _put(path, private_text, 0o600)
        line = f"{_public_text(identity.private.public_key())} {path.name}\n"
        _put(public_path, line.encode("ascii"), 0o644)
    except OSError as error:
        raise FedsightError(f"cannot write the key {path}: {error.strerror}") from error
    return identity


def read(path: Path) -> Identity:
    """The identity in a private key file. Raises UsageError saying what is wrong with it."""
    try:
        private = serialization.load_ssh_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise UsageError(f"cannot read the key {path}: {error.strerror}") from None
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is no private key in OpenSSH's form: {error}") from None
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise UsageError(f"{path} must be an ECDSA key; make one with: fedsight keys new")
    return Identity(private, public_key_to_bytes(private.public_key()))


def read_public(path: Path) -> ec.EllipticCurvePublicKey:
    """The public key in a file, its own or its private key's. Raises UsageError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read the key {path}: {error.strerror}") from None
    if content.startswith(b"-----BEGIN"):
        return read(path).private.public_key()
    try:
        public = serialization.load_ssh_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is no public key in OpenSSH's form: {error}") from None
    if not isinstance(public, ec.EllipticCurvePublicKey) or not uses_nist_ec_curve(public):
        raise UsageError(f"{path} must be an ECDSA key; make one with: fedsight keys new")
    return public


def kept(folder: Path, name: str) -> Identity:
    """The identity that a node of that name keeps in `folder`; made where it is not there.

    A restarted node so keeps its key, and with it its id. Raises UsageError on a bad name.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"a node's name must be letters, digits, '.', '_' and '-', at most 64, got {name!r}"
        )
    path = folder / name
    return read(path) if path.exists() else write(path)


def public_of(path: Path) -> Path:
    """Where the public key of the private key in `path` stands."""
    return path.with_name(path.name + ".pub")


def _public_text(public: ec.EllipticCurvePublicKey) -> str:
    return public.public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    ).decode("ascii")


def _put(path: Path, content: bytes, mode: int) -> None:
    """Write a file that nobody else can read meanwhile, whole or not at all."""
    new = path.with_name(f".{path.name}.new-{os.getpid()}")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
