"""The host monitor: processor, memory, disk and network of this machine, by psutil.

Few series: whole machine figures, and counters of physical disks and interfaces alone.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from fedsight.collector.monitors.contract import Found
from fedsight.door.times import now_ns
from fedsight.signals import Sample, batch

INTERFACES = Path("/sys/class/net")
BLOCKS = Path("/sys/class/block")
ROUTES = Path("/proc/net/route")
#: Where the system does not tell what is physical: not this.
LOOPBACK = re.compile(r"lo\d*$")

#: Labels, a metric's name, its value.
Figure = tuple[dict[str, str], str, float]


class HostState(Struct, frozen=True):
    """This machine at a glance. The processor's share is of all its cores, since the last look."""

    cpu_ratio: float | None
    memory_used_bytes: int
    memory_total_bytes: int
    disk_free_bytes: int


class HostMonitor:
    """Watches this machine. `data` is the directory whose disk is looked at."""

    name = "host"
    address = ""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._cpu: tuple[float, float] | None = None

    async def collect(self, cursor: bytes | None) -> Found:
        """As `Monitor.collect`; there is no cursor."""
        return await asyncio.to_thread(self._look)

    def _look(self) -> Found:
        import psutil

        now = now_ns()
        cpu = self._cpu_ratio()
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        disk = psutil.disk_usage(str(self._data))
        figures: dict[str, float | None] = {
            "host_cpu_utilization_ratio": cpu,
            "host_cpu_cores": psutil.cpu_count(),
            "host_memory_used_bytes": memory.total - memory.available,
            "host_memory_total_bytes": memory.total,
            "host_swap_used_bytes": swap.used,
            "host_filesystem_free_bytes": disk.free,
            "host_filesystem_size_bytes": disk.total,
        }
        if hasattr(os, "getloadavg"):
            figures["host_load_average_1m"] = os.getloadavg()[0]
        found: list[Figure] = [
            ({}, name, value) for name, value in figures.items() if value is not None
        ]
        own = {"host": socket.gethostname()[:256] or "unknown"}
        samples = [
            Sample(now, name, float(value), None, {**own, **labels})
            for labels, name, value in (*found, *_disks(), *_interfaces())
        ]
        used = memory.total - memory.available
        return Found(batch(samples), HostState(cpu, used, memory.total, disk.free))

    def _cpu_ratio(self) -> float | None:
        """The share of the processors' time that was not idle since the last look."""
        import psutil

        times = psutil.cpu_times()
        # Guests' time is part of user time already.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        idle = times.idle + getattr(times, "iowait", 0.0)
        before, self._cpu = self._cpu, (total, idle)
        if before is None or total <= before[0]:
            return None
        return min(1.0, max(0.0, 1 - (idle - before[1]) / (total - before[0])))


def _disks() -> Iterator[Figure]:
    import psutil

    try:
        counters = psutil.disk_io_counters(perdisk=True) or {}
    except (RuntimeError, OSError, NotImplementedError):
        return  # a container may hide them
    for name, one in counters.items():
        if is_physical_disk(name):
            labels = {"device": name}
            yield labels, "host_disk_read_bytes_total", one.read_bytes
            yield labels, "host_disk_written_bytes_total", one.write_bytes


def _interfaces() -> Iterator[Figure]:
    import psutil

    wanted = physical_interfaces()
    for name, one in psutil.net_io_counters(pernic=True).items():
        if name not in wanted and (wanted or LOOPBACK.match(name) or INTERFACES.is_dir()):
            continue
        labels = {"interface": name}
        yield labels, "host_network_receive_bytes_total", one.bytes_recv
        yield labels, "host_network_transmit_bytes_total", one.bytes_sent
        yield labels, "host_network_receive_errors_total", one.errin
        yield labels, "host_network_transmit_errors_total", one.errout


def is_physical_disk(name: str, blocks: Path = BLOCKS) -> bool:
    """Whether a block device is a whole disk with hardware behind it, virtual machines' too."""
    if not blocks.is_dir():
        return True
    return (blocks / name / "device").exists()


def physical_interfaces(interfaces: Path = INTERFACES, routes: Path = ROUTES) -> set[str]:
    """Interfaces with hardware behind them, and the one of the default route, which in a container
    is all there is. Empty where the system does not tell."""
    try:
        found = {each.name for each in interfaces.iterdir() if (each / "device").exists()}
    except OSError:
        return set()
    return found | _default_route(routes)


def _default_route(routes: Path) -> set[str]:
    """The interfaces that a table of IPv4 routes sends everything else to."""
    try:
        lines = routes.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return set()
    fields = (line.split() for line in lines)
    return {parts[0] for parts in fields if len(parts) > 2 and parts[1] == "00000000"}
