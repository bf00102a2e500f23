"""Who listens on a port of this machine: a token is not handed to another user's program."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LISTENS = "0A"
ROOT = 0


def strangers(port: int, tables: tuple[Path, ...] = TABLES) -> set[int]:
    """User ids, neither ours nor root's, of those who listen on a port; empty where there is none,
    and where the system does not tell."""
    return set(_listeners(port, tables)) - {os.getuid(), ROOT}


def _listeners(port: int, tables: tuple[Path, ...]) -> Iterator[int]:
    for table in tables:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                yield int(fields[7])
