"""Which files of a trail hold nothing but old records."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from fedsight.policy import disk
from fedsight.policy.audit import segments
from fedsight.policy.audit.following import first_of
from fedsight.policy.audit.keys import SigningKey
from fedsight.policy.audit.record import RETIRED, Said, retired_text
from fedsight.policy.audit.segments import Segment


class Old(NamedTuple):
    """Files that may go: of the records `first` to `last`, the last of which has this hash."""

    files: Sequence[Segment]
    first: int
    last: int
    hash: str

    @property
    def records(self) -> int:
        """How many there are in them."""
        return self.last - self.first + 1

    def said(self, key: SigningKey, log: str) -> Said:
        """The record that names and signs what goes, in the trail of that name."""
        signature = key.sign(retired_text(log, self.last, self.hash))
        body = {"first": self.first, "last": self.last, "hash": self.hash}
        return RETIRED, {**body, "signature": signature}

    def remove(self, folder: Path) -> None:
        """Remove them. Raises OSError."""
        for one in self.files:
            one.path.unlink()
        disk.sync_folder(folder)


def older(folder: Path, before_seq: int) -> Old | None:
    """The files all of whose records are older than `before_seq`, never the newest; None where
    there is none. Raises AuditError where one begins with another record than its name says: what
    was renamed is not removed for its name. Raises OSError."""
    all_ = segments.segments(folder)
    files = [one for one, after in pairwise(all_) if after.first <= before_seq]
    if not files:
        return None
    for one in files:
        first_of(one)
    stays = all_[len(files)]
    return Old(files, files[0].first, stays.first - 1, first_of(stays))
