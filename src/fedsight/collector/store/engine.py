"""DuckDB, in this process and in memory, as the reader and writer of Parquet files.

It may touch the folder of the sealed files and nothing else: no extension is loaded, no other file
or address is opened, whatever a query says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: What is spilled by a sort that does not fit into memory.
SPILL = "spill.tmp"


def open_engine(
    folder: Path, *, threads: int, memory_mb: int, also: Path | None = None
) -> DuckDBPyConnection:
    """A new engine over one folder, and `also` a second one."""
    import duckdb  # 0.3 s to load: a collector that has sealed nothing never needs it

    engine = duckdb.connect(
        ":memory:",
        config={
            "threads": threads,
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": str(folder / SPILL),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    folders = [folder] if also is None else [folder, also]
    for setting in (
        f"allowed_directories = [{', '.join(quoted(f'{each}/') for each in folders)}]",
        "enable_external_access = false",
        "parquet_metadata_cache = true",
        "lock_configuration = true",
    ):
        engine.execute(f"SET {setting}").fetchall()
    return engine


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
