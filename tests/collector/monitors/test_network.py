"""The network monitor against a controller that answers as ONOS does."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from hypothesis import given

from fedsight.collector.monitors import onos
from fedsight.collector.monitors.asking import Asking
from fedsight.collector.monitors.contract import ForeignAnswerError, Found
from fedsight.collector.monitors.network import (
    DROPS,
    PACKETS,
    NetworkMonitor,
    NetworkState,
    loss_ratio,
)
from fedsight.collector.monitors.rates import Reading, rise
from tests.collector.monitors.board import figures, in_loop
from tests.collector.monitors.controller import (
    DISCOVERY,
    ONE,
    PRIORITISED,
    TWO,
    Controller,
    device,
    flow,
    port,
)
from tests.collector.monitors.test_foreign import JSON
from tests.collector.stub_service import StubService


@pytest.fixture
def controller() -> Iterator[Controller]:
    stub = Controller()
    with stub.service:
        yield stub


class Looking:
    """A monitor that is looked through again and again, as the schedule does."""

    def __init__(self, url: str, basic: tuple[str, str] | None = None) -> None:
        self.asking = Asking()
        self.cursor: bytes | None = None
        self.monitor = NetworkMonitor(self.asking, url, basic)

    async def look(self) -> Found:
        found = await self.monitor.collect(self.cursor)
        self.cursor = found.cursor or self.cursor
        return found

    async def __aenter__(self) -> Looking:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.asking.close()


def state(found: Found) -> NetworkState:
    assert isinstance(found.state, NetworkState)
    return found.state


@in_loop
async def test_the_network_is_counted(controller: Controller) -> None:
    controller.devices.append(device("of:0000000000000003", available=False))
    controller.flows = [flow(1, 1000, 5), flow(2, 1000, 5, state="PENDING_ADD")]
    async with Looking(controller.service.url) as monitor:
        found = await monitor.look()
    assert figures(found) == {
        "network_devices": 2.0,
        "network_links": 2.0,
        "network_hosts": 1.0,
        "network_flows": 1.0,
    }
    assert state(found) == NetworkState(
        "connected", 2, 2, 1, 1, None, None, {"high": 0, "medium": 0, "low": 1}
    )
    assert found.batch.events == []


@in_loop
async def test_ports_have_counters_at_once_and_rates_at_the_second_look(
    controller: Controller,
) -> None:
    at = f"{{device={ONE},port=2}}"
    controller.ports = [port(2, 1000, 5000, 10)]
    async with Looking(controller.service.url) as monitor:
        first = figures(await monitor.look())
        assert first[f"network_port_receive_bytes_total{at}"] == 1000.0
        assert first[f"network_port_transmit_packets_total{at}"] == 50.0
        assert not any("per_second" in name for name in first)
        controller.ports = [port(2, 3000, 5000, 12, packetsRxDropped=5)]
        second = figures(await monitor.look())
    # 2,000 bytes in 2 s as the switch counts, of which our clock saw the least that is possible.
    assert second[f"network_port_receive_bytes_per_second{at}"] == pytest.approx(2000.0)
    assert second[f"network_port_transmit_bytes_per_second{at}"] == 0.0
    assert second["network_packet_loss_ratio"] == pytest.approx(5 / 25)


@in_loop
async def test_a_reset_and_an_old_reading_give_no_rate(controller: Controller) -> None:
    async with Looking(controller.service.url) as monitor:
        controller.ports = [port(2, 9000, 9000, 100)]
        await monitor.look()
        again = figures(await monitor.look())
        assert not any(name.startswith("network_port") for name in again)
        controller.ports = [port(2, 100, 100, 3)]
        reset = figures(await monitor.look())
        assert reset[f"network_port_receive_bytes_total{{device={ONE},port=2}}"] == 100.0
        assert not any("per_second" in name for name in reset)
        controller.ports = [port(2, 1100, 100, 4)]
        assert any("per_second" in name for name in figures(await monitor.look()))


@in_loop
async def test_counters_that_are_missing_or_no_numbers_are_absent(controller: Controller) -> None:
    controller.ports = [port("local", "1000", None, "x"), port(3, 10, -5, 1), port(None, 1, 1, 1)]
    async with Looking(controller.service.url) as monitor:
        found = figures(await monitor.look())
    local = f"{{device={ONE},port=local}}"
    assert f"network_port_receive_drops_total{local}" in found
    assert f"network_port_receive_bytes_total{local}" not in found
    assert f"network_port_transmit_bytes_total{{device={ONE},port=3}}" not in found
    assert not any("None" in name for name in found)


@in_loop
async def test_a_network_that_changed_is_an_event_and_remembered(controller: Controller) -> None:
    async with Looking(controller.service.url) as monitor:
        first = await monitor.look()
        assert first.cursor is not None
        assert (await monitor.look()).cursor is None
        controller.devices = [device(ONE), device(TWO, available=False)]
        controller.hosts.append({"id": "0B/None"})
        changed = await monitor.look()
        (event,) = changed.batch.events
        assert (event.source, event.kind) == ("network", "TOPOLOGY_CHANGED")
        assert event.details == {"appeared": ["host 0B/None"], "gone": [f"device {TWO}"]}
        when = state(changed).last_change
        assert when == event.time
        cursor = monitor.cursor
    async with Looking(controller.service.url) as later:
        later.cursor = cursor
        again = await later.look()
        assert again.batch.events == []
        assert state(again).last_change == when
        controller.hosts.clear()
    async with Looking(controller.service.url) as later:
        later.cursor = cursor
        (event,) = (await later.look()).batch.events
        assert event.details == {}  # it changed while nobody looked


@in_loop
async def test_traffic_is_told_apart_by_its_marks(controller: Controller) -> None:
    def flows(seconds: int, marked: int, plain: int, control: int) -> None:
        controller.flows = [
            flow(1, marked, seconds, treatment=PRIORITISED),
            flow(2, plain, seconds),
            flow(3, control, seconds, selector=DISCOVERY),
        ]

    async with Looking(controller.service.url) as monitor:
        flows(10, 0, 0, 0)
        assert state(await monitor.look()).traffic is None
        flows(11, 800, 150, 50)
        traffic = state(await monitor.look()).traffic
        assert traffic is not None
        total = sum(traffic.values())
        assert {kind: round(rate / total, 3) for kind, rate in traffic.items()} == {
            "fl": 0.8,
            "background": 0.15,
            "control": 0.05,
        }
        again = state(await monitor.look())
        assert again.traffic == traffic  # the controller has not read its switches since
        assert again.flows_by_priority == {"high": 1, "medium": 0, "low": 1}


@in_loop
async def test_routes_that_it_lacks_are_not_missed(controller: Controller) -> None:
    controller.without = {"links", "hosts", "flows", "statistics/ports", "topology"}
    async with Looking(controller.service.url) as monitor:
        found = await monitor.look()
    assert figures(found) == {"network_devices": 2.0}
    assert state(found) == NetworkState("connected", 2)


@in_loop
async def test_what_the_controller_does_not_tell_for_once_has_not_gone(
    controller: Controller,
) -> None:
    async with Looking(controller.service.url) as monitor:
        await monitor.look()
        controller.without = {"links", "hosts"}
        silent = await monitor.look()
        assert silent.batch.events == []
        assert (state(silent).links, state(silent).hosts) == (None, None)
        controller.without = set()
        assert (await monitor.look()).batch.events == []
        controller.links = []
        (event,) = (await monitor.look()).batch.events
        assert len(event.details["gone"]) == 2


@in_loop
async def test_a_list_that_is_none_is_not_an_empty_one(controller: Controller) -> None:
    controller.links, controller.hosts = "many", 3  # type: ignore[assignment]
    async with Looking(controller.service.url) as monitor:
        found = await monitor.look()
    assert (state(found).links, state(found).hosts) == (None, None)
    assert "network_links" not in figures(found)


@in_loop
async def test_who_has_no_devices_is_no_controller(controller: Controller) -> None:
    controller.without = {"devices"}
    async with Looking(controller.service.url) as monitor:
        with pytest.raises(ForeignAnswerError, match="is it a SDN controller"):
            await monitor.look()
    with StubService(lambda _: (200, {"devices": 3})) as other:
        async with Looking(other.url) as monitor:
            with pytest.raises(ForeignAnswerError, match="no list of devices"):
                await monitor.look()


@in_loop
async def test_it_shows_the_name_and_password_that_it_was_given(controller: Controller) -> None:
    async with Looking(controller.service.url, ("onos", "rocks")) as monitor:
        await monitor.look()
    assert controller.headers["authorization"] == (
        "Basic " + base64.b64encode(b"onos:rocks").decode()
    )


def test_a_share_that_cannot_be_known_is_absent() -> None:
    before, after = Reading({"x": 1}, None, 0.0), Reading({"x": 2}, None, 1.0)
    assert loss_ratio([]) is None
    assert loss_ratio([rise(before, after)]) is None
    whole = dict.fromkeys((*DROPS, *PACKETS), 5)
    twice = dict.fromkeys(whole, 10)
    assert loss_ratio([rise(Reading(whole, 1, 0.0), Reading(twice, 2, 1.0))]) == 0.5
    for missing in whole:
        parts = ({n: v for n, v in one.items() if n != missing} for one in (whole, twice))
        few, more = parts
        assert loss_ratio([rise(Reading(few, 1, 0.0), Reading(more, 2, 1.0))]) is None


@given(JSON)
def test_no_answer_breaks_the_reading(answer: object) -> None:
    for wrapped in (
        answer,
        {"devices": answer},
        {"statistics": [{"device": "a", "ports": answer}]},
    ):
        onos.elements(wrapped, {"links": answer}, {"hosts": answer})
        onos.ports(wrapped, 10)
    onos.flows({"flows": answer})
    onos.flows({"flows": [{"id": "1", "deviceId": "a", "selector": answer, "treatment": answer}]})
