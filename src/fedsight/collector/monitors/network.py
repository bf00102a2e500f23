"""The network monitor: what an SDN controller manages, and how much it carries."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct

from fedsight.collector.monitors import foreign, onos
from fedsight.collector.monitors.asking import Asking, Place
from fedsight.collector.monitors.contract import ForeignAnswerError, Found
from fedsight.collector.monitors.rates import Reading, Rise, rise
from fedsight.collector.monitors.round_trip import trip_samples
from fedsight.door.times import now_ns
from fedsight.signals import Event, Sample, batch

API = "/onos/v1"
SOURCE = "network"
#: Each port makes ten series.
MOST_PORTS = 4096
KINDS: tuple[onos.Traffic, ...] = ("fl", "control", "background")
#: Elements that an event of a changed topology names.
MOST_NAMED = 100
DROPS = ("network_port_receive_drops_total", "network_port_transmit_drops_total")
PACKETS = ("network_port_receive_packets_total", "network_port_transmit_packets_total")
RATES = {
    "network_port_receive_bytes_total": "network_port_receive_bytes_per_second",
    "network_port_transmit_bytes_total": "network_port_transmit_bytes_per_second",
}


class NetworkState(Struct, frozen=True):
    """A network at a glance; what the controller does not say is None.

    `last_change` (Unix nanoseconds) is when devices, links or hosts last came or went; `traffic`
    are bytes a second by kind, over all switches; `flows_by_priority` leaves control flows out.
    """

    status: str
    devices: int | None = None
    links: int | None = None
    hosts: int | None = None
    flows: int | None = None
    last_change: int | None = None
    traffic: Mapping[str, float] | None = None
    flows_by_priority: Mapping[str, int] | None = None


class NetworkCursor(Struct, frozen=True):
    """What the network was made of, as a digest of each kind of element that the controller told,
    and when that last changed."""

    digests: Mapping[str, str] = {}
    last_change: int | None = None


class NetworkMonitor:
    """Watches the SDN controller at an address; `basic` is a name and password for it."""

    name = "sdn_controller"

    def __init__(self, asking: Asking, address: str, basic: tuple[str, str] | None = None) -> None:
        self._place = Place(asking, "SDN controller", address, basic=basic)
        self._elements: dict[str, set[str]] = {}
        self._ports: dict[tuple[str, str], Reading] = {}
        self._flows: dict[tuple[str, str], Pace] = {}

    @property
    def address(self) -> str:
        """Where the controller's REST API is."""
        return self._place.address

    async def collect(self, cursor: bytes | None) -> Found:
        """As `Monitor.collect`."""
        known = None if cursor is None else msgspec.json.decode(cursor, type=NetworkCursor)
        ask, trip = self._place.json_or_none, await self._place.reach()
        devices = await self._place.json(f"{API}/devices")
        if foreign.rows(devices, "devices") is None:
            raise ForeignAnswerError(f"{self.address}{API}/devices answered no list of devices")
        links, hosts = await ask(f"{API}/links"), await ask(f"{API}/hosts")
        flows = onos.flows(await ask(f"{API}/flows"))
        ports = onos.ports(await ask(f"{API}/statistics/ports"), MOST_PORTS)
        clock, now = time.monotonic(), now_ns()
        found = onos.elements(devices, links, hosts)
        event, after = self._changed(found, known, now)
        traffic = self._traffic(flows, clock)
        state = NetworkState(
            "connected",
            _count(found, "device"),
            _count(found, "link"),
            _count(found, "host"),
            None if flows is None else len(flows),
            after.last_change,
            traffic,
            _by_priority(flows),
        )
        samples = [*_counts(state, now), *self._port_samples(ports, clock, now)]
        samples += trip_samples(self.name, trip, now)
        events = [] if event is None else [event]
        moved = None if after == known else msgspec.json.encode(after)
        return Found(batch(samples, events), state, moved)

    def _changed(
        self, found: Mapping[str, set[str]], known: NetworkCursor | None, now: int
    ) -> tuple[Event | None, NetworkCursor]:
        """Whether the network is another than at the last look, before a restart too. Kinds that
        the controller does not tell now are as they were."""
        known = known or NetworkCursor()
        digests = {**known.digests, **{kind: _digest(which) for kind, which in found.items()}}
        before, self._elements = self._elements, {**self._elements, **found}
        changed = [kind for kind in known.digests if digests[kind] != known.digests[kind]]
        if not changed:
            return None, NetworkCursor(digests, known.last_change)
        details: dict[str, Any] = {}
        if all(kind in before for kind in changed):
            appeared = set[str]().union(*(found[kind] - before[kind] for kind in changed))
            gone = set[str]().union(*(before[kind] - found[kind] for kind in changed))
            details = {"appeared": _named(appeared), "gone": _named(gone)}
        event = Event(now, SOURCE, "TOPOLOGY_CHANGED", details=details)
        return event, NetworkCursor(digests, now)

    def _port_samples(
        self, ports: list[onos.PortCounters], clock: float, now: int
    ) -> Iterator[Sample]:
        """Counters of ports, rates between this look and the last, and what share was dropped."""
        before, self._ports = self._ports, {}
        steady: list[Rise] = []
        for one in ports:
            key = (one.device, one.port)
            labels = {"device": one.device, "port": one.port}
            reading = Reading(one.counters, one.duration, clock)
            change = rise(before[key], reading) if key in before else None
            stale = change is not None and change.course == "stale"
            self._ports[key] = before[key] if stale else reading
            if stale:
                continue
            for name, value in one.counters.items():
                yield Sample(now, name, float(value), None, labels)
            if change is not None and change.course == "steady":
                steady.append(change)
                yield from _rates(change, labels, now)
        lost = loss_ratio(steady)
        if lost is not None:
            yield Sample(now, "network_packet_loss_ratio", lost)

    def _traffic(self, flows: list[onos.Flow] | None, clock: float) -> dict[str, float] | None:
        """Bytes a second by whose traffic it is; None before two looks at flows that count.

        A flow whose counters are the old ones, as a controller reads its switches in turn, goes on
        at its last rate.
        """
        before, self._flows = self._flows, {}
        found: dict[str, float] = dict.fromkeys(KINDS, 0.0)
        for flow in flows or []:
            if flow.bytes is None:
                continue
            key = (flow.device, flow.id)
            now = Pace(Reading({"bytes": flow.bytes}, flow.seconds, clock), None)
            self._flows[key] = pace = before[key].after(now.reading) if key in before else now
            found[flow.traffic] += pace.rate or 0.0
        return found if any(one.rate is not None for one in self._flows.values()) else None


