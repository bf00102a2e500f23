"""What an SDN controller answers in the shapes of ONOS' REST API, read into types. Pure.

https://wiki.onosproject.org/display/ONOS/Appendix+B%3A+REST+API
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fedsight.collector.monitors import foreign

Row = Mapping[str, Any]
Traffic = Literal["fl", "control", "background"]
Priority = Literal["high", "medium", "low"]

#: Address resolution and the discovery of links (LLDP, and BDDP across other networks).
CONTROL_TYPES = frozenset({0x0806, 0x88CC, 0x8942})
CONTROLLER = "CONTROLLER"
#: Expedited forwarding (RFC 3246): what a prioritised federation is marked with.
EXPEDITED = 46
#: Class selectors (RFC 4594): 8 begins what is more than best effort, 40 what is for real time.
MEDIUM_FROM, HIGH_FROM = 8, 40

COUNTERS = {
    "bytesReceived": "network_port_receive_bytes_total",
    "bytesSent": "network_port_transmit_bytes_total",
    "packetsReceived": "network_port_receive_packets_total",
    "packetsSent": "network_port_transmit_packets_total",
    "packetsRxDropped": "network_port_receive_drops_total",
    "packetsTxDropped": "network_port_transmit_drops_total",
    "packetsRxErrors": "network_port_receive_errors_total",
    "packetsTxErrors": "network_port_transmit_errors_total",
}


@dataclass(frozen=True, slots=True)
class PortCounters:
    """A port's counters, by the names of metrics; those that the answer lacks are absent."""

    device: str
    port: str
    counters: Mapping[str, int]
    duration: int | None


@dataclass(frozen=True, slots=True)
class Flow:
    """One flow: whose traffic it carries, and how it is treated. None: not marked at all."""

    id: str
    device: str
    traffic: Traffic
    priority: Priority
    bytes: int | None
    seconds: int | None


def elements(devices: Any, links: Any, hosts: Any) -> dict[str, set[str]]:
    """What the network is made of: devices that are there, links that are up, hosts. A kind of
    which the answer has no list is absent."""
    rows = {
        "device": (foreign.rows(devices, "devices"), _devices),
        "link": (foreign.rows(links, "links"), _links),
        "host": (foreign.rows(hosts, "hosts"), _hosts),
    }
    return {kind: set(read(found)) for kind, (found, read) in rows.items() if found is not None}


def _devices(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        found = foreign.text(row.get("id"))
        if found is not None and row.get("available") is not False:
            yield f"device {found}"


def _links(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        ends = (_end(row.get("src")), _end(row.get("dst")))
        if None not in ends and row.get("state", "ACTIVE") == "ACTIVE":
            yield f"link {ends[0]} to {ends[1]}"


def _end(value: Any) -> str | None:
    device, port = (foreign.text(foreign.field(value, key)) for key in ("device", "port"))
    return None if device is None or port is None else f"{device}/{port}"


def _hosts(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        found = foreign.text(row.get("id"))
        if found is not None:
            yield f"host {found}"


def ports(answer: Any, most: int) -> list[PortCounters]:
    """The counters of at most `most` ports, in the order of the answer."""
    found: list[PortCounters] = []
    for row in foreign.rows(answer, "statistics") or []:
        device = foreign.text(row.get("device"))
        for port in foreign.rows(row, "ports") or []:
            number = _port(port.get("port"))
            if device is not None and number is not None and len(found) < most:
                found.append(_counters(device, number, port))
    return found


def _port(value: Any) -> str | None:
    """A port's number, which ONOS writes as a number here and as text elsewhere."""
    number = foreign.whole(value)
    return foreign.text(value) if number is None else str(number)


def _counters(device: str, port: str, row: Row) -> PortCounters:
    read = ((name, foreign.whole(row.get(key))) for key, name in COUNTERS.items())
    known = {name: value for name, value in read if value is not None}
    return PortCounters(device, port, known, foreign.whole(row.get("durationSec")))


def flows(answer: Any) -> list[Flow] | None:
    """The flows that are installed; None where the answer has no such list."""
    found = foreign.rows(answer, "flows")
    if found is None:
        return None
    return [flow for row in found if (flow := _flow(row)) is not None]


def _flow(row: Row) -> Flow | None:
    id_, device = _port(row.get("id")), foreign.text(row.get("deviceId"))
    if id_ is None or device is None or row.get("state", "ADDED") != "ADDED":
        return None
    criteria = foreign.rows(row.get("selector"), "criteria") or []
    treatment = foreign.rows(row.get("treatment"), "instructions") or []
    mark = _mark(criteria, treatment)
    traffic: Traffic = "fl" if mark == EXPEDITED else "background"
    if _is_control(criteria, treatment):
        traffic = "control"
    return Flow(
        id_,
        device,
        traffic,
        _priority(mark),
        foreign.whole(row.get("bytes")),
        foreign.whole(row.get("life")),
    )


def _is_control(criteria: list[Row], treatment: list[Row]) -> bool:
    if any(each.get("port") == CONTROLLER for each in treatment):
        return True
    return any(_ether_type(each.get("ethType")) in CONTROL_TYPES for each in criteria)


def _ether_type(value: Any) -> int | None:
    """An EtherType, which ONOS writes as `"0x800"`."""
    if isinstance(value, str):
        try:
            return int(value, 16)
        except ValueError:
            return None
    return foreign.whole(value)


def _mark(criteria: list[Row], treatment: list[Row]) -> int | None:
    """The DSCP that a flow gives its packets, else the one that it matches."""
    given = (foreign.whole(each.get("ipDscp")) for each in (*treatment, *criteria))
    return next((each for each in given if each is not None), None)


def _priority(mark: int | None) -> Priority:
    if mark is None or mark < MEDIUM_FROM:
        return "low"
    return "high" if mark >= HIGH_FROM else "medium"
