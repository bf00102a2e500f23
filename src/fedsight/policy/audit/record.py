"""Records of the audit trail, each with the hash of the one before it.

A record is one line: the canonical JSON (RFC 8785) of `body, hash, kind, log, prev, seq, time`.
`hash` is the SHA-256 of the canonical JSON of all other members, `prev` the hash of the record
before, `time` Unix nanoseconds as a text. Sequence numbers begin at 1 and have no holes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Struct

from fedsight.errors import FedsightError
from fedsight.policy.audit import canonical

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Kind = Annotated[str, Meta(pattern=r"^[a-z][a-z_.]{0,63}$")]

#: `prev` of the first record.
NOTHING = "0" * 64

#: So large may what a record says be.
BODY_BYTES = 8 * 2**20
#: So much of a line is not what the record says.
_FRAME_BYTES = 512
LINE_BYTES = BODY_BYTES + _FRAME_BYTES

#: What JSON has an exact number for.
MOST_SEQ = 2**53 - 1

OPENED, HEAD, RETIRED, TORN = "opened", "head", "retired", "torn"
#: What the trail says of itself, beside what it is told.
OWN_KINDS = frozenset({OPENED, HEAD, RETIRED, TORN})


#: A record to be written: its kind, and its body as plain JSON.
Said = tuple[str, Mapping[str, Any]]


class AuditError(FedsightError):
    """The audit trail cannot be opened or written; the message says why."""


class TurnError(AuditError):
    """Somebody else keeps the audit trail to itself; the message says who, as far as is known."""


class Record(Struct, frozen=True, forbid_unknown_fields=True):
    """One record as it stands in the trail."""

    body: dict[str, Any]
    hash: Digest
    kind: Kind
    log: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
    prev: Digest
    seq: Annotated[int, Meta(ge=1, le=MOST_SEQ)]
    time: Annotated[str, Meta(pattern=r"^[0-9]{1,19}$")]


class Anchor(Struct, frozen=True):
    """What a witness elsewhere keeps: that record `seq` of the trail `log` has this hash.

    It is of the record that signs the head; `signature` is the key's, in hexadecimal.
    """

    log: str
    seq: int
    hash: str
    signature: str


class Written(NamedTuple):
    """A head that was written and is not seen on disk yet: of which record, and a handle of its
    file."""

    seq: int
    hash: str
    file: int


def made(
    log: str, seq: int, prev: str, time: int, kind: str, body: Mapping[str, Any]
) -> tuple[str, bytes]:
    """A record's hash and its line, without the newline. Raises ValueError."""
    return chained(log, seq, prev, time, kind, canonical.dumps(dict(body)))


def chained(log: str, seq: int, prev: str, time: int, kind: str, said: bytes) -> tuple[str, bytes]:
    """The same of a body's canonical bytes."""
    rest = ',"kind":"%s","log":"%s","prev":"%s","seq":%d,"time":"%d"}'
    content = said, (rest % (kind, log, prev, seq, time)).encode("ascii")
    hash_ = hashlib.sha256(b'{"body":%s%s' % content).hexdigest()
    return hash_, b'{"body":%s,"hash":"%s"%s' % (content[0], hash_.encode(), content[1])


def lines(
    log: str, seq: int, prev: str, time: int, kinds: Sequence[str], said: Sequence[bytes]
) -> list[tuple[str, bytes]]:
    """Hashes and lines, with newlines, of records that follow record `seq`, whose hash is `prev`;
    `said` are their bodies' canonical bytes. Raises AuditError where one is too large."""
    made = []
    for kind, text in zip(kinds, said, strict=True):
        if len(text) > BODY_BYTES:
            raise AuditError(f"a record of {len(text)} bytes is more than {BODY_BYTES}")
        seq += 1
        prev, line = chained(log, seq, prev, time, kind, text)
        made.append((prev, line + b"\n"))
    return made


class Link(NamedTuple):
    """Where a record stands in its chain."""

    hash: str
    kind: str
    log: str
    prev: str
    seq: int
    time: int


_TAIL = re.compile(
    rb',"hash":"([0-9a-f]{64})"'
    rb',"kind":"([a-z][a-z_.]{0,63})","log":"([0-9a-f]{32})","prev":"([0-9a-f]{64})"'
    rb',"seq":([1-9][0-9]{0,15}),"time":"([0-9]{1,19})"\}'
)


def link(line: bytes) -> Link | None:
    """Where the record on a line stands, None where it has not the hash of what it says.

    Whether what it says is written canonically is left to `read`.
    """
    at = line.rfind(b',"hash":"')
    found = _TAIL.fullmatch(line, at) if at > 0 else None
    if found is None:
        return None
    content = line[:at] + line[found.end(1) + 1 :]
    texts = [one.decode("ascii") for one in found.groups()]
    if hashlib.sha256(content).hexdigest() != texts[0]:
        return None
    return Link(texts[0], texts[1], texts[2], texts[3], int(texts[4]), int(texts[5]))


def number(line: bytes) -> int | None:
    """The sequence number that a line says it has; None where it is no record's."""
    at = line.rfind(b',"hash":"')
    found = _TAIL.fullmatch(line, at) if at > 0 else None
    return None if found is None else int(found[5])


def read(line: bytes) -> tuple[Record | None, str]:
    """The record on a line, or what is wrong with it: it must be its own canonical form."""
    try:
        found = msgspec.json.decode(line, type=Record)
        time = int(found.time)
        again = made(found.log, found.seq, found.prev, time, found.kind, found.body)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        return None, f"is no record: {error}"
    if again[0] != found.hash:
        return found, "does not have the hash of what it says"
    return (found, "") if again[1] == line else (found, "is not written canonically")


def signed_text(log: str, seq: int, hash_: str) -> bytes:
    """What a head signs: that the record `seq` of this trail has this hash."""
    return canonical.dumps({"hash": hash_, "log": log, "seq": seq, "what": "fedsight audit head"})


def torn_said(torn: bytes) -> Said:
    """What the trail says of a half-written record that was taken away."""
    return TORN, {"bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest()}


def retired_text(log: str, last: int, hash_: str) -> bytes:
    """What is signed where records are removed: that those up to `last` were, with this hash."""
    what = "fedsight audit retired"
    return canonical.dumps({"hash": hash_, "last": last, "log": log, "what": what})