@dataclass(frozen=True, slots=True)
class Pace:
    """A flow's last fresh reading, and its bytes a second up to then."""

    reading: Reading
    rate: float | None

    def after(self, reading: Reading) -> Pace:
        """The same flow one look later."""
        change = rise(self.reading, reading)
        return self if change.course == "stale" else Pace(reading, change.per_second("bytes"))


def _count(found: Mapping[str, set[str]], kind: str) -> int | None:
    return len(found[kind]) if kind in found else None


def _digest(elements: set[str]) -> str:
    return hashlib.sha256("\n".join(sorted(elements)).encode()).hexdigest()


def _named(found: set[str]) -> list[str]:
    return sorted(found)[:MOST_NAMED]


def _by_priority(flows: list[onos.Flow] | None) -> dict[str, int] | None:
    if flows is None:
        return None
    found = Counter(flow.priority for flow in flows if flow.traffic != "control")
    return {"high": found["high"], "medium": found["medium"], "low": found["low"]}


def _counts(state: NetworkState, now: int) -> Iterator[Sample]:
    counts = {
        "network_devices": state.devices,
        "network_links": state.links,
        "network_hosts": state.hosts,
        "network_flows": state.flows,
    }
    for name, value in counts.items():
        if value is not None:
            yield Sample(now, name, float(value))
    for kind, rate in (state.traffic or {}).items():
        yield Sample(now, "network_traffic_bytes_per_second", rate, None, {"kind": kind})


def _rates(change: Rise, labels: dict[str, str], now: int) -> Iterator[Sample]:
    for counter, name in RATES.items():
        rate = change.per_second(counter)
        if rate is not None:
            yield Sample(now, name, rate, None, labels)


def loss_ratio(steady: list[Rise]) -> float | None:
    """The share of packets that ports dropped, of all that they took in, sent out or dropped.

    None where a port does not count all of them, and where there were no packets.
    """
    counted = {*DROPS, *PACKETS}
    if not steady or not all(counted <= (each.rises or {}).keys() for each in steady):
        return None
    dropped, passed = _sum(steady, DROPS), _sum(steady, PACKETS)
    return dropped / (dropped + passed) if dropped + passed else None


def _sum(steady: list[Rise], names: tuple[str, ...]) -> int:
    return sum((each.rises or {}).get(name, 0) for each in steady for name in names)
