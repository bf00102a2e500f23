"""A version of a policy set as it is kept, and as it lies in the folder until it is written out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from fedsight.policy.faults import Fault, PolicyError

#: Where the versions of the set in a folder are kept.
FOLDER = ".versions"
#: A whole set that is about to replace the one in its folder.
PENDING = ".pending.json"


class Version(Struct, frozen=True):
    """One version: its number, the beginning of its digest, and its texts by file name.

    A mark that an older program left has texts only: its `number` is 0.
    """

    number: int
    version: str
    author: str
    time: int
    note: str
    files: dict[str, str]

    @property
    def when(self) -> str:
        """Its time, in UTC, to the second."""
        return f"{datetime.fromtimestamp(self.time / 1e9, UTC):%Y-%m-%d %H:%M:%S}Z"


def kept_as(folder: Path, number: int) -> Path:
    """The file that keeps a version of the set in a folder."""
    return folder / FOLDER / f"{number:06}.json"


def pending(folder: Path) -> Version | None:
    """What is to replace the folder's set: it counts as soon as it is there.

    Raises OSError, and PolicyError where it is damaged.
    """
    try:
        written = (folder / PENDING).read_bytes()
    except FileNotFoundError:
        return None
    try:
        return _read(written)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PolicyError([Fault(PENDING, None, f"is damaged: {error}; remove it")]) from error


def _read(written: bytes) -> Version:
    try:
        return msgspec.json.decode(written, type=Version)
    except msgspec.ValidationError:
        return Version(0, "", "", 0, "", msgspec.json.decode(written, type=dict[str, str]))
