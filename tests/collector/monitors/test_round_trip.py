"""The round trip as the kernel tells it, over real sockets."""

from __future__ import annotations

import socket
import sys

import pytest

from fedsight.collector.monitors.asking import Asking, Place
from fedsight.collector.monitors.contract import AwayError
from fedsight.collector.monitors.round_trip import round_trip, trip_samples
from tests.collector.monitors.board import in_loop


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
def test_a_connection_on_this_machine_has_a_short_one() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as client:
        found = round_trip(client)
    assert found is not None
    assert 0 < found < 0.1


def test_what_is_not_told_is_absent() -> None:
    class Silent:
        def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
            return bytes(size)

    class Refusing:
        def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
            raise OSError("not here")

    class Short:
        def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
            return b"\1"

    assert [round_trip(one) for one in (Silent(), Refusing(), Short())] == [None] * 3
    assert trip_samples("fl_server", None, 1) == []
    (sample,) = trip_samples("fl_server", 0.02, 1)
    assert (sample.name, sample.labels) == ("service_round_trip_seconds", {"service": "fl_server"})


@in_loop
async def test_a_place_is_reached_or_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = Place(Asking(), "FL server", f"http://localhost:{server.getsockname()[1]}")
        assert (await place.reach() or 0) < 1
    with pytest.raises(AwayError, match="no FL server answers"):
        await place.reach()


@in_loop
async def test_nobody_knocks_where_keys_are_kept() -> None:
    place = Place(Asking(), "FL server", "http://169.254.169.254")
    with pytest.raises(AwayError, match="nothing is sent there"):
        await place.reach()
