"""Requests share commits, and one that meets a fault takes no other with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from fedsight.errors import JournalError
from fedsight.telemetry.bridge.committing import Committer
from fedsight.telemetry.bridge.refusing import CallRefusedError
from fedsight.telemetry.bridge.work import Nowhere, Work


class Kept(Nowhere):
    """Keeps what it is given but for what it cannot."""

    keeps = True

    def __init__(self, bad: bytes, error: Exception) -> None:
        self.bad, self.error = bad, error
        self.found: list[list[bytes]] = []

    def keep(self, works: Sequence[Work]) -> int:
        if self.bad in [work.body for work in works]:
            raise self.error
        self.found.append([work.body for work in works])
        return 0


def committed(forward: Kept, bodies: Sequence[bytes]) -> list[Any]:
    """What came of each."""

    async def all_of_them() -> list[Any]:
        committer = Committer(forward, lambda _: {}).start()
        calls = (committer.commit(Work(body)) for body in bodies)
        found = await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.to_thread(committer.close)
        return found

    return asyncio.run(all_of_them())


def test_requests_that_wait_share_a_commit() -> None:
    forward = Kept(b"", RuntimeError())
    bodies = [bytes([at]) for at in range(1, 100)]
    assert committed(forward, bodies) == [None] * 99
    assert [body for each in forward.found for body in each] == bodies
    assert len(forward.found) < 99


def test_a_fault_of_one_request_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    forward = Kept(b"bad", RuntimeError("a bug"))
    found = committed(forward, [b"1", b"bad", b"2"])
    assert (found[0], found[2]) == (None, None)
    assert isinstance(found[1], CallRefusedError)
    assert (found[1].code, found[1].retry) == (13, None)
    assert "a bug" in caplog.text
    assert "a bug" not in found[1].message


def test_a_full_disk_makes_all_come_again() -> None:
    found = committed(Kept(b"1", JournalError("the disk is full")), [b"1", b"1"])
    assert [(each.code, each.retry, str(each)) for each in found] == [
        (14, 5.0, "the disk is full")
    ] * 2
