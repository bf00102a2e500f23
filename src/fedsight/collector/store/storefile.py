"""Opens the store's file; a damaged one is kept aside and a new one begins."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from fedsight.collector.store.archive import FOLDER, Archive
from fedsight.collector.store.schema import (
    APPLICATION_ID,
    FILE_NAME,
    UPGRADES,
    VERSION,
    connect_reader,
    connect_writer,
    create,
    upgrade,
)
from fedsight.errors import StoreError

#: Files up to this size are checked page by page at every start: 28 MB took 25 ms from the page
#: cache and 1 s from a busy, cold disk. Larger ones are checked once a page was found damaged.
CHECKED_BYTES = 64 * 2**20
SUSPECT = ".suspect"
#: https://www.sqlite.org/fileformat.html#the_database_header
MAGIC = b"SQLite format 3\x00"
DAMAGE_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class _DamagedError(Exception):
    """The file is no database, or not a whole one."""


def open_store(
    directory: Path, checked_bytes: int = CHECKED_BYTES
) -> tuple[sqlite3.Connection, str | None]:
    """The writing connection, and the name under which a damaged file was kept, if one was.

    Every page of a file of at most `checked_bytes`, or of one that is suspect, is looked at.

    Raises StoreError where the file cannot be opened, or belongs to another program or a newer
    version of this one: such a file is left as it is.
    """
    file = directory / FILE_NAME
    try:
        return _opened(file, checked_bytes), None
    except _DamagedError:
        kept = set_aside(file, datetime.now(UTC))
    try:
        return _opened(file, checked_bytes), kept
    except _DamagedError as error:
        raise StoreError(f"cannot open a new store at {file}: {error}") from error


def open_readonly(data: Path) -> sqlite3.Connection:
    """A connection that only reads the store of a data directory, with or without a collector.

    Raises StoreError naming the file where there is none or it cannot be read.
    """
    file = data / FILE_NAME
    if not file.is_file() or not file.stat().st_size:
        raise StoreError(f"there is no store at {file}: nothing was collected there yet")
    try:
        connection = connect_reader(file, Archive(data))
        _check_ours(connection, file)
    except (sqlite3.Error, _DamagedError) as error:
        hint = "; the next collector keeps it aside and begins a new one" if _damage(error) else ""
        raise StoreError(f"cannot read the store {file}: {error}{hint}") from error
    return connection


def _damage(error: Exception) -> bool:
    return isinstance(error, _DamagedError) or is_damage(error)


def _opened(file: Path, checked_bytes: int) -> sqlite3.Connection:
    """Look first with a connection that changes nothing: one that may write folds the write-ahead
    log into a damaged file, or turns another program's database into a WAL one."""
    try:
        _inspect(file, checked_bytes)
        connection = connect_writer(file)
        try:
            if _empty(connection):
                create(connection)
            upgrade(connection)
        except BaseException:  # whatever it is is raised on; the connection has nobody else
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _named(error, file) from error
    return connection


def _inspect(file: Path, checked_bytes: int) -> None:
    size = file.stat().st_size if file.exists() else 0
    wal = file.with_name(f"{file.name}-wal")
    if not size:
        if wal.exists() and wal.stat().st_size:
            raise _DamagedError("a write-ahead log without its database")
        return
    with file.open("rb") as content:
        if content.read(len(MAGIC)) != MAGIC:
            raise _DamagedError("no database")
    with closing(connect_reader(file)) as connection:
        if not _empty(connection):
            _check_ours(connection, file, older=True)
            if size <= checked_bytes or _suspicion(file).exists():
                _check_whole(connection)
    _suspicion(file).unlink(missing_ok=True)


def _empty(connection: sqlite3.Connection) -> bool:
    """No table yet: new, or its maker was killed before the first commit."""
    return not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _named(error: sqlite3.Error, file: Path) -> Exception:
    if is_damage(error):
        return _DamagedError(str(error))
    return StoreError(f"cannot open the store {file}: {error}")


def _check_ours(connection: sqlite3.Connection, file: Path, *, older: bool = False) -> None:
    """Raise StoreError for a foreign file; `older` where a version that can be upgraded will do."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise StoreError(f"{file} is a database of another program; it was left as it is")
    if version == VERSION or (older and version in UPGRADES):
        return
    mend = "use the fedsight that wrote it"
    if version in UPGRADES:
        mend = "start a collector on it once (fedsight serve collector), which upgrades it"
    raise StoreError(
        f"{file} has store version {version} and this fedsight reads version {VERSION}; {mend}"
    )


def _check_whole(connection: sqlite3.Connection) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise _DamagedError(found)


def _suspicion(file: Path) -> Path:
    return file.with_name(file.name + SUSPECT)


def note_damage(file: Path, error: Exception) -> None:
    """Where an error says that a page is damaged, have the whole file checked at the next start."""
    if is_damage(error):
        with suppress(OSError):  # where the disk takes nothing, whoever met the error must go on
            _suspicion(file).touch()


def is_damage(error: Exception) -> bool:
    """Whether SQLite found the file damaged."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGE_CODES


def set_aside(file: Path, when: datetime) -> str:
    """Rename a damaged store with its `-wal` and `-shm`, on disk before this returns."""
    stem = f"{file.name}.corrupt-{when:%Y%m%dT%H%M%SZ}"
    name, again = stem, 1
    while (file.with_name(name)).exists():
        name, again = f"{stem}-{again}", again + 1
    _suspicion(file).unlink(missing_ok=True)
    samples = file.with_name(FOLDER)
    if samples.exists():  # its numbers are of series that only the damaged file names
        samples.rename(file.with_name(f"{name}-{FOLDER}"))
    for part in ("-wal", "-shm", ""):
        old = file.with_name(file.name + part)
        if old.exists():
            old.rename(file.with_name(name + part))
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return name
