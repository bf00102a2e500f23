"""A stand-in for an SDN controller, over real HTTP, with answers in ONOS' shapes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tests.collector.stub_service import Asked, Said, StubService

ONE, TWO = "of:0000000000000001", "of:0000000000000002"


def device(id_: str, *, available: bool = True) -> dict[str, Any]:
    """As ONOS writes it."""
    return {
        "id": id_,
        "type": "SWITCH",
        "available": available,
        "role": "MASTER",
        "mfr": "Nicira, Inc.",
        "hw": "Open vSwitch",
        "sw": "3.1.0",
        "serial": "None",
        "driver": "ovs",
        "chassisId": "1",
        "lastUpdate": "1764072000000",
        "humanReadableLastUpdate": "connected 5m ago",
        "annotations": {"managementAddress": "127.0.0.1", "protocol": "OF_13"},
    }


def link(src: str, dst: str) -> dict[str, Any]:
    """From port 2 of one to port 2 of the other."""
    return {
        "src": {"port": "2", "device": src},
        "dst": {"port": "2", "device": dst},
        "type": "DIRECT",
        "state": "ACTIVE",
    }


def flow(number: int, total: int, life: int, **more: Any) -> dict[str, Any]:
    """A flow that passed so many bytes in so many seconds."""
    return {
        "id": str(2**54 + number),
        "appId": "org.onosproject.fwd",
        "groupId": 0,
        "priority": 10,
        "timeout": 0,
        "isPermanent": True,
        "deviceId": ONE,
        "tableId": 0,
        "state": "ADDED",
        "life": life,
        "liveType": "UNKNOWN",
        "lastSeen": 1764072000000,
        "packets": total // 100,
        "bytes": total,
        "treatment": {"instructions": [{"type": "OUTPUT", "port": "2"}]},
        "selector": {"criteria": [{"type": "ETH_TYPE", "ethType": "0x800"}]},
        **more,
    }


PRIORITISED = {
    "instructions": [
        {"type": "L3MODIFICATION", "subtype": "DSCP", "ipDscp": 46},
        {"type": "QUEUE", "queueId": 1, "port": 2},
        {"type": "OUTPUT", "port": "2"},
    ]
}
DISCOVERY = {"criteria": [{"type": "ETH_TYPE", "ethType": "0x88cc"}]}


def port(number: Any, received: Any, sent: Any, seconds: Any, **more: Any) -> dict[str, Any]:
    """A port's counters."""
    return {
        "port": number,
        "packetsReceived": received // 100 if isinstance(received, int) else received,
        "packetsSent": sent // 100 if isinstance(sent, int) else sent,
        "bytesReceived": received,
        "bytesSent": sent,
        "packetsRxDropped": 0,
        "packetsTxDropped": 0,
        "packetsRxErrors": 0,
        "packetsTxErrors": 0,
        "durationSec": seconds,
        **more,
    }


class Controller:
    """Answers with what stands in its fields; routes can be taken away."""

    def __init__(self) -> None:
        self.devices = [device(ONE), device(TWO)]
        self.links = [link(ONE, TWO), link(TWO, ONE)]
        self.hosts: list[dict[str, Any]] = [
            {"id": "0A:00:00:00:00:01/None", "mac": "0A:00:00:00:00:01", "ipAddresses": []}
        ]
        self.flows: list[dict[str, Any]] = []
        self.ports: list[dict[str, Any]] = []
        self.without: set[str] = set()
        self.headers: dict[str, str] = {}
        self.service = StubService(self._answer)

    def _answer(self, asked: Asked) -> Said:
        self.headers = asked.headers
        path = urlsplit(asked.path).path.removeprefix("/onos/v1/")
        answers = {
            "topology": {"time": 1, "devices": 2, "links": 2, "clusters": 1},
            "devices": {"devices": self.devices},
            "links": {"links": self.links},
            "hosts": {"hosts": self.hosts},
            "flows": {"flows": self.flows},
            "statistics/ports": {"statistics": [{"device": ONE, "ports": self.ports}]},
        }
        if path in self.without or path not in answers:
            return 404, {}
        return 200, answers[path]
