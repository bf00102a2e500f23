"""What this process takes up, by psutil."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """Memory in bytes, processor time in seconds, the start as Unix seconds; None: not told."""

    resident_bytes: int
    cpu_seconds: float
    threads: int
    open_files: int | None
    started: float


def process_figures() -> ProcessFigures:
    """Of this process, now."""
    import psutil

    process = psutil.Process()
    with process.oneshot():
        times = process.cpu_times()
        return ProcessFigures(
            process.memory_info().rss,
            times.user + times.system,
            process.num_threads(),
            process.num_fds() if hasattr(process, "num_fds") else None,
            process.create_time(),
        )
