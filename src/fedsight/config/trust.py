"""Whom a client of our own services trusts over TLS."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from fedsight.errors import SettingsError

PEM_END = "-----END CERTIFICATE-----"


@dataclass(frozen=True)
class Trust:
    """`authority`: a PEM file of whoever vouches for the server. `certificate`: the server's own,
    which is then the only one taken, under whatever name the server is reached: it proves who
    answers better than a name does. Neither: the system's authorities.
    """

    authority: Path | None = None
    certificate: Path | None = None

    def verify(self) -> ssl.SSLContext | bool:
        """What httpx is told; raises SettingsError naming a file that is no certificate."""
        if self.authority is not None:
            text = _text("collector.tls_ca", self.authority)
            return _loaded(ssl.create_default_context(), text, self.authority)
        if self.certificate is None:
            return True
        text = _text("collector.tls_cert", self.certificate)
        only = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        only.check_hostname = False
        only.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # The first in the file is the server's own; those after it would vouch for others.
        return _loaded(only, text.partition(PEM_END)[0] + PEM_END, self.certificate)


def _text(key: str, file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SettingsError(f"cannot read {key} {file}: {why}") from None


def _loaded(context: ssl.SSLContext, text: str, file: Path) -> ssl.SSLContext:
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise SettingsError(f"{file} holds no certificate in PEM: {error}") from None
    return context
