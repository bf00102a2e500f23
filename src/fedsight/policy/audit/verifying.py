"""Verifying the trail: the first record that was altered, removed, inserted or moved is named.

A chain of hashes shows a change to whoever still knows a later hash. Heads are signed, so that
nobody without the key can hash all of it anew; anchors are elsewhere, so that not even the whole
trail, rolled back together with its heads, goes unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedsight.policy.audit import segments
from fedsight.policy.audit.keys import PublicKey
from fedsight.policy.audit.record import (
    HEAD,
    NOTHING,
    RETIRED,
    Anchor,
    AuditError,
    Record,
    read,
)
from fedsight.policy.audit.segments import Line


@dataclass(frozen=True)
class Verdict:
    """What verifying found.

    `seq` is the first record that is wrong, `what` says how, `where` in which file and line; all
    None where nothing is. `records` were right before it. `signed` and `anchored` are the last
    records that a signed head and a witness vouch for: what comes after could still be cut off
    unseen.
    """

    log: str | None
    records: int
    first: int
    last: int
    signed: int
    anchored: int
    seq: int | None = None
    what: str | None = None
    where: str | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return self.what is None


def verify(folder: Path, key: PublicKey, anchors: Iterable[Anchor] = ()) -> Verdict:
    """Read the whole trail and check it. Raises AuditError where it cannot be read.

    `anchors` is what the witness has; those that this key did not sign are of other trails.
    """
    chain = _Chain(key, list(anchors))
    try:
        for line in segments.lines(folder):
            if not chain.takes(line):
                return chain.verdict(_order(folder))
    except OSError as error:
        raise AuditError(f"cannot read the audit trail {folder}: {error}") from error
    return chain.ended(folder)


class _Chain:
    """The records so far, and the first that is wrong."""

    def __init__(self, key: PublicKey, anchors: Sequence[Anchor]) -> None:
        self._key = key
        self._anchors = [
            one for one in anchors if key.signs_head(one.log, one.seq, one.hash, one.signature)
        ]
        self._pinned: Mapping[int, set[str]] = {}
        self._log: str | None = None
        self._first = self._records = self._seq = self._signed = self._anchored = 0
        self._hash = NOTHING
        self._gap: tuple[int, str] | None = None
        self._wrong: tuple[int, str, str | None] | None = None

    def takes(self, line: Line) -> bool:
        """Take the next line; False where it is wrong."""
        found, wrong = read(line.text)
        where = f"{line.path.name}:{line.number}"
        if not line.whole:
            return self._fails(self._seq + 1, "is cut short", where)
        if found is None or wrong:
            return self._fails(self._seq + 1, f"was altered: it {wrong}", where)
        if self._log is None:
            self._begin(found)
        said = self._breaks(found)
        if said is not None:
            return self._fails(said[0], said[1], where)
        self._seq, self._hash = found.seq, found.hash
        self._records += 1
        return True

    def _begin(self, first: Record) -> None:
        self._log, self._first = first.log, first.seq
        # Two hashes of one record: whoever signed the second one had a trail that was cut before.
        self._pinned = pinned = dict[int, set[str]]()
        for one in self._anchors:
            if one.log == first.log:
                pinned.setdefault(one.seq, set()).add(one.hash)
        self._seq = first.seq - 1
        self._hash = first.prev
        if first.seq != 1 or first.prev != NOTHING:
            self._gap = (first.seq - 1, first.prev)

    def _breaks(self, found: Record) -> tuple[int, str] | None:
        """What is wrong with a record that is right in itself, and of which one."""
        expected = self._seq + 1
        if found.log != self._log:
            return expected, f"was inserted: it is of another trail, {found.log}"
        if found.seq <= self._seq:
            return found.seq, "is there twice: one of the two was inserted"
        if found.seq != expected:
            return expected, f"is not where it belongs: there is record {found.seq}"
        if found.prev != self._hash:
            return max(self._seq, 1), f"was altered: record {found.seq} follows another one"
        if not self._pinned.get(found.seq, set()) <= {found.hash}:
            return found.seq, "was altered: its hash was anchored otherwise"
        if not self._pinned.get(found.seq - 1, set()) <= {found.prev}:
            return found.seq, "was altered: the record before it was anchored otherwise"
        if found.seq in self._pinned:
            self._anchored = found.seq
        if found.kind == HEAD:
            return self._head(found)
        if found.kind == RETIRED and self._gap is not None:
            retired = self._key.signs_retired(found.log, found.body)
            self._gap = None if retired == self._gap else self._gap
        return None

    def _head(self, found: Record) -> tuple[int, str] | None:
        seq, hash_ = found.body.get("seq"), found.body.get("hash")
        if seq != found.seq - 1 or hash_ != found.prev:
            return found.seq, "was altered: it is the head of another record"
        signature = found.body.get("signature")
        if not self._key.signs_head(found.log, found.seq - 1, found.prev, signature):
            return found.seq, "was altered: its signature is not the key's"
        self._signed = found.seq - 1
        return None

    def _fails(self, seq: int, what: str, where: str | None) -> bool:
        self._wrong = (seq, what, where)
        return False

    def ended(self, folder: Path) -> Verdict:
        """The verdict once all lines were taken."""
        if self._gap is not None:
            first = 1
            self._fails(first, f"to {self._gap[0]} were removed, and nothing signed says so", None)
        if self._wrong is None and self._records == 0:
            self._fails(1, f"is not there: {folder} holds no record", None)
        missing = [one for one in self._anchors if one.log != self._log or one.seq > self._seq]
        if self._wrong is None and missing:
            self._cut(min(missing, key=lambda one: one.seq))
        return self.verdict({})

    def _cut(self, anchor: Anchor) -> None:
        if anchor.log != self._log:
            self._fails(1, f"is of another trail: {anchor.log} was anchored", None)
        else:
            what = f"was removed: the trail ends before it, record {anchor.seq} was anchored"
            self._fails(self._seq + 1, what, None)

    def verdict(self, order: Mapping[int, int]) -> Verdict:
        """What was found; `order` is how often each sequence number is there."""
        seq, what, where = self._wrong or (None, None, None)
        if seq is not None and what is not None and what.startswith("is not where"):
            what = _displaced(seq, what, order)
        known = self._log, self._records, self._first, self._seq, self._signed, self._anchored
        return Verdict(*known, seq, what, where)


def _order(folder: Path) -> dict[int, int]:
    """How often each sequence number stands in the trail, as far as lines can be read."""
    counts: dict[int, int] = {}
    for line in segments.lines(folder):
        found, _ = read(line.text)
        if found is not None:
            counts[found.seq] = counts.get(found.seq, 0) + 1
    return counts


def _displaced(seq: int, what: str, order: Mapping[int, int]) -> str:
    there = what.rpartition(" ")[2]
    how = "moved" if order.get(seq) else "removed"
    return f"was {how}: record {there} stands in its place"
