"""The Ed25519 key that signs the heads of the audit trail."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedsight.policy import disk
from fedsight.policy.audit.record import MOST_SEQ, AuditError, retired_text, signed_text

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True)
class PublicKey:
    """What a head's signature is checked with."""

    key: Ed25519PublicKey

    @property
    def text(self) -> str:
        """Its 32 bytes in hexadecimal."""
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        return self.key.public_bytes(*raw).hex()

    @classmethod
    def of(cls, text: str) -> PublicKey:
        """The key that `text` is of. Raises ValueError."""
        return cls(Ed25519PublicKey.from_public_bytes(bytes.fromhex(text.strip())))

    @classmethod
    def read(cls, path: Path) -> PublicKey:
        """The key in a file. Raises AuditError."""
        try:
            return cls.of(path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise AuditError(f"{path} holds no public key of an audit trail: {error}") from error

    @classmethod
    def beside(cls, path: Path) -> PublicKey:
        """The public half of the signing key at `path`, by its `.pub` alone where only others may
        read that. Raises AuditError, also where the two are not of one key."""
        found = cls.read(_public(path))
        try:
            own = _read(path)
        except OSError:
            return found
        if PublicKey(own.public_key()).text != found.text:
            raise AuditError(f"{path}.pub is not the public half of {path}: somebody changed one")
        return found

    def signs_head(self, log: str, seq: int, hash_: str, signature: object) -> bool:
        """Whether the key's owner signed that record `seq` of a trail has this hash."""
        if not 0 < seq <= MOST_SEQ:
            return False
        return self.signed(signed_text(log, seq, hash_), signature)

    def signs_retired(self, log: str, body: Mapping[str, Any]) -> tuple[int, str] | None:
        """Up to which record, and with which hash, its owner removed records as `body` says; None
        where nothing of the kind was signed."""
        last, hash_ = body.get("last"), body.get("hash")
        if type(last) is not int or not 0 < last <= MOST_SEQ or not isinstance(hash_, str):
            return None
        signed = self.signed(retired_text(log, last, hash_), body.get("signature"))
        return (last, hash_) if signed else None

    def signed(self, content: bytes, signature: object) -> bool:
        """Whether the key's owner signed that; the signature in hexadecimal."""
        if not isinstance(signature, str):
            return False
        try:
            self.key.verify(bytes.fromhex(signature), content)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """The private key; it stays in its file, readable by its owner alone."""

    key: Ed25519PrivateKey

    @property
    def public(self) -> PublicKey:
        """Its public half."""
        return PublicKey(self.key.public_key())

    def sign(self, content: bytes) -> str:
        """The signature in hexadecimal."""
        return self.key.sign(content).hex()

    @classmethod
    def open(cls, path: Path) -> SigningKey:
        """The key in a file, made where there is none; the public one lies beside it (`.pub`).

        Raises AuditError where others may read or write the file, or it holds no such key.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _make(path)
            found = cls(_read(path))
            if not _public(path).exists():  # killed between the two
                _publish(path, found.key)
            return found
        except OSError as error:
            raise AuditError(f"cannot open the signing key {path}: {error}") from error


def _make(path: Path) -> None:
    made = Ed25519PrivateKey.generate()
    pem = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    if disk.created(path, pem, mode=0o600):
        _publish(path, made)


def _public(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _publish(path: Path, key: Ed25519PrivateKey) -> None:
    disk.written(_public(path), f"{PublicKey(key.public_key()).text}\n".encode())


def _read(path: Path) -> Ed25519PrivateKey:
    handle = os.open(path, os.O_RDONLY)
    with open(handle, "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if mode & _OTHERS:
            raise AuditError(
                f"others may use the signing key {path} (mode {stat.S_IMODE(mode):04o});"
                f" run: chmod 600 {path}, and make a new key if somebody may have read it"
            )
        pem = file.read()
    try:
        found = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AuditError(f"{path} holds no private key: {error}") from error
    if not isinstance(found, Ed25519PrivateKey):
        raise AuditError(f"{path} holds a {type(found).__name__}, not an Ed25519 key")
    return found
