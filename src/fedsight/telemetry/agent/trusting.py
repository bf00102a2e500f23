"""What a connection is made with: tokens out of files, and the authorities that TLS goes by."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from fedsight.errors import UsageError

#: What a header may hold (https://www.rfc-editor.org/rfc/rfc6750#section-2.1, and more).
TOKEN = re.compile(r"[!-~]+")


def token_in(file: Path) -> str:
    """A file's token. Raises UsageError naming the file, never with what stands in it."""
    found = _text(file)
    if not TOKEN.fullmatch(found):
        raise UsageError(f"{file} holds no token: that is one line of letters, digits and signs")
    return found


def authorities(file: Path | None) -> bytes | None:
    """Whoever may vouch for a server, as PEM: those of `file`, else of this machine's store; None
    where it has none. Raises UsageError naming the file."""
    if file is None:
        of_machine = ssl.create_default_context().get_ca_certs(binary_form=True)
        return "".join(map(ssl.DER_cert_to_PEM_cert, of_machine)).encode() or None
    found = _text(file)
    try:
        ssl.create_default_context(cadata=found)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(f"{file} holds no certificate of an authority in PEM: {error}") from None
    return found.encode()


def _text(file: Path) -> str:
    try:
        found = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise UsageError(f"cannot read {file}: it is no text") from None
    if not found:
        raise UsageError(f"{file} is empty")
    return found
