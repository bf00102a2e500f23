"""TLS for our services: a certificate and its key, as the operator's files hold them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from fedsight.errors import UsageError


@dataclass(frozen=True)
class Tls:
    """PEM files: the server's certificate, with those between it and its authority, and its key."""

    certificate: Path
    key: Path

    @classmethod
    def of(cls, certificate: Path | None, key: Path | None) -> Tls | None:
        """Both files, or None for neither; raises UsageError where only one is named."""
        if certificate is None and key is None:
            return None
        if certificate is None or key is None:
            raise UsageError("--tls-cert and --tls-key go together: name both files, or neither")
        return cls(certificate, key)

    def check(self) -> None:
        """Raise UsageError naming the file that cannot be read, or what does not fit."""
        self.context()

    def context(self) -> ssl.SSLContext:
        """What a server needs; raises UsageError as `check` does. TLS 1.2 and above."""
        for path in (self.certificate, self.key):
            try:
                path.read_bytes()
            except OSError as error:
                raise UsageError(f"cannot read {path}: {error.strerror}") from error
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            made.load_cert_chain(self.certificate, self.key, self._no_password)
        except ssl.SSLError as error:
            raise UsageError(
                f"{self.certificate} and {self.key} are not a certificate and its key:"
                f" {error.reason or error}"
            ) from error
        return made

    def _no_password(self) -> str:
        """Nobody is there to be asked: a service starts by itself."""
        raise UsageError(f"the key {self.key} is encrypted: a service needs it without a password")
