"""Removing what is old from the audit trail, so that what stays is still proven."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from fedsight.door.times import rfc3339
from fedsight.policy.audit import Anchor, AuditError, SigningKey, Trail, verify
from fedsight.policy.audit.exporting import records
from fedsight.policy.audit.record import Said
from fedsight.policy.overseer import EVENT, SOURCE, event_body
from fedsight.signals import Event

AUDIT_RETIRED = "AUDIT_RETIRED"


class Retired(NamedTuple):
    """How many records went, and the number of the first that stayed."""

    gone: int
    first: int


def retire(
    folder: Path, key: SigningKey, anchors: Sequence[Anchor], before: int, author: str
) -> Retired:
    """Remove files that hold nothing but records of before that moment (Unix nanoseconds).

    The whole trail is verified first, with these anchors: what was altered is evidence, and stays.
    Who removes what is recorded before it is gone. The newest file always stays. Raises AuditError.
    """
    found = verify(folder, key.public, anchors)
    if not found.ok:
        raise AuditError(f"record {found.seq} {found.what}: nothing is removed from such a trail")
    since = next((one.seq for one in records(folder, since=before)), found.last + 1)
    with Trail(folder, key) as trail:
        gone = trail.retire(since, lambda records: [_said(records, before, author)])
    return Retired(gone, found.first + gone)


def _said(records: int, before: int, author: str) -> Said:
    details = {"author": author, "before": rfc3339(before), "records": records}
    return EVENT, event_body(Event(time.time_ns(), SOURCE, AUDIT_RETIRED, details=details))
