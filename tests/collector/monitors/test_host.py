"""The host monitor on this machine."""

from __future__ import annotations

import socket
from pathlib import Path

from fedsight.collector.monitors.host import (
    HostMonitor,
    HostState,
    is_physical_disk,
    physical_interfaces,
)
from tests.collector.monitors.board import figures, in_loop

ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010011AC	0003	0	0	0	00000000	0	0	0
eth0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
"""


@in_loop
async def test_this_machine_is_measured(tmp_path: Path) -> None:
    monitor = HostMonitor(tmp_path)
    first, second = await monitor.collect(None), await monitor.collect(None)
    host = socket.gethostname()
    one, two = (
        {name.replace(f"{{host={host}}}", ""): value for name, value in figures(found).items()}
        for found in (first, second)
    )
    assert "host_cpu_utilization_ratio" not in one  # a share needs two looks
    assert 0 <= two.get("host_cpu_utilization_ratio", 0.0) <= 1
    assert 0 < one["host_memory_used_bytes"] < one["host_memory_total_bytes"]
    assert 0 <= one["host_filesystem_free_bytes"] <= one["host_filesystem_size_bytes"]
    assert one["host_cpu_cores"] >= 1
    assert len(one) < 64
    assert isinstance(first.state, HostState)
    assert first.cursor is None


def test_only_interfaces_with_hardware_or_the_default_route_count(tmp_path: Path) -> None:
    for name in ("eth0", "lo", "veth12", "docker0", "wlan0"):
        (tmp_path / "net" / name).mkdir(parents=True)
    (tmp_path / "net" / "wlan0" / "device").mkdir()
    routes = tmp_path / "route"
    assert physical_interfaces(tmp_path / "net", routes) == {"wlan0"}
    routes.write_text(ROUTES)
    assert physical_interfaces(tmp_path / "net", routes) == {"wlan0", "eth0"}
    assert physical_interfaces(tmp_path / "none", routes) == set()


def test_only_whole_disks_count(tmp_path: Path) -> None:
    (tmp_path / "nvme0n1" / "device").mkdir(parents=True)
    (tmp_path / "nvme0n1p1").mkdir()
    (tmp_path / "loop0").mkdir()
    assert is_physical_disk("nvme0n1", tmp_path)
    assert not is_physical_disk("nvme0n1p1", tmp_path)
    assert not is_physical_disk("loop0", tmp_path)
