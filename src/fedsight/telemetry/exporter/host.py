"""What psutil tells of this machine, under Scaphandre's names."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fedsight.door.exposition import Family, Figure

NOT_DISKS = frozenset({"squashfs", "overlay", "tmpfs", "iso9660"})


def families() -> Iterator[Family]:
    """Load, memory, swap, the processors' frequency and disks; what the system does not tell has
    no line."""
    yield from _load()
    yield from _memory()
    yield from _frequency()
    yield from _disks()


def gauge(name: str, about: str, value: float | None) -> Family:
    """One value without labels; None has no line."""
    return Family(name, "gauge", about, () if value is None else (Figure(value),))


def _load() -> Iterator[Family]:
    try:
        averages = os.getloadavg()
    except (OSError, AttributeError):
        return
    over = (("one", 1), ("five", 5), ("fifteen", 15))
    for (word, minutes), value in zip(over, averages, strict=True):
        yield gauge(f"scaph_host_load_avg_{word}", f"Load average over {minutes} min.", value)


def _memory() -> Iterator[Family]:
    import psutil

    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield gauge("scaph_host_memory_total_bytes", "Memory installed.", memory.total)
    yield gauge(
        "scaph_host_memory_available_bytes",
        "Memory that programs can have, what the system can give back included.",
        memory.available,
    )
    yield gauge("scaph_host_memory_free_bytes", "Memory that nothing uses.", memory.free)
    yield gauge("scaph_host_swap_total_bytes", "Swap space.", swap.total)
    yield gauge("scaph_host_swap_free_bytes", "Swap space that is free.", swap.free)


def _frequency() -> Iterator[Family]:
    import psutil

    try:
        found = psutil.cpu_freq()
    except (OSError, RuntimeError, NotImplementedError, AttributeError):
        return  # virtual machines and containers may not have it
    if found is not None and found.current:
        about = "Mean frequency of the processors, in MHz."
        yield gauge("scaph_host_cpu_frequency", about, round(found.current))


def _disks() -> Iterator[Family]:
    import psutil

    totals, available = list[Figure](), list[Figure]()
    seen = set[str]()
    for disk in psutil.disk_partitions():
        if disk.fstype in NOT_DISKS or disk.device in seen:
            continue
        try:
            usage = psutil.disk_usage(disk.mountpoint)
        except OSError:
            continue  # of another user, or away
        seen.add(disk.device)
        labels = {
            "disk_file_system": disk.fstype,
            "disk_mount_point": disk.mountpoint,
            "disk_name": disk.device,
        }
        totals.append(Figure(usage.total, labels))
        available.append(Figure(usage.free, labels))
    yield Family("scaph_host_disk_total_bytes", "gauge", "Size of a disk.", tuple(totals))
    about = "Room on a disk that programs can have."
    yield Family("scaph_host_disk_available_bytes", "gauge", about, tuple(available))
