"""Whose program listens on a port."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from fedsight.door.listener import strangers

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
STRANGER = os.getuid() + 4321


def table(folder: Path, *rows: tuple[str, str, int]) -> tuple[Path]:
    lines = [
        f"   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  {uid} 0 1"
        for local, state, uid in rows
    ]
    file = folder / "tcp"
    file.write_text(HEAD + "\n".join(lines) + "\n")
    return (file,)


def test_another_users_listener_is_told(tmp_path: Path) -> None:
    found = table(tmp_path, ("0100007F:1F91", "0A", STRANGER), ("00000000:1F92", "0A", 1))
    assert strangers(0x1F91, found) == {STRANGER}


def test_ours_and_roots_are_none_and_connections_are_no_listeners(tmp_path: Path) -> None:
    rows = [("0100007F:1F91", "0A", os.getuid()), ("0100007F:1F91", "0A", 0)]
    found = table(tmp_path, *rows, ("0100007F:1F91", "01", STRANGER))
    assert strangers(0x1F91, found) == set()


def test_where_the_system_does_not_tell_nobody_is_a_stranger(tmp_path: Path) -> None:
    assert strangers(0x1F91, (tmp_path / "none",)) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="the tables are Linux's")
def test_the_real_tables_know_our_own_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mine:
        assert strangers(mine.getsockname()[1]) == set()
