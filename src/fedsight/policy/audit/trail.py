"""Writing the trail: several processes append, one at a time, sign its head now and then, and
anchor it."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fedsight.policy.audit import canonical, failing
from fedsight.policy.audit.following import End, Listener, Watched
from fedsight.policy.audit.holding import Held
from fedsight.policy.audit.keys import SigningKey
from fedsight.policy.audit.record import (
    HEAD,
    OPENED,
    Anchor,
    AuditError,
    Said,
    Written,
    lines,
    signed_text,
    torn_said,
)
from fedsight.policy.audit.retiring import older
from fedsight.policy.audit.syncing import Disk
from fedsight.policy.audit.turns import Turns

#: Told of each signed head: what a witness elsewhere is to keep.
Witness = Callable[[Anchor], object]

HEAD_RECORDS, HEAD_SECONDS = 100, 60.0
SEGMENT_BYTES = 8 * 2**20
#: Whoever is farther behind than this reads on before others have to wait for it.
_NEAR_BYTES = 64 * 2**10
#: So long `close` waits for who writes in this process.
_CLOSE_SECONDS = 30.0


class Trail:
    """The trail in `folder`, open for appending. Safe to use from any thread, and beside other
    processes that append to it.

    The head is signed after `head_records` records or `head_seconds`, whoever wrote them, and when
    it is closed; `witness` is given each head signed here, `listener` each record from here on,
    others' too. What was recorded outlives the process, and from the next signed head on a loss of
    power too. A record that could not be written whole is taken back, and AuditError raised; so it
    is where what others wrote does not fit, where files of the trail were removed, and where there
    is a `fault`. Raises AuditError where the trail's end cannot be read, and TurnError, which is
    one, where another process keeps the trail to itself: `seconds` is how long that is waited for,
    from when on it was so first; usually 5.
    """

    def __init__(
        self,
        folder: Path,
        key: SigningKey,
        witness: Witness = lambda _: None,
        *,
        listener: Listener | None = None,
        head_records: int = HEAD_RECORDS,
        head_seconds: float = HEAD_SECONDS,
        segment_bytes: int = SEGMENT_BYTES,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.folder = folder
        self._key = key
        self._witness = witness
        self._head_records = head_records
        self._head_seconds = head_seconds
        self._segment_bytes = segment_bytes
        self._now = now
        self._mutex = threading.RLock()
        self._depth, self._files, self._gone = 0, -1, False
        self._end = End(folder, key.public, listener)
        self._watched = Watched(folder)
        self._disk = Disk(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._turns: Turns | None = Turns(folder)
            self._turns.take()
            try:
                self._open()
            finally:
                self._turns.give()
        except OSError as error:
            raise failing.unopened(folder, error) from error

    @property
    def held(self) -> Held | None:
        """Who keeps the trail from us; None where we had our turn when we tried last."""
        turns = self._turns
        return None if turns is None else turns.held()

    @property
    def fault(self) -> AuditError | None:
        """Why nothing is recorded here, whoever's turn it is: what was written did not reach the
        disk, or has been on its way for too long. None where it is as it should be."""
        return self._disk.fault

    @property
    def log(self) -> str:
        """The trail's name."""
        return self._end.log

    @property
    def seq(self) -> int:
        """The number of the last record that is known here."""
        return self._end.seq

    @property
    def hash(self) -> str:
        """Its hash."""
        return self._end.hash

    def append(self, kind: str, body: Mapping[str, Any], *, at_once: bool = False) -> int:
        """Record something; its sequence number. Raises AuditError where it is not on disk."""
        return self.append_all([(kind, body)], at_once=at_once)

    def append_all(
        self, records: Iterable[tuple[str, Mapping[str, Any]]], *, at_once: bool = False
    ) -> int:
        """Record several things at once, all or none; the last one's sequence number.

        With `at_once` nothing is waited for, neither a turn nor a disk nor a head that it is time
        to sign: TurnError where that has to be, and who asks so sees to it that somebody signs
        where it is `due`. Raises AuditError where they could not be written.
        """
        said = [(kind, canonical.plain(body)) for kind, body in records]
        texts = [canonical.dumps(body) for _, body in said]
        self._enter(0.0 if at_once else None)
        try:
            last = self._write(said, texts, at_once=at_once)
            head = self._sign() if not at_once and self.due else None
        finally:
            self._leave()
        if head is not None:
            self._see(head)
        return last

    @contextmanager
    def turn(self, seconds: float | None = None) -> Iterator[None]:
        """Nobody else writes meanwhile, and what others wrote was followed. Raises AuditError."""
        self._enter(seconds)
        try:
            yield
        finally:
            self._leave()

    def follow(self, seconds: float | None = None) -> int:
        """Follow what others wrote; the last record's number. Raises AuditError."""
        self._lock(seconds)
        try:
            turns = self._held()
            if self._gone or not turns.there():
                self._gone = True
                raise failing.removed(self.folder)
            if self._depth == 0 and self._behind(turns.files()):
                self._follow(turns, seconds)
            return self._end.seq
        except OSError as error:
            raise failing.unreadable(self.folder, error) from error
        finally:
            self._mutex.release()

    @property
    def due(self) -> bool:
        """Whether so many records or seconds passed since that it is time to sign the head."""
        unsigned = self._end.unsigned
        old = time.monotonic() - self._end.signed_at > self._head_seconds
        return unsigned >= self._head_records or (old and unsigned > 0)

    def sign(self, *, due: bool = False, seconds: float | None = None) -> Anchor | None:
        """Sign the head, see it on disk, and let the witness know; None where it is signed.

        With `due` only where it is time.
        """
        with self.turn(seconds):
            self._look_whether_there()
            head = self._sign() if self.due or not due else None
            # Whoever signed it may not have seen it on disk yet, and may never.
            signed = self._open_again() if head is None and not due else -1
        if signed >= 0:
            self._sync(signed)
        return None if head is None else self._see(head)

    def retire(self, before_seq: int, said: Callable[[int], Sequence[Said]] = lambda _: ()) -> int:
        """Remove files all of whose records are older than `before_seq`; how many records went.

        What is removed is named in the trail first, by its last hash, together with what is `said`
        of so many records, and that is signed: the chain that stays is proven from there.
        """
        with self.turn():
            try:
                old = older(self.folder, before_seq)
                if old is None:
                    return 0
                self._record(old.said(self._key, self._end.log), *said(old.records))
                self.sign()
                self._held().files_change()
                old.remove(self.folder)
            except OSError as error:
                raise AuditError(f"cannot remove old records: {error.strerror or error}") from error
            return old.records

    def close(self) -> None:
        """Sign the head and let go of the trail. Harmless when done twice."""
        if self._turns is None:
            return
        self._lock(_CLOSE_SECONDS)
        turns = self._turns
        try:
            if turns is not None:
                self.sign()
        finally:
            if turns is not None:
                turns.close()
                self._end.close()
                self._turns = None
            self._mutex.release()

    def __enter__(self) -> Trail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _held(self) -> Turns:
        if self._turns is None:
            raise AuditError(f"the audit trail {self.folder} was closed")
        return self._turns

    def _lock(self, seconds: float | None) -> None:
        """Nobody else of this process writes meanwhile. Raises TurnError."""
        if self._mutex.acquire(False):
            return
        most = self._held().seconds if seconds is None else seconds
        if most <= 0 or not self._mutex.acquire(timeout=most):
            held = self.held
            why = "this process is writing it" if held is None else str(held)
            raise failing.unready(self.folder, why)

    def _enter(self, seconds: float | None) -> None:
        """Begin a turn, or go deeper in one."""
        self._lock(seconds)
        try:
            turns = self._held()
            if self._gone:
                raise failing.removed(self.folder)
            self._disk.check()
            if self._depth == 0:
                turns.take(seconds)
                try:
                    self._caught_up(turns, seconds)
                    if self._watched.changed():
                        self._look_whether_there()
                except BaseException:
                    turns.give()
                    raise
        except OSError as error:
            self._mutex.release()
            raise failing.unreadable(self.folder, error) from error
        except BaseException:
            self._mutex.release()
            raise
        self._depth += 1

    def _leave(self) -> None:
        self._depth -= 1
        if self._depth == 0 and self._turns is not None:
            self._turns.give()
        self._mutex.release()

    def _caught_up(self, turns: Turns, seconds: float | None) -> None:
        files = turns.files()
        behind = self._behind(files)
        if behind > _NEAR_BYTES and seconds == 0:
            raise failing.unready(self.folder, "others wrote much since")
        if behind > _NEAR_BYTES:
            turns.give()
            self._follow(turns, seconds)
            turns.take(seconds)
            files = turns.files()
        if behind:
            self._end.follow()
            self._mend()
        self._files = files

    def _behind(self, files: int) -> int:
        """About how many bytes others wrote since, 0 where there is nothing to follow."""
        behind = self._end.behind()
        if behind == 0 and (files == self._files or not self._end.ended()):
            return 0
        return abs(behind) or 1

    def _follow(self, turns: Turns, seconds: float | None) -> None:
        """Follow what is written whole now; others write on meanwhile."""
        turns.take(seconds)
        try:
            mark = self._end.mark()
        finally:
            turns.give()
        self._end.follow(mark)

    def _open(self) -> None:
        self._end.find()
        if self._end.first == 0:
            self._begin(1)
        if self._end.seq == 0:
            self._end.log = secrets.token_hex(16)
            torn = self._end.torn()
            self._record((OPENED, {"key": self._key.public.text}))
            self._note(torn)
        else:
            self._mend()

    def _mend(self) -> None:
        """Take away what a killed writer left half, and say so."""
        self._note(self._end.torn())

    def _note(self, torn: bytes) -> None:
        if torn:
            self._record(torn_said(torn))

    def _sign(self) -> Written | None:
        """Write a head; what is returned is for `_see`, once nobody has to wait for it."""
        if not self._end.unsigned:
            return None
        signature = self._signature(self.seq, self.hash)
        self._record((HEAD, {"hash": self.hash, "seq": self.seq, "signature": signature}))
        return Written(self.seq, self.hash, self._open_again())

    def _see(self, head: Written) -> Anchor:
        """See a head on disk, then let the witness know."""
        self._sync(head.file)
        anchor = Anchor(self._end.log, head.seq, head.hash, self._signature(head.seq, head.hash))
        self._witness(anchor)
        return anchor

    def _open_again(self) -> int:
        """Another handle of the file, which outlives the turn."""
        try:
            return os.dup(self._end.file)
        except OSError as error:
            raise failing.unwritten(self.folder, error) from error

    def _sync(self, file: int) -> None:
        """See a file on disk, and close it."""
        try:
            self._disk.sync(file)
        finally:
            os.close(file)

    def _look_whether_there(self) -> None:
        """Raise AuditError where what is written here is not what others find in the folder."""
        try:
            self._gone = self._end.ended() or not self._held().there()
        except OSError as error:
            raise failing.unreadable(self.folder, error) from error
        if self._gone:
            raise failing.removed(self.folder)

    def _signature(self, seq: int, hash_: str) -> str:
        return self._key.sign(signed_text(self._end.log, seq, hash_))

    def _record(self, *records: Said) -> None:
        said = [(kind, canonical.plain(body)) for kind, body in records]
        self._write(said, [canonical.dumps(body) for _, body in said])

    def _write(self, said: list[Said], texts: list[bytes], *, at_once: bool = False) -> int:
        """Write records with these bodies, whose canonical bytes are `texts`."""
        end, now = self._end, self._now()
        made = lines(end.log, end.seq, end.hash, now, [kind for kind, _ in said], texts)
        content = b"".join(line for _, line in made)
        try:
            if end.size and end.size + len(content) > self._segment_bytes:
                if at_once:
                    raise failing.unready(self.folder, "a file of it is full")
                self._disk.sync(end.file)
                self._begin(end.seq + 1)
            end.add(content)
        except OSError as error:
            raise failing.unwritten(self.folder, error) from error
        for (kind, body), (hash_, line) in zip(said, made, strict=True):
            end.grew(hash_, now, kind, body, len(line))
        return end.seq

    def _begin(self, first: int) -> None:
        """Go on in a new file."""
        turns = self._held()
        turns.files_change()
        self._end.begin(first)
        self._files = turns.files()
        self._disk.sync_folder()
