"""Where the process is that writes to a data directory: a file in it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from fedsight.errors import StoreError

#: In the data directory, while its writer runs: the address that reaches this very process.
ADDRESS = "collector.address"


def announce_writer(data: Path, url: str) -> None:
    """Say where the writer is; whole or not at all."""
    draft = data / f"{ADDRESS}.new"
    try:
        draft.write_text(f"{url}\n", encoding="ascii")
        draft.chmod(0o600)
        os.replace(draft, data / ADDRESS)
    except OSError as error:
        raise StoreError(f"cannot write to the data directory {data}: {error.strerror}") from error


def withdraw_writer(data: Path, url: str) -> None:
    """Say that this writer is gone, where no other has come since."""
    with suppress(OSError):
        if (data / ADDRESS).read_text(encoding="ascii").strip() == url:
            (data / ADDRESS).unlink()
