"""How commands reach a SuperLink that is up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedsight.door.hosts import is_loopback
from fedsight.errors import UsageError

if TYPE_CHECKING:
    from fedsight.federated.link.linked import Linked


@dataclass(frozen=True)
class Reach:
    """How to reach a SuperLink that is up: its address, who vouches for it, what it asks for.

    `token_file` None: that of the data directory, where there is one, and where nobody on the way
    can read it.
    """

    superlink: str | None = None
    root_cert: Path | None = None
    token_file: Path | None = None


def linked(reach: Reach, data: Path) -> Linked:
    """The way to that SuperLink's nodes; nothing is asked of it yet.

    Raises UsageError where the address is none, or a named file cannot be read.
    """
    from fedsight.federated.link.address import Address
    from fedsight.federated.link.caller import Place
    from fedsight.federated.link.linked import Linked

    address, plaintext = Address.of(reach.superlink or ""), reach.root_cert is None
    heard = plaintext and not is_loopback(address.host)
    token = None if heard and reach.token_file is None else _token(reach, data)
    return Linked(Place(address, insecure=plaintext, root_cert=reach.root_cert, token=token))


def _token(reach: Reach, data: Path) -> str | None:
    """What the SuperLink may ask for. Raises UsageError where a named file cannot be read."""
    path = reach.token_file or data / "token"
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        if reach.token_file is None:
            return None
        raise UsageError(f"cannot read the token file {path}: {error.strerror}") from error
